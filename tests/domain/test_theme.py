"""The look: colours that can be read in both themes, and a merchant's own, checked before the shop starts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.colours import READABLE, accent_tokens, contrast, nearest_readable, readability, tokens
from shop.settings import PROJECT, SettingError, read_settings

VISIBLE = 3.0  # WCAG 2.2 AA, for the edges of what can be pressed, and for marks

# Foreground, what it lies on, and the contrast that it needs there.
PAIRS = [
    ("ink", "paper raised tile butter bad-tint tint-0 tint-1 tint-2 tint-3 tint-4", READABLE),
    ("ink-soft", "paper raised tile butter", READABLE),
    ("accent", "paper raised tile", READABLE),
    ("accent", "butter", VISIBLE),
    ("accent-deep", "paper raised tile butter", READABLE),
    ("on-accent", "accent accent-deep", READABLE),
    ("good", "paper raised tile tint-1", READABLE),
    ("bad", "paper raised tile bad-tint", READABLE),
    ("on-bad", "bad", READABLE),
    ("paper", "ink good", READABLE),
    ("ink", "warning", VISIBLE),
    ("butter", "ink", READABLE),
    ("line-strong", "paper raised tile", VISIBLE),
    ("crust", "paper", VISIBLE),
]


def too_faint(palette):
    return [
        f"{front} on {back} in the {('light', 'dark')[theme]} theme: {reached:.2f}, needs {needed}"
        for front, backs, needed in PAIRS
        for back in backs.split()
        for theme in (0, 1)
        if (reached := contrast(palette[front][theme], palette[back][theme])) < needed
    ]


def test_each_pair_of_colours_can_be_read_in_both_themes():
    assert too_faint(tokens()) == []


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_any_accent_can_be_read_in_both_themes_once_it_is_dark_enough(parts):
    chosen = nearest_readable("#{:02x}{:02x}{:02x}".format(*parts))

    assert readability(chosen) >= READABLE
    assert too_faint(tokens() | accent_tokens(chosen)) == []


def test_an_accent_that_passes_is_left_as_it_is():
    assert nearest_readable("#003087") == "#003087"
    assert accent_tokens("#003087")["accent"].light == "#003087"


def test_black_on_white_has_the_contrast_that_wcag_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_only_the_tokens_name_a_colour():
    """What is named elsewhere would stay light in the dark theme. Masks and gradients may say full and nothing."""
    named = {
        f"{path.name}: {colour}"
        for path in (PROJECT / "static" / "css").glob("*.css")
        if path.name != "tokens.css"
        for colour in re.findall(
            r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl|oklch)a?\([^)]*\)|:\s*(?:white|black)\b", path.read_text()
        )
        if colour not in ("#000", "#0000")
    }
    assert named == set()


@pytest.fixture
def environ(tmp_path):
    return {"SHOP_DATA": str(tmp_path)}


def test_a_shop_without_a_theme_has_no_stylesheet_of_its_own(environ):
    assert read_settings(environ).theme.css == ""


def test_fonts_are_quoted_and_end_with_one_that_every_browser_has(environ):
    theme = read_settings(environ | {"SHOP_FONT": "Source Sans 3,system-ui", "SHOP_FONT_TITLES": "'Gill Sans'"}).theme

    assert '--sans: "Source Sans 3", system-ui;' in theme.css
    assert '--serif: "Gill Sans", sans-serif;' in theme.css


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHOP_ACCENT", "orange", "a colour such as"),
        ("SHOP_ACCENT", "#f80", "a colour such as"),
        ("SHOP_ACCENT", "#ff8800", "this one reaches 2.01, and #a55500 is the nearest that passes"),
        ("SHOP_FONT", "a; } body { color: red", "names of fonts"),
        ("SHOP_FONT", "var(--serif)", "names of fonts"),
        ("SHOP_FONT_TITLES", '"Half', "names of fonts"),
        ("SHOP_LOGO", "http://shop.example/logo.png", "https://"),
        ("SHOP_LOGO", "{folder}/nowhere.png", "SVG, PNG or WebP"),
        ("SHOP_LOGO", "{folder}/photo.jpg", "SVG, PNG or WebP"),
        ("SHOP_LOGO", "{folder}/words.png", "SVG, PNG or WebP"),
        ("SHOP_LOGO", "{folder}/huge.svg", "200 KB"),
        ("SHOP_STYLESHEET", "{folder}/nowhere.css", "a .css file"),
        ("SHOP_STYLESHEET", "{folder}/more.css", "without @import"),
    ],
)
def test_what_would_not_work_stops_the_start_with_a_line_that_says_why(environ, tmp_path, name, value, expected):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "words.png").write_text("<svg></svg>")
    (tmp_path / "huge.svg").write_text(f"<svg>{' ' * 200_000}</svg>")
    (tmp_path / "more.css").write_text('@import "https://elsewhere.example/all.css";')

    with pytest.raises(SettingError) as caught:
        read_settings(environ | {name: value.format(folder=tmp_path) if "{folder}" in value else value})

    assert name in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
