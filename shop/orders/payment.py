"""How an order is paid: one small interface, and two ways. `invoice` needs nothing; `stripe` comes with its key.

The rule of those paid at a provider: the order is there, with its stock, before the shopper leaves; and the stock
goes back only when nobody can pay any more. So an overdue payment is ended at the provider first, whose answer says
whether it came just in time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Protocol

import sqlalchemy as sa

from shop.database import Database, orders
from shop.language import gettext as _
from shop.orders import letters, states, store, telling
from shop.orders.orders import Fulfilment, Order, Payment
from shop.settings import Settings

log = logging.getLogger("shop")

# How long stock waits for a shopper who is at the provider's page. Stripe gives them at least 30 minutes; the rest is
# for a provider that can't be reached at first.
HOLDS_FOR = timedelta(minutes=45)

# A direct debit takes its bank days. The order waits, is looked at again each day, and is given up after a month.
LOOK_AGAIN = timedelta(days=1)
LONGEST_PROCESSING = timedelta(days=30)

# So long after its time, an order waits for a provider that can't say what became of it.
LONGEST_SILENCE = timedelta(days=1)


_AWAITED = (orders.c.payment == Payment.AWAITED, orders.c.fulfilment == Fulfilment.OPEN)


class Standing(StrEnum):
    """Where a payment at a provider is."""

    OPEN = "open"  # the shopper may still pay
    PROCESSING = "processing"  # they did, and the bank hasn't said yes or no
    PAID = "paid"
    ENDED = "ended"  # nobody can pay any more, and nobody has


@dataclass(frozen=True)
class Attempt:
    """One attempt to pay an order, as the provider knows it now. `token` is the order's."""

    token: str
    reference: str  # its name there
    standing: Standing
    url: str = ""  # the page to pay at, while it is open
    paid_as: str = ""  # the name of the money itself, where it has another: what a refund needs


class ProviderError(Exception):
    """The provider can't take this payment. The order is as it was; `str()` is a sentence for the shopper."""


class Unavailable(ProviderError):
    """It doesn't answer, or has trouble of its own: the same may work in a moment."""

    def __init__(self) -> None:
        super().__init__(_("The payment page can't be reached at the moment. Nothing was charged."))


class NotAccepted(ProviderError):
    """It answers, and doesn't accept what it was asked; trying again won't help. The log says why."""

    def __init__(self) -> None:
        super().__init__(_("The payment provider did not accept this payment. Nothing was charged."))


class Forged(ValueError):
    """A message that can't be shown to come from the provider."""


