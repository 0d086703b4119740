"""Moving around: Back, tabs that come back, choosing, sorting; and pages that fit, keep still and don't complain."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints, Gate, add_button, back, badge, cart, fill_cart, staying_on, type_over

PAGES = [
    "/",
    "/products",
    "/products?tag=gift&sort=price-low",
    "/collections/kitchen",
    "/products/clay-teapot",
    "/products/shirt",
    "/products/shirt?variant=shirt.white.l",
    "/products/mantel-clock",
    "/search",
    "/search?q=mug",
    "/search?q=nothing-of-the-kind",
    "/cart",
    "/cart-items?item=mug&quantity=2",
    "/cart/shared?items=%7B%22mug%22%3A2%2C%22clay-teapot%22%3A99%2C%22gone%22%3A1%7D",
    "/users",
    "/users/new",
    "/cookies",
    "/nowhere",
]
LISTINGS = ["/", "/products", "/collections/kitchen", "/products/clay-teapot"]


# Back, and tabs that come back


@pytest.mark.parametrize("told_by", ["visibilitychange-and-pageshow", "pageshow-alone"])
def test_back_to_a_page_from_the_back_forward_cache_shows_the_cart_of_now(remembering_page: Page, told_by: str):
    page = remembering_page
    if told_by == "pageshow-alone":  # as browsers do that don't count leaving as hiding
        page.add_init_script("addEventListener('visibilitychange', (event) => event.stopPropagation(), true)")
    page.goto("/products")
    page.evaluate("window.marker = 'still here'")
    page.get_by_text("Mug", exact=True).click()
    page.wait_for_url("/products/mug")
    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(badge(page)).to_have_text("1")

    back(page)

    expect(page).to_have_url("/products")
    assert page.evaluate("window.marker") == "still here", "the page was loaded again: this tests nothing"
    expect(badge(page)).to_have_text("1")


def test_back_to_the_cart_shows_the_lines_of_now(remembering_page: Page):
    page = remembering_page
    page.goto("/cart")
    page.evaluate("window.marker = 'still here'")
    page.goto("/products/mug")
    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(badge(page)).to_have_text("1")

    back(page)

    expect(page).to_have_url("/cart")
    assert page.evaluate("window.marker") == "still here", "the page was loaded again: this tests nothing"
    expect(page.get_by_label("Quantity of Mug")).to_have_value("1")


def test_back_without_a_back_forward_cache_shows_the_cart_of_now(page: Page):
    page.goto("/products")
    page.evaluate("window.marker = 'still here'")
    page.goto("/products/mug")
    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(badge(page)).to_have_text("1")

    page.go_back()

    assert page.evaluate("window.marker") is None, "the page was kept: this tests nothing"
    expect(badge(page)).to_have_text("1")


def test_a_tab_that_comes_back_shows_the_cart_of_now(page: Page, visitor: BrowserContext):
    page.goto("/cart")
    fill_cart(visitor, mug=1, postcard=1)
    expect(badge(page)).to_have_text("0")

    come_back(page)

    expect(badge(page)).to_have_text("2")
    expect(page.get_by_label("Quantity of Postcard")).to_have_value("1")


def test_a_tab_that_comes_back_keeps_a_number_being_typed(page: Page, visitor: BrowserContext):
    fill_cart(visitor, mug=1)
    page.goto("/cart")
    quantity = page.get_by_label("Quantity of Mug")
    fill_cart(visitor, mug=1, postcard=1)
    type_over(quantity, "8")

    come_back(page)

    expect(badge(page)).to_have_text("2")
    expect(quantity).to_have_value("8")
    quantity.press("Tab")
    expect(badge(page)).to_have_text("9")
    expect(quantity).to_have_value("8")
    assert cart(visitor) == {"mug": 8, "postcard": 1}


def come_back(page: Page) -> None:
    """What a browser tells a tab that was hidden and is shown again. Playwright keeps every tab visible."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


# Choosing and sorting


