"""Two servers that share a database, behind nginx or Caddy as the docs have them: nobody notices which one answers.

Nothing is on the servers: each has a data folder of its own, and what they need in common is the database's address
and the secret key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup

from shop.database import Database
from shop.orders import store
from tests.buyers import Answer, Browser
from tests.caddy import caddy
from tests.live import LiveShop, live_shop, run_shop
from tests.nginx import Nginx, nginx
from tests.pages.test_checkout import ANN
from tests.proxies import HOST, Visitor

KEY = "a key of the tests alone"
MOST_ORDERS = 6  # that the session's cookie knows


class TwoShops:
    def __init__(self, one: LiveShop, two: LiveShop, proxy: Nginx) -> None:
        self.one, self.two, self.proxy = one, two, proxy

    @property
    def took_turns(self) -> bool:
        """Whether no two requests in a row went to the same server."""
        return all(before != after for before, after in pairwise(self.proxy.asked()))


@pytest.fixture
def shops(postgres_url: str, tmp_path: Path) -> Iterator[TwoShops]:
    common = {"database_url": postgres_url, "secret_key": KEY, "https": 1, "origin": f"https://{HOST}", "workers": 1}
    with ExitStack() as stack:
        one, two = (stack.enter_context(live_shop(tmp_path / name, **common)) for name in ("one", "two"))
        yield TwoShops(one, two, stack.enter_context(nginx(tmp_path / "nginx", [one.port, two.port])))


def page(answer: Answer) -> BeautifulSoup:
    assert answer.status == 200
    return BeautifulSoup(answer.body, "html.parser")


def sent(answer: Answer) -> Answer:
    """The answer to a form that was taken."""
    assert answer.status == 303, answer.body
    return answer


def test_a_tour_goes_to_both_and_the_end_of_one_loses_nothing(shops, postgres_url):
    visitor = Visitor(shops.proxy)

    assert page(visitor.get("/products/mug")).select_one("h1").text.strip() == "Mug"
    for item, quantity in (("mug", "2"), ("clay-teapot", "1"), ("mug", "1")):
        sent(visitor.post("/cart-items", {"item": item, "quantity": quantity}))
    sent(visitor.post("/users", {"name": "Ann Lee", "email": "ann@example.org"}))
    sent(visitor.post("/users", {"name": "Bob Ray", "email": "bob@example.org"}))
    ann = page(visitor.get("/users")).find(attrs={"name": "user", "value": True})["value"]
    sent(visitor.post("/shopper", {"user": ann}))
    sent(visitor.post("/saved-items", {"item": "last-poster"}))
    assert shops.took_turns
    assert len(set(shops.proxy.asked())) == 2

    form = visitor.get("/checkout").form()
    shops.two.kill()

    for _each_turn in range(3):
        cart = page(visitor.get("/cart"))
        quantities = cart.select("#cart-lines [name=quantity]:not([value='0'])")
        assert [field["value"] for field in quantities] == ["3", "1"]
        assert "Ann Lee" in cart.select_one("header").text
        assert "Bob Ray" in page(visitor.get("/users")).text
        assert "Last Poster" in page(visitor.get("/saved")).text
    placed = sent(visitor.post("/orders", form | ANN))
    assert "Thank you." in page(visitor.get(placed.location)).text

    shops.two.start()
    for server in (shops.one, shops.two):
        direct = Browser(server.port, visitor.cookies)
        assert placed.location in {link["href"] for link in page(direct.get("/orders")).select("main a[href]")}
    database = Database(postgres_url)
    with database.reading() as connection:
        (order,) = store.all_orders(connection)
    assert {line.item: line.quantity for line in order.lines} == {"mug": 3, "clay-teapot": 1}
    database.close()


def test_machines_that_start_together_make_one_shop(postgres, tmp_path):
    url = postgres.create()

    def begin(number: int) -> str:
        done = run_shop("demo", SHOP_DATA=str(tmp_path / str(number)), SHOP_DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        return re.search(r"(\d+) created", done.stdout).group(1)

    with ThreadPoolExecutor(3) as pool:
        created = sorted(map(int, pool.map(begin, range(3))))
    postgres.drop(url)
    assert created[:2] == [0, 0] and created[2] > 0


def test_an_import_on_one_machine_shows_on_the_other_at_once(shops, postgres_url, tmp_path):
    visitor = Visitor(shops.proxy)
    export = tmp_path / "goods.csv"
    for price in ("11.00", "13.00", "17.00"):
        for _each_server in range(2):
            assert f"${price}" not in visitor.get("/products/mug").body
        export.write_text(f"Handle,Title,Variant Price,Published,Status\nmug,Mug,{price},true,active\n")
        done = run_shop("import", export, SHOP_DATA=str(shops.one.data), SHOP_DATABASE_URL=postgres_url)
        assert done.returncode == 0, done.stderr
        for _each_server in range(2):
            assert f"${price}" in visitor.get("/products/mug").body
    assert shops.took_turns


def test_the_largest_cookies_pass_with_the_file_that_the_docs_give_and_only_so(shops, tmp_path):
    visitor = Visitor(shops.proxy)
    for _each_order in range(MOST_ORDERS):  # whose addresses are in the session's cookie
        sent(visitor.post("/cart-items", {"item": "mug"}))
        sent(visitor.post("/orders", visitor.get("/checkout").form()))
    _register_as_many_as_fit(visitor)
    gone = {f"no-longer-sold-{number}": 1 for number in range(70)}
    visitor.cookies["__Host-cart"] = quote(json.dumps({"mug": 1} | gone), safe="{}:,")
    forms = [visitor.get("/checkout").form() | {"register": "1"} for _ in range(3)]
    before = dict(visitor.cookies)

    answer = sent(visitor.post("/orders", forms[0]))

    assert {line.partition("=")[0] for line in answer.cookies} == {"__Host-cart", "__Host-users", "__Host-session"}
    assert sum(map(len, answer.cookies)) > 4096
    assert all(visitor.cookies[name] != before[name] for name in before)

    with nginx(tmp_path / "default", [shops.one.port, shops.two.port], without="proxy_bu") as as_it_comes:
        other = Visitor(as_it_comes)
        other.cookies |= before
        assert other.get("/users").status == 200
        assert other.post("/orders", forms[1]).status == 502
    with caddy(tmp_path / "caddy", [shops.one.port, shops.two.port]) as proxy:
        other = Visitor(proxy)
        other.cookies |= before
        assert sum(map(len, sent(other.post("/orders", forms[2])).cookies)) > 4096


def test_behind_caddy_the_end_of_a_server_loses_nothing(shops, tmp_path):
    with caddy(tmp_path / "caddy", [shops.one.port, shops.two.port]) as proxy:
        visitor = Visitor(proxy)
        sent(visitor.post("/cart-items", {"item": "mug", "quantity": "2"}))
        form = visitor.get("/checkout").form()
        shops.two.kill()

        for _each_turn in range(4):
            (quantity,) = page(visitor.get("/cart")).select("#cart-lines [name=quantity]:not([value='0'])")
            assert quantity["value"] == "2"
        placed = sent(visitor.post("/orders", form))
        assert "Thank you." in page(visitor.get(placed.location)).text


def test_a_long_event_of_stripes_reaches_the_shop(shops):
    answer = Visitor(shops.proxy).post("/payments/stripe", {"event": "x" * 500_000})

    assert answer.status == 404
    assert "This shop takes no payments through Stripe." in answer.body


def _register_as_many_as_fit(visitor: Visitor) -> None:
    """So many people that one more, with an address, just fits the cookie."""
    fitting: list[dict[str, str]] = []
    size = 0
    while size <= (size := len(visitor.cookies.get("__Host-users", ""))):  # until it is shorter: on the server
        fitting.append(dict(visitor.cookies))
        number = len(fitting)
        person = {"name": f"Person {number}", "email": f"person.{number}@example.org"}
        sent(visitor.post("/users", person | {"line1": "1 High Street"}))
    visitor.cookies = fitting[-3]
