"""Reading a product export: both dialects, and everything that a file can get wrong."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.catalogue import shopify
from shop.catalogue.shopify import BadFile, BadRow, TranslationRecord, clean_description, one_line, read_products
from shop.money import Currency

SHIRT = b"""\
Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,\
Option2 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,\
Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable,Variant Barcode,Image Src,\
Image Position,Image Alt Text,Gift Card,SEO Title,SEO Description,Variant Image,Variant Weight Unit,Variant Tax Code,\
Cost per item,Status
shirt,Linen shirt,<p>Cool.</p>,Loom,Apparel > Shirts,Tops,"Summer, linen",true,Colour,White,Size,M,W-M,200,shopify,5,\
deny,40,50,true,true,123,https://cdn.example/front.jpg,1,Front,false,Shirt!,Very cool,//cdn.example/w.jpg,g,TX,\
12.5,active
shirt,,,,,,,,,White,,L,W-L,210.4,shopify,-3,continue,42.50,,false,false,,https://cdn.example/back.jpg,2,Back,,,,,g,,,
shirt,,,,,,,,,,,,,,,,,,,,,,https://cdn.example/label.jpg,3,Label,,,,,,,,
"""

CURRENT_SHIRT = b"""\
Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,Barcode,\
Option1 name,Option1 value,Option1 Linked To,Option2 name,Option2 value,Price,Compare-at price,Cost per item,\
Charge tax,Tax code,Inventory tracker,Inventory quantity,Continue selling when out of stock,Weight value (grams),\
Weight unit for display,Requires shipping,Fulfillment service,Product image URL,Image position,Image alt text,\
Variant image URL,Gift card,SEO title,SEO description
Linen shirt,shirt,<p>Cool.</p>,Loom,Apparel > Shirts,Tops,"Summer, linen",TRUE,Active,W-M,123,Colour,White,,Size,M,\
40.00,50.00,12.50,TRUE,TX,shopify,5,DENY,200,g,TRUE,,https://cdn.example/front.jpg,1,Front,https://cdn.example/w.jpg,FALSE,\
Shirt!,Very cool
,shirt,,,,,,,,W-L,,,White,,,L,42.50,,,FALSE,,shopify,-3,CONTINUE,210.4,g,FALSE,,https://cdn.example/back.jpg,2,Back,,,,
,shirt,,,,,,,,,,,,,,,,,,,,,,,,,,,https://cdn.example/label.jpg,3,Label,,,,
"""


def read(text, currency="USD", **options):
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_products(io.BytesIO(data), Currency(currency), name="goods.csv", **options))


def row(**cells):
    """A file with one product, a mug, and what `cells` says of it, by header with _ for a space."""
    named = {"Handle": "mug", "Title": "Mug", "Variant Price": "12"}
    named |= {name.replace("_", " "): value for name, value in cells.items()}
    text = io.StringIO()
    writer = csv.DictWriter(text, named)
    writer.writeheader()
    writer.writerow(named)
    return text.getvalue()


def mug(**cells):
    (product,) = read(row(**cells))
    return product


def test_a_product_of_the_older_dialect():
    (shirt,) = read(SHIRT)

    assert (shirt.handle, shirt.title, shirt.vendor, shirt.type) == ("shirt", "Linen shirt", "Loom", "Tops")
    assert shirt.category == "Apparel > Shirts"
    assert shirt.tags == ("linen", "summer")
    assert shirt.collections == ("Tops",)
    assert (shirt.published, shirt.status, shirt.gift_card) == (True, "active", False)
    assert (shirt.seo_title, shirt.seo_description) == ("Shirt!", "Very cool")
    assert shirt.option_names == ("Colour", "Size")
    assert [image.alt for image in shirt.images] == ["Front", "Back", "Label"]
    medium, large = shirt.variants
    assert (medium.item, medium.option_values, medium.sku) == ("shirt.white.m", ("White", "M"), "W-M")
    assert (medium.price, medium.compare_at_price, medium.cost) == (4000, 5000, 1250)
    assert (medium.stock, medium.tracker, medium.oversell) == (5, "shopify", False)
    assert (medium.barcode, medium.grams, medium.tax_code) == ("123", 200, "TX")
    assert medium.image_src == "https://cdn.example/w.jpg"
    assert (large.price, large.compare_at_price, large.cost) == (4250, None, None)
    assert (large.stock, large.oversell, large.grams) == (0, True, 210)
    assert (large.requires_shipping, large.taxable) == (False, False)


def test_both_dialects_of_a_product_make_the_same_record():
    assert read(CURRENT_SHIRT) == read(SHIRT)


@pytest.mark.parametrize(
    "written",
    [
        b"\xef\xbb\xbf" + SHIRT,
        SHIRT.replace(b"\n", b"\r\n"),
        SHIRT + b"\n\n,,,\n",
        SHIRT.rstrip(b"\n"),
        SHIRT.replace(b"Handle,Title", b" HANDLE , title ", 1),
    ],
    ids=["byte order mark", "CRLF", "blank rows at the end", "no last line end", "header in other case"],
)
def test_a_file_reads_the_same_however_it_was_saved(written):
    assert read(written) == read(SHIRT)


def test_columns_may_come_in_any_order():
    rows = list(csv.reader(io.StringIO(SHIRT.decode())))
    text = io.StringIO()
    csv.writer(text).writerows(cells[::-1] for cells in rows)

    assert read(text.getvalue()) == read(SHIRT)


def test_unknown_columns_are_ignored_and_named():
    records = read_products(
        io.BytesIO(b"Handle,Title,Google Shopping / MPN,Variant Price,Moon\nmug,Mug,1,12,full\n"), Currency()
    )

    assert records.ignored_columns == ["Google Shopping / MPN", "Moon"]
    assert [record.title for record in records] == ["Mug"]


def test_a_title_and_a_price_make_a_product():
    product = mug()

    assert (product.published, product.status, product.gift_card) == (True, "active", False)
    (variant,) = product.variants
    assert (variant.item, variant.option_values, variant.price) == ("mug", (), 1200)
    assert (variant.requires_shipping, variant.taxable, variant.oversell) == (True, True, False)


def test_titles_and_descriptions_in_other_languages():
    (teapot,) = read(
        "Title,Price,Title [ru],Body (HTML) [RU],Description [pt_BR],Title [fr],Title [note]\n"
        "Teapot,1, Чайник\t,<p onclick=x>Медный</p>,<b>Cobre,,Nice\n"
    )

    assert teapot.translations == (
        TranslationRecord("pt-br", "", "<b>Cobre</b>"),
        TranslationRecord("ru", "Чайник", "<p>Медный</p>"),
    )


def test_a_language_is_said_in_one_column():
    with pytest.raises(BadFile, match=r"two columns for the same: Description \[ru\], Body \(HTML\) \[ru\]"):
        read("Title,Price,Description [ru],Body (HTML) [ru]\nTeapot,1,a,b\n")


def test_a_blank_handle_is_the_titles():
    teapot, cup = read('Title,URL handle,Price\n"Grandma\'s Teapot 1.5 l",,20\nCup,,5\n')

    assert (teapot.handle, cup.handle) == ("grandmas-teapot-1-5-l", "cup")


def test_rows_without_handle_and_title_belong_to_a_product_named_by_its_title():
    (cup,) = read("Title,URL handle,Option1 name,Option1 value,Price\nCup,,Size,S,5\n,,,M,6\n")

    assert [variant.item for variant in cup.variants] == ["cup.s", "cup.m"]


@pytest.mark.parametrize("name", ["Title", "title", ""])
@pytest.mark.parametrize("value", ["Default Title", ""])
def test_default_title_means_no_options(name, value):
    product = mug(Option1_Name=name, Option1_Value=value)

    assert product.option_names == ()
    assert product.variants[0].option_values == ()


def test_the_only_variant_of_a_product_with_an_option_keeps_its_value_and_has_the_handle():
    product = mug(Option1_Name="Size", Option1_Value="Large")

    assert product.option_names == ("Size",)
    assert product.variants[0].option_values == ("Large",)
    assert product.variants[0].item == "mug"


def test_a_collection_column_comes_before_the_type():
    assert mug(Type="Cups", Collection="Tea; Gifts ;Tea;").collections == ("Gifts", "Tea")
    assert mug(Type="Cups", Collection=" ").collections == ("Cups",)
    assert mug(Type="Cups; Saucers").collections == ("Cups; Saucers",)
    assert mug().collections == ()


def test_a_blank_tracker_means_that_nobody_counts_the_stock():
    counted = mug(Variant_Inventory_Tracker="shopify", Variant_Inventory_Qty="3")
    uncounted = mug(Variant_Inventory_Tracker="", Variant_Inventory_Qty="3")

    assert counted.variants[0].tracker == "shopify"
    assert uncounted.variants[0].tracker == ""


def test_a_quantity_without_a_tracker_column_is_counted():
    assert mug(Variant_Inventory_Qty="3").variants[0].tracker == "shopify"
    assert mug().variants[0].tracker == ""


@pytest.mark.parametrize(("word", "means"), [("TRUE", True), ("yes", True), ("1", True), ("No", False), ("0", False)])
def test_booleans_in_any_case(word, means):
    assert mug(Published=word).published is means
    assert mug(Gift_Card=word).gift_card is means


@pytest.mark.parametrize(
    ("word", "oversell"), [("continue", True), ("TRUE", True), ("deny", False), ("FALSE", False), ("", False)]
)
def test_selling_past_zero(word, oversell):
    assert mug(Variant_Inventory_Policy=word).variants[0].oversell is oversell


@pytest.mark.parametrize(
    ("quantity", "stock"), [("", 0), ("-4", 0), ("7", 7), ("1000000000", 10**9), ("-1000000000", 0)]
)
def test_stock_is_never_negative(quantity, stock):
    assert mug(Variant_Inventory_Qty=quantity).variants[0].stock == stock


def test_prices_are_read_in_the_shops_currency():
    assert read(row(Variant_Price="1200"), "JPY")[0].variants[0].price == 1200
    assert read(row(Variant_Price="1.234"), "KWD")[0].variants[0].price == 1234


def test_tags_are_lower_case_sorted_and_said_once():
    assert mug(Tags=" Tea,gift ,TEA,, cup").tags == ("cup", "gift", "tea")


@pytest.mark.parametrize(
    ("written", "src", "files"),
    [
        ("https://cdn.example/mug.jpg?v=1", "https://cdn.example/mug.jpg?v=1", ()),
        ("HTTP://cdn.example", "HTTP://cdn.example", ()),
        ("//cdn.example/mug.jpg", "https://cdn.example/mug.jpg", ()),
        ("/static/mug.jpg", "/static/mug.jpg", ()),
        ("mug.jpg", "/images/mug.jpg", ("mug.jpg",)),
        ("./photos//big mug.jpg", "/images/photos/big%20mug.jpg", ("photos/big mug.jpg",)),
        ("photos\\mug.jpg", "/images/photos/mug.jpg", ("photos/mug.jpg",)),
    ],
)
def test_an_image_is_an_address_or_a_file_beside_the_csv(written, src, files):
    product = mug(Image_Src=written, Variant_Image=written)

    assert product.images[0].src == src
    assert product.variants[0].image_src == src
    assert product.files == files


def test_images_go_by_position_then_by_row_and_are_said_once():
    (product,) = read(
        "Handle,Title,Variant Price,Image Src,Image Position\n"
        "mug,Mug,1,/c.jpg,2\nmug,,,/a.jpg,1\nmug,,,/b.jpg,1\nmug,,,/a.jpg,9\n"
    )

    assert [image.src for image in product.images] == ["/a.jpg", "/b.jpg", "/c.jpg"]


def test_titles_are_one_trimmed_line():
    assert mug(Title="  Tea\r\nmug\x07 ").title == "Tea mug"
    assert mug(Title="x" * 500).title == "x" * 500


@given(st.text(max_size=60))
def test_one_line_has_no_control_characters_and_stays_as_it_is(text):
    line = one_line(text)

    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


@pytest.mark.parametrize(
    ("html", "cleaned"),
    [
        ("Just words\n", "Just words"),
        ("<p onclick='x()' style='color:red' class='a' id='b'>Hi</p>", "<p>Hi</p>"),
        ("<script>alert(1)</script><p>Hi</p><style>p{}</style>", "<p>Hi</p>"),
        ("<a href='javascript:alert(1)'>x</a>", '<a rel="noopener nofollow">x</a>'),
        ("<a href='https://a.example'>x</a>", '<a href="https://a.example" rel="noopener nofollow">x</a>'),
        ("<img src='data:image/png;base64,x' alt='a'>", '<img alt="a">'),
        ("<img src='mailto:a@b.example'>", "<img>"),
        ("<img src='/a.png' onerror='x()'>", '<img src="/a.png">'),
        ("<iframe src='https://a.example'></iframe><p>Hi</p>", "<p>Hi</p>"),
        ("<p>Hi</p><p>&nbsp;</p><br><p><br></p>\n", "<p>Hi</p>"),
        ("<h1>A</h1><h2>B</h2><h6>C</h6>", "<h2>A</h2><h3>B</h3><h6>C</h6>"),
        ("<h2>A</h2><h3>B</h3>", "<h2>A</h2><h3>B</h3>"),
        ("<table><tr><th>x</table>", "<table><tbody><tr><th>x</th></tr></tbody></table>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
    ],
)
def test_descriptions_are_cleaned(html, cleaned):
    assert clean_description(html) == cleaned


@given(st.text(alphabet="<>/h1pab&;='\" \n", max_size=80))
def test_a_cleaned_description_stays_as_it_is(html):
    cleaned = clean_description(html)

    assert clean_description(cleaned) == cleaned
    assert "<h1" not in cleaned


def test_a_quoted_cell_may_hold_lines_quotes_and_a_million_characters():
    words = 'He said ""tea"",\r\nshe poured.\n' * 10_000
    (product,) = read(f'Handle,Title,Variant Price,Body (HTML)\nmug,Mug,12,"{words}"\n')

    assert product.description.startswith('He said "tea",')
    assert product.description.count("\n") == 19_999


@given(st.from_regex(shopify._CLEAN, fullmatch=True))
def test_what_is_clean_already_is_as_the_cleaner_would_leave_it(html):
    assert shopify._CLEANER.clean(html) == html


BAD_CELLS = {
    "blank price": ({"Variant_Price": ""}, "Variant Price", "a price such as 19.99"),
    "word price": ({"Variant_Price": "cheap"}, "Variant Price", "a price such as 19.99"),
    "negative price": ({"Variant_Price": "-1"}, "Variant Price", "a price such as 19.99"),
    "too fine a price": ({"Variant_Price": "1.999"}, "Variant Price", "at most 2 decimals"),
    "compare-at price": ({"Variant_Compare_At_Price": "$5"}, "Variant Compare At Price", "a price"),
    "cost": ({"Cost_per_item": "5,00"}, "Cost per item", "a price"),
    "no title": ({"Title": " "}, "Title", "a title"),
    "long title": ({"Title": "x" * 501}, "Title", "at most 500 characters"),
    "nameless": ({"Handle": "", "Title": ""}, "Handle", "a handle or a title"),
    "long handle": ({"Handle": "x" * 201}, "Handle", "at most 200 characters"),
    "long title as handle": ({"Handle": "", "Title": "x" * 201}, "Title", "at most 200 characters"),
    "half a piece": ({"Variant_Inventory_Qty": "1.5"}, "Variant Inventory Qty", "a whole number"),
    "too many": ({"Variant_Inventory_Qty": "1000000001"}, "Variant Inventory Qty", "a whole number"),
    "other digits": ({"Variant_Inventory_Qty": "٣"}, "Variant Inventory Qty", "a whole number"),
    "published": ({"Published": "maybe"}, "Published", "true or false"),
    "shipping": ({"Variant_Requires_Shipping": "post"}, "Variant Requires Shipping", "true or false"),
    "taxable": ({"Variant_Taxable": "2"}, "Variant Taxable", "true or false"),
    "gift card": ({"Gift_Card": "x"}, "Gift Card", "true or false"),
    "status": ({"Status": "live"}, "Status", "active, draft, archived or unlisted"),
    "policy": ({"Variant_Inventory_Policy": "ask"}, "Variant Inventory Policy", "deny or continue"),
    "negative weight": ({"Variant_Grams": "-1"}, "Variant Grams", "a number of grams"),
    "no weight": ({"Variant_Grams": "nan"}, "Variant Grams", "a number of grams"),
    "position": ({"Image_Src": "/a.jpg", "Image_Position": "first"}, "Image Position", "a whole number"),
    "script": ({"Image_Src": "javascript:alert(1)"}, "Image Src", "an http or https address, or a path"),
    "hidden script": ({"Image_Src": "java\nscript:alert(1)"}, "Image Src", "an http or https address"),
    "data": ({"Image_Src": "data:image/png;base64,AA"}, "Image Src", "an http or https address"),
    "drive": ({"Image_Src": "C:\\mug.jpg"}, "Image Src", "an http or https address"),
    "no host": ({"Image_Src": "https:///mug.jpg"}, "Image Src", "an http or https address"),
    "odd host": ({"Image_Src": "https://[x/mug.jpg"}, "Image Src", "an http or https address"),
    "outside": ({"Image_Src": "a/../../mug.jpg"}, "Image Src", "the CSV's own folder"),
    "variant image": ({"Variant_Image": "ftp://a.example/a.jpg"}, "Variant Image", "an http or https address"),
    "option without a name": ({"Option1_Value": "Red"}, "Option1 Value", "doesn't name this option"),
    "option without a value": ({"Option1_Name": "Size"}, "Option1 Value", "a value of the option 'Size'"),
    "gap": (
        {"Option1_Name": "", "Option2_Name": "Size", "Option2_Value": "M"},
        "Option1 Name",
        "the name of an option",
    ),
    "long item": (
        {"Handle": "x" * 200, "Option1_Name": "Size", "Option1_Value": "y" * 60},
        "Option1 Value",
        "at most 255 characters",
    ),
    "long tag": ({"Tags": "x" * 256}, "Tags", "at most 255 characters"),
    "long vendor": ({"Vendor": "x" * 256}, "Vendor", "at most 255 characters"),
    "long description": ({"Body_(HTML)": "x" * 512_001}, "Body (HTML)", "at most 512,000 characters"),
    "nested description": ({"Body_(HTML)": "<div>" * 100_000}, "Body (HTML)", "at most 20,000 tags"),
}


@pytest.mark.parametrize(("cells", "column", "expected"), BAD_CELLS.values(), ids=BAD_CELLS)
def test_a_bad_cell_is_named_in_one_line(cells, column, expected):
    with pytest.raises(BadRow) as refusal:
        read(row(**cells))

    bad = refusal.value
    assert (bad.file, bad.line, bad.column) == ("goods.csv", 2, column)
    assert expected in bad.expected
    assert str(bad).startswith(f"goods.csv, line 2, {column}: ")
    assert len(str(bad).splitlines()) == 1
    assert len(str(bad)) < 300


SIZES = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src,Image Position\nmug,Mug,Size,S,1,,\n"
BAD_LATER_ROWS = {
    "the same options": ("mug,,,S,2,,", "Option1 Value", "different from an earlier variant"),
    "a blank option": ("mug,,,,2,,", "Option1 Value", "a value of the option 'Size'"),
    "a blank price": ("mug,,,M,,,", "Variant Price", "a price such as 19.99"),
    "a bad image": ("mug,,,,,data:x,1", "Image Src", "an http or https address"),
    "more cells than the header": ("mug,,,M,2,,,extra", "column 8", "in the header, which has 7 columns"),
}


@pytest.mark.parametrize(("later", "column", "expected"), BAD_LATER_ROWS.values(), ids=BAD_LATER_ROWS)
def test_a_bad_later_row_is_refused_or_skipped_alone(later, column, expected):
    text = SIZES + later + "\nmug,,,L,3,,\n"
    skipped = []

    with pytest.raises(BadRow, match=column):
        read(text)
    (product,) = read(text, skip=skipped.append)

    assert [variant.item for variant in product.variants] == ["mug.s", "mug.l"]
    (bad,) = skipped
    assert (bad.line, bad.column) == (3, column)
    assert expected in bad.expected


def test_a_bad_first_row_skips_the_whole_product():
    text = SIZES.replace(",S,1", ",S,one") + "mug,,,M,2,,\ncup,Cup,Title,Default Title,3,,\n"
    skipped = []

    products = read(text, skip=skipped.append)

    assert [product.handle for product in products] == ["cup"]
    assert [(bad.line, bad.handle) for bad in skipped] == [(2, "mug")]


def test_the_line_of_a_bad_row_is_its_first_in_the_file():
    text = 'Handle,Title,Body (HTML),Variant Price\r\nmug,Mug,"one\r\ntwo\nthree",1\r\n\r\ncup,Cup,"a\nb",x\r\n'

    with pytest.raises(BadRow) as refusal:
        read(text)

    assert refusal.value.line == 6


BAD_FILES = {
    "empty": (b"", "is empty"),
    "only blank lines": (b"\n\n", "is empty"),
    "no price": (b"Handle,Title\nmug,Mug\n", "older dialect"),
    "neither handle nor title": (b"Price,SKU\n1,2\n", "current one"),
    "semicolons": ("\ufeffHandle;Title;Variant Price\nmug;Mug;9,50\n".encode(), "has semicolons between its cells"),
    "tabs": (b"Handle\tTitle\tVariant Price\nmug\tMug\t9.50\n", "or save it with commas"),
    "a column twice": (b"Handle,URL handle,Title,Price\n", "two columns for the same: Handle, URL handle"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00", "a spreadsheet or an archive"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet or an archive"),
    "UTF-16": ("Handle,Title".encode("utf-16"), "has a NUL byte"),
    "Latin-1": ("Handle,Title,Price\nmug,Café,1\n".encode("latin-1"), "line 2: is not UTF-8 (byte 0xe9)"),
    "NUL": (b"Handle,Title,Price\nmug,M\0ug,1\n", "line 2: has a NUL byte"),
    "an open quote": (b'Handle,Title,Price\nmug,"Mug,1\ncup,Cup,2\n', "line 2: a quote is opened here"),
    "a stray quote": (b'Handle,Title,Price\nmug,"5" mug",1\n', "line 2: text follows a closing quote"),
    "old line ends": (b"Handle,Title,Price\rmug,Mug,1\r", "neither LF nor CRLF"),
}


@pytest.mark.parametrize(("data", "trouble"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_export_is_refused_in_one_line(data, trouble):
    with pytest.raises(BadFile) as refusal:
        read(data)

    assert str(refusal.value).startswith("goods.csv")
    assert trouble in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("line", ["x" * 4_000, "x\n" * 2_000], ids=["one line", "many lines"])
def test_a_cell_without_end_is_refused(line, monkeypatch):
    monkeypatch.setattr(shopify, "FIELD_MOST", 1_000)
    monkeypatch.setattr(shopify, "LINE_MOST", 2_000)

    with pytest.raises(BadFile, match=r"line 2: (longer than|a cell is longer)"):
        read(f'Handle,Title,Price\nmug,"{line}",1\n')


def test_a_product_has_a_most_of_variants_and_images(monkeypatch):
    monkeypatch.setattr(shopify, "VARIANTS_MOST", 1)
    monkeypatch.setattr(shopify, "IMAGES_MOST", 1)

    with pytest.raises(BadRow, match="at most 1 variants"):
        read(SIZES + "mug,,,M,2,,\n")
    with pytest.raises(BadRow, match="at most 1 images"):
        read(SIZES + "mug,,,,,/a.jpg,\nmug,,,,,/b.jpg,\n")


@given(
    title=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40),
    vendor=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    stock=st.integers(0, 10**9),
    price=st.integers(0, 10**9),
)
def test_what_a_spreadsheet_writes_comes_back(title, vendor, stock, price):
    product = mug(Title=title, Vendor=vendor, Variant_Inventory_Qty=str(stock), Variant_Price=Currency().plain(price))

    assert (product.title, product.vendor) == (title, one_line(vendor))
    assert (product.variants[0].stock, product.variants[0].price) == (stock, price)


class Endless(io.RawIOBase):
    """A file of `count` products that is never in memory."""

    def __init__(self, count):
        self._rows = (f"p{n},Product {n},Size,S,{n % 9}\np{n},,,M,9\n".encode() for n in range(count))
        self._rest = b"Handle,Title,Option1 Name,Option1 Value,Variant Price\n"

    def readable(self):
        return True

    def readinto(self, buffer):
        self._rest = self._rest or next(self._rows, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def peak_of_reading(count):
    file = io.BufferedReader(Endless(count))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_products(file, Currency())) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file():
    peak_of_reading(5_000)  # fills the caches

    assert peak_of_reading(4_000) < 1.2 * peak_of_reading(2_000)
