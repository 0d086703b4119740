"""What every test may use: a shop with a small shelf of goods, visitors, and the goods by name.

The shelf (`shelf.csv`) is imported once; each test gets a copy of that database to itself. With `--postgresql` it is
PostgreSQL's, and so is every other that a test opens (databases.py); then only the tests that have one run.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import hypothesis
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from shop import Shop, create_app
from shop.catalogue import store
from shop.catalogue.products import Variant
from shop.database import Database
from shop.settings import Settings
from tests import databases
from tests.databases import SHELF
from tests.postgres import MISSING, Server, postgres
from tests.postgres import find as find_postgres
from tests.templates import compile_once

__all__ = ["SHELF", "postgres"]

# Other tests run beside these: how long an example takes says nothing. In CI as many as usual, elsewhere a few.
hypothesis.settings.register_profile("shop", deadline=None, max_examples=100 if os.environ.get("CI") else 30)
hypothesis.settings.load_profile("shop")

compile_once()

OWN = {"Sec-Fetch-Site": "same-origin"}
HTMX = {**OWN, "HX-Request-Type": "partial", "HX-Request": "true"}

# The two ways to visit: a plain form, and htmx.
both_ways = pytest.mark.parametrize("headers", [OWN, HTMX], ids=["plain", "htmx"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgresql", action="store_true", help="keep the shops' data in PostgreSQL, not in SQLite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, leave out what has no database, what is about SQLite itself, and what runs on both anyway."""
    if config.getoption("--postgresql"):
        config.hook.pytest_deselected(items=[item for item in items if not _tells_of_postgres(item)])
        items[:] = [item for item in items if _tells_of_postgres(item)]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Have the garbage collector look through the thousands of tests no more: they stay until the end."""
    gc.collect()
    gc.freeze()
    # As in the shop's own server. By default it takes a tenth of the time.
    gc.set_threshold(10_000, 20, 50)


def _tells_of_postgres(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("sqlite") or fixtures & {"postgres", "postgres_url", "either_database", "new_url"}:
        return False
    # Those that open a shop for themselves do it by one of these.
    opening = {"Database", "live_shop", "run_shop", "url_of"}
    return "stocking" in fixtures or bool(opening & vars(item.module).keys())


@pytest.fixture(scope="session", autouse=True)
def every_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where all shops of these tests keep their data."""
    if not request.config.getoption("--postgresql"):
        databases.current = databases.SqliteFiles(tmp_path_factory.mktemp("shelf"))
    elif find_postgres() is None:
        pytest.exit(MISSING, returncode=1)
    else:
        databases.current = request.getfixturevalue("postgres_databases")
    yield
    databases.current = databases.SqliteFiles()  # the server stops before the last test is put away


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After all of a test is closed, its databases go."""
    yield
    if folder := getattr(item, "funcargs", {}).get("tmp_path"):
        databases.current.forget(folder)


@pytest.fixture(scope="session")
def postgres_databases(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> databases.PostgresDatabases:
    template = postgres.create()
    databases.fill_the_shelf(template, tmp_path_factory.mktemp("postgres"))
    return databases.PostgresDatabases(postgres, template)


@pytest.fixture
def postgres_url(postgres_databases: databases.PostgresDatabases, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the shelf in it, the test's own."""
    yield postgres_databases.stock(tmp_path)
    postgres_databases.forget(tmp_path)


@pytest.fixture(scope="session")
def stocking(every_database: None) -> Callable[[Path], Settings]:
    """`stocking(folder)` are the settings of a shop with that data folder, and with the shelf in its database."""

    def stocking(data: Path) -> Settings:
        return Settings(data=data, database_url=databases.current.stock(data), secret_key="a key of the tests alone")

    return stocking


@pytest.fixture
def settings(stocking: Callable[[Path], Settings], tmp_path: Path) -> Settings:
    return stocking(tmp_path)


@pytest.fixture
def database(settings: Settings):
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def built(stocking: Callable[[Path], Settings], tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An app that has found its routes and its templates. `app` gives it a shop."""
    return create_app(stocking(tmp_path_factory.mktemp("built")))


@pytest.fixture(scope="session")
def built_for_https(stocking: Callable[[Path], Settings], tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(replace(stocking(tmp_path_factory.mktemp("built")), https=True))


@pytest.fixture
def app(built: Flask, settings: Settings):
    with _opened(built, settings) as app:
        yield app


@pytest.fixture
def https_app(built_for_https: Flask, settings: Settings):
    with _opened(built_for_https, replace(settings, https=True)) as app:
        yield app


@contextmanager
def _opened(app: Flask, settings: Settings):
    """The app with the shop of one test: a database and a data folder of its own."""
    built_with = app.extensions["shop"]
    database = Database(settings.database_url)
    app.extensions["shop"] = Shop(settings, database, built_with.terms)
    yield app
    database.close()
    app.extensions["shop"] = built_with


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def cookieless(app: Flask) -> FlaskClient:
    """A client that keeps no cookies, for requests that carry a Cookie header of their own."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def find(database: Database):
    """`find("mug")` is that variant, as the shop has it now."""

    def find(item: str) -> Variant:
        with database.reading() as connection:
            return store.find_variants(connection, [item])[item]

    return find


@pytest.fixture
def mug(find) -> Variant:
    """100 in stock."""
    return find("mug")


@pytest.fixture
def teapot(find) -> Variant:
    """12 in stock, on sale."""
    return find("clay-teapot")


@pytest.fixture
def last_poster(find) -> Variant:
    """1 in stock."""
    return find("last-poster")


@pytest.fixture
def clock(find) -> Variant:
    """Sold out."""
    return find("mantel-clock")


def soup(answer) -> BeautifulSoup:
    """The HTML of an answer; a fragment's `hx-partial` elements are found like any other. It is not to be changed."""
    return _parsed(answer.get_data(as_text=True))


@lru_cache(maxsize=30)  # more are found again no more often, and the garbage collector goes through them
def _parsed(html: str) -> BeautifulSoup:
    """Many tests look at one page several times, or at one that others look at, too."""
    return BeautifulSoup(html, "html.parser")


def xml(answer) -> ElementTree.Element:
    """The root of an answer in XML that this shop wrote."""
    return ElementTree.fromstring(answer.data)  # noqa: S314


def text(answer, selector: str) -> str:
    """The text of the one element that `selector` names, with its white space folded."""
    (element,) = soup(answer).select(selector)
    return " ".join(element.get_text(" ", strip=True).split())


def cart_cookie(client: FlaskClient, name: str = "cart") -> str | None:
    """The cart as devtools show it URL-decoded; None when the browser has no such cookie."""
    cookie = client.get_cookie(name)
    return unquote(cookie.value) if cookie else None


def set_cart(client: FlaskClient, value: str) -> None:
    """Plant a cart cookie that devtools would show URL-decoded as `value`."""
    client.set_cookie("cart", quote(value, safe="{}[]:"))
