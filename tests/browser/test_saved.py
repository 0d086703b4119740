"""Saved for later: from the product, from the cart, and back, with htmx and without, by mouse and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import badge, cart, eventually, fill_cart, staying_on
from tests.browser.test_drawer import drawer, open_from_badge, quantity


def saved(visitor: BrowserContext) -> list[str]:
    """The list as the browser's cookie store has it."""
    values = [cookie["value"] for cookie in visitor.cookies() if cookie["name"] == "saved"]
    return json.loads(unquote(values[0])) if values else []


def save(visitor: BrowserContext, *items: str) -> None:
    """Give the visitor a list, as an earlier visit would have."""
    value = json.dumps(items, separators=(",", ":")).replace('"', "%22").replace(",", "%2C")
    place = {"domain": "127.0.0.1", "path": "/", "httpOnly": True, "sameSite": "Lax"}
    visitor.add_cookies([{"name": "saved", "value": value, **place}])


def heart(page: Page) -> Locator:
    """The number beside the heart in the header."""
    return page.locator("#saved-count .saved-count-number")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("scripted", [False, True], ids=["without-javascript", "with-htmx"])
def test_a_thing_goes_to_the_list_to_the_cart_and_back(visit: Callable[..., BrowserContext], scripted: bool):
    visitor = visit(java_script_enabled=scripted)
    page = visitor.new_page()
    status = page.get_by_role("status")
    page.goto("/products/mug")

    press(page, "Save for later: Mug")
    expect(status).to_contain_text("Mug is saved for later.")
    expect(heart(page)).to_have_text("1")
    if scripted:
        for _ in range(2):
            expect(page.get_by_role("button", name="Saved for later: Mug", exact=True)).to_be_visible()
            page.reload()

    page.locator("#saved-count").click()
    page.wait_for_url("/saved")
    press(page, "Move to cart: Mug")
    expect(status).to_contain_text("Mug is in your cart.")
    expect(page.get_by_text("Nothing saved yet.")).to_be_visible()
    expect(badge(page)).to_have_text("1")
    press(page, "Undo")
    expect(page.locator(".saved-item")).to_have_count(1)
    expect(badge(page)).to_have_text("0")
    press(page, "Remove Mug")
    expect(status).to_contain_text("Mug is off your saved list.")
    press(page, "Undo")
    expect(page.locator(".saved-item")).to_have_count(1)
    press(page, "Move to cart: Mug")
    expect(badge(page)).to_have_text("1")
    assert (cart(visitor), saved(visitor)) == ({"mug": 1}, [])

    page.goto("/cart")
    press(page, "Save for later: Mug")
    expect(page.get_by_text("Your cart is empty.")).to_be_visible()
    expect(heart(page)).to_have_text("1")
    press(page, "Undo")
    expect(quantity(page, "Mug")).to_have_value("1")
    assert (cart(visitor), saved(visitor)) == ({"mug": 1}, [])


def test_keyboard_visitors_never_lose_the_focus(page: Page, visitor: BrowserContext):
    save(visitor, "mug", "postcard")
    page.goto("/saved")

    with staying_on(page):
        page.get_by_role("button", name="Move to cart: Mug").press("Enter")
        expect(page.get_by_role("button", name="Undo")).to_be_focused()
        page.get_by_role("button", name="Remove Postcard").press("Enter")
        expect(page.get_by_text("Nothing saved yet.")).to_be_visible()
        expect(page.get_by_role("button", name="Undo")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Move to cart: Postcard")).to_be_visible()
        expect(page.locator(":focus")).to_have_id("main")
    assert (cart(visitor), saved(visitor)) == ({"mug": 1}, ["postcard"])


def test_fast_clicks_move_all_of_them(page: Page, visitor: BrowserContext):
    save(visitor, "mug", "postcard", "clay-teapot")
    page.goto("/saved")

    page.evaluate("document.querySelectorAll('.saved-item .button').forEach((button) => button.click())")

    expect(page.get_by_text("Nothing saved yet.")).to_be_visible()
    eventually(lambda: cart(visitor), {"mug": 1, "postcard": 1, "clay-teapot": 1})
    assert saved(visitor) == []


def test_what_the_drawer_saves_is_on_the_page_behind_it(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=2, postcard=1)
    page.goto("/saved")

    open_from_badge(page).get_by_role("button", name="Save for later: Mug").press("Enter")

    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    expect(drawer(page).get_by_role("status")).to_contain_text("Mug is saved for later.")
    expect(page.locator(".saved-item")).to_have_count(1)
    expect(heart(page)).to_have_text("1")
    expect(badge(page)).to_have_text("1")
    page.keyboard.press("Enter")
    expect(quantity(page, "Mug")).to_have_value("2")
    expect(page.locator(".saved-item")).to_have_count(0)
    expect(page.locator("#saved-count")).to_be_hidden()
