"""What the shop sells: products, their variants and pictures, and the collections that group them.

These are plain values, read from the database by `store`, that templates show and the cart asks about stock.
Prices are integers in minor units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

from shop.language import gettext as _
from shop.language import ngettext

MOST_OF_ONE = 999  # units of one item in one cart
MOST_ON_A_SHEET = 100  # variants that are ordered with one form
FEW = 3  # units: of so many or less, pages say how many there are


class Image(NamedTuple):
    """A picture: an absolute URL, or a path on this host; and what `shop images` has made of it.

    `widths` are those of its sizes, ascending, the last at most its own. Without any it is shown as it is.
    """

    src: str
    alt: str
    width: int | None = None  # in pixels
    height: int | None = None
    color: str = ""  # of most of it, "#rrggbb"; empty where one can see through it, and where it isn't known
    key: str = ""  # the folder of its sizes
    widths: tuple[int, ...] = ()

    @classmethod
    def of(cls, src: str, alt: str, made: Mapping[str, Any] | None) -> Self:
        """With what the table `pictures` says was `made` of it."""
        if not made:
            return cls(src, alt)
        return cls(src, alt, **{**made, "widths": tuple(made.get("widths", ()))})

    def srcset(self, kind: str) -> str:
        """Its sizes as files of one `kind`, avif or webp, as the attribute `srcset` lists them."""
        return ", ".join(f"/images/sizes/{self.key}/{width}.{kind} {width}w" for width in self.widths)


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
    barcode: str = ""
    taxable: bool = True
    requires_shipping: bool = True
    image: Image | None = None

    def __hash__(self) -> int:
        # What tells nearly all apart: what is kept of variants is looked up often.
        return hash((self.item, self.price, self.stock))

    @cached_property
    def title(self) -> str:
        """`"Blue / M"`; empty for the only variant of a product."""
        return " / ".join(self.option_values)

    @cached_property
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
    def back_ordered(self) -> bool:
        """True when what is sold is not there yet: its stock is counted, used up, and sells on."""
        return self.visible and self.tracked and self.oversell and self.stock <= 0

    @property
    def few_left(self) -> bool:
        """True when a shopper should hurry: there are FEW of a counted stock, or less."""
        return 0 < self.available <= FEW

    @property
    def supply(self) -> str:
        """How many there are, in a sentence for the shopper."""
        if self.sold_out:
            return _("Sold out in %(variant)s.", variant=self.title) if self.title else _("Sold out.")
        if self.few_left:
            return ngettext("Only %(num)s left.", "Only %(num)s left.", self.available)
        return _("Made to order.") if self.back_ordered else _("In stock.")

    @property
    def on_sale(self) -> bool:
        return self.saving > 0

    @property
    def saving(self) -> int:
        """What it costs less than before, in minor units; 0 when it is not on sale."""
        return max(0, (self.compare_at_price or 0) - self.price)

    @property
    def saving_percent(self) -> int:
        """The same in whole per cent of the price before, rounded down."""
        return self.saving * 100 // self.compare_at_price if self.compare_at_price else 0


class Card(NamedTuple):
    """A product as listings show it: enough for a card, read without joins."""

    handle: str
    title: str
    vendor: str
    price: int  # of the cheapest variant
    price_max: int
    compare_at_price: int | None
    in_stock: bool
    has_choice: bool  # of several variants
    image: Image | None

    def __hash__(self) -> int:
        return hash((self.handle, self.price, self.in_stock))

    @property
    def on_sale(self) -> bool:
        return self.compare_at_price is not None and self.compare_at_price > self.price

    @property
    def item(self) -> str | None:
        """What its button adds; None where there is a choice to make first."""
        return None if self.has_choice else self.handle


@dataclass(frozen=True)
class Option:
    """A choice that a product offers, such as Colour, with its values in the merchant's order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """A value of an option, seen from a chosen variant: `variant` is what choosing it leads to."""

    value: str
    variant: Variant
    chosen: bool
    exists: bool  # False: it doesn't go with the other options as they are chosen, and `variant` is the nearest


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
    category: str = ""  # the standard taxonomy's path: "Home & Garden > Kitchen & Dining"
    created_at: str = ""  # UTC, ISO 8601, as its last change
    updated_at: str = ""

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

    @property
    def order_sheet(self) -> tuple[Variant, ...]:
        """The variants to order several of at once; none where there is no choice, or too many for a page."""
        buyable = sum(not variant.sold_out for variant in self.variants)
        return self.variants if buyable > 1 and len(self.variants) <= MOST_ON_A_SHEET else ()

    def choices(self, chosen: Variant, place: int) -> tuple[Choice, ...]:
        """What the option at `place` offers to somebody who has `chosen`, in the merchant's order."""
        return tuple(self._choice(chosen, place, value) for value in self.options[place].values)

    def pictures(self, chosen: Variant) -> tuple[Image, ...]:
        """All its pictures, that of the `chosen` variant first."""
        if chosen.image is None:
            return self.images
        own = next((image for image in self.images if image.src == chosen.image.src), chosen.image)
        return own, *(image for image in self.images if image.src != own.src)

    def _choice(self, chosen: Variant, place: int, value: str) -> Choice:
        wanted = (*chosen.option_values[:place], value, *chosen.option_values[place + 1 :])
        exact = self._by_values.get(wanted)
        return Choice(value, exact or self._nearest(wanted, place), wanted == chosen.option_values, exact is not None)

    def _nearest(self, wanted: tuple[str, ...], place: int) -> Variant:
        """Of the variants with that value at `place`: what agrees most with the rest, rather one that can be had."""

        def fitness(variant: Variant) -> tuple[int, bool]:
            pairs = zip(variant.option_values, wanted, strict=True)
            return sum(ours == theirs for ours, theirs in pairs), not variant.sold_out

        having = (variant for variant in self.variants if variant.option_values[place] == wanted[place])
        return max(having, key=fitness)

    @cached_property
    def _by_values(self) -> dict[tuple[str, ...], Variant]:
        return {variant.option_values: variant for variant in self.variants}
