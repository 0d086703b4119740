"""What browser tests may use: a real server, a real Chromium, and a page that must not complain.

A page reached by a click is usable before its scripts have run: then forms are plain ones. A test that is about
what the scripts do waits first: `page.wait_for_url(…)`, which returns when the page has loaded.

What a browser says on its console (errors, warnings, violations of the content security policy) fails the test
that caused it, unless the test expected it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, sync_playwright

from shop.settings import Settings
from tests import chromium
from tests.live import LiveShop, live_shop

ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]

Launch = Callable[..., Browser]


@pytest.fixture(scope="session")
def shop(stocking: Callable[[Path], Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveShop]:
    """A shop with the shelf in it, served by two worker processes."""
    data = tmp_path_factory.mktemp("browser-shop")
    stocking(data)
    with live_shop(data, workers="2") as shop:
        yield shop


@pytest.fixture(scope="session")
def chromium_path(request: pytest.FixtureRequest) -> str:
    path = chromium.find()
    if path is None:
        _do_without(request.config)
    return str(path)


@pytest.fixture(scope="session")
def launch(chromium_path: str) -> Iterator[Launch]:
    """`launch()` starts a browser, which its caller closes."""
    with sync_playwright() as playwright:

        def launch(*, whole: bool = False) -> Browser:
            shell = None if whole else chromium.find_shell()
            # Playwright turns the back-forward cache off by default; visitors have it on.
            off = ["--disable-back-forward-cache"] if whole else None
            path = shell or chromium_path
            return playwright.chromium.launch(executable_path=path, args=ARGUMENTS, ignore_default_args=off)

        yield launch


@pytest.fixture(scope="session")
def browser(launch: Launch) -> Iterator[Browser]:
    """The quicker one, where there is one. It has no back-forward cache: Back loads the page again."""
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def remembering_browser(launch: Launch) -> Iterator[Browser]:
    """A browser with a back-forward cache, as visitors have."""
    browser = launch(whole=True)
    yield browser
    browser.close()


def _do_without(config: pytest.Config) -> None:
    """Skip for want of a browser, where a person sees it; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(chromium.MISSING, pytrace=False)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{chromium.MISSING}", file=sys.stderr)
    pytest.skip(chromium.MISSING)


class Complaints:
    """What browsers said on their consoles, without what the test expected."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._expected: list[str] = []

    def expect(self, *patterns: str) -> None:
        """Let pass what one of the regular expressions is found in."""
        self._expected.extend(patterns)

    def listen_to(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._heard.append(f"uncaught: {error.error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self._heard.append(f"{message.type}: {message.text} ({message.location['url']})")

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self._heard if not any(re.search(pattern, text) for pattern in self._expected)]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert complaints.unexpected == []


# A browser reports a violation of the policy on the console too, but not for every directive.
_REPORT_VIOLATIONS = """
    addEventListener("securitypolicyviolation", (event) =>
        console.error("content security policy:", event.violatedDirective, event.blockedURI));
"""


@pytest.fixture
def visit(browser: Browser, shop: LiveShop, complaints: Complaints) -> Iterator[Callable[..., BrowserContext]]:
    """`visit()` is a new visitor: a browser context with cookies of its own. Keywords are Playwright's."""
    visitors: list[BrowserContext] = []

    def visit(browser: Browser = browser, **options: object) -> BrowserContext:
        visitor = browser.new_context(base_url=shop.url, **options)
        visitor.set_default_timeout(10_000)
        visitor.add_init_script(_REPORT_VIOLATIONS)
        complaints.listen_to(visitor)
        visitors.append(visitor)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def visitor(visit: Callable[..., BrowserContext]) -> BrowserContext:
    return visit()


@pytest.fixture
def page(visitor: BrowserContext) -> Page:
    """The visitor's first tab."""
    return visitor.new_page()


@pytest.fixture
def remembering_page(visit: Callable[..., BrowserContext], remembering_browser: Browser) -> Page:
    """The first tab of a visitor whose browser keeps pages alive, to go back to."""
    return visit(remembering_browser).new_page()


def cart(visitor: BrowserContext) -> dict[str, int]:
    """The cart as the browser's cookie store has it."""
    values = [cookie["value"] for cookie in visitor.cookies() if cookie["name"] == "cart"]
    return json.loads(unquote(values[0])) if values else {}


def badge(page: Page) -> Locator:
    """The number at the top of every page."""
    return page.locator("#cart-count .cart-count-number")


def add_button(page: Page, title: str) -> Locator:
    """The button on the product's card."""
    return page.get_by_role("button", name=f"Add to cart: {title}", exact=True)


def fill_cart(visitor: BrowserContext, **quantities: int) -> None:
    """Give the visitor a cart, as an earlier visit would have: `fill_cart(visitor, clay_teapot=1)`."""
    items = {item.replace("_", "-"): quantity for item, quantity in quantities.items()}
    value = quote(json.dumps(items, separators=(",", ":")), safe="{}:")
    place = {"domain": "127.0.0.1", "path": "/", "httpOnly": True, "sameSite": "Lax"}
    visitor.add_cookies([{"name": "cart", "value": value, **place}])


def type_over(field: Locator, text: str) -> None:
    """Type into a field as people do: what was there is replaced, key by key."""
    field.select_text()
    field.press_sequentially(text)


def slow(page: Page, milliseconds: int) -> None:
    """Put that long a way between the page and the shop."""
    network = {"offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", network)


@contextmanager
def paused(shop: LiveShop) -> Iterator[None]:
    """The shop answers nothing meanwhile; what it was asked, it answers afterwards."""
    os.killpg(shop.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(shop.process.pid, signal.SIGCONT)


class Gate:
    """Requests that the page sends to `url` wait here until they are let through, singly or all."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._waiting: list[Route] = []
        self._open = False
        page.route(url, lambda route: self._arrive(route))

    def wait(self) -> None:
        """Wait until a request is here."""
        deadline = time.monotonic() + 10
        while not self._waiting:
            assert time.monotonic() < deadline, "no such request was sent"
            self._page.wait_for_timeout(10)  # in which Playwright tells of requests

    def let_one_through(self) -> None:
        self.wait()
        self._waiting.pop(0).continue_()

    def open(self) -> None:
        self._open = True
        while self._waiting:
            self._waiting.pop(0).continue_()

    def _arrive(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self._waiting.append(route)


def back(page: Page) -> None:
    """Go back. Playwright's own waits for an event that a page from the back-forward cache doesn't send."""
    page.go_back(wait_until="commit")


@contextmanager
def staying_on(page: Page) -> Iterator[None]:
    """Check that the page is not left meanwhile: what a script put into it is still there."""
    page.evaluate("window.marker = 'still here'")
    yield
    assert page.evaluate("window.marker") == "still here"


def eventually(what: Callable[[], object], expected: object) -> None:
    """Check that `what()` comes to be `expected` within ten seconds; for what a browser doesn't tell of."""
    deadline = time.monotonic() + 10
    while what() != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what() == expected
