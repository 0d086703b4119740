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
from hashlib import sha256
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from shop.catalogue.shopify import (
    BadFile,
    BadRow,
    ImageRecord,
    ProductRecord,
    TranslationRecord,
    VariantRecord,
    read_products,
)
from shop.catalogue.slugs import slug_of
from shop.catalogue.traits import SetName, TraitBook, options_of
from shop.catalogue.words import title_key
from shop.money import Currency

BATCH = 2_000  # rows of products, variants and images that are written together
LARGE = 4_000_000  # bytes of a file for which a second process pays
_AHEAD = 1 << 20  # bytes of batches between the two processes


class Shown(NamedTuple):
    """What listings show of a product and sort it by, from its title, variants and images: columns of its row."""

    title_key: str
    visible: bool
    price_min: int
    price_max: int
    compare_at_price: int | None
    variant_count: int
    in_stock: bool
    image_src: str | None
    image_alt: str


_DIGEST = "2:"  # what digests begin with: other digests are worked out in another way

_SAID = ProductRecord._fields[: ProductRecord._fields.index("option_names") + 1]
_DESCRIPTION = _SAID.index("description")
_ELSEWHERE = slice(_SAID.index("tags"), _SAID.index("collections") + 1)  # in tables of their own
# The columns that the rows of Goods have, after the id.
PRODUCT_COLUMNS = ("digest", *_SAID[: _ELSEWHERE.start], *_SAID[_ELSEWHERE.stop :], *Shown._fields)
VARIANT_COLUMNS = ("product_id", "position", *VariantRecord._fields)
IMAGE_COLUMNS = ("product_id", *ImageRecord._fields)
TRANSLATION_COLUMNS = ("product_id", "language", "title", "title_key", "description")


class Goods(NamedTuple):
    """A product, in plain values, which travel from process to process sooner than records."""

    handle: str
    line: int  # where it starts in the file
    told: bytes  # its Contents, packed
    digest: str  # of those: equal for records that make the same product
    variant_count: int
    image_count: int
    files: tuple[str, ...]  # its images that are files beside the CSV
    collections: list[tuple[str, str]]  # handles and titles
    shown: tuple[Any, ...]
    traits: bytes  # by their numbers, as a TraitBook gives them; none where nobody may see it

    @property
    def contents(self) -> Contents:
        return Contents(*marshal.loads(self.told))  # noqa: S302 (it was packed here)

    def is_known_as(self, digest: str) -> bool:
        """Whether a product with this digest, kept at an import, says the same."""
        if digest.startswith(_DIGEST):
            return digest == self.digest
        return bool(digest) and digest == self.contents.former_digest


class Contents(NamedTuple):
    """All that a file says of a product, and the rows that it is written as."""

    said: tuple[Any, ...]  # the first fields of its record
    variants: list[tuple[Any, ...]]
    images: list[tuple[Any, ...]]
    translations: list[tuple[str, str, str]]

    def packed(self) -> bytes:
        """The same bytes for the same contents: this version of the format has no references within it."""
        return marshal.dumps(tuple(self), 2)

    @property
    def former_digest(self) -> str:
        """What the digest was before it began with _DIGEST, as products have it that were imported then."""
        said = repr((self.said, self.variants, self.images))
        said += "".join(repr(TranslationRecord(*each)) for each in self.translations)
        return sha256(said.encode()).hexdigest()

    @property
    def descriptions(self) -> list[str]:
        """In every language: cleaned HTML."""
        return [self.said[_DESCRIPTION], *(text for _, _, text in self.translations)]

    @property
    def tags(self) -> tuple[str, ...]:
        tags: tuple[str, ...] = self.said[_ELSEWHERE.start]
        return tags

    def row(self, id: int, digest: str, shown: tuple[Any, ...], *more: object) -> tuple[Any, ...]:
        said = self.said
        return (id, digest, *said[: _ELSEWHERE.start], *said[_ELSEWHERE.stop :], *shown, *more)

    def variant_rows(self, id: int) -> list[tuple[Any, ...]]:
        return [(id, position, *variant) for position, variant in enumerate(self.variants, start=1)]

    def image_rows(self, id: int) -> list[tuple[Any, ...]]:
        return [(id, *image) for image in self.images]

    def translation_rows(self, id: int) -> list[tuple[Any, ...]]:
        return [(id, language, title, title_key(title), text) for language, title, text in self.translations]


