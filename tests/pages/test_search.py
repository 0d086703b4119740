"""`/search`: whatever is typed, an answer."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shop.catalogue.indexing import reindex
from shop.database import product_collections
from tests.conftest import soup, text
from tests.pages.test_products import titles


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("teapot", ["Clay Teapot"]),
        ("TEAPOT", ["Clay Teapot"]),
        ("teap", ["Clay Teapot"]),
        ("clay teapot", ["Clay Teapot"]),
        ("teapot clay", ["Clay Teapot"]),
        ("fern creme", ["Café crème bowl"]),
        ("crème", ["Café crème bowl"]),
        ("чашка", ["Café crème bowl"]),
        ("ЧАШ", ["Café crème bowl"]),
        ("linen", ["Linen Shirt"]),
        ("loom & line", ["Linen Shirt", "Carved Chair"]),
        ("everyday", ["Mug", "Café crème bowl"]),
        ("paper", ["Last Poster", "Postcard"]),
        ("print run", ["Last Poster"]),
    ],
)
def test_words_find_products_by_title_vendor_type_tags_and_description(client, query, found):
    assert sorted(titles(client.get("/search", query_string={"q": query}))) == sorted(found)


def test_only_the_last_word_is_a_prefix(client):
    assert titles(client.get("/search?q=clay+potte")) == ["Clay Teapot"]
    assert "Nothing found" in text(client.get("/search?q=potte+clay"), "main")


def test_a_hit_in_the_title_comes_first(client):
    assert titles(client.get("/search?q=mug"))[0] == "Mug"


@pytest.mark.parametrize(
    "query",
    [
        *("", " ", "-", "%", "_", "{", "\\", "\0", "🫖", "\u202e", "\u0301"),
        *('"', "'", '"teapot', "teapot AND", "NOT", "NEAR(a b)", "title:teapot", "a*b", "^teapot"),
        *("x" * 10_000, "mug " * 2_500),
        *("<script>alert(1)</script>", "teapot'); drop table products; --"),
    ],
)
def test_any_query_is_safe(client, query):
    answer = client.get("/search", query_string={"q": query})

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert len(answer.text) < 30_000


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_any_text_at_all_is_safe(client, query):
    assert client.get("/search", query_string={"q": query}).status_code == 200


def test_without_collections_none_are_offered(client, database):
    with database.writing() as connection:
        connection.execute(product_collections.delete())
        reindex(connection)

    empty = soup(client.get("/search?q=zzzzzz")).select_one(".empty")
    assert " ".join(empty.get_text(" ").split()) == "Nothing found. Try fewer words."
    assert not empty.select("ul")


@pytest.mark.parametrize("query", ["zeppelin", "hidden", "vase"])
def test_nothing_found_offers_something(client, query):
    answer = client.get(f"/search?q={query}")

    assert "Nothing found" in text(answer, "main")
    assert soup(answer).select("main a[href^='/collections/']")


def test_the_query_stays_in_the_box(client):
    page = soup(client.get("/search", query_string={"q": 'a "b" <c>'}))

    assert page.select_one("#search")["value"] == 'a "b" <c>'
    assert page.select_one("h1").text == 'Results for “a "b" <c>”'


def test_results_can_be_sorted_and_narrowed(client):
    answer = client.get("/search?q=fern&sort=price-low&tag=tea")

    assert titles(answer) == ["Mug", "Clay Teapot"]
    assert soup(answer).select_one(".listing-form [name=q]")["value"] == "fern"
