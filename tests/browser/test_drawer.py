"""The cart's drawer: it opens when asked and after an add, keeps the focus, and agrees with badge and page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import (
    Complaints,
    Gate,
    add_button,
    back,
    badge,
    cart,
    eventually,
    fill_cart,
    staying_on,
    type_over,
)


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Your cart")


def open_from_badge(page: Page) -> Locator:
    page.locator("#cart-count").click()
    expect(drawer(page).locator(".cart-line, .empty").first).to_be_visible()
    return drawer(page)


def add(page: Page) -> Locator:
    """The button of a product's page."""
    return page.locator("#add-form").get_by_role("button", name="Add to cart")


def quantity(page: Page, title: str) -> Locator:
    return page.get_by_label(f"Quantity of {title}", exact=True)


def rest(page: Page) -> None:
    """Let the moment pass in which the drawer would open: that it doesn't is what can be seen then."""
    page.evaluate("() => new Promise((rested) => setTimeout(rested, 600))")


# Opening


def test_an_add_by_keyboard_opens_it_and_escape_gives_the_focus_back(page: Page, visitor: BrowserContext):
    page.goto("/products/mug")
    with staying_on(page):
        add(page).focus()
        page.keyboard.press("Enter")

        expect(drawer(page)).to_be_visible()
        expect(drawer(page).get_by_role("heading", name="Your cart")).to_be_focused()
        expect(drawer(page).get_by_role("status")).to_contain_text("Mug is in your cart.")
        expect(quantity(page, "Mug")).to_have_value("1")

        page.keyboard.press("Escape")
        expect(drawer(page)).to_be_hidden()
        expect(add(page)).to_be_focused()
        expect(page.locator("body > #messages")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(quantity(page, "Mug")).to_have_value("2")
    assert cart(visitor) == {"mug": 2}


def test_ten_clicks_add_ten_and_it_opens_when_the_hand_rests(page: Page, visitor: BrowserContext):
    page.clock.install()
    page.goto("/products/mug")
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=10))

    def count() -> str | None:
        page.clock.run_for(1)  # htmx waits for moments too
        return badge(page).text_content()

    for clicks in range(1, 9):
        add(page).click()
        eventually(count, str(clicks))
    add(page).click(click_count=2)
    eventually(count, "10")
    expect(drawer(page)).to_be_hidden()
    page.clock.run_for(500)

    expect(drawer(page)).to_be_visible()
    expect(quantity(page, "Mug")).to_have_value("10")
    assert cart(visitor) == {"mug": 10}


def test_who_goes_on_after_an_add_is_not_interrupted(page: Page):
    page.goto("/products/mug")
    gate = Gate(page, "**/cart-items")

    add(page).click()
    gate.wait()
    page.keyboard.press("Tab")
    gate.open()
    expect(badge(page)).to_have_text("1")
    rest(page)

    expect(drawer(page)).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("Mug is in your cart.")


def test_a_refused_add_does_not_open_it(page: Page, complaints: Complaints):
    complaints.expect("status of 422")
    page.goto("/products/mug")

    page.locator("#quantity").fill("none")
    page.keyboard.press("Enter")
    expect(page.locator("#add-form-error")).not_to_be_empty()
    rest(page)

    expect(drawer(page)).to_be_hidden()


def test_a_list_of_products_stays_free_for_the_next_add_and_offers_to_see_the_cart(page: Page):
    page.goto("/products")
    add_button(page, "Mug").click()
    expect(badge(page)).to_have_text("1")
    rest(page)
    add_button(page, "Postcard").click()
    expect(badge(page)).to_have_text("2")

    page.get_by_role("link", name="See the cart").click()

    expect(drawer(page)).to_be_visible()
    expect(drawer(page).locator(".cart-line")).to_have_count(2)
    expect(page).to_have_url("/products")


