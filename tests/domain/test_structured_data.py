"""JSON-LD of products, lists and the shop, by the rules in tests/schema_org.py."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from shop import structured_data
from shop.catalogue.gtin import gtin_of
from shop.catalogue.plain_text import excerpt, plain_text
from shop.catalogue.products import Card, Image, Product, Variant
from shop.money import Currency
from tests.schema_org import complaints

DOLLARS = Currency("USD")


class Shop:
    """Addresses of a shop that is nowhere."""

    def home(self) -> str:
        return "https://shop.example/"

    def search(self, words: str) -> str:
        return f"https://shop.example/search?q={words}"

    def product(self, handle: str, item: str = "") -> str:
        return f"https://shop.example/products/{handle}" + (f"?variant={item}" if item else "")

    def picture(self, src: str) -> str:
        return f"https://shop.example{src}"


SHOP = Shop()
TEAPOT = Variant(
    item="teapot",
    handle="teapot",
    product_title="Teapot",
    option_values=(),
    price=3400,
    compare_at_price=4250,
    stock=12,
    tracked=True,
    oversell=False,
    visible=True,
    sku="T-1",
    barcode="4006381333931",
    image=Image("/teapot.webp", "A round teapot"),
)


def product_of(*variants: Variant, option_names: tuple[str, ...] = ()) -> Product:
    return Product(
        handle="teapot",
        title="Teapot",
        description="<p>Holds <b>four</b> cups.</p><ul><li>Red &amp; round</li></ul>",
        vendor="Fern Pottery",
        type="Kitchen",
        gift_card=False,
        seo_title="",
        seo_description="",
        option_names=option_names,
        variants=variants,
        images=(Image("/teapot.webp", "A round teapot"), Image("/lid.webp", "Its lid")),
    )


def colours(*values: tuple[str, ...], names: tuple[str, ...] = ("Colour", "Size"), **changes) -> Product:
    variants = (
        replace(TEAPOT, item=f"teapot.{n}", option_values=each, sku=f"T-{n}", barcode="", **changes)
        for n, each in enumerate(values)
    )
    return product_of(*variants, option_names=names)


def described(product: Product, currency: Currency = DOLLARS):
    """The product's JSON-LD, which must be right."""
    thing = structured_data.product(product, currency, SHOP)
    assert complaints(thing) == []
    return thing


def test_a_product_of_one_variant_is_a_product_with_its_offer():
    assert described(product_of(TEAPOT)) == {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "Teapot",
        "url": "https://shop.example/products/teapot",
        "description": "Holds four cups. Red & round",
        "image": ["https://shop.example/teapot.webp", "https://shop.example/lid.webp"],
        "brand": {"@type": "Brand", "name": "Fern Pottery"},
        "category": "Kitchen",
        "sku": "T-1",
        "gtin": "4006381333931",
        "offers": {
            "@type": "Offer",
            "url": "https://shop.example/products/teapot",
            "price": "34.00",
            "priceCurrency": "USD",
            "availability": "https://schema.org/InStock",
            "itemCondition": "https://schema.org/NewCondition",
        },
    }


def test_a_product_of_several_variants_is_a_group_with_an_offer_for_each():
    group = described(colours(("Red", "S"), ("Blue", "L")))

    assert group["@type"] == "ProductGroup"
    assert group["productGroupID"] == "teapot"
    assert group["variesBy"] == ["https://schema.org/color", "https://schema.org/size"]
    assert "offers" not in group and "sku" not in group
    red, blue = group["hasVariant"]
    assert (red["name"], red["color"], red["size"]) == ("Teapot, Red / S", "Red", "S")
    assert blue["offers"]["url"] == "https://shop.example/products/teapot?variant=teapot.1"


def test_options_that_no_property_is_known_for_are_said_by_their_names():
    (variant,) = described(colours(("Red", "Left"), ("Red", "Right"), names=("Цвет", "Handle")))["hasVariant"][:1]

    assert variant["color"] == "Red"
    assert variant["additionalProperty"] == [{"@type": "PropertyValue", "name": "Handle", "value": "Left"}]


def test_variants_that_share_a_sku_or_have_none_go_by_their_items():
    shared = described(colours(("Red", "S"), ("Blue", "L")))["hasVariant"]
    assert [variant["sku"] for variant in shared] == ["T-0", "T-1"]

    product = colours(("Red", "S"), ("Blue", "L"), ("Blue", "S"))
    red, blue, small = product.variants
    alike = replace(product, variants=(replace(red, sku="T"), replace(blue, sku="T"), replace(small, sku="")))
    assert [variant["sku"] for variant in described(alike)["hasVariant"]] == ["teapot.0", "teapot.1", "teapot.2"]


@pytest.mark.parametrize(
    ("stock", "said"),
    [
        ({"stock": 1}, "InStock"),
        ({"stock": 0}, "OutOfStock"),
        ({"stock": 0, "oversell": True}, "BackOrder"),
        ({"stock": 1, "oversell": True}, "InStock"),
        ({"stock": 0, "oversell": True, "tracked": False}, "InStock"),
        ({"stock": 9, "visible": False}, "OutOfStock"),
    ],
)
def test_availability_is_what_the_page_says(stock, said):
    offer = described(product_of(replace(TEAPOT, **stock)))["offers"]

    assert offer["availability"] == f"https://schema.org/{said}"


