"""Pages of products: a collection, a search or everything, filtered, sorted, with counts of what else there is.

All of it is asked of the product sets (`sets`); only the products of the one page are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice, takewhile
from math import ceil
from typing import NamedTuple

from pyroaring import BitMap
from sqlalchemy.engine import Connection

from shop.catalogue import search, store
from shop.catalogue.products import Card, Collection
from shop.catalogue.sets import NamedSet, Sets, at_most, highest, in_order, lowest, most_shared, weight_of
from shop.catalogue.words import stem, value_of, words_in
from shop.language import N_
from shop.language import gettext as _

PAGE_SIZE = 24
FEW_VALUES = 7  # of a facet that are listed at first, besides the chosen ones
MOST_VALUES = 50  # that are listed in all
MOST_OPTIONS = 8  # such as colour and size
_MOST_OPTIONS_SEEN = 200  # of a shop with very many
_BYTES_OF_VALUE = 150
_FEW = 200  # products
_A_SHARE = 16  # of which all products are more

# How a listing may be sorted, in the order that shoppers are offered; a search by "relevance" as well.
SORTS = {
    "featured": N_("Featured"),
    "newest": N_("Newest"),
    "price-low": N_("Price, low to high"),
    "price-high": N_("Price, high to low"),
    "title": N_("Name, A to Z"),
}
RELEVANCE = N_("Relevance")

_FACETS = {"availability": N_("Availability"), "type": N_("Type"), "vendor": N_("Vendor"), "tag": N_("Tag")}
_MANY_VALUED = ("type", "vendor", "tag")
_AVAILABILITY = {"in-stock": N_("In stock"), "sold-out": N_("Sold out")}


@dataclass(frozen=True)
class Wish:
    """Which products a listing is to show, and in which order.

    `chosen` is by facet key; what it holds becomes as facets have it (`value_of`), each value once.
    """

    collection: str | None = None  # a handle
    query: str = ""  # words to search for
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    price_from: int | None = None  # minor units, inclusive; of the price that a card shows
    price_to: int | None = None
    sort: str = "featured"  # a key of SORTS; "relevance" with a query
    page: int = 1

    def __post_init__(self) -> None:
        chosen = {key: tuple(dict.fromkeys(map(value_of, values))) for key, values in self.chosen.items() if values}
        object.__setattr__(self, "chosen", chosen)

    @property
    def narrowed(self) -> bool:
        """True when a filter is set."""
        return bool(self.chosen) or self.price_from is not None or self.price_to is not None


class FacetValue(NamedTuple):
    """A choice that a facet offers."""

    value: str  # what stands in the URL
    title: str
    products: int  # that there are of it under the other facets' choices


@dataclass(frozen=True)
class Facet:
    """A way to narrow a listing: "availability", "type", "vendor", "tag", or "option." and the slug of its name.

    Values have products, or are chosen. Those that most products have come first.
    """

    key: str
    title: str
    values: tuple[FacetValue, ...]
    chosen: tuple[str, ...] = ()

    @cached_property
    def usual_values(self) -> tuple[FacetValue, ...]:
        """The first few, and those that are chosen."""
        others = (each for each in self.values[FEW_VALUES:] if each.value in self.chosen) if self.chosen else ()
        return (*self.values[:FEW_VALUES], *others)

    @property
    def more(self) -> int:
        """How many there are besides the usual ones."""
        return len(self.values) - len(self.usual_values)


@dataclass(frozen=True)
class Page:
    """One page of a listing. `pages` is at least 1."""

    cards: tuple[Card, ...]
    number: int
    total: int
    facets: tuple[Facet, ...] = ()
    prices: tuple[int, int] | None = None  # the lowest and the highest under the other filters
    spelling: str | None = None  # the query that was used instead of the one that found nothing

    @property
    def pages(self) -> int:
        return max(1, ceil(self.total / PAGE_SIZE))


@dataclass(frozen=True)
class Suggestions:
    """What may be meant while somebody types."""

    cards: tuple[Card, ...] = ()
    collections: tuple[Collection, ...] = ()
    query: str = ""  # what to search for: as typed, or as it is spelt


def find_page(connection: Connection, wish: Wish, language: str = "") -> Page:
    """The wished page of products; without cards where there is no such page.

    Titles are in `language` where the catalogue has them so, and sorted as they are read.
    """
    sets = Sets(connection)
    narrowed = sets.remembered_of_stock(_key(wish), lambda: _narrow(sets, wish), _Narrowed.weigh)
    start = (wish.page - 1) * PAGE_SIZE
    ids = _sorted(sets, narrowed, wish.sort, language, start, min(start + PAGE_SIZE, len(narrowed.ids)))
    return Page(
        cards=_cards(sets, ids, language),
        number=wish.page,
        total=len(narrowed.ids),
        facets=tuple(_facet(count, wish.chosen.get(count.key, ())) for count in narrowed.counts),
        prices=narrowed.prices,
        spelling=narrowed.spelling,
    )


def find_suggestions(
    connection: Connection, text: str, products: int = 6, collections: int = 3, language: str = ""
) -> Suggestions:
    """Products and collections for words that are still being typed: the last matches as a prefix."""
    words = search.words_of(text)
    if not words:
        return Suggestions()
    sets = Sets(connection)
    found = search.find(sets, text)
    ids = _by_relevance(sets, found.tiers, 0, products)
    query = found.spelling or " ".join(text.split())[: search.LONGEST_QUERY]
    return Suggestions(
        cards=_cards(sets, ids, language),
        collections=tuple(islice(_named(sets, search.words_of(query)), collections)),
        query=query,
    )


def find_related(connection: Connection, product_handle: str, most: int = 4, language: str = "") -> tuple[Card, ...]:
    """Products that share the most with this one of its collections, type and tags. Never itself.

    Those in stock come first. Of those that share as much, the ones that follow it in the merchant's order, as on a
    shelf, so that not all products of a collection point to the same few.
    """
    sets = Sets(connection)
    kin = store.find_kin(connection, product_handle)
    if kin is None:
        return ()
    names = [("collection", handle) for handle in kin.collections]
    names += [("type", value_of(kin.type))] if kin.type else []
    names += [("tag", value_of(tag)) for tag in kin.tags]
    ids: list[int] = []
    shared = list(most_shared([sets.one(*name) for name in names]))
    for some in (sets.in_stock, sets.sold_out):
        for alike in shared:
            ids += _following(alike & some, kin.id, most - len(ids))
    return _cards(sets, ids, language)


def find_featured(connection: Connection, most: int = 8, language: str = "") -> tuple[Card, ...]:
    """Products for the home page: the first of the merchant's that are in stock and have a picture, sales first."""
    sets = Sets(connection)
    in_stock, pictured, on_sale = sets.in_stock, sets.one("pictured"), sets.one("on sale")
    ids: list[int] = []
    for some in (pictured & on_sale, pictured - on_sale, on_sale - pictured, sets.everything - pictured - on_sale):
        ids += (in_stock & some)[: most - len(ids)]
    return _cards(sets, ids, language)


