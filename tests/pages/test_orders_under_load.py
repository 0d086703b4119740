"""Orders over HTTP when much goes wrong at once: crowds, double clicks, a server that is killed, no mail, no disk.

All against the real server with several workers. What must hold each time: an order is whole and there once, and
stock is what it was less what the orders took.
"""

from __future__ import annotations

import json
import os
import random
import resource
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, Event, Semaphore
from urllib.parse import unquote

import pytest
import sqlalchemy as sa

from shop.database import Database, order_events, order_lines, orders, outbox, products, variants
from tests.buyers import LOST, Answer, Browser, catalogue
from tests.live import LiveShop, free_port, live_shop, wait_until

SOON = 60  # seconds: a deadline for a busy machine
MANY = 6  # workers: each has one order in hand at a time
PLENTY = {"pencil": 10_000, "ruler": 10_000}


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """`new_url("shop1")` is the URL of a database that is not there yet, or empty: once in each kind."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.sqlite3"
    server = request.getfixturevalue("postgres")
    return lambda _name: server.create()


@pytest.fixture
def open_shop(tmp_path):
    """`open_shop(stock, url)` is the context of a running shop with these goods in that database."""

    def open_shop(stock: dict[str, int], url: str, **settings: object):
        name = secrets.token_hex(4)
        goods = catalogue(tmp_path / f"{name}.csv", stock)
        return live_shop(tmp_path / name, catalogue=goods, **{"database_url": url, "workers": 3} | settings)

    return open_shop


class Ledger:
    """What a shop's database says of its orders."""

    def __init__(self, url: str) -> None:
        database = Database(url)
        with database.reading() as connection:
            self.orders = list(connection.execute(sa.select(orders).order_by(orders.c.id)))
            self.lines = list(connection.execute(sa.select(order_lines)))
            self.events = list(connection.execute(sa.select(order_events)))
            self.mail = list(connection.execute(sa.select(outbox)))
            self.stock = dict(tuple(row) for row in connection.execute(sa.select(variants.c.item, variants.c.stock)))
            self.in_stock = set(connection.execute(sa.select(products.c.handle).where(products.c.in_stock)).scalars())
        database.close()

    @property
    def places(self) -> dict[str, str]:
        """Where each nonce's receipt is."""
        return {order.nonce: f"/orders/{order.token}" for order in self.orders}

    def sold(self) -> Counter[str]:
        sold: Counter[str] = Counter()
        for line in self.lines:
            sold[line.item] += line.quantity
        return sold

    def check(self, stock: dict[str, int]) -> None:
        """Every order is whole and there once, and the stock that there was is there or sold."""
        sold = self.sold()
        assert {item: left + sold[item] for item, left in self.stock.items()} == stock
        assert self.in_stock == {item for item, left in self.stock.items() if left}
        assert len(self.places) == len(self.orders)
        goods: Counter[int] = Counter()
        for line in self.lines:
            assert line.stock_taken == line.quantity
            goods[line.order_id] += line.price * line.quantity
        assert goods == {order.id: order.subtotal for order in self.orders}
        assert all(order.total == order.subtotal + order.shipping for order in self.orders)
        placed = [event.order_id for event in self.events if event.what == "placed"]
        assert sorted(placed) == [order.id for order in self.orders]
        assert {mail.order_id for mail in self.mail} == set(placed)


def checkout(shop: LiveShop, cart: dict[str, int]) -> tuple[Browser, dict[str, str]]:
    """A new browser with that cart, and the checkout form that it was shown, filled in."""
    browser = Browser(shop.port)
    browser.put_into_cart(cart)
    return browser, browser.get("/checkout").form()


# A crowd

BUYERS = 200 if os.environ.get("CI") else 60  # who want several times as much as there is
FEW = {"anvil": 20, "bell": 17, "candle": 13}