def test_choosing_a_variant_changes_the_page_in_place(page: Page):
    page.goto("/products")
    page.get_by_role("link", name="Choose: Linen Shirt").click()
    page.wait_for_url("/products/shirt")

    with staying_on(page):
        page.get_by_role("link", name="Blue", exact=True).click()
        expect(page.locator(".product-price > .money")).to_have_text("$65.00")
        expect(page).to_have_url("/products/shirt?variant=shirt.blue.m")
        expect(page.get_by_role("link", name="Blue", exact=True)).to_be_focused()
        expect(page.get_by_role("link", name="Blue", exact=True)).to_have_attribute("aria-current", "true")

        page.get_by_role("button", name="Add to cart", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Linen Shirt")
    assert cart(page.context) == {"shirt.blue.m": 1}

    back(page)
    expect(page).to_have_url("/products")


def test_choosing_with_the_keyboard_keeps_the_focus_on_the_choice(page: Page):
    page.goto("/products/shirt")
    page.get_by_role("link", name="Blue", exact=True).focus()

    page.keyboard.press("Enter")
    expect(page.locator(".product-price > .money")).to_have_text("$65.00")
    expect(page.locator(":focus")).to_have_text("Blue")

    page.keyboard.press("Shift+Tab")
    expect(page.locator(":focus")).to_have_text("White")
    page.keyboard.press("Enter")
    expect(page.locator(".product-price > .money")).to_have_text("$60.00")
    expect(page.locator(":focus")).to_have_text("White")


def test_of_two_quick_choices_the_last_one_wins(page: Page):
    page.goto("/products/shirt?variant=shirt.blue.m")
    gate = Gate(page, "**/products/shirt?variant=*")

    page.get_by_role("link", name="White", exact=True).click()
    page.get_by_role("link", name="L (with other options)").click()
    gate.wait()
    gate.open()

    expect(page).to_have_url("/products/shirt?variant=shirt.white.l")
    expect(page.locator(".stock")).to_have_text("Sold out in White / L.")


def test_sorting_changes_the_list_and_the_address_and_back_restores_both(page: Page):
    page.goto("/products")
    titles = page.locator(".product-card-title")
    featured = titles.all_text_contents()

    with staying_on(page):
        page.get_by_label("Sort").focus()
        page.get_by_label("Sort").select_option("Name, A to Z")
        expect(page).to_have_url("/products?sort=title")
        expect(titles).to_have_text(sorted(featured))
        expect(page.get_by_label("Sort")).to_be_focused()

    back(page)
    expect(page).to_have_url("/products")
    expect(titles).to_have_text(featured)
    expect(page.get_by_label("Sort")).to_have_value("featured")
    add_button(page, "Mug").click()
    expect(badge(page)).to_have_text("1")


# Every page


def test_no_page_complains_or_is_wider_than_a_phone(visit: Callable[..., BrowserContext], complaints: Complaints):
    complaints.expect(r"status of 404 .*/nowhere")
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    fill_cart(visitor, clay_teapot=99, mug=1)
    page = visitor.new_page()

    widths = {}
    for path in PAGES:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        widths[path] = page.evaluate("document.scrollingElement.scrollWidth")

    assert widths == dict.fromkeys(PAGES, 390)


@pytest.mark.parametrize("path", LISTINGS)
def test_nothing_moves_while_pictures_arrive(page: Page, path: str):
    page.add_init_script(
        """
        window.moved = 0;
        new PerformanceObserver((list) => {
            for (const shift of list.getEntries()) window.moved += shift.value;
        }).observe({ type: "layout-shift", buffered: true });
        """
    )
    page.set_viewport_size({"width": 390, "height": 844})  # one column: what follows a picture is below it
    pictures = Gate(page, "**/*.webp")

    page.goto(path, wait_until="domcontentloaded")
    pictures.wait()
    painted(page)
    pictures.open()
    page.wait_for_load_state()
    page.wait_for_function("[...document.images].some((image) => image.naturalWidth)")
    painted(page)

    assert page.evaluate("window.moved") < 0.01


def painted(page: Page) -> None:
    """Wait until what there is has been shown."""
    page.evaluate("() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")
