"""Mail that waits to be sent: queued in the transaction of what it tells of, sent after by the server's chores.

Each message is claimed by a conditional update, so of two servers one sends it, and sent outside of any transaction.
A failure is noted with the message, which is tried again after a growing delay; nothing else learns of it. A server
that dies while sending leaves a claim that ends: then the message goes out once more, under the same Message-ID.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from shop.database import Database, outbox
from shop.orders import mail
from shop.orders.mail import Mail
from shop.orders.orders import FIRST_NUMBER
from shop.settings import Settings

# How long after each failed attempt the next one comes; after the last of these, no more. Also what a server calls
# final is tried again: often it is a setting that the merchant puts right.
DELAYS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
    timedelta(hours=24),
)
MOST_ATTEMPTS = len(DELAYS) + 1
CLAIM = timedelta(minutes=10)  # for one attempt: longer than any takes
KEPT = timedelta(days=30)  # sent mail, for questions about it; the order itself stays

log = logging.getLogger("shop.mail")


@dataclass(frozen=True)
class Unsent:
    """A message that still waits, or was given up. `last_error` is empty before the first attempt has ended."""

    id: int
    order_id: int
    recipient: str
    subject: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str

    @property
    def order_number(self) -> int:
        return FIRST_NUMBER - 1 + self.order_id

    @property
    def given_up(self) -> bool:
        return self.attempts >= MOST_ATTEMPTS


def queue(connection: Connection, order_id: int, mails: Sequence[Mail], now: datetime) -> None:
    """Have `mails` sent once this transaction is committed."""
    for letter in mails:
        connection.execute(
            outbox.insert().values(
                order_id=order_id,
                recipient=letter.recipient,
                subject=letter.subject,
                body=letter.body,
                created_at=_stamp(now),
                due_at=_stamp(now),
                attempts=0,
                last_error="",
            )
        )


def send_due(database: Database, settings: Settings, now: datetime, most: int = 100) -> int:
    """Try to send up to `most` messages that are due; how many were sent.

    Raises what the database raises; no mail failure is raised.
    """
    sent = 0
    for _ in range(most):
        claimed = _claim(database, now)
        if claimed is None:
            break
        sent += _send(database, settings, claimed, now)
    return sent


def unsent(connection: Connection) -> list[Unsent]:
    """All that waits or was given up, oldest first."""
    found = connection.execute(sa.select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.id))
    return [
        Unsent(
            id=row.id,
            order_id=row.order_id,
            recipient=row.recipient,
            subject=row.subject,
            created_at=datetime.fromisoformat(row.created_at),
            due_at=datetime.fromisoformat(row.due_at),
            attempts=row.attempts,
            last_error=row.last_error,
        )
        for row in found
    ]


def try_again(database: Database, now: datetime) -> int:
    """Make all that waits due at once, what was given up included; how many messages that is."""
    again = outbox.update().where(outbox.c.sent_at.is_(None)).values(due_at=_stamp(now), attempts=0)
    with database.writing() as connection:
        return connection.execute(again).rowcount


def prune(database: Database, now: datetime) -> int:
    """Delete what was sent more than 30 days ago; how many messages that was."""
    with database.writing() as connection:
        return connection.execute(outbox.delete().where(outbox.c.sent_at < _stamp(now - KEPT))).rowcount


def _claim(database: Database, now: datetime) -> Row[Any] | None:
    """The message that has been due the longest, now ours until the claim ends; None when none is due."""
    # A time further off than any that is set was set by a clock that has since been put right.
    due = sa.or_(outbox.c.due_at <= _stamp(now), outbox.c.due_at > _stamp(now + max(DELAYS)))
    free = sa.or_(
        outbox.c.claimed_until.is_(None),
        outbox.c.claimed_until <= _stamp(now),
        outbox.c.claimed_until > _stamp(now + CLAIM),
    )
    waiting = sa.and_(outbox.c.sent_at.is_(None), outbox.c.attempts < MOST_ATTEMPTS, due, free)
    first = sa.select(outbox).where(waiting).order_by(outbox.c.due_at, outbox.c.id).limit(1)
    until = _stamp(now + CLAIM)
    while True:
        with database.reading() as connection:
            found = connection.execute(first).one_or_none()
        if found is None:
            return None
        # `attempts` counts the claims, so it is still as we read it only if nobody else came between.
        claim = outbox.update().where(outbox.c.id == found.id, outbox.c.attempts == found.attempts, waiting)
        claim = claim.values(attempts=found.attempts + 1, claimed_until=until)
        with database.writing() as connection:
            if connection.execute(claim).rowcount:
                return found


def _send(database: Database, settings: Settings, claimed: Row[Any], now: datetime) -> bool:
    letter = Mail(claimed.recipient, claimed.subject, claimed.body)
    written_at = datetime.fromisoformat(claimed.created_at)
    try:
        mail.send(settings, letter, key=_key(claimed), written_at=written_at)
    except Exception as error:  # whatever it is, it is this message's alone: the next one must get its turn
        _note_failure(database, claimed, error, now)
        return False
    with database.writing() as connection:
        sent = outbox.update().where(outbox.c.id == claimed.id, outbox.c.sent_at.is_(None))
        connection.execute(sent.values(sent_at=_stamp(now), claimed_until=None, last_error=""))
    return True


def _note_failure(database: Database, claimed: Row[Any], error: Exception, now: datetime) -> None:
    attempts = claimed.attempts + 1
    delay = DELAYS[attempts - 1] if attempts < MOST_ATTEMPTS else None
    with database.writing() as connection:
        # Only while the claim is ours: another server may have taken over when it ended.
        failed = outbox.update().where(
            outbox.c.id == claimed.id, outbox.c.attempts == attempts, outbox.c.sent_at.is_(None)
        )
        connection.execute(
            failed.values(
                claimed_until=None,
                due_at=_stamp(now + delay) if delay else claimed.due_at,
                last_error=mail.reason(error),
            )
        )
    number = FIRST_NUMBER - 1 + claimed.order_id
    what = f"Mail {claimed.id} of order {number} was not sent: {mail.summary(error)}"
    if delay:
        log.warning("%s. Attempt %d of %d, the next one in %s.", what, attempts, MOST_ATTEMPTS, delay)
    else:
        log.error("%s. That was the last of %d attempts.", what, MOST_ATTEMPTS)


def _key(claimed: Row[Any]) -> str:
    """What names a message for ever. Its text has the order's token, so that nobody can guess it or find it again."""
    parts = (claimed.id, claimed.created_at, claimed.recipient, claimed.subject, claimed.body)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
