"""What every test may use: a shop with a small shelf of goods, visitors, and the goods by name.

The shelf (`shelf.csv`) is imported once; each test gets a copy of that database to itself.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from shop import create_app
from shop.catalogue import store
from shop.catalogue.importing import import_file
from shop.catalogue.products import Variant
from shop.database import Database
from shop.settings import Settings

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
    return Settings(
        data=tmp_path, database_url=f"sqlite:///{tmp_path / 'shop.sqlite3'}", secret_key="a key of the tests alone"
    )


@pytest.fixture
def database(settings: Settings):
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def app(settings: Settings):
    app = create_app(settings)
    yield app
    app.extensions["shop"].database.close()


@pytest.fixture
def https_app(settings: Settings):
    app = create_app(replace(settings, https=True))
    yield app
    app.extensions["shop"].database.close()


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
