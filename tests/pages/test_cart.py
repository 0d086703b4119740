"""`/cart`: what the visitor carries, shown, replaced, emptied, and passed on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
import segno
import sqlalchemy as sa

from shop.catalogue import store
from shop.database import products, variants
from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text
from tests.domain.test_cookies import ATTACKS


def test_an_empty_cart_says_so_and_offers_a_way_on(client):
    page = soup(client.get("/cart"))

    assert "Your cart is empty" in page.select_one("#cart").text
    assert page.select_one("#cart a[href='/products']")


def test_the_cart_shows_what_the_cookie_holds_in_its_order(client):
    set_cart(client, '{"mug":2,"clay-teapot":1}')
    page = soup(client.get("/cart"))

    assert [line.select_one(".cart-line-title").text for line in page.select(".cart-line")] == ["Mug", "Clay Teapot"]
    assert [total.text.strip() for total in page.select(".cart-line-total")] == ["$24.00", "$34.00"]
    assert page.select_one("#cart-subtotal .money").text == "$58.00"
    assert page.select_one(".cart-count-number").text == "3"


def test_the_list_of_names_that_lessons_write_is_a_cart(client):
    client.set_cookie("cart", '["mug", "mug", "clay-teapot"]')  # Werkzeug quotes it its own way

    assert text(client.get("/cart"), ".cart-count-number") == "3"


def test_plain_json_typed_into_devtools_is_a_cart(cookieless):
    page = cookieless.get("/cart", headers={"Cookie": 'other=1; cart={"mug":2}; last=x'})

    assert text(page, ".cart-count-number") == "2"


@pytest.mark.parametrize("path", ["/", "/products", "/products/mug", "/search?q=mug", "/cart", "/nothing"])
def test_looking_sets_no_cookie(client, path):
    set_cart(client, '["mug"]')

    assert "Set-Cookie" not in client.get(path).headers
    assert "Set-Cookie" not in client.get(path, headers=HTMX).headers


@pytest.mark.parametrize("value", ATTACKS.values(), ids=ATTACKS)
def test_a_cart_that_cannot_be_read_is_said_and_left_alone(cookieless, value):
    headers = {"Cookie": f"cart={quote(value, safe='')}"[:60_000]}
    page = cookieless.get("/cart", headers=headers)

    assert page.status_code == 200
    assert "could not be read: it " in text(page, "#messages")
    assert "Set-Cookie" not in page.headers


def test_adding_to_a_cart_that_cannot_be_read_starts_a_new_one(client):
    set_cart(client, "nonsense")
    client.post("/cart-items", data={"item": "mug"}, headers=OWN)

    assert cart_cookie(client) == '{"mug":1}'


def test_what_cannot_be_bought_stays_in_the_cart_and_counts_nothing(client, database):
    set_cart(client, '{"mantel-clock":1,"hidden-lamp":2,"long-gone":3,"clay-teapot":50,"mug":1}')
    page = soup(client.get("/cart"))

    assert [line.text for line in page.select(".cart-line-problem")] == [
        "Sold out.",
        "This item is not for sale at the moment.",
        "This item is no longer in the shop.",
        "Only 12 left; you asked for 50.",
        "",
    ]
    assert page.select_one(".cart-count-number").text == "13"
    assert page.select_one("#cart-subtotal .money").text == "$420.00"
    assert len(page.select("button[aria-label^=Remove]")) == 5


@pytest.mark.parametrize("item", ["mantel-clock", "hidden-lamp", "long-gone", "слон", "a b/c%22", "<b>"])
@both_ways
def test_what_cannot_be_bought_can_be_removed(client, item, headers):
    set_cart(client, json.dumps({item: 1, "mug": 1}))
    form = soup(client.get("/cart")).select_one(".cart-line-actions form:has([name=quantity][value='0'])")
    answer = client.post(form["action"], data={"quantity": "0"}, headers=headers)

    assert answer.status_code in (200, 303)
    assert cart_cookie(client) == '{"mug":1}'


def test_a_sale_and_a_new_price_show_at_once(client, database):
    set_cart(client, '{"mug":2}')
    with database.writing() as connection:
        connection.execute(sa.update(variants).where(variants.c.item == "mug").values(price=1500))

    assert text(client.get("/cart"), "#cart-subtotal .money") == "$30.00"


@both_ways
def test_emptying_can_be_undone(client, headers):
    set_cart(client, '{"mug":2,"clay-teapot":1}')
    answer = client.post("/cart", data={"items": "{}"}, headers=headers)
    assert cart_cookie(client) is None
    if answer.status_code == 303:
        answer = client.get(answer.location)
    assert "Your cart is empty now." in text(answer, "#messages, [hx-target='#messages']")
    undo = soup(answer).select_one("#messages form, [hx-target='#messages'] form")

    client.post(undo["action"], data={"items": undo.select_one("[name=items]")["value"]}, headers=headers)

    assert cart_cookie(client) == '{"mug":2,"clay-teapot":1}'


@both_ways
@pytest.mark.parametrize("items", [*ATTACKS.values(), ""], ids=[*ATTACKS, "nothing"])
def test_replacing_the_cart_with_nonsense_changes_nothing(client, items, headers):
    set_cart(client, '{"mug":2}')
    answer = client.post("/cart", data={"items": items}, headers=headers)

    assert answer.status_code in (413, 422)
    assert "Set-Cookie" not in answer.headers
    if answer.status_code == 422:
        assert "Your own cart is as it was" in answer.text


def test_the_cookie_is_marked_as_the_design_says(client):
    answer = client.post("/cart-items", data={"item": "clay-teapot", "quantity": "2"}, headers=OWN)
    cookie = client.get_cookie("cart")

    assert cookie.value == "{%22clay-teapot%22:2}"
    assert cookie.http_only and cookie.same_site == "Lax" and cookie.path == "/" and not cookie.secure
    assert "Domain" not in answer.headers["Set-Cookie"]
    assert cookie.max_age == timedelta(days=30).total_seconds()
    assert timedelta(days=29) < cookie.expires - datetime.now(UTC) <= timedelta(days=30)


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(https_app):
    client = https_app.test_client()
    client.post("/cart-items", data={"item": "mug"}, headers=OWN, base_url="https://shop.example")
    cookie = client.get_cookie("__Host-cart", "shop.example")

    assert cookie.secure and cookie.value == "{%22mug%22:1}"


def test_over_https_a_planted_plain_cookie_is_no_cart(https_app):
    page = https_app.test_client(use_cookies=False).get("/cart", headers={"Cookie": "cart={%22mug%22:1}"})

    assert text(page, ".cart-count-number") == "0"


@both_ways
def test_a_cart_over_its_budget_is_refused_before_it_is_written(client, headers):
    full = {f"some-long-gone-thing-{number:03}": 1 for number in range(57)}
    set_cart(client, json.dumps(full, separators=(",", ":")))
    before = cart_cookie(client)

    answer = client.post("/cart-items", data={"item": "shirt.white.m"}, headers=headers)

    assert answer.status_code == 422
    assert "Your cart is full" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert cart_cookie(client) == before


def test_a_full_cart_can_still_lose_lines(client):
    full = {f"some-long-gone-thing-{number:03}": 1 for number in range(57)}
    set_cart(client, json.dumps(full, separators=(",", ":")))
    client.post("/cart-items/some-long-gone-thing-000", data={"quantity": "0"}, headers=OWN)

    assert len(json.loads(cart_cookie(client))) == 56


@pytest.mark.parametrize("older", [False, True], ids=["an object", "a list"])
def test_so_can_one_that_was_typed_into_devtools_and_is_longer_as_the_shop_writes_it(client, older):
    items = ["mug", *(f"some-gone-thing-{number:03}" for number in range(78))]
    typed = json.dumps(items if older else dict.fromkeys(items, 1), separators=(",", ":"))
    assert 1600 < len(typed) < 2000
    client.set_cookie("cart", typed)

    answer = client.post("/cart-items/mug", data={"quantity": "0"}, headers=OWN)

    assert answer.status_code == 303
    assert list(json.loads(cart_cookie(client))) == items[1:]


# Passing a cart on


def test_the_cart_page_offers_a_link_and_a_code_to_pass_on(client):
    set_cart(client, '{"mug":2,"shirt.blue.m":1}')
    page = soup(client.get("/cart"))
    link = page.select_one("#share-link")["value"]
    code = page.select_one(".share img.qr-code")

    assert link == "http://localhost/cart/shared?items=%7B%22mug%22%3A2%2C%22shirt.blue.m%22%3A1%7D"
    assert code["loading"] == "lazy" and code["alt"] == "QR code of that link"
    answer = client.get(code["src"])
    assert answer.content_type == "image/svg+xml"
    assert soup(answer).select("svg[viewBox] path")
    assert "immutable" in answer.headers["Cache-Control"] and "public" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers and "Cookie" not in answer.headers.get("Vary", "")


def test_the_code_is_that_of_the_link(client, cookieless):
    """Whatever is in the asker's own cart."""
    set_cart(client, '{"mug":2}')
    offered = {"items": '{"clay-teapot":1}'}

    drawn = segno.make("http://localhost/cart/shared?" + urlencode(offered), error="l", micro=False)
    for visitor in (client, cookieless):
        picture = visitor.get("/cart/shared.svg", query_string=offered).text
        assert f'viewBox="0 0 {drawn.symbol_size(border=3)[0]} {drawn.symbol_size(border=3)[0]}"' in picture
        assert drawn.svg_inline(border=3).partition('d="')[2].partition('"')[0] in picture


