"""Descriptions as a product's page shows them: the merchant's cleaned HTML, made to fit the page around it."""

from __future__ import annotations

import re

from shop.language import gettext as _

_HEADING = re.compile(r"(</?h)([1-6])")
_IMAGE = re.compile(r"<img (?=([^>]*))")


def fitted(description: str) -> str:
    """Cleaned HTML whose headings follow the page's own, whose tables can scroll, and whose pictures can wait."""
    if "<h" in description:
        description = _with_headings_in_order(description)
    if "<table" in description:
        # It scrolls sideways where it is too wide, and the keyboard reaches it there.
        opening = f'<div class="prose-table" role="group" tabindex="0" aria-label="{_("Table")}">'
        description = description.replace("<table", f"{opening}<table").replace("</table>", "</table></div>")
    return _IMAGE.sub(_waiting, description)


def _waiting(image: re.Match[str]) -> str:
    alternative = "" if "alt=" in image[1] else 'alt="" '
    return f'<img loading="lazy" {alternative}'


def _with_headings_in_order(html: str) -> str:
    """The same headings from level 2 on, without a gap between a level and the next."""
    used = sorted({int(level) for _start, level in _HEADING.findall(html)})
    places = {level: place for place, level in enumerate(used, 2)}
    now = 1

    def numbered(tag: re.Match[str]) -> str:
        nonlocal now
        if tag[1] == "<h":
            now = min(places[int(tag[2])], now + 1)
        return f"{tag[1]}{now}"

    return _HEADING.sub(numbered, html)