class PaymentMethod(Protocol):
    """A way to pay. Amounts are in minor units of the currency, as everywhere."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def note(self) -> str: ...

    @property
    def holds_for(self) -> timedelta | None:
        """How long an order waits for its payment, with its stock; None where goods go out before money comes."""

    @property
    def origins(self) -> tuple[str, ...]:
        """Where its pages are, for the policy that says where forms may lead."""

    def takes(self, total: int, currency: str) -> bool:
        """True when just this much can be paid this way."""

    def begin(self, order: Order, now: datetime, *, success_url: str, cancel_url: str) -> Attempt | None:
        """Begin the payment of `order`, or find it begun; None where there is nothing to begin.

        Asked any number of times, at once or after a lost answer, it begins one. Raises ProviderError.
        """

    def end(self, order: Order) -> Attempt:
        """See to it that nobody can pay `order` any more; unless somebody has. Raises ProviderError."""

    def hear(self, body: bytes, signature: str) -> Attempt | None:
        """What a message from the provider tells; None for one about nothing of ours. Raises Forged."""


@dataclass(frozen=True)
class Invoice:
    """Goods first, money later: on delivery, or by the invoice that comes with them."""

    id: str = "invoice"
    holds_for: timedelta | None = None
    origins: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return _("On delivery or by invoice")

    @property
    def note(self) -> str:
        return _("Nothing to pay now.")

    def takes(self, total: int, currency: str) -> bool:  # noqa: ARG002
        return True

    def begin(self, order: Order, now: datetime, *, success_url: str, cancel_url: str) -> Attempt | None:  # noqa: ARG002
        return None

    def end(self, order: Order) -> Attempt:
        return Attempt(order.token, order.payment_reference, Standing.ENDED)

    def hear(self, body: bytes, signature: str) -> Attempt | None:  # noqa: ARG002
        raise Forged("no provider tells of invoices")


@cache
def methods(settings: Settings) -> tuple[PaymentMethod, ...]:
    """The ways to pay here, the one to suggest first."""
    if not settings.stripe_key:
        return (Invoice(),)
    from shop.orders.stripe_checkout import StripeCheckout  # half a second of imports that most shops don't need

    return (StripeCheckout(settings), Invoice())


def find_method(settings: Settings, id: str) -> PaymentMethod | None:
    return next((method for method in methods(settings) if method.id == id), None)


def offered(settings: Settings, total: int, currency: str) -> tuple[PaymentMethod, ...]:
    """The ways to pay `total`; never none."""
    return tuple(method for method in methods(settings) if method.takes(total, currency))


def begin(database: Database, settings: Settings, order: Order, now: datetime, *, receipt_url: str) -> str | None:
    """Begin the payment of an order, or go on with it: the address to send the shopper to.

    None when there is nothing to pay, or nothing any more: the receipt says how it is. The provider sends the
    shopper back to `receipt_url`, paid or not. Raises ProviderError, and leaves the order as it was.
    """
    method = find_method(settings, order.payment_method)
    if method is None or not _awaits(order) or _is_overdue(order, now):
        return None
    attempt = method.begin(order, now, success_url=receipt_url, cancel_url=receipt_url)
    if attempt is None:
        return None
    if attempt.standing is not Standing.OPEN:  # paid a moment ago, and the provider's message is still on its way
        settle(database, settings, attempt, now)
        return None
    try:
        # Kept before the shopper has the address: what nobody knows of, nobody can pay.
        states.set_reference(database, order.id, attempt.reference)
    except states.NotPossible:
        return None
    return attempt.url


def settle(database: Database, settings: Settings, attempt: Attempt, now: datetime) -> None:
    """Take over how an attempt stands. The same again, or late, or in another order, changes nothing more.

    An order that is paid by it is confirmed by mail, in the same transaction.
    """
    with database.reading() as connection:
        order = store.find_by_token(connection, attempt.token)
    if order is None:
        # Several shops may share one account at the provider, and each of them is told everything.
        log.warning("A payment was told for an order that isn't here: %s", attempt.reference)
    elif attempt.standing is Standing.PAID:
        _mark_paid(database, settings, order.id, attempt, now)
    elif attempt.standing is Standing.ENDED:
        states.cancel_unpaid(database, order.id, now, "the payment was not completed", attempt.reference)
    elif attempt.standing is Standing.PROCESSING:
        _wait(database, order, now)


def settle_overdue(database: Database, settings: Settings, now: datetime) -> int:
    """See what became of the payments whose time is up; how many orders were settled by it.

    Each is ended at its provider, then the order is cancelled and its stock goes back; or it is paid, if it was.
    While the provider doesn't answer, or a bank still works on it, the order waits. A chore for the server: it may
    take seconds for each order.
    """
    settled = 0
    for order in _overdue(database, now):
        try:
            attempt = withdraw(settings, order)
        except ProviderError as error:
            if order.payment_until and now - order.payment_until <= LONGEST_SILENCE:
                log.warning("Order %s is overdue and keeps its stock: nobody can say if it is paid", order.number)
                if isinstance(error, Unavailable):
                    break  # the others next time
                continue
            attempt = Attempt(order.token, order.payment_reference, Standing.ENDED)
        settle(database, settings, attempt, now)
        settled += attempt.standing in (Standing.PAID, Standing.ENDED)
    return settled


def withdraw(settings: Settings, order: Order) -> Attempt:
    """End the payment of an order at its provider, so that nobody pays for what is about to be cancelled.

    Its `standing` may say that it was just paid after all. Raises ProviderError.
    """
    method = find_method(settings, order.payment_method)
    if method and _awaits(order) and order.payment_reference:
        return method.end(order)
    return Attempt(order.token, order.payment_reference, Standing.ENDED)


def _mark_paid(database: Database, settings: Settings, order_id: int, attempt: Attempt, now: datetime) -> None:
    telling.change(
        database,
        order_id,
        now,
        lambda within: states.mark_paid(within, order_id, now, attempt.paid_as or attempt.reference),
        lambda order: letters.letters_for_paid(order, settings, settings.origin),
    )


def _wait(database: Database, order: Order, now: datetime) -> None:
    """Keep the order and its stock for a bank that works on the payment; or give it up after a month."""
    if now - order.placed_at > LONGEST_PROCESSING:
        states.cancel_unpaid(database, order.id, now, "no bank has said yes to its payment", order.payment_reference)
        return
    until = store.stamp(now + LOOK_AGAIN)
    with database.writing() as connection:
        connection.execute(orders.update().where(orders.c.id == order.id, *_AWAITED).values(payment_until=until))


def _overdue(database: Database, now: datetime) -> list[Order]:
    tokens = (
        sa.select(orders.c.token)
        .where(*_AWAITED, orders.c.payment_until <= store.stamp(now))
        .order_by(orders.c.payment_until, orders.c.id)
    )
    with database.reading() as connection:
        found = [store.find_by_token(connection, token) for token in connection.execute(tokens).scalars().all()]
    return [order for order in found if order]


def _awaits(order: Order) -> bool:
    return order.payment is Payment.AWAITED and order.fulfilment is Fulfilment.OPEN


def _is_overdue(order: Order, now: datetime) -> bool:
    return order.payment_until is not None and order.payment_until <= now
