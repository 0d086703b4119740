"""Every page and state as axe sees it: WCAG 2.0 to 2.2, A and AA, and best practice; narrow and wide."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Complaints, fill_cart
from tests.browser.test_saved import save

# In CI every page in both languages at both widths, each in both themes. Elsewhere where least fits: the longer words
# of Russian on a phone.
WIDTHS = {"en": (390, 1280), "ru": (390, 1280)} if os.environ.get("CI") else {"ru": (390,)}
DARK = bool(os.environ.get("CI"))
Look = Callable[["Inspection", BrowserContext], None]
SHARED = "/cart/shared?items={%22mug%22:2,%22gone%22:1}"


class Inspection:
    """A visitor's page, and what axe found in its states so far. A state's name is an address, or a word for it."""

    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.language = language
        self.found: dict[str, list[str]] = {}

    def at(self, *paths: str) -> None:
        for path in paths:
            self.page.goto(path)
            self.now(path)

    def now(self, state: str) -> None:
        for width in WIDTHS[self.language]:
            self.page.set_viewport_size({"width": width, "height": 900})
            complaints = violations(self.page)
            if DARK:
                self.page.emulate_media(color_scheme="dark")
                complaints += [f"in the dark: {each}" for each in violations(self.page, colours_alone=True)]
                self.page.emulate_media(color_scheme="light")
            if self.page.evaluate("document.scrollingElement.scrollWidth") > width:
                complaints.append("wider than the window")
            if complaints:
                self.found[f"{state} at {width}"] = complaints


def _finding(seen: Inspection, visitor: BrowserContext) -> None:
    page = seen.page
    seen.at("/products", "/products?tag=gift", "/products?tag=gift&tag=tea&type=Home&price-to=1")
    seen.at("/products?price-from=cheap", "/collections/kitchen", "/search", "/search?q=tea", "/search?q=zeppelin")
    seen.at("/nowhere", "/saved", "/cart", "/orders", "/users", "/cookies", "/")
    page.locator("#search").press_sequentially("tea")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    seen.now("suggestions")


def _a_product(seen: Inspection, visitor: BrowserContext) -> None:
    page = seen.page
    seen.at("/products/clay-teapot", "/products/last-poster", "/products/mantel-clock", "/products/carved-chair")
    seen.at("/products/shirt?variant=shirt.white.l")
    page.goto("/products/shirt?variant=shirt.blue.m")
    page.locator("#order-sheet > summary").click()
    seen.now("several at once")
    page.locator("#picture-1 a").click()
    expect(page.locator("dialog[open]")).to_be_visible()
    page.locator("dialog[open] img").wait_for()
    seen.now("zoom")


def _the_cart(seen: Inspection, visitor: BrowserContext) -> None:
    page = seen.page
    fill_cart(visitor, mug=1, clay_teapot=50, mantel_clock=1, gone=1)
    save(visitor, "mug", "mantel-clock", "shirt.blue.m", "gone")
    seen.at("/cart", SHARED, "/cart-items?item=mug&quantity=2", "/saved")
    page.goto("/products")
    page.locator("#cart-count").click()
    expect(page.locator("dialog[open] .cart-line").first).to_be_visible()
    seen.now("drawer")
    page.locator("dialog[open] .cart-line", has_text="Mug").locator(
        "form:has([type=hidden][name=quantity]) button"
    ).click()
    expect(page.locator("#undo")).to_be_visible()
    seen.now("undo")


def _the_people(seen: Inspection, visitor: BrowserContext) -> None:
    page = seen.page
    seen.at("/users/new")
    _fill(page, name="Ann", email="nonsense")
    page.locator(".user-form [type=submit]").click()
    expect(page.locator(".user-form .field-error").first).to_be_visible()
    seen.now("registering, with errors")
    _fill(page, email="ann@example.org")
    page.locator(".user-form [type=submit]").click()
    expect(page.locator(".user-row-name")).to_have_count(1)
    seen.at("/users?term=nobody", "/cookies", "/users")
    page.locator(".user-row [id$=-delete]").first.click()
    expect(page.locator(".user-row-question")).to_be_visible()
    seen.now("deleting somebody")
    page.goto("/users")
    page.locator(".user-row a[href$='/edit']").first.click()
    expect(page.locator(".user-row-editing")).to_be_visible()
    seen.now("editing in place")


def _ordering(seen: Inspection, visitor: BrowserContext) -> None:
    page = seen.page
    fill_cart(visitor, postcard=1)
    seen.at("/checkout")
    page.locator("#place-order").click()
    expect(page.get_by_role("alert")).to_be_visible()
    seen.now("checkout, with errors")
    page.goto("/checkout")
    country = page.locator("[name=country]")
    expect(country).to_have_attribute("data-htmx-powered", "true")
    country.select_option("DE")
    expect(page.locator("[name=region], [name=state]")).to_have_count(0)
    _fill(page, name="Ann", email="ann@example.org", line1="Hauptstr. 1", postcode="10115", city="Berlin")
    page.locator("#place-order").click()
    page.wait_for_url("/orders/*")
    seen.now("receipt")
    seen.at("/orders")
    visitor.add_cookies([{"name": "users", "value": "broken", "url": page.url}])
    seen.at("/cookies")


def _fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#main form [name={name}]").first.fill(value)


@pytest.mark.parametrize("look_at", [_finding, _a_product, _the_cart, _the_people, _ordering])
@pytest.mark.parametrize("language", WIDTHS)
def test_axe_finds_nothing(
    visit: Callable[..., BrowserContext], complaints: Complaints, language: str, look_at: Look
):
    """In both themes: what the dark one changes is colours."""
    complaints.expect("status of 4(00|04|09|22)")
    visitor = visit(color_scheme="light", locale=language, reduced_motion="reduce")
    inspection = Inspection(visitor.new_page(), language)

    look_at(inspection, visitor)

    assert inspection.page.locator("html").get_attribute("lang") == language
    assert inspection.found == {}