def test_it_shows_the_adds_that_are_under_way(page: Page):
    page.goto("/products")
    sent = []
    page.on("request", lambda request: sent.append(urlsplit(request.url).path))

    page.evaluate(
        """() => {
            const button = document.querySelector("[aria-label='Add to cart: Mug']");
            for (let i = 0; i < 3; i++) button.click();
            document.querySelector("#cart-count").click();
        }"""
    )

    expect(drawer(page)).to_be_visible()
    expect(quantity(page, "Mug")).to_have_value("3")
    expect(drawer(page).locator("#cart-subtotal .money")).to_have_text("$36.00")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert [path for path in sent if path.startswith("/cart")] == ["/cart-items"] * 3 + ["/cart"]


def test_it_opens_before_the_cart_has_come(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")
    gate = Gate(page, "**/cart")

    page.locator("#cart-count").click()
    expect(drawer(page).get_by_role("heading", name="Your cart")).to_be_focused()
    expect(drawer(page).locator(".cart-skeleton")).to_be_visible()
    expect(drawer(page).get_by_role("alert")).to_be_hidden()
    gate.open()

    expect(quantity(page, "Mug")).to_have_value("1")
    expect(drawer(page).locator(".cart-skeleton")).to_have_count(0)


def test_the_badge_with_a_modifier_is_a_link_like_any_other(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")

    with visitor.expect_page() as tab:
        page.locator("#cart-count").click(modifiers=["ControlOrMeta"])

    expect(tab.value).to_have_url("/cart")
    expect(quantity(tab.value, "Mug")).to_have_value("1")
    expect(tab.value.get_by_role("dialog")).to_have_count(0)
    expect(drawer(page)).to_be_hidden()


def test_without_javascript_the_badge_leads_to_the_cart(visit: Callable[..., BrowserContext]):
    page = visit(java_script_enabled=False).new_page()
    page.goto("/products")

    page.locator("#cart-count").click()

    expect(page).to_have_url("/cart")


def test_a_cart_that_does_not_come_leaves_a_way_to_its_page(
    page: Page, visitor: BrowserContext, complaints: Complaints
):
    complaints.expect("Failed to fetch", "ERR_INTERNET_DISCONNECTED")
    fill_cart(visitor, mug=1)
    page.goto("/products")

    visitor.set_offline(True)
    page.locator("#cart-count").click()
    expect(drawer(page).get_by_role("alert")).to_contain_text("can't be shown here right now")
    expect(drawer(page).get_by_role("link", name="Open the cart's page")).to_have_attribute("href", "/cart")

    visitor.set_offline(False)
    page.keyboard.press("Escape")
    open_from_badge(page)
    expect(quantity(page, "Mug")).to_have_value("1")


# While it is open


def test_the_focus_stays_inside_and_every_change_shows_everywhere(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1, postcard=1)
    page.goto("/products")
    page.locator("#cart-count").focus()
    page.keyboard.press("Enter")
    expect(quantity(page, "Mug")).to_be_visible()

    for key in ["Tab"] * 20 + ["Shift+Tab"] * 20:
        page.keyboard.press(key)
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )

    type_over(quantity(page, "Mug"), "100")
    page.keyboard.press("Tab")
    expect(badge(page)).to_have_text("101")
    expect(page.locator("#cart-line-mug-total")).to_have_text("$1,200.00")

    drawer(page).get_by_role("button", name="Remove Mug").press("Enter")
    expect(drawer(page).get_by_role("status")).to_contain_text("Mug is out of your cart.")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    expect(badge(page)).to_have_text("1")
    page.keyboard.press("Enter")
    expect(quantity(page, "Mug")).to_have_value("100")
    expect(page.locator("#cart")).to_be_focused()

    page.keyboard.press("Escape")
    expect(page.locator("#cart-count")).to_be_focused()
    expect(badge(page)).to_have_text("101")
    assert cart(visitor) == {"mug": 100, "postcard": 1}
    page.goto("/cart")
    expect(page.locator("#cart-subtotal .money")).to_have_text("$1,201.50")


def test_a_click_beside_it_closes_it_but_not_one_that_began_inside(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")
    open_from_badge(page)

    quantity(page, "Mug").hover()
    page.mouse.down()
    page.mouse.move(100, 400)
    page.mouse.up()
    expect(drawer(page)).to_be_visible()

    page.mouse.click(100, 400)
    expect(drawer(page)).to_be_hidden()
    expect(page).to_have_url("/products")
    expect(page.locator("#cart-count")).to_be_focused()

    open_from_badge(page).get_by_role("button", name="Close").click()
    expect(drawer(page)).to_be_hidden()


def test_it_follows_what_another_tab_does(page: Page, visitor: BrowserContext):
    page.goto("/products")
    open_from_badge(page)
    other = visitor.new_page()
    other.goto("/products")
    add_button(other, "Mug").click()
    expect(badge(other)).to_have_text("1")

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(quantity(page, "Mug")).to_have_value("1")
    expect(badge(page)).to_have_text("1")


def test_back_from_the_checkout_is_the_page_without_it(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/products")
    open_from_badge(page).get_by_role("link", name="Check out").click()
    page.wait_for_url("/checkout")

    back(page)

    expect(page).to_have_url("/products")
    expect(drawer(page)).to_be_hidden()
    add_button(page, "Postcard").click()
    expect(badge(page)).to_have_text("2")
    expect(page.get_by_role("status")).to_contain_text("Postcard is in your cart.")


@pytest.mark.parametrize("width", [320, 1280])
def test_what_is_said_of_a_line_does_not_lie_on_it(page: Page, visitor: BrowserContext, width: int):
    fill_cart(visitor, clay_teapot=12)
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 720})
    page.goto("/products")
    open_from_badge(page).get_by_role("button", name="One more of Clay Teapot").click()
    message = drawer(page).locator(".message")
    expect(message).to_contain_text("Only 12 of Clay Teapot can be had")

    top, bottom = drawer(page).locator(".dialog-header"), drawer(page).locator(".cart-line")
    box = message.bounding_box()
    assert box["y"] >= sum(top.bounding_box()[side] for side in ("y", "height"))
    assert box["y"] + box["height"] <= bottom.bounding_box()["y"]

    message.get_by_role("button", name="Close").click()
    expect(message).to_have_count(0)
    expect(drawer(page).locator("#cart")).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(320, 480), (1280, 720)])
