"""The cart: which items, how many of each, and what that comes to.

A `Cart` is what the cookie holds: items and quantities in the order they were added. It is a value: `adding`,
`setting` and `removing` give the cart that comes of it and leave this one alone. Meeting the catalogue
(`Cart.priced`) makes it `Contents`: lines with titles, prices and stock, as of this moment. Imports no Flask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shop.catalogue.products import MOST_OF_ONE, Variant
from shop.language import gettext as _

_QUANTITY = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)


class CartError(Exception):
    """The cart refuses, and stays as it was. `str()` is a sentence for the shopper."""


class BadQuantity(CartError):
    def __init__(self, least: int) -> None:
        super().__init__(_("Choose a quantity from %(least)s to %(most)s, in digits.", least=least, most=MOST_OF_ONE))


class BadStep(CartError):
    def __init__(self) -> None:
        super().__init__(_("A step changes a quantity by 1 or by -1."))


class OutOfStock(CartError):
    def __init__(self, variant: Variant) -> None:
        super().__init__(_("%(title)s is sold out.", title=variant.full_title))


def parse_quantity(text: str, least: int = 1) -> int:
    """A form's quantity, `least` to 999. Raises BadQuantity for anything else, other scripts' digits included."""
    text = text.strip()
    if not _QUANTITY.fullmatch(text) or int(text) < least:
        raise BadQuantity(least)
    return int(text)


@dataclass(frozen=True)
class Change:
    """What became of a wish: `cart` is the new cart, which holds `after` of the item where there were `before`.

    `after` is less than `wanted` when stock is short.
    """

    cart: Cart
    variant: Variant
    before: int
    wanted: int
    after: int

    @property
    def short(self) -> bool:
        return self.after < self.wanted


@dataclass(frozen=True)
class Cart:
    """Items and quantities (1 to 999 each), in the order they were added."""

    quantities: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.quantities)

    def __getitem__(self, item: str) -> int:
        """How many of `item` the cart asks for; 0 when it doesn't hold it."""
        return self.quantities.get(item, 0)

    def adding(self, variant: Variant, quantity: int = 1) -> Change:
        """Ask for `quantity` more (at least 1) of `variant`, as far as stock goes.

        Raises OutOfStock when there is none.
        """
        return self.setting(variant, self[variant.item] + quantity)

    def adding_all(self, wishes: Iterable[tuple[Variant, int]]) -> tuple[Change, ...]:
        """Ask for more of several variants at once, each as far as stock goes: what became of each wish.

        What is sold out stays as it was. The last change has the whole new cart.
        """
        changes: list[Change] = []
        cart = self
        for variant, quantity in wishes:
            if variant.sold_out:
                before = cart[variant.item]
                change = Change(cart, variant, before, wanted=before + quantity, after=before)
            else:
                change = cart.adding(variant, quantity)
            cart = change.cart
            changes.append(change)
        return tuple(changes)

    def setting(self, variant: Variant, quantity: int) -> Change:
        """Ask for `quantity` (at least 1) of `variant` in all, as far as stock goes. Raises OutOfStock."""
        if variant.sold_out:
            raise OutOfStock(variant)
        after = min(quantity, variant.available)
        cart = Cart({**self.quantities, variant.item: after})
        return Change(cart, variant, before=self[variant.item], wanted=quantity, after=after)

    def removing(self, item: str) -> Cart:
        return Cart({ours: quantity for ours, quantity in self.quantities.items() if ours != item})

    def item_beyond(self, other: Cart) -> str | None:
        """The one item that this cart has more than `other`; None where that isn't all they differ in."""
        beyond = [item for item in self.quantities if item not in other.quantities]
        return beyond[0] if len(beyond) == 1 and self.removing(beyond[0]) == other else None

    def merging(self, other: Cart) -> Cart:
        """This cart with all of `other` added: the same item's quantities are summed, up to 999."""
        merged = dict(self.quantities)
        for item, quantity in other.quantities.items():
            merged[item] = min(merged.get(item, 0) + quantity, MOST_OF_ONE)
        return Cart(merged)

    def priced(self, variants: Mapping[str, Variant]) -> Contents:
        """The cart as the catalogue has it: `variants` by item, without those that are gone."""
        return Contents(tuple(Line(item, wanted, variants.get(item)) for item, wanted in self.quantities.items()))


@dataclass(frozen=True)
class Line:
    """One item of the cart. `variant` is None when the catalogue doesn't know the item (any more)."""

    item: str
    wanted: int
    variant: Variant | None

    @cached_property
    def quantity(self) -> int:
        """How many of it count: as many as were asked for, as far as stock goes."""
        return min(self.wanted, self.variant.available) if self.variant else 0

    @property
    def total(self) -> int:
        """In minor units."""
        return self.quantity * self.variant.price if self.variant else 0

    @property
    def title(self) -> str:
        return self.variant.product_title if self.variant else self.item

    @property
    def full_title(self) -> str:
        return self.variant.full_title if self.variant else self.item

    @property
    def problem(self) -> str:
        """Why the line counts less than it asks for; empty when it doesn't."""
        if self.variant is None:
            return _("This item is no longer in the shop.")
        if not self.variant.visible:
            return _("This item is not for sale at the moment.")
        if self.variant.sold_out:
            return _("Sold out.")
        if self.quantity < self.wanted:
            return _("Only %(count)s left; you asked for %(wanted)s.", count=self.quantity, wanted=self.wanted)
        return ""


@dataclass(frozen=True)
class Contents:
    """The cart's lines with what the catalogue says of them now."""

    lines: tuple[Line, ...]

    @cached_property
    def count(self) -> int:
        """Units that can be bought."""
        return sum(line.quantity for line in self.lines)

    @cached_property
    def subtotal(self) -> int:
        """In minor units, before shipping and tax."""
        return sum(line.total for line in self.lines)

    def line(self, item: str) -> Line | None:
        return next((line for line in self.lines if line.item == item), None)
