"""A change of an order and the letters that tell of it, in one transaction: neither is there without the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.database import Database, orders
from shop.orders import outbox, store
from shop.orders.mail import Mail
from shop.orders.orders import Order
from shop.orders.states import UnknownOrder


@dataclass(frozen=True)
class Told:
    """The order as it is now. `changed`: its history has grown; if it hasn't, there are no letters either."""

    order: Order
    changed: bool
    letters: tuple[Mail, ...]


def change(
    database: Database,
    order_id: int,
    now: datetime,
    step: Callable[[Database], Order],
    letters: Callable[[Order], Sequence[Mail]],
) -> Told:
    """Take a `step` of `states`, and queue `letters` if it changed the order.

    `change(database, order.id, now, lambda within: states.ship(within, order.id, now), letters)`: the step must use
    the database that it is given. Raises UnknownOrder, and what the step raises.
    """
    with database.writing() as connection:
        # Locked first: of two that do the same at once, the second finds it done.
        connection.execute(sa.select(orders.c.id).where(orders.c.id == order_id).with_for_update())
        before = store.find_by_id(connection, order_id)
        if before is None:
            raise UnknownOrder(f"There is no order of id {order_id}.")
        order = step(_Within(database, connection))
        changed = len(order.events) > len(before.events)
        written = tuple(letters(order)) if changed else ()
        outbox.queue(connection, order.id, written, now)
    return Told(order, changed, written)


class _Within(Database):
    """A database seen from within a transaction that is under way: what is written through it is part of that."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.url = database.url
        self.engine = database.engine
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        yield self._connection
