"""What becomes of an order: paid, shipped, cancelled, refunded. Each is one transaction with an entry in its history.

What has been done already is not done again, so a message that comes twice or late does no harm. What can't be done
raises `NotPossible` and changes nothing. Every function gives the order as it is then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.database import Database, discount_uses, order_events, orders
from shop.language import N_
from shop.language import gettext as _
from shop.orders import stock, store
from shop.orders.orders import Fulfilment, Order, Payment

# What the merchant must look at. An order keeps it in English.
_PAID_LATE = N_("Paid after it was cancelled: refund it.")
_PAID_TWICE = N_("Paid a second time (%(reference)s): refund one of the payments.")
_CANCELLED_LATE = N_("Cancelled after it was paid: refund it.")


class UnknownOrder(LookupError):
    """There is no order of that id."""


class NotPossible(Exception):
    """The order is in no state for this, and stays as it was. `str()` is a sentence for the merchant."""

    def __init__(self, order: Order, reason: str) -> None:
        super().__init__(f"Order {order.number} {reason}.")


def set_reference(database: Database, order_id: int, reference: str) -> Order:
    """Keep the provider's name for the payment that an order awaits. A later one replaces it.

    The one change without an entry in the history: nothing has happened yet. Raises NotPossible when the order
    doesn't await its payment (any more).
    """
    with _changing(database, order_id) as (connection, order):
        if not _awaits(order):
            raise NotPossible(order, "does not await a payment")
        _update(connection, order, payment_reference=reference)
        return _again(connection, order)


def mark_paid(database: Database, order_id: int, now: datetime, reference: str = "") -> Order:
    """The money is there. `reference` is the provider's name for it; empty for one that the merchant notes by hand.

    Asks for the merchant's attention when the order was cancelled meanwhile, and when the provider reports the money
    for one that was noted as paid by hand: then the shopper has paid twice. Raises NotPossible for a payment noted by
    hand of an order that was refunded.
    """
    with _changing(database, order_id) as (connection, order):
        if order.payment in (Payment.PAID, Payment.REFUNDED):
            _pay_again(connection, order, now, reference)
        else:
            cancelled = order.fulfilment is Fulfilment.CANCELLED
            _update(
                connection,
                order,
                payment=Payment.PAID,
                payment_until=None,
                payment_reference=reference or order.payment_reference,
                attention=_PAID_LATE if cancelled else order.attention,
            )
            _note(connection, order, now, "paid", reference)
        return _again(connection, order)


def ship(database: Database, order_id: int, now: datetime, tracking_number: str = "") -> Order:
    """The goods are on their way. Again with another tracking number: that one counts.

    Raises NotPossible for an order that is cancelled, refunded, or still awaits its payment.
    """
    with _changing(database, order_id) as (connection, order):
        if order.fulfilment is Fulfilment.CANCELLED:
            raise NotPossible(order, "was cancelled")
        if order.fulfilment is Fulfilment.SHIPPED:
            if tracking_number not in ("", order.tracking_number):
                _update(connection, order, tracking_number=tracking_number)
                _note(connection, order, now, "tracking number", tracking_number)
            return _again(connection, order)
        if order.payment is Payment.AWAITED:
            raise NotPossible(order, "still awaits its payment")
        if order.payment is Payment.REFUNDED:
            raise NotPossible(order, "was refunded")
        _update(connection, order, fulfilment=Fulfilment.SHIPPED, tracking_number=tracking_number)
        _note(connection, order, now, "shipped", tracking_number)
        return _again(connection, order)


def cancel(database: Database, order_id: int, now: datetime, reason: str = "") -> Order:
    """The merchant's no: its stock and the use of its discount code go back. One that is paid needs a refund still.

    A provider's word that a payment failed is `cancel_unpaid`. Raises NotPossible once it is shipped.
    """
    with _changing(database, order_id) as (connection, order):
        if order.fulfilment is Fulfilment.SHIPPED:
            raise NotPossible(order, "is shipped already")
        if order.fulfilment is Fulfilment.OPEN:
            _cancel(connection, order, now, reason)
        return _again(connection, order)


def cancel_unpaid(database: Database, order_id: int, now: datetime, reason: str = "", reference: str = "") -> Order:
    """The payment won't come: cancels the order if it still awaits it, and changes nothing if it doesn't.

    With `reference`, only if that payment is the awaited one: the end of a first attempt leaves a second alone.
    """
    with _changing(database, order_id) as (connection, order):
        if _awaits(order) and reference in ("", order.payment_reference):
            _cancel(connection, order, now, reason)
        return _again(connection, order)


def refund(database: Database, order_id: int, now: datetime, reason: str = "") -> Order:
    """The money went back to the shopper; moving it is the provider's part. Raises NotPossible when none had come."""
    with _changing(database, order_id) as (connection, order):
        if order.payment in (Payment.DUE, Payment.AWAITED):
            raise NotPossible(order, "has not been paid")
        if order.payment is Payment.PAID:
            _update(connection, order, payment=Payment.REFUNDED, attention="")
            _note(connection, order, now, "refunded", reason)
        return _again(connection, order)


