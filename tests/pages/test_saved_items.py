"""`/saved` and `/saved-items`: keeping things for later, and moving them to and from the cart."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from shop.database import products
from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text
from tests.domain.test_cookies import ATTACKS

ON_SAVED_PAGE = HTMX | {"HX-Current-URL": "http://localhost/saved"}


def saved_cookie(client) -> str | None:
    """The list as devtools show it URL-decoded."""
    return cart_cookie(client, "saved")


def set_saved(client, *items: str) -> None:
    client.set_cookie("saved", quote(json.dumps(items, separators=(",", ":")), safe="[]:"))


def said(answer) -> str:
    return text(answer, "#messages, [hx-target='#messages']")


def undo(client, answer, headers) -> None:
    """Press Undo, where the answer or the page that it leads to offers it."""
    if answer.status_code == 303:
        answer = client.get(answer.location)
    form = soup(answer).select_one("form:has(#undo)")
    fields = {field["name"]: field["value"] for field in form.select("input")}
    answer = client.post(form["action"], data=fields, headers=headers)
    assert answer.status_code in (200, 303)


def test_nothing_saved_says_so_and_offers_a_way_on(client):
    page = soup(client.get("/saved"))

    assert "Nothing saved yet" in page.select_one("#saved-list").text
    assert page.select_one("#saved-list a[href='/products']")
    assert page.select_one("#saved-count").has_attr("hidden")
    assert page.select_one(".footer a[href='/saved']")


@both_ways
def test_what_is_saved_is_listed_latest_first(client, headers):
    for item in ("mug", "shirt.blue.m"):
        answer = client.post("/saved-items", data={"item": item}, headers=headers)

    page = soup(client.get("/saved"))
    assert [title.text for title in page.select(".product-card-title")] == ["Linen Shirt", "Mug"]
    assert [price.text for price in page.select(".saved-item .product-card-price > .money")] == ["$65.00", "$12.00"]
    assert page.select_one(".saved-count-number").text == "2"
    assert saved_cookie(client) == '["shirt.blue.m","mug"]'
    assert (
        answer.location == "/saved" if headers is OWN else "Linen Shirt, Blue / M is saved for later." in said(answer)
    )


@both_ways
def test_saving_twice_says_so_and_writes_nothing(client, headers):
    set_saved(client, "mug", "clay-teapot")
    answer = client.post("/saved-items", data={"item": "clay-teapot"}, headers=headers)

    assert saved_cookie(client) == '["mug","clay-teapot"]'
    assert "saved=" not in answer.headers.get("Set-Cookie", "")
    if headers is OWN:
        answer = client.get(answer.location)
    assert "Clay Teapot is already on your saved list." in said(answer)


@both_ways
@pytest.mark.parametrize(
    ("item", "status"), [("", 404), ("nothing", 404), ("hidden-lamp", 404), ("\x00", 404), ("shirt", 422)]
)
def test_what_cannot_be_saved_is_refused(client, item, status, headers):
    answer = client.post("/saved-items", data={"item": item}, headers=headers)

    assert answer.status_code == status
    assert saved_cookie(client) is None


def test_what_is_sold_out_gone_or_hidden_is_shown_as_such(client, database):
    set_saved(client, "mantel-clock", "long-gone", "hidden-lamp", "last-poster", "mug", "carved-chair")
    page = soup(client.get("/saved"))

    assert [stock.text for stock in page.select(".saved-item .stock")] == [
        "Sold out.",
        "This item is no longer in the shop.",
        "This item is not for sale at the moment.",
        "Only 1 left.",
        "In stock.",
        "Made to order.",
    ]
    assert len(page.select("form[action$='/move']")) == 3
    assert len(page.select("form[action$='/delete']")) == 6


# To the cart, and from it


@both_ways
def test_a_line_is_moved_out_of_the_cart_and_back(client, headers):
    set_cart(client, '{"mug":3,"clay-teapot":1}')
    set_saved(client, "last-poster")
    form = soup(client.get("/cart")).select_one("form:has(#cart-line-mug-save)")
    fields = {field["name"]: field["value"] for field in form.select("input")}
    answer = client.post(form["action"], data=fields, headers=headers)
    assert (cart_cookie(client), saved_cookie(client)) == ('{"clay-teapot":1}', '["mug","last-poster"]')

    undo(client, answer, headers)

    assert (cart_cookie(client), saved_cookie(client)) == ('{"mug":3,"clay-teapot":1}', '["last-poster"]')


def test_htmx_gets_the_cart_without_the_line(client):
    set_cart(client, '{"mug":3,"clay-teapot":1}')
    answer = soup(client.post("/saved-items", data={"item": "mug", "from": "cart"}, headers=HTMX))

    line = answer.select_one("hx-partial[hx-target='#cart-line-mug']")
    assert line["hx-swap"] == "delete"
    assert answer.select_one("#cart-subtotal .money").text == "$34.00"
    assert answer.select_one("#saved-count .saved-count-number").text == "1"


@both_ways
def test_an_item_is_moved_to_the_cart_and_back(client, headers):
    set_cart(client, '{"clay-teapot":1}')
    set_saved(client, "last-poster", "mug", "postcard")
    answer = client.post("/saved-items/mug/move", headers=headers)
    assert (cart_cookie(client), saved_cookie(client)) == ('{"clay-teapot":1,"mug":1}', '["last-poster","postcard"]')

    undo(client, answer, headers)

    assert (cart_cookie(client), saved_cookie(client)) == ('{"clay-teapot":1}', '["last-poster","mug","postcard"]')


@both_ways
def test_moving_what_the_cart_has_all_of_says_so(client, headers):
    set_cart(client, '{"last-poster":1}')
    set_saved(client, "last-poster")
    answer = client.post("/saved-items/last-poster/move", headers=headers, follow_redirects=True)

    assert "You already have all that can be had of Last Poster: 1." in said(answer)
    assert (cart_cookie(client), saved_cookie(client)) == ('{"last-poster":1}', None)


@both_ways
@pytest.mark.parametrize(
    ("item", "status"), [("mantel-clock", 422), ("hidden-lamp", 404), ("long-gone", 404), ("postcard", 404)]
)
def test_what_cannot_be_moved_stays_where_it_is(client, item, status, headers):
    set_saved(client, "mantel-clock", "hidden-lamp", "long-gone")
    answer = client.post(f"/saved-items/{item}/move", headers=headers)

    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers


@both_ways
def test_a_line_that_is_not_in_the_cart_cannot_be_saved_from_it(client, headers):
    answer = client.post("/saved-items", data={"item": "mug", "from": "cart"}, headers=headers)

    assert answer.status_code == 404
    assert "not in your cart any more" in answer.text
    assert saved_cookie(client) is None


@both_ways
def test_a_full_list_refuses_and_nothing_is_lost(client, headers):
    set_cart(client, '{"mug":1}')
    set_saved(client, *(f"some-long-gone-thing-{number}" for number in range(10)))
    before = saved_cookie(client)
    answer = client.post("/saved-items", data={"item": "mug", "from": "cart"}, headers=headers)

    assert answer.status_code == 422
    assert "Your saved list is full" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert (cart_cookie(client), saved_cookie(client)) == ('{"mug":1}', before)


@both_ways
def test_a_full_cart_refuses_and_nothing_is_lost(client, headers):
    set_cart(
        client, json.dumps({f"some-long-gone-thing-{number:03}": 1 for number in range(57)}, separators=(",", ":"))
    )
    set_saved(client, "shirt.white.m")
    answer = client.post("/saved-items/shirt.white.m/move", headers=headers)

    assert answer.status_code == 422
    assert "Your cart is full" in answer.text
    assert "Set-Cookie" not in answer.headers


@both_ways
def test_where_the_cart_cannot_be_written_the_list_is_not_either(client, headers):
    """The older form of a cart may be shorter than what is written today, which browsers would drop."""
    names = [*(f"some-long-gone-thing-{number:03}" for number in range(118)), "mug"]
    set_cart(client, json.dumps(names, separators=(",", ":")))
    answer = client.post("/saved-items", data={"item": "mug", "from": "cart"}, headers=headers)

    assert answer.status_code == 422
    assert "Set-Cookie" not in answer.headers
    if headers is OWN:
        assert text(answer, ".saved-count-number") == "0"


# Off the list


@both_ways
@pytest.mark.parametrize("item", ["mug", "long-gone", "слон", "a b/c%22", "<b>"])
def test_removing_can_be_undone_in_its_place(client, item, headers):
    set_saved(client, "clay-teapot", item, "postcard")
    form = soup(client.get("/saved")).select(".saved-item")[1].select_one("form[action$='/delete']")
    answer = client.post(form["action"], headers=headers)
    assert saved_cookie(client) == '["clay-teapot","postcard"]'

    undo(client, answer, headers)

    assert json.loads(saved_cookie(client)) == ["clay-teapot", item, "postcard"]


def test_htmx_gets_the_item_gone_and_after_the_last_one_the_empty_list(client):
    set_saved(client, "mug", "shirt.blue.m")
    gone = soup(client.post("/saved-items/shirt.blue.m/delete", headers=ON_SAVED_PAGE))
    assert gone.select_one("hx-partial[hx-target='#saved-item-shirt_2e_blue_2e_m']")["hx-swap"] == "delete"

    empty = soup(client.post("/saved-items/mug/delete", headers=ON_SAVED_PAGE))
    assert "Nothing saved yet" in empty.select_one("hx-partial[hx-target='#saved-list']").text
    assert saved_cookie(client) is None


@both_ways
def test_removing_what_is_not_there_is_not_found(client, headers):
    set_saved(client, "mug")
    answer = client.post("/saved-items/postcard/delete", headers=headers)

    assert answer.status_code == 404
    assert saved_cookie(client) == '["mug"]'


# Values that nobody has typed


BAD_LISTS = {
    **{name: value for name, value in ATTACKS.items() if not value.startswith('["')},
    "object": '{"mug":1}',
    "nested": '[["mug"]]',
    "surrogate": '["\\ud800"]',
    "control": '["\\u0000"]',
    "long": json.dumps(["x" * 300]),
    "four megabytes": "[" * 4_000_000,
}


@pytest.mark.parametrize("value", BAD_LISTS.values(), ids=BAD_LISTS)
def test_a_list_that_cannot_be_read_is_said_and_left_alone(cookieless, value):
    page = cookieless.get("/saved", headers={"Cookie": f"saved={quote(value[:20_000], safe='')}"})

    assert page.status_code == 200
    assert "The saved list in this browser could not be read: it " in text(page, "#saved-list")
    assert "Set-Cookie" not in page.headers


def test_saving_to_a_list_that_cannot_be_read_starts_a_new_one(client):
    client.set_cookie("saved", "{")
    client.post("/saved-items", data={"item": "mug"}, headers=OWN)

    assert saved_cookie(client) == '["mug"]'


def test_what_is_listed_twice_is_shown_once(client):
    set_saved(client, "mug", "mug")

    assert len(soup(client.get("/saved")).select(".saved-item")) == 1


@both_ways
@pytest.mark.parametrize(
    "data",
    [
        {},
        {"items": ""},
        {"items": "{}"},
        {"items": "[1]"},
        {"items": "[]", "cart": "["},
        {"items": "[", "cart": "{}"},
    ],
)
def test_putting_nonsense_back_changes_nothing(client, data, headers):
    set_cart(client, '{"mug":1}')
    set_saved(client, "postcard")
    answer = client.post("/saved", data=data, headers=headers)

    assert answer.status_code == 422
    assert "could not be read" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("query", ["undo=[", "undo={}", "undo=[]&cart=[", "undo=%00", "cart={}"])
def test_an_address_with_nonsense_to_undo_is_the_page_without_it(client, query):
    answer = client.get(f"/saved?{query}")

    assert answer.status_code == 200
    assert not soup(answer).select("#undo")


def test_a_form_from_elsewhere_saves_nothing(client):
    answer = client.post("/saved-items", data={"item": "mug"}, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert saved_cookie(client) is None


def test_a_product_taken_out_of_the_shop_stays_on_the_list(client, database):
    set_saved(client, "mug")
    with database.writing() as connection:
        connection.execute(sa.delete(products).where(products.c.handle == "mug"))

    assert text(client.get("/saved"), ".product-card-title") == "mug"


def test_the_cookies_page_shows_the_list_and_erases_it(client):
    set_saved(client, "mug")
    page = soup(client.get("/cookies"))
    (section,) = page.select(".kept-cookie")
    assert json.loads(section.select(".raw")[1].text) == ["mug"]

    client.post("/cookies/delete", data={"name": "saved"}, headers=OWN)

    assert saved_cookie(client) is None
