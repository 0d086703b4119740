"""Sets of visible products, and what can be asked of them without touching the products.

A set is a Roaring bitmap of product ids: of a collection, of a facet's value, of those with a word in their title. A
listing is the intersection of a few, its total and its counts are sizes of intersections, and page N is a slice of
one: none of which takes notably longer when there are a million products. Ids follow the merchant's order.

Other orders are *digits*. For the price, there is a set of all products whose price has the lowest binary digit set,
one for the next digit, and so on (an index by bit slices, O'Neil and Quass 1997). `in_order`, `at_most`, `lowest` and
`highest` go down them from the highest digit, one set operation each.

Every process keeps the sets that it used last, within _CACHED bytes, until the next import.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.engine import Connection, Engine, Row

from shop.database import catalogue_version, product_sets, stock_flips
from shop.prepared import Prepared

T = TypeVar("T")

_CACHED = 64_000_000  # bytes of sets in each process, about
_CACHED_OF_STOCK = 2_000_000  # of that which a sale may change
_THINGS = 4_000  # products, as lists show them; none of them, where the catalogue has more
_AT_ONCE = 200  # sets of a kind that are read together
_OVERHEAD = 300  # bytes of a set in memory beside its blob

_VERSION = Prepared(sa.select(catalogue_version.c.number, catalogue_version.c.listed))
_BY_NAME = Prepared(
    sa.select(product_sets).where(
        product_sets.c.kind.in_(sa.bindparam("kinds", expanding=True)),
        product_sets.c.name.in_(sa.bindparam("names", expanding=True)),
    )
)


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set with its name, such as that of the tag "gift", and the name as people read it."""

    name: str
    title: str
    ids: BitMap


def _none(_value: object) -> int:
    return 0


