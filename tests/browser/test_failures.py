"""When the network or the shop fails: the page stays, says so, and the next try works."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Complaints, add_button, badge, cart, fill_cart, staying_on

OFFLINE = "No connection. Nothing was changed"
FAILURE = "Something went wrong on our side. Nothing was changed"


@pytest.fixture(autouse=True)
def failures_are_logged(complaints: Complaints) -> None:
    """htmx and the browser each write a line about a request that failed."""
    complaints.expect("Failed to fetch", "ERR_INTERNET_DISCONNECTED", "status of 50[03]", "status of 404")


def fail(route: Route) -> None:
    route.fulfill(status=500, content_type="text/html", body="<!DOCTYPE html><title>500</title><h1>It broke</h1>")


def test_an_add_while_offline_says_so_and_the_next_one_works(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")

    with staying_on(page):
        visitor.set_offline(True)
        add_button(page, "Mug").click()
        expect(page.get_by_role("status")).to_contain_text(OFFLINE)
        expect(page.get_by_role("heading", name="All products")).to_be_visible()
        expect(add_button(page, "Mug")).to_be_focused()
        expect(badge(page)).to_have_text("1")
        assert cart(visitor) == {"mug": 1}

        visitor.set_offline(False)
        add_button(page, "Mug").click()
        expect(badge(page)).to_have_text("2")
        expect(page.get_by_role("status")).to_contain_text("2 of Mug are in your cart.")


def test_an_add_that_the_shop_fails_at_says_so_and_the_next_one_works(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")
    page.route("**/cart-items", fail)

    with staying_on(page):
        add_button(page, "Mug").click()
        expect(page.get_by_role("status")).to_contain_text(FAILURE)
        expect(page.get_by_role("heading", name="All products")).to_be_visible()
        expect(page).to_have_title("All products · Crumb")
        expect(badge(page)).to_have_text("1")
        assert cart(visitor) == {"mug": 1}

        page.unroute("**/cart-items")
        add_button(page, "Mug").click()
        expect(badge(page)).to_have_text("2")


def test_a_failure_in_a_row_of_clicks_stops_none_of_the_others(page: Page, visitor: BrowserContext):
    page.goto("/products")
    page.route("**/cart-items", fail, times=1)

    add_button(page, "Mug").click(click_count=3)

    expect(badge(page)).to_have_text("2")
    assert cart(visitor) == {"mug": 2}


def test_the_cart_stays_when_a_change_fails(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1, postcard=1)
    page.goto("/cart")
    page.route("**/cart-items/*", fail)

    page.get_by_role("button", name="Remove Mug").click()

    expect(page.get_by_role("status")).to_contain_text(FAILURE)
    expect(page.get_by_label("Quantity of Mug")).to_have_value("1")
    expect(page.get_by_role("button", name="Remove Mug")).to_be_focused()
    assert cart(visitor) == {"mug": 1, "postcard": 1}


def test_an_undo_that_fails_can_be_tried_again(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/cart")
    page.get_by_role("button", name="Remove Mug").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()

    visitor.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(OFFLINE)
    expect(undo).to_be_focused()

    visitor.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Quantity of Mug")).to_have_value("1")
    expect(page.get_by_role("status")).to_have_text("Mug is in your cart.")


def test_sorting_that_fails_leaves_the_list_and_the_address(page: Page):
    page.goto("/products")
    page.route("**/products?sort=*", fail)

    page.get_by_label("Sort").select_option("Name, A to Z")

    expect(page.get_by_role("status")).to_contain_text(FAILURE)
    expect(page).to_have_url("/products")
    expect(page.locator(".product-card-title").first).to_have_text("Clay Teapot")


def test_a_list_that_is_gone_is_a_page_that_says_so(page: Page):
    page.goto("/collections/kitchen")
    page.route(
        "**/collections/kitchen?sort=*",
        lambda route: route.continue_(url=route.request.url.replace("kitchen", "closed")),
    )

    page.get_by_label("Sort").select_option("Name, A to Z")

    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    expect(page.get_by_role("link", name="See all products")).to_be_visible()


def test_a_tab_that_comes_back_offline_is_quiet(page: Page, visitor: BrowserContext):
    page.goto("/products")
    visitor.set_offline(True)

    page.evaluate(
        """() => new Promise((tried) => {
            document.addEventListener("htmx:finally:request", () => tried(), { once: true });
            document.dispatchEvent(new Event("visibilitychange"));
        })"""
    )
    expect(page.get_by_role("status")).to_have_text("")

    visitor.set_offline(False)
    add_button(page, "Mug").click()
    expect(badge(page)).to_have_text("1")
    expect(page.get_by_role("status")).to_contain_text("Mug is in your cart.")


def test_a_picture_that_is_missing_leaves_a_tile(page: Page):
    page.route("**/tea-cup.webp", lambda route: route.fulfill(status=404))

    page.goto("/products")

    expect(page.locator("img.picture-broken")).to_have_count(1)
    expect(page.get_by_role("link", name="Mug", exact=False).first).to_be_visible()
