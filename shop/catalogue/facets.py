"""Facets: the ways to narrow a list of products, with how many of it each of their values has.

Counts are exact. How they are found depends on how many products are counted: in a large catalogue, some are looked
up in what each product has (`labels`); otherwise they are met with the set of each value, the largest first, until
no other can have more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, starmap
from typing import TYPE_CHECKING, NamedTuple

from pyroaring import BitMap

from shop.catalogue.sets import NamedSet, Sets
from shop.language import N_
from shop.language import gettext as _

if TYPE_CHECKING:
    from shop.catalogue.labels import Labels

FEW_VALUES = 7  # of a facet that are listed at first, besides the chosen ones
MOST_VALUES = 50  # that are listed in all
MOST_OPTIONS = 8  # such as colour and size
_MOST_OPTIONS_SEEN = 200  # of a shop with very many

_LARGE = 5_000  # products of a catalogue
_LOOKED_UP = 5_000  # products that are looked up sooner than the sets of all values are asked,
_MORE_OF = 20  # and one more for so many of the catalogue
_AT_ONCE = 32  # values that are asked before a look at whether the next can matter,
_AT_ONCE_OF_MANY = 8  # and of so many products that to ask one takes longer than to look
_MANY = 10_000
_FEW = 200  # products
_A_SHARE = 16  # of which all products are more

_TITLES = {"availability": N_("Availability"), "type": N_("Type"), "vendor": N_("Vendor"), "tag": N_("Tag")}
_AVAILABILITY = {"in-stock": N_("In stock"), "sold-out": N_("Sold out")}


class FacetValue(NamedTuple):
    """A choice that a facet offers."""

    value: str  # what stands in the URL
    title: str
    products: int  # that there are of it under the other facets' choices


@dataclass(frozen=True)
class Facet:
    """A way to narrow a listing: "availability", "type", "vendor", "tag", or "option." and the slug of its name.

    `values` are those to list: the FEW_VALUES that most products have, or MOST_VALUES of the facet that is listed
    whole, and those that are chosen. Each has products, or is chosen. Those that most products have come first.
    One more is listed as well: a link to it would take its place.
    """

    key: str
    title: str
    values: tuple[FacetValue, ...]
    chosen: tuple[str, ...] = ()
    more: int = 0  # that are listed when it is whole, and not otherwise


def is_facet(key: str) -> bool:
    """False for other kinds of sets, which somebody may have put into the address."""
    return key in _TITLES or key.startswith("option.")


def values_of(sets: Sets, key: str, names: Iterable[str]) -> dict[str, NamedSet]:
    """Values of a facet by name; empty sets for those that it doesn't have."""
    names = list(names)
    if key == "availability":
        known = {"in-stock": sets.in_stock, "sold-out": sets.sold_out}
        return {name: NamedSet(name, _AVAILABILITY.get(name, name), known.get(name, BitMap())) for name in names}
    return sets.named(key, names) if is_facet(key) else {name: NamedSet(name, name, BitMap()) for name in names}


def count(
    sets: Sets, ids: BitMap, chosen: Mapping[str, tuple[str, ...]], under: Callable[[str], BitMap], whole: str = ""
) -> tuple[Facet, ...]:
    """The facets of a listing that has `ids`, but for "availability": none changes when a product is sold out.

    `under(key)` is what fits all filters but that of a chosen facet.
    """
    titles = {"type": "", "vendor": ""} | _options(sets, ids, chosen) | {"tag": ""}
    for key in [key for key in chosen if key not in titles and key != "availability"]:
        slug = key.removeprefix("option.")
        titles[key] = sets.named("option", [slug])[slug].title
    counts = _Counts(sets, ids)
    facets = (
        _facet(
            sets,
            key,
            title,
            chosen.get(key, ()),
            _Counts(sets, under(key)) if key in chosen else counts,
            key == whole,
        )
        for key, title in titles.items()
    )
    return tuple(facet for facet in facets if facet.values)


def availability(sets: Sets, ids: BitMap, chosen: tuple[str, ...]) -> Facet:
    """How many of `ids` are in stock, and how many sold out."""
    in_stock = ids.intersection_cardinality(sets.in_stock)
    sizes = {"in-stock": in_stock, "sold-out": len(ids) - in_stock} | dict.fromkeys(set(chosen) - {*_AVAILABILITY}, 0)
    values = (FacetValue(name, _AVAILABILITY.get(name, name), size) for name, size in sizes.items())
    listed = (each for each in values if each.products or each.value in chosen)
    return Facet("availability", "", tuple(sorted(listed, key=_frequent_first)), chosen)


def goes_without_saying(sets: Sets, facet: Facet, unfiltered: BitMap) -> bool:
    """True where the facet's only value is one that the whole unfiltered listing has: it never narrows it."""
    if facet.chosen or len(facet.values) != 1:
        return False
    name = facet.values[0].value
    return unfiltered.issubset(values_of(sets, facet.key, [name])[name].ids)


def in_language(facet: Facet) -> Facet:
    """A facet as shoppers read it. Titles are the merchant's own words, save for our few."""
    if facet.key not in _TITLES:
        return facet
    values = facet.values
    if facet.key == "availability":
        values = tuple(each._replace(title=_(each.title)) if each.value in _AVAILABILITY else each for each in values)
    return Facet(facet.key, _(_TITLES[facet.key]), values, facet.chosen, facet.more)


