"""Between the pages and the wire: kept answers, conditional requests, compression, and whose page it is."""

from __future__ import annotations

import gc
import gzip
import logging
import tracemalloc

import brotli
import pytest
import sqlalchemy as sa
import zstandard
from werkzeug.test import EnvironBuilder, run_wsgi_app

from shop.catalogue import version
from shop.database import variants
from shop.memory import Memory
from tests import queries
from tests.conftest import HTMX, OWN, set_cart, soup, text
from tests.ordering import ordering

CATALOGUE = ["/", "/products", "/collections/kitchen", "/products/mug", "/search?q=tea"]

DECODERS = {
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "gzip": gzip.decompress,
}


def queries_of(database, action) -> list[str]:
    """The statements that the app sends while `action` runs, but for PostgreSQL's question after the version."""
    with queries.sent(database) as sent:
        action()
    return [statement for statement in sent if statement != "select number, stock from catalogue_version"]


@pytest.fixture
def shop_database(app):
    return app.extensions["shop"].database


@pytest.mark.parametrize("path", CATALOGUE)
def test_a_page_is_read_from_the_database_once(client, shop_database, path):
    first = client.get(path)

    assert queries_of(shop_database, lambda: client.get(path)) == []
    assert client.get(path).data == first.data


@pytest.mark.parametrize("path", CATALOGUE)
def test_a_visitor_with_a_cart_costs_no_query_either(client, shop_database, path):
    client.get(path)
    set_cart(client, '{"mug":2}')
    client.get("/")  # where the cart is met for the first time

    assert queries_of(shop_database, lambda: client.get(path)) == []
    assert text(client.get(path), ".cart-count-number") == "2"


def test_a_page_that_is_kept_has_nothing_of_another_visitor(app):
    ann, bob, nobody = app.test_client(), app.test_client(), app.test_client()
    for client, name in ((ann, "Ann Archer"), (bob, "Bob Baker")):
        client.post("/users", data={"name": name, "email": f"{name[:3]}@example.com"}, headers=OWN)
        person = soup(client.get("/users")).select_one("[name=user]")["value"]
        client.post("/shopper", data={"user": person}, headers=OWN)
    ann.post("/cart-items", data={"item": "mug", "quantity": "3"}, headers=OWN)

    for _again in range(2):
        pages = [client.get("/products").get_data(as_text=True) for client in (ann, bob, nobody)]
        assert ["Ann Archer" in page for page in pages] == [True, False, False]
        assert ["Bob Baker" in page for page in pages] == [False, True, False]
        assert [text(client.get("/products"), ".cart-count-number") for client in (ann, bob, nobody)] == [
            "3",
            "0",
            "0",
        ]


def test_a_shared_cache_may_keep_nobodys_page_and_never_a_visitors(client):
    assert client.get("/products").headers["Cache-Control"] == "public, no-cache"
    assert {"Cookie", "Accept-Language", "Accept-Encoding"} <= set(client.get("/products").vary)

    set_cart(client, '{"mug":2}')
    assert client.get("/products").headers["Cache-Control"] == "private, no-cache"
    assert client.get("/cart").headers["Cache-Control"] == "private, no-cache"


def test_who_adds_the_same_to_the_same_cart_gets_the_same_answer_while_there_is_some(cookieless, database):
    def add() -> tuple[int, bytes, str | None]:
        answer = cookieless.post("/cart-items", data={"item": "last-poster"}, headers=HTMX)
        return answer.status_code, answer.data, answer.headers.get("Set-Cookie")

    first, second = add(), add()
    assert first == second
    assert first[0] == 200
    assert first[2].startswith("cart={%22last-poster%22:1};")
    # Another way to ask is another answer: a foreign form, a plain one, another cart.
    foreign = cookieless.post("/cart-items", data={"item": "last-poster"}, headers=HTMX | {"Sec-Fetch-Site": "none"})
    assert foreign.status_code == 403
    assert cookieless.post("/cart-items", data={"item": "last-poster"}, headers=OWN).status_code == 303
    full = cookieless.post(
        "/cart-items", data={"item": "last-poster"}, headers=HTMX | {"Cookie": "cart=%7B%22mug%22:1%7D"}
    )
    assert full.headers["Set-Cookie"].startswith("cart={%22mug%22:1%2C%22last-poster%22:1};")

    with database.writing() as connection:
        connection.execute(variants.update().where(variants.c.item == "last-poster").values(stock=0))
        version.bump(connection)
    assert add()[0] == 422


