"""The cookie of the registered users, sealed or signed as SHOP_USERS_COOKIE says; and which of them is shopping."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from flask import session
from sqlalchemy.engine import Connection

from shop import user_lists
from shop.asked import known
from shop.cookies.jar import Kind, Unreadable, database, decode, encode, fits, keep, remembered, seal, sent, settings
from shop.cookies.session import current_session, leave_no_empty_session
from shop.language import N_
from shop.language import gettext as _
from shop.seals import Broken
from shop.users import User, Users

USERS = Kind(
    "users", N_("The people registered in this browser, and their addresses."), budget=2800, lives=timedelta(days=400)
)


@dataclass(frozen=True)
class UserList:
    """The list of users that this browser keeps, as its cookie says it.

    `row` is the token of the server's row that holds a list too long for a cookie. `left` is one that held it before
    the list fitted again: the browser's sending this shows that it has the list, so the row can go.
    """

    users: Users = field(default_factory=Users)
    row: str | None = None
    left: str | None = None
    problem: str | None = None  # why the cookie can't be read, as the end of a sentence

    @property
    def moved(self) -> bool:
        """True when the list lives on the server."""
        return self.row is not None


def current_user_list() -> UserList:
    """The users list of this request: what `change_users` made of it, else what the browser sent."""
    found: UserList | None = known().get("user_list")
    if found is None:
        found = known()["user_list"] = _decoded_user_list()
    return found


def current_users() -> Users:
    return current_user_list().users


def shopper() -> User | None:
    """The registered user who was chosen to shop; None for a guest."""
    chosen = current_session().get("shopper")
    if not isinstance(chosen, str):
        return None
    return next((user for user in current_users() if user.id == chosen), None)


def choose_shopper(user: User | None) -> None:
    """Shop as `user` from now on, or as a guest."""
    session.permanent = True
    if user is not None:
        session["shopper"] = user.id
    else:
        session.pop("shopper", None)
        leave_no_empty_session()


def users_problem() -> str | None:
    """What is wrong with the users cookie that the browser sent, as the end of a sentence; None when it is fine.

    Asked on every page, it opens the cookie only where it is at hand or somebody was chosen to shop.
    """
    return current_user_list().problem if "user_list" in known() or "shopper" in current_session() else None


def change_users(change: Callable[[Users], Users]) -> UserList:
    """Send the list that `change` makes of the current one with this answer.

    A list too long for its cookie is written to a row of the database, sealed with a key that only the cookie has,
    in the one transaction in which it was read; a list that fits again comes back. A list that couldn't be read is
    replaced. What `change` raises leaves everything as it was.
    """
    before = current_user_list()
    if before.row is None and before.left is None:
        users = change(before.users)
        value = _users_value(_user_list_json(users))
        if fits(USERS, value):
            return _keep_user_list(UserList(users), value)
    with database().writing() as connection:
        users = change(_row_to_change(connection, before.row) if before.row else before.users)
        if before.left:
            user_lists.delete(connection, before.left)
        # An answer can be lost. Until the browser shows that it has the list, the row stays.
        value = _users_value(_user_list_json(users, left=before.row))
        if not users and before.row:
            user_lists.delete(connection, before.row)
            after = UserList()
        elif fits(USERS, value):
            after = UserList(users, left=before.row)
            if before.row:  # for a change that is in flight already, and will look for the list there
                user_lists.write(connection, before.row, users)
        else:
            after = UserList(users, row=before.row or user_lists.new_token())
            user_lists.write(connection, str(after.row), users)
            value = _users_value({"row": after.row})
    return _keep_user_list(after, value)


def erase_users() -> None:
    """Erase the list, and the server's row if it has one."""
    user_list = current_user_list()
    for row in filter(None, (user_list.row, user_list.left)):
        with database().writing() as connection:
            user_lists.delete(connection, row)
    _keep_user_list(UserList(), "")


def _row_to_change(connection: Connection, row: str) -> Users:
    """The list in that row; none when another request has erased it since this one began."""
    try:
        return user_lists.read(connection, row, to_change=True)
    except user_lists.Gone:
        return Users()


def _keep_user_list(user_list: UserList, value: str) -> UserList:
    known()["user_list"] = user_list
    keep(USERS, value if user_list.users else "")
    return user_list


def _decoded_user_list() -> UserList:
    value = sent(USERS)
    if not value:
        return UserList()
    try:
        kept = remembered(USERS, value, _opened_users)
        return kept if isinstance(kept, UserList) else _user_list_on_server(kept)
    except Unreadable as unreadable:
        return UserList(problem=str(unreadable))


def _user_list_on_server(row: str) -> UserList:
    """The list in that row. Raises Unreadable."""
    with database().reading() as connection:
        try:
            return UserList(user_lists.read(connection, row), row=row)
        except user_lists.Gone:
            raise Unreadable(_("the list was kept on this shop's server, which has it no more")) from None


def _user_list(decoded: Any) -> UserList | str:
    """The list that `_user_list_json` wrote, or the row that it names. Raises Unreadable."""
    if isinstance(decoded, dict) and set(decoded) == {"row"}:
        return str(decoded["row"])
    left = None
    if isinstance(decoded, dict) and set(decoded) == {"users", "left"}:
        decoded, left = decoded["users"], str(decoded["left"])
    try:
        return UserList(Users.from_json(decoded), left=left)
    except ValueError:
        raise Unreadable(_("it was written by a later version of this shop")) from None


def _user_list_json(users: Users, left: str | None = None) -> Any:
    return {"users": users.to_json(), "left": left} if left else users.to_json()


def _users_value(decoded: Any) -> str:
    """The users cookie: sealed; or signed, when SHOP_USERS_COOKIE says so."""
    if settings().users_cookie == "sealed":
        return seal(USERS.name).seal(json.dumps(decoded, ensure_ascii=False, separators=(",", ":")))
    readable = encode(decoded)
    return f"{readable}.{seal(USERS.name).sign(readable)}"


def _opened_users(value: str) -> UserList | str:
    """What a users cookie holds, sealed or signed, whichever is set: the list, or its row. Raises Unreadable."""
    longest = USERS.budget * 2
    try:
        if value.lstrip()[:1] in ("[", "{") or value[:3].upper() in ("%5B", "%7B"):
            readable, _dot, signature = value.rpartition(".")
            seal(USERS.name).check(readable, signature)
            return _user_list(decode(readable, longest))
        return _user_list(decode(quote(seal(USERS.name).open(value)), longest * 3))
    except Broken:
        raise Unreadable(_("it was cut short, changed, or written by somebody else")) from None
