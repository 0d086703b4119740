"""The language that is spoken: whose, in which form of the plural, and what a browser asks for."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop import language
from shop.language import gettext, ngettext, preferred, speaking

OFFERED = ("en", "ru")


def test_nobody_has_to_choose_to_hear_the_source():
    assert language.spoken() == "en"
    assert gettext("Order %(number)s", number=1001) == "Order 1001"
    assert [ngettext("%(num)s item", "%(num)s items", count) for count in (0, 1, 2)] == [
        "0 items",
        "1 item",
        "2 items",
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        *((count, "товар") for count in (1, 21, 101, 1001)),
        *((count, "товара") for count in (2, 4, 22, 104)),
        *((count, "товаров") for count in (0, 5, 11, 12, 14, 20, 111, 112, 1000)),
    ],
)
def test_russian_has_three_forms(count, said):
    with speaking("ru"):
        text = ngettext("Your cart now holds %(num)s item.", "Your cart now holds %(num)s items.", count)

    assert text == f"Теперь в корзине {count} {said}."


def test_a_percent_sign_is_itself_in_both():
    source = "You save %(amount)s (%(percent)s%%)"
    assert gettext(source, amount="$8.50", percent=20) == "You save $8.50 (20%)"
    with speaking("ru"):
        assert gettext(source, amount="8,50 $", percent=20) == "Экономия 8,50 $ (20\xa0%)"


def test_what_is_not_translated_is_said_in_english():
    with speaking("ru"):
        assert gettext("A text that is in no code") == "A text that is in no code"
        assert ngettext("%(num)s such", "%(num)s of such", 3) == "3 of such"


def test_a_language_is_spoken_inside_its_block_alone():
    with speaking("ru"):
        with speaking("xx"):
            assert (language.spoken(), gettext("Cart")) == ("en", "Cart")
        assert (language.spoken(), gettext("Cart")) == ("ru", "Корзина")
        heard = []
        other = Thread(target=lambda: heard.append(gettext("Cart")))
        other.start()
        other.join()
    assert heard == ["Cart"]
    assert gettext("Cart") == "Cart"


def test_languages_say_their_own_names():
    assert [language.name_of(code) for code in language.available()] == ["English", "Русский"]


@pytest.mark.parametrize(
    ("header", "spoken"),
    [
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("de, fr;q=0.9, ru;q=0.1", "ru"),
        ("en;q=0.1, ru;q=0.2", "ru"),
        ("en ; q = 0.1 , ru", "ru"),
        ("ru;q=0.5, en;q=0.5", "ru"),
        ("en-GB;q=0.3, ru;q=0.5, en;q=0.9", "en"),
        ("ru;q=0", None),
        ("ru;q=0.000, de", None),
        ("de-AT, de", None),
        ("*", None),
        ("", None),
    ],
)
def test_the_browsers_wish(header, spoken):
    assert preferred(header, OFFERED) == spoken


@pytest.mark.parametrize(
    "header",
    [
        ",;q=,;;",
        "ru;q=banana",
        "ru;q=-1",
        "ru;q=1e9",
        "ruru-" + "x" * 31,
        "en\x00",
        "ｒｕ",
        "../ru",
        "ru ru",
        "q=1;ru",
    ],
)
def test_nonsense_is_no_wish(header):
    assert preferred(header, OFFERED) is None


def test_of_an_endless_header_the_beginning_counts():
    assert preferred("ru," + "en;q=0.9," * 100_000, OFFERED) == "ru"
    assert preferred("x" * 1_000_000 + ",ru", OFFERED) is None


@given(st.text(st.sampled_from("enruxx-*;,q=01. \t"), max_size=60))
def test_any_header_is_understood_or_passed_over(header):
    assert preferred(header, OFFERED) in (None, *OFFERED)
