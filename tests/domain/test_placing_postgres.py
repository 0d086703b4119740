"""What only PostgreSQL does: rows locked one by one, so that transactions can wait for each other in a circle."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from traceback import format_exception

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from shop.database import Database, metadata, orders, products, variants
from shop.orders import placing, states
from shop.orders.orders import Fulfilment
from shop.orders.placing import Changed, NotTaken, place
from tests.ordering import NOW, TERMS, all_orders, in_stock, ordering, stock, wishing

NO_CHANGE = variants.update().where(variants.c.item == "last-poster").values(stock=variants.c.stock)


@pytest.fixture
def database(postgres_url: str):
    database = Database(postgres_url)
    yield database
    database.close()


@contextmanager
def merchant(database: Database) -> Iterator[Connection]:
    """Another transaction at work, committed by `connection.commit()`, given up after a while."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("set statement_timeout = '60s'")
        connection.exec_driver_sql("set deadlock_timeout = '1h'")  # the others are to notice
        connection.commit()
        yield connection


def wait_until_blocked(connection: Connection, future: Future[object]) -> None:
    """Until another session waits for a lock of ours. Asks again and again; each question takes a moment itself."""
    waiting = sa.text(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    while not connection.execute(waiting).scalar_one():
        assert not future.done(), future
        # The view is one snapshot for each transaction.
        connection.execute(sa.text("select pg_stat_clear_snapshot()"))


def settle_for(database: Database, **options: str) -> None:
    """Have later sessions of this database start with these options."""
    with database.engine.connect() as connection:
        name = connection.exec_driver_sql("select current_database()").scalar_one()
        for option, value in options.items():
            connection.exec_driver_sql(f"alter database {name} set {option} to '{value}'")
        connection.commit()
    database.engine.dispose()


def test_the_migrations_build_the_schema(database):
    options = {"compare_type": True, "compare_server_default": True}
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_an_error_says_what_is_refused_and_nobody_s_address(database):
    place(database, wishing(database, {"mug": 1}), TERMS, NOW)

    with pytest.raises(sa.exc.IntegrityError) as refused, database.writing() as connection:
        connection.execute(orders.update().values(token=None))

    logged = "".join(format_exception(refused.value))
    assert logged.count('null value in column "token"') >= 2  # the driver's words, and SQLAlchemy's
    assert "ada@example.com" not in logged


def test_a_shopper_who_waited_is_told_what_is_left(database, monkeypatch):
    """The quote is made with the stock locked, so no second attempt is needed to know what another has just taken."""
    monkeypatch.setattr(placing, "_ATTEMPTS", 1)
    wish = wishing(database, {"last-poster": 1})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(NO_CHANGE.values(stock=0))
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.commit()

        with pytest.raises(Changed) as refusal:
            placing_it.result()

    assert refusal.value.changes[0].problem == "Sold out."


def test_a_shopper_who_waited_for_nothing_gets_it(database):
    wish = wishing(database, {"last-poster": 1})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(NO_CHANGE.values(stock=0))
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.rollback()

        assert placing_it.result().lines[0].stock_taken == 1


def test_what_could_not_be_put_in_a_row_is_tried_again(database):
    settle_for(database, default_transaction_isolation="serializable")
    wish = wishing(database, {"last-poster": 1})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(NO_CHANGE)
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.commit()

        assert placing_it.result() == all_orders(database)[0]


def test_what_cannot_be_put_in_a_row_for_long_is_not_taken(database, monkeypatch):
    monkeypatch.setattr(placing, "_ATTEMPTS", 1)
    settle_for(database, default_transaction_isolation="serializable")
    wish = wishing(database, {"last-poster": 1})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(NO_CHANGE)
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.commit()

        with pytest.raises(NotTaken):
            placing_it.result()

    assert all_orders(database) == []
    assert stock(database, "last-poster") == 1


def test_a_deadlock_with_an_import_is_tried_again(database):
    """An import writes products before variants, an order the other way round."""
    settle_for(database, deadlock_timeout="2s")
    wish = wishing(database, {"last-poster": 1})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(products.update().where(products.c.handle == "last-poster").values(title="Last Poster"))
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.execute(NO_CHANGE)
        other.commit()

        assert placing_it.result().lines[0].stock_taken == 1

    assert len(all_orders(database)) == 1
    assert not in_stock(database, "last-poster")


def test_a_product_is_listed_by_what_others_just_did_to_its_variants(database):
    """White shirts come back while the last blue ones are sold."""
    ordering(database, {"shirt.white.m": 5})
    wish = wishing(database, {"shirt.blue.m": 2})
    with merchant(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(variants.update().where(variants.c.item == "shirt.white.m").values(stock=5))
        other.execute(products.update().where(products.c.handle == "shirt").values(in_stock=True))
        placing_it = pool.submit(place, database, wish, TERMS, NOW)
        wait_until_blocked(other, placing_it)
        other.commit()
        placing_it.result()

    assert in_stock(database, "shirt")


def test_orders_and_cancels_of_the_same_goods_do_not_wait_in_a_circle(database):
    """Cancels lock the order first and then the stock; orders, and other cancels, lock the same stock."""
    shelf = {"clay-teapot": 12, "shirt.blue.m": 2, "last-poster": 1, "creme-bowl": 30}
    baskets = [dict.fromkeys(shelf, 1), dict.fromkeys(reversed(shelf), 1)]

    def buy_and_regret(number: int) -> None:
        for _ in range(3):
            try:
                order = ordering(database, baskets[number % 2])
            except Changed:
                continue
            states.cancel(database, order.id, NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(buy_and_regret, range(6)))

    assert {order.fulfilment for order in all_orders(database)} == {Fulfilment.CANCELLED}
    assert {item: stock(database, item) for item in shelf} == shelf
    assert all(in_stock(database, handle) for handle in ("clay-teapot", "shirt", "last-poster", "creme-bowl"))
