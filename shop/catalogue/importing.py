"""Importing a product export: one transaction that leaves the shop as the file says, or as it was.

Products are compared with the shop's by handle and by a digest of what the file says of them, in batches, so that
a file of any size takes little memory and one that changes little writes little. Importing a file twice changes
nothing. A product keeps its id, and so does a variant whose item is still in the file.

A product whose rows say the same as at its last import is left alone, its stock as the orders since have made it.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from shop.catalogue import indexing
from shop.catalogue.indexing import Entry, Indexer
from shop.catalogue.shopify import BadFile, BadRow, ImageRecord, ProductRecord, VariantRecord, read_products
from shop.catalogue.slugs import slug_of
from shop.catalogue.words import title_key
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

BATCH = 2_000  # rows of products, variants and images that are written together
PICTURES = {
    ".avif",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".svg",
    ".webp",
}  # files beside the CSV that may be shown


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
        facts = [
            f"{self.products:,} products, {self.variants:,} variants, {self.images:,} images,"
            f" {self.collections:,} collections",
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
    Raises BadRow, or BadFile, with the shop as it was; pictures copied until then stay.
    """
    path = Path(path)
    report = Report()
    with _opened(path) as file:
        records = read_products(
            file.buffered,
            Currency(settings.currency, settings.locale),
            name=path.name,
            skip=report.skipped.append if skip_bad_rows else None,
        )
        report.ignored_columns = records.ignored_columns
        with database.writing() as connection:
            run = _Import(connection, report, _Pictures(path.parent, settings.images), path.name)
            for batch in _batches(records):
                run.take(batch, skip_bad_rows)
                if progress:
                    progress(file.count, file.size)
            run.finish(replace, file.digest)
        if progress:
            progress(file.count, file.size)
    return report


