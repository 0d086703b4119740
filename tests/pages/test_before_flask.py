"""What is answered before Flask is what Flask would have answered."""

from __future__ import annotations

import gzip
from contextlib import contextmanager

import flask
import pytest
import sqlalchemy as sa

from tests.conftest import HTMX, OWN, set_cart, soup

PAGES = ["/", "/products?sort=price-low", "/collections/kitchen", "/products/mug", "/search?q=tea", "/cart"]


@contextmanager
def flasks_requests():
    """The paths that Flask itself is asked for meanwhile."""
    asked = []

    def note(_app, **_more):
        asked.append(flask.request.path)

    with flask.request_started.connected_to(note):
        yield asked


def register(client):
    client.post("/users", data={"name": "Ada Lovelace", "email": "ada@example.org"}, headers=OWN)
    chosen = soup(client.get("/users")).select_one("form[action='/shopper'] [name=user]")["value"]
    client.post("/shopper", data={"user": chosen}, headers=OWN)


def both(client, path, **headers):
    """The answer as Flask gives it to this visitor, and as it is given before Flask after that."""
    first = client.get(path, headers=headers)
    client.set_cookie("theirs", "1")  # of other software: it makes another request, and not another visitor
    with flasks_requests() as asked:
        again = client.get(path, headers=headers)
    assert asked == []
    return first, again


def headers_of(answer):
    return sorted(each for each in answer.headers if each[0] not in ("ETag", "Content-Encoding", "Content-Length"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("visitor", ["new", "cart", "shopper"])
def test_a_page_made_before_is_the_page_that_flask_makes(client, path, visitor):
    if visitor != "new":
        set_cart(client, '{"mug":2,"gone":1}')
    if visitor == "shopper":
        register(client)
        client.get("/users")  # which says that she shops now

    first, again = both(client, path)

    assert again.data == first.data
    assert again.status == first.status
    assert headers_of(again) == headers_of(first)
    assert again.headers["ETag"] == first.headers["ETag"]
    if visitor == "shopper":
        assert "Ada Lovelace" in again.text
    if visitor != "new":
        assert soup(again).select_one(".cart-count-number").text == "2"


def test_it_comes_packed_from_pieces_and_whole(client):
    set_cart(client, '{"mug":3}')
    plain, _ = both(client, "/products")
    client.set_cookie("theirs", "2")
    packed = client.get("/products", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_it_speaks_the_visitors_language(client):
    client.get("/products", headers={"Accept-Language": "ru"})
    _, again = both(client, "/products", **{"Accept-Language": "ru"})
    assert soup(again).html["lang"] == "ru"

    set_cart(client, '{"mug":1}')
    client.set_cookie("language", "ru")
    with flasks_requests() as asked:
        chosen = client.get("/products")
    assert asked == [] and soup(chosen).html["lang"] == "ru"
    assert soup(client.get("/products?language=en")).html["lang"] == "en"


def test_a_page_that_has_something_to_say_is_left_to_flask(client):
    client.get("/products")
    set_cart(client, '{"mug":"many"}')

    assert "cart" in soup(client.get("/products")).select_one("#messages").text
    assert client.get("/cart").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "q=tea",
        "q=mu",
        "q=",
        "",
        "q=%ff%00",
        "q=a%26b+c&q=d",
        "q=&q=tea",
        "q=чай",
        "q=%22%3Cscript%3E",
        "q=" + "x" * 5000,
    ],
)
def test_suggestions_are_the_same_before_flask(client, query):
    with flasks_requests() as asked:
        found = client.get(f"/search/suggestions?{query}", headers=HTMX)
    assert asked == []
    flasks = client.get(f"/search/suggestions?{query}&language=en", headers=HTMX)

    assert found.status_code == 200
    assert found.data == flasks.data
    assert headers_of(found) == headers_of(flasks)


@pytest.mark.parametrize("name", ["language", "l%61nguage", "%6C%61%6E%67%75%61%67%65"])
def test_a_language_that_an_address_asks_for_is_spoken_however_it_is_written(client, name):
    client.get("/products")

    asked = client.get(f"/search/suggestions?q=te&{name}=ru", headers=HTMX)
    on_screen = client.get(
        "/search/suggestions?q=te", headers=HTMX | {"HX-Current-URL": f"http://localhost/?{name}=ru"}
    )
    assert "Искать" in asked.text and "Искать" in on_screen.text
    assert soup(client.get(f"/products?{name}=ru")).html["lang"] == "ru"


def test_where_the_database_fails_it_is_flask_that_says_so(client, app):
    with app.extensions["shop"].database.writing() as connection:
        connection.execute(sa.text("drop table product_sets"))

    answer = client.get("/search/suggestions?q=tea")

    assert answer.status_code == 500
    assert "Traceback" not in answer.text and soup(answer).h1
