"""How a page's cost grows with the catalogue and the cart: `python -m bench.growth [--sizes 1000 10000 100000]`.

Each page is made anew: what was kept of pages and of lists is forgotten before each request, while the sets that the
process has read of the catalogue stay, as after a sale. The app is called directly, so that only its own time counts:
the processor's, of one thread, the middle one of many calls. The sizes take turns, so that what else the machine does
hits all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import quote

from flask import Flask
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import machine, profiles, shops
from bench.visits import Request, Visitor, adding, shelf_of, some_cart
from shop import create_app
from shop.catalogue import sets
from shop.catalogue.listing import PAGE_SIZE
from shop.settings import read_settings

SIZES = (1_000, 10_000, 100_000, 1_000_000)  # products
CARTS = (1, 10, 80)  # lines
MOST = 1.5  # times what it takes with the fewest products
_ROUNDS = 60
_CALLS = 5  # of a page in a round, after one that doesn't count
_ALIKE = 40  # requests of a kind, which take turns
_COMMON = 12  # words that most products have


@dataclass
class Shop:
    """One size's app, with requests of each kind."""

    size: int
    app: Flask
    pages: Mapping[str, Iterator[Request]]

    def time(self, page: str) -> float:
        """Seconds of a page made anew."""
        environ = profiles.environ_of(next(self.pages[page]))
        self._forget()
        return profiles.time_of(self.app, environ)

    def _forget(self) -> None:
        shop = self.app.extensions["shop"]
        for name in ("pages", "parts"):
            vars(shop).pop(name, None)
        sets.forget_listings(shop.database.engine)


def main() -> None:
    arguments = _arguments()
    console = Console(width=max(110, Console().width))
    open_ = [_open(size) for size in sorted(arguments.sizes)]
    times = measure(open_, arguments.rounds)
    console.print(_table(open_, times))
    rows = [
        {"page": page, "microseconds": {str(size): round(each * 1e6, 1) for size, each in by_size.items()}}
        for page, by_size in times.items()
    ]
    path = shops.CACHE / "growth.json"
    path.write_text(json.dumps({"machine": machine.description(), "rows": rows}, indent=2) + "\n")
    console.print(f"Written to {os.path.relpath(path)}")


def measure(open_: Sequence[Shop], rounds: int) -> dict[str, dict[int, float]]:
    """Seconds by page and size."""
    times: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in track(range(rounds), "Measuring", transient=True):
        for page in open_[0].pages:
            for shop in open_:
                shop.time(page)
                times[page][shop.size] += [shop.time(page) for _ in range(_CALLS)]
    return {page: {size: median(each) for size, each in by_size.items()} for page, by_size in times.items()}


def _open(size: int) -> Shop:
    data = shops.data_of(size)
    app = create_app(read_settings({"SHOP_DATA": str(data)}))
    profiles.hush()
    return Shop(size, app, {page: cycle(requests) for page, requests in _pages(data).items()})


def _pages(data: Path) -> dict[str, list[Request]]:
    """Requests by kind."""
    random = Random(5)
    shelf = shelf_of(data)
    with sqlite3.connect(data / "shop.sqlite3") as database:
        products = database.execute("select count(*) from products where visible").fetchone()[0]
        last = -(-products // PAGE_SIZE)
        words = _words(database)
        kinds = list(database.execute("select name from product_sets where kind = 'type' order by size desc limit 9"))
        filters = [f"/products?type={quote(name)}&availability=in-stock" for (name,) in kinds]
        filters += [f"{each}&price-from={price}" for each in filters for price in (5, 15, 30)]
    database.close()

    def gets(paths: Sequence[str]) -> list[Request]:
        return [Request(path) for path in islice(paths, _ALIKE)]

    def with_cart(lines: int, request: Callable[[], Request]) -> list[Request]:
        return [Visitor().with_cart(some_cart(random, shelf, lines)).asking(request()) for _ in range(_ALIKE)]

    def add() -> Request:
        return adding(random.choice(shelf.items), "/products")

    return {
        "home": gets(["/"]),
        "all products, first page": gets(["/products"]),
        "all products, hundredth page": gets([f"/products?page={min(100, last)}"]),
        "all products, last page": gets([f"/products?page={last}"]),
        "by price, last page": gets([f"/products?sort=price-low&page={last}"]),
        "largest collection": gets([f"/collections/{shelf.collection}"]),
        "filters with counts": gets(filters),
        "product": gets([f"/products/{handle}" for handle in random.sample(list(shelf.products), _ALIKE)]),
        **{f"search, {kind}": gets([f"/search?q={quote(text)}" for text in texts]) for kind, texts in words.items()},
        "suggestions": [
            Request(f"/search/suggestions?q={quote(text)}", headers={"HX-Request-Type": "partial"})
            for text in words["beginnings of words"]
        ],
        "add to cart": with_cart(1, add),
        **{f"add to a cart of {lines} lines": with_cart(lines, add) for lines in CARTS[1:]},
        **{f"cart of {lines} lines": with_cart(lines, lambda: Request("/cart")) for lines in CARTS},
    }


def _words(database: sqlite3.Connection) -> dict[str, list[str]]:
    """Queries by kind: of words that few products have, that most have, of two of these, of their beginnings."""
    found = (
        "select min(word) from search_words join product_sets on name = stem and kind = 'anywhere'"
        " where length(word) > 4 group by stem having max(size) {} order by max(size) desc, stem limit {}"
    )
    common = [word for (word,) in database.execute(found.format("> 5", _COMMON))]
    rare = [word for (word,) in database.execute(found.format("<= 5", _ALIKE))]
    return {
        "a rare word": rare,
        "a common word": common,
        "two common words": [f"{one} {other}" for one, other in zip(common, common[1:] + common[:1], strict=True)],
        "beginnings of words": [word[:3] for word in (*common, *rare)][:_ALIKE],
    }


def _table(open_: Sequence[Shop], times: Mapping[str, Mapping[int, float]]) -> Table:
    table = Table(title="Microseconds to make a page anew, by the number of products", title_justify="left")
    table.add_column("page")
    for shop in open_:
        table.add_column(f"{shop.size:,}", justify="right")
    for name in ("most to fewest", ""):
        table.add_column(name, justify="right")
    for page, by_size in times.items():
        values = [by_size[shop.size] for shop in open_]
        ratio = values[-1] / values[0]
        table.add_row(page, *(f"{each * 1e6:,.0f}" for each in values), f"{ratio:.2f}", "✓" if ratio <= MOST else "✗")
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="PRODUCTS")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
