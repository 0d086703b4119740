"""What only a browser shows of the look: the dark theme, waiting, motion, and paper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Gate, eventually, fill_cart

BAR = "getComputedStyle(document.body, '::before')"

# What would change its looks bit by bit. Good news that goes by itself is not motion: it has no steps in between.
MOVING = """
    [...document.querySelectorAll("*")].filter((element) => {
        const { transitionDuration, animationDuration } = getComputedStyle(element);
        return [transitionDuration, animationDuration].join().split(",").some((time) => parseFloat(time) > 0);
    }).map((element) => element.className)
"""


def brightness(page: Page, selector: str, what: str = "backgroundColor") -> float:
    """From 0 (black) to 255."""
    colour = page.eval_on_selector(selector, f"element => getComputedStyle(element).{what}")
    parts = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(parts) / 3


def test_who_prefers_the_dark_gets_it_everywhere(visit: Callable[..., BrowserContext]):
    visitor = visit(color_scheme="dark")
    fill_cart(visitor, clay_teapot=2)
    page = visitor.new_page()
    for path in ("/products/shirt", "/cart", "/cookies"):
        page.goto(path)

        assert brightness(page, "html") < 60
        assert brightness(page, "h1", "color") > 180


def test_a_wait_shows_only_once_it_is_one(page: Page):
    page.goto("/products")
    gate = Gate(page, "**/products?*")
    page.get_by_label("Sort").select_option("price-low")
    gate.wait()

    assert page.evaluate(f"{BAR}.transitionDelay") == "0.3s"
    eventually(lambda: page.evaluate(f"{BAR}.opacity"), "1")
    gate.open()
    eventually(lambda: page.evaluate(f"{BAR}.opacity"), "0")


def test_what_belongs_together_stays_together_on_a_phone(visit: Callable[..., BrowserContext]):
    visitor = visit(viewport={"width": 390, "height": 844}, locale="ru")
    fill_cart(visitor, mug=1)
    page = visitor.new_page()
    page.goto("/products")
    label, select = page.locator("label[for=sort]").bounding_box(), page.locator("#sort").bounding_box()
    assert label["y"] < select["y"] + select["height"] / 2 < label["y"] + label["height"]

    page.goto("/checkout")
    cards = page.locator("#checkout-shipping .choice-card")
    expect(cards.first).to_contain_text("бесплатно от")
    for card in cards.all():
        title = card.locator(".choice-words").bounding_box()
        price = card.locator("label > .money").bounding_box()
        assert price["x"] >= title["x"] + title["width"]
        assert card.bounding_box()["width"] + card.bounding_box()["x"] - price["x"] - price["width"] < 24


@pytest.mark.parametrize("width", [390, 1280])
def test_a_collection_with_a_long_name_takes_one_line_of_the_menu(visit: Callable[..., BrowserContext], width: int):
    page = visit(viewport={"width": width, "height": 844}).new_page()
    page.goto("/")
    menu, link = page.get_by_role("navigation", name="Shop"), page.get_by_role("link", name="Kitchen").first
    height = menu.bounding_box()["height"]

    link.evaluate("link => link.textContent = 'Apparel & Accessories > Clothing > Shirts & Tops'.repeat(3)")

    assert menu.bounding_box()["height"] == height


def test_without_motion_nothing_moves(visit: Callable[..., BrowserContext]):
    page = visit(reduced_motion="reduce").new_page()
    page.goto("/products/mug")
    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(page.locator(".message")).to_be_visible()

    assert page.evaluate(MOVING) == []


def test_a_cart_on_paper_says_what_is_in_it_and_has_nothing_to_press(visit: Callable[..., BrowserContext]):
    visitor = visit(color_scheme="dark")
    fill_cart(visitor, clay_teapot=2)
    page = visitor.new_page()
    page.goto("/cart")
    page.emulate_media(media="print")

    assert brightness(page, "html") == 255
    expect(page.get_by_text("Clay Teapot", exact=True)).to_be_visible()
    expect(page.get_by_role("spinbutton").or_(page.locator(".stepper-input"))).to_be_visible()
    for pressed in page.locator("button, nav, .search-form, .footer, summary").all():
        expect(pressed).to_be_hidden()
