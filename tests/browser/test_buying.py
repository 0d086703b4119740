"""From home to the receipt, on a phone: with plain forms, and with htmx.

What is ordered here are postcards, of which the shop counts no stock: other tests need what there is of the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import cart, fill_cart

PHONE = {"width": 390, "height": 844}


def fill_in(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(value)


@pytest.mark.parametrize("scripted", [False, True], ids=["without-javascript", "with-htmx"])
def test_the_whole_way_from_home_to_the_receipt(visit: Callable[..., BrowserContext], complaints, scripted: bool):
    complaints.expect("status of 422")
    visitor = visit(java_script_enabled=scripted, viewport=PHONE)
    page = visitor.new_page()
    page.goto("/")
    page.locator("#main").get_by_role("link", name="Paper").click()
    page.wait_for_url("/collections/paper")
    page.get_by_role("button", name="Add to cart: Postcard").click()
    expect(page.get_by_role("status")).to_contain_text("Postcard is in your cart.")
    page.locator("#cart-count").click()
    page.get_by_role("link", name="Check out").click()
    page.wait_for_url("/checkout")

    fill_in(page, Name="Ann Lee", Email="ann@example.org")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was ordered yet")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ann Lee")

    country = page.get_by_label("Country")
    if scripted:  # htmx listens by now
        expect(country).to_have_attribute("data-htmx-powered", "true")
    country.select_option("DE")
    if not scripted:
        page.get_by_role("button", name="Use this country").click()
    expect(page.get_by_label("State")).to_have_count(0)
    fill_in(page, Street_and_number="Hauptstr. 1", Postcode="10115", City="Berlin")
    page.get_by_label("Register me in this browser").check()
    page.get_by_role("button", name="Place the order").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you.")
    expect(page.locator(".receipt address")).to_contain_text("10115 Berlin")
    assert "/orders/" in page.url
    assert cart(visitor) == {}
    page.get_by_role("link", name="Your orders").first.click()
    expect(page.locator(".order-row")).to_have_count(1)
    page.get_by_role("button", name="Order again").click()
    page.wait_for_url("/cart")
    assert cart(visitor) == {"postcard": 1}


def test_a_country_changes_the_form_and_keeps_the_focus_and_what_was_typed(page: Page, visitor: BrowserContext):
    fill_cart(visitor, postcard=1)
    page.goto("/checkout")
    fill_in(page, Name="Ann Lee", Street_and_number="1 Main Street")
    country = page.get_by_label("Country")
    expect(country).to_have_attribute("data-htmx-powered", "true")
    country.focus()
    country.select_option("JP")

    expect(page.get_by_label("Prefecture")).to_be_visible()
    expect(country).to_be_focused()
    expect(page.get_by_label("Street and number")).to_have_value("1 Main Street")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ann Lee")


def test_a_double_click_orders_once(page: Page, visitor: BrowserContext):
    fill_cart(visitor, postcard=1)
    page.goto("/checkout")
    fill_in(page, Name="Ann", Email="ann@example.org", Street_and_number="1 Main", City="Reno", ZIP_code="89501")
    expect(page.get_by_label("State")).to_have_attribute("data-htmx-powered", "true")
    page.get_by_label("State").select_option("NV")
    expect(page.get_by_role("status")).to_contain_text("The total is")
    page.locator("#place-order").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you.")

    page.goto("/orders")
    expect(page.locator(".order-row")).to_have_count(1)
