"""Pages of products: a collection, a search or everything, filtered, sorted, with counts of what else there is.

All of it is asked of the product sets (`sets`); only the products of the one page are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile
from math import ceil

from pyroaring import BitMap
from sqlalchemy.engine import Connection

from shop.catalogue import facets, search, store
from shop.catalogue.facets import Facet
from shop.catalogue.products import Card, Collection
from shop.catalogue.sets import NamedSet, Sets, at_most, highest, in_order, lowest, most_shared, weight_of
from shop.catalogue.words import stem, value_of, words_in
from shop.language import N_

PAGE_SIZE = 24
_BYTES_OF_VALUE = 150
_OF_AN_END = 1_000  # products that are the cheapest, or the dearest

# How a listing may be sorted, in the order that shoppers are offered; a search by "relevance" as well.
SORTS = {
    "featured": N_("Featured"),
    "newest": N_("Newest"),
    "price-low": N_("Price, low to high"),
    "price-high": N_("Price, high to low"),
    "title": N_("Name, A to Z"),
}
RELEVANCE = N_("Relevance")


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
    whole: str = ""  # the facet that is listed with many values

    def __post_init__(self) -> None:
        chosen = {key: tuple(dict.fromkeys(map(value_of, values))) for key, values in self.chosen.items() if values}
        object.__setattr__(self, "chosen", chosen)

    @property
    def narrowed(self) -> bool:
        """True when a filter is set."""
        return bool(self.chosen) or self.priced

    @property
    def priced(self) -> bool:
        """True when the price has a limit."""
        return self.price_from is not None or self.price_to is not None


@dataclass(frozen=True)
class Page:
    """One page of a listing. `pages` is at least 1."""

    cards: tuple[Card, ...]
    number: int
    total: int
    facets: tuple[Facet, ...] = ()  # that can narrow it, or what it is narrowed from
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
    narrowed = _narrowed(sets, wish)
    availability = facets.availability(sets, narrowed.available, wish.chosen.get("availability", ()))
    if facets.goes_without_saying(sets, availability, narrowed.unfiltered):
        found = narrowed.facets
    else:
        found = (availability, *narrowed.facets)
    start = (wish.page - 1) * PAGE_SIZE
    ids = _sorted(sets, narrowed, wish.sort, language, start, min(start + PAGE_SIZE, len(narrowed.ids)))
    return Page(
        cards=_cards(sets, ids, language),
        number=wish.page,
        total=len(narrowed.ids),
        facets=tuple(facets.in_language(each) for each in found if each.values),
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
    query = " ".join(text.split())[: search.LONGEST_QUERY]
    ids = _by_relevance(sets, search.find_titled(sets, text), 0, products)
    if len(ids) < products:
        found = search.find(sets, text)
        ids = _by_relevance(sets, found.tiers, 0, products)
        query = found.spelling or query
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
class _Narrowed:
    """What a listing has, however it is sorted and on whichever page, and whatever is sold out of it.

    The last holds where availability narrows nothing.
    """

    ids: BitMap
    unfiltered: BitMap  # with all that filters leave out
    tiers: tuple[BitMap, ...]  # of a search, the best first
    available: BitMap  # with those that only the filter by availability leaves out
    facets: tuple[Facet, ...]  # all but that
    prices: tuple[int, int] | None
    spelling: str | None

    def weigh(self) -> int:
        """The bytes that it takes in memory, about."""
        values = sum(len(facet.values) for facet in self.facets)
        different = {id(each): each for each in (self.ids, self.unfiltered, self.available, *self.tiers)}.values()
        return sum(map(weight_of, different)) + values * _BYTES_OF_VALUE


def _key(wish: Wish) -> object:
    """What makes two wishes the same listing."""
    chosen = tuple((key, wish.chosen[key]) for key in sorted(wish.chosen))
    return wish.collection, wish.query, chosen, wish.price_from, wish.price_to, wish.whole


def _narrowed(sets: Sets, wish: Wish) -> _Narrowed:
    """What was found for that wish before, if nothing has changed it since."""
    # Searches are many, and few are asked twice: they have less room, which others don't share.
    lasting = not wish.query and "availability" not in wish.chosen
    remembered = sets.remembered_within if lasting else sets.remembered_of_stock
    return remembered(_key(wish), lambda: _narrow(sets, wish), _Narrowed.weigh)


def _narrow(sets: Sets, wish: Wish) -> _Narrowed:
    found = search.find(sets, wish.query) if wish.query else None
    base = found.ids if found else sets.everything
    if wish.collection is not None:
        base = base & sets.one("collection", wish.collection)
    filters = {key: _any_of(facets.values_of(sets, key, values).values()) for key, values in wish.chosen.items()}
    if wish.priced:
        filters["price"] = _in_range(base, sets.digits("price"), wish.price_from, wish.price_to)

    def under(but: str = "") -> BitMap:
        """What fits all filters but one."""
        ids = base
        for key, filtered in filters.items():
            if key != but:
                ids = ids & filtered
        return ids

    ids = under()
    counted = facets.count(sets, ids, wish.chosen, under, wish.whole)
    return _Narrowed(
        ids=ids,
        unfiltered=base,
        tiers=tuple(tier & ids for tier in found.tiers) if found else (),
        available=under("availability") if "availability" in filters else ids,
        facets=tuple(each for each in counted if not facets.goes_without_saying(sets, each, base)),
        prices=_prices(sets, under("price") if "price" in filters else ids),
        spelling=found.spelling if found else None,
    )


def _prices(sets: Sets, ids: BitMap) -> tuple[int, int] | None:
    """The lowest and the highest."""
    digits = sets.digits("price")

    def ends() -> tuple[BitMap, BitMap]:
        every = sets.everything
        first = in_order(every, digits, 0, _OF_AN_END)
        return BitMap(first), BitMap(in_order(every, digits, len(every) - _OF_AN_END, len(every)))

    # Of many products, some are among the cheapest of all: the others need no look.
    cheapest, dearest = sets.remembered("ends of prices", ends)
    return (lowest(ids & cheapest or ids, digits), highest(ids & dearest or ids, digits)) if ids else None


def _any_of(values: Iterable[NamedSet]) -> BitMap:
    return BitMap.union(*(value.ids for value in values))


def _in_range(ids: BitMap, digits: Sequence[BitMap], start: int | None, stop: int | None) -> BitMap:
    if stop is not None:
        ids = at_most(ids, digits, stop)
    if start is not None:
        ids = ids - at_most(ids, digits, start - 1)
    return ids


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
