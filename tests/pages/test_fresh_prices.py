"""Several workers, each with pages that it keeps: after an import's or a sale's commit none shows what was before.

The shop's three things cost the same, and each import makes them dearer. So a page tells which import it has seen,
and a page that was asked for after a commit has seen that one at least.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import quote

import pytest

from shop.catalogue.importing import import_file
from shop.database import Database
from shop.settings import Settings
from tests.buyers import Browser
from tests.conftest import OWN
from tests.databases import url_of
from tests.live import SECONDS_TO_START, LiveShop, live_shop, wait_until

IMPORTS = 8
CART = quote('{"pencil":1,"ruler":2}')
SOLD_OUT = "Sold out"

# What is asked for, with the cookie it is asked with.
PAGES = {
    "/": "",
    "/products/pencil": "",
    "/products/ruler": f"cart={CART}",
    "/collections/desk": "",
    "/search?q=pencil": f"cart={CART}",
    "/cart": f"cart={CART}",
}


def goods(path: Path, number: int) -> Path:
    """An export in which everything costs 1000 and that number; of the last bell there is one again."""
    rows = "".join(
        f"{item},{item.title()},Desk,shopify,{stock},deny,{1000 + number}.00,true,active\n"
        for item, stock in (("pencil", 1000), ("ruler", 1000), ("bell", 1))
    )
    path.write_text(
        "Handle,Title,Collection,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
        f"Variant Price,Published,Status\n{rows}"
    )
    return path


class Reader:
    """Asks for one page again and again, as a browser that has kept the last answer."""

    def __init__(self, shop: LiveShop, path: str, cookie: str) -> None:
        self._port = shop.port
        self._path = path
        self._headers = {**OWN, "Accept-Encoding": "identity"} | ({"Cookie": cookie} if cookie else {})
        self._etag = ""
        self._body = ""
        self.asked = 0

    def look(self) -> str:
        """The page as it is now."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS_TO_START)
        try:
            asking = self._headers | ({"If-None-Match": self._etag} if self._etag else {})
            connection.request("GET", self._path, headers=asking)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        assert answer.status in (200, 304)
        if answer.status == 200:
            self._etag, self._body = answer.headers["ETag"], body
        self.asked += 1
        return self._body


class Merchant:
    """Imports, and sees that the last bell is sold."""

    def __init__(self, shop: LiveShop, url: str, folder: Path) -> None:
        self._shop = shop
        self._database = Database(url)
        self._settings = Settings(data=shop.data, database_url=url)
        self._export = folder / "next.csv"
        self.number = 0  # of the last import that is committed for certain

    def raise_prices(self) -> None:
        import_file(self._database, goods(self._export, self.number + 1), self._settings)
        self.number += 1

    def sell_the_bell(self) -> None:
        browser = Browser(self._shop.port)
        browser.put_into_cart({"bell": 1})
        assert browser.post("/orders", browser.get("/checkout").form()).status == 303

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LiveShop]:
    data = tmp_path / "shop"
    export = goods(tmp_path / "goods.csv", 0)
    with live_shop(data, catalogue=export, database_url=url_of(data), workers=3) as shop:
        yield shop


@pytest.fixture
def merchant(shop: LiveShop, tmp_path: Path) -> Iterator[Merchant]:
    merchant = Merchant(shop, url_of(shop.data), tmp_path)
    yield merchant
    merchant.close()


def test_no_page_is_older_than_what_was_committed_before_it_was_asked_for(shop, merchant):
    done = Event()

    def read(reader: Reader) -> None:
        while not done.is_set():
            at_least = merchant.number
            seen = [int(price) for price in re.findall(r"\$1,(\d{3})\.00", reader.look())]
            assert seen
            assert min(seen) >= at_least

    readers = [Reader(shop, path, cookie) for path, cookie in PAGES.items() for _ in range(2)]
    watching = Reader(shop, "/products/bell", "")
    with ThreadPoolExecutor(len(readers)) as pool:
        at_work = [pool.submit(read, reader) for reader in readers]

        def everybody_looks() -> None:
            """Return when each page was asked for, and answered, after now."""
            before = [reader.asked for reader in readers]
            wait_until(
                lambda: (
                    any(each.done() for each in at_work)
                    or all(reader.asked > asked + 1 for reader, asked in zip(readers, before, strict=True))
                ),
                SECONDS_TO_START,
                "everybody to look",
            )

        try:
            for _ in range(IMPORTS):
                merchant.raise_prices()
                assert SOLD_OUT not in watching.look()
                everybody_looks()
                merchant.sell_the_bell()
                assert SOLD_OUT in watching.look()
        finally:
            done.set()
        for each in at_work:
            each.result()
    assert merchant.number == IMPORTS