def test_a_crowd_buys_exactly_what_there_is(open_shop, new_url):
    url, everybody_looks = new_url("shop"), Barrier(BUYERS)

    def buy(number: int) -> list[Answer]:
        """All answers to a buyer who takes what is left as long as there is something."""
        dice = random.Random(number)
        cart = {item: dice.randint(1, 2) for item in dice.sample(sorted(FEW), dice.randint(1, 3))}
        try:
            browser, form = checkout(shop, cart)
        except BaseException:
            everybody_looks.abort()
            raise
        everybody_looks.wait(SOON * 5)
        answers = [browser.post("/orders", form)]
        while answers[-1].status == 409:
            form = answers[-1].form()
            if form["seen"].startswith('{"lines":{}'):
                break
            answers.append(browser.post("/orders", form))
        if answers[-1].status == 303:
            assert "Thank you." in browser.get(answers[-1].location).body
            # What was sold out before its turn came stays in the cart.
            left = json.loads(unquote(browser.cookies.get("cart", "{}")))
            assert not left.keys() & json.loads(form["seen"])["lines"].keys()
        return answers

    with open_shop(FEW, url, workers=MANY) as shop, ThreadPoolExecutor(BUYERS) as pool:
        histories = list(pool.map(buy, range(BUYERS)))
        assert " failed" not in shop.log

    ledger = Ledger(url)
    ledger.check(FEW)
    assert sum(ledger.sold().values()) == 50
    assert set(ledger.stock.values()) == {0}
    assert sorted(answers[-1].location for answers in histories if answers[-1].status == 303) == sorted(
        ledger.places.values()
    )
    refusals = [answer for answers in histories for answer in answers if answer.status != 303]
    assert {answer.status for answer in refusals} == {409}
    assert len(refusals) >= BUYERS - 50
    for answer in refusals:
        assert any(word in change for change in answer.changes() for word in ("Sold out.", "left; you asked for"))
    assert deadlocks(url) == 0


def deadlocks(url: str) -> int:
    """How many PostgreSQL had to break; SQLite has none."""
    if url.startswith("sqlite"):
        return 0
    database = Database(url)
    with database.reading() as connection:
        counted = connection.exec_driver_sql(
            "select deadlocks from pg_stat_database where datname = current_database()"
        ).scalar_one()
    database.close()
    return counted


# The same form many times at once


def test_ten_clicks_at_once_are_one_order(open_shop, new_url):
    url, clicks = new_url("shop"), Barrier(10)
    with open_shop(PLENTY, url, workers=MANY) as shop, ThreadPoolExecutor(10) as pool:
        browser, form = checkout(shop, {"pencil": 3, "ruler": 1})

        def click(_: int) -> Answer:
            tab = Browser(shop.port, dict(browser.cookies))
            clicks.wait(SOON)
            return tab.post("/orders", form)

        answers = list(pool.map(click, range(10)))

    ledger = Ledger(url)
    ledger.check(PLENTY)
    assert {(answer.status, answer.location) for answer in answers} == {(303, ledger.places.get(form["nonce"]))}
    assert len(ledger.orders) == 1


# kill -9

# Shops at once, and how often each is killed: more than a hundred times in CI, and enough to notice elsewhere.
KILLS = (
    {"sqlite": (4, 26), "postgresql": (2, 10)} if os.environ.get("CI") else {"sqlite": (2, 4), "postgresql": (1, 3)}
)
CLIENTS = 3  # of each shop


class Client:
    """A buyer who orders again and again; an order whose answer was lost is sent again until there is one."""

    def __init__(self, port: int, form: dict[str, str], shown: Semaphore) -> None:
        self._browser = Browser(port)
        self._form = form
        self._shown = shown  # released at each receipt
        self._nonce = secrets.token_urlsafe(18)
        self.receipts: dict[str, str] = {}
        self.lost = 0

    def order(self) -> None:
        """Order once. Raises one of LOST when the server is gone before it has answered."""
        self._browser.cookies.clear()
        self._browser.put_into_cart({"pencil": 2, "ruler": 1})
        answer = self._browser.post("/orders", self._form | {"nonce": self._nonce})
        assert answer.status == 303, answer.body
        self.receipts[self._nonce] = answer.location
        self._nonce = secrets.token_urlsafe(18)
        self._shown.release()

    def order_until(self, killed: Event) -> None:
        while not killed.is_set():
            try:
                self.order()
            except LOST:
                self.lost += 1


def kill_again_and_again(shop: LiveShop, form: dict[str, str], kills: int, dice: random.Random) -> list[Client]:
    """Kill the shop in the middle of its clients' orders, each fourth time only one of its processes first."""
    shown = Semaphore(0)
    clients = [Client(shop.port, form, shown) for _ in range(CLIENTS)]

    def wait_for_a_moment() -> None:
        """Return somewhere in the middle of an order: after the first or the next few, and a part of one."""
        for _ in range(dice.randint(1, 4)):
            assert shown.acquire(timeout=SOON)
        time.sleep(dice.uniform(0, 0.03))  # random moments are what is tested

    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(kills):
            killed = Event()
            ordering = [pool.submit(client.order_until, killed) for client in clients]
            try:
                if number % 4 == 0:
                    wait_for_a_moment()
                    os.kill(
                        dice.choice([each for each in shop.processes() if each != shop.process.pid]), signal.SIGKILL
                    )
                wait_for_a_moment()
            finally:
                killed.set()
                shop.kill()
            for each in ordering:
                each.result()
            while shown.acquire(blocking=False):
                pass
            shop.start()
        for client in clients:
            client.order()  # what was lost last
    return clients


