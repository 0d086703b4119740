"""A product export as batches of what the import writes: rows, and what finding products needs to know of them.

Reading takes about as long as writing. A large file is read in a process of its own, a little ahead of the one that
writes; either way it is read in flat memory.
"""

from __future__ import annotations

import gc
import io
import marshal
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from hashlib import sha256
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from shop.catalogue import indexing
from shop.catalogue.indexing import Entry
from shop.catalogue.shopify import (
    BadFile,
    BadRow,
    ImageRecord,
    ProductRecord,
    VariantRecord,
    read_products,
)
from shop.catalogue.slugs import slug_of
from shop.catalogue.words import title_key, words_in
from shop.money import Currency

BATCH = 2_000  # rows of products, variants and images that are written together
LARGE = 4_000_000  # bytes of a file for which a second process pays


class Shown(NamedTuple):
    """What listings show of a product, from its variants and images: columns of its row."""

    visible: bool
    price_min: int
    price_max: int
    compare_at_price: int | None
    variant_count: int
    in_stock: bool
    image_src: str | None
    image_alt: str


_AS_READ = (
    *("handle", "title", "description", "vendor", "category", "type", "status", "published", "gift_card"),
    *("seo_title", "seo_description", "option_names"),
)
# The columns that the rows of Goods have, where the database gives no id.
PRODUCT_COLUMNS = ("digest", "title_key", *_AS_READ, *Shown._fields)
VARIANT_COLUMNS = ("position", *VariantRecord._fields)
IMAGE_COLUMNS = ImageRecord._fields
TRANSLATION_COLUMNS = ("language", "title", "title_key", "description")


class Goods(NamedTuple):
    """A product to write, in plain values. Its rows lack only its id, their first column."""

    handle: str
    line: int  # where it starts in the file
    digest: str  # of all that the file says of it
    files: tuple[str, ...]  # its images that are files beside the CSV
    product: tuple[Any, ...]
    variants: list[tuple[Any, ...]]
    images: list[tuple[Any, ...]]
    translations: list[tuple[Any, ...]]
    tags: tuple[str, ...]
    collections: list[tuple[str, str]]  # handles and titles
    known: tuple[Any, ...]  # the fields of its Entry after the id

    def entry(self, id: int) -> Entry:
        return Entry(id, *self.known)


class Batch(NamedTuple):
    """Some of a file's products. The last batch may have none."""

    goods: list[Goods]
    skipped: list[BadRow]  # since the batch before
    done: int  # bytes of the file that were read so far
    digest: str  # the SHA-256 of those


class Export:
    """An open product export."""

    def __init__(self, path: Path, currency: Currency, *, skip_bad_rows: bool) -> None:
        self._file = _opened(path)
        self._skipped: list[BadRow] = []
        skip = self._skipped.append if skip_bad_rows else None
        try:
            self._records = read_products(self._file.buffered, currency, name=path.name, skip=skip)
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.size  # bytes

    @property
    def ignored_columns(self) -> list[str]:
        return self._records.ignored_columns

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def batches(self) -> Iterator[Iterator[Batch]]:
        """What the file has, to iterate over once. Raises BadRow and BadFile on the way."""
        if self.size >= LARGE and sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1:
            with _in_another_process(self._read()) as batches:
                yield batches
        else:
            yield self._read()

    def _read(self) -> Iterator[Batch]:
        goods: list[Goods] = []
        weight = 0
        for record in self._records:
            goods.append(prepared(record))
            weight += 1 + len(record.variants) + len(record.images)
            if weight >= BATCH:
                yield self._batch(goods)
                goods, weight = [], 0
        yield self._batch(goods)

    def _batch(self, goods: list[Goods]) -> Batch:
        skipped = self._skipped.copy()
        self._skipped.clear()
        return Batch(goods, skipped, self._file.count, self._file.digest)


