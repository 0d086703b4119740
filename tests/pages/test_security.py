"""Where a form came from, what a page may load, and what is never written down."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text

OWN_ORIGIN = "http://localhost"


@pytest.mark.parametrize("headers", [OWN, {"Origin": OWN_ORIGIN}, {**OWN, "Origin": "http://evil.example"}])
@pytest.mark.parametrize("path", ["/cart-items", "/cart", "/cart-items/mug"])
def test_the_shops_own_forms_pass(client, path, headers):
    set_cart(client, '{"mug":1}')
    answer = client.post(path, data={"item": "mug", "items": '{"mug":2}', "quantity": "2"}, headers=headers)

    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": OWN_ORIGIN},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://localhost.evil.example"},
        {"Referer": OWN_ORIGIN},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/cart-items", "/cart", "/cart-items/mug", "/nothing"])
def test_foreign_forms_change_nothing_and_say_why(client, path, headers):
    set_cart(client, '{"mug":1}')
    answer = client.post(path, data={"item": "mug", "items": "{}", "quantity": "0"}, headers=headers)

    assert answer.status_code == 403
    assert "was not sent from one of this shop's own pages" in text(answer, "main")
    assert "Set-Cookie" not in answer.headers
    assert cart_cookie(client) == '{"mug":1}'


def test_a_foreign_form_is_refused_in_the_visitor_s_language(client):
    answer = client.post("/cart", headers={"Sec-Fetch-Site": "cross-site", "Accept-Language": "ru"})

    assert answer.status_code == 403
    assert "ничего не изменилось" in text(answer, "main")


@pytest.mark.parametrize(
    "path", ["/", "/products/mug", "/cart", "/nothing", "/products?page=x", "/static/js/crumb.js"]
)
def test_every_answer_carries_its_headers(client, path):
    with client.get(path) as answer:
        headers = answer.headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "object-src 'none'" in policy and "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/products", "/products/shirt", "/cart", "/cart/shared?items={}", "/nothing"])
def test_no_page_has_a_script_a_style_or_a_handler_inline(client, path):
    set_cart(client, '{"mug":1}')
    page = soup(client.get(path))

    data = page.select("script[type='application/ld+json']")  # which no browser runs
    assert not [script for script in page.select("script") if not script.get("src") and script not in data]
    assert not page.select("style, [style]")
    assert not [
        tag for tag in page.find_all(True) for name in tag.attrs if name.startswith(("on", "data-hx-on", "hx-"))
    ]


def test_pages_differ_by_visitor_and_say_so(client):
    for headers in ({}, HTMX):
        answer = client.get("/cart", headers=headers)
        assert {"HX-Request-Type", "Cookie"} <= {part.strip() for part in answer.headers["Vary"].split(",")}
        assert "private" in answer.headers["Cache-Control"]


@both_ways
@pytest.mark.parametrize("path", ["/cart-items", "/cart"])
def test_a_form_too_large_is_refused(client, path, headers):
    set_cart(client, '{"mug":1}')
    answer = client.post(path, data={"item": "mug", "items": "x" * 100_000}, headers=headers)

    assert answer.status_code == 413
    assert cart_cookie(client) == '{"mug":1}'


@pytest.mark.parametrize(
    ("method", "path"),
    [("delete", "/cart"), ("put", "/cart-items"), ("post", "/products"), ("post", "/"), ("get", "/cart-items/mug")],
)
def test_a_wrong_method_is_a_page(client, method, path):
    answer = getattr(client, method)(path, headers=OWN)

    assert answer.status_code == 405
    assert answer.headers["Allow"]
    assert soup(answer).select_one("main a[href='/products']")


@pytest.mark.parametrize("host", ["a..b", ".", ".shop.example", "shop.example..", "a" * 64 + ".example"])
@pytest.mark.parametrize("path", ["/", "/cart", "/nothing"])
def test_a_host_that_cannot_be_is_a_page_and_no_line_of_errors(client, caplog, host, path):
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 400
    assert soup(answer).select_one("main a[href='/products']")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("host", ["", "a b", "<b>", "one.example,two.example", "shop.example:0"])
@pytest.mark.parametrize(
    "path", ["/products", "/products/mug", "/cart", "/sitemap.xml", "/products.atom", "/robots.txt"]
)
def test_who_names_no_host_gets_no_addresses_without_one(client, host, path):
    set_cart(client, '{"mug":1}')
    answer = client.get(path, headers={"Host": host})

    assert answer.status_code == 200
    assert ":///" not in answer.text


def test_a_form_from_nowhere_to_nowhere_is_foreign(client):
    assert client.post("/cart-items", data={"item": "mug"}, headers={"Host": "", "Origin": ""}).status_code == 403


def test_the_session_of_another_shop_is_nobody(client):
    client.set_cookie("session", "eyJfZmxhc2hlcyI6W3siIHQiOlsiZ29vZCIsIkhpIl19XX0.forged.signature")
    answer = client.get("/cart")

    assert answer.status_code == 200
    assert not soup(answer).select("#messages .message")


@both_ways
def test_an_unexpected_error_is_a_calm_page_and_a_line_in_the_log(app, client, database, caplog, headers):
    with database.writing() as connection:
        connection.execute(sa.text("drop table variants"))
    set_cart(client, '{"mug":1}')
    with caplog.at_level(logging.ERROR):
        answer = client.post("/cart-items", data={"item": "mug"}, headers=headers)

    assert answer.status_code == 500
    assert "your cart is safe" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "POST /cart-items failed" in caplog.text


@pytest.fixture
def access_log(caplog):
    logger = logging.getLogger("shop.access")
    logger.addHandler(caplog.handler)
    yield lambda: "\n".join(record.getMessage() for record in caplog.records if record.name == "shop.access")
    logger.removeHandler(caplog.handler)


def test_the_log_knows_the_route_and_nothing_personal(client, access_log):
    set_cart(client, '{"mug":1}')
    client.get("/search?q=my+secret+wish", headers={"User-Agent": "Spy/1.0", "Referer": "http://elsewhere.example"})
    client.get("/products/mug?ref=someone")
    client.get("/cart/shared?items={%22mug%22:1}")
    client.post("/cart-items/mug", data={"quantity": "3"}, headers=OWN)

    log = access_log()
    assert '"path": "/products/mug"' in log
    assert '"path": "/search"' in log
    assert '"path": "/cart-items/<path:item>"' in log
    for personal in ("secret", "someone", "items=", "cart=", "127.0.0.1", "Spy", "elsewhere", "?"):
        assert personal not in log


def test_of_a_long_path_the_log_has_the_beginning(client, access_log):
    client.get("/products/" + "mug" * 20_000)

    log = access_log()
    assert '"path": "/products/mugmug' in log
    assert '\\u2026", "status": 404' in log
    assert len(log) < 700
