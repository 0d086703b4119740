"""The docs' page about cookies says what the running shop does, step by step."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.request
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

import pytest
from bs4 import BeautifulSoup

from shop.cookies import KINDS
from shop.server import DEMO_CATALOGUE
from tests.live import PROJECT, live_shop, run_shop

PAGE = PROJECT / "docs" / "cookies-inspected.md"


def step(number: int) -> str:
    """The text of one step, with quotes and line breaks folded away."""
    _, _, after = PAGE.read_text().partition(f"## {number}. ")
    return " ".join(re.sub(r"^> ?", "", after.partition("\n## ")[0], flags=re.MULTILINE).split())


class Browser:
    """A browser as the page's reader has one: cookies to look at and to edit, no JavaScript."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def cookie(self, name: str) -> str:
        return next(str(cookie.value) for cookie in self.cookies if cookie.name == name)

    def edit(self, name: str, value: str) -> None:
        next(cookie for cookie in self.cookies if cookie.name == name).value = value

    def get(self, path: str) -> BeautifulSoup:
        return self._open(urllib.request.Request(self.url + path))

    def submit(self, path: str, **form: str) -> BeautifulSoup:
        own = {"Sec-Fetch-Site": "same-origin"}
        return self._open(urllib.request.Request(self.url + path, urlencode(form).encode(), own))

    def _open(self, request: urllib.request.Request) -> BeautifulSoup:
        with self._opener.open(request) as answer:
            return BeautifulSoup(answer.read(), "html.parser")


def message(page: BeautifulSoup) -> str:
    return " ".join(page.select_one("#messages").get_text(" ", strip=True).split())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inspected")


def test_each_step_of_the_page_is_true(data: Path):
    with live_shop(data, catalogue=None) as shop:
        browser = Browser(shop.url)
        _look_around(browser)
        _add_a_teapot(browser)
        _edit_it(browser)
        _cut_a_byte(browser)
        sealed = _register_somebody(browser, data)
    with live_shop(data, users_cookie="signed", port=shop.port) as shop:
        browser.url = shop.url
        browser.edit("users", sealed)
        _read_it_signed(browser)
        _fill_it_up(browser)
        _see_the_small_ones(browser)
        _erase_it(browser)


def _look_around(browser: Browser) -> None:
    for path in ("/", "/collections/kitchen", "/products/clay-teapot"):
        browser.get(path)

    assert not list(browser.cookies)
    assert browser.get("/cookies").select_one(".empty-title").text in step(1)


def _add_a_teapot(browser: Browser) -> None:
    form = browser.get("/products/clay-teapot").select_one("#add-form")
    browser.submit(form["action"], item=form.select_one("[name=item]")["value"], quantity="1")

    assert f"``` {browser.cookie('cart')} ```" in step(2)
    assert f"``` {unquote(browser.cookie('cart'))} ```" in step(2)


def _edit_it(browser: Browser) -> None:
    typed = re.findall(r"``` (\S+) ```", step(3))
    assert len(typed) == 2
    for value in typed:
        browser.edit("cart", value)
        page = browser.get("/cart")
        quantities = [field["value"] for field in page.select(".stepper-input")]
        assert quantities == ["2", "1"]
        assert not message(page)


def _cut_a_byte(browser: Browser) -> None:
    for value in ("{%22clay-teapot%22:1", '{"clay-teapot":1.5}'):
        browser.edit("cart", value)
        page = browser.get("/cart")
        said = message(page)
        assert said in step(4) or said.partition(" It is left alone")[0] in step(4)
        assert "Your cart is empty" in page.text
        assert browser.cookie("cart") == value


def _register_somebody(browser: Browser, data: Path) -> str:
    browser.edit("cart", "{%22clay-teapot%22:1}")
    browser.get("/users/new")
    browser.submit("/users", name="Ann", email="ann@example.org")
    sealed = browser.cookie("users")
    assert sealed.startswith("gAAAAA") and "``` gAAAAA ```" in step(5)
    assert "ann@example.org" in browser.get("/cookies").select_one(".user-table").text

    printed = run_shop_with_input(data, sealed)
    assert [user["name"] for user in json.loads(printed)] == ["Ann"]

    for value in (
        sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:],
        re.search(r"`(\[.*?\])`", step(5))[1],
    ):
        browser.edit("users", quote(value, safe="=-_"))
        said = message(browser.get("/users"))
        assert said.partition(" It is left alone")[0] in step(5)
    return sealed


def run_shop_with_input(data: Path, text: str) -> str:
    done = run_shop("cookie", "decode", SHOP_DATA=str(data), stdin=text)
    assert done.returncode == 0, done.stderr
    assert "shop cookie decode" in step(5)
    return done.stdout


def _read_it_signed(browser: Browser) -> None:
    assert "Ann" in browser.get("/users").select_one("#user-list").text
    browser.submit("/users", name="Bob", email="bob@example.org")
    readable = unquote(browser.cookie("users"))
    users, _, signature = readable.rpartition(".")

    assert signature
    assert f"``` {re.sub(r'(?<=id.:.)[^,]+(?=.,)', '…', users)}.… ```" in step(6)


def _fill_it_up(browser: Browser) -> None:
    said = ""
    for number in range(200):
        said = message(browser.submit("/users", name=f"Person {number}", email=f"p{number}@example.org"))
        if said != "Registered.":
            break
    assert said.removeprefix("Registered. ") in step(7)

    for user in browser.get("/cookies").select(".user-table tbody code"):
        said = message(browser.submit(f"/users/{user.text}/delete", confirm="yes"))
        if said.removesuffix(" Undo") != "Deleted.":
            break
    assert said.removeprefix("Deleted. ").removesuffix(" Undo") in step(7)


def _see_the_small_ones(browser: Browser) -> None:
    form = browser.get("/products/clay-teapot").select_one("form[action='/saved-items']")
    browser.submit(form["action"], item=form.select_one("[name=item]")["value"])
    browser.submit("/recently-viewed", handle="clay-teapot")
    browser.submit("/language", language="en", page="/")

    shown = re.findall(r"``` (\S+) ```", step(8))
    assert shown == [browser.cookie(name) for name in ("saved", "recent", "language")]

    for value in ('["no-such-thing"]', '{"clay-teapot":1}'):
        assert f"`{value}`" in step(8)
        browser.edit("saved", quote(value, safe="[]{}:"))
        page = browser.get("/saved")
        said = page.select_one(".saved-item .stock, #saved-list > .field-error").text
        assert said in step(8) or said.partition(" It is left alone")[0] in step(8)


def _erase_it(browser: Browser) -> None:
    page = browser.submit("/cookies/delete")

    assert page.select_one(".notice").text in step(9)
    assert not list(browser.cookies)


def test_the_readme_lists_every_cookie():
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d+) days \|$", (PROJECT / "README.md").read_text(), re.MULTILINE)

    assert dict(rows) == {kind.name: str(kind.lives.days) for kind in KINDS}


def test_the_demo_catalogue_has_what_the_page_names():
    text = DEMO_CATALOGUE.read_text()

    assert "clay-teapot" in text and "seconds-mug" in text