def prepared(record: ProductRecord) -> Goods:
    """A product as it is written."""
    shown = _shown(record)
    digest = _digest(record)
    collections = [(slug_of(title), title) for title in record.collections]
    translations = [(each.title, each.description) for each in record.translations]
    known = (
        shown.visible,
        shown.in_stock,
        shown.image_src is not None,
        shown.compare_at_price is not None,
        shown.price_min,
        record.vendor,
        record.type,
        record.tags,
        tuple(collections),
        indexing.options_of(record.option_names, [each.option_values for each in record.variants]),
        len(words_in(record.title)),
        indexing.texts_of(record.title, record.description, record.vendor, record.type, record.tags, translations),
    )
    return Goods(
        record.handle,
        record.line,
        digest,
        record.files,
        (digest, title_key(record.title), *_READ(record), *shown),
        [(position, *variant) for position, variant in enumerate(record.variants, start=1)],
        [tuple(image) for image in record.images],
        [(each.language, each.title, title_key(each.title), each.description) for each in record.translations],
        record.tags,
        collections,
        known,
    )


def _digest(record: ProductRecord) -> str:
    """Of all that a record says: equal for records that make the same product."""
    said = (_SAID(record), [*map(tuple, record.variants)], [*map(tuple, record.images)])
    text = repr(said) + "".join(map(repr, record.translations))
    return sha256(text.encode()).hexdigest()


_READ = attrgetter(*_AS_READ)
_SAID_OTHERWISE = {"variants", "images", "files", "translations"}
_SAID = attrgetter(
    *(each.name for each in fields(ProductRecord) if each.compare and each.name not in _SAID_OTHERWISE)
)
_PRICE = attrgetter("price")


def _shown(record: ProductRecord) -> Shown:
    cheapest = min(record.variants, key=_PRICE)
    image = record.images[0] if record.images else None
    return Shown(
        visible=record.published and record.status == "active",
        price_min=cheapest.price,
        price_max=max(map(_PRICE, record.variants)),
        compare_at_price=_price_before_sale(cheapest),
        variant_count=len(record.variants),
        in_stock=any(map(_in_stock, record.variants)),
        image_src=image.src if image else None,
        image_alt=image.alt if image else "",
    )


def _price_before_sale(variant: VariantRecord) -> int | None:
    before = variant.compare_at_price
    return before if before is not None and before > variant.price else None


def _in_stock(variant: VariantRecord) -> bool:
    return variant.oversell or not variant.tracker or variant.stock > 0


@contextmanager
def _in_another_process(batches: Iterator[Batch]) -> Iterator[Iterator[Batch]]:
    """The same batches, made by a process that ends with the context, or with this process.

    It is forked, so that it goes on with the open file, and has no more to do than to read it.
    """
    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_send, args=(batches, receiver, sender), daemon=True)
    process.start()
    sender.close()
    try:
        yield _received(receiver)
    finally:
        process.kill()
        process.join()
        receiver.close()


def _received(receiver: Connection) -> Iterator[Batch]:
    try:
        while isinstance(told := receiver.recv(), Batch):
            yield told._replace(goods=[Goods(*each) for each in marshal.loads(receiver.recv_bytes())])  # noqa: S302 (our own fork sent it)
    except EOFError:
        raise BadFile("The process that reads the file was ended from outside. Is there enough memory?") from None
    if told:
        raise told


def _send(batches: Iterator[Batch], receiver: Connection, sender: Connection) -> None:
    """Send each batch, and at last None, or the exception that ended it."""
    receiver.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the other process's to answer
    gc.disable()  # reading makes no circles
    trouble = None
    with suppress(BrokenPipeError):  # nobody is there any more
        try:
            for batch in batches:
                sender.send(batch._replace(goods=[]))
                # Plain values all through, in which Python's own format takes half the time that pickling does.
                sender.send_bytes(marshal.dumps([*map(tuple, batch.goods)]))
        except BrokenPipeError:
            raise
        except Exception as error:
            trouble = error
        sender.send(trouble)
    os._exit(0)  # nothing that was opened before the fork is for this process to close


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
