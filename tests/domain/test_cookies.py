"""How JSON travels in a cookie: what goes out comes back, and nothing else gets in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import dump_cookie

from shop.cart import Cart
from shop.cookies import CART, Unreadable, decode, decode_cart, encode, encode_cart

ITEMS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
CARTS = st.dictionaries(ITEMS, st.integers(1, 999), max_size=30).map(Cart)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_the_cookie_is_the_one_in_the_design():
    assert encode({"clay-teapot": 2}) == "{%22clay-teapot%22:2}"


@given(CARTS)
def test_any_cart_survives_the_cookie(cart):
    back = decode_cart(encode(dict(cart.quantities)))

    assert back == cart
    assert list(back.quantities) == list(cart.quantities)


@given(CARTS)
def test_any_cart_survives_a_form(cart):
    assert decode_cart(encode_cart(cart)) == cart


@given(st.dictionaries(ITEMS, st.integers(1, 999), max_size=5))
def test_a_cookie_needs_no_quoting(quantities):
    value = encode(quantities)

    assert dump_cookie("cart", value).startswith(f"cart={value};")
    assert not set(value) & set(' ",;\\') and value.isascii()


def test_plain_json_as_typed_in_devtools_is_read():
    assert decode_cart('{"clay-teapot": 2, "mug": 1}').quantities == {"clay-teapot": 2, "mug": 1}


def test_a_list_of_names_is_read_as_quantities():
    assert decode_cart('["clay-teapot","mug","clay-teapot"]').quantities == {"clay-teapot": 2, "mug": 1}


ATTACKS = {
    "not JSON": "hello",
    "half of it": '{"mug":1',
    "nothing but an escape": "%",
    "bad UTF-8": "%ff%fe",
    "a number": "5",
    "a string": '"mug"',
    "null": "null",
    "true": "true",
    "the same name twice": '{"mug":1,"mug":2}',
    "the same name twice, escaped": '{"mug":1,"\\u006dug":2}',
    "NaN": '{"mug":NaN}',
    "infinity": '{"mug":-Infinity}',
    "a float": '{"mug":1.0}',
    "an exponent": '{"mug":1e2}',
    "a boolean": '{"mug":true}',
    "a string of digits": '{"mug":"2"}',
    "zero": '{"mug":0}',
    "a negative": '{"mug":-1}',
    "a thousand": '{"mug":1000}',
    "a number of 5,000 digits": '{"mug":' + "9" * 5000 + "}",
    "a number of 30 digits": '{"mug":' + "9" * 30 + "}",
    "an object inside": '{"mug":{"price":1}}',
    "a list inside": '[["mug"]]',
    "no name": '{"":1}',
    "a name of 256 characters": '{"' + "m" * 256 + '":1}',
    "half a surrogate pair": '{"\\ud83d":1}',
    "a control character": '{"mug\\u0000":1}',
    "deep nesting": "[" * 5000,
    "deep objects": '{"a":' * 1000 + "1" + "}" * 1000,
    "a list with a number": '["mug",1]',
    "1,000 of one name": json.dumps(["m"] * 1000, separators=(",", ":")),
    "100,000 characters": '{"' + "m" * 100_000 + '":1}',
}


@pytest.mark.parametrize("value", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_cart_is_refused_with_a_reason(value):
    with pytest.raises(Unreadable, match=r"^it "):
        decode_cart(value)


@given(st.text(max_size=300) | JSON.map(json.dumps) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_whatever_arrives_is_a_cart_or_unreadable(value):
    try:
        cart = decode_cart(value)
    except Unreadable:
        return
    assert all(type(quantity) is int and 1 <= quantity <= 999 for quantity in cart.quantities.values())


def test_length_is_looked_at_before_anything_is_parsed():
    with pytest.raises(Unreadable, match="2000 characters long"):
        decode("9" * 2000, longest=1000)


def test_ninety_lines_of_a_usual_length_fit():
    cart = {f"teapot-{number:04}": 1 for number in range(90)}

    assert len(CART.name) + len(encode(cart)) <= CART.budget
