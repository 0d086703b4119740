"""What an order comes to: one pure function over integers in minor units.

Every rounding is half up, to one minor unit:

- a percentage off is rounded once, on the subtotal, and shared out to the lines by largest remainder, so that the
  lines' shares are the discount to the unit;
- tax is rounded for each line, on what is left of it after its share, and once for shipping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shop.orders.terms import Discount, ShippingMethod, TaxRate


@dataclass(frozen=True)
class Item:
    """So many of one item: `price` and `quantity` are at least 0."""

    item: str
    price: int
    quantity: int
    taxable: bool = True
    requires_shipping: bool = True

    @property
    def total(self) -> int:
        return self.price * self.quantity


@dataclass(frozen=True)
class LineTotal:
    """What one line comes to: `total` is before discount and added tax."""

    item: str
    total: int
    discount: int
    tax: int


@dataclass(frozen=True)
class Totals:
    """What an order comes to. `tax` is all of it, of lines and shipping."""

    lines: tuple[LineTotal, ...]
    subtotal: int
    discount: int
    shipping: int
    tax: int
    tax_title: str  # empty where there is no tax
    tax_included: bool  # True: `tax` is contained in the other amounts and not added to them
    total: int

    @property
    def shipping_tax(self) -> int:
        return self.tax - sum(line.tax for line in self.lines)


def compute(
    items: Sequence[Item], *, discount: Discount | None, shipping: ShippingMethod | None, tax: TaxRate | None
) -> Totals:
    """What `items` come to under these terms. Whether the code may be used is `check_code`'s to say.

    Shipping is 0 without a method, when nothing needs shipping, and from the method's `free_from` on.
    """
    totals = [item.total for item in items]
    subtotal = sum(totals)
    off = _off(discount, subtotal)
    lines = tuple(
        LineTotal(item.item, item.total, share, _tax(tax, item.total - share) if item.taxable else 0)
        for item, share in zip(items, _shared(off, totals), strict=True)
    )
    postage = _postage(shipping, items, subtotal - off)
    postage_tax = _tax(tax, postage) if tax and tax.shipping else 0
    taxes = sum(line.tax for line in lines) + postage_tax
    included = tax is not None and tax.included
    return Totals(
        lines=lines,
        subtotal=subtotal,
        discount=off,
        shipping=postage,
        tax=taxes,
        tax_title=tax.title if tax else "",
        tax_included=included,
        total=subtotal - off + postage + (0 if included else taxes),
    )


def _off(discount: Discount | None, subtotal: int) -> int:
    if discount is None:
        return 0
    if discount.percent is None:
        return min(discount.amount or 0, subtotal)
    numerator, denominator = discount.percent.as_integer_ratio()
    return _half_up(subtotal * numerator, 100 * denominator)


def _shared(amount: int, totals: Sequence[int]) -> list[int]:
    """`amount`, at most the sum of `totals`, shared out in their proportion by largest remainder.

    A share is never more than its total. Of equal remainders, the earlier line has the unit.
    """
    whole = sum(totals)
    if not amount:
        return [0] * len(totals)
    shares = [amount * total // whole for total in totals]
    by_remainder = sorted(range(len(totals)), key=lambda place: -(amount * totals[place] % whole))
    for place in by_remainder[: amount - sum(shares)]:
        shares[place] += 1
    return shares


def _postage(method: ShippingMethod | None, items: Sequence[Item], goods: int) -> int:
    """What the shipping of `goods` (after discount) costs."""
    if method is None or not any(item.requires_shipping and item.quantity for item in items):
        return 0
    return 0 if method.free_from is not None and goods >= method.free_from else method.price


def _tax(rate: TaxRate | None, amount: int) -> int:
    """The tax on `amount`: what it contains where tax is included, else what is added to it."""
    if rate is None:
        return 0
    numerator, denominator = rate.rate.as_integer_ratio()
    return _half_up(amount * numerator, 100 * denominator + (numerator if rate.included else 0))


def _half_up(numerator: int, denominator: int) -> int:
    """The quotient of two amounts of at least 0, in whole units: 2.5 is 3."""
    return (2 * numerator + denominator) // (2 * denominator)
