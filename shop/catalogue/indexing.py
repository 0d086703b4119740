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
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from shop.catalogue import version
from shop.catalogue.plain_text import plain_text
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
_AT_ONCE = 500  # products, or sets


@dataclass(frozen=True, slots=True)
class Entry:
    """What there is to know of a product for finding it."""

    id: int
    visible: bool
    in_stock: bool
    pictured: bool
    on_sale: bool
    price: int  # of the cheapest variant, in minor units
    title: str
    description: str  # cleaned HTML
    vendor: str
    type: str
    tags: tuple[str, ...]
    collections: tuple[tuple[str, str], ...]  # handles and titles
    options: tuple[tuple[str, tuple[str, ...]], ...]  # names, each with the values of its variants
    translations: tuple[tuple[str, str], ...] = ()  # titles and descriptions


# The names of sets; each as people read it, where they do.
_Names = dict[str, str | None]


class Indexer:
    """Collects what changes, and writes it: now and then as it comes, the rest in `finish`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name]
        self._added: _Waiting = defaultdict(_arrays)
        self._removed: _Waiting = defaultdict(_arrays)
        self._titles: dict[str, dict[str, str]] = defaultdict(dict)
        self._words: dict[str, None] = {}
        self._waiting = 0

    def add(self, entry: Entry) -> None:
        """Take in a product that is new."""
        for kind, names in _memberships(entry, self._words).items():
            waiting = self._added[kind]
            for name in names:
                waiting[name].append(entry.id)
            self._name(kind, names)
            self._waiting += len(names)
        self._flush_if_many()

    def replace(self, before: Iterable[Entry], after: Iterable[Entry]) -> None:
        """Take in what products have become: visible ones, as they were and as they are."""
        old = {entry.id: entry for entry in before}
        new = {entry.id: entry for entry in after}
        ids = old.keys() | new.keys()
        # The set of those in stock may be older than `before`, so it is not by comparing that it gets right.
        self._connection.execute(stock_flips.delete().where(stock_flips.c.product_id.in_(ids)))
        for id in sorted(ids):
            self._change(id, old.get(id), new.get(id))
        self._flush_if_many()

    def _change(self, id: int, before: Entry | None, after: Entry | None) -> None:
        in_stock = self._added if after and after.visible and after.in_stock else self._removed
        in_stock["availability"]["in-stock"].append(id)
        old = _memberships(before, {}) if before else {}
        new = _memberships(after, self._words) if after else {}
        for kind in (old.keys() | new.keys()) - {"availability"}:
            was, becomes = old.get(kind, {}), new.get(kind, {})
            for name in becomes.keys() - was.keys():
                self._added[kind][name].append(id)
            for name in was.keys() - becomes.keys():
                self._removed[kind][name].append(id)
            self._name(kind, becomes)
            self._waiting += len(was) + len(becomes)

    def _name(self, kind: str, names: _Names) -> None:
        """Have the sets of a kind read as it was written last."""
        if any(names.values()):
            self._titles[kind] |= {name: title for name, title in names.items() if title}

    def finish(self) -> None:
        """Write the rest, and make it what listings show from this transaction on."""
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
        visible = ids.where(products.c.visible).execution_options(yield_per=10_000)
        for some in self._connection.scalars(visible).partitions():
            ordered.extend(some)
        self._connection.execute(product_sets.delete().where(product_sets.c.kind == kind))
        rows = [_row(kind, str(place), None, digit) for place, digit in enumerate(_digits_of_places(ordered))]
        if rows:
            self._connection.execute(product_sets.insert(), rows)

    def _fold_flips(self) -> None:
        """What sales have changed since the last import becomes a part of the sets."""
        folded = stock_flips.delete().returning(stock_flips.c.product_id, stock_flips.c.in_stock)
        for row in self._connection.execute(folded):
            waiting = self._added if row.in_stock else self._removed
            waiting["availability"]["in-stock"].append(row.product_id)

    def _flush(self) -> None:
        self._write_words()
        for kind in sorted(self._added.keys() | self._removed.keys() | self._titles.keys()):
            added: _Arrays = self._added.pop(kind, {})
            removed: _Arrays = self._removed.pop(kind, {})
            titles = self._titles.pop(kind, {})
            for names in _chunks(sorted(added.keys() | removed.keys() | titles.keys()), _AT_ONCE):
                self._merge(kind, names, added, removed, titles)
        self._waiting = 0

    def _merge(self, kind: str, names: list[str], added: _Arrays, removed: _Arrays, titles: dict[str, str]) -> None:
        """Bring the sets of those names to what they are now."""
        of_names = (product_sets.c.kind == kind) & product_sets.c.name.in_(names)
        here = {row.name: row for row in self._connection.execute(sa.select(product_sets).where(of_names))}
        written, gone = [], []
        for name in names:
            before = here.get(name)
            ids = BitMap.deserialize(before.ids) if before else BitMap()
            ids |= _bitmap(added.get(name, ()))
            ids -= _bitmap(removed.get(name, ()))
            title = titles.get(name, before.title if before else None)
            row = _row(kind, name, title, ids)
            if not ids:
                gone.append(name)
            elif before is None or (before.ids, before.title) != (row["ids"], title):
                written.append(row)
        if written:
            made: Any = self._insert(product_sets)
            new = {"title": made.excluded.title, "size": made.excluded.size, "ids": made.excluded.ids}
            key = [product_sets.c.kind, product_sets.c.name]
            self._connection.execute(made.on_conflict_do_update(index_elements=key, set_=new), written)
        if gone:
            self._connection.execute(product_sets.delete().where(of_names, product_sets.c.name.in_(gone)))
            if kind == "anywhere":
                self._connection.execute(search_words.delete().where(search_words.c.stem.in_(gone)))

    def _write_words(self) -> None:
        """Add the words that are new, with their letters for spelling."""
        first = (self._connection.scalar(sa.select(sa.func.max(search_words.c.id))) or 0) + 1
        made: Any = self._insert(search_words)
        made = made.on_conflict_do_nothing(index_elements=[search_words.c.word])
        numbered = enumerate(self._words, start=first)
        for some in _chunks(numbered, 10 * _AT_ONCE):
            rows = [{"id": id, "word": word, "stem": stem(word)} for id, word in some]
            self._connection.execute(made, rows)
        self._words = {}
        new = sa.select(search_words.c.id, search_words.c.word).where(search_words.c.id >= first)
        for row in self._connection.execute(new):
            for gram in grams(row.word):
                self._added["gram"][gram].append(row.id)


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
            title=row.title,
            description=row.description,
            vendor=row.vendor,
            type=row.type,
            tags=tuple(each.tag for each in tags[row.id]),
            collections=tuple((each.handle, each.title) for each in groups[row.id]),
            options=options_of(row.option_names, [each.option_values for each in values[row.id]]),
            translations=tuple((each.title, each.description) for each in translations[row.id]),
        )


def options_of(names: Sequence[str], values: Iterable[Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A product's options, from the values that each of its variants has."""
    by_place = zip(*values, strict=True)
    return tuple((name, tuple(dict.fromkeys(each))) for name, each in zip(names, by_place, strict=True))


