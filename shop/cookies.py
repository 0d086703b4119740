"""How JSON travels in a cookie: encoding, limits, flags. The only module that touches cookies.

Views ask `current_cart()` and hand a new one to `keep_cart()`; the answer carries it. Nothing is written on a GET,
nor when nothing changed. Formats, names and budgets are DESIGN's, and the README shows them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from flask import Flask, Response, current_app, flash, g, get_flashed_messages, request, session
from werkzeug.http import parse_cookie

from shop.cart import Cart
from shop.catalogue.products import MOST_OF_ONE
from shop.settings import Settings

# RFC 6265's cookie-octet, without "%", which starts an escape. Letters, digits and "_.-~" are never escaped.
_COOKIE_OCTETS = "!#$&'()*+/:<=>?@[]^`{|}"
_LONGEST_ITEM = 255
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Kind:
    """What is the same for every cookie of one name. `budget` is in bytes of name and value."""

    name: str
    budget: int
    lives: timedelta
    full: str = "This browser has no room left for that."  # a sentence for the shopper

    @property
    def header_name(self) -> str:
        """The name in the browser. `__Host-` stops a sibling subdomain from planting one; it needs HTTPS."""
        return f"__Host-{self.name}" if _settings().https else self.name


CART = Kind(
    "cart",
    budget=2000,
    lives=timedelta(days=30),
    full="Your cart is full: it has no room for another line. It is as it was. Remove a line to make room.",
)
SESSION = Kind("session", budget=600, lives=timedelta(days=400))


class Unreadable(ValueError):
    """A value is not what this shop writes; `str()` says what is wrong with it, as the end of a sentence."""


class OverBudget(Exception):
    """The value would not fit its cookie; nothing was written."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.full)
        self.kind = kind


