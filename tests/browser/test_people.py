"""The people of one browser, from the first to the last: with plain forms, and with htmx in place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints

PHONE = {"width": 390, "height": 844}


@pytest.fixture(params=[False, True], ids=["without-javascript", "with-htmx"])
def visitor(request: pytest.FixtureRequest, visit: Callable[..., BrowserContext], complaints: Complaints):
    complaints.expect("status of 422")
    return visit(java_script_enabled=request.param, viewport=PHONE)


def register(page: Page, name: str, email: str) -> None:
    page.goto("/users")
    page.get_by_role("link", name="Register somebody").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Email", exact=True).fill(email)
    page.get_by_role("button", name="Register", exact=True).click()


def names(page: Page):
    return page.locator(".user-row-name")


def test_the_whole_story_of_the_people(page: Page, visitor: BrowserContext):
    register(page, "Ann", "ann@example.org")
    expect(page.get_by_role("status").first).to_contain_text("Registered.")
    register(page, "Боб", "nonsense")
    expect(page.get_by_label("Email", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Боб")
    page.get_by_label("Email", exact=True).fill("bob@example.org")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(names(page)).to_have_text(["Ann", "Боб"])

    page.get_by_label("Search by name or email").fill("БО")
    page.locator("#user-search").get_by_role("button", name="Search").click()
    expect(names(page)).to_have_text(["Боб"])
    page.goto("/users")

    page.get_by_role("button", name="Shop as Ann").click()
    expect(page.locator("#shopper")).to_contain_text("Ann")

    page.get_by_role("link", name="Edit Ann").click()
    page.get_by_label("Name", exact=True).fill("Ann Lee")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#shopper")).to_contain_text("Ann Lee")
    page.goto("/users")

    page.get_by_role("button", name="Delete Ann Lee").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(names(page)).to_have_text(["Боб"])
    expect(page.locator("#shopper")).to_contain_text("Guest")
    page.get_by_role("button", name="Undo").click()
    expect(names(page)).to_have_text(["Ann Lee", "Боб"])

    (cookie,) = [cookie for cookie in visitor.cookies() if cookie["name"] == "users"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    assert not any(personal in cookie["value"] for personal in ("Ann Lee", "ann@", "Боб"))

    page.goto("/cookies")
    expect(page.locator(".user-table")).to_contain_text("bob@example.org")
    page.get_by_role("button", name="Erase everything").click()
    expect(page.get_by_text("keeps nothing in this browser")).to_be_visible()
    assert visitor.cookies() == []


def test_whoever_is_shopping_fits_a_phone_in_any_language(visit: Callable[..., BrowserContext]):
    page = visit(viewport=PHONE).new_page()
    register(page, "Ann", "ann@example.org")
    page.get_by_role("button", name="Shop as Ann").click()
    expect(page.get_by_text("Shopping now")).to_be_visible()

    for language in ("en", "ru"):
        page.goto(f"/users?language={language}")
        assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"], language


def test_the_focus_stays_in_the_row_that_somebody_is_at(visit: Callable[..., BrowserContext]):
    page = visit().new_page()
    for name in ("Bob", "Ann"):
        register(page, name, f"{name}@example.org")
        expect(names(page).filter(has_text=name)).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="Ann@example.org")
    focused = row.locator(":focus")

    row.get_by_role("button", name="Delete Ann").press("Enter")
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_focused()
    page.get_by_role("link", name="Keep").press("Enter")
    expect(focused).to_have_text("Ann")

    for leave in (page.get_by_role("link", name="Cancel"), page.get_by_role("button", name="Save")):
        row.get_by_role("link", name="Edit Ann").press("Enter")
        leave.press("Enter")
        expect(focused).to_have_text("Ann")


def test_two_registrations_at_once_in_two_tabs_both_stay(visit: Callable[..., BrowserContext]):
    visitor = visit()
    tabs = visitor.new_page(), visitor.new_page()
    for number, tab in enumerate(tabs):
        tab.goto("/users/new")
        tab.get_by_label("Name", exact=True).fill(f"Person {number}")
        tab.get_by_label("Email", exact=True).fill(f"p{number}@example.org")
        tab.evaluate(
            """() => new BroadcastChannel("start").addEventListener("message", () =>
                document.querySelector(".user-form").requestSubmit())"""
        )
    starter = visitor.new_page()
    starter.goto("/cart")
    starter.evaluate("new BroadcastChannel('start').postMessage('now')")
    for tab in tabs:
        tab.wait_for_url("/users")

    page = visitor.new_page()
    page.goto("/users")
    expect(names(page)).to_have_count(2)
