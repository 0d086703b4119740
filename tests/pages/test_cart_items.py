"""`/cart-items`: adding, changing and removing lines, with htmx and without."""

from __future__ import annotations

import pytest

from shop.cookies.cart import CART
from shop.cookies.jar import encode
from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text


@both_ways
def test_adding_a_mug_fills_the_cart(client, mug, headers):
    client.post("/cart-items", data={"item": mug.item}, headers=headers)

    page = client.get("/cart")
    assert text(page, ".cart-count-number") == "1"
    assert text(page, ".cart-line-total") == "$12.00"
    assert cart_cookie(client) == '{"mug":1}'


def test_htmx_gets_the_badge_the_cart_and_a_sentence(client):
    set_cart(client, '{"clay-teapot":1}')
    answer = client.post("/cart-items", data={"item": "mug", "quantity": "3"}, headers=HTMX)
    page = soup(answer)

    assert answer.status_code == 200
    assert [partial["hx-target"] for partial in page.select("hx-partial")] == ["#cart-count", "#cart", "#messages"]
    assert text(answer, ".cart-count-number") == "4"
    assert [line["id"] for line in page.select(".cart-line")] == ["cart-line-clay-teapot", "cart-line-mug"]
    assert [line["id"] for line in page.select(".cart-line-new")] == ["cart-line-mug"]
    assert text(answer, ".message p") == "3 of Mug are in your cart."
    assert page.select_one(".message a[data-opens=cart-drawer]")["href"] == "/cart"


def test_a_plain_form_gets_the_cart_page_and_the_sentence_once(client):
    answer = client.post("/cart-items", data={"item": "mug"}, headers=OWN)
    assert (answer.status_code, answer.location) == (303, "/cart")

    page = client.get(answer.location)
    assert text(page, "#messages .message") == "Mug is in your cart."
    assert page.headers["Cache-Control"] == "no-store"
    assert not soup(client.get("/cart")).select("#messages .message")


@both_ways
def test_more_than_there_is_becomes_all_there_is(client, teapot, headers):
    answer = client.post(
        "/cart-items", data={"item": "clay-teapot", "quantity": "40"}, headers=headers, follow_redirects=True
    )

    assert "Only 12 of Clay Teapot can be had, so your cart now holds 12." in answer.text
    assert cart_cookie(client) == '{"clay-teapot":12}'


@both_ways
def test_the_last_poster_is_added_once(client, last_poster, headers):
    client.post("/cart-items", data={"item": last_poster.item}, headers=headers)
    answer = client.post("/cart-items", data={"item": last_poster.item}, headers=headers, follow_redirects=True)

    assert "You already have all that can be had of Last Poster: 1." in answer.text
    assert cart_cookie(client) == '{"last-poster":1}'


def test_a_cart_that_did_not_change_is_not_written_again(client, last_poster):
    set_cart(client, '{"last-poster":1}')
    answer = client.post("/cart-items", data={"item": last_poster.item}, headers=HTMX)

    assert "Set-Cookie" not in answer.headers


@both_ways
def test_what_is_sold_out_is_refused(client, clock, headers):
    answer = client.post("/cart-items", data={"item": clock.item}, headers=headers)

    assert answer.status_code == 422
    assert "Mantel Clock is sold out." in answer.text
    assert cart_cookie(client) is None


@both_ways
@pytest.mark.parametrize(
    "item", ["", "no-such-thing", "hidden-lamp", "draft-vase", "shirt.red.m", "mug\x00", "' or 1=1 --", "x" * 5000]
)
def test_what_is_not_in_the_shop_is_not_found(client, item, headers):
    set_cart(client, '{"mug":1}')
    answer = client.post("/cart-items", data={"item": item}, headers=headers)

    assert answer.status_code == 404
    assert "not in the shop" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("quantity", ["", "0", "-1", "1000", "1.5", "1e2", "٣", "one", "9" * 5000])
def test_a_bad_quantity_is_explained_beside_the_field_and_kept(client, quantity):
    answer = client.post("/cart-items", data={"item": "mug", "quantity": quantity}, headers=OWN)
    page = soup(answer)

    assert answer.status_code == 422
    assert page.select_one("#quantity")["value"] == quantity
    assert page.select_one("#quantity")["aria-invalid"] == "true"
    assert page.select_one("#quantity")["aria-describedby"] == page.select_one(".field-error")["id"]
    assert page.select_one(".field-error").text == "Choose a quantity from 1 to 999, in digits."
    assert cart_cookie(client) is None


