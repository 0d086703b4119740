"""`/health`: for whoever restarts the shop."""

from __future__ import annotations

from dataclasses import replace

from shop import create_app
from tests import databases


def test_a_healthy_shop_says_so(client):
    answer = client.get("/health")

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_shop_without_its_database_says_so(settings):
    app = create_app(replace(settings, database_url=databases.current.missing))

    assert app.test_client().get("/health").status_code == 503


def test_a_shop_whose_database_is_empty_is_not_healthy(settings, tmp_path):
    app = create_app(replace(settings, database_url=databases.url_of(tmp_path / "empty")))

    assert app.test_client().get("/health").status_code == 503
    app.extensions["shop"].database.close()


def test_without_its_database_the_shop_apologises_and_keeps_the_cart(settings):
    app = create_app(replace(settings, database_url=databases.current.missing))
    client = app.test_client()
    client.set_cookie("cart", "{%22mug%22:1}")
    answer = client.get("/products")

    assert answer.status_code == 500
    assert "your cart is safe" in answer.text
    assert "Set-Cookie" not in answer.headers
