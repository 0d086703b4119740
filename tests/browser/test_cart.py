"""The cart page under fast hands and the keyboard alone: every click counts, and the focus is never lost."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Complaints, Gate, badge, cart, eventually, fill_cart, staying_on, type_over
from tests.live import LiveShop


@pytest.fixture
def cart_page(page: Page, visitor: BrowserContext) -> Page:
    """The cart, with a teapot, a mug and a postcard in it."""
    fill_cart(visitor, clay_teapot=1, mug=1, postcard=1)
    page.goto("/cart")
    return page


def quantity(page: Page, title: str) -> Locator:
    return page.get_by_label(f"Quantity of {title}", exact=True)


def more(page: Page, title: str) -> Locator:
    return page.get_by_role("button", name=f"One more of {title}", exact=True)


def less(page: Page, title: str) -> Locator:
    return page.get_by_role("button", name=f"One less of {title}", exact=True)


def remove(page: Page, title: str) -> Locator:
    return page.get_by_role("button", name=f"Remove {title}", exact=True)


def undo(page: Page) -> Locator:
    return page.get_by_role("button", name="Undo")


def subtotal(page: Page) -> Locator:
    return page.locator("#cart-subtotal .money")


def tab_to(page: Page, element: Locator) -> None:
    """Reach `element` with the Tab key, as a visitor without a mouse does."""
    for _ in range(60):
        if element.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reached {element}")


def test_ten_fast_clicks_on_more_add_ten(cart_page: Page, visitor: BrowserContext):
    with staying_on(cart_page):
        more(cart_page, "Mug").click(click_count=10)
        expect(quantity(cart_page, "Mug")).to_have_value("11")

    expect(cart_page.locator("#cart-line-mug-total")).to_have_text("$132.00")
    expect(subtotal(cart_page)).to_have_text("$167.50")
    expect(badge(cart_page)).to_have_text("13")
    assert cart(visitor) == {"clay-teapot": 1, "mug": 11, "postcard": 1}


def test_a_double_click_never_loses_the_undo(cart_page: Page, visitor: BrowserContext, complaints: Complaints):
    complaints.expect(r"status of 404 .*/cart-items/mug")
    gate = Gate(cart_page, "**/cart-items/mug")

    less(cart_page, "Mug").click(click_count=2)
    gate.open()
    expect(badge(cart_page)).to_have_text("2")
    expect(undo(cart_page)).to_be_focused()
    assert cart(visitor) == {"clay-teapot": 1, "postcard": 1}

    cart_page.get_by_role("button", name="Empty the cart").click(click_count=2)
    eventually(lambda: cart(visitor), {})
    expect(undo(cart_page)).to_be_focused()
    undo(cart_page).click()
    expect(badge(cart_page)).to_have_text("2")


def test_fast_presses_of_the_up_arrow_add_each(cart_page: Page, visitor: BrowserContext):
    gate = Gate(cart_page, "**/cart-items/mug")
    quantity(cart_page, "Mug").focus()

    cart_page.keyboard.press("ArrowUp")
    cart_page.keyboard.press("ArrowUp")
    gate.let_one_through()
    expect(badge(cart_page)).to_have_text("4")
    cart_page.keyboard.press("ArrowUp")
    gate.open()

    expect(cart_page.locator("#cart-line-mug-total")).to_have_text("$48.00")
    expect(quantity(cart_page, "Mug")).to_have_value("4")
    expect(quantity(cart_page, "Mug")).to_be_focused()
    assert cart(visitor)["mug"] == 4


def test_a_typed_quantity_is_set(cart_page: Page, visitor: BrowserContext):
    type_over(quantity(cart_page, "Mug"), "7")
    quantity(cart_page, "Mug").press("Enter")

    expect(cart_page.locator("#cart-line-mug-total")).to_have_text("$84.00")
    expect(quantity(cart_page, "Mug")).to_have_value("7")
    expect(quantity(cart_page, "Mug")).to_be_focused()
    expect(cart_page.locator("form.htmx-request")).to_have_count(0)
    assert cart(visitor)["mug"] == 7


def test_an_emptied_quantity_becomes_what_it_was(cart_page: Page, visitor: BrowserContext, complaints: Complaints):
    complaints.expect("status of 422")
    quantity(cart_page, "Mug").fill("")
    quantity(cart_page, "Mug").press("Enter")

    expect(cart_page.get_by_role("status")).to_have_text("Choose a quantity from 0 to 999, in digits.")
    expect(quantity(cart_page, "Mug")).to_have_value("1")
    expect(quantity(cart_page, "Mug")).to_be_focused()
    assert cart(visitor)["mug"] == 1


def test_more_than_there_are_becomes_what_there_is(cart_page: Page, visitor: BrowserContext):
    type_over(quantity(cart_page, "Clay Teapot"), "99")
    cart_page.keyboard.press("Tab")

    expect(cart_page.get_by_role("status")).to_have_text(
        "Only 12 of Clay Teapot can be had, so your cart now holds 12."
    )
    expect(quantity(cart_page, "Clay Teapot")).to_have_value("12")
    expect(cart_page.locator("#cart-line-clay-teapot-total")).to_have_text("$408.00")
    assert cart(visitor)["clay-teapot"] == 12


def test_three_lines_removed_by_fast_clicks_are_all_gone(cart_page: Page, visitor: BrowserContext):
    cart_page.evaluate(
        "titles => titles.forEach((title) => document.querySelector(`[aria-label='Remove ${title}']`).click())",
        ["Clay Teapot", "Mug", "Postcard"],
    )

    expect(cart_page.get_by_text("Your cart is empty.")).to_be_visible()
    expect(badge(cart_page)).to_have_text("0")
    assert cart(visitor) == {}
    assert visitor.cookies() == []


def test_removing_is_said_and_undone_in_the_page(cart_page: Page, visitor: BrowserContext):
    before = cart(visitor)
    status = cart_page.get_by_role("status")
    status.evaluate("region => { region.marker = 'the same'; }")

    with staying_on(cart_page):
        remove(cart_page, "Mug").click()
        expect(status).to_contain_text("Mug is out of your cart.")
        expect(undo(cart_page)).to_be_focused()
        expect(quantity(cart_page, "Mug")).to_have_count(0)
        assert "mug" not in cart(visitor)

        undo(cart_page).click()
        expect(status).to_have_text("Mug is in your cart.")
        expect(quantity(cart_page, "Mug")).to_have_value("1")
        expect(cart_page.locator("#cart")).to_be_focused()

    assert list(cart(visitor).items()) == list(before.items()), "in the order it had"
    assert status.evaluate("region => region.marker") == "the same"


def test_a_message_that_stays_can_be_closed(cart_page: Page, visitor: BrowserContext):
    status, closing = cart_page.get_by_role("status"), cart_page.get_by_role("button", name="Close")
    remove(cart_page, "Mug").click()
    expect(undo(cart_page)).to_be_focused()
    cart_page.keyboard.press("Tab")
    expect(closing).to_be_focused()
    cart_page.keyboard.press("Enter")
    expect(status).to_have_text("")
    expect(cart_page.locator("#cart")).to_be_focused()

    remove(cart_page, "Postcard").click()
    expect(undo(cart_page)).to_be_focused()
    cart_page.keyboard.press("Escape")
    expect(status).to_have_text("")
    expect(cart_page.locator("#cart")).to_be_focused()
    assert cart(visitor) == {"clay-teapot": 1}


def test_escape_closes_the_newest_message_alone(cart_page: Page, visitor: BrowserContext, complaints: Complaints):
    complaints.expect("ERR_INTERNET_DISCONNECTED", "Failed to fetch")
    remove(cart_page, "Mug").click()
    expect(undo(cart_page)).to_be_focused()
    visitor.set_offline(True)
    more(cart_page, "Postcard").click()
    status = cart_page.get_by_role("status")
    expect(status).to_contain_text("No connection.")

    cart_page.keyboard.press("Escape")

    expect(status).not_to_contain_text("No connection.")
    expect(undo(cart_page)).to_be_visible()


def test_the_focus_is_never_lost_to_keyboard_visitors(cart_page: Page):
    page, focus = cart_page, cart_page.locator(":focus")

    tab_to(page, more(page, "Mug"))
    page.keyboard.press("Enter")
    expect(quantity(page, "Mug")).to_have_value("2")
    expect(more(page, "Mug")).to_be_focused()

    page.keyboard.press("Shift+Tab")
    expect(quantity(page, "Mug")).to_be_focused()
    page.keyboard.type("5")  # Tab selected what was there
    page.keyboard.press("Tab")
    expect(page.locator("#cart-line-mug-total")).to_have_text("$60.00")
    expect(more(page, "Mug")).to_be_focused()

    tab_to(page, remove(page, "Mug"))
    page.keyboard.press("Enter")
    expect(undo(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(quantity(page, "Mug")).to_have_value("5")
    expect(focus).to_have_id("cart")

    page.keyboard.press("Tab")
    expect(page.locator("#cart :focus")).to_have_count(1)

    tab_to(page, page.get_by_role("button", name="Empty the cart"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("What you add stays in this browser")).to_be_visible()
    expect(undo(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("7")
    expect(focus).to_have_id("cart")


@pytest.mark.parametrize("way", ["remove", "one less"])
def test_removing_the_last_line_offers_to_undo_it(page: Page, visitor: BrowserContext, way: str):
    fill_cart(visitor, mug=1)
    page.goto("/cart")

    (remove if way == "remove" else less)(page, "Mug").click()

    expect(page.get_by_text("Your cart is empty.")).to_be_visible()
    expect(undo(page)).to_be_focused()
    assert cart(visitor) == {}
    undo(page).click()
    expect(quantity(page, "Mug")).to_have_value("1")
    expect(page.locator("#cart")).to_be_focused()


def test_a_number_being_typed_survives_the_answer_to_another_click(cart_page: Page, visitor: BrowserContext):
    gate = Gate(cart_page, "**/cart-items/mug")

    more(cart_page, "Mug").click()
    gate.wait()
    type_over(quantity(cart_page, "Mug"), "8")
    gate.open()
    expect(badge(cart_page)).to_have_text("4")

    expect(quantity(cart_page, "Mug")).to_have_value("8")
    quantity(cart_page, "Mug").press("Tab")
    expect(badge(cart_page)).to_have_text("10")
    assert cart(visitor)["mug"] == 8


def test_the_link_to_the_cart_follows_every_change(cart_page: Page, shop: LiveShop):
    cart_page.get_by_text("Send this cart to somebody").click()
    link = cart_page.locator("#share-link")

    more(cart_page, "Mug").click()

    items = quote_plus('{"clay-teapot":1,"mug":2,"postcard":1}')
    expect(link).to_have_value(f"{shop.url}/cart/shared?items={items}")
    expect(link).to_be_visible()
    link.focus()
    assert link.evaluate("link => link.value.slice(link.selectionStart, link.selectionEnd)") == link.input_value()