def test_htmx_puts_a_bad_quantity_beside_the_field_and_says_it(client):
    answer = client.post("/cart-items", data={"item": "mug", "quantity": "0"}, headers=HTMX)
    page = soup(answer)

    assert answer.status_code == 422
    assert "Choose a quantity" in page.select_one("hx-partial[hx-target='#add-form-error']").text
    assert "Choose a quantity" in page.select_one("hx-partial[hx-target='#messages']").text


@both_ways
def test_a_product_with_variants_asks_for_the_choice(client, headers):
    answer = client.post("/cart-items", data={"item": "shirt"}, headers=headers)

    assert answer.status_code == 422
    assert "Linen Shirt comes in several versions: choose one first." in answer.text
    assert "/products/shirt" in answer.text
    assert cart_cookie(client) is None


def test_a_variant_is_added_by_its_item(client):
    client.post("/cart-items", data={"item": "shirt.blue.m"}, headers=OWN)

    assert cart_cookie(client) == '{"shirt.blue.m":1}'
    assert text(client.get("/cart"), ".cart-line-variant") == "Blue / M"


# One line


@both_ways
def test_a_line_can_be_set(client, headers):
    set_cart(client, '{"mug":1,"clay-teapot":1}')
    answer = client.post("/cart-items/mug", data={"quantity": "7"}, headers=headers, follow_redirects=True)

    assert "Mug: 7 in your cart." in answer.text
    assert cart_cookie(client) == '{"mug":7,"clay-teapot":1}'


def test_htmx_gets_the_parts_of_the_line_and_no_form(client):
    set_cart(client, '{"shirt.blue.m":1}')
    answer = soup(client.post("/cart-items/shirt.blue.m", data={"quantity": "9"}, headers=HTMX))

    assert [partial["hx-target"] for partial in answer.select("hx-partial")] == [
        "#cart-count",
        "#cart-subtotal",
        "#cart-share",
        "#cart-line-shirt_2e_blue_2e_m-quantity",
        "#cart-line-shirt_2e_blue_2e_m-total",
        "#cart-line-shirt_2e_blue_2e_m-problem",
        "#messages",
    ]
    assert answer.select_one("input[name=quantity]")["value"] == "2"
    assert not answer.select("form")


@pytest.mark.parametrize(("step", "after"), [("1", '{"mug":3}'), ("-1", '{"mug":1}')])
def test_a_step_counts_from_what_the_cart_holds(client, step, after):
    set_cart(client, '{"mug":2}')
    client.post("/cart-items/mug", data={"quantity": "77", "step": step}, headers=HTMX)

    assert cart_cookie(client) == after


def test_a_step_counts_from_what_the_page_shows(client):
    set_cart(client, '{"clay-teapot":50}')  # 12 in stock
    client.post("/cart-items/clay-teapot", data={"step": "-1"}, headers=HTMX)

    assert cart_cookie(client) == '{"clay-teapot":11}'


def test_one_less_than_one_removes_the_line(client):
    set_cart(client, '{"mug":1}')
    client.post("/cart-items/mug", data={"step": "-1"}, headers=HTMX)

    assert cart_cookie(client) is None


@both_ways
def test_a_removal_can_be_undone_in_its_place(client, headers):
    set_cart(client, '{"mug":2,"clay-teapot":1}')
    answer = client.post("/cart-items/mug", data={"quantity": "0"}, headers=headers)
    assert cart_cookie(client) == '{"clay-teapot":1}'
    if answer.status_code == 303:
        answer = client.get(answer.location)
    assert "Mug is out of your cart." in answer.text
    undo = soup(answer).select_one("form:has(#undo)")
    answer = client.post(
        undo["action"],
        data={"items": undo.select_one("[name=items]")["value"]},
        headers=headers,
        follow_redirects=True,
    )

    assert cart_cookie(client) == '{"mug":2,"clay-teapot":1}'
    assert "2 of Mug are in your cart." in answer.text


@both_ways
@pytest.mark.parametrize(
    "data",
    [
        {},
        {"quantity": ""},
        {"quantity": "-1"},
        {"quantity": "1000"},
        {"quantity": "two"},
        {"step": "5"},
        {"step": ""},
    ],
)
def test_a_bad_quantity_leaves_the_line_as_it_was(client, data, headers):
    set_cart(client, '{"mug":2}')
    answer = client.post("/cart-items/mug", data=data, headers=headers)

    assert answer.status_code == 422
    assert cart_cookie(client) == '{"mug":2}'


