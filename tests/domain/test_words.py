"""Words as the search compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.catalogue.words import fold, stem, value_of, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Café CRÈME", ["cafe", "creme"]),
        ("Ёлка, чайник", ["елка", "чайник"]),  # й is no и
        ("Straße Ærø Łódź", ["strasse", "aero", "lodz"]),
        ("men’s T-shirt_XL", ["men", "t", "shirt", "xl"]),
        ("50×70 cm", ["50", "70", "cm"]),
        ("🫖 — !", []),
    ],
)
def test_words_are_folded(text, words):
    assert words_in(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [("teapot", "teapots"), ("knitting", "knitted"), ("чайник", "чайники"), ("чашка", "чашки"), ("синий", "синяя")],
)
def test_inflections_share_their_stem(one, other):
    assert stem(one) == stem(other)


def test_what_is_no_plain_word_is_its_own_stem():
    assert [stem(word) for word in ("x200s", "2024", "כוסות")] == ["x200s", "2024", "כוסות"]


def test_values_differ_by_more_than_case_and_blanks():
    assert value_of(" Deep  BLUE ") == value_of("deep blue") == "deep blue"
    assert value_of("Créme") != value_of("Creme")


@given(st.text(max_size=60))
def test_words_are_words_of_their_own(text):
    words = words_in(text)

    assert words_in(" ".join(words)) == words
    assert all(fold(word) == word and stem(word) for word in words)
