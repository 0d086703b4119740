"""Writing the product sets and the words that listings and searches ask: at an import, by what it changes.

The kinds of sets, and what names the sets of a kind:

| kind | name | which products |
| --- | --- | --- |
| `all` | | all that are visible; every other set is a part of it |
| `availability` | `in-stock` | those that can be bought, save for the `stock_flips` since |
| `pictured`, `on sale` | | with a picture; with a price below an earlier one |
| `collection` | handle | of a collection |
| `type`, `vendor`, `tag` | its `value_of` | of a facet's value |
| `option` | slug of its name | that come in such an option |
| `option.<slug>` | `value_of` an option's value | with a variant that has it |
| `price` | a binary digit's place | whose lowest price (minor units) has that digit |
| `by title`, `by title.<language>` | the same | whose place in the order of titles has that digit |
| `title words` | the same | whose title has such a number of words, counted up to 15 |
| `titled` | a stem | with such a word in the title |
| `labelled` | a stem | with such a word in the title, or as vendor, type or tag |
| `anywhere` | a stem | with such a word there or in the description |
| `gram` | three letters | no products but the ids of the `search_words` with them, for spelling |
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.engine import Connection, Row

from shop.catalogue import bulk, traits, version
from shop.catalogue.traits import SetName, TraitBook, options_of, pieces_of, sets_of_piece, unpacked
from shop.database import (
    Database,
    catalogue_version,
    collections,
    product_collections,
    product_sets,
    product_tags,
    product_translations,
    products,
    search_words,
    stock_flips,
    variants,
)

T = TypeVar("T")

FORMAT = 1  # of what is written here: after a change of it, everything is written anew at the next start or import

SHORTEST_WITH_GRAMS = 6  # letters: shorter words are corrected without
MOST_WAITING = 8_000_000  # traits of products that wait in memory to be written: up to 150 MB, with their sets
_LOCK = 0x6372756D62  # of PostgreSQL ("crumb")
_AT_ONCE = 500  # products, sets, or words
_IN_STOCK: SetName = ("availability", "in-stock", None)

# Made once: SQLAlchemy takes longer to put a statement together than to run it.
_BY_NAME = sa.select(product_sets).where(
    product_sets.c.kind == sa.bindparam("kind"), product_sets.c.name.in_(sa.bindparam("names", expanding=True))
)
_KNOWN_WORDS = sa.select(search_words.c.word).where(search_words.c.word.in_(sa.bindparam("words", expanding=True)))


class Indexer:
    """Collects what changes, and writes it: now and then as it comes, the rest in `finish`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._added = _Members()
        self._removed = _Members()
        self._waiting = 0
        self._sets: list[list[SetName]] = []  # that each trait stands for, by its number
        self._ids: list[array[int]] = []  # of new products, by the number of a trait that they have
        self._described = _Described(self._added)

    def learn(self, sets: Sequence[list[SetName]], anew: bool) -> None:
        """The sets that the next numbers stand for: `anew` from 0 on, or else from where those before these ended."""
        if anew:
            self._forget()
        self._sets += sets
        self._ids += [array("I") for _ in sets]

    def add(self, id: int, numbers: bytes, descriptions: Iterable[str]) -> None:
        """Take in a visible product that is new, by the numbers of its traits, and its descriptions: cleaned HTML."""
        its, ids, described = unpacked(numbers), self._ids, self._described
        for number in its:
            ids[number].append(id)
        self._waiting += len(its)
        for text in descriptions:
            pieces = pieces_of(text)
            for piece in pieces:
                described[piece].append(id)
            self._waiting += len(pieces)
        self._flush_if_many()

    def replace(self, before: Mapping[int, Collection[SetName]], after: Mapping[int, Collection[SetName]]) -> None:
        """Take in what products have become: the sets they had, and have, by their ids. Each once until `finish`."""
        ids = sorted(before.keys() | after.keys())
        self._connection.execute(stock_flips.delete().where(stock_flips.c.product_id.in_(ids)))
        for id in ids:
            self._change(id, before.get(id, ()), after.get(id, ()))
        self._flush_if_many()

    def _change(self, id: int, before: Collection[SetName], after: Collection[SetName]) -> None:
        stays = {(kind, name) for kind, name, _ in after}
        gone = {each for each in before if each[:2] not in stays}
        come = set(after).difference(before)
        # The set of those in stock may be older than `before`.
        (come if _IN_STOCK in after else gone).add(_IN_STOCK)
        for each in gone:
            self._removed.put(each, [id])
        for each in come:
            self._added.put(each, [id])
        self._waiting += len(gone) + len(come)

    def sets(self, numbers: bytes, descriptions: Iterable[str]) -> list[SetName]:
        """The sets of a visible product, by the same."""
        return self._named(map(self._sets.__getitem__, unpacked(numbers)), descriptions)

    def _named(self, sets: Iterable[list[SetName]], descriptions: Iterable[str]) -> list[SetName]:
        pieces = chain.from_iterable(map(pieces_of, descriptions))
        return [*chain.from_iterable(sets), *chain.from_iterable(map(sets_of_piece, pieces))]

    def read(self, ids: Sequence[int]) -> dict[int, list[SetName]]:
        """The sets of the visible ones among those products, as they are in the database now."""
        book = TraitBook()
        found = [
            (id, book.numbers_of(**said), descriptions) for id, said, descriptions in _read(self._connection, ids)
        ]
        sets = book.take_new()
        return {id: self._named(map(sets.__getitem__, unpacked(its)), texts) for id, its, texts in found}

    def finish(self) -> None:
        """Write the rest, and make it what listings show from this transaction on."""
        self._forget()
        self._flush()
        self._write_orders()
        number = version.bump(self._connection)
        self._fold_flips()
        self._flush()
        self._connection.execute(catalogue_version.update().values(listed=number, format=FORMAT))

    def _flush_if_many(self) -> None:
        if self._waiting > MOST_WAITING:
            self._flush()

    def _write_orders(self) -> None:
        """The order of the titles, in each language that there are some in."""
        self._write_order("by title", sa.select(products.c.id).order_by(products.c.title_key, products.c.id))
        languages = self._connection.scalars(sa.select(product_translations.c.language).distinct()).all()
        for language in languages:
            translated = (product_translations.c.product_id == products.c.id) & (
                product_translations.c.language == language
            )
            key = sa.func.coalesce(sa.func.nullif(product_translations.c.title_key, ""), products.c.title_key)
            found = sa.select(products.c.id).outerjoin(product_translations, translated)
            self._write_order(f"by title.{language}", found.order_by(key, products.c.id))

    def _write_order(self, kind: str, ids: sa.Select[Any]) -> None:
        ordered = array("I")
        visible = ids.where(products.c.visible).execution_options(yield_per=2_000)
        for some in self._connection.scalars(visible).partitions():
            ordered.extend(some)
        self._connection.execute(product_sets.delete().where(product_sets.c.kind == kind))
        self._insert([_row(kind, str(place), None, digit) for place, digit in enumerate(_digits_of_places(ordered))])

    def _fold_flips(self) -> None:
        """What sales have changed since the last import becomes a part of the sets."""
        folded = stock_flips.delete().returning(stock_flips.c.product_id, stock_flips.c.in_stock)
        for row in self._connection.execute(folded):
            (self._added if row.in_stock else self._removed).put(_IN_STOCK, [row.product_id])

    def _forget(self) -> None:
        """What the numbers stood for."""
        self._settle()
        self._sets.clear()
        self._ids.clear()

    def _settle(self) -> None:
        """What waits by traits waits by sets."""
        for sets, ids in zip(self._sets, self._ids, strict=True):
            if ids:
                for each in sets:
                    self._added.put(each, ids)
                del ids[:]

    def _flush(self) -> None:
        self._settle()
        more, less = self._added, self._removed
        self._added, self._removed, self._waiting = _Members(), _Members(), 0
        self._described = _Described(self._added)
        self._write_words(more)
        is_first = not less.sets and not self._connection.scalar(sa.select(sa.exists().select_from(product_sets)))
        for kind in sorted(more.sets.keys() | less.sets.keys()):
            its_more, its_less = more.sets.pop(kind, {}), less.sets.pop(kind, {})
            titles = {name: title for name, (_, title) in more.titles.pop(kind, {}).items()}
            for names in _chunks(sorted(its_more.keys() | its_less.keys()), _AT_ONCE):
                if is_first:
                    self._insert([_row(kind, name, titles.get(name), _bitmap(its_more[name])) for name in names])
                else:
                    self._merge(kind, names, its_more, its_less, titles)

    def _merge(self, kind: str, names: list[str], more: _Arrays, less: _Arrays, titles: dict[str, str]) -> None:
        """Bring the sets of those names to what they are now: first `less`, then `more`."""
        here = {row.name: row for row in self._connection.execute(_BY_NAME, {"kind": kind, "names": names})}
        written, old, gone = [], [], []
        for name in names:
            before = here.get(name)
            ids = BitMap.deserialize(before.ids) if before else BitMap()
            if name in less:
                ids -= _bitmap(less[name])
            if name in more:
                ids |= _bitmap(more[name])
            row = _row(kind, name, titles.get(name, before.title if before else None), ids)
            if before and row == tuple(before):
                continue
            if before:
                old.append(name)
            if ids:
                written.append(row)
            else:
                gone.append(name)
        if old:
            of_names = (product_sets.c.kind == kind) & product_sets.c.name.in_(old)
            self._connection.execute(product_sets.delete().where(of_names))
        if gone and kind == "anywhere":
            self._connection.execute(search_words.delete().where(search_words.c.stem.in_(gone)))
        self._insert(written)

    def _insert(self, rows: Sequence[_Row]) -> None:
        bulk.insert(self._connection, product_sets, _Row._fields, rows)

    def _write_words(self, members: _Members) -> None:
        """Add the words that are new, with their letters for spelling: titles' stems first, then labels'."""
        titled, labelled = members.sets["titled"], members.sets["labelled"]

        def rank(word: str) -> int:
            stem = members.words[word]
            return 0 if stem in titled else 1 if stem in labelled else 2

        words = sorted(members.words, key=rank)
        id = first = self._connection.scalar(sa.select(sa.func.max(search_words.c.id))) or 0
        for some in _chunks(words, _AT_ONCE):
            new = dict.fromkeys(some)
            for word in self._connection.scalars(_KNOWN_WORDS, {"words": some}) if first else ():
                del new[word]
            rows = [(number, word, members.words[word]) for number, word in enumerate(new, start=id + 1)]
            bulk.insert(self._connection, search_words, ("id", "word", "stem"), rows)
            of_grams = members.sets["gram"]
            for id, word, _ in rows:
                for gram in grams(word):
                    of_grams[gram].append(id)


