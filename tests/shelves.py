"""Random shelves and wishes, and what a listing is by its definition: loops over all products, nothing clever."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from shop.catalogue.listing import Wish
from shop.catalogue.slugs import slug_of
from shop.catalogue.words import COMMON, stem, title_key, value_of, words_in

COLLECTIONS = ("Kitchen", "Home", "Garden", "Tea & Coffee")
TYPES = ("Mugs", "Shirts", "shirts", "Посуда", "")
VENDORS = ("Fern", "Loom & Line", "FERN", "Crème", "")
TAGS = ("gift", "tea", "sale", "new", "linen", "чай")
TITLE_WORDS = ("Teapot", "Mug", "mugs", "Чайник", "Чайники", "Blue", "Crème", "Small", "Tea")
OPTIONS = {
    "Colour": ("Blue", "blue", "Red", "Sand"),
    "colour": ("Red", "blue"),
    "Color": ("Red", "White"),
    "Size": ("S", "M"),
}
QUERIES = ("mug", "teapots", "чайник", "creme", "blue mug", "tea", "te", "the mug", "mug gift", "nothingatall", "!")
SORTS = ("featured", "newest", "price-low", "price-high", "title", "relevance")


@dataclass(frozen=True)
class Good:
    """A product of a random shelf. `variants`: the values of its options, and the stock of each."""

    handle: str
    title: str
    description: str
    vendor: str
    type: str
    tags: tuple[str, ...]
    collections: tuple[str, ...]
    names: tuple[str, ...]
    variants: tuple[tuple[tuple[str, ...], int], ...]
    price: int
    shown: bool

    @property
    def in_stock(self) -> bool:
        return any(stock for _, stock in self.variants)

    @property
    def facets(self) -> dict[str, set[str]]:
        """Its values of each facet."""
        found = {
            "availability": {"in-stock" if self.in_stock else "sold-out"},
            "type": {value_of(self.type)} - {""},
            "vendor": {value_of(self.vendor)} - {""},
            "tag": set(self.tags),
        }
        for place, name in enumerate(self.names):
            values = {value_of(each[place]) for each, _ in self.variants}
            found.setdefault(f"option.{slug_of(name)}", set()).update(values)
        return found

    @property
    def words(self) -> tuple[set[str], set[str], set[str]]:
        """The words of its title; of its labels too; and of its description too."""
        title = set(words_in(self.title))
        labels = title.union(words_in(" ".join((self.vendor, self.type, *self.tags))))
        return title, labels, labels.union(words_in(self.description))


def random_good(random: Random, handle: str) -> Good:
    names = tuple(random.sample([*OPTIONS], random.choice((0, 0, 1, 2))))
    if len({slug_of(name) for name in names}) < len(names):
        names = names[:1]
    values = {tuple(random.choice(OPTIONS[name]) for name in names): None for _ in range(random.choice((1, 2, 3)))}
    by_slug = {tuple(map(slug_of, each)): each for each in values}
    return Good(
        handle=handle,
        title=" ".join(random.choices(TITLE_WORDS, k=random.choice((1, 2, 2, 3)))),
        description=" ".join(random.choices(TITLE_WORDS, k=random.choice((0, 1, 2)))),
        vendor=random.choice(VENDORS),
        type=random.choice(TYPES),
        tags=tuple(sorted(random.sample(TAGS, random.choice((0, 1, 2, 3))))),
        collections=tuple(random.sample(COLLECTIONS, random.choice((1, 1, 2)))),
        names=names,
        variants=tuple((each, random.choice((0, 2))) for each in by_slug.values()),
        price=random.choice((0, 100, 250, 250, 999, 1000, 70_000)),
        shown=random.random() < 0.85,
    )


def random_wish(random: Random) -> Wish:
    chosen: dict[str, tuple[str, ...]] = {}
    pool = {
        "availability": ("in-stock", "sold-out", "maybe"),
        "type": (*TYPES, "Nonesuch"),
        "vendor": VENDORS,
        "tag": (*TAGS, "nonesuch"),
        "option.colour": ("Blue", "red", "nonesuch"),
        "option.size": ("S", "m"),
        "option.nonesuch": ("S",),
        "titled": ("mug",),
    }
    for key in random.sample([*pool], random.choice((0, 0, 1, 1, 2, 3))):
        chosen[key] = tuple(random.sample(pool[key], min(len(pool[key]), random.choice((1, 1, 2)))))
    query = random.choice(("", *QUERIES))
    return Wish(
        collection=random.choice((None, None, *map(slug_of, COLLECTIONS), "nonesuch")),
        query=query,
        chosen=chosen,
        price_from=random.choice((None, None, 0, 100, 251, 80_000)),
        price_to=random.choice((None, None, 0, 250, 998, 1_000_000)),
        sort=random.choice(SORTS if query else SORTS[:-1]),
        page=random.choice((1, 1, 1, 2, 3, 9)),
        whole=random.choice(("", "tag", "vendor", "option.colour", "nonesuch")),
    )


def as_csv(goods: Iterable[Good]) -> bytes:
    """A product export with these products."""
    text = io.StringIO()
    columns = (
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Collection,Published,Option1 Name,Option1 Value,Option2 Name,"
        "Option2 Value,Variant Price,Variant Inventory Tracker,Variant Inventory Qty"
    )
    writer = csv.DictWriter(text, columns.split(","))
    writer.writeheader()
    for good in goods:
        row: dict[str, object] = {
            "Title": good.title,
            "Body (HTML)": good.description,
            "Vendor": good.vendor,
            "Type": good.type,
            "Tags": ",".join(good.tags),
            "Collection": ";".join(good.collections),
            "Published": "true" if good.shown else "false",
            **{f"Option{place} Name": name for place, name in enumerate(good.names, start=1)},
        }
        for values, stock in good.variants:
            row |= {f"Option{place} Value": value for place, value in enumerate(values, start=1)}
            row |= {"Handle": good.handle, "Variant Price": f"{good.price / 100:.2f}"}
            writer.writerow(row | {"Variant Inventory Tracker": "shopify", "Variant Inventory Qty": stock})
            row = {}
    return text.getvalue().encode()


@dataclass
class Listed:
    """What a listing is to have."""

    handles: list[str]
    total: int
    counts: dict[str, tuple[list[tuple[str, int, bool]], int]] = field(default_factory=dict)
    prices: tuple[int, int] | None = None


def listed(goods: Iterable[Good], wish: Wish, page_size: int, few_values: int, most_values: int) -> Listed:
    """The listing that `wish` asks for. `goods` are in the merchant's order."""
    base = [good for good in goods if good.shown and _fits_base(good, wish)]
    found = [good for good in base if all(_fits(good, wish, but=None))]
    place = {good.handle: number for number, good in enumerate(base)}
    orders = {
        "featured": lambda good: place[good.handle],
        "newest": lambda good: -place[good.handle],
        "price-low": lambda good: (good.price, place[good.handle]),
        "price-high": lambda good: (-good.price, -place[good.handle]),
        "title": lambda good: (title_key(good.title), place[good.handle]),
        "relevance": lambda good: (_tier(good, wish.query), len(words_in(good.title)), place[good.handle]),
    }
    ordered = sorted(found, key=orders[wish.sort])
    start = (wish.page - 1) * page_size
    priced = [good.price for good in base if all(_fits(good, wish, but="price"))]
    return Listed(
        handles=[good.handle for good in ordered[start : start + page_size]],
        total=len(found),
        counts=dict(_counts(base, wish, few_values, most_values)),
        prices=(min(priced), max(priced)) if priced else None,
    )


