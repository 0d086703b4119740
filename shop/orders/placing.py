"""Placing an order: what the shopper wishes, what it comes to now, and the one transaction that makes it an order.

The rule: what was seen is what is placed. `quote` says what a wish comes to at this moment; the checkout page shows
it and sends back what it showed (`Seen`, and the total). `place` quotes again, with the stock locked, and writes the
order only where nothing that the shopper saw has changed. Whatever it refuses, it has written nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, OperationalError

from shop import language
from shop.cart import Cart, Contents, Line
from shop.catalogue import store as catalogue
from shop.catalogue.products import MOST_OF_ONE, Variant
from shop.database import Database, discount_uses, order_events, order_lines, orders
from shop.language import gettext as _
from shop.money import Currency
from shop.orders import outbox, stock, store
from shop.orders.orders import Address, Fulfilment, Order, Payment
from shop.orders.terms import Discount, ShippingMethod, Terms, UnusableCode, check_code
from shop.orders.totals import Item, Totals, compute

if TYPE_CHECKING:
    from shop.orders.mail import Mail

SHORTEST_NONCE = 16  # characters: two shoppers never share one
_LONGEST_NONCE = 100
_LONGEST_SEEN = 40_000  # characters
_MOST = 10**15  # of minor units
_ATTEMPTS = 5


# What the shopper asks for.


@dataclass(frozen=True)
class Seen:
    """What a checkout page showed, for its form to send back in one hidden field: amounts in minor units.

    `lines` has, by item, the quantity that counted (at least 1) and the price of one.
    """

    lines: Mapping[str, tuple[int, int]]
    discount: int
    shipping: int
    tax: int

    def text(self) -> str:
        """For the hidden field; `Seen.read` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Seen | None:
        """What a form sent back; None for anything that no page of ours wrote."""
        try:
            data: Any = json.loads(text) if len(text) <= _LONGEST_SEEN else None
            lines = {item: (_amount(quantity), _amount(price)) for item, (quantity, price) in data["lines"].items()}
            return cls(lines, _amount(data["discount"]), _amount(data["shipping"]), _amount(data["tax"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a shopper wants ordered. The checkout page quotes wishes that are not complete yet: all has a default.

    `nonce` is the form's own, random and at least 16 characters: the same one again is the same order. Without
    `seen`, a line that can't be had in full counts as changed.
    """

    quantities: Mapping[str, int]
    nonce: str = ""
    name: str = ""
    email: str = ""
    address: Address = field(default_factory=Address)
    shipping_id: str = ""
    code: str = ""
    payment_method: str = "invoice"
    expected_total: int = -1  # -1 where none was seen: no order comes to that
    seen: Seen | None = None
    currency: str = "USD"
    locale: str = "en_US"

    def __post_init__(self) -> None:
        if not all(1 <= quantity <= MOST_OF_ONE for quantity in self.quantities.values()):
            raise ValueError(f"a quantity is 1 to {MOST_OF_ONE}")


# What that comes to.


@dataclass(frozen=True)
class Offer:
    """A shipping method with what it costs this order, in minor units: 0 where it is free."""

    method: ShippingMethod
    price: int


@dataclass(frozen=True)
class Quote:
    """What a wish comes to at one moment. Totals count each line as far as stock goes (`Line.quantity`)."""

    contents: Contents
    totals: Totals
    needs_shipping: bool
    offers: tuple[Offer, ...]  # to this country, in the merchant's order; empty where nothing needs shipping
    shipping: ShippingMethod | None  # the wished one if it is offered, else the first
    discount: Discount | None
    code_problem: str  # why the wished code doesn't count; empty where it does or none is wished

    @property
    def lines(self) -> tuple[Line, ...]:
        """The cart's own lines: `item`, `full_title`, `variant.price`, `wanted`, `quantity`, `total`, `problem`."""
        return self.contents.lines

    @property
    def shipping_problem(self) -> str:
        """Why it can't be sent there; empty where it can."""
        return _("We can’t ship to this country.") if self.needs_shipping and self.shipping is None else ""

    @property
    def placeable(self) -> bool:
        """True when there is something to order, and a way to send it."""
        return bool(self.contents.count) and not self.shipping_problem

    @property
    def seen(self) -> Seen:
        """What a page that shows this quote is to send back."""
        lines = {variant.item: (quantity, variant.price) for variant, quantity in _counted(self)}
        return Seen(lines, self.totals.discount, self.totals.shipping, self.totals.tax)


@dataclass(frozen=True)
class Change:
    """One thing that is no longer as the shopper saw it. Amounts are in minor units; None where it isn't known.

    Of a line, `before` and `after` are the price of one, and `quantity` is what can be had now.
    """

    kind: Literal["line", "discount", "shipping", "tax", "total"]
    title: str
    before: int | None
    after: int | None
    item: str = ""
    quantity_before: int | None = None
    quantity: int | None = None
    problem: str = ""  # a line's, such as "Only 1 left; you asked for 3."

    def text(self, currency: Currency) -> str:
        """A sentence for the shopper."""
        if self.kind == "line" and not self.quantity and not self.problem:
            return _("%(title)s is no longer in your cart.", title=self.title)
        return _("%(title)s: %(changes)s", title=self.title, changes=" ".join(self._changes(currency)))

    def _changes(self, currency: Currency) -> Iterator[str]:
        gone = self.kind == "line" and not self.quantity
        if self.after is not None and self.before != self.after and not gone:
            now = currency.format(self.after)
            if self.before is None:
                yield _("now %(price)s.", price=now)
            else:
                yield _("now %(price)s, no longer %(before)s.", price=now, before=currency.format(self.before))
        if self.problem:
            yield self.problem
        elif self.quantity_before != self.quantity:
            yield _("%(count)s of them, not %(before)s.", count=self.quantity, before=self.quantity_before)


# Why it can't be placed. Nothing was written.


class OrderError(Exception):
    """The order was not placed, and nothing was written. `str()` is a sentence for the shopper."""


class Refused(OrderError):
    """The shop can't take this order as wished. `quote` is what it comes to now, for the page that says so."""

    def __init__(self, text: str, quote: Quote, changes: tuple[Change, ...] = ()) -> None:
        super().__init__(text)
        self.quote = quote
        self.changes = changes


class Changed(Refused):
    """It isn't as the shopper saw it any more. `changes` has at least one; accepting is the same form with the new
    `quote.seen` and total."""


class EmptyOrder(Refused):
    """There is nothing to order."""


class NoShipping(Refused):
    """No shipping method goes there."""


class RefusedCode(Refused, UnusableCode):
    """The discount code doesn't count; `quote` is without it."""


class NotTaken(OrderError):
    """The database didn't take it: full, locked for too long, or gone. The cause has its words."""

    def __init__(self) -> None:
        super().__init__(_("Your order could not be written down. Please try again: it can’t be ordered twice."))


def quote(connection: Connection, wish: Wish, terms: Terms, now: datetime) -> Quote:
    """What `wish` comes to now. Reads only."""
    contents = Cart(wish.quantities).priced(catalogue.find_variants(connection, wish.quantities, language.spoken()))
    items = [
        Item(line.item, line.variant.price, line.quantity, line.variant.taxable, line.variant.requires_shipping)
        for line in contents.lines
        if line.variant and line.quantity
    ]
    discount, code_problem = _discount(connection, wish, contents.subtotal, terms, now)
    tax = terms.tax_in(wish.address.country, wish.address.region)
    needs_shipping = any(item.requires_shipping for item in items)
    methods = terms.shipping_to(wish.address.country) if needs_shipping else ()
    totals = {method: compute(items, discount=discount, shipping=method, tax=tax) for method in methods}
    chosen = next((method for method in methods if method.id == wish.shipping_id), methods[0] if methods else None)
    return Quote(
        contents=contents,
        totals=totals[chosen] if chosen else compute(items, discount=discount, shipping=None, tax=tax),
        needs_shipping=needs_shipping,
        offers=tuple(Offer(method, totals[method].shipping) for method in methods),
        shipping=chosen,
        discount=discount,
        code_problem=code_problem,
    )


def place(
    database: Database,
    wish: Wish,
    terms: Terms,
    now: datetime,
    *,
    letters: Callable[[Order], Sequence[Mail]] | None = None,
    payment_until: datetime | None = None,
) -> Order:
    """Make `wish` an order, in one transaction; with its nonce used before, that order.

    `letters` gives the mail that tells of it, queued in the same transaction; it is called within it, perhaps more
    than once, and may raise to undo all. With `payment_until` the order awaits its payment until then; an order of
    nothing to pay is paid. Raises Changed, EmptyOrder, NoShipping, RefusedCode (each a Refused with a fresh quote)
    and NotTaken; ValueError for a nonce that is too short to be one.
    """
    if not SHORTEST_NONCE <= len(wish.nonce) <= _LONGEST_NONCE:
        raise ValueError(f"a nonce has {SHORTEST_NONCE} to {_LONGEST_NONCE} characters")
    for remaining in reversed(range(_ATTEMPTS)):
        try:
            with database.writing() as connection:
                return _place(connection, wish, terms, now, letters, payment_until)
        except (Refused, IntegrityError):
            # The same form sent twice at once: the other may have become the order since this one looked.
            if order := _placed(database, wish.nonce):
                return order
            raise
        except (stock.Short, _UsedUp) as error:
            # Somebody was quicker. Seen afresh, this will be a refusal that says so, or there is enough after all.
            if not remaining:
                raise NotTaken from error
        except (OperationalError, sa.exc.TimeoutError) as error:
            if not remaining or not _passes(error):
                raise NotTaken from error
    raise AssertionError("unreachable")


class _UsedUp(Exception):
    """The discount code's last use went to another order."""


def _place(
    connection: Connection,
    wish: Wish,
    terms: Terms,
    now: datetime,
    letters: Callable[[Order], Sequence[Mail]] | None,
    payment_until: datetime | None,
) -> Order:
    stock.lock(connection, wish.quantities)
    if order := store.find_by_nonce(connection, wish.nonce):
        return order
    quoted = quote(connection, wish, terms, now)
    _check(quoted, wish)
    taken = stock.take(connection, _counted(quoted))
    if quoted.discount:
        _count_use(connection, quoted.discount)
    order = _write(connection, wish, quoted, taken, now, payment_until)
    if letters:
        outbox.queue(connection, order.id, letters(order), now)
    return order


def _check(quoted: Quote, wish: Wish) -> None:
    """Raise a Refused where this isn't what the shopper saw, or can't be ordered."""
    changes = tuple(_changes(quoted, wish))
    changed = Changed(_("Something has changed since you saw this page. Nothing is ordered yet."), quoted, changes)
    if any(change.kind == "line" for change in changes):
        raise changed
    if not quoted.contents.count:
        raise EmptyOrder(_("There is nothing to order: your cart has nothing that can be bought now."), quoted)
    if quoted.shipping_problem:
        raise NoShipping(quoted.shipping_problem, quoted)
    if quoted.code_problem:
        raise RefusedCode(quoted.code_problem, quoted)
    if changes:
        raise changed


def _changes(quoted: Quote, wish: Wish) -> Iterator[Change]:
    """What is no longer as the shopper saw it, the lines first and the total last."""
    seen, totals = wish.seen, quoted.totals
    for line in quoted.lines:
        quantity, price = seen.lines.get(line.item, (0, None)) if seen else (line.wanted, _price(line))
        now = _price(line)
        if line.quantity != quantity or (quantity and now != price):
            yield Change("line", line.full_title, price, now, line.item, quantity, line.quantity, line.problem)
    for item, (quantity, price) in seen.lines.items() if seen else ():
        if quantity and item not in wish.quantities:
            yield Change("line", item, price, None, item, quantity, 0)
    if seen and seen.discount != totals.discount:
        yield Change("discount", _("Discount"), seen.discount, totals.discount)
    if quoted.shipping and quoted.shipping.id != wish.shipping_id:
        yield Change("shipping", quoted.shipping.title, None, totals.shipping)
    elif seen and seen.shipping != totals.shipping:
        yield Change("shipping", _("Shipping"), seen.shipping, totals.shipping)
    if seen and seen.tax != totals.tax:
        yield Change("tax", totals.tax_title or _("Tax"), seen.tax, totals.tax)
    if wish.expected_total != totals.total:
        yield Change("total", _("Total"), wish.expected_total if wish.expected_total >= 0 else None, totals.total)


def _discount(
    connection: Connection, wish: Wish, subtotal: int, terms: Terms, now: datetime
) -> tuple[Discount | None, str]:
    """The discount of the wished code, or none and why."""
    code = wish.code.strip()
    if not code:
        return None, ""
    discount = terms.discount(code)
    if discount is None:
        return None, _("There is no code %(code)s.", code=code[:40])
    uses = connection.execute(sa.select(discount_uses.c.uses).where(discount_uses.c.code == discount.code))
    try:
        currency = Currency(wish.currency, wish.locale)
        check_code(discount, subtotal, now, uses.scalar_one_or_none() or 0, currency)
    except UnusableCode as unusable:
        return None, str(unusable)
    return discount, ""


def _count_use(connection: Connection, discount: Discount) -> None:
    """Count one more order with this code. Raises _UsedUp when another had the last use."""
    connection.execute(
        sa.text("insert into discount_uses (code, uses) values (:code, 0) on conflict do nothing"),
        {"code": discount.code},
    )
    counted = discount_uses.update().where(discount_uses.c.code == discount.code)
    if discount.uses is not None:
        counted = counted.where(discount_uses.c.uses < discount.uses)
    if not connection.execute(counted.values(uses=discount_uses.c.uses + 1)).rowcount:
        raise _UsedUp


def _write(
    connection: Connection,
    wish: Wish,
    quoted: Quote,
    taken: Mapping[str, int],
    now: datetime,
    payment_until: datetime | None,
) -> Order:
    totals = quoted.totals
    awaited = payment_until is not None and totals.total > 0
    payment = Payment.AWAITED if awaited else Payment.DUE if totals.total else Payment.PAID
    order_id = connection.execute(
        orders.insert()
        .values(
            token=secrets.token_urlsafe(16),
            nonce=wish.nonce,
            placed_at=store.stamp(now),
            currency=wish.currency,
            locale=wish.locale,
            name=wish.name,
            email=wish.email,
            address=asdict(wish.address),
            shipping_title=quoted.shipping.title if quoted.shipping else "",
            payment_method=wish.payment_method,
            subtotal=totals.subtotal,
            discount_code=quoted.discount.code if quoted.discount else "",
            discount=totals.discount,
            shipping=totals.shipping,
            tax_title=totals.tax_title,
            tax=totals.tax,
            tax_included=totals.tax_included,
            total=totals.total,
            payment=payment,
            fulfilment=Fulfilment.OPEN,
            payment_until=store.stamp(payment_until) if awaited and payment_until else None,
            payment_reference="",
            tracking_number="",
            attention="",
        )
        .returning(orders.c.id)
    ).scalar_one()
    shares = {line.item: line for line in totals.lines}
    connection.execute(
        order_lines.insert(),
        [
            {
                "order_id": order_id,
                "position": position,
                "item": variant.item,
                "title": variant.product_title,
                "variant_title": variant.title,
                "sku": variant.sku,
                "price": variant.price,
                "quantity": quantity,
                "discount": shares[variant.item].discount,
                "tax": shares[variant.item].tax,
                "requires_shipping": variant.requires_shipping,
                "taxable": variant.taxable,
                "stock_taken": taken[variant.item],
            }
            for position, (variant, quantity) in enumerate(_counted(quoted), start=1)
        ],
    )
    connection.execute(order_events.insert().values(order_id=order_id, at=store.stamp(now), what="placed", detail=""))
    order = store.find_by_id(connection, order_id)
    assert order is not None  # written just now
    return order


def _counted(quoted: Quote) -> list[tuple[Variant, int]]:
    """What the order is of: the lines that count."""
    return [(line.variant, line.quantity) for line in quoted.lines if line.variant and line.quantity]


def _price(line: Line) -> int | None:
    return line.variant.price if line.variant else None


def _placed(database: Database, nonce: str) -> Order | None:
    with database.reading() as connection:
        return store.find_by_nonce(connection, nonce)


def _passes(error: Exception) -> bool:
    """True for what a second attempt cures: PostgreSQL's deadlocks and serialization failures."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("40001", "40P01")


def _amount(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError("not an amount")
    return value