def grams(word: str) -> Iterator[str]:
    """Each three letters in a row of a word that is long enough to be corrected by them, its ends marked."""
    if len(word) >= SHORTEST_WITH_GRAMS and word.isalpha():
        marked = f"^{word}$"
        yield from {marked[place : place + 3] for place in range(len(word))}


def _memberships(entry: Entry, words: dict[str, None]) -> dict[str, _Names]:
    """The sets that a product is in, by kind. Its words are put into `words`."""
    if not entry.visible:
        return {}
    return {
        "all": {"": None},
        "availability": {"in-stock": None} if entry.in_stock else {},
        "pictured": {"": None} if entry.pictured else {},
        "on sale": {"": None} if entry.on_sale else {},
        "price": _digits(entry.price),
        "collection": dict(entry.collections),
        "type": {value_of(entry.type): entry.type} if entry.type else {},
        "vendor": {value_of(entry.vendor): entry.vendor} if entry.vendor else {},
        "tag": {value_of(tag): tag for tag in entry.tags},
        **_options(entry),
        **_words(entry, words),
    }


def _options(entry: Entry) -> dict[str, _Names]:
    # Two options of a product may have one slug, such as "Size" and "size".
    found: dict[str, _Names] = {"option": {}}
    for option, values in entry.options:
        slug = slug_of(option)
        found["option"][slug] = option
        found.setdefault(f"option.{slug}", {}).update({value_of(value): value for value in values})
    return found


def _words(entry: Entry, words: dict[str, None]) -> dict[str, _Names]:
    title_words = words_in(entry.title)
    titles = title_words + words_in(" ".join(title for title, _ in entry.translations))
    labels = words_in(" ".join((entry.vendor, entry.type, *entry.tags)))
    texts = words_in(" ".join(map(plain_text, (entry.description, *(each for _, each in entry.translations)))))
    words |= dict.fromkeys((*titles, *labels, *texts))
    titled: _Names = dict.fromkeys(map(stem, titles))
    labelled: _Names = titled | dict.fromkeys(map(stem, labels))
    anywhere: _Names = labelled | dict.fromkeys(map(stem, texts))
    return {
        "title words": _digits(min(len(title_words), _MOST_TITLE_WORDS)),
        "titled": titled,
        "labelled": labelled,
        "anywhere": anywhere,
    }


def _digits(number: int) -> _Names:
    """The places of the binary digits of a number that are 1."""
    return {str(place): None for place in range(number.bit_length()) if number >> place & 1}


def _digits_of_places(ordered: array[int]) -> Iterator[BitMap]:
    """For each binary digit of a place, the lowest first: what stands at those places in `ordered` that have it."""
    for digit in range(max(0, len(ordered) - 1).bit_length()):
        step = 1 << digit
        found = array("I")
        for start in range(step, len(ordered), 2 * step):
            found.extend(ordered[start : start + step])
        yield _bitmap(found)


def _row(kind: str, name: str, title: str | None, ids: BitMap) -> dict[str, Any]:
    return {"kind": kind, "name": name, "title": title, "size": len(ids), "ids": ids.serialize()}


def _bitmap(ids: Iterable[int]) -> BitMap:
    """A set without run containers, which save some bytes, but make intersections up to ten times as slow."""
    return BitMap(ids, optimize=False)


def _chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(things)
    while some := list(islice(waiting, size)):
        yield some


_Arrays = dict[str, "array[int]"]
_Waiting = defaultdict[str, defaultdict[str, "array[int]"]]


def _arrays() -> defaultdict[str, array[int]]:
    return defaultdict(lambda: array("I"))
