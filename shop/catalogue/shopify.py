"""Reading Shopify's product export, in its older and its current dialect. Pure: no database, no settings.

The columns mean what Shopify's help page "Using CSV files to import and export products" says. Beyond it:

- a `Collection` column names the product's collections, several of them separated by `;`; where it is blank or
  missing, the product's Type is its collection;
- without a tracker column, a quantity column counts the stock; a blank tracker means that nobody counts it;
- an image named by a relative path is a file beside the CSV, shown from `/images/`;
- `Title [ru]` and `Description [ru]`, or `Body (HTML) [ru]`, are what they say in another language, of any code.

The rows of one product follow each other, so that a file of any size is read in flat memory.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, BinaryIO, NamedTuple, NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import nh3

from shop.catalogue import CatalogueError
from shop.catalogue.slugs import HANDLE_MOST, ITEM_MOST, handle_of, item_for, items_for
from shop.money import Currency, NotAPrice

T = TypeVar("T")

FIELD_MOST = 10_000_000  # characters in one cell: past it, a quote was left open
LINE_MOST = 2 * FIELD_MOST
DESCRIPTION_MOST = 512_000  # Shopify's own limit
TAGS_MOST = 20_000  # of one description: cleaning nested ones takes quadratic time, of so many a second
TITLE_MOST = 500
NAME_MOST = 255  # characters of a vendor, tag, option, SKU, …
TEXT_MOST = 5_000  # of other text on one line
VARIANTS_MOST = 2_048  # of one product: Shopify's own limit
IMAGES_MOST = 1_000

_BLOCK = 1 << 16  # bytes that are read at a time
_REMEMBERED = 4_096  # ways to fill some columns

DIALECTS = (
    "a Shopify product export has Handle, Title and Variant Price (the older dialect) or"
    " Title, URL handle and Price (the current one)"
)


class BadFile(CatalogueError):
    """The file as a whole can't be read."""