def find_collections(connection: Connection) -> tuple[Collection, ...]:
    """All collections that have something to see, by name, each with its count and its first picture."""
    return _collections_of(Sets(connection))


def _collections_of(sets: Sets) -> tuple[Collection, ...]:
    return sets.remembered("collections", lambda: _collections(sets))


def count_products(connection: Connection) -> int:
    """How many products shoppers can see."""
    return len(Sets(connection).everything)


def _cards(sets: Sets, ids: Sequence[int], language: str) -> tuple[Card, ...]:
    read = partial(store.find_cards_by_id, sets.connection, language=language)
    return tuple(sets.things(f"card {language}", ids, read))


@dataclass(frozen=True)
class _Count:
    """How many products each value of a facet has."""

    key: str
    title: str
    values: tuple[FacetValue, ...]


@dataclass(frozen=True)
class _Narrowed:
    """What a listing has, however it is sorted and on whichever page."""

    ids: BitMap
    tiers: tuple[BitMap, ...]  # of a search, the best first
    counts: tuple[_Count, ...]
    prices: tuple[int, int] | None
    spelling: str | None

    def weigh(self) -> int:
        """The bytes that it takes in memory, about."""
        values = sum(len(count.values) for count in self.counts)
        return sum(map(weight_of, (self.ids, *self.tiers))) + values * _BYTES_OF_VALUE


