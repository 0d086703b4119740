"""Handles and items: the names that products and variants go by in URLs and carts.

A handle has no dot, and no slug has one, so an item's dots only ever separate a handle and its option values: no
two products can claim the same item.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from unicodedata import normalize

from slugify import slugify

HANDLE_MOST = 200  # characters
ITEM_MOST = 255

_HANDLE = re.compile(r"[\w-]+")
# What Shopify drops from a title instead of making a hyphen of it: "Men's" is "mens".
_DROPPED = str.maketrans("", "", "'\"’‘“”\\()[]")


def handle_of(text: str) -> str:
    """The handle that `text`, a handle or a title, stands for; `""` for blank text.

    One that is made of letters (of any script), digits, - and _ stays as it is, in lower case. Anything else
    is slugified, so that dots and slashes never survive.
    """
    handle = normalize("NFC", normalize("NFC", text.strip()).lower())
    if not handle or _HANDLE.fullmatch(handle):
        return handle
    return slugify(handle.translate(_DROPPED)) or _hash(handle)


def item_for(handle: str, option_values: Sequence[str]) -> str:
    """`"shirt.white.m"`; the handle itself for a product without options."""
    return handle + _ending_for(tuple(option_values))


def items_for(handle: str, variants: Sequence[tuple[str, ...]]) -> list[str]:
    """The item of each of a product's variants, given by their option values, which differ.

    A product's only variant has the handle. Where values differ but their slugs don't ("1/2" and "1-2"), the
    first in the order of values has the plain slug and the others a piece of their hash, whatever the order of
    the rows.
    """
    if len(variants) == 1:
        return [handle]
    plain = {values: handle + _ending_for(values) for values in variants}
    if len(set(plain.values())) == len(variants):
        return list(plain.values())
    apart = _tell_apart(plain)
    return [apart[values] for values in variants]


@lru_cache(maxsize=4096)
def slug_of(text: str) -> str:
    """`text` in ASCII letters, digits and hyphens; a short hash where nothing of it is left, as of an emoji."""
    return slugify(text) or _hash(text)


@lru_cache(maxsize=4096)
def _ending_for(option_values: tuple[str, ...]) -> str:
    return "".join([f".{slug_of(value)}" for value in option_values])


def _tell_apart(plain: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    alike: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for values in sorted(plain):
        alike[plain[values]].append(values)
    items = {first: item for item, (first, *_) in alike.items()}
    taken = set(items.values())
    for item, (_, *others) in alike.items():
        for values in others:
            items[values] = _untaken(item, values, taken)
            taken.add(items[values])
    return items


def _untaken(item: str, values: tuple[str, ...], taken: set[str]) -> str:
    digest = sha256("\0".join(values).encode()).hexdigest()
    candidates = (f"{item[: ITEM_MOST - length - 1]}-{digest[:length]}" for length in range(4, 65))
    return next(candidate for candidate in candidates if candidate not in taken)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:6]
