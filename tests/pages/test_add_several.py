"""Adding several variants of a product with one form: its order sheet, with htmx and without."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text

WHITE, BLUE = "shirt.white.m", "shirt.blue.m"  # 5 and 2 in stock


def order(client, headers, **quantities):
    """Send the sheet of the shirt: `white="2"`, `blue="1"`; what is left out stays 0."""
    data = {"item": [WHITE, BLUE], "quantity": [quantities.get("white", "0"), quantities.get("blue", "0")]}
    return client.post("/cart-items", data=data, headers=headers)


def seen(client, answer) -> str:
    """What the shopper reads: the message that came for htmx, or on the page that a form leads to."""
    if answer.status_code == 303:
        answer = client.get(answer.location)
    return text(answer, "#messages .message p" if soup(answer).select("html") else ".message p")


def test_a_product_with_a_choice_has_a_sheet(client):
    sheet = soup(client.get("/products/shirt")).select_one("#order-sheet")
    rows = [" ".join(row.text.split()) for row in sheet.select("tbody tr")]

    assert sheet.name == "details" and not sheet.has_attr("open")
    assert rows == ["White / M $60.00", "White / L $60.00 Sold out", "Blue / M Only 2 left. $65.00"]
    assert [field["value"] for field in sheet.select("[name=quantity]")] == ["0", "0"]
    assert [field["value"] for field in sheet.select("[name=item]")] == [WHITE, BLUE]
    assert not soup(client.get("/products/mug")).select("#order-sheet")


@both_ways
def test_several_are_added_at_once(client, headers):
    set_cart(client, '{"mug":1}')
    answer = order(client, headers, white="2", blue="1")

    assert seen(client, answer) == "3 items were added to your cart."
    assert json.loads(cart_cookie(client)) == {"mug": 1, WHITE: 2, BLUE: 1}


def test_htmx_gets_an_empty_sheet_and_the_cart(client):
    answer = soup(order(client, HTMX, white="2"))

    assert answer.select_one("hx-partial[hx-target='#cart-count'] .cart-count-number").text == "2"
    rows = answer.select_one("hx-partial[hx-target='#order-sheet-rows']")
    assert [field["value"] for field in rows.select("[name=quantity]")] == ["0", "0"]
    assert not rows.select("form")


@both_ways
def test_it_goes_as_far_as_stock_and_says_what_was_short(client, headers):
    answer = order(client, headers, white="2", blue="9")

    assert seen(client, answer) == (
        "4 items were added to your cart. There was less than you asked for of: "
        "Linen Shirt, Blue / M (2 in your cart)."
    )
    assert json.loads(cart_cookie(client)) == {WHITE: 2, BLUE: 2}


@both_ways
def test_what_is_sold_out_meanwhile_is_named(client, headers):
    data = {"item": [WHITE, "shirt.white.l"], "quantity": ["1", "1"]}
    answer = client.post("/cart-items", data=data, headers=headers)

    assert seen(client, answer).endswith("Linen Shirt, White / L (sold out).")
    assert json.loads(cart_cookie(client)) == {WHITE: 1}


@both_ways
def test_when_nothing_more_is_to_be_had_it_says_so(client, headers):
    set_cart(client, f'{{"{BLUE}":2}}')
    answer = order(client, headers, blue="1")

    assert seen(client, answer) == "Nothing was added. There is no more of: Linen Shirt, Blue / M (2 in your cart)."
    assert json.loads(cart_cookie(client)) == {BLUE: 2}


@both_ways
@pytest.mark.parametrize("wrong", ["-1", "1000", "1.5", "two", "٣"])
def test_a_bad_quantity_is_explained_beside_its_field_and_all_are_kept(client, wrong, headers):
    answer = order(client, headers, white="3", blue=wrong)
    page = soup(answer)
    white, blue = page.select(".order-sheet-rows [name=quantity]")

    assert answer.status_code == 422
    assert (white["value"], blue["value"]) == ("3", wrong)
    assert not white.has_attr("aria-invalid")
    assert blue["aria-invalid"] == "true" and blue.has_attr("autofocus")
    beside = page.select_one(f"#{blue['aria-describedby']}").text
    assert beside == "Choose a quantity from 0 to 999, in digits."
    assert f"Linen Shirt, Blue / M: {beside}" in answer.text
    assert page.select_one("#order-sheet[open]") or headers == HTMX
    assert cart_cookie(client) is None


@both_ways
def test_a_sheet_without_a_number_asks_for_one(client, headers):
    answer = order(client, headers, white="", blue="0")

    assert answer.status_code == 422
    assert "Set how many you want of at least one of them." in answer.text
    assert cart_cookie(client) is None


@both_ways
def test_a_full_cart_takes_none_of_them(client, headers):
    full = json.dumps({f"an-item-with-a-long-name-{n:03}": 1 for n in range(62)}, separators=(",", ":"))
    client.set_cookie("cart", quote(full, safe="{}:,").replace(",", "%2C"))
    answer = order(client, headers, white="1", blue="1")

    assert answer.status_code == 422
    assert "Your cart is full" in answer.text
    assert [field["value"] for field in soup(answer).select(".order-sheet-rows [name=quantity]")] == ["1", "1"]
    assert "Set-Cookie" not in answer.headers


@both_ways
@pytest.mark.parametrize("gone", ["shirt.red.m", "hidden-lamp"])
def test_when_one_is_gone_the_others_stay_as_they_were_typed(client, headers, gone):
    answer = client.post("/cart-items", data={"item": [WHITE, gone], "quantity": ["7", "1"]}, headers=headers)

    assert answer.status_code == 422
    assert "Not all of these are in the shop any more" in answer.text
    assert "7" in [field["value"] for field in soup(answer).select(".order-sheet-rows [name=quantity]")]
    assert cart_cookie(client) is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"item": [WHITE, BLUE], "quantity": ["1"]}, 422),
        ({"item": [WHITE, WHITE], "quantity": ["1", "1"]}, 422),
        ({"item": ["shirt.red.m", "hidden-lamp"], "quantity": ["1", "1"]}, 404),
        ({"item": [f"item-{n}" for n in range(101)], "quantity": ["1"] * 101}, 422),
    ],
    ids=["a quantity is missing", "an item twice", "unknown items", "too many"],
)
def test_what_no_sheet_sends_adds_nothing(client, data, status):
    answer = client.post("/cart-items", data=data, headers=OWN)

    assert answer.status_code == status
    assert cart_cookie(client) is None
