"""Home, listings, collections and product pages."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from shop.catalogue.indexing import reindex
from shop.database import collections, product_collections, products, variants
from tests.conftest import HTMX, set_cart, soup, text


def titles(answer) -> list[str]:
    return [title.text for title in soup(answer).select(".product-card-title")]


def test_home_leads_to_collections_and_products(client):
    page = soup(client.get("/"))

    assert {link["href"] for link in page.select(".collection-card")} == {
        "/collections/clothing",
        "/collections/home",
        "/collections/kitchen",
        "/collections/paper",
    }
    assert page.select_one(".product-card-title")


def test_a_shop_of_very_many_collections_shows_some_and_names_the_others(client, database):
    with database.writing() as connection:
        product = connection.scalar(sa.select(products.c.id).where(products.c.handle == "mug"))
        for number in range(40):
            row = {"handle": f"shelf-{number}", "title": f"Shelf {number}"}
            shelf = connection.execute(collections.insert().values(row)).inserted_primary_key[0]
            connection.execute(product_collections.insert().values(collection_id=shelf, product_id=product))
        reindex(connection)

    home = soup(client.get("/"))
    tiles = [link["href"] for link in home.select(".collection-card")]
    others = [link["href"] for link in home.select(".more-collections a")]
    assert len(tiles) == 24
    assert {f"/collections/shelf-{number}" for number in range(40)} <= {*tiles, *others}
    assert home.select_one(".more-collections summary").get_text() == f"{len(others)} more collections"


def test_a_shop_without_products_says_how_to_fill_it(client, database):
    with database.writing() as connection:
        connection.execute(sa.delete(products))
    answer = client.get("/")

    assert answer.status_code == 200
    assert "shop import FILE" in text(answer, "main")
    assert client.get("/products").status_code == 200
    assert client.get("/search?q=mug").status_code == 200


def test_all_products_shows_what_is_published_and_active(client):
    shown = titles(client.get("/products"))

    assert len(shown) == 8
    assert "Hidden Lamp" not in shown
    assert "Draft Vase" not in shown


def test_a_collection_shows_its_own(client):
    answer = client.get("/collections/paper")

    assert text(answer, "h1") == "Paper"
    assert titles(answer) == ["Last Poster", "Postcard"]


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("featured", "Clay Teapot", "Café crème bowl"),
        ("price-low", "Postcard", "Carved Chair"),
        ("price-high", "Carved Chair", "Postcard"),
        ("title", "Café crème bowl", "Postcard"),
    ],
)
def test_listings_sort(client, sort, first, last):
    shown = titles(client.get(f"/products?sort={sort}"))

    assert (shown[0], shown[-1]) == (first, last)


def test_the_newest_come_first(client):
    """What the merchant's file added last."""
    shown = titles(client.get("/products?sort=newest"))

    assert (shown[0], shown[-1]) == ("Café crème bowl", "Clay Teapot")


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=two", "page=1.5", "page=٣", "page=99999999", "sort=best"]
)
def test_a_bad_query_says_what_it_may_be(client, query):
    for path in ("/products", "/collections/paper", "/search"):
        answer = client.get(f"{path}?{query}&q=mug")

        assert answer.status_code == 400
        assert "must be" in text(answer, "main")


def test_cards_offer_what_can_be_done(client):
    cards = {
        card.select_one(".product-card-title").text: card
        for card in soup(client.get("/products")).select(".product-card")
    }

    assert cards["Mug"].select_one("form [name=item]")["value"] == "mug"
    assert cards["Linen Shirt"].select_one("a.button")["href"] == "/products/shirt"
    assert cards["Linen Shirt"].select_one(".product-card-price").text.split() == ["from", "$60.00"]
    assert "Sold out" in cards["Mantel Clock"].text and not cards["Mantel Clock"].select("form")
    assert cards["Clay Teapot"].select_one("s.was").text == "before: $42.50"


