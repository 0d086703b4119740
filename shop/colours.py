"""Colours: how well one can be read on another, and the few that are made from a merchant's accent.

A colour is `#rrggbb`. Lightness is OKLCH's, in which equal steps look equal; contrast is WCAG's, from 1 to 21.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from math import atan2, cos, hypot, sin
from pathlib import Path
from typing import NamedTuple

READABLE = 4.5  # WCAG 2.2 AA, for text

_TOKENS = Path(__file__).resolve().parent.parent / "static" / "css" / "tokens.css"
_TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")

# What words in the accent's colour lie on.
_SURFACES = ("paper", "raised", "tile")


class Pair(NamedTuple):
    """A token's colour in the light theme and in the dark one."""

    light: str
    dark: str


class Oklch(NamedTuple):
    """Lightness from 0 to 1, chroma from 0 (grey) to about 0.37, hue in radians."""

    lightness: float
    chroma: float
    hue: float


@cache
def tokens() -> dict[str, Pair]:
    """The opaque colours of tokens.css, by name without the dashes."""
    return {name: Pair(light, dark) for name, light, dark in _TOKEN.findall(_TOKENS.read_text())}


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, contrast ratio."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readability(accent: str) -> float:
    """The least contrast of the accent where the light theme uses it: for words, and below a button's own."""
    return min(contrast(accent, other) for other in _around(0))


def nearest_readable(accent: str) -> str:
    """The accent, made only as dark as its words on the light page need."""
    return _until_readable(oklch(accent), _around(0), step=-0.004)


def accent_tokens(accent: str) -> dict[str, Pair]:
    """The tokens that follow the accent: itself in the light theme, and a lighter one in the dark."""
    lightness, chroma, hue = given = oklch(accent)
    butter = Pair(rgb(Oklch(0.91, min(chroma, 0.05), hue)), rgb(Oklch(0.34, min(chroma, 0.045), hue)))
    on_accent = Pair(tokens()["on-accent"].light, rgb(Oklch(0.2, min(chroma, 0.04), hue)))
    dark_around = (*(tokens()[name].dark for name in _SURFACES), on_accent.dark)
    dark = _until_readable(Oklch(0.8, chroma, hue), dark_around, step=0.004)
    deeper = -0.09 if lightness > 0.3 else 0.12  # what is nearly black can only get lighter
    return {
        "accent": Pair(accent, dark),
        "accent-deep": Pair(
            _until_readable(_lighter(given, deeper), (*_around(0), butter.light), step=-0.004),
            _until_readable(_lighter(oklch(dark), 0.07), (*dark_around, butter.dark), step=0.004),
        ),
        "on-accent": on_accent,
        "butter": butter,
        "crust": Pair(rgb(Oklch(0.6, chroma * 0.75, hue)), rgb(Oklch(0.68, chroma * 0.75, hue))),
    }


def _around(theme: int) -> list[str]:
    return [tokens()[name][theme] for name in (*_SURFACES, "on-accent")]


def _until_readable(colour: Oklch, around: tuple[str, ...] | list[str], step: float) -> str:
    while True:
        found = rgb(colour)
        if min(contrast(found, other) for other in around) >= READABLE or not 0 < colour.lightness < 1:
            return found
        colour = _lighter(colour, step)


def _lighter(colour: Oklch, step: float) -> Oklch:
    return colour._replace(lightness=min(max(colour.lightness + step, 0.0), 1.0))


def oklch(colour: str) -> Oklch:
    """Source: https://bottosson.github.io/posts/oklab/"""
    red, green, blue = _linear(colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return Oklch(lightness, hypot(a, b), atan2(b, a))


def rgb(colour: Oklch) -> str:
    """That colour; where no screen can show it, the nearest of its lightness and hue that one can."""
    while (parts := _on_screen(colour)) is None:
        colour = colour._replace(chroma=colour.chroma * 0.98)
    return "#" + "".join(f"{round(_gamma(part) * 255):02x}" for part in parts)


def _on_screen(colour: Oklch) -> list[float] | None:
    """Red, green and blue from 0 to 1 in linear light; None where one of them would not fit."""
    lightness, chroma, hue = colour
    a, b = chroma * cos(hue), chroma * sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    parts = [
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    ]
    if not all(-0.0005 <= part <= 1.0005 for part in parts):
        return None
    return [min(max(part, 0.0), 1.0) for part in parts]


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(colour: str) -> list[float]:
    parts = [int(colour[start:end], 16) / 255 for start, end in pairwise((1, 3, 5, 7))]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _gamma(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