@pytest.mark.parametrize(("currency", "price"), [("USD", "34.00"), ("JPY", "3400"), ("KWD", "3.400")])
def test_prices_have_the_decimals_of_their_currency(currency, price):
    offer = described(product_of(TEAPOT), Currency(currency))["offers"]

    assert (offer["price"], offer["priceCurrency"]) == (price, currency)


def test_a_product_of_very_many_variants_is_told_by_its_prices():
    product = colours(*((str(n),) for n in range(structured_data.MOST_VARIANTS + 1)), names=("Engraving",))
    cheap = replace(product, variants=(*product.variants[:-1], replace(product.variants[-1], price=100, stock=0)))

    offers = described(cheap)["offers"]
    assert (offers["lowPrice"], offers["highPrice"], offers["offerCount"]) == ("1.00", "34.00", 101)
    assert offers["availability"] == "https://schema.org/InStock"


def test_what_nobody_knows_is_left_out():
    bare = replace(TEAPOT, sku="", barcode="12", image=None)
    product = replace(product_of(bare), description="", vendor="", type="", images=())

    assert set(described(product)) == {"@context", "@type", "name", "url", "sku", "offers"}
    # One option by two names: the first is meant.
    twice = described(colours(("Red", "Rot"), ("Blue", "Blau"), names=("Color", "Farbe")))
    assert [variant["color"] for variant in twice["hasVariant"]] == ["Red", "Blue"]


def test_the_shop_its_lists_and_the_way_to_a_page_are_right():
    cards = [Card(f"p{n}", "Mug", "", 100, 100, None, True, False, None) for n in range(3)]
    things = [
        structured_data.organization("Crumb", "https://shop.example/icon.svg", SHOP),
        structured_data.website("Crumb", SHOP),
        structured_data.breadcrumbs([("All", "https://shop.example/products"), ("Mug", "https://shop.example/m")]),
        structured_data.item_list(cards, 25, SHOP),
    ]

    assert [complaints(thing) for thing in things] == [[], [], [], []]
    assert [item["position"] for item in things[3]["itemListElement"]] == [25, 26, 27]
    assert things[1]["potentialAction"]["target"]["urlTemplate"] == "https://shop.example/search?q={words}"


def test_the_rules_notice_what_is_wrong():
    right = structured_data.product(colours(("Red", "S"), ("Blue", "L")), DOLLARS, SHOP)

    def offer_of(thing):
        return thing["hasVariant"][0]["offers"]

    def wrong(change) -> bool:
        thing = deepcopy(right)
        change(thing)
        return bool(complaints(thing))

    assert not complaints(right)
    assert wrong(lambda thing: thing.pop("@context"))
    assert wrong(lambda thing: thing.pop("name"))
    assert wrong(lambda thing: thing.update(brand="Fern"))
    assert wrong(lambda thing: thing.update(description=""))
    assert wrong(lambda thing: thing.update(image=["/teapot.webp"]))
    assert wrong(lambda thing: thing["hasVariant"][0].update(sku="T-1"))
    assert wrong(lambda thing: offer_of(thing).update(price="$34"))
    assert wrong(lambda thing: offer_of(thing).update(availability="InStock"))
    assert wrong(lambda thing: offer_of(thing).update(colour="red"))


@pytest.mark.parametrize(
    ("barcode", "gtin"),
    [
        ("4006381333931", "4006381333931"),
        ("4-006381-333931", "4006381333931"),
        ("036000291452", "036000291452"),  # UPC
        ("96385074", "96385074"),  # GTIN-8
        ("10012345678902", "10012345678902"),  # GTIN-14
        ("978 0 306 40615 7", "9780306406157"),  # ISBN
        ("4006381333932", None),  # another check digit
        ("400638133393", None),  # cut short
        ("2000000000374", None),  # a shop's own number
        ("0412345678903", None),
        ("9912345678903", None),  # a coupon
        ("20123451", None),
        ("0000000000000", None),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", None),
        ("T-1", None),
        ("", None),
    ],
)
def test_a_barcode_is_a_gtin_when_its_check_digit_says_so(barcode, gtin):
    assert gtin_of(barcode) == gtin


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>two <b>thr</b>ee.</p>", "One two three."),
        ("a<br>b", "a b"),
        ('<a title="a > b" href="#">1 &lt; 2</a>', "1 < 2"),
        ("<ul><li>Caf&eacute;</li>\n<li>&nbsp;</li></ul>", "Café"),
        ("", ""),
    ],
)
def test_descriptions_as_text(html, text):
    assert plain_text(html) == text


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("short", "short"),
        ("exactly ten", "exactly…"),
        ("0123456789", "0123456789"),
        ("01234567890", "012345678…"),
        ("one, two three", "one, two…"),
        ("one. two, three", "one. two…"),
    ],
)
def test_an_excerpt_ends_with_a_whole_word(text, cut):
    assert excerpt(text, 10) == cut
    assert len(cut) <= 10