class _Members:
    """Products and the sets that they are to come into, or to leave."""

    def __init__(self) -> None:
        self.sets: defaultdict[str, _Arrays] = defaultdict(_arrays)  # by kind and name
        # By kind and name: how the last product has it, with that one's id.
        self.titles: defaultdict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
        self.words: dict[str, str] = {}  # their stems

    def put(self, into: SetName, ids: Sequence[int]) -> None:
        kind, name, said = into
        self.of(into).extend(ids)
        if said is not None and kind != "anywhere":
            titles = self.titles[kind]
            titles[name] = max(titles.get(name, (0, "")), (ids[-1], said))

    def of(self, into: SetName) -> array[int]:
        """The ids that are in that set, to put more there; where it is of a word, the word is known by then."""
        kind, name, said = into
        if kind == "anywhere":
            self.words[said or name] = name
        return self.sets[kind][name]


class _Described(dict[str, Any]):
    """Where to append the id of a product, by each piece of its description."""

    def __init__(self, members: _Members) -> None:
        super().__init__()
        self._members = members

    def __missing__(self, piece: str) -> array[int] | _Several:
        if len(self) > traits.MOST_TRAITS:
            self.clear()
        sets = [self._members.of(each) for each in dict.fromkeys(sets_of_piece(piece))]
        self[piece] = found = sets[0] if len(sets) == 1 else _Several(sets)
        return found


