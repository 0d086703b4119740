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
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.engine import Connection, Row

from shop.catalogue import bulk, version
from shop.catalogue.plain_text import without_tags
from shop.catalogue.slugs import slug_of
from shop.catalogue.words import stem, value_of, words_in
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
MOST_WAITING = 8_000_000  # memberships that wait in memory to be written: up to 150 MB
_MOST_TITLE_WORDS = 15
_LOCK = 0x6372756D62  # of PostgreSQL ("crumb")
_AT_ONCE = 500  # products, sets, or words
_LEVELS = ("titled", "labelled", "anywhere")  # kinds of sets of words, each in the next
_ONE = ("",)  # the name of a set that is the only one of its kind

# Made once: SQLAlchemy takes longer to put a statement together than to run it.
_BY_NAME = sa.select(product_sets).where(
    product_sets.c.kind == sa.bindparam("kind"), product_sets.c.name.in_(sa.bindparam("names", expanding=True))
)
_KNOWN_WORDS = sa.select(search_words.c.word).where(search_words.c.word.in_(sa.bindparam("words", expanding=True)))


class Entry(NamedTuple):
    """What there is to know of a product for finding it."""

    id: int
    visible: bool
    in_stock: bool
    pictured: bool
    on_sale: bool
    price: int  # of the cheapest variant, in minor units
    vendor: str
    type: str
    tags: tuple[str, ...]
    collections: tuple[tuple[str, str], ...]  # handles and titles
    options: tuple[tuple[str, tuple[str, ...]], ...]  # names, each with the values of its variants
    title_words: int
    texts: tuple[str, str, str]  # as `texts_of` gives them