class _Import:
    """One run of an import, in a transaction."""

    def __init__(self, connection: Connection, report: Report, pictures: _Pictures, source: str) -> None:
        self._connection = connection
        self._report = report
        self._pictures = pictures
        self._source = source
        self._now = datetime.now(UTC).isoformat(timespec="seconds")
        indexing.lock(connection)
        if not indexing.is_current(connection):
            indexing.reindex(connection)
        self._indexer = Indexer(connection)
        start = {"source": source, "digest": "", "finished_at": self._now}
        self._id: int = connection.scalars(imports.insert().values(start).returning(imports.c.id)).one()
        self._last_product = connection.scalar(sa.select(sa.func.max(products.c.id))) or 0

    def take(self, batch: list[ProductRecord], skip_bad_rows: bool) -> None:
        """Write what is new or changed of a batch, in the file's order."""
        known = self._known(batch)
        new: list[_Numbered] = []
        changed: list[_Numbered] = []
        unchanged: list[int] = []
        met: set[str] = set()
        for record in batch:
            before = known.get(record.handle)
            if record.handle in met or (before and before.import_id == self._id):
                self._meet_again(record, skip_bad_rows)
                continue
            met.add(record.handle)
            self._count(record)
            digest = _digest(record)
            if before is None:
                self._last_product += 1
                new.append(_Numbered(self._last_product, record, digest))
            elif before.digest != digest:
                changed.append(_Numbered(before.id, record, digest))
            else:
                unchanged.append(before.id)
        self._stamp(products.c.id, unchanged)
        self._create(new)
        self._update(changed)
        self._report.unchanged += len(unchanged)

    def finish(self, replace: bool, digest: str) -> None:
        """What only the end of the file can tell."""
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

    def _known(self, batch: list[ProductRecord]) -> dict[str, Any]:
        """What the shop has of a batch, by handle."""
        handles = [record.handle for record in batch]
        columns = (products.c.handle, products.c.id, products.c.digest, products.c.import_id)
        rows = self._connection.execute(sa.select(*columns).where(products.c.handle.in_(handles)))
        return {row.handle: row for row in rows}

    def _meet_again(self, record: ProductRecord, skip_bad_rows: bool) -> None:
        bad = BadRow(
            self._source,
            record.line,
            "Handle",
            record.handle,
            "new here: an earlier product has this handle, and the rows of one product follow each other",
            handle=record.handle,
        )
        if not skip_bad_rows:
            raise bad
        self._report.skipped.append(bad)

    def _count(self, record: ProductRecord) -> None:
        self._report.products += 1
        self._report.variants += len(record.variants)
        self._report.images += len(record.images)
        if record.files:
            self._report.missing_images += sum(not self._pictures.copy(file) for file in record.files)

    def _stamp(self, column: sa.Column[Any], values: Sequence[Any]) -> None:
        """Note that this import's file has the products whose `column` is one of `values`."""
        if values:
            stamped = products.update().where(column.in_(values)).values(import_id=self._id)
            self._connection.execute(stamped)

    def _create(self, new: list[_Numbered]) -> None:
        stamp = {"import_id": self._id, "created_at": self._now, "updated_at": self._now}
        rows = [_product_row(one) | stamp for one in new]
        self._write(products.insert(), rows)
        self._write(variants.insert(), [row for one in new for row in _variant_rows(one)])
        self._write_rest(new)
        for one, row in zip(new, rows, strict=True):
            self._indexer.add(_entry(one, row))
        self._report.created += len(new)

    def _update(self, changed: list[_Numbered]) -> None:
        if not changed:
            return
        ids = [one.id for one in changed]
        before = list(indexing.read_entries(self._connection, ids))
        stamp = {"import_id": self._id, "updated_at": self._now}
        rows = [_product_row(one) | stamp | {"key": one.id} for one in changed]
        self._write(_update_by_id(products), rows)
        self._update_variants(changed, ids)
        for table in (images, product_tags, product_collections, product_translations):
            self._connection.execute(table.delete().where(table.c.product_id.in_(ids)))
        self._write_rest(changed)
        self._indexer.replace(before, map(_entry, changed, rows))
        self._report.updated += len(changed)

    def _update_variants(self, changed: list[_Numbered], ids: list[int]) -> None:
        """Bring the variants of changed products to the file's: those that stay keep their ids."""
        wanted = {row["item"]: row for one in changed for row in _variant_rows(one)}
        here = sa.select(variants.c.id, variants.c.item).where(variants.c.product_id.in_(ids))
        kept, gone = [], []
        for id, item in self._connection.execute(here):
            if item in wanted:
                kept.append(wanted.pop(item) | {"key": id})
            else:
                gone.append({"key": id})
        self._write(variants.delete().where(variants.c.id == sa.bindparam("key")), gone)
        self._write(_update_by_id(variants), kept)
        self._write(variants.insert(), list(wanted.values()))

    def _write_rest(self, written: list[_Numbered]) -> None:
        """The images, translations, tags and collections of products that have none yet."""
        self._write(images.insert(), [row for one in written for row in _image_rows(one)])
        self._write(product_translations.insert(), [row for one in written for row in _translation_rows(one)])
        tags = [{"tag": tag, "product_id": one.id} for one in written for tag in one.record.tags]
        self._write(product_tags.insert(), tags)
        self._write_collections(written)

    def _write_collections(self, written: list[_Numbered]) -> None:
        """Put products in their collections, made where they are missing.

        Titles with the same slug are one collection, under the title that was written last.
        """
        titles = {slug_of(title): title for one in written for title in one.record.collections}
        if not titles:
            return
        insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[self._connection.dialect.name]
        made: Any = insert(collections)
        made = made.on_conflict_do_update(index_elements=[collections.c.handle], set_={"title": made.excluded.title})
        self._write(made, [{"handle": handle, "title": title} for handle, title in titles.items()])
        found = sa.select(collections.c.handle, collections.c.id).where(collections.c.handle.in_(titles))
        ids = {row.handle: row.id for row in self._connection.execute(found)}
        pairs = {(ids[slug_of(title)], one.id): None for one in written for title in one.record.collections}
        rows = [{"collection_id": collection, "product_id": product} for collection, product in pairs]
        self._write(product_collections.insert(), rows)

    def _unpublish_others(self) -> None:
        """Take out of the shop the products that the file doesn't have.

        Without a digest they are no longer what any file says, so that a later import restores them.
        """
        for bad_rows in _chunks(self._report.skipped, BATCH):
            self._stamp(products.c.handle, [bad.handle for bad in bad_rows])
        others = products.c.import_id != self._id
        visible = sa.select(products.c.id).where(others, products.c.visible).order_by(products.c.id)
        for ids in _chunks(self._connection.scalars(visible.with_for_update()).all(), BATCH):
            self._indexer.replace(indexing.read_entries(self._connection, ids), ())
        gone = products.update().where(others, products.c.published)
        result = self._connection.execute(gone.values(published=False, visible=False, digest=""))
        self._report.unpublished = result.rowcount

    def _write(self, statement: Any, rows: list[Row]) -> None:
        if rows:
            self._connection.execute(statement, rows)


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A product to write, with its id."""

    id: int
    record: ProductRecord
    digest: str


def _digest(record: ProductRecord) -> str:
    """Of all that a record says: equal for records that make the same product."""
    said = (_OF_PRODUCT(record), [*map(_OF_VARIANT, record.variants)], [*map(_OF_IMAGE, record.images)])
    text = repr(said) + "".join(map(repr, record.translations))
    return sha256(text.encode()).hexdigest()


def _all_of(kind: type[Any], *but: str) -> Callable[[Any], Any]:
    """Reads the fields of a record that make it what it is, except those named."""
    return attrgetter(*(field.name for field in fields(kind) if field.compare and field.name not in but))


_OF_PRODUCT = _all_of(ProductRecord, "variants", "images", "files", "translations")
_OF_VARIANT = _all_of(VariantRecord)
_OF_IMAGE = _all_of(ImageRecord)


def _product_row(one: _Numbered) -> Row:
    record = one.record
    prices = [variant.price for variant in record.variants]
    cheapest = record.variants[prices.index(min(prices))]
    image = record.images[0] if record.images else None
    return {
        "id": one.id,
        "handle": record.handle,
        "title": record.title,
        "title_key": title_key(record.title),
        "description": record.description,
        "vendor": record.vendor,
        "category": record.category,
        "type": record.type,
        "status": record.status,
        "published": record.published,
        "visible": record.published and record.status == "active",
        "gift_card": record.gift_card,
        "seo_title": record.seo_title,
        "seo_description": record.seo_description,
        "option_names": record.option_names,
        "price_min": cheapest.price,
        "price_max": max(prices),
        "compare_at_price": _price_before_sale(cheapest),
        "variant_count": len(record.variants),
        "in_stock": any(_in_stock(variant) for variant in record.variants),
        "image_src": image.src if image else None,
        "image_alt": image.alt if image else "",
        "digest": one.digest,
    }


def _price_before_sale(variant: VariantRecord) -> int | None:
    before = variant.compare_at_price
    return before if before is not None and before > variant.price else None


def _in_stock(variant: VariantRecord) -> bool:
    return variant.oversell or not variant.tracker or variant.stock > 0


def _variant_rows(one: _Numbered) -> Iterator[Row]:
    for position, variant in enumerate(one.record.variants, start=1):
        yield {
            "item": variant.item,
            "product_id": one.id,
            "position": position,
            "option_values": variant.option_values,
            "sku": variant.sku,
            "barcode": variant.barcode,
            "price": variant.price,
            "compare_at_price": variant.compare_at_price,
            "cost": variant.cost,
            "tracker": variant.tracker,
            "stock": variant.stock,
            "oversell": variant.oversell,
            "grams": variant.grams,
            "weight_unit": variant.weight_unit,
            "requires_shipping": variant.requires_shipping,
            "taxable": variant.taxable,
            "tax_code": variant.tax_code,
            "fulfillment_service": variant.fulfillment_service,
            "image_src": variant.image_src,
        }


def _image_rows(one: _Numbered) -> Iterator[Row]:
    for image in one.record.images:
        yield {"product_id": one.id, "position": image.position, "src": image.src, "alt": image.alt}


def _translation_rows(one: _Numbered) -> Iterator[Row]:
    for translation in one.record.translations:
        yield {
            "product_id": one.id,
            "language": translation.language,
            "title": translation.title,
            "title_key": title_key(translation.title),
            "description": translation.description,
        }


def _entry(one: _Numbered, row: Row) -> Entry:
    """What listings and searches are to know of a product. `row` is its row."""
    record = one.record
    return Entry(
        id=one.id,
        visible=row["visible"],
        in_stock=row["in_stock"],
        pictured=row["image_src"] is not None,
        on_sale=row["compare_at_price"] is not None,
        price=row["price_min"],
        title=record.title,
        description=record.description,
        vendor=record.vendor,
        type=record.type,
        tags=record.tags,
        collections=tuple((slug_of(title), title) for title in record.collections),
        options=indexing.options_of(record.option_names, [each.option_values for each in record.variants]),
        translations=tuple((each.title, each.description) for each in record.translations),
    )


def _update_by_id(table: sa.Table) -> sa.Update:
    """Sets every column that a row gives, where the id is the row's `key`."""
    return table.update().where(table.c.id == sa.bindparam("key"))