@pytest.mark.parametrize("query", [{}, {"items": "["}, {"items": '{"mug":0}'}, {"items": "x" * 7000}])
def test_a_code_of_no_cart_is_a_clear_refusal(client, query):
    answer = client.get("/cart/shared.svg", query_string=query)

    assert answer.status_code == 422
    assert "That cart could not be read" in text(answer, "main")


def test_a_cart_too_long_for_a_code_says_so(client):
    full = {f"some-long-gone-thing-{number:03}": 1 for number in range(60)}
    set_cart(client, json.dumps(full, separators=(",", ":")))
    page = soup(client.get("/cart"))

    assert page.select_one(".qr-code") is None
    assert "too long for a QR code" in page.select_one("#cart-share").text
    assert client.get("/cart/shared.svg", query_string={"items": json.dumps(full)}).status_code == 422


def test_a_shared_cart_is_shown_and_changes_nothing(client):
    set_cart(client, '{"mug":1}')
    answer = client.get("/cart/shared", query_string={"items": '{"clay-teapot":2,"gone":1}'})

    assert "2 × Clay Teapot" in answer.text
    assert "no longer in the shop" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert cart_cookie(client) == '{"mug":1}'


@pytest.mark.parametrize(
    ("how", "after"), [("replace", '{"mug":2,"last-poster":1}'), ("merge", '{"mug":3,"last-poster":1}')]
)
def test_a_shared_cart_replaces_or_joins(client, how, after):
    set_cart(client, '{"mug":1}')
    form = soup(client.get("/cart/shared", query_string={"items": '{"mug":2,"last-poster":1}'})).select_one(
        "main form"
    )
    items = form.select_one("[name=items]")["value"]
    assert form.select_one(f"button[name=how][value={how}]")

    answer = client.post(form["action"], data={"items": items, "how": how}, headers=OWN, follow_redirects=True)

    assert cart_cookie(client) == after
    assert "Your cart now holds" in text(answer, "#messages")