class Sets:
    """The sets as a connection sees them now. Bitmaps that it gives are shared: never change one."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        [row] = _VERSION.rows(connection)
        self._number = row.number
        self._kept = _kept(connection.engine, row.listed)
        if self._kept.number != row.number:
            self._follow_the_stock(row.number)

    def one(self, kind: str, name: str = "") -> BitMap:
        """The set of that name; empty where there is none."""
        return self.named(kind, [name])[name].ids

    def named(self, kind: str, names: Collection[str]) -> dict[str, NamedSet]:
        """The same with their titles; the name itself where there is none."""
        return self.named_of([kind], names)[kind]

    def named_of(self, kinds: Sequence[str], names: Collection[str]) -> dict[str, dict[str, NamedSet]]:
        """The same of several kinds, by kind."""
        known: dict[str, dict[str, Any]] = {
            kind: {name: self._kept.sets.get((kind, name)) for name in names} for kind in kinds
        }
        missing = [(kind, name) for kind, its in known.items() for name, found in its.items() if found is None]
        if missing:
            wanted = {"kinds": list({kind for kind, _ in missing}), "names": list({name for _, name in missing})}
            rows = {(row.kind, row.name): row for row in _BY_NAME.rows(self.connection, **wanted)}
            for kind, name in missing:
                row = rows.get((kind, name))
                known[kind][name] = _named(row) if row else NamedSet(name, name, BitMap())
                self._kept.sets.put((kind, name), known[kind][name], _weight(row) if row else _OVERHEAD)
        return known

    def sizes(self, kind: str, names: Collection[str]) -> dict[str, int]:
        """How many products sets have, by name."""
        columns = (product_sets.c.name, product_sets.c.size)
        rows = sa.select(*columns).where(product_sets.c.kind == kind, product_sets.c.name.in_(names))
        return dict.fromkeys(names, 0) | {row.name: row.size for row in self.connection.execute(rows)}

    def of(self, kind: str) -> Iterator[NamedSet]:
        """The sets of a kind that have titles, the largest first. Read as they are asked for."""
        return chain.from_iterable(self.some_of(kind))

    def some_of(self, kind: str) -> Iterator[Sequence[NamedSet]]:
        """The same, some at a time."""
        place = 0
        after: tuple[int, str] | None = None
        while True:
            key = (kind, place)
            if (some := self._kept.sets.get(key)) is None:
                some = self._read_some(kind, after)
                self._kept.sets.put(key, some, some.weight)
            yield some.sets
            if len(some.sets) < _AT_ONCE:
                return
            place += 1
            after = (len(some.sets[-1].ids), some.sets[-1].name)

    def digits(self, kind: str) -> tuple[BitMap, ...]:
        """The sets of a kind that are the digits of a number, the highest first."""

        def read() -> tuple[BitMap, ...]:
            found = sa.select(product_sets.c.name, product_sets.c.ids).where(product_sets.c.kind == kind)
            by_place = {int(row.name): BitMap.deserialize(row.ids) for row in self.connection.execute(found)}
            return tuple(by_place.get(place, BitMap()) for place in reversed(range(max(by_place, default=-1) + 1)))

        return self.remembered(("digits", kind), read)

    @property
    def everything(self) -> BitMap:
        """All visible products."""
        return self.one("all")

    @property
    def in_stock(self) -> BitMap:
        """Those of which at least one variant can be bought now."""

        def read() -> BitMap:
            ids = self.one("availability", "in-stock").copy()
            _apply(ids, self._kept.flips)
            return ids

        return self.remembered_of_stock("in stock", read, weight_of)

    @property
    def sold_out(self) -> BitMap:
        return self.remembered_of_stock("sold out", lambda: self.everything - self.in_stock, weight_of)

    def remembered(self, key: object, compute: Callable[[], T]) -> T:
        """What `compute` gives; kept until the next import. For what is small, or needed by every page."""
        if key not in self._kept.facts:
            self._kept.facts[key] = compute()
        return self._kept.facts[key]  # type: ignore[no-any-return]

    def remembered_within(self, key: object, compute: Callable[[], T], weigh: Callable[[T], int] = _none) -> T:
        """The same, kept as long as sets are that were used as lately. `weigh` gives its bytes, about."""
        found: T | None = self._kept.sets.get(key)
        if found is None:
            found = compute()
            self._kept.sets.put(key, found, weigh(found) + _OVERHEAD)
        return found

    def things(self, kind: str, ids: Sequence[int], read: Callable[[Sequence[int]], dict[int, T]]) -> list[T]:
        """What `read` gives for the products of those ids, in that order, as `read` has them too.

        Kept until the catalogue changes, where all of it can be: of a larger one, a page has few that another had.
        """
        if len(self.everything) > _THINGS:
            return [*read(ids).values()]
        known: dict[int, T | None] = {id: self._kept.things.get((kind, id, self._number)) for id in ids}
        if unread := [id for id, thing in known.items() if thing is None]:
            for id, thing in read(unread).items():
                known[id] = thing
                self._kept.things.put((kind, id, self._number), thing, 1)
        return [thing for thing in known.values() if thing is not None]

    def remembered_of_stock(self, key: object, compute: Callable[[], T], weigh: Callable[[T], int]) -> T:
        """The same, kept until a product comes into or goes out of stock, and within a limit of bytes."""
        found: T | None = self._kept.stock_facts.get(key)
        if found is None:
            found = compute()
            self._kept.stock_facts.put(key, found, weigh(found))
        return found

    def _follow_the_stock(self, number: int) -> None:
        """Take in what was sold out or restocked between the number that was seen last and this one."""
        changed = sa.select(stock_flips.c.product_id, stock_flips.c.in_stock)
        rows = self.connection.execute(changed.where(stock_flips.c.number > self._kept.number))
        flips = {row.product_id: row.in_stock for row in rows}
        with self._kept.lock:
            if flips:
                self._kept.flips = self._kept.flips | flips
                forget_listings(self.connection.engine)
            self._kept.number = number

    def _read_some(self, kind: str, after: tuple[int, str] | None) -> _Some:
        found = sa.select(product_sets).where(product_sets.c.kind == kind, product_sets.c.title.is_not(None))
        if after:
            found = found.where(sa.tuple_(product_sets.c.size, product_sets.c.name) < sa.tuple_(*after))
        order = (product_sets.c.size.desc(), product_sets.c.name.desc())
        rows = self.connection.execute(found.order_by(*order).limit(_AT_ONCE)).all()
        return _Some(tuple(map(_named, rows)), sum(map(_weight, rows)))


def in_order(ids: BitMap, digits: Sequence[BitMap], start: int, stop: int) -> list[int]:
    """Those at the places from `start` up to `stop` when `ids` are sorted by a number, given by its digits.

    Those with the same number are in the order of their ids.
    """
    start = max(start, 0)
    if start >= stop or not ids:
        return []
    if not digits or len(ids) == 1:
        return list(ids[start:stop])
    digit, *lower = digits
    small = ids - digit
    count = len(small)
    found = in_order(small, lower, start, min(stop, count))
    if stop > count:
        found += in_order(ids & digit, lower, start - count, stop - count)
    return found


def at_most(ids: BitMap, digits: Sequence[BitMap], number: int) -> BitMap:
    """Those whose number, given by its digits, is at most `number`."""
    if number < 0:
        return BitMap()
    if number.bit_length() > len(digits):
        return ids
    found, open_ = BitMap(), ids
    for place, digit in zip(reversed(range(len(digits))), digits, strict=True):
        if number >> place & 1:
            found |= open_ - digit
            open_ = open_ & digit
        else:
            open_ = open_ - digit
    return found | open_


def lowest(ids: BitMap, digits: Sequence[BitMap]) -> int:
    """The lowest number among `ids`, of which there is at least one."""
    number = 0
    for digit in digits:
        zeros = ids - digit
        number = number * 2 + (not zeros)
        ids = zeros or ids
    return number


def highest(ids: BitMap, digits: Sequence[BitMap]) -> int:
    """The highest number among `ids`, of which there is at least one."""
    number = 0
    for digit in digits:
        ones = ids & digit
        number = number * 2 + bool(ones)
        ids = ones or ids
    return number


def weight_of(ids: BitMap) -> int:
    """The bytes that a set takes in memory, about."""
    parts = ids.get_statistics()
    bytes_ = parts["n_bytes_array_containers"] + parts["n_bytes_run_containers"] + parts["n_bytes_bitset_containers"]
    return bytes_ + _OVERHEAD


def most_shared(sets: Sequence[BitMap]) -> Iterator[BitMap]:
    """What is in all of `sets`, then what is in all but one, and so on to what is in only one."""
    digits: list[BitMap] = []  # of the count, the lowest first
    for ids in sets:
        carried = ids
        for place, digit in enumerate(digits):
            digits[place], carried = digit ^ carried, digit & carried
        if carried:
            digits.append(carried)
    rest = BitMap.union(*sets) if sets else BitMap()
    for count in range(len(sets), 0, -1):
        these = rest
        for place, digit in enumerate(digits):
            these = these & digit if count >> place & 1 else these - digit
        if count.bit_length() <= len(digits) and these:
            yield these
            rest = rest - these


def _named(row: Row[Any]) -> NamedSet:
    return NamedSet(row.name, row.title or row.name, BitMap.deserialize(row.ids))


def _weight(row: Row[Any]) -> int:
    return len(row.ids) + _OVERHEAD


def _apply(ids: BitMap, flips: dict[int, bool]) -> None:
    """Bring the products in stock up to date."""
    ids |= BitMap(product for product, in_stock in flips.items() if in_stock)
    ids -= BitMap(product for product, in_stock in flips.items() if not in_stock)


@dataclass(frozen=True, slots=True)
class _Some:
    """Sets of a kind, read together."""

    sets: tuple[NamedSet, ...]
    weight: int  # bytes


class _Cache:
    """Remembers by key what was used last, within a weight. Safe with threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._entries: OrderedDict[object, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object) -> Any:
        """None where it isn't remembered."""
        if (entry := self._entries.get(key)) is None:
            return None
        try:  # without the lock, which would take as long as all of this
            self._entries.move_to_end(key)
        except KeyError:  # another thread has just made room
            return entry[0]
        return entry[0]

    def put(self, key: object, value: object, weight: int) -> None:
        with self._lock:
            if key in self._entries:
                self._weight -= self._entries.pop(key)[1]
            self._entries[key] = (value, weight)
            self._weight += weight
            while self._weight > self._most:
                self._weight -= self._entries.popitem(last=False)[1][1]


@dataclass
class _Kept:
    """What a process keeps of one database between two imports."""

    listed: int
    number: int = -1
    flips: dict[int, bool] = field(default_factory=dict)
    sets: _Cache = field(default_factory=lambda: _Cache(_CACHED))
    facts: dict[object, Any] = field(default_factory=dict)
    stock_facts: _Cache = field(default_factory=lambda: _Cache(_CACHED_OF_STOCK))
    things: _Cache = field(default_factory=lambda: _Cache(_THINGS))
    lock: Lock = field(default_factory=Lock)


_KEPT: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def forget_listings(engine: Engine) -> None:
    """Forget what was worked out of the sets of a database, as when a product is sold out."""
    if engine in _KEPT:
        _KEPT[engine].stock_facts = _Cache(_CACHED_OF_STOCK)


def _kept(engine: Engine, listed: int) -> _Kept:
    """What this process keeps for a database whose sets were written at version `listed`."""
    kept = _KEPT.get(engine)
    if kept is None or kept.listed != listed:
        kept = _KEPT[engine] = _Kept(listed)
    return kept