class _Several(list["array[int]"]):
    """Arrays that are appended to as one."""

    def append(self, id: int) -> None:  # type: ignore[override]
        for each in self:
            each.append(id)


def catch_up(database: Database) -> None:
    """See that the sets are there, as this version of the shop writes them. Takes its time after an upgrade."""
    with database.reading() as connection:
        if is_current(connection):
            return
    with database.writing() as connection:
        lock(connection)
        if not is_current(connection):
            reindex(connection)


def lock(connection: Connection) -> None:
    """Let only one transaction at a time write the catalogue. In SQLite that is so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def is_current(connection: Connection) -> bool:
    """True when the sets are as this version of the shop writes them."""
    return connection.scalar(sa.select(catalogue_version.c.format)) == FORMAT


def reindex(connection: Connection) -> None:
    """Write everything anew, from the products."""
    for table in (product_sets, search_words, stock_flips):
        connection.execute(table.delete())
    indexer = Indexer(connection)
    last = 0
    visible = sa.select(products.c.id).where(products.c.visible).order_by(products.c.id).limit(_AT_ONCE)
    while ids := connection.scalars(visible.where(products.c.id > last)).all():
        indexer.replace({}, indexer.read(ids))
        last = ids[-1]
    indexer.finish()


def _read(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, dict[str, Any], list[str]]]:
    """The visible ones among those products, as they are in the database now.

    With what TraitBook.numbers_of takes, and with their descriptions.
    """

    def of_each(found: sa.Select[Any], owner: sa.Column[int]) -> defaultdict[int, list[Row[Any]]]:
        """Rows by the product that they belong to."""
        by_product: defaultdict[int, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(found.where(owner.in_(ids))):
            by_product[row.product_id].append(row)
        return by_product

    tags = of_each(sa.select(product_tags), product_tags.c.product_id)
    values = of_each(sa.select(variants.c.product_id, variants.c.option_values), variants.c.product_id)
    translations = of_each(sa.select(product_translations), product_translations.c.product_id)
    groups = of_each(
        sa.select(product_collections.c.product_id, collections.c.handle, collections.c.title).join(
            collections, collections.c.id == product_collections.c.collection_id
        ),
        product_collections.c.product_id,
    )
    for row in connection.execute(sa.select(products).where(products.c.id.in_(ids), products.c.visible)):
        yield (
            row.id,
            {
                "in_stock": row.in_stock,
                "image_src": row.image_src,
                "compare_at_price": row.compare_at_price,
                "price_min": row.price_min,
                "title": row.title,
                "vendor": row.vendor,
                "type": row.type,
                "tags": [each.tag for each in tags[row.id]],
                "collections": [(each.handle, each.title) for each in groups[row.id]],
                "options": options_of(row.option_names, [each.option_values for each in values[row.id]]),
                "translated": [each.title for each in translations[row.id]],
            },
            [row.description, *(each.description for each in translations[row.id])],
        )


def grams(word: str) -> set[str]:
    """Each three letters in a row of a word that is long enough to be corrected by them, its ends marked."""
    if len(word) < SHORTEST_WITH_GRAMS or not word.isalpha():
        return set()
    marked = f"^{word}$"
    return {marked[place : place + 3] for place in range(len(word))}


def _digits_of_places(ordered: array[int]) -> Iterator[BitMap]:
    """For each binary digit of a place, the lowest first: what stands at those places in `ordered` that have it."""
    for digit in range(max(0, len(ordered) - 1).bit_length()):
        step = 1 << digit
        found = array("I")
        for start in range(step, len(ordered), 2 * step):
            found.extend(ordered[start : start + step])
        yield _bitmap(found)


class _Row(NamedTuple):
    """Of the table `product_sets`."""

    kind: str
    name: str
    title: str | None
    size: int
    ids: bytes


def _row(kind: str, name: str, title: str | None, ids: BitMap) -> _Row:
    return _Row(kind, name, title, len(ids), ids.serialize())


def _bitmap(ids: Iterable[int]) -> BitMap:
    """A set without run containers, which save some bytes, but make intersections up to ten times as slow."""
    return BitMap(ids, optimize=False)


def _chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(things)
    while some := list(islice(waiting, size)):
        yield some


_Arrays = dict[str, "array[int]"]


def _arrays() -> _Arrays:
    return defaultdict(partial(array, "I"))