class BadRow(CatalogueError):
    """A cell that says what it can't: where it is, what it says, and what was expected there."""

    def __init__(self, file: str, line: int, column: str, value: str, expected: str, *, handle: str = "") -> None:
        self.file = file
        self.line = line  # the row's first line in the file
        self.column = column
        self.value = value
        self.expected = expected
        self.handle = handle  # of the product that it belongs to, where that is known
        shown = repr(value if len(value) <= 80 else value[:79] + "…")
        super().__init__(f"{file}, line {line}, {column}: {shown} is not {expected}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets it travel from process to process."""
        return partial(BadRow, **vars(self)), ()


class ImageRecord(NamedTuple):
    src: str  # a URL, or a path on the shop's host
    alt: str
    position: int


class TranslationRecord(NamedTuple):
    """What a product is called in another language. Blank: as in its own."""

    language: str  # a code in lower case
    title: str
    description: str  # cleaned HTML


class VariantRecord(NamedTuple):
    """A variant as the file has it. Prices are in minor units; `item` names it in carts."""

    item: str
    option_values: tuple[str, ...]
    sku: str
    barcode: str
    price: int
    compare_at_price: int | None
    cost: int | None
    tracker: str  # "": nobody counts the stock
    stock: int
    oversell: bool
    grams: int
    weight_unit: str
    requires_shipping: bool
    taxable: bool
    tax_code: str
    fulfillment_service: str
    image_src: str | None


class ProductRecord(NamedTuple):
    """A product as the file has it, with at least one variant. Equal records make equal products."""

    handle: str
    title: str
    description: str  # cleaned HTML
    vendor: str
    category: str
    type: str
    tags: tuple[str, ...]  # lower case, sorted
    collections: tuple[str, ...]  # titles
    published: bool
    status: str
    gift_card: bool
    seo_title: str
    seo_description: str
    option_names: tuple[str, ...]
    variants: tuple[VariantRecord, ...]
    images: tuple[ImageRecord, ...]  # by position
    files: tuple[str, ...]  # its images that are files beside the CSV: relative paths, normalised
    translations: tuple[TranslationRecord, ...] = ()  # by language
    line: int = 0  # where it starts in the file


def read_products(
    file: BinaryIO,
    currency: Currency,
    *,
    name: str = "products.csv",
    skip: Callable[[BadRow], None] | None = None,
) -> ProductFile:
    """The products of an open file, in its order, read as they are asked for.

    `name` is what errors call the file. With `skip`, a bad row is handed to it and left out (the whole product,
    when its first row is bad); without, it is raised.
    Raises BadFile, here or while reading, when the file is no CSV in UTF-8 with the columns of a product export.
    """
    return ProductFile(file, currency, name, skip or _refuse)


class ProductFile:
    """The products of a file, to iterate over once."""

    def __init__(self, file: BinaryIO, currency: Currency, name: str, on_bad_row: Callable[[BadRow], None]) -> None:
        csv.field_size_limit(FIELD_MOST)
        self.name = name
        self.price = currency.parse
        self.on_bad_row = on_bad_row
        self._reader = csv.reader(_lines(file, name), strict=True)
        self._first_line = 0
        self.header = self._read_header()
        self._places = self._find_columns()
        # Where a row has each column; for those that the file lacks, the blank cell after its last.
        self.places = dict.fromkeys(_HEADERS, -1) | self._places
        self.languages = sorted({found[2] for column in self._places if (found := _TRANSLATION.fullmatch(column))})
        for language in self.languages:
            self.places = {f"title [{language}]": -1, f"description [{language}]": -1} | self.places
        self.marks_of_a_variant = self._cells_of(*_MARKS_OF_A_VARIANT)
        self.option_names = self._together(_option_names, *_OPTION_NAMES, "value1")
        self.option_values = self._together(_option_values, *_OPTION_VALUES)
        self.state = self._together(_state, "published", "status", "gift_card")
        self.collections = self._together(_collections, "collection", "type")
        self.terms = self._together(_terms, *_TERMS)

    def __iter__(self) -> Iterator[ProductRecord]:
        product: _Product | None = None
        for row in self._rows():
            try:
                handle = row.handle(product)
            except BadRow as bad:
                self.on_bad_row(bad)
                continue
            if product is None or product.handle != handle:
                if product and (record := product.record()):
                    yield record
                product = _Product(handle, row)
            product.add(row)
        if product and (record := product.record()):
            yield record

    @property
    def ignored_columns(self) -> list[str]:
        """The header's columns that mean nothing here, as written."""
        return [name for name in self.header if name and not _column(name)]

    def has(self, column: str) -> bool:
        return column in self._places

    def column_name(self, column: str) -> str:
        """`column` as the file's header has it, or else as the older dialect calls it."""
        return self.header[self._places[column]] if column in self._places else _NAMES[column]

    def _cells_of(self, *columns: str) -> Callable[[list[str]], tuple[str, ...]]:
        return itemgetter(*(self.places[column] for column in columns))

    def _together(self, read: Callable[..., T], *columns: str) -> Callable[..., T]:
        """`read(row, …)`, which reads no other columns than these, with what it gave remembered.

        For columns in which rows repeat each other: to look a row up is quicker than to read it.
        """
        cells_of = self._cells_of(*columns)
        known: dict[object, T] = {}

        def remembered(row: _Row, *given: object) -> T:
            key = (cells_of(row.cells), given)
            found = known.get(key)
            if found is None:
                if len(known) == _REMEMBERED:
                    known.clear()
                found = known[key] = read(row, *given)
            return found

        return remembered

    def _read_header(self) -> list[str]:
        cells = self._next_cells()
        if cells is None:
            raise BadFile(f"{self.name} is empty: {DIALECTS}")
        if len(cells) == 1 and (separator := _OTHER_SEPARATOR.search(cells[0])):
            raise BadFile(
                f"{self.name} has {_SEPARATORS[separator[0]]} between its cells, as spreadsheets may write them;"
                " a product export has commas: take the file as it was exported, or save it with commas"
            )
        return [one_line(cell) for cell in cells]

    def _find_columns(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for place, name in enumerate(self.header):
            column = _column(name)
            if column in places:
                raise BadFile(f"{self.name} has two columns for the same: {self.header[places[column]]}, {name}")
            if column:
                places[column] = place
        if "price" not in places or not ("handle" in places or "title" in places):
            raise BadFile(f"{self.name} has a first line without the columns needed: {DIALECTS}")
        return places

    def _rows(self) -> Iterator[_Row]:
        width = len(self.header)
        strip = str.strip
        while (cells := self._next_cells()) is not None:
            if len(cells) == width:
                yield _Row(self, self._first_line, [*map(strip, cells), ""], None)
                continue
            extra = cells[width] if len(cells) > width else None
            blanks = [""] * (width - len(cells) + 1)
            yield _Row(self, self._first_line, [*map(strip, cells[:width]), *blanks], extra)

    def _next_cells(self) -> list[str] | None:
        """The next row that isn't blank, its first line noted; None at the end."""
        while True:
            self._first_line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                raise BadFile(f"{self.name}, line {self._first_line}: {_csv_trouble(error)}") from None
            if any(cells):
                return cells


def clean_description(description: str) -> str:
    """A merchant's HTML without what could run, restyle or outrank the page it is shown on."""
    if not _MARKUP.search(description):
        return description.strip()
    cleaned = description if _CLEAN.fullmatch(description) else _CLEANER.clean(description)
    if "<h1" in cleaned:
        cleaned = _HEADING.sub(lambda tag: f"{tag[1]}{min(int(tag[2]) + 1, 6)}", cleaned)
    return _without_empty_end(cleaned).lstrip()


def one_line(text: str) -> str:
    """`text` as one trimmed line: line breaks and tabs are spaces, control characters are gone."""
    if not text.isprintable():
        text = _CONTROL.sub("", _BREAK.sub(" ", text))
    return text.strip()


def _refuse(bad: BadRow) -> NoReturn:
    raise bad


def _lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The file's lines as text, checked: one that no CSV has stops the reading."""
    return chain.from_iterable(_blocks(file, name))


def _blocks(file: BinaryIO, name: str) -> Iterator[Iterable[str]]:
    """The same, many at a time."""
    number = 0  # of the last line before
    while block := file.read(_BLOCK):
        rest = b"" if block.endswith(b"\n") else file.readline(LINE_MOST)
        block += rest
        if not number:
            block = _without_mark(block, name)
        try:
            text = block.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or len(rest) == LINE_MOST:
            yield _checked(block, name, number)
        yield io.StringIO(text, newline="\n")
        number += block.count(b"\n")


def _checked(block: bytes, name: str, before: int) -> Iterator[str]:
    """Those of a block of which one is bad, up to that one."""
    for number, raw in enumerate(io.BytesIO(block), before + 1):
        if b"\0" in raw:
            raise BadFile(f"{name}, line {number}: has a NUL byte, so it is no text; save it as CSV in UTF-8")
        if len(raw) >= LINE_MOST:
            raise BadFile(
                f"{name}, line {number}: longer than {LINE_MOST // 1_000_000} MB, so it is no product export"
            )
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            byte = raw[error.start]
            raise BadFile(
                f"{name}, line {number}: is not UTF-8 (byte 0x{byte:02x}); save it as CSV in UTF-8"
            ) from None


def _without_mark(first: bytes, name: str) -> bytes:
    """The first line without a byte order mark. Raises BadFile for a spreadsheet's own format."""
    if first.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadFile(f"{name} is a spreadsheet or an archive, not CSV; export it as CSV in UTF-8")
    return first.removeprefix(b"\xef\xbb\xbf")


def _csv_trouble(error: csv.Error) -> str:
    text = str(error)
    if "field larger" in text:
        return f"a cell is longer than {FIELD_MOST // 1_000_000} MB; is a quote left open?"
    if "unexpected end" in text:
        return "a quote is opened here and never closed"
    if "expected after" in text:
        return "text follows a closing quote; a quote within a quoted cell is written twice"
    return "line ends that are neither LF nor CRLF; save it as CSV in UTF-8"


def _column(name: str) -> str | None:
    """The column that a header's name means; None for one that means nothing here."""
    if translation := _TRANSLATION.fullmatch(name.lower()):
        column, language = translation.groups()
        return f"{_COLUMNS[column]} [{language.replace('_', '-')}]"
    return _COLUMNS.get(name.lower())


class _Row:
    """One row's cells by column, and the words for what is wrong with them."""

    __slots__ = ("cells", "extra", "file", "line", "places", "product")

    def __init__(self, file: ProductFile, line: int, cells: list[str], extra: str | None) -> None:
        self.file = file
        self.line = line
        self.cells = cells
        self.places = file.places
        self.extra = extra  # the first cell past the header's last column
        self.product = ""  # its handle

    def __getitem__(self, column: str) -> str:
        return self.cells[self.places[column]]

    def bad(self, column: str, expected: str) -> BadRow:
        name = self.file.column_name(column)
        return BadRow(self.file.name, self.line, name, self[column], expected, handle=self.product)

    def read(self, column: str, parse: Callable[[str], T]) -> T:
        """What `parse` makes of the cell. Raises BadRow with the words of its _Unfit or NotAPrice."""
        try:
            return parse(self[column])
        except (_Unfit, NotAPrice) as unfit:
            raise self.bad(column, str(unfit)) from None

    def text(self, column: str, most: int = NAME_MOST) -> str:
        text = self.cells[self.places[column]]
        if not text:
            return text
        if not text.isprintable():
            text = one_line(text)
        if len(text) > most:
            raise self.bad(column, f"a text of at most {most} characters")
        return text

    def handle(self, above: _Product | None) -> str:
        """The handle of the product it belongs to. `above`: the product of the row before.

        A blank handle is the title's; with both blank, that of the row above, if its own came from a title.
        """
        named = self["handle"]
        if named and above and named == above.handle:
            self.product = named
            return named
        handle = handle_of(named or one_line(self["title"]))
        if not handle and above and above.named_by_title:
            handle = above.handle
        if not handle:
            raise self.bad("handle" if self.file.has("handle") else "title", "a handle or a title")
        if len(handle) > HANDLE_MOST:
            raise self.bad("handle" if named else "title", f"a handle of at most {HANDLE_MOST} characters")
        self.product = handle
        return handle

    def too_wide(self) -> BadRow:
        place = len(self.file.header)
        return BadRow(
            self.file.name,
            self.line,
            f"column {place + 1}",
            self.extra or "",
            f"in the header, which has {place} columns",
            handle=self.product,
        )

    @property
    def has_variant(self) -> bool:
        return any(self.file.marks_of_a_variant(self.cells))


class _Product:
    """A product in the making: its first row, then the rows that follow."""

    def __init__(self, handle: str, first: _Row) -> None:
        self.handle = handle
        self.named_by_title = not first["handle"]
        self._first = first
        self._fields: _ProductFields | None = None
        self._variants: dict[tuple[str, ...], tuple[Any, ...]] = {}  # the rest of a record by its option values
        self._images: dict[str, ImageRecord] = {}  # by src
        self._files: dict[str, None] = {}

    def add(self, row: _Row) -> None:
        """Take what a row has, all of it or nothing: a bad first row leaves no product."""
        if row is not self._first and self._fields is None:
            return
        try:
            if row.extra is not None:
                raise row.too_wide()
            fields = self._fields or _ProductFields(row)
            variant = self._read_variant(row, fields.option_names)
            image = self._read_image(row)
        except BadRow as bad:
            self._first.file.on_bad_row(bad)
            return
        self._fields = fields
        if image:
            self._keep_image(*image)
        if variant:
            values, rest, file = variant
            self._variants[values] = rest
            self._keep_file(file)

    def record(self) -> ProductRecord | None:
        """The whole product; None when its first row was bad."""
        if self._fields is None:
            return None
        items = items_for(self.handle, list(self._variants))
        variants = zip(items, self._variants.items(), strict=True)
        return self._fields.record(
            self.handle,
            variants=tuple([VariantRecord(item, values, *rest) for item, (values, rest) in variants]),
            images=tuple(sorted(self._images.values(), key=_BY_POSITION)),
            files=tuple(self._files),
        )

    def _read_variant(
        self, row: _Row, option_names: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[Any, ...], str | None] | None:
        """A row's variant: its option values, the rest of its record, and the file that its picture is."""
        if row is not self._first and not row.has_variant:
            return None
        values = row.file.option_values(row, option_names)
        if values in self._variants:
            raise row.bad("value1", "different from an earlier variant of this product")
        if values and len(item_for(self.handle, values)) > ITEM_MOST:
            raise row.bad("value1", f"short enough: handle and options take at most {ITEM_MOST} characters")
        if len(self._variants) == VARIANTS_MOST:
            raise row.bad("handle", f"of a product with at most {VARIANTS_MOST} variants")
        prices, tracker, terms = row.file.terms(row)
        src, file = row.read("variant_image", _image) if row["variant_image"] else (None, None)
        stock = row.read("stock", _stock) if row["stock"] else 0
        rest = (row.text("sku"), row.text("barcode"), *prices, tracker, stock, *terms, src)
        return values, rest, file

    def _read_image(self, row: _Row) -> tuple[ImageRecord, str | None] | None:
        if not row["image_src"]:
            return None
        src, file = row.read("image_src", _image)
        if len(self._images) == IMAGES_MOST:
            raise row.bad("image_src", f"of a product with at most {IMAGES_MOST} images")
        position = row.read("image_position", _position)
        place = len(self._images) + 1 if position is None else position
        return ImageRecord(src, row.text("image_alt", TEXT_MOST), place), file

    def _keep_image(self, image: ImageRecord, file: str | None) -> None:
        self._images.setdefault(image.src, image)
        self._keep_file(file)

    def _keep_file(self, file: str | None) -> None:
        if file:
            self._files[file] = None


class _ProductFields:
    """What a product's first row says of the product itself."""

    __slots__ = ("_line", "_said", "_translations", "option_names")

    def __init__(self, row: _Row) -> None:
        self.option_names = row.file.option_names(row)
        published, status, gift_card = row.file.state(row)
        self._said = (  # in the order of a record's fields
            _title(row),
            _description(row),
            row.text("vendor"),
            row.text("category", TEXT_MOST),
            row.text("type"),
            row.read("tags", _tags),
            row.file.collections(row),
            published,
            status,
            gift_card,
            row.text("seo_title", TEXT_MOST),
            row.text("seo_description", TEXT_MOST),
            self.option_names,
        )
        self._translations = _translations(row) if row.file.languages else ()
        self._line = row.line

    def record(
        self,
        handle: str,
        variants: tuple[VariantRecord, ...],
        images: tuple[ImageRecord, ...],
        files: tuple[str, ...],
    ) -> ProductRecord:
        return ProductRecord(handle, *self._said, variants, images, files, self._translations, self._line)


class _Unfit(ValueError):
    """Says what a cell should have been."""


def _title(row: _Row) -> str:
    if not (title := row.text("title", TITLE_MOST)):
        raise row.bad("title", "a title")
    return title


def _description(row: _Row, column: str = "description") -> str:
    if len(row[column]) > DESCRIPTION_MOST:
        raise row.bad(column, f"a description of at most {DESCRIPTION_MOST:,} characters")
    if row[column].count("<") > TAGS_MOST:
        raise row.bad(column, f"a description of at most {TAGS_MOST:,} tags")
    return clean_description(row[column])


def _translations(row: _Row) -> tuple[TranslationRecord, ...]:
    """What there is of the product in each language that the file has columns of."""
    read = (
        TranslationRecord(
            language, row.text(f"title [{language}]", TITLE_MOST), _description(row, f"description [{language}]")
        )
        for language in row.file.languages
    )
    return tuple(each for each in read if each.title or each.description)


def _option_names(row: _Row) -> tuple[str, ...]:
    """The names of a product's options, from its first row; none where it has Shopify's stand-in for none."""
    names = [row.text(column) for column in _OPTION_NAMES]
    if names[0].lower() in ("", "title") and row["value1"].lower() in ("", "default title"):
        names[0] = ""
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise row.bad(_OPTION_NAMES[names.index("")], "the name of an option, as a later option has one")
    return tuple(names)


def _option_values(row: _Row, names: tuple[str, ...]) -> tuple[str, ...]:
    """A row's value of each of its product's options."""
    values = [row.text(column) for column in _OPTION_VALUES]
    if not names and values[0].lower() == "default title":
        values[0] = ""
    for place, value in enumerate(values):
        if place < len(names) and not value:
            raise row.bad(_OPTION_VALUES[place], f"a value of the option {names[place]!r}")
        if place >= len(names) and value:
            raise row.bad(_OPTION_VALUES[place], "blank, as this product's first row doesn't name this option")
    return tuple(values[: len(names)])


def _state(row: _Row) -> tuple[bool, str, bool]:
    """Whether a product is published, its status, and whether it is a gift card."""
    published, status = row.read("published", _true_unless_false), row.read("status", _status)
    return published, status, row.read("gift_card", _false_unless_true)


def _terms(row: _Row) -> tuple[tuple[Any, ...], str, tuple[Any, ...]]:
    """A variant's prices, who counts its stock, and the fields of its record after the stock."""
    price = row.file.price
    before, cost = (row.read(column, price) if row[column] else None for column in ("compare_at_price", "cost"))
    terms = (
        row.read("oversell", _oversell),
        row.read("grams", _grams),
        row.text("weight_unit"),
        row.read("requires_shipping", _true_unless_false),
        row.read("taxable", _true_unless_false),
        row.text("tax_code"),
        row.text("fulfillment_service"),
    )
    return (row.read("price", price), before, cost), _tracker(row), terms


def _tracker(row: _Row) -> str:
    """Who counts the stock. With no column to say so, a quantity column means that somebody does."""
    if row.file.has("tracker"):
        return row.text("tracker")
    return "shopify" if row.file.has("stock") else ""


def _tags(text: str) -> tuple[str, ...]:
    return tuple(sorted({tag.lower() for tag in _names(text, ",")}))


def _collections(row: _Row) -> tuple[str, ...]:
    """The titles of a product's collections; its type is its only one where it names none."""
    named = row.read("collection", lambda text: _names(text, ";"))
    return tuple(sorted(set(named or filter(None, [row.text("type")]))))


def _names(text: str, separator: str) -> list[str]:
    """The names in a cell."""
    names = text.split(separator)
    names = [name.strip() for name in names] if text.isprintable() else [one_line(name) for name in names]
    if len(text) > NAME_MOST and any(len(name) > NAME_MOST for name in names):
        raise _Unfit(f"made of names of at most {NAME_MOST} characters")
    return [name for name in names if name]


def _true_unless_false(text: str) -> bool:
    return _boolean(text) if text else True


def _false_unless_true(text: str) -> bool:
    return _boolean(text) if text else False


def _boolean(text: str) -> bool:
    return _choice(text, _BOOLEANS, "true or false")


def _status(text: str) -> str:
    return _choice(text or "active", _STATUSES, "active, draft, archived or unlisted")


def _oversell(text: str) -> bool:
    return _choice(text or "deny", _POLICIES, "deny or continue")


def _choice(text: str, choices: dict[str, T], expected: str) -> T:
    try:
        return choices[text.lower()]
    except KeyError:
        raise _Unfit(expected) from None


@lru_cache(_REMEMBERED)
def _stock(text: str) -> int:
    if not text:
        return 0
    if not _WHOLE.fullmatch(text) or abs(int(text)) > 10**9:
        raise _Unfit("a whole number from -1,000,000,000 to 1,000,000,000")
    return max(0, int(text))


def _grams(text: str) -> int:
    if not text:
        return 0
    if not _DECIMAL.fullmatch(text) or float(text) > 10**9:
        raise _Unfit("a number of grams from 0 to 1,000,000,000")
    return round(float(text))


def _position(text: str) -> int | None:
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or abs(int(text)) > 10**9:
        raise _Unfit("a whole number, the image's place among its product's images")
    return int(text)


class _Image(NamedTuple):
    """Where pages find an image, and the file beside the CSV that it is, if it is one."""

    src: str
    file: str | None


def _image(text: str) -> _Image:
    src = _CONTROL.sub("", text).replace("\\", "/")  # as browsers read an address
    if len(src) > TEXT_MOST:
        raise _Unfit(f"an address of at most {TEXT_MOST:,} characters")
    if src.startswith("//"):
        src = f"https:{src}"
    if _SCHEME.match(src):
        return _Image(_web_address(src), None)
    if src.startswith("/"):
        return _Image(src, None)
    path = posixpath.normpath(src)
    if path.split("/")[0] in (".", ".."):
        raise _Unfit("the path of a file in the CSV's own folder")
    return _Image(f"/images/{quote(path)}", path)


def _web_address(text: str) -> str:
    if _PLAIN_ADDRESS.match(text):
        return text
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine:
        raise _Unfit("an http or https address, or a path")
    return text


def _image_scheme(tag: str, attribute: str, value: str) -> str | None:
    """Leaves out an image whose address is another thing than an image's, such as `mailto:`."""
    if tag == "img" and attribute == "src" and value.lower().startswith(("mailto:", "tel:")):
        return None
    return value


def _without_empty_end(html: str) -> str:
    """Cleaned HTML without the empty paragraphs and line breaks that editors leave at its end."""
    if _FULL_END.search(html, len(html) - 12):
        return html
    end = len(html)
    while empty := _EMPTY_END.search(html[max(0, end - 100) : end]):
        end -= len(empty[0])
    return html[:end]


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_STATUSES = {status: status for status in ("active", "draft", "archived", "unlisted")}
_POLICIES = {"deny": False, "continue": True} | _BOOLEANS

_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_OTHER_SEPARATOR = re.compile(r"[;\t]")

_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]*)?|\.[0-9]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]*[A-Za-z0-9]/")
_BREAK = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MARKUP = re.compile(r"[<>&\x00\r]")
# What the cleaner leaves as it is: paragraphs, headings and lists, with nothing in them but plain words and emphasis.
_CLEAN = re.compile(
    r"(?:[ \t\n]|<(?P<block>p|li|h[2-6])>[^<>&\x00\r\xa0]*(?:<(?P<inline>b|em|i|strong|u)>[^<>&\x00\r\xa0]*"
    r"</(?P=inline)>[^<>&\x00\r\xa0]*)*</(?P=block)>)*"
)
_HEADING = re.compile(r"(</?h)([1-6])")
_FULL_END = re.compile(r"[^\s<>;]</[a-z0-6]+>\Z")  # the end of most, seen sooner than that it isn't empty
_EMPTY_END = re.compile(r"(?:\s|&nbsp;|<br>|<(p|div|span|li|ul|h[2-6])>(?:\s|&nbsp;|<br>)*</\1>)\Z")
_ALLOWED_TAGS = (
    "a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure"
    " h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table"
    " tbody td tfoot th thead tr u ul var"
)
_CLEANER = nh3.Cleaner(
    tags=set(_ALLOWED_TAGS.split()),
    attributes={
        "*": {"dir", "lang"},
        "a": {"href", "title"},
        "abbr": {"title"},
        "img": {"alt", "height", "src", "width"},
        "ol": {"start"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan", "scope"},
    },
    attribute_filter=_image_scheme,
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel="noopener nofollow",
)

_TRANSLATION = re.compile(r"(title|description|body \(html\)) ?\[([a-z]{2,3}(?:[-_][a-z0-9]{2,8})*)\]")

_OPTION_NAMES = ("name1", "name2", "name3")
_OPTION_VALUES = ("value1", "value2", "value3")
_MARKS_OF_A_VARIANT = ("price", *_OPTION_VALUES, "sku", "stock", "barcode", "compare_at_price")
_TERMS = (
    *("price", "compare_at_price", "cost", "tracker", "oversell", "grams", "weight_unit", "requires_shipping"),
    *("taxable", "tax_code", "fulfillment_service"),
)
_BY_POSITION = attrgetter("position")

# Each column's names: the older dialect's first, then the current one's where it differs by more than case.
_HEADERS = {
    "handle": ("Handle", "URL handle"),
    "title": ("Title",),
    "description": ("Body (HTML)", "Description"),
    "vendor": ("Vendor",),
    "category": ("Product Category",),
    "type": ("Type",),
    "tags": ("Tags",),
    "collection": ("Collection",),
    "published": ("Published", "Published on online store"),
    "status": ("Status",),
    "name1": ("Option1 Name",),
    "value1": ("Option1 Value",),
    "name2": ("Option2 Name",),
    "value2": ("Option2 Value",),
    "name3": ("Option3 Name",),
    "value3": ("Option3 Value",),
    "sku": ("Variant SKU", "SKU"),
    "barcode": ("Variant Barcode", "Barcode"),
    "price": ("Variant Price", "Price"),
    "compare_at_price": ("Variant Compare At Price", "Compare-at price"),
    "cost": ("Cost per item",),
    "tracker": ("Variant Inventory Tracker", "Inventory tracker"),
    "stock": ("Variant Inventory Qty", "Inventory quantity"),
    "oversell": ("Variant Inventory Policy", "Continue selling when out of stock"),
    "grams": ("Variant Grams", "Weight value (grams)"),
    "weight_unit": ("Variant Weight Unit", "Weight unit for display"),
    "requires_shipping": ("Variant Requires Shipping", "Requires shipping"),
    "taxable": ("Variant Taxable", "Charge tax"),
    "tax_code": ("Variant Tax Code", "Tax code"),
    "fulfillment_service": ("Variant Fulfillment Service", "Fulfillment service"),
    "image_src": ("Image Src", "Product image URL"),
    "image_position": ("Image Position",),
    "image_alt": ("Image Alt Text",),
    "variant_image": ("Variant Image", "Variant image URL"),
    "gift_card": ("Gift Card",),
    "seo_title": ("SEO Title",),
    "seo_description": ("SEO Description",),
}
_NAMES = {column: names[0] for column, names in _HEADERS.items()}
_COLUMNS = {name.lower(): column for column, names in _HEADERS.items() for name in names}
