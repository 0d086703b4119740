"""Searching: inflected, misspelt and half-typed words, in which order what they find comes, and in which language."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop.catalogue import store
from shop.catalogue.importing import import_file
from shop.catalogue.listing import Wish, find_page, find_suggestions
from shop.catalogue.spelling import distance, on_the_other_keyboard
from shop.settings import Settings

# Beside the shelf, whose Clay Teapot and Mug come before.
GOODS = """\
Handle,Title,Description,Vendor,Type,Tags,Price,Title [ru],Description [ru]
kettle,Copper Kettle,"Boils. A teapot it is not, for all its looks.",Kupfer,Kitchen,teapot lovers,90,Медный чайник,
rack,Mug Rack with Five Hooks,Holds mugs.,Kupfer,Kitchen,,30,,
strainer,Tea Strainer,For the cup.,Kupfer,Kitchen,,8,Ситечко,<p>Для заварочных чайников</p>
lamp,Reading Lamp,,Kupfer,Home,,70,Лампа,
"""


@pytest.fixture
def find(either_database, tmp_path: Path):
    """`find("mug")` is the handles that a search shows, and how it was spelt."""
    path = tmp_path / "goods.csv"
    path.write_text(GOODS, encoding="utf-8")
    import_file(either_database, path, Settings(data=tmp_path))

    def find(query: str) -> tuple[list[str], str | None]:
        with either_database.reading() as connection:
            page = find_page(connection, Wish(query=query, sort="relevance"))
        return [card.handle for card in page.cards], page.spelling

    return find


def test_words_in_the_title_come_first_then_short_titles_then_the_merchants_order(find):
    assert find("teapot") == (["clay-teapot", "kettle"], None)
    assert find("mug") == (["mug", "rack"], None)
    assert find("kitchen") == (["mug", "clay-teapot", "kettle", "strainer", "creme-bowl", "rack"], None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("teapots", ["clay-teapot", "kettle"]),
        ("hook", ["rack"]),
        ("boiling", ["kettle"]),
        ("чайники", ["kettle", "strainer"]),
        ("медного", ["kettle"]),
        ("a kettle for the", ["kettle"]),
    ],
)
def test_inflected_words_are_found(find, query, found):
    assert find(query) == (found, None)


@pytest.mark.parametrize(
    ("query", "found", "spelling"),
    [
        ("teapott", ["clay-teapot", "kettle"], "teapot"),
        ("Mgu hooks", ["rack"], "mug hooks"),
        ("strianner", ["strainer"], "strainer"),
        ("чайнек", ["kettle", "strainer"], "чайник"),
        ("xfqybr", ["kettle", "strainer"], "чайник"),
        ("zzzzzzz", [], None),
        ("copper zzzzzzz", [], None),
    ],
)
def test_unknown_words_are_taken_for_the_nearest_known_ones(find, query, found, spelling):
    assert find(query) == (found, spelling)


def test_letters_apart():
    assert distance("teapot", "teapot") == 0
    assert distance("teapott", "teapot") == distance("taepot", "teapot") == distance("teepot", "teapot") == 1
    assert distance("ca", "abc") == 3
    assert on_the_other_keyboard("Xfqybr") == "чайник"


def test_suggestions_come_while_somebody_types(find, either_database):
    with either_database.reading() as connection:
        found = find_suggestions(connection, "  copper   kett", products=2)
        misspelt = find_suggestions(connection, "teapott", products=1)
        named = find_suggestions(connection, "kitc")
        nothing = find_suggestions(connection, " ! ")

    assert ([card.handle for card in found.cards], found.query) == (["kettle"], "copper kett")
    assert ([card.handle for card in misspelt.cards], misspelt.query) == (["clay-teapot"], "teapot")
    assert [collection.handle for collection in named.collections] == ["kitchen"]
    assert (nothing.cards, nothing.collections, nothing.query) == ((), (), "")


def test_titles_and_descriptions_are_in_the_language_that_is_asked_for(find, either_database):
    with either_database.reading() as connection:
        page = find_page(connection, Wish(query="kupfer", sort="title"), language="ru")
        strainer = store.find_product(connection, "strainer", language="ru")
        rack = store.find_product(connection, "rack", language="ru")
        in_cart = store.find_variants(connection, ["lamp", "rack"], language="ru")
        suggested = find_suggestions(connection, "лам", language="ru")

    assert [card.title for card in page.cards] == [
        "Mug Rack with Five Hooks",
        "Лампа",
        "Медный чайник",
        "Ситечко",
    ]
    assert (strainer.title, strainer.description) == ("Ситечко", "<p>Для заварочных чайников</p>")
    assert (rack.title, rack.description) == ("Mug Rack with Five Hooks", "Holds mugs.")
    assert {item: variant.product_title for item, variant in in_cart.items()} == {
        "lamp": "Лампа",
        "rack": "Mug Rack with Five Hooks",
    }
    assert [card.title for card in suggested.cards] == ["Лампа"]