class Batch(NamedTuple):
    """Some of a file's products. The last batch may have none."""

    goods: list[Goods]
    sets: list[list[SetName]]  # of each trait that comes with this batch, the next numbers theirs
    anew: bool  # True when their numbers begin with 0 again
    done: int  # bytes of the file that were read so far
    digest: str  # the SHA-256 of those
    skipped: list[BadRow]  # since the batch before


class Export:
    """An open product export."""

    def __init__(self, path: Path, currency: Currency, *, skip_bad_rows: bool) -> None:
        self._file = _opened(path)
        self._skipped: list[BadRow] = []
        self._traits = TraitBook()
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
        weight, most = 0, BATCH // 8  # the first ones are small, so that writing begins soon
        for record in self._records:
            goods.append(prepared(record, self._traits))
            weight += 1 + len(record.variants) + len(record.images)
            if weight >= most:
                yield self._batch(goods)
                goods, weight, most = [], 0, min(2 * most, BATCH)
        yield self._batch(goods)

    def _batch(self, goods: list[Goods]) -> Batch:
        skipped = self._skipped.copy()
        self._skipped.clear()
        sets = self._traits.take_new()
        anew = len(sets) == self._traits.count
        if self._traits.is_full:
            self._traits.begin()
        return Batch(goods, sets, anew, self._file.count, self._file.digest, skipped)


def prepared(record: ProductRecord, book: TraitBook) -> Goods:
    """A product as it is written."""
    shown = _shown(record)
    collections = [(slug_of(title), title) for title in record.collections]
    traits = b""
    if shown.visible:
        traits = book.numbers_of(
            in_stock=shown.in_stock,
            image_src=shown.image_src,
            compare_at_price=shown.compare_at_price,
            price_min=shown.price_min,
            title=record.title,
            vendor=record.vendor,
            type=record.type,
            tags=record.tags,
            collections=collections,
            options=options_of(record.option_names, [each.option_values for each in record.variants]),
            translated=[each.title for each in record.translations],
        )
    contents = Contents(
        record[: len(_SAID)],
        [*map(tuple, record.variants)],
        [*map(tuple, record.images)],
        [(each.language, each.title, each.description) for each in record.translations],
    )
    told = contents.packed()
    return Goods(
        record.handle,
        record.line,
        told,
        _DIGEST + sha256(told).hexdigest(),
        len(record.variants),
        len(record.images),
        record.files,
        collections,
        tuple(shown),
        traits,
    )


_PRICE = attrgetter("price")


def _shown(record: ProductRecord) -> Shown:
    cheapest = min(record.variants, key=_PRICE)
    image = record.images[0] if record.images else None
    return Shown(
        title_key=title_key(record.title),
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
    import fcntl  # which only some systems have

    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)
    with suppress(OSError):  # a system may allow less, and then the two wait for each other more often
        fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, _AHEAD)
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
        while told := receiver.recv_bytes():
            goods, sets, anew, done, digest = marshal.loads(told)  # noqa: S302 (our own process wrote it)
            yield Batch([Goods(*each) for each in goods], sets, anew, done, digest, receiver.recv())
        trouble = receiver.recv()
    except EOFError:
        raise BadFile("The process that reads the file was ended from outside. Is there enough memory?") from None
    if trouble:
        raise trouble


def _send(batches: Iterator[Batch], receiver: Connection, sender: Connection) -> None:
    """Send each batch, then nothing, and at last None or the exception that ended it."""
    receiver.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the other process's to answer
    gc.disable()  # reading makes no circles
    trouble = None
    with suppress(BrokenPipeError):  # nobody is there any more
        try:
            for batch in batches:
                goods, sets, anew, done, digest, skipped = batch
                # Sooner than by pickle, which what was skipped needs.
                sender.send_bytes(marshal.dumps(([*map(tuple, goods)], sets, anew, done, digest)))
                sender.send(skipped)
        except BrokenPipeError:
            raise
        except Exception as error:
            trouble = error
        sender.send_bytes(b"")
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