@pytest.mark.parametrize(
    "path",
    ["/products/no-such", "/products/hidden-lamp", "/products/draft-vase", "/collections/none", "/products/%00"],
)
def test_what_is_not_there_is_a_page_with_a_way_on(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert soup(answer).select_one("main a[href='/products']")
    assert soup(answer).select_one("form[role=search]")


# One product


def test_a_product_page_shows_it(client):
    answer = client.get("/products/clay-teapot")
    page = soup(answer)

    assert text(answer, "h1") == "Clay Teapot"
    assert text(answer, ".product-price .money") == "$34.00"
    assert text(answer, ".saving") == "You save $8.50 (20%)"
    assert text(answer, ".product-sku") == "SKU: T-1"
    assert page.select_one(".product-vendor a")["href"] == "/products?vendor=Fern+Pottery"
    assert [chip["href"] for chip in page.select(".product-about .chip")] == [
        "/products?tag=gift",
        "/products?tag=tea",
    ]
    assert page.select_one(".prose b").text == "four cups"
    assert page.select_one(".product-pictures img")["alt"] == "A round clay teapot"
    assert page.select_one("#add-form [name=item]")["value"] == "clay-teapot"
    assert "alert(1)" not in answer.text


def test_every_picture_has_its_size_and_an_alternative(client):
    for path in ("/", "/products", "/products/clay-teapot"):
        for picture in soup(client.get(path)).select("img"):
            assert picture["alt"] and picture["width"] and picture["height"]


def test_a_product_without_a_picture_has_a_placeholder(client):
    page = soup(client.get("/products/last-poster"))

    assert page.select_one(".product-pictures .placeholder").text == "L"


def test_pictures_are_links_to_all_of_them_and_that_of_the_variant_is_first(client):
    page = soup(client.get("/products/shirt?variant=shirt.blue.m"))
    slides = page.select(".product-slide")

    assert [slide.img["src"].rpartition("/")[2] for slide in slides] == [
        "shirt-meadow.webp",
        "shirt-rose.webp",
        "thread.webp",
    ]
    assert slides[0].img["alt"] == "A blue linen shirt"
    assert [slide.a["href"] for slide in slides] == [slide.img["src"] for slide in slides], "without scripts: in full"
    assert [link["href"] for link in page.select(".product-thumbnail")] == [f"#{slide['id']}" for slide in slides]
    assert slides[0].img.get("loading") is None
    assert {slide.img["loading"] for slide in slides[1:]} == {"lazy"}


def test_one_picture_needs_no_thumbnails(client):
    page = soup(client.get("/products/mug"))

    assert len(page.select(".product-slide")) == 1
    assert not page.select(".product-thumbnail")


def test_a_product_opens_with_the_first_variant_that_can_be_bought(client):
    page = soup(client.get("/products/shirt"))

    assert page.select_one("#add-form [name=item]")["value"] == "shirt.white.m"
    assert [option.text for option in page.select(".option-name")] == ["Color: White", "Size: M"]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_variant_is_chosen_by_a_link(client, headers):
    link = next(a for a in soup(client.get("/products/shirt")).select(".option-value") if a.text.startswith("Blue"))
    answer = client.get(link["href"], headers=headers)

    assert link["href"] == link["data-hx-get"] == "/products/shirt?variant=shirt.blue.m"
    assert text(answer, ".product-price .money") == "$65.00"
    assert soup(answer).select_one("#add-form [name=item]")["value"] == "shirt.blue.m"
    assert text(answer, ".stock") == "Only 2 left."
    assert bool(soup(answer).select("html")) == (headers == {})


def test_a_sold_out_variant_says_so_and_cannot_be_added(client):
    answer = client.get("/products/shirt?variant=shirt.white.l")

    assert text(answer, ".stock") == "Sold out in White / L."
    assert not soup(answer).select("#add-form")
    assert "(sold out)" in text(answer, "#option-1-1[aria-current].option-value-sold-out")


@pytest.mark.parametrize("variant", ["shirt.red.m", "mug", "x" * 3000, "'"])
def test_a_variant_that_does_not_exist_is_not_found(client, variant):
    answer = client.get("/products/shirt", query_string={"variant": variant})

    assert answer.status_code == 404
    assert "does not come like that" in text(answer, "main")


def test_options_show_what_goes_with_what_is_chosen(client):
    """There are White / M, White / L (sold out) and Blue / M."""

    def states(variant):
        page = soup(client.get(f"/products/shirt?variant={variant}"))
        return {" ".join(link.text.split()): link["href"].partition("=")[2] for link in page.select(".option-value")}

    assert states("shirt.white.m") == {
        "White": "shirt.white.m",
        "Blue": "shirt.blue.m",
        "M": "shirt.white.m",
        "L (sold out)": "shirt.white.l",
    }
    assert states("shirt.blue.m") == {
        "White": "shirt.white.m",
        "Blue": "shirt.blue.m",
        "M": "shirt.blue.m",
        "L (with other options)": "shirt.white.l",
    }


def test_many_values_are_one_field(client, database):
    with database.writing() as connection:
        shirt = connection.execute(sa.select(variants).where(variants.c.item == "shirt.blue.m")).one()._asdict()
        del shirt["id"]
        sizes = {size: f"EU {size}" for size in range(20, 40)}
        rows = [
            shirt | {"item": f"shirt.{name}", "option_values": ["Blue", name], "position": 100 + size}
            for size, name in sizes.items()
        ]
        connection.execute(sa.insert(variants), rows)
    page = soup(client.get("/products/shirt?variant=shirt.EU 33"))
    field = page.select_one("form[method=get] select[name=variant]")

    assert page.select_one(f"label[for={field['id']}]").text == "Size"
    assert field.select_one("[selected]").text.strip() == "EU 33"
    assert field.select_one("[value='shirt.white.l']").text.strip() == "L (with other options)"
    chosen = client.get("/products/shirt", query_string={"variant": field.select("option")[5]["value"]})
    assert text(chosen, "option[selected]") == "EU 23"


@pytest.mark.parametrize(
    ("typed", "kept", "error"),
    [("7", "7", ""), ("", "1", ""), ("lots", "lots", "Choose a quantity from 1 to 999, in digits.")],
)
def test_a_typed_quantity_survives_a_choice(client, typed, kept, error):
    answer = client.get("/products/shirt", query_string={"variant": "shirt.blue.m", "quantity": typed}, headers=HTMX)
    field = soup(answer).select_one("#quantity")

    assert field["value"] == kept
    assert text(answer, f"#{field['aria-describedby']}") == error
    assert answer.headers["HX-Replace-Url"] == "/products/shirt?variant=shirt.blue.m"
    assert text(answer, "hx-partial[hx-target='#product-status']") == "Blue / M: $65.00. Only 2 left."


def test_a_typed_quantity_survives_a_variant_that_is_sold_out(client):
    query = {"variant": "shirt.white.l", "quantity": "7"}
    answer = client.get("/products/shirt", query_string=query, headers=HTMX)

    assert soup(answer).select_one("#quantity")["value"] == "7"


def test_a_description_fits_the_page(client, database):
    """Its headings follow the page's own, its tables scroll, its pictures come when they are needed."""
    written = "<h4>A</h4><h2>B</h2><table><tbody><tr><td>1</td></tr></tbody></table><img src='/x.png'><h6>C</h6>"
    with database.writing() as connection:
        connection.execute(sa.update(products).where(products.c.handle == "mug").values(description=written))
    prose = soup(client.get("/products/mug")).select_one(".prose")

    assert [heading.name for heading in prose.find_all(["h2", "h3", "h4", "h5", "h6"])] == ["h2", "h2", "h3"]
    assert prose.select_one("[tabindex='0'][aria-label] > table td").text == "1"
    assert (prose.img["loading"], prose.img["alt"]) == ("lazy", "")


def test_related_products_are_offered(client):
    related = soup(client.get("/products/mug")).select_one(".related")

    assert related.h2.text == "You may also like"
    offered = [title.text for title in related.select(".product-card-title")]
    assert 0 < len(offered) <= 4
    assert "Mug" not in offered


def test_made_to_order_sells_past_zero(client):
    assert text(client.get("/products/carved-chair"), ".stock") == "Made to order."


def test_every_page_shows_what_the_cart_holds(client):
    set_cart(client, json.dumps({"mug": 3}))

    for path in ("/", "/products", "/products/mug", "/collections/kitchen", "/search?q=mug", "/nothing"):
        assert text(client.get(path), ".cart-count-number") == "3"