def _key(wish: Wish) -> object:
    """What makes two wishes the same listing."""
    chosen = tuple((key, wish.chosen[key]) for key in sorted(wish.chosen))
    return wish.collection, wish.query, chosen, wish.price_from, wish.price_to


def _narrow(sets: Sets, wish: Wish) -> _Narrowed:
    found = search.find(sets, wish.query) if wish.query else None
    base = found.ids if found else sets.everything
    if wish.collection is not None:
        base = base & sets.one("collection", wish.collection)
    filters = {key: _any_of(_values(sets, key, values).values()) for key, values in wish.chosen.items()}
    if wish.price_from is not None or wish.price_to is not None:
        filters["price"] = _in_range(base, sets.digits("price"), wish.price_from, wish.price_to)

    def under(but: str = "") -> BitMap:
        """What fits all filters but one."""
        ids = base
        for key, filtered in filters.items():
            if key != but:
                ids = ids & filtered
        return ids

    ids = under()
    counts = _counts(sets, wish.chosen, lambda key: under(key) if key in filters else ids)
    priced = under("price") if "price" in filters else ids
    digits = sets.digits("price")
    prices = (lowest(priced, digits), highest(priced, digits)) if priced else None
    tiers = tuple(tier & ids for tier in found.tiers) if found else ()
    return _Narrowed(ids, tiers, counts, prices, found.spelling if found else None)


def _any_of(values: Iterable[NamedSet]) -> BitMap:
    return BitMap.union(*(value.ids for value in values))


def _in_range(ids: BitMap, digits: Sequence[BitMap], start: int | None, stop: int | None) -> BitMap:
    if stop is not None:
        ids = at_most(ids, digits, stop)
    if start is not None:
        ids = ids - at_most(ids, digits, start - 1)
    return ids


def _values(sets: Sets, key: str, names: Iterable[str]) -> dict[str, NamedSet]:
    """Values of a facet by name; empty sets for those that it doesn't have."""
    if key != "availability" and _is_facet(key):
        return sets.named(key, list(names))
    known = {value.name: value for some in _all_values(sets, key) for value in some}
    return {name: known.get(name) or NamedSet(name, name, BitMap()) for name in names}


def _all_values(sets: Sets, key: str) -> Iterable[Sequence[NamedSet]]:
    """The values of a facet, some at a time, those that most products have first."""
    if key == "availability":
        return ((*_availability(sets),),)
    return sets.some_of(key) if _is_facet(key) else ()


def _is_facet(key: str) -> bool:
    """False for other kinds of sets, which somebody may have put into the address."""
    return key in _FACETS or key.startswith("option.")


def _availability(sets: Sets) -> Iterator[NamedSet]:
    yield NamedSet("in-stock", _AVAILABILITY["in-stock"], sets.in_stock)
    yield NamedSet("sold-out", _AVAILABILITY["sold-out"], sets.sold_out)


