"""What every test may use: a shop with a small shelf of goods, visitors, and the goods by name.

The shelf (`shelf.csv`) is imported once; each test gets a copy of that database to itself.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
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
from shop.catalogue.importing import import_file
from shop.catalogue.products import Variant
from shop.database import Database
from shop.settings import Settings

# Other tests run beside these: how long an example takes says nothing.
hypothesis.settings.register_profile("shop", deadline=None)
hypothesis.settings.load_profile("shop")

SHELF = Path(__file__).parent / "shelf.csv"
OWN = {"Sec-Fetch-Site": "same-origin"}
HTMX = {**OWN, "HX-Request-Type": "partial", "HX-Request": "true"}

# The two ways to visit: a plain form, and htmx.
both_ways = pytest.mark.parametrize("headers", [OWN, HTMX], ids=["plain", "htmx"])


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the shelf in it, to copy."""
    folder = tmp_path_factory.mktemp("stocked")
    settings = Settings(data=folder, database_url=f"sqlite:///{folder / 'shop.sqlite3'}")
    database = Database(settings.database_url)
    database.migrate()
    import_file(database, SHELF, settings)
    database.close()
    return folder / "shop.sqlite3"


@pytest.fixture
def settings(stocked: Path, tmp_path: Path) -> Settings:
    shutil.copy(stocked, tmp_path / "shop.sqlite3")
    return _settings(tmp_path)


def _settings(data: Path) -> Settings:
    url = f"sqlite:///{data / 'shop.sqlite3'}"
    return Settings(data=data, database_url=url, secret_key="a key of the tests alone")


@pytest.fixture
def database(settings: Settings):
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def built(stocked: Path) -> Flask:
    """An app with all its templates compiled, which takes longer than most tests. `app` gives it a shop."""
    return create_app(_settings(stocked.parent))


@pytest.fixture(scope="session")
def built_for_https(stocked: Path) -> Flask:
    return create_app(replace(_settings(stocked.parent), https=True))


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
    """The HTML of an answer; a fragment's `hx-partial` elements are found like any other."""
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


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
