"""The server's own chores: it sends mail, settles payments whose time is up, and deletes what nobody needs any more.

They have a thread of the first worker (see `shop/server.py`), for which nobody waits. A chore that fails is one
line in the log, and is tried again; several servers on one database may do them at once.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from traceback import extract_tb

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shop import user_lists
from shop.database import Database
from shop.orders import outbox, payment
from shop.settings import Settings

# Seconds from one look to the next. A look at the outbox is one read through an index.
MAIL_EVERY = 2.0
PAYMENTS_EVERY = 30.0
PRUNING_EVERY = 24 * 3600.0
AFTER_A_FAILURE = 60.0

log = logging.getLogger("shop.background")


@dataclass(frozen=True)
class Chore:
    """`do(now)` is done every `seconds`; again at once when it says True: there is more to do."""

    name: str
    seconds: float
    do: Callable[[datetime], bool]


def run(settings: Settings, stopping: Event) -> None:
    """Do all chores until `stopping` is set, which ends this once the step in hand is done."""
    database = Database(settings.database_url)
    try:
        _report_given_up(database)
        repeat(chores(database, settings), stopping)
    finally:
        database.close()


def chores(database: Database, settings: Settings) -> list[Chore]:
    """Each in small steps, so that none keeps the others waiting and all stop soon."""

    def send_mail(now: datetime) -> bool:
        return bool(outbox.send_due(database, settings, now, most=1))

    def settle_payments(now: datetime) -> bool:
        payment.settle_overdue(database, settings, now)
        return False

    def prune(now: datetime) -> bool:
        outbox.prune(database, now)
        with database.writing() as connection:
            user_lists.prune(connection)
        return False

    return [
        Chore("Sending mail", MAIL_EVERY, send_mail),
        Chore("Settling overdue payments", PAYMENTS_EVERY, settle_payments),
        Chore("Pruning", PRUNING_EVERY, prune),
    ]


def repeat(
    chores: list[Chore],
    stopping: Event,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], bool] | None = None,
) -> None:
    """Do each chore when it is due, the one that has been due the longest first, until `stopping` is set.

    `clock` counts seconds and `wait(seconds)` lets them pass, and says True when it is time to stop.
    """
    wait = wait or stopping.wait
    plan = [(clock(), place) for place in range(len(chores))]
    while not stopping.is_set():
        due, place = plan[0]
        if (seconds := due - clock()) > 0 and wait(seconds):
            break
        pause = _do(chores[place])
        heapq.heapreplace(plan, (clock() + pause, place))


def _do(chore: Chore) -> float:
    """Do it once. The seconds until it is due again."""
    try:
        return 0 if chore.do(datetime.now(UTC)) else chore.seconds
    except Exception as error:
        again = max(chore.seconds, AFTER_A_FAILURE)
        log.error("%s failed, and is tried again in %d seconds: %s", chore.name, again, _explain(error))
        return again


def _explain(error: Exception) -> str:
    """What went wrong and where, without the values that an error's text may have: they may be somebody's."""
    frames = extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(frames) if Path(frame.filename).is_relative_to(_HERE)), frames[-1])
    what = type(error).__name__
    if isinstance(error, DBAPIError):  # the database's own words, whose first line names no values
        what += f" ({(str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]})"
    return f"{what} in {Path(ours.filename).name}, line {ours.lineno}"


_HERE = Path(__file__).parent


def _report_given_up(database: Database) -> None:
    """Say at the start what was given up: nobody may have seen it happen."""
    try:
        with database.reading() as connection:
            count = sum(message.given_up for message in outbox.unsent(connection))
    except SQLAlchemyError:
        return  # the first chore will say so
    if count:
        log.warning("Mail that could not be sent and is not tried any more: %d. `shop mail list` says why.", count)
