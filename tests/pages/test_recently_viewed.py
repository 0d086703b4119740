"""`POST /recently-viewed`: the products that were looked at, kept in the browser and shown below the next one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shop import Shop
from tests.conftest import HTMX, OWN, cart_cookie, soup, text


def look_at(client, *handles, headers=HTMX):
    """Look at these products, one after the other: the answer to the last."""
    for handle in handles:
        answer = client.post("/recently-viewed", data={"handle": handle}, headers=headers)
    return answer


def recent(client) -> list[str]:
    return json.loads(cart_cookie(client, "recent") or "[]")


def titles(answer) -> list[str]:
    return [title.text for title in soup(answer).select("#recently-viewed .product-card-title")]


def test_what_was_looked_at_is_kept_and_the_others_are_shown(client):
    assert look_at(client, "mug").text.strip() == ""
    answer = look_at(client, "clay-teapot", "shirt", "mug")

    assert recent(client) == ["mug", "shirt", "clay-teapot"]
    assert titles(answer) == ["Linen Shirt", "Clay Teapot"]
    assert "clay-teapot" in text(client.get("/cookies"), "main")


def test_a_page_asks_by_itself_and_says_nothing_of_the_visitor(client):
    look_at(client, "clay-teapot")
    answer = client.get("/products/mug")
    section = soup(answer).select_one("#recently-viewed")

    assert (section["data-hx-post"], section["data-hx-trigger"]) == ("/recently-viewed", "load")
    assert json.loads(section["data-hx-vals"]) == {"handle": "mug"}
    assert "Clay Teapot" not in str(section)
    assert "Set-Cookie" not in answer.headers


def test_products_that_are_gone_are_left_out(client):
    client.set_cookie("recent", "[%22hidden-lamp%22%2C%22no-such%22%2C%22mug%22]")

    assert titles(look_at(client, "clay-teapot")) == ["Mug"]


@pytest.mark.parametrize("handle", ["", "no-such", "hidden-lamp", "shirt.blue.m", "x" * 5000, "'"])
def test_what_is_no_product_changes_nothing(client, handle):
    look_at(client, "mug")
    answer = look_at(client, handle)

    assert (answer.status_code, answer.text) == (404, "")
    assert recent(client) == ["mug"]
    plain = client.post("/recently-viewed", data={"handle": handle}, headers=OWN)
    assert plain.status_code == 404
    assert soup(plain).select("main a[href]")


def test_a_broken_cookie_starts_again(client):
    client.set_cookie("recent", "{%22mug%22:1}")
    look_at(client, "clay-teapot")

    assert recent(client) == ["clay-teapot"]


def test_a_form_that_somebody_sends_without_scripts_leads_to_the_product(client):
    answer = look_at(client, "mug", headers=OWN)

    assert (answer.status_code, answer.location) == (303, "/products/mug")


def test_a_shop_may_do_without(app, client):
    shop = app.extensions["shop"]
    app.extensions["shop"] = Shop(replace(shop.settings, recently_viewed=False), shop.database, shop.terms)

    assert not soup(client.get("/products/mug")).select("#recently-viewed")
    assert look_at(client, "mug").status_code == 404
    assert recent(client) == []
