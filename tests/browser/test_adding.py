"""Adding to the cart as people do: quickly, in several tabs, on the way out, and with the keyboard."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import (
    Complaints,
    add_button,
    badge,
    cart,
    eventually,
    fill_cart,
    paused,
    slow,
    staying_on,
)
from tests.live import LiveShop

DAY = 24 * 60 * 60


def press_ten_times(page: Page) -> None:
    add_button(page, "Mug").evaluate("button => { for (let i = 0; i < 10; i++) button.click(); }")


def click_ten_times(page: Page) -> None:
    add_button(page, "Mug").click(click_count=10)


@pytest.mark.parametrize("ten_clicks", [press_ten_times, click_ten_times])
def test_ten_fast_clicks_add_ten(page: Page, visitor: BrowserContext, ten_clicks):
    page.goto("/products")

    with staying_on(page):
        ten_clicks(page)
        expect(badge(page)).to_have_text("10")

    assert cart(visitor) == {"mug": 10}


@pytest.mark.parametrize("locks", [True, False], ids=["with-web-locks", "without-web-locks"])
def test_fast_clicks_on_five_buttons_add_all_five(page: Page, visitor: BrowserContext, locks: bool):
    if not locks:  # as on a plain http:// address other than localhost
        page.add_init_script("delete Navigator.prototype.locks")
    page.goto("/products")
    assert page.evaluate("Boolean(navigator.locks)") is locks

    page.evaluate(
        """titles => {
            for (const title of titles) document.querySelector(`[aria-label='Add to cart: ${title}']`).click();
        }""",
        ["Clay Teapot", "Mug", "Last Poster", "Carved Chair", "Postcard"],
    )
    expect(badge(page)).to_have_text("5")

    assert cart(visitor) == {"clay-teapot": 1, "mug": 1, "last-poster": 1, "carved-chair": 1, "postcard": 1}


def test_ten_fast_clicks_in_each_of_two_tabs_add_twenty(page: Page, visitor: BrowserContext):
    tabs = page, visitor.new_page()
    for tab in tabs:
        tab.goto("/products")
    # Both start when the same message reaches them.
    for tab in tabs:
        tab.evaluate(
            """() => new BroadcastChannel("start").addEventListener("message", () => {
                const button = document.querySelector("[aria-label='Add to cart: Mug']");
                for (let i = 0; i < 10; i++) button.click();
            })"""
        )
    third = visitor.new_page()
    third.goto("/cart")

    third.evaluate("new BroadcastChannel('start').postMessage('go')")

    eventually(lambda: cart(visitor), {"mug": 20})
    for tab in tabs:
        expect(tab.locator("form.htmx-request")).to_have_count(0)


def test_leaving_the_page_keeps_an_add_that_is_under_way(visitor: BrowserContext, page: Page, shop: LiveShop):
    # A back-forward cache would keep the page alive for a while, and the request with it: this browser has none.
    page.goto("/products")

    with paused(shop):
        with page.expect_request("**/cart-items"):
            add_button(page, "Mug").click(no_wait_after=True)
        page.goto("about:blank")
        assert cart(visitor) == {}

    eventually(lambda: cart(visitor), {"mug": 1})


def test_a_link_clicked_during_adds_shows_all_of_them(page: Page, visitor: BrowserContext):
    page.goto("/products")
    slow(page, 100)

    page.evaluate(
        """() => {
            const button = document.querySelector("[aria-label='Add to cart: Mug']");
            for (let i = 0; i < 3; i++) button.click();
            document.querySelector(".footer a[href='/cart']").click();
        }"""
    )

    expect(page).to_have_url("/cart")
    expect(page.get_by_label("Quantity of Mug")).to_have_value("3")
    assert cart(visitor) == {"mug": 3}


def test_the_cart_cookie_is_plain_to_read_and_kept_thirty_days(page: Page, visitor: BrowserContext):
    page.goto("/products")
    assert visitor.cookies() == [], "looking around sets no cookie"
    page.goto("/products/clay-teapot")

    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(badge(page)).to_have_text("2")

    (cookie,) = [cookie for cookie in visitor.cookies() if cookie["name"] == "cart"]
    assert cookie["name"] == "cart"
    assert cookie["value"] == "{%22clay-teapot%22:2}"
    assert cookie["httpOnly"] is True
    assert cookie["secure"] is False
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["expires"] == pytest.approx(time.time() + 30 * DAY, abs=60)


def test_what_was_added_is_said_in_a_live_region_that_stays(page: Page):
    page.goto("/products")
    status = page.get_by_role("status")
    status.evaluate("region => { region.marker = 'the same'; }")

    add_button(page, "Mug").click()
    expect(status).to_contain_text("Mug is in your cart.")
    add_button(page, "Mug").click()
    expect(status).to_contain_text("2 of Mug are in your cart.")
    add_button(page, "Last Poster").click(click_count=2)
    expect(status).to_contain_text("You already have all that can be had of Last Poster: 1.")

    expect(status).to_have_id("messages")
    assert status.evaluate("region => region.marker") == "the same"


def test_a_refused_quantity_is_explained_beside_it_until_it_is_changed(page: Page, complaints: Complaints):
    complaints.expect("status of 422")
    page.goto("/products/clay-teapot")

    quantity = page.get_by_label("Quantity")
    quantity.fill("two")
    quantity.press("Enter")
    expect(page.locator("#add-form-error")).to_have_text("Choose a quantity from 1 to 999, in digits.")
    expect(page.get_by_role("status")).to_have_text("Choose a quantity from 1 to 999, in digits.")
    expect(quantity).to_be_focused()
    expect(quantity).to_have_value("two")
    expect(badge(page)).to_have_text("0")

    quantity.fill("2")
    expect(page.locator("#add-form-error")).to_be_empty()
    quantity.press("Enter")
    expect(badge(page)).to_have_text("2")


def test_more_than_there_are_adds_what_there_is(page: Page, visitor: BrowserContext):
    page.goto("/products/clay-teapot")

    page.get_by_label("Quantity").fill("20")
    page.get_by_role("button", name="Add to cart", exact=True).click()

    told = "Only 12 of Clay Teapot can be had, so your cart now holds 12."
    expect(page.get_by_role("status")).to_contain_text(told)
    assert cart(visitor) == {"clay-teapot": 12}


def test_a_card_of_a_product_with_options_asks_for_the_choice(page: Page):
    page.goto("/products")
    card = page.locator(".product-card", has_text="Linen Shirt")

    expect(card.get_by_role("button")).to_have_count(0)
    card.get_by_role("link", name="Choose: Linen Shirt").click()

    expect(page).to_have_url("/products/shirt")
    expect(page.get_by_role("heading", name="Linen Shirt")).to_be_visible()


def test_the_focus_stays_on_the_button_that_adds(page: Page):
    page.goto("/products")
    add_button(page, "Mug").click()
    expect(badge(page)).to_have_text("1")
    expect(add_button(page, "Mug")).to_be_focused()

    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("2")
    page.keyboard.press("Space")
    expect(badge(page)).to_have_text("3")
    expect(add_button(page, "Mug")).to_be_focused()


def test_the_focus_stays_on_the_badge_while_it_changes(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")
    page.locator("#cart-count").focus()

    add_button(page, "Mug").evaluate("button => button.click()")

    expect(badge(page)).to_have_text("2")
    expect(page.locator("#cart-count")).to_be_focused()
