"""No room for an order: it is refused whole, and the shop goes on. SQLite's limits are real ones."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from shop.database import Database
from shop.orders.mail import Mail
from shop.orders.placing import NotTaken, place
from tests.ordering import NOW, TERMS, all_orders, tables, wishing

pytestmark = pytest.mark.sqlite

MOST_TRIES = 60


def long_letters(_order) -> list[Mail]:
    """Mail that fills pages of the database: an order alone can fit in the room that is left in one."""
    return [Mail("ada@example.com", "Thanks", "x" * 40_000)]


@contextmanager
def at_most(url: str, pages: int) -> Iterator[Database]:
    """The database, which may not grow beyond so many pages."""
    database = Database(url)
    sa.event.listen(database.engine, "connect", lambda connection, _: _limit(connection, pages))
    yield database
    database.close()


def _limit(connection, pages: int) -> None:
    connection.execute(f"pragma max_page_count = {pages}").close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: writing fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def pages(database: Database) -> int:
    with database.reading() as connection:
        return connection.exec_driver_sql("pragma page_count").scalar_one()


def test_a_full_database_refuses_the_order_whole(database, settings):
    """With one page more of room each time, until there is enough."""
    wish = wishing(database, {"mug": 2, "last-poster": 1}, code="TWICE")
    before, size, refusals = tables(database), pages(database), 0
    for room in range(MOST_TRIES):
        with at_most(settings.database_url, size + room) as limited:
            try:
                order = place(limited, wish, TERMS, NOW, letters=long_letters)
                break
            except NotTaken as error:
                refusals += 1
                assert "full" in str(error.__cause__)
                assert "ada@example.com" not in str(error.__cause__), "which is logged"
                assert "can’t be ordered twice" in str(error)
                assert tables(limited) == before

    assert refusals > 5
    assert all_orders(database) == [order]


def test_a_disk_that_fills_up_while_the_order_is_kept_refuses_it_whole(database, settings):
    """The log of changes is cut short at every few bytes, the moment of commit included."""
    wish = wishing(database, {"mug": 2, "last-poster": 1}, code="TWICE")
    before, refusals = tables(database), 0
    log = Path(f"{settings.data / 'shop.sqlite3'}-wal")
    while True:
        size = log.stat().st_size if log.exists() else 0
        try:
            with files_of_at_most(size + refusals * 1500):
                order = place(database, wish, TERMS, NOW, letters=long_letters)
            break
        except NotTaken:
            refusals += 1
            assert tables(database) == before
            assert refusals < MOST_TRIES

    assert refusals > 5
    assert all_orders(database) == [order]


def test_a_read_only_database_refuses_the_order(database, settings):
    wish = wishing(database, {"mug": 1})
    limited = Database(settings.database_url)
    sa.event.listen(limited.engine, "connect", lambda connection, _: connection.execute("pragma query_only = 1"))

    with pytest.raises(NotTaken) as refusal:
        place(limited, wish, TERMS, NOW)

    limited.close()
    assert "readonly" in str(refusal.value.__cause__)
    assert all_orders(database) == []
