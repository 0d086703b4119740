"""`shop backup`: what it writes is a shop, whole, whatever went on meanwhile."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore

import pytest
from click.testing import CliRunner, Result

from shop.cli import shop as command
from tests.buyers import Browser, catalogue
from tests.live import live_shop, run_shop
from tests.pages.test_orders_under_load import PLENTY, SOON, Client, Ledger, checkout

pytestmark = pytest.mark.sqlite

BUYERS = 3
ORDERS = 5  # placed for certain before the backup starts, and after it ended


def typed(data: Path, *arguments: object, **environ: str) -> Result:
    """What `shop` with those arguments says, and its exit code."""
    ours = {name: None for name in os.environ if name.startswith("SHOP_")}
    runner = CliRunner(env=ours | {"SHOP_DATA": str(data)} | environ)
    return runner.invoke(command, [str(each) for each in arguments], catch_exceptions=False)


def refusal(data: Path, folder: Path, **environ: str) -> str:
    done = typed(data, "backup", folder, **environ)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
    return done.stderr


def test_a_backup_while_orders_are_placed_is_a_whole_shop(tmp_path):
    data, kept, restored = tmp_path / "shop", tmp_path / "kept", tmp_path / "restored"
    goods = catalogue(tmp_path / "goods.csv", PLENTY)
    assert typed(data, "import", goods).exit_code == 0
    (data / "images").mkdir()
    (data / "images" / "pencil.webp").write_bytes(b"a pencil")

    with live_shop(data, workers=3) as shop, ThreadPoolExecutor(BUYERS) as pool:
        visitor = Browser(shop.port)
        visitor.post("/users", {"name": "Ada Byron", "email": "ada@example.org"})
        _, form = checkout(shop, {"pencil": 2, "ruler": 1})
        shown, enough = Semaphore(0), Event()
        buyers = [Client(shop.port, form, shown) for _ in range(BUYERS)]
        ordering = [pool.submit(buyer.order_until, enough) for buyer in buyers]
        try:
            wait_for(shown)
            before = {place for buyer in buyers for place in list(buyer.receipts.values())}
            assert run_shop("backup", kept, SHOP_DATA=str(data)).returncode == 0
            wait_for(shown)
        finally:
            enough.set()
        for each in ordering:
            each.result()

    of_the_backup = Ledger(f"sqlite:///{kept / 'shop.sqlite3'}")
    of_the_backup.check(PLENTY)
    after = {place for buyer in buyers for place in buyer.receipts.values()}
    assert before <= set(of_the_backup.places.values()) < after
    assert {path.stat().st_mode & 0o077 for path in (kept, kept / "secret-key")} == {0}

    shutil.copytree(kept, restored)
    with live_shop(restored) as shop:
        visitor.port = shop.port
        assert "Ada Byron" in visitor.get("/users").body
        assert "Thank you." in visitor.get(before.pop()).body
        assert visitor.get("/images/pencil.webp").body == "a pencil"
        browser, form = checkout(shop, {"pencil": 1})
        assert browser.post("/orders", form).status == 303
    again = Ledger(f"sqlite:///{restored / 'shop.sqlite3'}")
    again.check(PLENTY)
    assert len(again.orders) == len(of_the_backup.orders) + 1


def wait_for(shown: Semaphore) -> None:
    for _ in range(ORDERS):
        assert shown.acquire(timeout=SOON)


def test_a_backup_overwrites_nothing_and_says_what_is_not_in_it(tmp_path):
    data, kept = tmp_path / "shop", tmp_path / "kept"
    goods = catalogue(tmp_path / "goods.csv", PLENTY)
    assert "There is no shop at" in refusal(data, kept)
    assert typed(data, "import", goods).exit_code == 0

    assert "SHOP_SECRET_KEY is not in it" in typed(data, "backup", kept, SHOP_SECRET_KEY="k" * 20).stdout
    written = {path: path.read_bytes() for path in kept.iterdir()}

    assert "is there already" in refusal(data, kept)
    assert {path: path.read_bytes() for path in kept.iterdir()} == written
    assert "pg_dump" in refusal(data, tmp_path / "other", SHOP_DATABASE_URL="postgresql+psycopg://shop@/shop")
    assert not (tmp_path / "other").exists()
