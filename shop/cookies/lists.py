"""Readable lists: what was saved for later, and the products that were looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from shop.asked import known
from shop.cookies.jar import Kind, Unreadable, check_room, decode, encode, fits, is_text, keep, sent, spelled
from shop.language import N_
from shop.language import gettext as _

# With `language`, these two stay within the 600 bytes that DESIGN leaves to all later cookies together.
SAVED = Kind(
    "saved",
    N_("What you saved for later: items, and nothing about you."),
    budget=320,
    lives=timedelta(days=400),
    full=N_("Your saved list is full. Remove something from it to make room."),
)
RECENT = Kind(
    "recent",
    N_("The products you looked at, the latest first, at most twelve."),
    budget=240,
    lives=timedelta(days=30),
)
MOST_RECENT = 12
_LONGEST_NAME = 255


def saved_items() -> tuple[str, ...]:
    """Items saved for later, the latest first."""
    return _read(SAVED)[0]


def keep_saved(items: Iterable[str]) -> None:
    """Send these saved items with this answer. Raises OverBudget, changing nothing; a list may always get shorter."""
    kept = tuple(dict.fromkeys(items))
    value = encode(kept)
    check_room(SAVED, value, encode(saved_items()))
    _write(SAVED, kept)


def decode_saved(value: str) -> tuple[str, ...]:
    """The saved items in `value`: a JSON list, percent-encoded or plain. Raises Unreadable."""
    return _decoded(value, SAVED)


def encode_saved(items: Iterable[str]) -> str:
    """The items as compact JSON, for a form's hidden field: what `decode_saved` reads."""
    return spelled(list(items))


def saved_problem() -> str | None:
    """What is wrong with the saved list that the browser sent, as the end of a sentence; None when it is fine."""
    return list_problem(SAVED)


def recent_products() -> tuple[str, ...]:
    """Handles of the products that were looked at, the latest first, at most twelve."""
    return _read(RECENT)[0][:MOST_RECENT]


def remember_product(handle: str) -> None:
    """Put this product first; the ones looked at longest ago give way."""
    handles = tuple(dict.fromkeys((handle, *recent_products())))[:MOST_RECENT]
    while not fits(RECENT, encode(handles)):
        handles = handles[:-1]
    _write(RECENT, handles)


def forget(kind: Kind) -> None:
    _write(kind, ())


def list_problem(kind: Kind) -> str | None:
    """What is wrong with that cookie as the browser sent it, as the end of a sentence; None when it is fine."""
    return _read(kind)[1]


def _write(kind: Kind, names: tuple[str, ...]) -> None:
    known()[kind.name] = names, None
    keep(kind, encode(names) if names else "")


def _read(kind: Kind) -> tuple[tuple[str, ...], str | None]:
    found: tuple[tuple[str, ...], str | None] | None = known().get(kind.name)
    if found is None:
        value = sent(kind)
        try:
            found = (_decoded(value, kind) if value else ()), None
        except Unreadable as unreadable:
            found = (), str(unreadable)
        known()[kind.name] = found
    return found


def _decoded(value: str, kind: Kind) -> tuple[str, ...]:
    decoded = decode(value, longest=kind.budget * 3)
    if not isinstance(decoded, list):
        raise Unreadable(_("it is no list"))
    for name in decoded:
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not is_text(name):
            raise Unreadable(_("it names something that is no item"))
    return tuple(dict.fromkeys(decoded))
