"""Pictures of the demo shop's main states, for the README and for eyes: `make screenshots`.

They are written to docs/screenshots/<state>-<theme>[-phone].webp. One visitor goes through the shop once for each
theme and width, from looking to the receipt, so that each state has what came before it.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import chromium
from tests.browser.conftest import ARGUMENTS
from tests.live import PROJECT, live_shop

FOLDER = PROJECT / "docs" / "screenshots"
THEMES = ("light", "dark")
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
ON_A_PHONE = ("home", "list", "product", "cart")
MOST_BYTES = 250_000


def home(page: Page) -> None:
    page.goto("/")


def suggestions(page: Page) -> None:
    page.get_by_role("combobox").press_sequentially("tea")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")


def filtered_list(page: Page) -> None:
    page.goto("/products?availability=in-stock&tag=gifts&price-to=100")
    expect(page.locator(".chip").first).to_be_visible()


def product(page: Page) -> None:
    page.goto("/products/linen-shirt")


def drawer(page: Page) -> None:
    _add(page, "linen-shirt")
    expect(page.get_by_role("dialog").locator(".cart-line")).to_be_visible()


def cart(page: Page) -> None:
    _add(page, "breakfast-cup")
    _add(page, "clay-teapot")
    page.goto("/cart")


def checkout(page: Page) -> None:
    page.goto("/checkout")
    country = page.get_by_label("Country")
    expect(country).to_have_attribute("data-htmx-powered", "true")
    country.select_option("DE")
    expect(page.get_by_label("Postcode")).to_be_visible()
    _fill(page, Name="Ann Lee", Street_and_number="Hauptstr. 1", Postcode="10115", City="Berlin")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_role("alert")).to_be_visible()  # the email is missing


def receipt(page: Page) -> None:
    _fill(page, Email="ann@example.org")
    page.get_by_label("Register me in this browser").check()
    page.get_by_role("button", name="Place the order").click()
    page.wait_for_url("/orders/*")


def people(page: Page) -> None:
    page.goto("/users/new")
    _fill(page, Name="Борис Иванов", Email="boris@example.org")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator(".user-row-name")).to_have_count(2)


def cookies(page: Page) -> None:
    _add(page, "clay-teapot")
    page.goto("/cookies")


STATES: dict[str, Callable[[Page], None]] = {
    "home": home,
    "suggestions": suggestions,
    "list": filtered_list,
    "product": product,
    "drawer": drawer,
    "cart": cart,
    "checkout": checkout,
    "receipt": receipt,
    "people": people,
    "cookies": cookies,
}


def _add(page: Page, handle: str) -> None:
    page.goto(f"/products/{handle}")
    page.locator("#add-form").get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _fill(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(value)


def take(page: Page, path: Path) -> None:
    """Write what the page shows now, once its pictures are there."""
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)  # in which pictures that were just put into the page arrive
    with Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))) as picture:
        picture.convert("RGB").save(path, quality=82, method=6)
    if (size := path.stat().st_size) > MOST_BYTES:
        sys.exit(f"{path.name} has {size:,} bytes, more than {MOST_BYTES:,}")


def go_through(browser: Browser, url: str, theme: str, ending: str, names: tuple[str, ...], **device: object) -> None:
    visitor = browser.new_context(base_url=url, color_scheme=theme, reduced_motion="reduce", **device)
    page = visitor.new_page()
    for name in names:
        STATES[name](page)
        take(page, FOLDER / f"{name}-{theme}{ending}.webp")
    visitor.close()


def main() -> None:
    path = chromium.find()
    if path is None:
        sys.exit(chromium.MISSING)
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    with tempfile.TemporaryDirectory() as data, live_shop(Path(data)) as shop, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for theme in THEMES:
            go_through(browser, shop.url, theme, "", tuple(STATES), **DESKTOP)
            go_through(browser, shop.url, theme, "-phone", ON_A_PHONE, **PHONE)
        browser.close()


if __name__ == "__main__":
    main()
