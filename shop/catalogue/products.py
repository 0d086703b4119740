"""What the shop sells: products, their variants and pictures, and the collections that group them.

These are plain values, read from the database by `store`, that templates show and the cart asks about stock.
Prices are integers in minor units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

MOST_OF_ONE = 999  # units of one item in one cart


@dataclass(frozen=True)
class Image:
    """A picture: an absolute URL, or a path on this host."""

    src: str
    alt: str


@dataclass(frozen=True)
class Variant:
    """One thing that can be put in a cart, known by its `item`."""

    item: str
    handle: str  # its product's
    product_title: str
    option_values: tuple[str, ...]  # empty for the only variant of a product
    price: int
    compare_at_price: int | None
    stock: int
    tracked: bool  # False: the merchant counts no stock
    oversell: bool  # sells past zero
    visible: bool  # its product is active and published
    sku: str = ""
    taxable: bool = True
    requires_shipping: bool = True
    image: Image | None = None

    @property
    def title(self) -> str:
        """`"Blue / M"`; empty for the only variant of a product."""
        return " / ".join(self.option_values)

    @property
    def full_title(self) -> str:
        """`"Linen shirt, Blue / M"`."""
        return ", ".join(filter(None, (self.product_title, self.title)))

    @property
    def available(self) -> int:
        """How many of it one cart may hold now: 0 when it is sold out or not shown."""
        if not self.visible:
            return 0
        if self.oversell or not self.tracked:
            return MOST_OF_ONE
        return min(self.stock, MOST_OF_ONE)

    @property
    def sold_out(self) -> bool:
        return self.available == 0

    @property
    def few_left(self) -> bool:
        """True when a shopper should hurry: 1 to 3 left of a counted stock."""
        return 0 < self.available <= 3

    @property
    def on_sale(self) -> bool:
        return self.compare_at_price is not None and self.compare_at_price > self.price


@dataclass(frozen=True)
class Card:
    """A product as listings show it: enough for a card, read without joins."""

    handle: str
    title: str
    vendor: str
    price: int  # of the cheapest variant
    price_max: int
    compare_at_price: int | None
    in_stock: bool
    has_options: bool
    image: Image | None

    @property
    def on_sale(self) -> bool:
        return self.compare_at_price is not None and self.compare_at_price > self.price

    @property
    def item(self) -> str | None:
        """What its button adds; None where there is a choice to make first."""
        return None if self.has_options else self.handle


@dataclass(frozen=True)
class Option:
    """A choice that a product offers, such as Colour, with its values in the merchant's order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A group of products, such as "Tea & Coffee"."""

    handle: str
    title: str
    count: int = 0
    image: Image | None = None


@dataclass(frozen=True)
class Product:
    """A product as its own page shows it. It has at least one variant."""

    handle: str
    title: str
    description: str  # cleaned HTML
    vendor: str
    type: str
    gift_card: bool
    seo_title: str
    seo_description: str
    option_names: tuple[str, ...]
    variants: tuple[Variant, ...]
    images: tuple[Image, ...]
    tags: tuple[str, ...] = ()
    collections: tuple[Collection, ...] = ()

    @cached_property
    def options(self) -> tuple[Option, ...]:
        return tuple(
            Option(name, tuple(dict.fromkeys(variant.option_values[place] for variant in self.variants)))
            for place, name in enumerate(self.option_names)
        )

    def variant(self, item: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.item == item), None)

    @property
    def first_choice(self) -> Variant:
        """The variant that its page opens with: the first that can be bought."""
        return next((variant for variant in self.variants if not variant.sold_out), self.variants[0])

    def choosing(self, chosen: Variant, place: int, value: str) -> Variant | None:
        """The variant that a click on `value` of the option at `place` means, coming from `chosen`.

        The one that agrees with `chosen` in the most other options; None where `value` doesn't occur.
        """

        def agreement(variant: Variant) -> int:
            pairs = zip(variant.option_values, chosen.option_values, strict=True)
            return sum(ours == theirs for ours, theirs in pairs)

        having = [variant for variant in self.variants if variant.option_values[place] == value]
        return max(having, key=agreement, default=None)