def _counts(sets: Sets, chosen: Mapping[str, tuple[str, ...]], under: Callable[[str], BitMap]) -> tuple[_Count, ...]:
    """The facets of a listing. `under(key)` is what fits all filters but that facet's own."""
    titles = {"availability": "", "type": "", "vendor": ""} | _options(sets, chosen, under) | {"tag": ""}
    for key in [key for key in chosen if key not in titles]:
        slug = key.removeprefix("option.")
        titles[key] = sets.named("option", [slug])[slug].title
    counts = (
        _Count(key, title, _counted(sets, key, under(key), chosen.get(key, ()))) for key, title in titles.items()
    )
    return tuple(count for count in counts if count.values)


def _counted(sets: Sets, key: str, ids: BitMap, chosen: Sequence[str]) -> tuple[FacetValue, ...]:
    """The values of a facet that most of `ids` have, and those that are chosen."""
    wanted = tuple(_values(sets, key, chosen).values())
    if key in _MANY_VALUED and (columns := sets.columns(key)).are_quick(len(ids)):
        return _most_frequent(
            columns.count(ids), [(value, ids.intersection_cardinality(value.ids)) for value in wanted]
        )
    return _count(_all_values(sets, key), _Sizes(ids, sets.everything), wanted)


def _options(sets: Sets, chosen: Mapping[str, tuple[str, ...]], under: Callable[[str], BitMap]) -> dict[str, str]:
    """The options to narrow by, with their titles: those that most products of the shop come in."""
    titles: dict[str, str] = {}
    for option in islice(sets.of("option"), _MOST_OPTIONS_SEEN):
        key = f"option.{option.name}"
        if key in chosen or (len(titles) < MOST_OPTIONS and not option.ids.isdisjoint(under(key))):
            titles[key] = option.title
    return titles


class _Sizes:
    """How many of some products are in sets, to be asked of thousands of them."""

    def __init__(self, ids: BitMap, everything: BitMap) -> None:
        self._ids = ids
        self._all = len(ids) == len(everything)
        # Inside a bitmap, not so many ids are a list, which is walked along with that of each set. Very many have a
        # bit each, and an id is looked up at once: so the others are counted, where that is quicker.
        self._others = everything - ids if len(ids) > _FEW and _A_SHARE * len(ids) < len(everything) else None

    def of(self, sets: Iterable[NamedSet]) -> list[int]:
        if self._all:
            return [len(each.ids) for each in sets]
        if self._others is None:
            common = self._ids.intersection_cardinality
            return [common(each.ids) for each in sets]
        common = self._others.intersection_cardinality
        return [len(each.ids) - common(each.ids) for each in sets]


def _count(values: Iterable[Sequence[NamedSet]], sizes: _Sizes, chosen: Sequence[NamedSet]) -> tuple[FacetValue, ...]:
    """The most frequent of `values`, given some at a time, the largest first; and all that are chosen."""
    found: list[tuple[NamedSet, int]] = []
    for some in values:
        found = _frequent([*found, *(each for each in zip(some, sizes.of(some), strict=True) if each[1])])
        if some and len(found) >= MOST_VALUES and min(count for _value, count in found) > len(some[-1].ids):
            break  # nor has any that follows more
    return _most_frequent(found, zip(chosen, sizes.of(chosen), strict=True))


def _frequent(found: list[tuple[NamedSet, int]]) -> list[tuple[NamedSet, int]]:
    """The most frequent, and those that are as frequent as the last of them."""
    if len(found) <= MOST_VALUES:
        return found
    fewest = sorted((count for _value, count in found), reverse=True)[MOST_VALUES - 1]
    return [each for each in found if each[1] >= fewest]


def _most_frequent(
    found: list[tuple[NamedSet, int]], chosen: Iterable[tuple[NamedSet, int]]
) -> tuple[FacetValue, ...]:
    values = sorted(map(_value, _frequent(found)), key=_frequent_first)[:MOST_VALUES]
    listed = {each.value for each in values}
    missing = [_value(each) for each in chosen if each[0].name not in listed]
    return tuple(sorted([*values, *missing], key=_frequent_first) if missing else values)


