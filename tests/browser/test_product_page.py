"""A product's page as people use it: its pictures, its options, several at once, and what was looked at before."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import unquote

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Complaints, Gate, back, badge, cart, eventually, staying_on, type_over

SHIRT = "/products/shirt"  # White / M (5), White / L (sold out), Blue / M (2); three pictures


def recent(visitor: BrowserContext) -> list[str]:
    values = [cookie["value"] for cookie in visitor.cookies() if cookie["name"] == "recent"]
    return json.loads(unquote(values[0])) if values else []


def picture(page: Page, number: int) -> Locator:
    return page.locator(f"#picture-{number} a")


def in_sight(page: Page, number: int) -> None:
    """Check that this picture is the one that the gallery shows."""
    offset = "slide => Math.round(slide.offsetLeft - slide.parentElement.offsetLeft - slide.parentElement.scrollLeft)"
    eventually(lambda: page.locator(f"#picture-{number}").evaluate(offset), 0)


def tab_to(page: Page, target: Locator) -> None:
    """Press the Tab key until the focus is there."""
    for _press in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("The Tab key doesn't reach it")


def without_javascript(visit: Callable[..., BrowserContext]) -> Page:
    return visit(java_script_enabled=False).new_page()


# Choosing


def test_choosing_with_the_keyboard_keeps_the_quantity_and_the_pictures(page: Page, visitor: BrowserContext):
    page.goto(SHIRT)
    page.get_by_role("button", name="One more", exact=True).press("Enter")
    page.get_by_role("button", name="One more", exact=True).press("Enter")
    expect(page.get_by_label("Quantity")).to_have_value("3")
    type_over(page.get_by_label("Quantity"), "2")

    with staying_on(page):
        page.get_by_role("link", name="L (sold out)").press("Enter")
        expect(page.locator(".stock")).to_have_text("Sold out in White / L.")
        expect(page.get_by_role("link", name="L (sold out)")).to_be_focused()
        page.get_by_role("link", name="Blue (with other options)").press("Enter")
        expect(page).to_have_url(f"{SHIRT}?variant=shirt.blue.m")
        expect(page.locator("#product-status")).to_have_text("Blue / M: $65.00. Only 2 left.")
        expect(page.locator("#picture-1 img")).to_have_attribute("alt", "A blue linen shirt")
        expect(page.get_by_label("Quantity")).to_have_value("2")
        page.get_by_label("Quantity").press("Enter")
        expect(badge(page)).to_have_text("2")
    assert cart(visitor) == {"shirt.blue.m": 2}


def test_a_choice_with_the_same_picture_leaves_the_gallery_as_it_is(page: Page):
    page.goto(SHIRT)
    page.get_by_role("link", name="Picture 3 of 3").click()
    in_sight(page, 3)

    page.get_by_role("link", name="L (sold out)").click()

    expect(page.locator(".stock")).to_have_text("Sold out in White / L.")
    in_sight(page, 3)
    expect(page.get_by_role("link", name="Picture 3 of 3")).to_have_attribute("aria-current", "true")


# Pictures


def test_pictures_by_keyboard(page: Page):
    page.goto(SHIRT)
    second = page.get_by_role("link", name="Picture 2 of 3")
    expect(page.get_by_role("link", name="Picture 1 of 3")).to_have_attribute("aria-current", "true")

    tab_to(page, second)
    page.keyboard.press("Enter")

    in_sight(page, 2)
    expect(second).to_have_attribute("aria-current", "true")
    expect(second).to_be_focused()
    expect(page).to_have_url(SHIRT)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(picture(page, 2)).to_be_focused()  # the first is out of sight, and out of the way


def test_a_picture_opens_large_and_gives_the_focus_back(page: Page):
    page.goto(SHIRT)
    tab_to(page, picture(page, 1))
    page.keyboard.press("Enter")
    large = page.get_by_role("dialog", name="Pictures")
    shown = large.get_by_role("img")
    expect(shown).to_have_attribute("alt", "A rose linen shirt")

    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("alt", "A blue linen shirt")
    large.get_by_role("button", name="Next picture").press("Enter")
    expect(shown).to_have_attribute("alt", "Its thread")
    before = shown.bounding_box()["width"]
    large.get_by_role("button", name="Enlarge").press("Enter")
    assert shown.bounding_box()["width"] > before * 1.5
    assert violations(page) == []
    page.keyboard.press("Escape")

    expect(large).to_be_hidden()
    expect(picture(page, 3)).to_be_focused()
    in_sight(page, 3)


def test_a_large_picture_keeps_its_shape_on_a_phone(visit: Callable[..., BrowserContext]):
    page = visit(viewport={"width": 390, "height": 844}).new_page()
    page.goto(SHIRT)
    picture(page, 1).click()
    shown = page.get_by_role("dialog", name="Pictures").get_by_role("img")
    eventually(lambda: shown.evaluate("picture => picture.naturalWidth > 0"), True)

    box = shown.bounding_box()
    assert abs(box["width"] / box["height"] - shown.evaluate("({naturalWidth: w, naturalHeight: h}) => w / h")) < 0.02


def test_a_picture_that_is_missing_can_not_be_enlarged(page: Page, complaints: Complaints):
    complaints.expect("status of 404")
    page.route("**/shirt-rose.webp", lambda route: route.fulfill(status=404))
    page.goto(SHIRT)
    expect(picture(page, 1).locator(".picture-broken")).to_have_count(1)

    expect(page.get_by_role("link", name="Enlarge: A rose linen shirt")).to_have_count(0)
    picture(page, 1).click()
    expect(page).to_have_url(SHIRT)
    expect(page.get_by_role("dialog", name="Pictures")).to_be_hidden()


def test_pictures_without_javascript_are_links(visit, complaints: Complaints):
    complaints.expect(r"thread\.webp|favicon\.ico")  # what the browser makes of a file that is no page
    page = without_javascript(visit)
    page.goto(SHIRT)

    page.get_by_role("link", name="Picture 3 of 3").click()
    in_sight(page, 3)
    picture(page, 3).click()

    expect(page).to_have_url("/static/img/demo/thread.webp")


# Several at once


def test_several_at_once_by_keyboard(page: Page, visitor: BrowserContext, complaints: Complaints):
    complaints.expect(r"status of 422 .*/cart-items")
    page.goto(SHIRT)
    white, blue = page.get_by_label("How many of White / M"), page.get_by_label("How many of Blue / M")
    page.get_by_text("Order several at once").focus()
    page.keyboard.press("Enter")

    with staying_on(page):
        type_over(white, "2")
        type_over(blue, "two")
        page.keyboard.press("Enter")
        expect(page.locator(".order-sheet-problem")).to_have_text("Choose a quantity from 0 to 999, in digits.")
        expect(blue).to_be_focused()
        expect(white).to_have_value("2")
        assert cart(visitor) == {}

        type_over(blue, "9")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Linen Shirt, Blue / M (2 in your cart)")
        expect(badge(page)).to_have_text("4")
        expect(white).to_have_value("0")
        expect(blue).to_have_value("0")
    assert cart(visitor) == {"shirt.white.m": 2, "shirt.blue.m": 2}


def test_several_at_once_without_javascript(visit, complaints: Complaints):
    complaints.expect(r"status of 422 .*/cart-items")
    page = without_javascript(visit)
    page.goto(SHIRT)
    page.get_by_text("Order several at once").click()
    page.get_by_label("How many of White / M").fill("2")
    page.get_by_label("How many of Blue / M").fill("two")
    page.get_by_role("button", name="Add all to cart").click()
    expect(page.locator(".order-sheet-problem")).to_be_visible()

    page.get_by_label("How many of Blue / M").fill("1")
    page.get_by_role("button", name="Add all to cart").click()

    expect(page).to_have_url("/cart")
    assert cart(page.context) == {"shirt.white.m": 2, "shirt.blue.m": 1}


# Recently viewed


def test_what_was_looked_at_is_shown_below_the_next(page: Page, visitor: BrowserContext):
    page.goto("/products/mug")
    eventually(lambda: recent(visitor), ["mug"])
    page.goto("/products/shirt")
    expect(page.locator("#recently-viewed .product-card-title")).to_have_text(["Mug"])
    page.goto("/products/clay-teapot")
    expect(page.locator("#recently-viewed .product-card-title")).to_have_text(["Linen Shirt", "Mug"])
    assert recent(visitor) == ["clay-teapot", "shirt", "mug"]

    page.locator("#recently-viewed").get_by_role("button", name="Add to cart: Mug").click()

    expect(badge(page)).to_have_text("1")


def test_an_add_waits_for_nothing_that_the_page_asks_by_itself(page: Page, visitor: BrowserContext):
    remembering = Gate(page, "**/recently-viewed")
    page.goto("/products/mug")
    remembering.wait()

    page.get_by_role("button", name="Add to cart", exact=True).click()
    expect(badge(page)).to_have_text("1")
    remembering.open()

    eventually(lambda: recent(visitor), ["mug"])
    assert cart(visitor) == {"mug": 1}


def test_back_posts_nothing_again(remembering_page: Page):
    page = remembering_page
    posts: list[str] = []
    page.on("request", lambda request: request.method == "POST" and posts.append(request.post_data))
    page.goto("/products/mug")
    page.wait_for_load_state("networkidle")
    page.evaluate("window.marker = 'still here'")
    page.goto("/products/postcard")
    expect(page.locator("#recently-viewed .product-card-title")).to_have_text(["Mug"])

    back(page)

    expect(page).to_have_url("/products/mug")
    assert page.evaluate("window.marker") == "still here", "the page was loaded again: this tests nothing"
    page.wait_for_load_state("networkidle")
    assert posts == ["handle=mug", "handle=postcard"]


def test_a_failure_to_remember_says_nothing(page: Page, complaints: Complaints):
    complaints.expect(r"status of 500 .*/recently-viewed")
    page.route("**/recently-viewed", lambda route: route.fulfill(status=500, body="no"))

    with page.expect_response("**/recently-viewed"):
        page.goto("/products/mug")
    page.get_by_role("button", name="One more", exact=True).click()

    expect(page.get_by_label("Quantity")).to_have_value("2")
    expect(page.get_by_role("status")).to_have_text("")


def test_nothing_is_remembered_without_javascript(visit):
    page = without_javascript(visit)
    page.goto("/products/mug")

    expect(page.locator("#recently-viewed")).to_be_hidden()
    assert page.context.cookies() == []