def _batches(records: Iterable[ProductRecord]) -> Iterator[list[ProductRecord]]:
    """Runs of records that make about BATCH rows."""
    batch: list[ProductRecord] = []
    weight = 0
    for record in records:
        batch.append(record)
        weight += 1 + len(record.variants) + len(record.images)
        if weight >= BATCH:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


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


class _Metered(io.RawIOBase):
    """An open file that knows how much of it was read, and the SHA-256 of that. It closes with this."""

    def __init__(self, file: io.FileIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._hash = sha256()
        self.count = 0
        self.size = os.fstat(file.fileno()).st_size
        self.buffered = io.BufferedReader(self, 1 << 20)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _in_one_line(self._path):
            count = self._file.readinto(buffer) or 0
        self._hash.update(memoryview(buffer)[:count])
        self.count += count
        return count

    def close(self) -> None:
        super().close()
        self._file.close()


def _opened(path: Path) -> _Metered:
    """The file at `path`. Raises BadFile where it can't be opened, as its reading does where it can't be read."""
    with _in_one_line(path):
        return _Metered(io.FileIO(path), path)


@contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """Turns the system's refusals into BadFile."""
    try:
        yield
    except OSError as error:
        raise BadFile(f"{path} can't be read: {error.strerror or error}") from None
