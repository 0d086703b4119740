"""Reading orders: one by what names it, or many, newest first or in a stream.

Functions take an open connection and give values of `orders`; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from shop.database import order_events, order_lines, orders
from shop.orders.orders import FIRST_NUMBER, Address, Event, Fulfilment, Order, OrderLine, Payment

_LARGEST_ID = 2**31 - 1
_AT_ONCE = 200


def stamp(moment: datetime) -> str:
    """A time as the database keeps it: UTC, to the second, so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def find_by_id(connection: Connection, order_id: int) -> Order | None:
    return _find(connection, orders.c.id == order_id) if 0 < order_id <= _LARGEST_ID else None


def find_by_number(connection: Connection, number: int) -> Order | None:
    """By the number that people know it by, such as 1001."""
    return find_by_id(connection, number - FIRST_NUMBER + 1)


def find_by_token(connection: Connection, token: str) -> Order | None:
    return _find(connection, orders.c.token == token)


def find_by_nonce(connection: Connection, nonce: str) -> Order | None:
    """The order that a checkout form of this nonce became."""
    return _find(connection, orders.c.nonce == nonce)


def list_orders(
    connection: Connection,
    *,
    payment: Payment | str | None = None,
    fulfilment: Fulfilment | str | None = None,
    attention: bool = False,
    limit: int = 50,
    before_id: int | None = None,
) -> list[Order]:
    """Up to `limit` orders, newest first. `attention`: only those that the merchant must look at.

    `before_id` is the id of the last order of the page before.
    """
    found = sa.select(orders).order_by(orders.c.id.desc()).limit(limit)
    if payment is not None:
        found = found.where(orders.c.payment == Payment(payment))
    if fulfilment is not None:
        found = found.where(orders.c.fulfilment == Fulfilment(fulfilment))
    if attention:
        found = found.where(orders.c.attention != "")
    if before_id is not None:
        found = found.where(orders.c.id < before_id)
    return _orders(connection, connection.execute(found).all())


def all_orders(connection: Connection) -> Iterator[Order]:
    """Every order, oldest first, read a few hundred at a time: memory doesn't grow with their number."""
    last = 0
    while rows := connection.execute(
        sa.select(orders).where(orders.c.id > last).order_by(orders.c.id).limit(_AT_ONCE)
    ).all():
        yield from _orders(connection, rows)
        last = rows[-1].id


def _find(connection: Connection, condition: sa.ColumnElement[bool]) -> Order | None:
    row = connection.execute(sa.select(orders).where(condition).order_by(orders.c.id.desc()).limit(1)).first()
    return _orders(connection, [row])[0] if row else None


def _orders(connection: Connection, rows: Sequence[Row[Any]]) -> list[Order]:
    """Orders of those rows, with their lines and events: three queries, however many they are."""
    ids = [row.id for row in rows]
    lines: dict[int, list[OrderLine]] = {id: [] for id in ids}
    events: dict[int, list[Event]] = {id: [] for id in ids}
    for row in connection.execute(
        sa.select(order_lines)
        .where(order_lines.c.order_id.in_(ids))
        .order_by(order_lines.c.order_id, order_lines.c.position)
    ):
        lines[row.order_id].append(_line(row))
    for row in connection.execute(
        sa.select(order_events).where(order_events.c.order_id.in_(ids)).order_by(order_events.c.id)
    ):
        events[row.order_id].append(Event(datetime.fromisoformat(row.at), row.what, row.detail))
    return [_order(row, lines[row.id], events[row.id]) for row in rows]


def _line(row: Row[Any]) -> OrderLine:
    return OrderLine(
        item=row.item,
        title=row.title,
        variant_title=row.variant_title,
        sku=row.sku,
        price=row.price,
        quantity=row.quantity,
        discount=row.discount,
        tax=row.tax,
        requires_shipping=row.requires_shipping,
        taxable=row.taxable,
        stock_taken=row.stock_taken,
    )


def _order(row: Row[Any], lines: Sequence[OrderLine], events: Sequence[Event]) -> Order:
    return Order(
        id=row.id,
        token=row.token,
        placed_at=datetime.fromisoformat(row.placed_at),
        currency=row.currency,
        locale=row.locale,
        name=row.name,
        email=row.email,
        address=Address(**row.address),
        lines=tuple(lines),
        shipping_title=row.shipping_title,
        payment_method=row.payment_method,
        subtotal=row.subtotal,
        discount_code=row.discount_code,
        discount=row.discount,
        shipping=row.shipping,
        tax_title=row.tax_title,
        tax=row.tax,
        tax_included=row.tax_included,
        total=row.total,
        payment=Payment(row.payment),
        fulfilment=Fulfilment(row.fulfilment),
        payment_until=datetime.fromisoformat(row.payment_until) if row.payment_until else None,
        payment_reference=row.payment_reference,
        tracking_number=row.tracking_number,
        attention=row.attention,
        events=tuple(events),
    )