def test_a_cookie_of_other_software_makes_no_visitor(cookieless):
    answer = cookieless.get("/products", headers={"Cookie": "_tracking=1; carts=2"})

    assert answer.headers["Cache-Control"] == "public, no-cache"


def test_a_message_that_is_shown_once_is_shown_once(client):
    client.get("/")
    client.post("/cart-items", data={"item": "mug"}, headers=OWN)

    told = client.get("/")
    assert "Mug is in your cart." in text(told, "#messages")
    assert told.headers["Cache-Control"] == "no-store"
    assert text(client.get("/"), "#messages") == ""


class TestConditionalRequests:
    @pytest.mark.parametrize("path", [*CATALOGUE, "/cart", "/static/css/shop.css"])
    def test_an_unchanged_page_is_a_304(self, client, path):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert again.headers["Content-Security-Policy"]

    def test_each_coding_and_each_cart_has_a_strong_tag_of_its_own(self, client):
        tags = {client.get("/", headers={"Accept-Encoding": coding}).headers["ETag"] for coding in ("br", "gzip", "")}
        set_cart(client, '{"mug":2}')
        tags.add(client.get("/").headers["ETag"])

        assert len(tags) == 4
        assert all(tag.startswith('"') for tag in tags)

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    @pytest.mark.parametrize("cookie", [None, "theirs"])
    def test_other_bytes_have_another_tag_and_are_still_the_same_page(self, client, coding, cookie):
        answers = []
        for number in range(4):
            if cookie:
                client.set_cookie(cookie, str(number // 2))
            answers.append(client.get("/products", headers={"Accept-Encoding": coding}))

        assert len({answer.headers["ETag"] for answer in answers}) == len({answer.data for answer in answers})
        assert len({DECODERS[coding](answer.data) for answer in answers}) == 1
        for answer in answers:
            headers = {"Accept-Encoding": coding, "If-None-Match": answer.headers["ETag"]}
            assert client.get("/products", headers=headers).status_code == 304

    @pytest.mark.parametrize("header", ['"other"', "W/", "", '"a", "b"', "*" * 999, '"' * 999])
    def test_another_tag_gets_the_page(self, client, header):
        assert client.get("/", headers={"If-None-Match": header}).status_code == 200

    def test_one_of_several_tags_is_enough(self, client):
        tag = client.get("/").headers["ETag"]

        assert client.get("/", headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304


class TestHead:
    """HEAD says what GET does. Source: RFC 9110, 9.3.2."""

    @pytest.mark.parametrize("path", [*CATALOGUE, "/cart", "/static/css/shop.css", "/nothing", "/products.atom"])
    @pytest.mark.parametrize("coding", ["", "gzip"])
    def test_it_says_all_but_the_body(self, client, path, coding):
        headers = {"Accept-Encoding": coding}
        client.get(path, headers=headers)
        head, get = client.head(path, headers=headers), client.get(path, headers=headers)

        assert head.data == b""
        assert (head.status, sorted(head.headers)) == (get.status, sorted(get.headers))
        assert int(head.headers["Content-Length"]) == len(get.data) > 0

    @pytest.mark.parametrize("path", ["/products", "/static/css/shop.css", "/feeds/google.xml"])
    def test_it_is_a_304_where_get_is(self, client, path):
        first = client.get(path, buffered=True)
        again = client.head(path, headers={"If-None-Match": first.headers["ETag"]})

        assert again.status_code == 304

    def test_the_feed_has_no_length_and_nobody_is_kept_from_it(self, client):
        head, get = client.head("/feeds/google.xml"), client.get("/feeds/google.xml", buffered=True)

        assert (head.status_code, head.data, get.status_code) == (200, b"", 200)
        assert sorted(head.headers) == sorted(get.headers)
        assert "Content-Length" not in head.headers

    @pytest.mark.parametrize("path", ["/cart", "/products"])
    def test_it_is_logged_as_what_it_is(self, client, caplog, path, monkeypatch):
        client.get(path)
        monkeypatch.setattr(logging.getLogger("shop.access"), "propagate", True)
        client.head(path)

        assert f'"method": "HEAD", "path": "{path}", "status": 200, "bytes": 0,' in caplog.text


class TestCompression:
    @pytest.mark.parametrize("coding", list(DECODERS))
    def test_a_page_comes_as_the_browser_takes_it(self, client, coding):
        plain = client.get("/products")
        packed = client.get("/products", headers={"Accept-Encoding": coding})

        assert packed.headers["Content-Encoding"] == coding
        assert len(packed.data) == int(packed.headers["Content-Length"]) < len(plain.data) / 3
        assert DECODERS[coding](packed.data) == plain.data

    def test_what_is_asked_for_again_is_worth_fewer_bytes(self, client):
        headers = {"Accept-Encoding": "gzip, deflate, br, zstd"}
        first, second, third = (client.get("/products", headers=headers) for _ in range(3))

        assert [each.headers["Content-Encoding"] for each in (first, second, third)] == ["zstd", "br", "br"]
        assert len(second.data) < len(first.data)
        assert second.data == third.data
        assert DECODERS["br"](second.data) == DECODERS["zstd"](first.data)
        assert second.headers["ETag"] == third.headers["ETag"] != first.headers["ETag"]
        again = client.get("/products", headers=headers | {"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304

    def test_one_visitors_page_is_packed_too(self, client):
        set_cart(client, '{"mug":2}')
        packed = client.get("/products", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})

        assert packed.headers["Content-Encoding"] == "zstd"
        assert DECODERS["zstd"](packed.data) == client.get("/products").data

    @pytest.mark.parametrize(
        "accepted, coding",
        [
            ("gzip;q=1, br;q=0", "gzip"),
            ("br;q=0.1, zstd;q=0.9", "zstd"),
            ("*", "zstd"),
            ("identity", None),
            ("identity;q=1, gzip;q=0.1", None),
            ("identity;q=0.5, *;q=0.1", None),
            ("gzip, identity", "gzip"),
            ("identity;q=0.5, gzip;q=0.6", "gzip"),
            ("gzip;q=nonsense", None),
            (",;=,", None),
            ("x" * 5000, None),
        ],
    )
    def test_the_browsers_wish_counts(self, client, accepted, coding):
        answer = client.get("/products", headers={"Accept-Encoding": accepted})

        assert answer.headers.get("Content-Encoding") == coding
        assert "Accept-Encoding" in answer.vary

    def test_pictures_stay_as_they_are(self, client):
        answer = client.get("/static/img/demo/teapot.webp", headers={"Accept-Encoding": "br"})

        assert "Content-Encoding" not in answer.headers
        assert answer.content_type == "image/webp"


class TestMemory:
    """Nobody fills the shop's memory by sending much."""

    @pytest.fixture
    def kept_of(self, app):
        """`kept_of(asking)`: how many bytes of 100 requests, each with a long text of its own, stay in memory."""

        def ask(number: int, asking) -> None:
            environ = EnvironBuilder(**asking(f"{number}" + "x" * 60_000)).get_environ()
            chunks, _status, _headers = run_wsgi_app(app.wsgi_app, environ)
            b"".join(chunks)

        def kept_of(asking) -> int:
            ask(-1, asking)
            tracemalloc.start()
            try:
                for number in range(100):
                    ask(number, asking)
                gc.collect()
                return tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()

        return kept_of

    @pytest.mark.parametrize(
        "asking",
        [
            lambda long: {"path": "/nothing", "headers": {"Accept-Encoding": long}},
            lambda long: {"path": "/nothing", "headers": {"Accept-Language": long}},
            lambda long: {"path": "/nothing", "headers": {"HX-Current-URL": f"http://localhost/?{long}"}},
            lambda long: {"path": "/cart", "method": "POST", "headers": {"Referer": f"http://localhost/?{long}"}},
            lambda long: {"path": "/nothing", "method": long},
        ],
        ids=["coding", "language", "screen", "referrer", "method"],
    )
    def test_what_is_long_is_not_kept(self, kept_of, asking):
        assert kept_of(asking) < 1_500_000

    def test_pages_are_kept_within_bounds_whatever_their_addresses(self, app, kept_of, monkeypatch):
        monkeypatch.setitem(vars(app.extensions["shop"]), "pages", Memory(1_000_000))

        asking = {"path": "/products", "headers": {"HX-Request": "true"}}
        assert kept_of(lambda long: {**asking, "query_string": {"language": long}}) < 1_500_000


class TestAssets:
    def test_an_address_with_its_fingerprint_is_good_for_ever(self, client):
        page = soup(client.get("/"))
        addresses = [link["href"] for link in page.select("link[rel=stylesheet]")]
        addresses += [script["src"] for script in page.select("script[src]")]

        assert addresses
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize("address", ["/static/css/shop.css", "/static/css/shop.css?v=old"])
    def test_another_address_must_be_asked_again(self, client, address):
        assert client.get(address).headers["Cache-Control"] == "public, no-cache"

    @pytest.mark.parametrize(
        "path", ["no.css", "../shop/settings.py", "css/../../pyproject.toml", "css", "%2e%2e/README.md"]
    )
    def test_there_is_nothing_beside_static(self, client, path):
        assert client.get(f"/static/{path}").status_code == 404

    @pytest.mark.parametrize(
        "path", ["./css/tokens.css", "css/./tokens.css", "css/../css/tokens.css", "css/tokens.css/"]
    )
    def test_a_file_has_one_address(self, client, path):
        assert client.get("/static/css/tokens.css").status_code == 200
        assert client.get(f"/static/{path}").status_code == 404

    @pytest.mark.parametrize("path", ["%00", "css/%00", "a" * 300, "a/" * 3000 + "a"], ids=lambda path: path[:6])
    def test_what_no_file_can_be_called_is_not_there(self, client, path):
        assert client.get(f"/static/{path}").status_code == 404

    def test_the_stylesheet_holds_every_file_in_its_order(self, client):
        sheet = client.get("/static/css/shop.css").get_data(as_text=True)

        assert "@import" not in sheet
        assert sheet.startswith("@layer")
        assert ".cart-count" in sheet


class TestFreshness:
    def test_a_new_price_is_on_the_next_page(self, client, database):
        for path in ("/products", "/products/mug", "/search?q=mug"):
            assert "$12.00" in client.get(path).get_data(as_text=True)

        with database.writing() as connection:
            connection.execute(sa.update(variants).where(variants.c.item == "mug").values(price=1300))
            version.bump(connection)

        assert "$13.00" in client.get("/products/mug").get_data(as_text=True)

    def test_a_sale_that_leaves_plenty_makes_no_page_anew(self, cookieless, database, shop_database):
        cart = {"Cookie": "cart=%7B%22mug%22:60%7D"}
        for path in CATALOGUE:
            cookieless.get(path)

        ordering(database, {"mug": 5})

        assert not queries_of(shop_database, lambda: [cookieless.get(path) for path in CATALOGUE])
        # How much there is of what is in the cart, and nothing else.
        asked = queries_of(shop_database, lambda: [cookieless.get(path, headers=cart) for path in CATALOGUE])
        assert len(asked) == 1

    def test_pages_say_the_same_of_plenty_however_much_that_is(self, app, client, database):
        paths = [*CATALOGUE, "/products/shirt", "/feeds/google.xml", "/products.atom"]
        before = [client.get(path).data for path in paths]

        ordering(database, {"mug": 90, "shirt.white.m": 1})

        for memory in ("pages", "parts"):
            vars(app.extensions["shop"]).pop(memory)
        assert [client.get(path).data for path in paths] == before

    def test_the_last_few_are_counted_on_the_next_page(self, client, database):
        assert "In stock." in text(client.get("/products/mug"), ".stock")
        ordering(database, {"mug": 96})
        assert "In stock." in text(client.get("/products/mug"), ".stock")
        ordering(database, {"mug": 1})
        assert "Only 3 left." in text(client.get("/products/mug"), ".stock")
        ordering(database, {"mug": 1})
        assert "Only 2 left." in text(client.get("/products/mug"), ".stock")

    @pytest.mark.parametrize("cookies", [{}, {"Cookie": "cart=%7B%22mug%22:60%7D"}])
    def test_no_cart_holds_more_than_the_last_sale_has_left(self, cookieless, database, cookies):
        def add() -> str:
            answer = cookieless.post("/cart-items", data={"item": "mug", "quantity": "60"}, headers=HTMX | cookies)
            return answer.headers["Set-Cookie"].partition(";")[0]

        full = "cart={%22mug%22:100}" if cookies else "cart={%22mug%22:60}"
        assert [add(), add(), add()] == [full] * 3
        cart = [cookieless.get("/cart", headers={"Cookie": "cart=%7B%22mug%22:60%7D"}) for _ in range(3)][-1]
        assert "Only" not in text(cart, "#cart")

        ordering(database, {"mug": 50})

        assert add() == "cart={%22mug%22:50}"
        cart = cookieless.get("/cart", headers={"Cookie": "cart=%7B%22mug%22:60%7D"})
        assert soup(cart).select_one(".stepper-input")["max"] == "50"

    def test_without_its_database_nothing_old_is_shown(self, client, shop_database, monkeypatch):
        assert client.get("/products").status_code == 200
        monkeypatch.setattr(shop_database, "catalogue_version", lambda: None)

        assert queries_of(shop_database, lambda: client.get("/products"))