class Indexer:
    """Collects what changes, and writes it: now and then as it comes, the rest in `finish`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._added = _Members()
        self._removed = _Members()

    def add(self, entry: Entry) -> None:
        """Take in a product that is new."""
        self._added.note(entry)
        self._flush_if_many()

    def replace(self, before: Iterable[Entry], after: Iterable[Entry]) -> None:
        """Take in what products have become: visible ones, as they were and as they are. Each once until `finish`."""
        old = {entry.id: entry for entry in before}
        new = {entry.id: entry for entry in after}
        ids = old.keys() | new.keys()
        self._connection.execute(stock_flips.delete().where(stock_flips.c.product_id.in_(ids)))
        for id in sorted(ids):
            self._change(id, old.get(id), new.get(id))
        self._flush_if_many()

    def _change(self, id: int, before: Entry | None, after: Entry | None) -> None:
        # The set of those in stock may be older than `before`.
        self._removed.put(id, "availability", ["in-stock"])
        same_words = before and after and before.visible == after.visible and before.texts == after.texts
        if before:
            self._removed.note(before, with_words=not same_words)
        if after:
            self._added.note(after, with_words=not same_words)

    def finish(self) -> None:
        """Write the rest, and make it what listings show from this transaction on."""
        self._flush()
        self._write_orders()
        number = version.bump(self._connection)
        self._fold_flips()
        self._flush()
        self._connection.execute(catalogue_version.update().values(listed=number, format=FORMAT))

    def _flush_if_many(self) -> None:
        if self._added.count + self._removed.count > MOST_WAITING:
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
        visible = ids.where(products.c.visible).execution_options(yield_per=10_000)
        for some in self._connection.scalars(visible).partitions():
            ordered.extend(some)
        self._connection.execute(product_sets.delete().where(product_sets.c.kind == kind))
        self._insert([_row(kind, str(place), None, digit) for place, digit in enumerate(_digits_of_places(ordered))])

    def _fold_flips(self) -> None:
        """What sales have changed since the last import becomes a part of the sets."""
        folded = stock_flips.delete().returning(stock_flips.c.product_id, stock_flips.c.in_stock)
        for row in self._connection.execute(folded):
            members = self._added if row.in_stock else self._removed
            members.put(row.product_id, "availability", ["in-stock"])

    def _flush(self) -> None:
        added, removed = self._added, self._removed
        self._added, self._removed = _Members(), _Members()
        removed.sort_words()
        self._write_words(added.sort_words(), added)
        for kind in sorted(added.sets.keys() | removed.sets.keys()):
            more, less, titles = added.sets.pop(kind, {}), removed.sets.pop(kind, {}), added.titles.pop(kind, {})
            for names in _chunks(sorted(more.keys() | less.keys()), _AT_ONCE):
                self._merge(kind, names, more, less, titles)

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

    def _write_words(self, words: Iterable[str], members: _Members) -> None:
        """Add the words that are new, with their letters for spelling."""
        id = first = self._connection.scalar(sa.select(sa.func.max(search_words.c.id))) or 0
        for some in _chunks(words, _AT_ONCE):
            new = dict.fromkeys(some)
            for word in self._connection.scalars(_KNOWN_WORDS, {"words": some}) if first else ():
                del new[word]
            rows = [(number, word, stem(word)) for number, word in enumerate(new, start=id + 1)]
            bulk.insert(self._connection, search_words, ("id", "word", "stem"), rows)
            for id, word, _ in rows:
                members.put(id, "gram", grams(word))


class _Members:
    """Products and the sets that they are to come into, or to leave."""

    def __init__(self) -> None:
        self.sets: defaultdict[str, _Arrays] = defaultdict(_arrays)  # by kind and name
        self.titles: defaultdict[str, dict[str, str]] = defaultdict(dict)  # by kind and name
        self.count = 0  # about
        # By level, and by what stands between white space in the texts.
        self._pieces = {level: _arrays() for level in _LEVELS}

    def note(self, entry: Entry, with_words: bool = True) -> None:
        """Have a product in the sets that it belongs to."""
        if not entry.visible:
            return
        id = entry.id
        self.put(id, "all", _ONE)
        if entry.in_stock:
            self.put(id, "availability", ["in-stock"])
        if entry.pictured:
            self.put(id, "pictured", _ONE)
        if entry.on_sale:
            self.put(id, "on sale", _ONE)
        self.put(id, "price", _digits(entry.price))
        for handle, title in entry.collections:
            self._put(id, "collection", handle, title)
        if entry.type:
            self._put(id, "type", value_of(entry.type), entry.type)
        if entry.vendor:
            self._put(id, "vendor", value_of(entry.vendor), entry.vendor)
        for tag in entry.tags:
            self._put(id, "tag", value_of(tag), tag)
        for option, values in entry.options:
            slug = slug_of(option)
            self._put(id, "option", slug, option)
            for value in values:
                self._put(id, f"option.{slug}", value_of(value), value)
        if with_words:
            self._note_words(entry)

    def _note_words(self, entry: Entry) -> None:
        id = entry.id
        self.put(id, "title words", _digits(min(entry.title_words, _MOST_TITLE_WORDS)))
        for level, text in zip(_LEVELS, entry.texts, strict=True):
            arrays = self._pieces[level]
            pieces = text.split()
            for piece in pieces:
                arrays[piece].append(id)
            self.count += len(pieces)

    def put(self, id: int, kind: str, names: Iterable[str]) -> None:
        arrays = self.sets[kind]
        for name in names:
            arrays[name].append(id)
        self.count += 5

    def _put(self, id: int, kind: str, name: str, title: str) -> None:
        self.sets[kind][name].append(id)
        self.titles[kind][name] = title

    def sort_words(self) -> Iterable[str]:
        """Turn pieces of texts into sets by stems. The words: those of titles first, then as they came."""
        words: dict[str, None] = {}
        for place, level in enumerate(_LEVELS):
            sets = [self.sets[each] for each in _LEVELS[place:]]
            pieces = self._pieces[level]
            for piece in list(pieces):
                ids = pieces.pop(piece)
                for word in words_in(piece):
                    words[word] = None
                    for arrays in sets:
                        arrays[stem(word)].extend(ids)
        return words


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
        for entry in read_entries(connection, ids):
            indexer.add(entry)
        last = ids[-1]
    indexer.finish()


def read_entries(connection: Connection, ids: Sequence[int]) -> Iterator[Entry]:
    """The visible ones among those products, as they are in the database now."""

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
        yield Entry(
            id=row.id,
            visible=row.visible,
            in_stock=row.in_stock,
            pictured=row.image_src is not None,
            on_sale=row.compare_at_price is not None,
            price=row.price_min,
            vendor=row.vendor,
            type=row.type,
            tags=tuple(each.tag for each in tags[row.id]),
            collections=tuple((each.handle, each.title) for each in groups[row.id]),
            options=options_of(row.option_names, [each.option_values for each in values[row.id]]),
            title_words=len(words_in(row.title)),
            texts=texts_of(
                row.title,
                row.description,
                row.vendor,
                row.type,
                sorted(each.tag for each in tags[row.id]),
                [(each.title, each.description) for each in translations[row.id]],
            ),
        )


def texts_of(
    title: str,
    description: str,
    vendor: str,
    type: str,
    tags: Sequence[str],
    translations: Sequence[tuple[str, str]],
) -> tuple[str, str, str]:
    """Where a product's words come from: its titles, its labels, and its descriptions without their HTML."""
    titles = [title, *(title for title, _ in translations)]
    descriptions = [description, *(description for _, description in translations)]
    return " ".join(titles), " ".join((vendor, type, *tags)), " ".join(map(without_tags, descriptions))


def options_of(names: Sequence[str], values: Iterable[Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A product's options, from the values that each of its variants has."""
    by_place = zip(*values, strict=True)
    return tuple((name, tuple(dict.fromkeys(each))) for name, each in zip(names, by_place, strict=True))


def grams(word: str) -> set[str]:
    """Each three letters in a row of a word that is long enough to be corrected by them, its ends marked."""
    if len(word) < SHORTEST_WITH_GRAMS or not word.isalpha():
        return set()
    marked = f"^{word}$"
    return {marked[place : place + 3] for place in range(len(word))}


@lru_cache(1 << 12)
def _digits(number: int) -> tuple[str, ...]:
    """The places of the binary digits of a number that are 1."""
    return tuple(str(place) for place in range(number.bit_length()) if number >> place & 1)


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