def settle(database: Database, order_id: int, now: datetime) -> Order:
    """The merchant has looked at what needed attention."""
    with _changing(database, order_id) as (connection, order):
        if order.attention:
            _update(connection, order, attention="")
            _note(connection, order, now, "settled", order.attention)
        return _again(connection, order)


def attention(order: Order) -> str:
    """What the merchant must look at, in the language that is spoken; empty where it is nothing."""
    if order.attention in (_PAID_LATE, _CANCELLED_LATE):
        return _(order.attention)
    again = next(({"reference": event.detail} for event in order.events if event.what == "paid again"), None)
    return _(_PAID_TWICE, **again) if again and order.attention == _PAID_TWICE % again else order.attention


@contextmanager
def _changing(database: Database, order_id: int) -> Iterator[tuple[Connection, Order]]:
    """A transaction that has the order to itself. Raises UnknownOrder."""
    with database.writing() as connection:
        connection.execute(sa.select(orders.c.id).where(orders.c.id == order_id).with_for_update())
        order = store.find_by_id(connection, order_id)
        if order is None:
            raise UnknownOrder(f"There is no order of id {order_id}.")
        yield connection, order


def _awaits(order: Order) -> bool:
    return order.payment is Payment.AWAITED and order.fulfilment is Fulfilment.OPEN


def _pay_again(connection: Connection, order: Order, now: datetime, reference: str) -> None:
    """A payment for an order that has been paid: a provider that repeats itself, or really a second one."""
    if not reference:
        if order.payment is Payment.REFUNDED:
            raise NotPossible(order, "was refunded")
        return
    noted = {event.what: event.detail for event in order.events}
    # The provider may call one payment by several names, so only one that was noted by hand is surely another.
    if noted.get("paid") == "" and "paid again" not in noted:
        _update(connection, order, attention=_PAID_TWICE % {"reference": reference})
        _note(connection, order, now, "paid again", reference)


def _cancel(connection: Connection, order: Order, now: datetime, reason: str) -> None:
    stock.put_back(connection, {line.item: line.stock_taken for line in order.lines})
    if order.discount_code:
        connection.execute(
            discount_uses.update()
            .where(discount_uses.c.code == order.discount_code, discount_uses.c.uses > 0)
            .values(uses=discount_uses.c.uses - 1)
        )
    paid = order.payment is Payment.PAID and order.total > 0
    _update(
        connection,
        order,
        fulfilment=Fulfilment.CANCELLED,
        payment_until=None,
        attention=_CANCELLED_LATE if paid else order.attention,
    )
    _note(connection, order, now, "cancelled", reason)


def _update(connection: Connection, order: Order, **values: object) -> None:
    connection.execute(orders.update().where(orders.c.id == order.id).values(**values))


def _note(connection: Connection, order: Order, now: datetime, what: str, detail: str) -> None:
    connection.execute(order_events.insert().values(order_id=order.id, at=store.stamp(now), what=what, detail=detail))


def _again(connection: Connection, order: Order) -> Order:
    """The order as this transaction has made it."""
    found = store.find_by_id(connection, order.id)
    assert found is not None
    return found
