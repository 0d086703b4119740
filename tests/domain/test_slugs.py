"""What products and variants are called in URLs and carts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.catalogue.slugs import ITEM_MOST, handle_of, item_for, items_for, slug_of

words = st.text(max_size=40)
values = st.text(min_size=1, max_size=12)
option_lists = st.lists(st.tuples(values, values), min_size=2, max_size=8, unique=True)


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("clay-teapot", "clay-teapot"),
        ("Clay-Teapot", "clay-teapot"),
        ("snow_globe", "snow_globe"),
        ("чайник", "чайник"),
        ("陶器-茶壺", "陶器-茶壺"),
        ("Men's Shirt (Blue)", "mens-shirt-blue"),
        ("Café Crème 0.5 l", "cafe-creme-0-5-l"),
        ("../etc/passwd", "etc-passwd"),
        ("a/b.c", "a-b-c"),
        ("  mug  ", "mug"),
        ("   ", ""),
    ],
)
def test_a_handle_stays_as_given_or_becomes_a_slug(text, handle):
    assert handle_of(text) == handle


@given(words)
def test_a_handle_has_no_dot_or_slash_and_is_its_own_handle(text):
    handle = handle_of(text)

    assert not set("./\\ ?#%") & set(handle)
    assert handle_of(handle) == handle
    assert bool(handle) == bool(text.strip())


@pytest.mark.parametrize(
    ("values", "item"),
    [
        ((), "shirt"),
        (("Blue",), "shirt.blue"),
        (("White", "M"), "shirt.white.m"),
        (("Crème", "½ l", "Größe 3"), "shirt.creme.1-2-l.grosse-3"),
        (("Синий",), "shirt.sinii"),
    ],
)
def test_an_item_is_the_handle_and_the_slug_of_each_value(values, item):
    assert item_for("shirt", values) == item


def test_a_value_of_which_no_letter_is_left_has_a_stable_hash():
    assert slug_of("🎁") == slug_of("🎁") != slug_of("🎄")
    assert slug_of("🎁").isalnum()


def test_the_only_variant_of_a_product_has_its_handle():
    assert items_for("shirt", [("Blue", "M")]) == ["shirt"]
    assert items_for("shirt", [()]) == ["shirt"]


def test_values_with_the_same_slug_are_told_apart_in_the_order_of_the_values():
    half, range_ = items_for("pan", [("1/2",), ("1-2",)])

    assert range_ == "pan.1-2"
    assert half.startswith("pan.1-2-")
    assert len(half) == len("pan.1-2-") + 4


def test_a_long_item_makes_room_for_what_tells_it_apart():
    first, second = items_for("h" * 200, [("a" * 54,), ("A" * 54,)])

    assert first != second
    assert max(len(first), len(second)) <= ITEM_MOST


@given(option_lists, st.randoms(use_true_random=False))
def test_items_differ_and_do_not_depend_on_the_order_of_rows(options, random):
    items = dict(zip(options, items_for("shirt", options), strict=True))
    shuffled = random.sample(options, len(options))

    assert len(set(items.values())) == len(options)
    assert dict(zip(shuffled, items_for("shirt", shuffled), strict=True)) == items
    assert all(item.isascii() and item.count(".") == 2 for item in items.values())