def _value(found: tuple[NamedSet, int]) -> FacetValue:
    return FacetValue(found[0].name, found[0].title, found[1])


def _frequent_first(value: FacetValue) -> tuple[int, str, str]:
    return -value.products, value.title.casefold(), value.value


def _facet(count: _Count, chosen: tuple[str, ...]) -> Facet:
    """A facet as shoppers read it. Titles are the merchant's own words, save for our few."""
    values = count.values
    if count.key == "availability":
        values = tuple(each._replace(title=_(each.title)) if each.value in _AVAILABILITY else each for each in values)
    return Facet(count.key, _(_FACETS[count.key]) if count.key in _FACETS else count.title, values, chosen)


def _sorted(sets: Sets, narrowed: _Narrowed, sort: str, language: str, start: int, stop: int) -> list[int]:
    """The ids at the places from `start` up to `stop` of a listing."""
    ids = narrowed.ids
    first, last = len(ids) - stop, len(ids) - start  # of the same, seen from the end
    if start >= stop:
        return []
    match sort:
        case "relevance" if narrowed.tiers:
            return _by_relevance(sets, narrowed.tiers, start, stop)
        case "newest":  # ids grow with time
            return list(ids[first:last])[::-1]
        case "price-low":
            return in_order(ids, sets.digits("price"), start, stop)
        case "price-high":
            return in_order(ids, sets.digits("price"), first, last)[::-1]
        case "title":
            return in_order(ids, sets.digits(f"by title.{language}") or sets.digits("by title"), start, stop)
        case _:
            return list(ids[start:stop])


def _by_relevance(sets: Sets, tiers: Iterable[BitMap], start: int, stop: int) -> list[int]:
    """Tier by tier, the shorter titles first."""
    found: list[int] = []
    for tier in tiers:
        found += in_order(tier, sets.digits("title words"), start, min(stop, len(tier)))
        start, stop = start - len(tier), stop - len(tier)
    return found


def _following(ids: BitMap, id: int, most: int) -> list[int]:
    """Up to `most` of `ids` without `id`: those that follow it, then those from the beginning."""
    others = ids - BitMap([id])
    place = others.rank(id)
    found = list(others[place : place + most])
    return found + list(others[: min(place, most - len(found))])


def _collections(sets: Sets) -> tuple[Collection, ...]:
    named = sorted(sets.of("collection"), key=lambda each: each.title.casefold())
    pictured = sets.one("pictured")
    firsts = {each.name: next(iter(each.ids & pictured), 0) for each in named}
    cards = store.find_cards_by_id(sets.connection, list({*firsts.values()} - {0}))
    images = {id: card.image for id, card in cards.items()}
    return tuple(Collection(each.name, each.title, len(each.ids), images.get(firsts[each.name])) for each in named)


def _named(sets: Sets, words: Sequence[str]) -> Iterator[Collection]:
    """The collections with all the words in their titles; the last may be the beginning of one."""
    collections = _collections_of(sets)
    titles = sets.remembered("collections' titles", lambda: _Titles([each.title for each in collections]))
    return (collections[place] for place in sorted(titles.places(words)))


class _Titles:
    """Where in a list of titles words are."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._by_stem: defaultdict[str, set[int]] = defaultdict(set)
        found = {(word, place) for place, title in enumerate(titles) for word in words_in(title)}
        for word, place in found:
            self._by_stem[stem(word)].add(place)
        self._words = sorted(found)

    def places(self, words: Sequence[str]) -> set[int]:
        """The titles that have all the words, of which the last may be the beginning of one."""
        *whole, last = words
        start = bisect_left(self._words, (last, -1))
        starting = takewhile(lambda each: each[0].startswith(last), islice(self._words, start, None))
        places = {place for _word, place in starting} | self._by_stem.get(stem(last), set())
        return places.intersection(*(self._by_stem.get(stem(word), set()) for word in whole))