def init_app(app: Flask, settings: Settings) -> None:
    app.secret_key = settings.secret_key
    app.config.update(
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME=f"__Host-{SESSION.name}" if settings.https else SESSION.name,
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION.lives,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.after_request(_write_kept)


# The cart


def current_cart() -> Cart:
    """The cart of this request: what `keep_cart` was given, else what the browser sent, else an empty one."""
    return _decoded_cart()[0]


def cart_problem() -> str | None:
    """What is wrong with the cart cookie that the browser sent, as the end of a sentence; None when it is fine."""
    return _decoded_cart()[1]


def keep_cart(cart: Cart) -> None:
    """Send `cart` with this answer, unless the browser has just that. Raises OverBudget, changing nothing."""
    if list(cart.quantities.items()) == list(current_cart().quantities.items()) and not cart_problem():
        return
    value = encode(dict(cart.quantities))
    _check_budget(CART, value)
    g.cart = cart, None
    _keep(CART, value if cart else "")


def decode_cart(value: str) -> Cart:
    """The cart in `value`: JSON, percent-encoded or plain. Raises Unreadable.

    An object of items and quantities; or a list of items, one for each unit, which is the older form.
    """
    decoded = decode(value, longest=CART.budget * 3)
    if isinstance(decoded, list):
        decoded = _counted(decoded)
    if not isinstance(decoded, dict):
        raise Unreadable("it is neither an object nor a list")
    for item, quantity in decoded.items():
        _check_item(item)
        if type(quantity) is not int or not 1 <= quantity <= MOST_OF_ONE:
            raise Unreadable(f"it has a quantity of {item!r} that is no whole number from 1 to {MOST_OF_ONE}")
    return Cart(decoded)


def encode_cart(cart: Cart) -> str:
    """The cart as compact JSON, for a form's hidden field or a link: what `decode_cart` reads."""
    return json.dumps(dict(cart.quantities), ensure_ascii=False, separators=(",", ":"))


def _decoded_cart() -> tuple[Cart, str | None]:
    if "cart" not in g:
        value = _sent(CART)
        try:
            g.cart = (decode_cart(value) if value else Cart()), None
        except Unreadable as unreadable:
            g.cart = Cart(), str(unreadable)
    kept: tuple[Cart, str | None] = g.cart
    return kept


def _counted(items: list[object]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        checked = _check_item(item)
        counts[checked] = counts.get(checked, 0) + 1
    return counts


def _check_item(item: object) -> str:
    if not isinstance(item, str) or not 0 < len(item) <= _LONGEST_ITEM or not _is_text(item):
        raise Unreadable("it names something that is no item")
    return item


def _is_text(text: str) -> bool:
    """False for half a surrogate pair, which JSON can spell and UTF-8 can't, and for control characters."""
    return not any(unicodedata.category(character) in ("Cs", "Cc") for character in text)


# One-time messages


def tell(text: str, tone: str = "good") -> None:
    """Say `text` on the next page that this browser opens, once."""
    session.permanent = True
    flash(text, tone)


def told() -> list[tuple[str, str]]:
    """Messages to show now, as (tone, text): the one thing that a GET may clear from a cookie."""
    messages = get_flashed_messages(with_categories=True)
    if messages:
        g.told = True
    return [(message[0], message[1]) for message in messages]


# Any cookie


def encode(value: object) -> str:
    """Compact JSON in which only what a cookie may not carry is percent-encoded: devtools show it decoded."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return quote(text, safe=_COOKIE_OCTETS)


def decode(value: str, longest: int) -> Any:
    """The JSON in `value`, percent-encoded or plain, of at most `longest` characters. Raises Unreadable.

    Refuses what JSON's readers differ on: duplicate keys, NaN, and numbers that are no integers.
    """
    if len(value) > longest:
        raise Unreadable(f"it is {len(value)} characters long")
    try:
        text = unquote(value, errors="strict")
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_no_number,
            parse_int=_short_integer,
        )
    except Unreadable:
        raise
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unreadable("it is not JSON that this shop writes") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        raise Unreadable("it names something twice")
    return decoded


def _no_number(text: str) -> NoReturn:
    raise Unreadable(f"it contains {text[:20]}, which is no whole number")


def _short_integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise Unreadable("it contains a number of too many digits")
    return int(text)


def _sent(kind: Kind) -> str:
    """The value as the browser sends it; empty when it sends none.

    Read from the header itself: Werkzeug's reader drops values that are plain JSON, such as one typed in devtools,
    and only it understands its own quoting, which lessons' code writes.
    """
    header = request.headers.get("Cookie", "")
    for pair in header.split(";"):
        name, separator, value = pair.strip().partition("=")
        if name == kind.header_name and separator:
            if value.startswith('"'):
                return parse_cookie(f"{name}={value}").get(name, "")
            # WSGI hands headers over as Latin-1, whatever they are.
            return value.encode("latin-1").decode(errors="replace")
    return ""


def _check_budget(kind: Kind, value: str) -> None:
    """Raise OverBudget when `value` doesn't fit; one that is over it already may still get shorter."""
    if len(kind.header_name) + len(value) > kind.budget and len(value) >= len(_sent(kind)):
        raise OverBudget(kind)


def _keep(kind: Kind, value: str) -> None:
    """Write `value` with this answer, or erase the cookie when it is empty; nothing when the browser has it so."""
    kept: dict[str, Callable[[Response], None]] = g.setdefault("kept_cookies", {})
    kept.pop(kind.name, None)
    if value == _sent(kind):
        return
    flags: dict[str, Any] = {"path": "/", "secure": _settings().https, "httponly": True, "samesite": "Lax"}
    if value:
        kept[kind.name] = lambda answer: answer.set_cookie(kind.header_name, value, max_age=kind.lives, **flags)
    else:
        kept[kind.name] = lambda answer: answer.delete_cookie(kind.header_name, **flags)


def _write_kept(answer: Response) -> Response:
    for write in g.get("kept_cookies", {}).values():
        write(answer)
    if g.get("told"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _settings() -> Settings:
    settings: Settings = current_app.extensions["shop"].settings
    return settings
