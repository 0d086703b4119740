"""Importing a product export: one transaction that leaves the shop as the file says, or as it was.

Products are compared with the shop's by handle and by a digest of what the file says of them, in batches, so that
a file of any size takes little memory and one that changes little writes little. Importing a file twice changes
nothing. A product keeps its id, and so does a variant whose item is still in the file.

A product whose rows say the same as at its last import is left alone, its stock as the orders since have made it.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue import bulk, indexing
from shop.catalogue.currency import check_currency
from shop.catalogue.indexing import Indexer
from shop.catalogue.reading import (
    BATCH,
    IMAGE_COLUMNS,
    PRODUCT_COLUMNS,
    TRANSLATION_COLUMNS,
    VARIANT_COLUMNS,
    Batch,
    Contents,
    Export,
    Goods,
)
from shop.catalogue.shopify import BadFile, BadRow
from shop.database import (
    Database,
    collections,
    images,
    imports,
    product_collections,
    product_tags,
    product_translations,
    products,
    variants,
)
from shop.money import Currency
from shop.settings import Settings

T = TypeVar("T")
Row = dict[str, Any]

PICTURES = {
    ".avif",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".svg",
    ".webp",
}  # files beside the CSV that may be shown

_MANY = 200_000  # things that may be in circles

# Made once: SQLAlchemy takes longer to put a statement together than to run it.
_HANDLES: sa.BindParameter[list[str]] = sa.bindparam("handles", expanding=True)
_KNOWN = sa.select(products.c.handle, products.c.id, products.c.digest, products.c.import_id).where(
    products.c.handle.in_(_HANDLES)
)
_COLLECTIONS = sa.select(collections).where(collections.c.handle.in_(_HANDLES))


class _Product(NamedTuple):
    """One to write."""

    id: int
    goods: Goods
    contents: Contents

    def row(self, *more: object) -> tuple[Any, ...]:
        return self.contents.row(self.id, self.goods.digest, self.goods.shown, *more)


@dataclass
class Report:
    """What an import found and did."""

    products: int = 0  # in the file, without those skipped
    variants: int = 0
    images: int = 0
    collections: int = 0  # that the shop has now
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    unpublished: int = 0  # by `replace`
    missing_images: int = 0  # files beside the CSV that aren't there, or that may not be shown
    ignored_columns: list[str] = field(default_factory=list)
    skipped: list[BadRow] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A summary for people, a fact a line."""
        found = {
            "product": self.products,
            "variant": self.variants,
            "image": self.images,
            "collection": self.collections,
        }
        facts = [
            ", ".join(f"{count:,} {name if count == 1 else name + 's'}" for name, count in found.items()),
            f"{self.created:,} created, {self.updated:,} updated, {self.unchanged:,} unchanged",
        ]
        if self.unpublished:
            facts.append(f"{self.unpublished:,} not in the file and so no longer published")
        if self.missing_images:
            facts.append(f"{self.missing_images:,} image files not found beside the CSV")
        if self.ignored_columns:
            facts.append(f"Columns ignored: {', '.join(self.ignored_columns)}")
        if self.skipped:
            facts.append(f"{len(self.skipped):,} bad rows skipped:")
        return facts + [f"  {bad}" for bad in self.skipped]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def import_file(
    database: Database,
    path: str | Path,
    settings: Settings,
    *,
    replace: bool = False,
    skip_bad_rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Bring the shop's catalogue to what the product export at `path` says.

    With `replace`, products that aren't in the file are no longer published. With `skip_bad_rows`, a bad row is
    left out and listed in the report: a later row alone, the whole product when its first row is bad, which then
    stays in the shop as it was. `progress` is called with the bytes read and their total.
    Raises BadRow, BadFile or OtherCurrency, with the shop as it was; pictures copied until then stay.
    """
    path = Path(path)
    report = Report()
    currency = Currency(settings.currency, settings.locale)
    with closing(Export(path, currency, skip_bad_rows=skip_bad_rows)) as export:
        report.ignored_columns = export.ignored_columns
        with _uncollected(), export.batches() as batches, database.writing() as connection:
            if not replace:  # what isn't in the file keeps its prices
                check_currency(connection, settings.currency)
            run = _Import(connection, report, _Pictures(path.parent, settings.images), path.name, settings.currency)
            for batch in batches:
                report.skipped += batch.skipped
                run.take(batch, skip_bad_rows)
                if gc.get_count()[0] > _MANY:
                    gc.collect(1)  # the few circles there are, of the database's cursors
                if progress:
                    progress(batch.done, export.size)
            run.finish(replace, batch.digest)
        if progress:
            progress(batch.done, export.size)
    return report


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps Python from looking again and again for circles among millions of new things that are in none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Import:
    """One run of an import, in a transaction."""

    def __init__(
        self, connection: Connection, report: Report, pictures: _Pictures, source: str, currency: str
    ) -> None:
        self._connection = connection
        self._report = report
        self._pictures = pictures
        self._source = source
        self._now = datetime.now(UTC).isoformat(timespec="seconds")
        indexing.lock(connection)
        if not indexing.is_current(connection):
            indexing.reindex(connection)
        self._indexer = Indexer(connection)
        start = {"source": source, "digest": "", "finished_at": self._now, "currency": currency}
        self._id: int = connection.scalars(imports.insert().values(start).returning(imports.c.id)).one()
        self._last_product = connection.scalar(sa.select(sa.func.max(products.c.id))) or 0

    def take(self, batch: Batch, skip_bad_rows: bool) -> None:
        """Write what is new or changed of a batch, in the file's order."""
        self._indexer.learn(batch.sets, batch.anew)
        known = self._known(batch.goods)
        new: list[_Product] = []
        changed: list[_Product] = []
        unchanged: list[int] = []
        met: set[str] = set()
        for goods in batch.goods:
            before = known.get(goods.handle)
            if goods.handle in met or (before and before.import_id == self._id):
                self._meet_again(goods, skip_bad_rows)
                continue
            met.add(goods.handle)
            self._count(goods)
            if before is None:
                self._last_product += 1
                new.append(_Product(self._last_product, goods, goods.contents))
            elif goods.is_known_as(before.digest):
                unchanged.append(before.id)
            else:
                changed.append(_Product(before.id, goods, goods.contents))
        self._stamp(products.c.id, unchanged)
        self._create(new)
        self._update(changed)
        self._report.unchanged += len(unchanged)

    def finish(self, replace: bool, digest: str) -> None:
        """What only the end of the file can tell."""
        if replace and not self._report.products:
            raise BadFile(f"{self._source} has no products: in place of the shop's, there would be none.")
        if replace:
            self._unpublish_others()
        self._connection.execute(
            collections.delete().where(~sa.exists().where(product_collections.c.collection_id == collections.c.id))
        )
        count = sa.select(sa.func.count()).select_from(collections)
        self._report.collections = self._connection.scalar(count) or 0
        if self._report.created or self._report.updated or self._report.unpublished:
            self._indexer.finish()
        if self._connection.dialect.name == "postgresql" and self._last_product:
            # Ids were given here, so that they follow the file; the database's own counter catches up.
            counter = sa.func.pg_get_serial_sequence("products", "id")
            self._connection.execute(sa.select(sa.func.setval(counter, self._last_product)))
        finished = {"digest": digest, "finished_at": datetime.now(UTC).isoformat(timespec="seconds")}
        self._connection.execute(imports.update().where(imports.c.id == self._id).values(finished))

    def _known(self, batch: list[Goods]) -> dict[str, Any]:
        """What the shop has of a batch, by handle."""
        rows = self._connection.execute(_KNOWN, {"handles": [goods.handle for goods in batch]})
        return {row.handle: row for row in rows}

    def _meet_again(self, goods: Goods, skip_bad_rows: bool) -> None:
        bad = BadRow(
            self._source,
            goods.line,
            "Handle",
            goods.handle,
            "new here: an earlier product has this handle, and the rows of one product follow each other",
            handle=goods.handle,
        )
        if not skip_bad_rows:
            raise bad
        self._report.skipped.append(bad)

    def _count(self, goods: Goods) -> None:
        self._report.products += 1
        self._report.variants += goods.variant_count
        self._report.images += goods.image_count
        if goods.files:
            self._report.missing_images += sum(not self._pictures.copy(file) for file in goods.files)

    def _stamp(self, column: sa.Column[Any], values: Sequence[Any]) -> None:
        """Note that this import's file has the products whose `column` is one of `values`."""
        if values:
            stamped = products.update().where(column.in_(values)).values(import_id=self._id)
            self._connection.execute(stamped)

    def _create(self, new: list[_Product]) -> None:
        stamp = (self._id, self._now, self._now)
        columns = ("id", *PRODUCT_COLUMNS, "import_id", "created_at", "updated_at")
        self._insert(products, columns, [each.row(*stamp) for each in new])
        self._insert(variants, VARIANT_COLUMNS, [row for id, _, its in new for row in its.variant_rows(id)])
        self._write_rest(new)
        for id, goods, its in new:
            if goods.traits:
                self._indexer.add(id, goods.traits, its.descriptions)
        self._report.created += len(new)

    def _update(self, changed: list[_Product]) -> None:
        if not changed:
            return
        ids = [each.id for each in changed]
        before = self._indexer.read(ids)
        columns = ("key", *PRODUCT_COLUMNS, "import_id", "updated_at")
        rows = [_named(columns, each.row(self._id, self._now)) for each in changed]
        self._write(_update_by_id(products), rows)
        self._update_variants(changed, ids)
        for table in (images, product_tags, product_collections, product_translations):
            self._connection.execute(table.delete().where(table.c.product_id.in_(ids)))
        self._write_rest(changed)
        visible = [each for each in changed if each.goods.traits]
        after = {id: self._indexer.sets(goods.traits, its.descriptions) for id, goods, its in visible}
        self._indexer.replace(before, after)
        self._report.updated += len(changed)

    def _update_variants(self, changed: list[_Product], ids: list[int]) -> None:
        """Bring the variants of changed products to the file's: those that stay keep their ids."""
        rows = [_named(VARIANT_COLUMNS, row) for id, _, its in changed for row in its.variant_rows(id)]
        wanted = {row["item"]: row for row in rows}
        here = sa.select(variants.c.id, variants.c.item).where(variants.c.product_id.in_(ids))
        kept, gone = [], []
        for id, item in self._connection.execute(here):
            if item in wanted:
                kept.append(wanted.pop(item) | {"key": id})
            else:
                gone.append({"key": id})
        self._write(variants.delete().where(variants.c.id == sa.bindparam("key")), gone)
        self._write(_update_by_id(variants), kept)
        self._insert(variants, VARIANT_COLUMNS, [tuple(row.values()) for row in wanted.values()])

    def _write_rest(self, written: list[_Product]) -> None:
        """The images, translations, tags and collections of products that have none yet."""
        self._insert(images, IMAGE_COLUMNS, [row for id, _, its in written for row in its.image_rows(id)])
        translations = [row for id, _, its in written for row in its.translation_rows(id)]
        self._insert(product_translations, TRANSLATION_COLUMNS, translations)
        tags = [(tag, id) for id, _, its in written for tag in its.tags]
        self._insert(product_tags, ("tag", "product_id"), sorted(tags))
        self._write_collections(written)

    def _write_collections(self, written: list[_Product]) -> None:
        """Put products in their collections, made where they are missing.

        Titles with the same slug are one collection, under the title that was written last.
        """
        titles = {handle: title for _, goods, _ in written for handle, title in goods.collections}
        if not titles:
            return
        ids: dict[str, int] = {}
        for id, handle, title in self._connection.execute(_COLLECTIONS, {"handles": list(titles)}):
            ids[handle] = id
            if title != titles[handle]:
                self._write(_update_by_id(collections), [{"key": id, "title": titles[handle]}])
        if new := [(handle, title) for handle, title in titles.items() if handle not in ids]:
            self._insert(collections, ("handle", "title"), new)
            found = self._connection.execute(_COLLECTIONS, {"handles": [handle for handle, _ in new]})
            ids |= {row.handle: row.id for row in found}
        pairs = sorted((ids[handle], id) for id, goods, _ in written for handle in dict(goods.collections))
        self._insert(product_collections, ("collection_id", "product_id"), pairs)

    def _unpublish_others(self) -> None:
        """Take out of the shop the products that the file doesn't have.

        Without a digest they are no longer what any file says, so that a later import restores them.
        """
        for bad_rows in _chunks(self._report.skipped, BATCH):
            self._stamp(products.c.handle, [bad.handle for bad in bad_rows])
        others = products.c.import_id != self._id
        visible = sa.select(products.c.id).where(others, products.c.visible).order_by(products.c.id)
        for ids in _chunks(self._connection.scalars(visible.with_for_update()).all(), BATCH):
            self._indexer.replace(self._indexer.read(ids), {})
        gone = products.update().where(others, products.c.published)
        result = self._connection.execute(gone.values(published=False, visible=False, digest=""))
        self._report.unpublished = result.rowcount

    def _insert(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        bulk.insert(self._connection, table, columns, rows)

    def _write(self, statement: Any, rows: list[Row]) -> None:
        if rows:
            self._connection.execute(statement, rows)


def _named(columns: Sequence[str], row: Sequence[Any]) -> Row:
    return dict(zip(columns, row, strict=True))


def _update_by_id(table: sa.Table) -> sa.Update:
    """Sets every column that a row gives, where the id is the row's `key`."""
    return table.update().where(table.c.id == sa.bindparam("key"))


def _chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class _Pictures:
    """Image files beside the CSV, copied to where the shop serves them from."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source = source.resolve()
        self._target = target

    def copy(self, file: str) -> bool:
        """Copy `file`, unless it is there already. False where there is no such picture in the CSV's folder."""
        try:
            found = (self._source / file).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            return False
        inside = found.is_relative_to(self._source) and found.is_file()
        if not inside or found.suffix.lower() not in PICTURES:
            return False
        target = self._target / file
        try:
            if not _same(found, target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)
        except OSError as error:
            raise BadFile(f"{file} could not be copied to {target}: {error.strerror}") from None
        return True


def _same(source: Path, target: Path) -> bool:
    """True when `target` is a copy of `source`, by size and time."""
    if not target.exists():
        return False
    ours, theirs = source.stat(), target.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
