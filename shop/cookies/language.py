"""The language that was chosen in this browser: its code, as it is."""

from __future__ import annotations

from datetime import timedelta

from shop.cookies.jar import Kind, keep, sent
from shop.language import N_

LANGUAGE = Kind("language", N_("The language you chose."), budget=40, lives=timedelta(days=400))


def language() -> str:
    """The code that this browser sent, whatever it is; empty when nothing was chosen."""
    return sent(LANGUAGE)


def keep_language(code: str) -> None:
    keep(LANGUAGE, code)
