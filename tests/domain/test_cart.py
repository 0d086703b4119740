"""The cart alone: no app, no database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.cart import BadQuantity, Cart, OutOfStock, parse_quantity
from shop.catalogue.products import Variant

MUG = Variant("mug", "mug", "Mug", (), 1200, None, stock=5, tracked=True, oversell=False, visible=True)
SHIRT = replace(MUG, item="shirt.blue", handle="shirt", product_title="Shirt", option_values=("Blue",), price=6000)
QUANTITIES = st.dictionaries(st.text(min_size=1, max_size=20), st.integers(1, 999), max_size=20)


def test_adding_keeps_the_order_in_which_the_cart_was_filled():
    cart = Cart().adding(MUG).cart.adding(SHIRT).cart.adding(MUG, 2).cart

    assert list(cart.quantities.items()) == [("mug", 3), ("shirt.blue", 1)]


def test_adding_leaves_the_cart_it_came_from_alone():
    cart = Cart({"mug": 1})
    cart.adding(MUG)

    assert cart == Cart({"mug": 1})


def test_adding_past_the_stock_stops_there_and_says_so():
    change = Cart({"mug": 3}).adding(MUG, 4)

    assert (change.before, change.wanted, change.after) == (3, 7, 5)
    assert change.short
    assert change.cart["mug"] == 5


@pytest.mark.parametrize("variant", [replace(MUG, stock=0), replace(MUG, visible=False)], ids=["none left", "hidden"])
def test_what_is_sold_out_cannot_be_added(variant):
    with pytest.raises(OutOfStock, match="Mug is sold out"):
        Cart().adding(variant)


@pytest.mark.parametrize(
    "variant",
    [replace(MUG, stock=0, oversell=True), replace(MUG, stock=0, tracked=False)],
    ids=["oversold", "uncounted"],
)
def test_what_has_no_counted_stock_sells_up_to_999(variant):
    assert Cart().adding(variant, 999).after == 999
    assert Cart({"mug": 999}).adding(variant).after == 999


def test_removing_what_is_not_there_changes_nothing():
    assert Cart({"mug": 1}).removing("kettle") == Cart({"mug": 1})


def test_merging_sums_what_both_hold():
    assert Cart({"mug": 1, "pen": 998}).merging(Cart({"pen": 5, "ink": 1})).quantities == {
        "mug": 1,
        "pen": 999,
        "ink": 1,
    }


def test_a_line_counts_what_can_be_bought_now():
    contents = Cart({"mug": 7, "shirt.blue": 1, "gone": 2}).priced(
        {"mug": MUG, "shirt.blue": replace(SHIRT, stock=0)}
    )

    assert [(line.quantity, line.total, line.problem) for line in contents.lines] == [
        (5, 6000, "Only 5 left; you asked for 7."),
        (0, 0, "Sold out."),
        (0, 0, "This item is no longer in the shop."),
    ]
    assert (contents.count, contents.subtotal) == (5, 6000)


@given(QUANTITIES)
def test_the_subtotal_is_the_sum_of_its_lines(quantities):
    variants = {item: replace(MUG, item=item, price=len(item)) for item in list(quantities)[::2]}
    contents = Cart(quantities).priced(variants)

    assert contents.subtotal == sum(min(quantities[item], 5) * len(item) for item in variants)
    assert [line.item for line in contents.lines] == list(quantities)


@pytest.mark.parametrize("text", ["1", "01"[1:], "999", " 7 "])
def test_a_quantity_is_read(text):
    assert parse_quantity(text) == int(text)


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "1000", "1.5", "1e2", "٣", "１", "²", "one", "1 2", "0x1", "\x00", "9" * 5000, "+1", "007"],
)
def test_anything_else_is_no_quantity(text):
    with pytest.raises(BadQuantity, match="from 1 to 999"):
        parse_quantity(text)


def test_a_line_may_be_set_to_none_of_it():
    assert parse_quantity("0", least=0) == 0