@pytest.mark.parametrize(("typed", "shown"), [("", ["2"]), ("two", [])])
def test_an_emptied_quantity_becomes_what_it_was(client, typed, shown):
    set_cart(client, '{"mug":2}')
    answer = soup(client.post("/cart-items/mug", data={"quantity": typed}, headers=HTMX))

    assert [field["value"] for field in answer.select("input[name=quantity]")] == shown
    assert "Choose a quantity" in answer.select_one("hx-partial[hx-target='#messages']").text


@pytest.mark.parametrize("typed", ["", "two", "1000", '"><b>'])
def test_without_htmx_a_refused_quantity_is_told_beside_its_field(client, typed):
    set_cart(client, '{"mug":2,"clay-teapot":1}')
    page = soup(client.post("/cart-items/mug", data={"quantity": typed}, headers=OWN))
    field, other = (
        page.select_one("#cart-line-mug-quantity"),
        page.select_one("#cart-line-clay-teapot-quantity"),
    )

    assert field["value"] == typed
    assert "Choose a quantity" in page.find(id=field["aria-describedby"]).text
    assert field.has_attr("autofocus") and not other.has_attr("aria-invalid")
    assert other["value"] == "1"


@both_ways
def test_a_line_that_is_not_in_the_cart_is_not_found(client, headers):
    answer = client.post("/cart-items/mug", data={"quantity": "1"}, headers=headers)

    assert answer.status_code == 404
    assert "not in your cart any more" in answer.text
    assert cart_cookie(client) is None


@both_ways
def test_a_line_sold_out_meanwhile_keeps_its_place(client, headers):
    set_cart(client, '{"mantel-clock":2}')
    answer = client.post("/cart-items/mantel-clock", data={"quantity": "1"}, headers=headers)

    assert answer.status_code == 422
    assert cart_cookie(client) == '{"mantel-clock":2}'
    assert "sold out" in soup(answer).find(id="cart-line-mantel-clock-problem").text.lower()


def test_a_quantity_that_the_cookie_has_no_room_for_is_told_in_the_cart(client):
    cart = {"mug": 9}
    while (rest := CART.budget - len("cart") - len(encode({**cart, "": 1}))) > 0:
        cart["x" * min(rest, 200 + len(cart))] = 1
    client.set_cookie("cart", encode(cart))
    answer = client.post("/cart-items/mug", data={"step": "1"}, headers=OWN)

    assert answer.status_code == 422
    assert "full" in soup(answer).find(id="cart-line-mug-problem").text
    assert "Set-Cookie" not in answer.headers


# A link that offers to add


def test_a_link_offers_and_changes_nothing(client):
    answer = client.get("/cart-items?item=shirt.blue.m&quantity=2")
    form = soup(answer).select_one("#add-form")

    assert "Linen Shirt, Blue / M" in answer.text
    assert (form["method"], form["action"]) == ("post", "/cart-items")
    assert form.select_one("[name=item]")["value"] == "shirt.blue.m"
    assert form.select_one("[name=quantity]")["value"] == "2"
    assert "Set-Cookie" not in answer.headers


def test_a_link_to_what_has_versions_keeps_its_quantity_until_one_is_chosen(client):
    page = soup(client.get("/cart-items?item=shirt&quantity=3", follow_redirects=True))

    assert page.select_one("#add-form [name=quantity]")["value"] == "3"


def test_a_link_with_a_bad_quantity_says_so_and_offers_one(client):
    page = soup(client.get("/cart-items?item=mug&quantity=lots"))

    assert page.select_one("#quantity")["value"] == "1"
    assert "can't be" in page.select_one(".field-error").text


@pytest.mark.parametrize("query", ["", "?item=", "?item=nothing", "?item=hidden-lamp", "?quantity=2"])
def test_a_link_to_nothing_is_not_found(client, query):
    assert client.get(f"/cart-items{query}").status_code == 404


def test_a_link_to_a_product_with_variants_leads_to_its_choices(client):
    answer = client.get("/cart-items?item=shirt")

    assert (answer.status_code, answer.location) == (303, "/products/shirt")


def test_a_link_to_something_sold_out_has_no_button(client):
    page = soup(client.get("/cart-items?item=mantel-clock"))

    assert "Sold out" in page.select_one("main").text
    assert not page.select("#add-form")
