"""Exports: the catalogue, which an import takes back without a change, and the orders, for other programs."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from shop.catalogue.export import Dialect, count_products, write_products
from shop.catalogue.importing import Report, import_file
from shop.database import (
    Database,
    images,
    outbox,
    product_collections,
    product_tags,
    product_translations,
    products,
    variants,
)
from shop.money import Currency
from shop.orders import stocktaking, store, telling
from shop.orders.export import COLUMNS, defused, write_csv, write_jsonl
from shop.orders.mail import Mail
from shop.orders.orders import Address, Fulfilment, Order, OrderLine, Payment
from shop.orders.states import NotPossible, UnknownOrder, cancel, mark_paid, refund, ship
from shop.orders.stocktaking import NotCountable, set_count
from shop.server import DEMO_CATALOGUE
from shop.settings import Settings
from tests.conftest import SHELF
from tests.databases import url_of
from tests.ordering import BERLIN, NOW, in_stock, ordering, set_variant, stock

LATER = NOW + timedelta(hours=1)

both_dialects = pytest.mark.parametrize("dialect", get_args(Dialect))

# What is hard to say in a CSV, or is easily said differently: option values with the same slug, images without a
# variant, several collections, a picture beside the file, quotes, line breaks, formulas, no options, no price before.
ODDITIES: list[dict[str, object]] = [
    {
        "Handle": "odd",
        "Title": '=1+1, "quoted"',
        "Body (HTML)": "<h1>Big</h1>\n<p>Two lines, &amp; an <b>umlaut: ü</b></p>",
        "Title [ru]": "Чайник, «медный»",
        "Body (HTML) [ru]": "<p>Две\nстроки &amp; ё</p>",
        "Title [pt-BR]": "",
        "Description [pt-BR]": "Só isto",
        "Vendor": "'Quote",
        "Product Category": "Arts > Oddities",
        "Type": "Odd; things",
        "Tags": "b, A, b",
        "Collection": "Second; First",
        "Option1 Name": "Size",
        "Option1 Value": "1/2",
        "Option2 Name": "Colour",
        "Option2 Value": "Red",
        "Variant SKU": "-SKU",
        "Variant Grams": "12.6",
        "Variant Weight Unit": "kg",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": -4,
        "Variant Inventory Policy": "continue",
        "Variant Fulfillment Service": "manual",
        "Variant Price": "1234567.89",
        "Variant Requires Shipping": "false",
        "Variant Taxable": "no",
        "Variant Tax Code": "P001",
        "Variant Barcode": "0012",
        "Variant Image": "https://cdn.example/v.jpg",
        "Cost per item": "0.01",
        "Image Src": "https://cdn.example/b.jpg",
        "Image Position": 2,
        "Image Alt Text": "Later",
        "SEO Title": "+title",
        "SEO Description": "Line, comma",
    },
    {
        "Handle": "odd",
        "Option1 Value": "1-2",
        "Option2 Value": "Red",
        "Variant SKU": "-SKU",
        "Variant Price": 2,
        "Variant Compare At Price": 1,
        "Image Src": "https://cdn.example/a.jpg",
        "Image Position": 1,
    },
    {
        "Handle": "odd",
        "Option1 Value": "1-2",
        "Option2 Value": "Blue",
        "Variant Inventory Tracker": "other",
        "Variant Price": 3,
        "Image Src": "//cdn.example/c.jpg",
        "Image Position": 9,
    },
    {"Handle": "odd", "Image Src": "/d.jpg", "Image Alt Text": "Last"},
    {
        "Handle": "картина",
        "Title": "Картина 🖼",
        "Body (HTML)": "plain text",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant Price": 0,
        "Image Src": "photos/sun set.png",
        "Gift Card": "yes",
        "Status": "archived",
    },
    {
        "Handle": "semicolon",
        "Title": "Semicolon",
        "Type": "Odd; things",
        "Variant Price": 5,
        "Published": "FALSE",
        "Status": "unlisted",
    },
    {
        "Handle": "title",
        "Title": "Title",
        "Type": "Odd",
        "Option1 Name": "Title",
        "Option1 Value": "Gold",
        "Variant Price": 5,
        "Status": "draft",
    },
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue(tmp_path, "USD")
    yield catalogue
    catalogue.database.close()


class Catalogue:
    """An empty shop, whose catalogue comes from files and goes to files."""

    def __init__(self, folder: Path, currency: str) -> None:
        self.folder = folder
        data = folder / "instance"
        self.settings = Settings(currency=currency, data=data, database_url=url_of(data))
        self.database = Database(self.settings.database_url)
        self.database.migrate()

    def bring(self, goods: Path | list[dict[str, object]]) -> Report:
        """Import a file, or one made of such rows."""
        path = goods if isinstance(goods, Path) else self.folder / "goods.csv"
        if isinstance(goods, list):
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in goods for name in row)))
                writer.writeheader()
                writer.writerows(goods)
        return import_file(self.database, path, self.settings)

    def export(self, dialect: Dialect) -> Path:
        """A file of all products, in a folder of its own."""
        path = self.folder / "out" / f"{dialect}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file, self.database.reading() as connection:
            written = list(write_products(connection, Currency(self.settings.currency), dialect, file))
            assert len(written) == count_products(connection)
        return path

    def contents(self) -> list[Any]:
        """What the catalogue says, with the ids of products and variants; not when and from which file it knows."""
        notes = {"digest", "import_id", "updated_at", "created_at"}
        with self.database.reading() as connection:
            return [
                [
                    {name: value for name, value in row.items() if name not in notes}
                    for row in connection.execute(sa.select(table).order_by(*order)).mappings()
                ]
                for table, order in (
                    (products, (products.c.id,)),
                    (variants, (variants.c.id,)),
                    (_PICTURES, _PICTURES.c),
                    (product_tags, product_tags.primary_key),
                    (product_translations, product_translations.primary_key),
                    (product_collections, product_collections.primary_key),
                )
            ]


_PICTURES = sa.select(images.c.product_id, images.c.position, images.c.src, images.c.alt).subquery()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# An order that no database has.
ORDER = Order(
    id=1,
    token="t" * 22,
    placed_at=NOW,
    currency="USD",
    locale="en_US",
    name="Ada Byron",
    email="ada@example.com",
    address=BERLIN,
    lines=(OrderLine("mug", "Mug", "", "", 1200, 1, 0, 192, True, True, 1),),
    shipping_title="Post",
    payment_method="invoice",
    subtotal=1200,
    discount_code="",
    discount=0,
    shipping=500,
    tax_title="VAT",
    tax=272,
    tax_included=True,
    total=1700,
    payment=Payment.DUE,
    fulfilment=Fulfilment.OPEN,
)


# Products.


@both_dialects
@pytest.mark.parametrize("file", [DEMO_CATALOGUE, SHELF], ids=["demo", "shelf"])
def test_an_import_of_the_export_changes_nothing(shop, file, dialect):
    first = shop.bring(file)
    before = shop.contents()

    again = shop.bring(shop.export(dialect))

    assert (again.created, again.updated, again.unchanged) == (0, 0, first.products)
    assert (again.variants, again.images) == (first.variants, first.images)
    assert not (again.ignored_columns or again.skipped or again.missing_images)
    assert shop.contents() == before


def test_the_export_is_the_same_of_either_database(shop, either_database):
    shop.bring(SHELF)
    text = io.StringIO(newline="")

    with either_database.reading() as connection:
        handles = list(write_products(connection, Currency("USD"), "current", text))

    assert text.getvalue() == shop.export("current").read_text()
    assert handles[:3] == ["clay-teapot", "mug", "shirt"]


@both_dialects
def test_what_is_hard_to_say_comes_back_as_it_was(shop, dialect):
    (shop.folder / "photos").mkdir()
    (shop.folder / "photos" / "sun set.png").write_bytes(b"a picture")
    shop.bring(ODDITIES)
    before = shop.contents()

    again = shop.bring(shop.export(dialect))

    assert shop.contents() == before
    assert (again.created, again.missing_images, again.ignored_columns) == (0, 0, [])


@both_dialects
def test_the_export_fills_another_shop_alike(shop, dialect, tmp_path):
    shop.bring(ODDITIES)
    (tmp_path / "other").mkdir()
    other = Catalogue(tmp_path / "other", "USD")

    other.bring(shop.export(dialect))

    assert other.contents()[:2] == shop.contents()[:2]
    other.database.close()


@pytest.mark.parametrize(("currency", "price"), [("JPY", "1200"), ("KWD", "1.250")])
def test_prices_have_the_decimals_of_their_currency(tmp_path, currency, price):
    shop = Catalogue(tmp_path, currency)
    shop.bring([{"Handle": "mug", "Title": "Mug", "Variant Price": price}])

    (row,) = rows_of(shop.export("older").read_text())
    again = shop.bring(shop.export("current"))

    assert row["Variant Price"] == price
    assert again.unchanged == 1
    shop.database.close()


def test_each_dialect_has_its_own_words(shop):
    shop.bring(SHELF)

    older, current = (rows_of(shop.export(dialect).read_text()) for dialect in ("older", "current"))

    chair = next(row for row in older if row["Handle"] == "carved-chair")
    assert (chair["Variant Inventory Policy"], chair["Published"], chair["Status"]) == ("continue", "true", "active")
    chair = next(row for row in current if row["URL handle"] == "carved-chair")
    assert (chair["Continue selling when out of stock"], chair["Published on online store"]) == ("CONTINUE", "TRUE")
    shirts = [row for row in older if row["Handle"] == "shirt"]
    assert [(row["Title"], row["Option1 Name"], row["Option1 Value"]) for row in shirts] == [
        ("Linen Shirt", "Color", "White"),
        ("", "", "White"),
        ("", "", "Blue"),
    ]


def test_hidden_products_and_drafts_are_exported_as_such(shop):
    shop.bring(SHELF)

    by_handle = {row["Handle"]: row for row in rows_of(shop.export("older").read_text()) if row["Title"]}

    assert by_handle["hidden-lamp"]["Published"] == "false"
    assert by_handle["draft-vase"]["Status"] == "draft"


def test_what_was_sold_is_exported_and_an_import_of_it_keeps_it_so(shop):
    shop.bring(SHELF)
    ordering(shop.database, {"mug": 3, "last-poster": 1})
    before = shop.contents()

    shop.bring(shop.export("current"))

    assert shop.contents() == before
    assert stock(shop.database, "mug") == 97
    assert not in_stock(shop.database, "last-poster")


def test_an_export_of_products_takes_little_memory(shop):
    shop.bring([{"Title": f"P{n}", "Price": 1, "Description": "x" * 10_000} for n in range(1000)])

    with shop.database.reading() as connection:
        tracemalloc.start()
        written = write_products(connection, Currency("USD"), "current", _Nowhere())
        count = sum(1 for _ in written)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert count == 1000
    assert most < 4_000_000  # of 10 MB that were written


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


# Orders, as CSV.


@pytest.fixture
def database(either_database: Database) -> Database:
    return either_database


def export(orders: list[Order], write=write_csv) -> str:
    file = io.StringIO(newline="")
    assert write(orders, file) == len(orders)
    return file.getvalue()


def test_an_order_is_a_row_for_each_line_its_own_cells_on_the_first(database):
    order = ordering(database, {"shirt.blue.m": 1, "mug": 2}, code="TENTH")

    first, second = rows_of(export([order]))

    assert tuple(first) == COLUMNS
    assert {name: value for name, value in first.items() if value} == {
        "Name": "#1001",
        "Email": "ada@example.com",
        "Financial Status": "pending",
        "Fulfillment Status": "unfulfilled",
        "Accepts Marketing": "no",
        "Currency": "USD",
        "Subtotal": "80.10",
        "Shipping": "5.00",
        "Taxes": "13.59",
        "Total": "85.10",
        "Discount Code": "TENTH",
        "Discount Amount": "8.90",
        "Shipping Method": "Post",
        "Created at": "2026-12-01 12:00:00 +0000",
        "Lineitem quantity": "1",
        "Lineitem name": "Linen Shirt - Blue / M",
        "Lineitem price": "65.00",
        "Lineitem requires shipping": "true",
        "Lineitem taxable": "true",
        "Lineitem fulfillment status": "pending",
        "Lineitem discount": "0.00",
        **{
            f"{kind} {part}": value
            for kind in ("Billing", "Shipping")
            for part, value in {
                "Name": "Ada Byron",
                "Street": "Torstr. 1",
                "Address1": "Torstr. 1",
                "City": "Berlin",
                "Zip": "10119",
                "Country": "DE",
            }.items()
        },
        "Payment Method": "invoice",
        "Refunded Amount": "0.00",
        "Outstanding Balance": "85.10",
        "Id": "1",
        "Source": "web",
        "Tax 1 Name": "VAT",
        "Tax 1 Value": "13.59",
    }
    assert {name for name, value in second.items() if value} == {
        "Name",
        "Email",
        "Created at",
        *(name for name in COLUMNS if name.startswith("Lineitem") and name not in ("Lineitem sku",)),
    } - {"Lineitem compare at price"}
    assert (second["Name"], second["Lineitem name"], second["Lineitem quantity"]) == ("#1001", "Mug", "2")


def test_what_became_of_an_order_is_in_its_row(database):
    order = ordering(database, {"mug": 1})
    mark_paid(database, order.id, LATER, "pi_1")
    ship(database, order.id, LATER + timedelta(minutes=1), "DHL 7")
    order = refund(database, order.id, LATER + timedelta(minutes=2))

    (row,) = rows_of(export([order]))

    assert (row["Financial Status"], row["Paid at"]) == ("refunded", "2026-12-01 13:00:00 +0000")
    assert (row["Fulfillment Status"], row["Fulfilled at"]) == ("fulfilled", "2026-12-01 13:01:00 +0000")
    assert row["Lineitem fulfillment status"] == "fulfilled"
    assert (row["Refunded Amount"], row["Outstanding Balance"]) == (row["Total"], "0.00")
    assert (row["Payment Reference"], row["Payment References"]) == ("pi_1", "pi_1")
    assert row["Note Attributes"] == "Tracking number: DHL 7"


def test_a_cancelled_order_is_void_unless_it_was_paid(database):
    unpaid, paid = (ordering(database, {"mug": 1}) for _ in range(2))
    mark_paid(database, paid.id, NOW)

    rows = rows_of(export([cancel(database, order.id, LATER) for order in (unpaid, paid)]))

    assert [row["Financial Status"] for row in rows] == ["voided", "paid"]
    assert [row["Cancelled at"] for row in rows] == ["2026-12-01 13:00:00 +0000"] * 2
    assert [row["Outstanding Balance"] for row in rows] == ["0.00", "0.00"]
    assert rows[1]["Notes"] == "Cancelled after it was paid: refund it."


def test_an_order_of_nothing_to_pay_was_paid_when_it_was_placed(database):
    set_variant(database, "mug", requires_shipping=False)
    order = ordering(database, {"mug": 1}, code="GIFT")

    (row,) = rows_of(export([order]))

    assert (row["Total"], row["Financial Status"]) == ("0.00", "paid")
    assert row["Paid at"] == row["Created at"]


def test_amounts_have_the_decimals_of_the_orders_own_currency(database):
    order = ordering(database, {"mug": 1}, currency="JPY")

    (row,) = rows_of(export([order]))

    assert (row["Currency"], row["Subtotal"], row["Total"]) == ("JPY", "1200", "1700")


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("=HYPERLINK(0)", "'=HYPERLINK(0)"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\n=1"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("Ada = Byron", "Ada = Byron"),
        ("'s-Gravenhage", "'s-Gravenhage"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(typed, written):
    assert defused(typed) == written


def test_nothing_a_shopper_typed_is_a_formula(database):
    fields = ("recipient", "line1", "line2", "postcode", "city", "region", "phone")
    order = ordering(database, {"mug": 1}, name="=1+1", email="+ada@example.com")
    order = replace(order, address=Address(**dict.fromkeys(fields, '=cmd|"/c calc"!A0'), country="DE"))

    (row,) = rows_of(export([order]))

    assert not [name for name, value in row.items() if value.startswith(("=", "+", "-", "@", "\t"))]
    assert (row["Billing Name"], row["Email"]) == ("'=1+1", "'+ada@example.com")
    assert row["Shipping City"] == '\'=cmd|"/c calc"!A0'


@given(st.text(max_size=30))
def test_any_name_survives_the_file(name):
    text = export([replace(ORDER, name=name)])

    (row,) = rows_of(text)
    name = name.replace("\r\n", "\n").replace("\r", "\n")
    assert row["Billing Name"] in (name, f"'{name}")


# Orders, as JSON lines.


def test_a_line_of_json_has_all_of_an_order_but_what_opens_its_receipt(database):
    order = ordering(database, {"shirt.blue.m": 1, "mug": 2}, code="TENTH", name="Ada\nЛавлейс\u2028")
    order = ship(database, order.id, LATER, "DHL 7")

    text = export([order], write_jsonl)

    assert text.isascii() and text.count("\n") == 1
    assert order.token not in text
    data = json.loads(text)
    assert (data["number"], data["name"], data["total"], data["currency"]) == (1001, order.name, "85.10", "USD")
    assert data["address"]["city"] == "Berlin"
    assert [(line["item"], line["price"], line["quantity"], line["discount"]) for line in data["lines"]] == [
        ("shirt.blue.m", "65.00", 1, "6.50"),
        ("mug", "12.00", 2, "2.40"),
    ]
    assert data["events"] == [
        {"at": "2026-12-01T12:00:00+00:00", "what": "placed", "detail": ""},
        {"at": "2026-12-01T13:00:00+00:00", "what": "shipped", "detail": "DHL 7"},
    ]
    assert (data["payment"], data["fulfilment"], data["payment_until"]) == ("due", "shipped", None)
    assert data["tax_included"] is True


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_an_export_of_orders_takes_little_memory(write):
    orders = (replace(ORDER, id=number, attention="x" * 9000) for number in range(1, 2001))

    tracemalloc.start()
    count = write(orders, _Nowhere())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 2000
    assert most < 2_000_000  # of 18 MB that were written


# A change and its letters.


def test_a_change_queues_its_letters_once(database):
    order = ordering(database, {"mug": 1})

    told = [
        telling.change(database, order.id, LATER, lambda within: ship(within, order.id, LATER), _letter)
        for _ in range(2)
    ]

    assert [(one.changed, len(one.letters)) for one in told] == [(True, 1), (False, 0)]
    assert _queued(database) == [f"Order {order.number} is shipped"]


def test_of_two_who_ship_at_once_one_tells_the_shopper(database):
    order = ordering(database, {"mug": 1})

    def ship_and_tell(_: int) -> bool:
        step = telling.change(database, order.id, LATER, lambda within: ship(within, order.id, LATER), _letter)
        return step.changed

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ship_and_tell, range(4))) == [False, False, False, True]

    assert len(_queued(database)) == 1


def test_a_change_whose_letters_fail_has_not_happened(database):
    order = ordering(database, {"mug": 1})

    with pytest.raises(ZeroDivisionError):
        telling.change(database, order.id, LATER, lambda within: ship(within, order.id, LATER), lambda _: 1 / 0)

    with database.reading() as connection:
        assert store.find_by_id(connection, order.id) == order


def test_a_refused_change_queues_nothing(database):
    order = ordering(database, {"mug": 1})

    with pytest.raises(NotPossible):
        telling.change(database, order.id, LATER, lambda within: refund(within, order.id, LATER), _letter)
    with pytest.raises(UnknownOrder):
        telling.change(database, 999, LATER, lambda within: ship(within, 999, LATER), _letter)

    assert _queued(database) == []


def _letter(order: Order) -> list[Mail]:
    return [Mail(order.email, f"Order {order.number} is {order.fulfilment}", "")]


def _queued(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(outbox.c.subject)))


# Stock.


def test_low_stock_is_what_shoppers_see_and_somebody_counts(database):
    with database.reading() as connection:
        low = [(one.item, one.stock, one.oversell) for one in stocktaking.low(connection, 5)]

    assert low == [
        ("shirt.white.l", 0, False),
        ("mantel-clock", 0, False),
        ("carved-chair", 0, True),
        ("last-poster", 1, False),
        ("shirt.blue.m", 2, False),
    ]


def test_a_count_is_what_listings_show(database):
    assert set_count(database, "mug", 0) == 100
    assert (stock(database, "mug"), in_stock(database, "mug")) == (0, False)

    assert set_count(database, "mug", 7) == 0
    assert (stock(database, "mug"), in_stock(database, "mug")) == (7, True)


def test_a_product_stays_in_stock_while_another_variant_is(database):
    set_count(database, "shirt.blue.m", 0)
    assert in_stock(database, "shirt")

    set_count(database, "shirt.white.m", 0)
    assert not in_stock(database, "shirt")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("nope", "There is no item 'nope' in this shop."),
        ("shirt", "Choose one: shirt.white.m, shirt.white.l, shirt.blue.m"),
        ("postcard", "Nobody counts the stock of postcard"),
    ],
)
def test_what_has_no_count_is_not_counted(database, item, said):
    with pytest.raises(NotCountable) as refusal:
        set_count(database, item, 5)

    assert said in str(refusal.value)


def test_an_import_of_the_same_file_keeps_a_count(database, tmp_path):
    set_count(database, "mug", 7)

    import_file(database, SHELF, Settings(data=tmp_path))

    assert stock(database, "mug") == 7
