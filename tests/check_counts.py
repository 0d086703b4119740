"""Is a page as little work, and as few bytes, as it was? `make check` asks, by `python -m tests.check_counts`.

Counts are the same on every machine and every day, unlike times: queries, templates that are rendered, bytes on the
wire. Each has a limit in `LIMITS`, with some room; where one is passed, either the change is worth it, and the limit
is raised with it, or something is done again for each visitor that was done once for all.
"""

from __future__ import annotations

import itertools
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jinja2
import sqlalchemy as sa
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from rich.console import Console
from rich.table import Table
from werkzeug.test import TestResponse

from shop import create_app
from shop.database import products
from shop.server import DEMO_CATALOGUE
from shop.settings import read_settings
from tests import queries
from tests.conftest import HTMX, set_cart
from tests.live import run_shop

LISTING = "/products"

# What is counted, and the most that it may be.
LIMITS = {
    "queries: a page, for somebody new": 0,
    "queries: a page, for somebody with a cart": 0,
    "queries: a page, for another cart of the same items": 0,
    "queries: the cart": 0,
    "queries: add to cart": 1,
    "queries: add to cart what is known": 0,
    "templates: a page, for somebody new": 0,
    "templates: a page, for somebody with a cart": 0,
    "templates: a page, for another cart of the same items": 1,
    "templates: the cart": 4,
    "templates: add to cart": 5,
    "templates: add to cart what is known": 5,
    "bytes: home, Brotli": 5_000,
    "bytes: a listing, Brotli": 8_000,
    "bytes: a product, Brotli": 6_000,
    "bytes: a first visit to a product, without pictures": 60_000,
    "bytes: the stylesheet, gzip": 20_000,
    "bytes: the shop's own scripts, gzip": 5_000,
}


def main() -> int:
    logging.disable()
    with tempfile.TemporaryDirectory() as data:
        imported = run_shop("import", DEMO_CATALOGUE, SHOP_DATA=data)
        assert imported.returncode == 0, imported.stderr
        app = create_app(read_settings({"SHOP_DATA": data}))
        found = dict(_counts(app, _items(app)))
        app.extensions["shop"].database.close()
    assert list(found) == list(LIMITS)
    too_many = [name for name in LIMITS if found[name] > LIMITS[name]]
    table = Table("", "found", "at most")
    for name, most in LIMITS.items():
        table.add_row(name, f"{found[name]:,}", f"{most:,}", style="red" if name in too_many else "")
    Console().print(table)
    return 1 if too_many else 0


def _items(app: Flask) -> list[str]:
    """Some items to put in a cart: products without a choice to make."""
    wanted = sa.select(products.c.handle).where(
        products.c.visible, products.c.in_stock, products.c.variant_count == 1
    )
    with app.extensions["shop"].database.reading() as connection:
        return list(connection.scalars(wanted.order_by(products.c.id).limit(5)))


def _counts(app: Flask, items: list[str]) -> Iterator[tuple[str, int]]:
    for what, counted in (("queries", _queries), ("templates", _templates)):
        for name, asked in _requests(app.test_client(), items):
            with counted(app) as made:
                answer = asked()
            assert answer.status_code == 200, f"{name}: {answer.status}"
            if f"{what}: {name}" in LIMITS:
                yield f"{what}: {name}", len(made)
    yield from _bytes(app.test_client(), f"/products/{items[0]}")


def _requests(client: FlaskClient, items: list[str]) -> Iterator[tuple[str, Callable[[], TestResponse]]]:
    """Requests by name, in an order in which the first have ready what the others may count on.

    No two carts are alike, in either round: what is counted is the making of an answer, not its being kept.
    """
    carts = (f'{{"{items[0]}":{next(_numbers)},"{items[1]}":1,"{items[2]}":1}}' for _ in range(9))

    def get(path: str, cart: str = "") -> Callable[[], TestResponse]:
        def ask() -> TestResponse:
            if cart:
                set_cart(client, cart)
            return client.get(path)

        return ask

    def add(item: str) -> Callable[[], TestResponse]:
        return lambda: client.post("/cart-items", data={"item": item}, headers=HTMX)

    yield "", get(LISTING)
    yield "a page, for somebody new", get(LISTING)
    yield "", get(LISTING, next(carts))
    yield "a page, for somebody with a cart", get(LISTING)
    yield "a page, for another cart of the same items", get(LISTING, next(carts))
    yield "the cart", get("/cart", next(carts))
    yield "add to cart", add(items[3])
    yield "add to cart what is known", add(items[1])


_numbers = itertools.count(1)


@contextmanager
def _queries(app: Flask) -> Iterator[list[str]]:
    """The statements that the app sends meanwhile."""
    with queries.sent(app.extensions["shop"].database) as sent:
        yield sent


@contextmanager
def _templates(_app: Flask) -> Iterator[list[str]]:
    """The templates that are rendered meanwhile, each include counted: every one makes a context."""
    made: list[str] = []
    original = jinja2.Template.new_context

    def counting(template, *arguments, **named):
        made.append(template.name or "")
        return original(template, *arguments, **named)

    jinja2.Template.new_context = counting
    try:
        yield made
    finally:
        jinja2.Template.new_context = original


def _bytes(client: FlaskClient, product: str) -> Iterator[tuple[str, int]]:
    browser = {"Accept-Encoding": "gzip, deflate, br, zstd"}

    def on_the_wire(path: str, headers: dict[str, str] = browser) -> int:
        client.get(path, headers=headers)
        return len(client.get(path, headers=headers).data)  # the second time it is packed well

    for name, path in (("home", "/"), ("a listing", LISTING), ("a product", product)):
        yield f"bytes: {name}, Brotli", on_the_wire(path)
    page = BeautifulSoup(client.get(product).data, "html.parser")
    sheets = [str(link["href"]) for link in page.select("link[rel=stylesheet]")]
    scripts = [str(script["src"]) for script in page.select("script[src]")]
    yield "bytes: a first visit to a product, without pictures", sum(map(on_the_wire, (product, *sheets, *scripts)))
    yield "bytes: the stylesheet, gzip", sum(on_the_wire(sheet, {"Accept-Encoding": "gzip"}) for sheet in sheets)
    own = [script for script in scripts if "/vendor/" not in script]
    yield (
        "bytes: the shop's own scripts, gzip",
        sum(on_the_wire(script, {"Accept-Encoding": "gzip"}) for script in own),
    )


if __name__ == "__main__":
    sys.exit(main())
