"""Descriptions without their HTML, for search engines and feeds."""

from __future__ import annotations

import html
import re
from functools import lru_cache

_TAG = re.compile(r"""</?([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|'[^']*'|[^"'>])*>""")
# Tags that end no word: "<b>four</b>." is "four.".
_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strong|strike|sub|sup"
    "|time|tt|u|var|wbr"
)


def plain_text(description: str) -> str:
    """Cleaned HTML as one line of text."""
    return " ".join(without_tags(description).split())


def without_tags(description: str) -> str:
    """Cleaned HTML as text, its white space left as it happens to be."""
    return html.unescape(_TAG.sub(lambda tag: _place_of(tag[1].lower()), description))


@lru_cache(256)
def _place_of(tag: str) -> str:
    return "" if _INLINE.fullmatch(tag) else " "


def excerpt(text: str, most: int) -> str:
    """The beginning of `text`: at most `most` characters, cut after a whole word where there is one."""
    if len(text) <= most:
        return text
    start = text[: most - 1]
    if not text[most - 1].isspace() and " " in start:
        start = start.rpartition(" ")[0]
    return start.rstrip(" ,.;:–—-") + "…"