def _fits_base(good: Good, wish: Wish) -> bool:
    if wish.collection is not None and wish.collection not in map(slug_of, good.collections):
        return False
    return not wish.query or _tier(good, wish.query) is not None


def _fits(good: Good, wish: Wish, but: str | None) -> Iterator[bool]:
    for key, values in wish.chosen.items():
        if key != but:
            yield bool(good.facets.get(key, set()) & set(values))
    if but != "price":
        yield wish.price_from is None or good.price >= wish.price_from
        yield wish.price_to is None or good.price <= wish.price_to


def _tier(good: Good, query: str) -> int | None:
    """0 for every word in the title, and so on down; None where a word is nowhere."""
    words = words_in(query)
    telling = [word for word in words if word not in COMMON] or words
    if not telling:
        return None
    *others, last = telling
    tiers = zip((good.words[0], *good.words), (False, True, True, True), strict=True)
    for tier, (its, as_prefix) in enumerate(tiers):
        stems = set(map(stem, its))
        # A beginning stands for words, and they for all that has their stems.
        begun = {stem(word) for word in ALL_WORDS if word.startswith(last)} if as_prefix and len(last) > 1 else set()
        if {stem(word) for word in others} <= stems and stems & ({stem(last)} | begun):
            return tier
    return None


def _counts(
    base: list[Good], wish: Wish, few: int, most: int
) -> Iterator[tuple[str, tuple[list[tuple[str, int, bool]], int]]]:
    """By facet: the values that are listed, and how many more there are when it is listed whole."""
    keys = {key for good in base for key in good.facets} | wish.chosen.keys()
    for key in keys:
        chosen = wish.chosen.get(key, ())
        fitting = [good for good in base if all(_fits(good, wish, but=key))]
        counts = Counter(value for good in fitting for value in good.facets.get(key, ()))
        frequent = sorted(counts, key=lambda value: (-counts[value], value))[:most]
        values = sorted({*frequent, *chosen}, key=lambda value: (-counts[value], value))
        usual = [value for place, value in enumerate(values) if place < few or value in chosen]
        if len(values) - len(usual) == 1:  # a link to it would take its place
            usual = values
        if len(values) == 1 and not chosen and all(values[0] in good.facets.get(key, ()) for good in base):
            continue  # it never narrows anything
        if values:
            listed = values if key == wish.whole else usual
            yield key, ([(value, counts[value], value in chosen) for value in listed], len(values) - len(usual))


ALL_WORDS = {word for text in (*TITLE_WORDS, *TYPES, *VENDORS, *TAGS) for word in words_in(text)}
