"""PostgreSQL's own means for a shop that must not stop: a standby that follows, and takes over; a dump, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.buyers import Browser, catalogue
from tests.live import SECONDS_TO_START, LiveShop, live_shop, run_shop, wait_until
from tests.postgres import Server

KEY = "a key of the tests alone"


@pytest.fixture
def first() -> Iterator[Server]:
    with postgres.server() as server:
        server.start()
        yield server


@pytest.fixture
def standby() -> Iterator[Server]:
    with postgres.server() as server:
        yield server


def shop_at(folder: Path, url: str):
    goods = catalogue(folder / "goods.csv", {"pencil": 9})
    return live_shop(folder / "shop", catalogue=goods, database_url=url, secret_key=KEY, workers=2)


def order_a_pencil(shop: LiveShop) -> tuple[Browser, str]:
    """Who ordered it, and the address of the receipt."""
    browser = Browser(shop.port)
    browser.put_into_cart({"pencil": 1})
    placed = browser.post("/orders", browser.get("/checkout").form())
    assert placed.status == 303
    assert "Thank you." in browser.get(placed.location).body
    return browser, placed.location


def test_a_standby_takes_over_with_every_order_that_was_confirmed(first, standby, tmp_path):
    # As docs/deployment/README.md has it: both are named, and the one that takes writes is asked.
    url = first.create().replace(str(first.folder), f"{first.folder},{standby.folder}")
    with shop_at(tmp_path, f"{url}&target_session_attrs=read-write&connect_timeout=5") as shop:
        standby.follow(first)
        buyer, receipt = order_a_pencil(shop)
        other = Browser(shop.port)
        other.put_into_cart({"pencil": 2})
        form = other.get("/checkout").form()

        first.stop()
        away = other.post("/orders", form)
        assert away.status >= 500 and "your cart is safe" in away.body
        assert Browser(shop.port).get("/health").status == 503
        standby.promote()
        wait_until(lambda: Browser(shop.port).get("/health").status == 200, SECONDS_TO_START, "the standby")

        assert "Thank you." in buyer.get(receipt).body
        placed = other.post("/orders", form)
        assert placed.status == 303
        assert "Thank you." in other.get(placed.location).body
        listed = run_shop("orders", "list", SHOP_DATA=str(shop.data), SHOP_DATABASE_URL=standby.url("shop1"))
        assert len(listed.stdout.splitlines()) == 2
        assert "only 6" in _too_many(shop).lower()


def _too_many(shop: LiveShop) -> str:
    """What the shop says to somebody who wants all nine pencils."""
    browser = Browser(shop.port)
    browser.put_into_cart({"pencil": 9})
    return browser.get("/cart").body


def test_a_replica_exports_and_feeds_but_takes_no_order(first, standby, tmp_path):
    url = first.create()
    with shop_at(tmp_path, url) as shop:
        standby.follow(first)
        order_a_pencil(shop)
    replica = standby.url("shop1")

    for command in (("export", "products"), ("orders", "list")):
        done = run_shop(*command, SHOP_DATA=str(tmp_path / "shop"), SHOP_DATABASE_URL=replica)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) >= 1
    with live_shop(tmp_path / "replica", database_url=replica, secret_key=KEY, workers=1) as shop:
        browser = Browser(shop.port)
        for path in ("/feeds/google.xml", "/products.atom", "/sitemap.xml"):
            assert "pencil" in browser.get(path).body
        assert browser.get("/health").status == 200
        browser.put_into_cart({"pencil": 1})
        refused = browser.post("/orders", browser.get("/checkout").form())
        assert refused.status >= 500 and "your cart is safe" in refused.body


def test_a_dump_taken_while_the_shop_is_open_is_a_whole_shop(postgres, tmp_path):
    url = postgres.create()
    with shop_at(tmp_path, url) as shop:
        buyer, receipt = order_a_pencil(shop)
        dump = postgres.dump(url)
        order_a_pencil(shop)

    restored = postgres.create()
    postgres.restore(dump, restored)
    with live_shop(tmp_path / "restored", database_url=restored, secret_key=KEY, workers=1) as shop:
        buyer.port = shop.port
        assert "Thank you." in buyer.get(receipt).body
        assert "Pencil" in buyer.get("/search?q=pen").body
        order_a_pencil(shop)
        assert "only 7" in _too_many(shop).lower()
    postgres.drop(restored)
    postgres.drop(url)