def test_a_shared_cart_can_be_declined(client):
    page = soup(client.get("/cart/shared", query_string={"items": '{"mug":2}'}))

    assert page.select_one("main a[href='/cart']").text == "Keep my cart"


@pytest.mark.parametrize("query", [{}, {"items": "["}, {"items": '{"mug":0}'}, {"items": "x" * 7000}])
def test_a_shared_cart_that_cannot_be_read_is_a_clear_page(client, query):
    answer = client.get("/cart/shared", query_string=query)

    assert answer.status_code == 422
    assert "That cart could not be read" in text(answer, "main")
    assert soup(answer).select_one("main a[href='/products']")


def test_htmx_can_ask_for_the_cart_as_it_is_now(client):
    set_cart(client, '{"mug":2}')
    answer = soup(client.get("/cart", headers=HTMX))

    assert [partial["hx-target"] for partial in answer.select("hx-partial")] == [
        "#cart-count",
        "#cart",
        "#saved-count",
    ]
    assert answer.select_one("#cart-count .cart-count-number").text == "2"


def test_the_drawer_is_on_every_page_but_where_the_cart_is(client):
    set_cart(client, '{"mug":1}')
    drawers = {}
    for path in ("/", "/products/mug", "/saved", "/nothing", "/cart", "/checkout"):
        page = soup(client.get(path))
        assert len(page.select("#cart")) == (path != "/checkout")
        drawers[path] = len(page.select("body > dialog#cart-drawer #cart"))

    assert list(drawers.values()) == [1, 1, 1, 1, 0, 0]


def test_a_product_taken_out_of_the_shop_keeps_its_line(client, database):
    set_cart(client, '{"mug":1}')
    with database.writing() as connection:
        connection.execute(sa.delete(products).where(products.c.handle == "mug"))

    assert text(client.get("/cart"), ".cart-line-title") == "mug"
    with database.reading() as connection:
        assert store.find_variants(connection, ["mug"]) == {}