def test_with_ninety_lines_the_way_on_stays_in_sight(page: Page, visitor: BrowserContext, width: int, height: int):
    fill_cart(visitor, **{f"item_{number}": 1 for number in range(89)}, mug=100)
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/products/clay-teapot")
    add(page).click()

    expect(drawer(page)).to_be_visible()
    expect(quantity(page, "Clay Teapot")).to_be_in_viewport()
    expect(drawer(page).get_by_role("link", name="Check out")).to_be_in_viewport(ratio=1)
    expect(drawer(page).get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    lost = """buttons => buttons.filter((button) => {
        button.focus();
        const box = (selector) => document.querySelector(selector).getBoundingClientRect();
        const { top, bottom } = button.getBoundingClientRect();
        return top < box(".dialog-header").bottom || bottom > box("#cart-summary").top;
    }).length"""
    assert drawer(page).locator(".cart-line button[id]").evaluate_all(lost) == 0
    assert drawer(page).evaluate("dialog => dialog.querySelector('.dialog-body').scrollWidth <= dialog.clientWidth")
    assert round(drawer(page).bounding_box()["width"]) == min(width, 448)  # it may still be on its way


def test_the_link_to_the_cart_is_copied(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    visitor.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/products")
    open_from_badge(page).get_by_text("Send this cart to somebody").click()
    link = page.get_by_label("A link that offers these items.").input_value()

    page.get_by_role("button", name="Copy", exact=True).click()

    expect(page.get_by_role("button", name="Copied", exact=True)).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == link


def test_the_code_of_the_cart_is_drawn_for_who_opens_it(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    drawn = []
    page.on("request", lambda request: drawn.append(request.url) if "shared.svg" in request.url else None)
    page.goto("/cart")
    page.wait_for_load_state("networkidle")
    assert not drawn

    page.get_by_text("Send this cart to somebody").click()

    code = page.get_by_role("img", name="QR code of that link")
    expect(code).to_be_visible()
    page.wait_for_function("code => code.naturalWidth > 0", arg=code.element_handle())