def _options(sets: Sets, ids: BitMap, chosen: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The options to narrow by, with their titles: those that most products of the shop come in."""
    titles: dict[str, str] = {}
    for option in islice(sets.of("option"), _MOST_OPTIONS_SEEN):
        key = f"option.{option.name}"
        if key in chosen or (len(titles) < MOST_OPTIONS and not option.ids.isdisjoint(ids)):
            titles[key] = option.title
    return titles


def _facet(sets: Sets, key: str, title: str, chosen: tuple[str, ...], counts: _Counts, whole: bool) -> Facet:
    # What is chosen may be among the most frequent or not, which is known when all of these are.
    all_of_them = whole or bool(chosen)
    found, there_are = counts.most_frequent(key, MOST_VALUES if all_of_them else FEW_VALUES + 1)
    if chosen:
        listed = {each.value for each in found}
        wanted = values_of(sets, key, (value for value in chosen if value not in listed)).values()
        sizes = counts.sizes.of([each.ids for each in wanted])
        missing = [FacetValue(each.name, each.title, size) for each, size in zip(wanted, sizes, strict=True)]
        found = sorted([*found, *missing], key=_frequent_first) if missing else found
    if not all_of_them:
        there_are = min(there_are, MOST_VALUES)
        usual = found if there_are <= FEW_VALUES + 1 else found[:FEW_VALUES]
        return Facet(key, title, tuple(usual), chosen, there_are - len(usual))
    usual = [*found[:FEW_VALUES], *(each for each in found[FEW_VALUES:] if each.value in chosen)]
    if len(found) - len(usual) == 1:
        usual = found
    return Facet(key, title, tuple(found if whole else usual), chosen, len(found) - len(usual))


def _frequent_first(value: FacetValue) -> tuple[int, str, str]:
    return -value.products, value.title.casefold(), value.value


class _Counts:
    """How many of some products the values of facets have."""

    def __init__(self, sets: Sets, ids: BitMap) -> None:
        self.ids = ids
        self.sizes = _Sizes(ids, sets.everything)
        self._sets = sets
        there_are = len(sets.everything)
        looked_up = there_are >= _LARGE and 0 < len(ids) <= _LOOKED_UP + there_are // _MORE_OF
        self._labelled = _labels(sets).count(ids) if looked_up else None

    def most_frequent(self, key: str, most: int) -> tuple[list[FacetValue], int]:
        """The values that most of the products have; and how many have any, exactly up to MOST_VALUES."""
        if not is_facet(key):
            return [], 0
        if self._labelled is not None and self._labelled.has(key):
            values, there_are = self._labelled.most_frequent(key, most)
            return [*starmap(FacetValue, values)], there_are
        return self._met(self._sets.some_of(key), most)

    def _met(self, values: Iterable[Sequence[NamedSet]], most: int) -> tuple[list[FacetValue], int]:
        """The most frequent of `values`, the largest first, some at a time; and how many there are at least."""
        found: list[FacetValue] = []
        there_are = 0
        least = 1  # products that a value needs to be among them
        at_once = _AT_ONCE if len(self.ids) < _MANY else _AT_ONCE_OF_MANY
        for some in chain.from_iterable(_parted(each, at_once) for each in values):
            if least > len(some[0].ids):  # of which, as of all that follow, none has as many
                if there_are >= MOST_VALUES:
                    break
                there_are += sum(map(self.ids.intersect, (each.ids for each in some)))
                continue
            sizes = self.sizes.of([each.ids for each in some])
            there_are += len(sizes) - sizes.count(0)
            better = [
                FacetValue(each.name, each.title, size)
                for each, size in zip(some, sizes, strict=True)
                if size >= least
            ]
            if better:
                found = sorted([*found, *better], key=_frequent_first)[:most]
                least = found[-1].products if len(found) == most else 1
        return found, there_are


def _parted(values: Sequence[NamedSet], size: int) -> Iterator[Sequence[NamedSet]]:
    return (values[start : start + size] for start in range(0, len(values), size))


class _Sizes:
    """How many of some products are in sets, to be asked of thousands of them."""

    def __init__(self, ids: BitMap, everything: BitMap) -> None:
        self._ids = ids
        self._all = len(ids) == len(everything)
        # Inside a bitmap, not so many ids are a list, which is walked along with that of each set. Very many have a
        # bit each, and an id is looked up at once: so the others are counted, where that is quicker.
        self._others = everything - ids if len(ids) > _FEW and _A_SHARE * len(ids) < len(everything) else None

    def of(self, sets: Sequence[BitMap]) -> list[int]:
        if self._all:
            return [*map(len, sets)]
        if self._others is None:
            return [*map(self._ids.intersection_cardinality, sets)]
        common = self._others.intersection_cardinality
        return [len(each) - common(each) for each in sets]


def _labels(sets: Sets) -> Labels:
    """Those of the whole catalogue, kept until the next import."""

    def read() -> Labels:
        from shop.catalogue.labels import Labels  # 20 MB, which only large shops need

        options = (f"option.{each.name}" for each in islice(sets.of("option"), _MOST_OPTIONS_SEEN))
        facets = {key: [*sets.of(key)] for key in ("type", "vendor", "tag", *options)}
        return Labels(facets, sets.everything.max() + 1)

    return sets.remembered("labels", read)
