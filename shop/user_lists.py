"""Lists of users that outgrew their cookie: one row each, found and opened by a token that the cookie alone holds.

Functions take an open connection; `write` and `delete` belong in a transaction.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.database import user_lists
from shop.seals import Broken, Seal
from shop.users import Users

LIVES = timedelta(days=400)  # as long as the cookie that leads to it, which each change renews


class Gone(LookupError):
    """No row answers to the token."""


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def read(connection: Connection, token: str, *, to_change: bool = False) -> Users:
    """The list in that row; `to_change` makes other changes to it wait for this transaction. Raises Gone."""
    query = sa.select(user_lists.c.sealed).where(user_lists.c.id == _id(token))
    # SQLite, which has no such clause, takes its lock when the transaction begins.
    sealed = connection.execute(query.with_for_update() if to_change else query).scalar()
    try:
        return Users.from_json(json.loads(_seal(token).open(sealed or "")))
    except Broken:
        raise Gone from None


def write(connection: Connection, token: str, users: Users) -> None:
    """Make the row of that token hold `users`."""
    sealed = _seal(token).seal(json.dumps(users.to_json(), ensure_ascii=False, separators=(",", ":")))
    row = {"sealed": sealed, "used_at": _now().isoformat(timespec="seconds")}
    if not connection.execute(sa.update(user_lists).where(user_lists.c.id == _id(token)).values(row)).rowcount:
        connection.execute(sa.insert(user_lists).values(id=_id(token), **row))


def delete(connection: Connection, token: str) -> None:
    connection.execute(sa.delete(user_lists).where(user_lists.c.id == _id(token)))


def prune(connection: Connection) -> int:
    """Delete the rows that nobody changed for 400 days, whose cookies have ended by now. How many there were."""
    oldest = (_now() - LIVES).isoformat(timespec="seconds")
    return connection.execute(sa.delete(user_lists).where(user_lists.c.used_at < oldest)).rowcount


def _id(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _seal(token: str) -> Seal:
    return Seal([token], "user list")


def _now() -> datetime:
    return datetime.now(UTC)
