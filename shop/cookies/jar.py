"""Any cookie: names, flags, budgets, and how JSON travels in one. What the rest of the package is built on."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, unquote

from flask import Flask, Response
from werkzeug.http import parse_cookie

from shop import asked
from shop.database import Database
from shop.language import N_, ngettext
from shop.language import gettext as _
from shop.seals import Seal
from shop.settings import Settings

T = TypeVar("T")

# RFC 6265's cookie-octet, without "%", which starts an escape. Letters, digits and "_.-~" are never escaped.
COOKIE_OCTETS = "!#$&'()*+/:<=>?@[]^`{|}"
_LONGEST_NUMBER = 18
_MOST = 4000  # bytes of name and value: with what else a cookie says, browsers take 4,096. Source: RFC 6265, 6.1.
_RECEIVED = "shop.received_cookies"
_OURS = "shop.our_cookies"


@dataclass(frozen=True)
class Kind:
    """What is the same for every cookie of one name. `budget` is in bytes of name and value."""

    name: str
    purpose: str  # a sentence for the visitor
    budget: int
    lives: timedelta
    full: str = N_("This browser has no room left for that.")  # a sentence for the shopper

    @property
    def header_name(self) -> str:
        """The name in the browser."""
        return _prefix() + self.name


class Unreadable(ValueError):
    """A value is not what this shop writes; `str()` says what is wrong with it, as the end of a sentence."""


class OverBudget(Exception):
    """The value would not fit its cookie; nothing was written."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(_(kind.full))
        self.kind = kind


def init_app(app: Flask) -> None:
    app.after_request(_write_kept)


def encode(value: object) -> str:
    """Compact JSON in which only what a cookie may not carry is percent-encoded: devtools show it decoded."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return quote(text, safe=COOKIE_OCTETS)


def spelled(value: object) -> str:
    """Compact JSON for a form's hidden field or a link: plain but for percent signs, as `decode` reads escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("%", "%25")


def decode(value: str, longest: int) -> Any:
    """The JSON in `value`, percent-encoded or plain, of at most `longest` characters. Raises Unreadable.

    Refuses what JSON's readers differ on: duplicate keys, NaN, and numbers that are no integers.
    """
    if len(value) > longest:
        raise Unreadable(ngettext("it is %(num)s character long", "it is %(num)s characters long", len(value)))
    try:
        text = unquote(value, errors="strict")
        return _JSON.decode(text)
    except Unreadable:
        raise
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unreadable(_("it is not JSON that this shop writes")) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        raise Unreadable(_("it names something twice"))
    return decoded


def _no_number(text: str) -> NoReturn:
    raise Unreadable(_("it contains %(text)s, which is no whole number", text=text[:20]))


def _short_integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise Unreadable(_("it contains a number of too many digits"))
    return int(text)


_JSON = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number, parse_int=_short_integer
)


def sent(kind: Kind) -> str:
    """The value as the browser sends it; empty when it sends none.

    Read from the header itself: Werkzeug's reader drops values that are plain JSON, such as one typed in devtools,
    and only it understands its own quoting, which lessons' code writes.
    """
    environ = asked.environ()
    ours: dict[str, str] | None = environ.get(_OURS)
    if ours is None:
        prefix = _prefix()
        ours = environ[_OURS] = {
            name.removeprefix(prefix): value for name, value in received().items() if name.startswith(prefix)
        }
    value = ours.get(kind.name, "")
    if value.startswith('"'):
        return parse_cookie(f"{kind.name}={value}").get(kind.name, "")
    # WSGI hands headers over as Latin-1, whatever they are.
    return value if value.isascii() else value.encode("latin-1").decode(errors="replace")


def _prefix() -> str:
    """What names begin with in the browser: `__Host-` stops a sibling subdomain from planting one. It needs HTTPS."""
    return "__Host-" if settings().https else ""


def received() -> dict[str, str]:
    """The cookies that the browser sent, as they were sent, by name; of several with one name the first."""
    environ = asked.environ()
    found: dict[str, str] | None = environ.get(_RECEIVED)
    if found is None:
        found = environ[_RECEIVED] = {}
        for pair in environ.get("HTTP_COOKIE", "").split(";"):
            name, separator, value = pair.strip().partition("=")
            if separator:
                found.setdefault(name, value)
    return found


def remembered(kind: Kind, value: str, read: Callable[[str], T]) -> T:
    """What `read` makes of a cookie's value, without opening it anew on each of a visitor's pages.

    It must be nothing that changes, and depend on nothing else.
    """
    memory = asked.shop().parts
    known: T | None = memory.get((kind.name, value))
    if known is None:
        known = read(value)
        memory.put((kind.name, value), known, 3 * len(value))
    return known


def fits(kind: Kind, value: str) -> bool:
    return len(kind.header_name) + len(value) <= kind.budget


def check_room(kind: Kind, value: str, before: str) -> None:
    """Raise OverBudget where `value` is too long. What was so already, as it is `before`, may still get shorter."""
    if not fits(kind, value) and not (len(value) < len(before) and len(kind.header_name) + len(value) <= _MOST):
        raise OverBudget(kind)


def seal(purpose: str) -> Seal:
    """The seal of one purpose, such as a cookie's name, with this app's keys."""
    seals = asked.shop().seals
    if purpose not in seals:
        keys = settings().secret_key, *settings().secret_key_fallbacks
        seals[purpose] = Seal(keys, purpose)
    return seals[purpose]


def keep(kind: Kind, value: str) -> None:
    """Write `value` with this answer, or erase the cookie when it is empty; nothing when the browser has it so."""
    kept: dict[str, Callable[[Response], None]] = asked.known().setdefault("kept_cookies", {})
    kept.pop(kind.name, None)
    if value == sent(kind):
        return
    flags: dict[str, Any] = {"path": "/", "secure": settings().https, "httponly": True, "samesite": "Lax"}
    if value:
        kept[kind.name] = lambda answer: answer.set_cookie(kind.header_name, value, max_age=kind.lives, **flags)
    else:
        kept[kind.name] = lambda answer: answer.delete_cookie(kind.header_name, **flags)


def _write_kept(answer: Response) -> Response:
    for write in asked.known().get("kept_cookies", {}).values():
        write(answer)
    if asked.known().get("told"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def database() -> Database:
    return asked.shop().database


def settings() -> Settings:
    return asked.shop().settings


def is_text(text: str) -> bool:
    """False for half a surrogate pair, which JSON can spell and UTF-8 can't, and for control characters."""
    if text.isascii():
        return text.isprintable()
    return not any(unicodedata.category(character) in ("Cs", "Cc") for character in text)
