"""Finding something: filters, sorting, more of a list, suggestions; by keyboard, on a phone, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Complaints, Gate, add_button, back, badge, eventually, staying_on
from tests.live import LiveShop, live_shop

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


def titles(page: Page) -> Locator:
    return page.locator(".product-card-title")


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("checkbox", name=name)


def open_filter(page: Page, name: str) -> None:
    """On a phone: the one of that name, in the part of the page that has them all."""
    if not page.locator(".filters-body").is_visible():
        page.get_by_text("Filters", exact=True).tap()
    page.locator(".facet-summary", has_text=name).tap()


def search_box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search the shop")


def options(page: Page) -> Locator:
    return page.get_by_role("option")


@pytest.fixture(scope="module")
def larger_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveShop]:
    """The demo shop, whose goods fill three pages."""
    with live_shop(tmp_path_factory.mktemp("larger-shop"), workers="1") as shop:
        yield shop


# Filters


def test_filters_by_keyboard_alone(page: Page):
    page.goto("/products")
    everything = titles(page).all_text_contents()
    gift, tea = box(page, "gift"), box(page, "tea")
    expect(tea).to_have_accessible_name("tea 2")

    with staying_on(page):
        gift.focus()
        page.keyboard.press("Space")
        expect(titles(page)).to_have_text(["Clay Teapot", "Last Poster", "Postcard"])
        expect(page).to_have_url("/products?tag=gift")
        expect(gift).to_be_checked()
        expect(gift).to_be_focused()
        expect(page.locator(".listing-count")).to_have_text("3 products")

        in_stock = box(page, "In stock")
        in_stock.focus()
        page.keyboard.press("Space")
        expect(page).to_have_url("/products?availability=in-stock&tag=gift")
        kitchen = box(page, "Kitchen")
        expect(kitchen).to_have_accessible_name("Kitchen 1")

        page.get_by_role("link", name="Remove this filter: gift").press("Enter")
        expect(page).to_have_url("/products?availability=in-stock")
        expect(gift).not_to_be_checked()
        expect(kitchen).to_have_accessible_name("Kitchen 3")
        expect(page.locator(":focus")).to_have_count(1)
        expect(page.locator("body:focus")).to_have_count(0)

        back(page)
        expect(page).to_have_url("/products?availability=in-stock&tag=gift")
        expect(gift).to_be_checked()
        back(page)
        back(page)
        expect(page).to_have_url("/products")
        expect(titles(page)).to_have_text(everything)
        expect(gift).not_to_be_checked()
        add_button(page, "Mug").click()
        expect(badge(page)).to_have_text("1")


def test_a_price_that_is_none_is_said_beside_its_field(page: Page, complaints: Complaints):
    complaints.expect("status of 400")
    page.goto("/products")
    lowest = page.get_by_label("From")

    with staying_on(page):
        lowest.fill("cheap")
        lowest.press("Enter")
        expect(lowest).to_have_accessible_description("Type prices in digits, such as 19.99.")
        expect(lowest).to_have_value("cheap")
        expect(lowest).to_be_focused()

        lowest.fill("60")
        lowest.press("Enter")
        expect(titles(page)).to_have_text(["Linen Shirt", "Mantel Clock", "Carved Chair"])
        expect(page).to_have_url("/products?price-from=60")


def test_on_a_phone_the_filters_stay_open_until_they_are_done(visit: Callable[..., BrowserContext]):
    page = visit(**PHONE).new_page()
    page.goto("/products")
    expect(box(page, "gift")).to_be_hidden()
    page.get_by_text("Filters", exact=True).tap()
    expect(page.get_by_role("checkbox")).to_have_count(0)

    with staying_on(page):
        open_filter(page, "Tag")
        box(page, "gift").tap()
        expect(page).to_have_url("/products?tag=gift")
        expect(page.locator("summary", has_text="Tag")).to_have_text(re.compile(r"Tag\s*Chosen: 1"))
        expect(box(page, "gift")).to_be_focused()
        open_filter(page, "Availability")
        box(page, "In stock").tap()
        expect(page).to_have_url("/products?availability=in-stock&tag=gift")
        expect(box(page, "In stock")).to_be_visible()
        expect(box(page, "In stock")).to_be_focused()
        page.get_by_role("button", name="Show 3 products").tap()
        expect(box(page, "gift")).to_be_hidden()
        expect(page).to_have_url("/products?availability=in-stock&tag=gift")
        expect(titles(page).first).to_be_in_viewport()


def test_on_a_phone_a_filter_that_is_opened_meanwhile_stays_open_and_in_focus(visit: Callable[..., BrowserContext]):
    page = visit(**PHONE).new_page()
    page.goto("/products")
    open_filter(page, "Tag")
    gate = Gate(page, "**/products?tag=gift")
    box(page, "gift").tap()
    gate.wait()
    vendor = page.locator(".facet-summary", has_text="Vendor")
    vendor.focus()
    page.keyboard.press("Enter")

    gate.open()

    expect(page).to_have_url("/products?tag=gift")
    expect(box(page, "Inkwell")).to_be_visible()
    expect(box(page, "gift")).to_be_visible()
    expect(vendor).to_be_focused()


def test_on_a_wide_screen_filters_are_open_and_named(visit: Callable[..., BrowserContext]):
    page = visit(**DESKTOP).new_page()
    page.goto("/products")

    expect(page.get_by_role("group", name="Availability").get_by_role("checkbox").first).to_be_in_viewport()
    expect(page.locator(".facet-body > legend").filter(has_text="Availability")).to_have_css("clip-path", "none")
    expect(page.locator(".facet-summary:visible")).to_have_count(0)


def test_on_a_phone_the_goods_begin_in_sight_when_the_filters_are_done(visit: Callable[..., BrowserContext]):
    page = visit(**PHONE).new_page()
    page.goto("/products")
    open_filter(page, "Tag")
    last = page.locator(".facet .choice label").last
    last.scroll_into_view_if_needed()
    last.click()
    expect(page.locator(".chip-chosen")).to_have_count(1)

    page.locator("#filters-done").click()

    expect(page.locator(".filters-body")).to_be_hidden()
    expect(page.locator(".listing-count")).to_be_in_viewport()
    expect(page.locator(".product-card").first).to_be_in_viewport()


@pytest.mark.parametrize(("device", "name"), [(PHONE, "handmade"), (DESKTOP, "Large")], ids=["phone", "desktop"])
def test_a_pressed_filter_stays_in_its_place(larger_shop: LiveShop, visit, device: dict[str, object], name: str):
    page = visit(**device).new_page()
    page.goto(f"{larger_shop.url}/products")
    if device is PHONE:
        open_filter(page, "Tag")
    pressed = box(page, name)
    pressed.scroll_into_view_if_needed()
    place = pressed.bounding_box()["y"]

    pressed.click()

    expect(page.locator(".chip-chosen")).to_have_count(1)
    expect(pressed).to_be_focused()
    eventually(lambda: abs(pressed.bounding_box()["y"] - place) < 2, True)


def test_more_values_come_below_and_fewer_leave_the_link_in_its_place(larger_shop: LiveShop, visit):
    page = visit(**PHONE).new_page()
    page.goto(f"{larger_shop.url}/products")
    open_filter(page, "Tag")
    tags = page.locator("#filter-tag")
    sixth, link = tags.get_by_role("checkbox").nth(5), tags.get_by_role("link")
    link.scroll_into_view_if_needed()
    place = sixth.bounding_box()["y"]

    link.tap()
    expect(link).to_have_text("Fewer: Tag")
    eventually(lambda: abs(sixth.bounding_box()["y"] - place) < 2, True)

    link.scroll_into_view_if_needed()
    place = link.bounding_box()["y"]
    link.tap()
    expect(link).to_contain_text("more")
    eventually(lambda: abs(link.bounding_box()["y"] - place) < 2, True)


def test_filters_and_the_language_without_javascript(visit: Callable[..., BrowserContext]):
    page = visit(java_script_enabled=False, **PHONE).new_page()
    page.goto("/products")
    open_filter(page, "Tag")
    box(page, "gift").check()
    open_filter(page, "Price")
    page.get_by_label("To", exact=True).fill("10")
    page.get_by_role("button", name="Show 8 products").tap()

    expect(titles(page)).to_have_text(["Last Poster", "Postcard"])
    assert "tag=gift" in page.url and "price-to=10" in page.url
    page.get_by_text("Filters").tap()
    expect(page.locator(".facet-summary", has=page.locator(".filters-count"))).to_have_text(
        [re.compile(r"Tag\s*Chosen: 1"), re.compile(r"Price\s*Chosen: 1")]
    )

    page.get_by_role("button", name="Русский").tap()

    expect(page.locator("html")).to_have_attribute("lang", "ru")
    assert "tag=gift" in page.url and "price-to=10" in page.url
    expect(titles(page)).to_have_text(["Last Poster", "Postcard"])


def test_more_values_without_javascript_are_in_sight_on_a_phone(larger_shop: LiveShop, visit):
    page = visit(java_script_enabled=False, **PHONE).new_page()
    page.goto(f"{larger_shop.url}/products")
    open_filter(page, "Tag")
    tags = page.locator("#filter-tag")

    tags.get_by_role("link").tap()
    page.wait_for_url("**/products?all=tag#filter-tag")
    expect(tags.get_by_role("checkbox").first).to_be_in_viewport()

    tags.get_by_role("link", name="Fewer").tap()
    page.wait_for_url("**/products#filter-tag")
    expect(tags.get_by_role("checkbox").first).to_be_in_viewport()


# More of a list


@pytest.mark.parametrize("remembering", [True, False], ids=["kept-page", "page-loaded-again"])
def test_more_is_put_below_and_back_returns_to_the_place(
    larger_shop: LiveShop, browser: Browser, request: pytest.FixtureRequest, visit, remembering: bool
):
    a_browser = request.getfixturevalue("remembering_browser") if remembering else browser
    page = visit(a_browser).new_page()
    page.goto(f"{larger_shop.url}/products")
    expect(titles(page)).to_have_count(24)

    with staying_on(page):
        page.get_by_role("link", name="Show more").press("Enter")
        expect(titles(page)).to_have_count(48)
        expect(page).to_have_url(f"{larger_shop.url}/products?until=2")
        expect(page.locator("body:focus")).to_have_count(0)
    far = titles(page).nth(40)
    name = far.inner_text()
    far.scroll_into_view_if_needed()
    far.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)

    back(page)

    expect(titles(page)).to_have_count(48)
    expect(titles(page).nth(40)).to_be_in_viewport()
    assert (page.evaluate("window.marker") == "still here") is remembering


# Suggestions


def test_suggestions_by_keyboard(page: Page):
    page.goto("/")
    field = search_box(page)
    expect(field).to_have_attribute("aria-expanded", "false")

    field.press_sequentially("mu")
    mug = page.get_by_role("option", name="Mug")
    expect(mug).to_contain_text("$12.00")
    expect(mug.locator("img")).to_have_count(1)
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(field).to_have_attribute("aria-controls", page.get_by_role("listbox").get_attribute("id"))

    field.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", mug.get_attribute("id"))
    expect(mug).to_have_attribute("aria-selected", "true")
    expect(field).to_be_focused()
    field.press("ArrowUp")
    expect(field).not_to_have_attribute("aria-activedescendant", mug.get_attribute("id"))
    field.press("ArrowUp")
    expect(page.get_by_role("option", selected=True)).to_have_text("Search for “mu”")

    field.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).to_have_value("mu")
    field.press("ArrowDown")
    expect(options(page).first).to_be_visible()
    field.press("ArrowDown")
    field.press("Enter")
    page.wait_for_url("/products/mug")


def test_an_old_answer_never_overtakes_a_newer_one(page: Page):
    page.goto("/")
    gate = Gate(page, "**/search/suggestions?q=tea*")
    field = search_box(page)
    field.press_sequentially("tea")
    gate.wait()

    field.fill("post")
    expect(options(page)).to_contain_text(["Postcard", "Last Poster", "Search for “post”"])
    gate.open()
    page.evaluate("fetch('/search/suggestions?q=tea').then((answer) => answer.text())")  # comes after the old one

    expect(page.get_by_role("option", name="Clay Teapot")).to_have_count(0)
    expect(options(page)).to_have_count(3)


def test_leaving_closes_the_suggestions_for_good(page: Page):
    page.goto("/")
    field = search_box(page)
    field.press_sequentially("tea")
    expect(options(page).first).to_be_visible()
    field.press("Tab")
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("listbox")).to_be_hidden()

    gate = Gate(page, "**/search/suggestions?q=post")
    field.fill("post")
    gate.wait()
    page.get_by_role("link", name="All products").first.focus()
    gate.open()

    expect(page.locator(".suggestion", has_text="Postcard")).to_have_count(1)
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(field).to_have_attribute("aria-expanded", "false")


def test_without_javascript_the_search_box_suggests_nothing_and_searches(visit: Callable[..., BrowserContext]):
    page = visit(java_script_enabled=False).new_page()
    page.goto("/")
    field = page.get_by_label("Search the shop")
    field.press_sequentially("teapot")
    expect(page.locator("#suggestions")).to_be_hidden()
    field.press("Enter")
    expect(page).to_have_url("/search?q=teapot")
    expect(titles(page)).to_have_text(["Clay Teapot"])
