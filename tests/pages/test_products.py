"""Home, listings, collections and product pages."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from shop.database import products
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


def test_the_newest_come_first(client, database):
    with database.writing() as connection:
        connection.execute(
            sa.update(products).where(products.c.handle == "mug").values(created_at="2999-01-01T00:00:00Z")
        )

    assert titles(client.get("/products?sort=newest"))[0] == "Mug"


def test_tags_narrow_a_listing_and_can_be_taken_off(client):
    answer = client.get("/products?tag=gift&sort=price-low")
    assert titles(answer) == ["Postcard", "Last Poster", "Clay Teapot"]

    both = soup(answer).select_one(".tag[href*='tag=tea']")
    assert parse_qs(urlsplit(both["href"]).query) == {"tag": ["gift", "tea"], "sort": ["price-low"]}
    narrowed = client.get(both["href"])
    assert titles(narrowed) == ["Clay Teapot"]

    off = soup(narrowed).select(".tag-chosen")[1]
    assert titles(client.get(off["href"])) == titles(answer)


@pytest.mark.parametrize("tag", ["no-such-tag", "GIFT ", "'", "%", "x" * 3000, "слон"])
def test_any_tag_is_safe(client, tag):
    answer = client.get("/products", query_string={"tag": tag})

    assert answer.status_code == 200
    assert bool(titles(answer)) == (tag == "GIFT ")


@pytest.fixture
def many(database):
    """100 more products, so that there are five pages."""
    with database.writing() as connection:
        mug = connection.execute(sa.select(products).where(products.c.handle == "mug")).one()._asdict()
        del mug["id"]
        connection.execute(
            sa.insert(products), [mug | {"handle": f"mug-{n}", "title": f"Mug {n}"} for n in range(100)]
        )


def test_pages_are_links_that_reach_everything(client, many):
    seen, path = [], "/products?sort=title"
    while path:
        page = client.get(path)
        seen += titles(page)
        onward = soup(page).select_one("a[rel=next]")
        path = onward and onward["href"]

    assert len(seen) == len(set(seen)) == 108


def test_the_page_that_is_shown_is_marked(client, many):
    page = soup(client.get("/products?page=2"))

    assert page.select_one(".pages [aria-current=page]").text == "Page 2"
    assert page.select_one("a[rel=prev]")["href"] == "/products"
    assert page.select_one("a[rel=next]")["href"] == "/products?page=3"


@pytest.mark.parametrize("page", ["6", "9999999"])
def test_a_page_past_the_last_is_not_found(client, many, page):
    answer = client.get(f"/products?page={page}")

    assert answer.status_code == 404
    assert "This list has 5 pages." in text(answer, "main")


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
    assert text(answer, ".saving") == "You save $8.50"
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


def test_made_to_order_sells_past_zero(client):
    assert text(client.get("/products/carved-chair"), ".stock") == "Made to order."


def test_every_page_shows_what_the_cart_holds(client):
    set_cart(client, json.dumps({"mug": 3}))

    for path in ("/", "/products", "/products/mug", "/collections/kitchen", "/search?q=mug", "/nothing"):
        assert text(client.get(path), ".cart-count-number") == "3"
