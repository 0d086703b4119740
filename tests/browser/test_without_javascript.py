"""One tour of the shop, made twice: with plain forms and links, and with htmx, where the cart changes in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Complaints, badge, cart, staying_on


@dataclass
class Tour:
    page: Page
    scripted: bool

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """With htmx, check that the page is not left meanwhile."""
        if not self.scripted:
            yield
            return
        with staying_on(self.page):
            yield

    def says(self, text: str) -> None:
        expect(self.page.get_by_role("status")).to_contain_text(text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def quantity(self, title: str) -> Locator:
        return self.page.get_by_label(f"Quantity of {title}", exact=True)


@pytest.fixture(params=[False, True], ids=["without-javascript", "with-htmx"])
def tour(request: pytest.FixtureRequest, visit: Callable[..., BrowserContext], complaints: Complaints) -> Tour:
    complaints.expect(r"status of 404 .*/nowhere")
    return Tour(visit(java_script_enabled=request.param).new_page(), request.param)


def test_a_whole_tour_of_the_shop(tour: Tour):
    page, visitor = tour.page, tour.page.context

    page.goto("/")
    page.locator("#main").get_by_role("link", name="Clothing").click()
    expect(page).to_have_url("/collections/clothing")
    tour.link("Choose: Linen Shirt").click()
    page.wait_for_url("/products/shirt")

    with tour.in_place():
        tour.link("Blue").click()
        expect(page).to_have_url("/products/shirt?variant=shirt.blue.m")
        expect(page.locator(".product-price > .money")).to_have_text("$65.00")
        page.get_by_label("Quantity").fill("2")
        tour.button("Add to cart").click()
        tour.says("Linen Shirt")
        expect(badge(page)).to_have_text("2")

    page.goto("/products")
    with tour.in_place():
        tour.button("Add to cart: Mug").click()
        tour.says("Mug is in your cart.")

    page.locator(".footer").get_by_role("link", name="Cart", exact=True).click()
    page.wait_for_url("/cart")
    shirt = page.locator("#cart-lines").get_by_label("Quantity of Linen Shirt")
    expect(shirt).to_have_value("2")
    with tour.in_place():
        tour.button("One more of Mug").click()
        expect(tour.quantity("Mug")).to_have_value("2")
        tour.button("One more of Mug").click()
        expect(tour.quantity("Mug")).to_have_value("3")
        tour.button("One less of Mug").click()
        expect(tour.quantity("Mug")).to_have_value("2")

        tour.quantity("Mug").fill("9")
        if tour.scripted:
            tour.quantity("Mug").press("Tab")
        else:
            page.locator(".cart-line", has_text="Mug").get_by_role("button", name="Update").last.click()
        tour.says("Mug: 9 in your cart.")
        expect(page.locator("#cart-subtotal .money")).to_have_text("$238.00")

        tour.quantity("Mug").fill("4")
        tour.quantity("Mug").press("Enter")
        tour.says("Mug: 4 in your cart.")
        expect(tour.quantity("Mug")).to_have_value("4")

        tour.button("Remove Mug").click()
        tour.says("Mug is out of your cart.")
        expect(tour.button("Close")).to_have_count(1 if tour.scripted else 0)
        expect(tour.quantity("Mug")).to_have_count(0)
        tour.button("Undo").click()
        tour.says("4 of Mug are in your cart.")
        expect(tour.quantity("Mug")).to_have_value("4")

        page.get_by_text("Send this cart to somebody").click()
        expect(page.get_by_label("A link that offers these items.")).to_be_visible()
        expect(tour.button("Copy")).to_have_count(1 if tour.scripted else 0)

        tour.button("Empty the cart").click()
        tour.says("Your cart is empty now.")
        expect(badge(page)).to_have_text("0")
        assert cart(visitor) == {}
        tour.button("Undo").click()
        expect(badge(page)).to_have_text("6")
    assert cart(visitor) == {"shirt.blue.m": 2, "mug": 4}

    page.get_by_label("Search the shop").fill("teapot")
    page.get_by_label("Search the shop").press("Enter")
    expect(page).to_have_url("/search?q=teapot")
    expect(page.locator(".product-card-title")).to_have_text(["Clay Teapot"])

    page.goto("/nowhere")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    tour.link("Go to the cart").click()
    expect(page).to_have_url("/cart")

    page.goto('/cart/shared?items={"mug":1,"postcard":3}')
    assert cart(visitor) == {"shirt.blue.m": 2, "mug": 4}, "a link changes nothing"
    tour.button("Add to my cart").click()
    expect(page).to_have_url("/cart")
    expect(badge(page)).to_have_text("10")
    assert cart(visitor) == {"shirt.blue.m": 2, "mug": 5, "postcard": 3}


def test_sorting_a_list(tour: Tour):
    page = tour.page
    page.goto("/collections/paper")

    with tour.in_place():
        page.get_by_label("Sort").select_option("Price, low to high")
        if not tour.scripted:
            tour.button("Sort").click()  # the form says too which prices it was given: none
        expect(page).to_have_url(re.compile(r"/collections/paper\?sort=price-low"))
        expect(page.locator(".product-card-title")).to_have_text(["Postcard", "Last Poster"])


def test_a_link_that_offers_to_add(tour: Tour):
    page = tour.page
    page.goto("/cart-items?item=mug&quantity=3")
    expect(page.get_by_role("heading", name="Mug", exact=True)).to_be_visible()
    assert page.context.cookies() == []

    tour.button("Add to cart").click()

    expect(page).to_have_url("/cart")
    expect(tour.quantity("Mug")).to_have_value("3")


def test_too_many_are_explained(tour: Tour):
    page = tour.page
    page.goto("/products/last-poster")

    page.get_by_label("Quantity").fill("5")
    tour.button("Add to cart").click()

    tour.says("Only 1 of Last Poster can be had, so your cart now holds 1.")
    assert cart(page.context) == {"last-poster": 1}