def test_a_server_that_is_killed_loses_and_doubles_no_order(open_shop, new_url, request):
    count, kills = KILLS[request.node.callspec.params["new_url"]]

    def run(number: int) -> tuple[str, list[Client]]:
        url = new_url(f"shop{number}")
        with open_shop(PLENTY, url, workers=2) as shop:
            _, form = checkout(shop, {"pencil": 2, "ruler": 1})
            return url, kill_again_and_again(shop, form, kills, random.Random(number))

    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(run, range(count)))

    for url, clients in results:
        ledger = Ledger(url)
        ledger.check(PLENTY)
        shown = {nonce: place for client in clients for nonce, place in client.receipts.items()}
        assert shown == ledger.places
        assert len(ledger.orders) >= kills
        assert sum(client.lost for client in clients) >= kills


# Another writer


def test_who_waits_for_another_writer_keeps_no_visitor_waiting(open_shop, new_url):
    url = new_url("shop")
    with open_shop(PLENTY, url, workers=1) as shop, ThreadPoolExecutor() as pool:
        buyers = [checkout(shop, {"pencil": 1}) for _ in range(3)]
        # As an import does, for as long as its file takes.
        with closing(Database(url)) as database, database.writing() as connection:
            connection.execute(sa.select(variants.c.id).with_for_update()).all()
            placed = [pool.submit(browser.post, "/orders", form) for browser, form in buyers]
            for _ in range(10):
                assert Browser(shop.port).get("/products").status == 200
            assert not all(each.done() for each in placed)
        # On a busy machine one may have been refused meanwhile, as after twenty seconds: whole, to be sent again.
        assert {each.result().status for each in placed} <= {303, 503}

    Ledger(url).check(PLENTY)


# No mail server


def test_orders_are_placed_while_mail_cannot_be_sent(open_shop, new_url):
    url = new_url("shop")
    smtp = {"smtp_url": f"smtp://127.0.0.1:{free_port()}", "mail_from": "shop@example.org"}
    with open_shop(PLENTY, url, merchant_email="owner@example.org", **smtp) as shop:
        browser, form = checkout(shop, {"pencil": 1})
        answer = browser.post("/orders", form)
        assert answer.status == 303
        assert "Thank you." in browser.get(answer.location).body
        wait_until(lambda: all(mail.last_error for mail in Ledger(url).mail), SOON, "both mails to be tried")

        browser.put_into_cart({"ruler": 1})
        assert browser.post("/orders", browser.get("/checkout").form()).status == 303

    ledger = Ledger(url)
    ledger.check(PLENTY)
    assert len(ledger.orders) == 2
    assert Counter(mail.recipient for mail in ledger.mail) == {"ann@example.org": 2, "owner@example.org": 2}
    assert not any(mail.sent_at for mail in ledger.mail)


# No room on the disk


@pytest.mark.sqlite
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process's files as only Linux can")
def test_on_a_full_disk_the_order_is_refused_and_the_same_form_places_it_later(open_shop, tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.sqlite3'}"
    with open_shop(PLENTY, url) as shop:
        first, form = checkout(shop, {"pencil": 1})
        assert first.post("/orders", form).status == 303
        browser, form = checkout(shop, {"pencil": 2, "ruler": 3})
        cookies, before = dict(browser.cookies), Ledger(url)
        for process in shop.processes():
            # No file may grow beyond what the database's log of changes has now.
            limits = (Path(f"{tmp_path / 'shop.sqlite3'}-wal").stat().st_size, resource.RLIM_INFINITY)
            resource.prlimit(process, resource.RLIMIT_FSIZE, limits)

        refused = browser.post("/orders", form)
        assert refused.status == 503
        assert "could not be written down" in refused.body
        assert refused.form() == form, "to be sent again"
        assert "Ann Lee" in refused.body
        assert "An order was not taken" in shop.log
        assert not any(personal in shop.log for personal in ("Ann Lee", "ann@example.org", "Main Street"))
        assert browser.cookies == cookies
        assert vars(Ledger(url)) == vars(before)
        assert browser.get("/checkout").status == 200

        shop.restart()  # without the limit
        answer = browser.post("/orders", form)
        assert answer.status == 303
        assert "Thank you." in browser.get(answer.location).body

    ledger = Ledger(url)
    ledger.check(PLENTY)
    assert len(ledger.orders) == 2
