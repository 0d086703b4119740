"""Prices: integers in minor units, whatever the currency's decimals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.money import MOST, Currency, NotAPrice


@pytest.mark.parametrize(
    ("code", "text", "minor"),
    [
        ("USD", "19.99", 1999),
        ("USD", "500", 50000),
        ("USD", "0.5", 50),
        ("USD", "1.000", 100),
        ("JPY", "500.00", 500),
        ("KWD", "1.234", 1234),
    ],
)
def test_a_price_is_read_in_minor_units(code, text, minor):
    assert Currency(code).parse(text) == minor


@pytest.mark.parametrize(
    "text", ["", "-1", "1,50", "$3", "NaN", "1e5", "１", "1.", ".5", "9" * 20, "1.999", "99999999999"]
)
def test_anything_else_is_no_price(text):
    with pytest.raises(NotAPrice, match="a price"):
        Currency("USD").parse(text)


def test_a_yen_has_no_decimals():
    with pytest.raises(NotAPrice, match="at most 0 decimals"):
        Currency("JPY").parse("500.50")


@given(st.sampled_from(["USD", "JPY", "KWD"]), st.integers(0, MOST))
def test_a_price_survives_the_way_through_an_export(code, minor):
    assert Currency(code).parse(Currency(code).plain(minor)) == minor


@pytest.mark.parametrize(
    ("currency", "text"),
    [
        (Currency("USD", "en_US"), "$1,234.50"),
        (Currency("EUR", "de_DE"), "1.234,50\xa0€"),
        (Currency("JPY", "ja_JP"), "￥123,450"),
    ],
)
def test_people_read_prices_their_own_way(currency, text):
    assert currency.format(123450) == text
