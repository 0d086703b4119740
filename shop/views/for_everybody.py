"""Pages that are the same for everybody but for the visitor's own parts: made once for a version of the catalogue.

While such a page is made, its templates write a mark where a visitor's part goes (`visitors_part`). What lies
between the marks is kept, and each visitor's parts are put in, before Flask sees the request (`before_flask`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from itertools import chain
from typing import Any, TypeVar

from flask import Response, render_template
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from shop import access_log, asked, cookies, delivery, hypermedia, language, security
from shop.asked import shop
from shop.fragments import kept_fragment
from shop.packing import Piece, piece
from shop.views import carried
from shop.views.shared import current_contents

T = TypeVar("T")

_SMALL = 2_000  # bytes of a visitor's parts: more of them is packed together with the page

# Nobody can write one into a catalogue: it is another in each process.
_SECRET = secrets.token_hex(8)
_MARK = re.compile(f"<!--{_SECRET}:([a-z/-]+)-->")


@dataclass(frozen=True)
class _Page:
    """A page for everybody: `pieces` of HTML, with a visitor's part named by `names` after each but the last."""

    pieces: tuple[bytes, ...]
    names: tuple[str, ...]
    digest: str
    logged_path: str

    @classmethod
    def of(cls, marked: str) -> _Page:
        """The page that was made in answer to the present request."""
        split = _MARK.split(marked)
        pieces = tuple(piece.encode() for piece in split[::2])
        return cls(pieces, tuple(split[1::2]), delivery.digest_of(*pieces), access_log.path_of(asked.environ()))

    @property
    def size(self) -> int:
        """In bytes, as it is and packed."""
        return sum(map(len, self.pieces)) * 6 // 5

    @cached_property
    def packed(self) -> tuple[Piece, ...]:
        """The pieces as they are sent to many."""
        return tuple(map(piece, self.pieces))


# A page as text, with its status when it isn't 200.
Made = str | tuple[str, int]
View = Callable[..., "Made | BaseResponse"]
# A page with all that is the visitor's: body, status and headers.
Whole = tuple[bytes, int, dict[str, str]]


def for_everybody(view: View) -> View:
    """For a view that gives a page as text, and reads nothing of the visitor but the language and the address.

    One that is no 200 is made each time.
    """

    @wraps(view)
    def answer(**values: Any) -> Made | BaseResponse:
        if hypermedia.wants_fragments():
            return view(**values)
        version, key = delivery.version(), _key()
        kept: _Page | None = shop().pages.get(key, version) if version is not None else None
        if kept is None:
            asked.known()["marking"] = True
            try:
                page = view(**values)
            finally:
                del asked.known()["marking"]
            if isinstance(page, BaseResponse):
                return page
            text, status = page if isinstance(page, tuple) else (page, 200)
            kept = _Page.of(text)
            if status != 200:
                return Response(*_put_together(kept, status))
            if version is not None:
                shop().pages.put(key, kept, kept.size + sum(map(len, key)), version.of_pages)
        return Response(*_put_together(kept))

    return answer


def made_before() -> Whole | None:
    """The page that is asked for, with this visitor's parts; None where it takes Flask to make it."""
    version = delivery.version()
    page: _Page | None = shop().pages.get(_key(), version) if version is not None else None
    if page is None or _has_messages():
        return None
    access_log.note_path(asked.environ(), page.logged_path)
    return _put_together(page, again=True)


def _key() -> tuple[str, ...]:
    """What a page for everybody depends on, besides the catalogue."""
    environ = asked.environ()
    address = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    return (*address, language.spoken(), security.own_origin(shop().settings))


def visitors_part(name: str) -> Markup:
    """A part of a page about the visitor, one of `_PARTS`: where a page is made for everybody, a mark for it."""
    return Markup(f"<!--{_SECRET}:{name}-->") if "marking" in asked.known() else _PARTS[name]()  # noqa: S704


def _put_together(page: _Page, status: int = 200, again: bool = False) -> Whole:
    """The page with this visitor's parts. `again`: not for the first time."""
    caching = "private, no-cache" if cookies.has_any() or "cart" in page.names else "public, no-cache"
    parts = [_PARTS[name]().encode() for name in page.names]
    delivery.known_by(delivery.digest_of(page.digest.encode(), *parts))
    if again and sum(map(len, parts)) < _SMALL:
        delivery.made_of(_in_turn(page.packed, list(map(_passing_piece, parts))))
    # To who sends the same cookies, unless a list on the server may change unseen.
    if not (cookies.shopper() and cookies.current_user_list().moved):
        delivery.keep(with_stock=cookies.has_any())  # as with a cart
    headers = hypermedia.HEADERS | {"Cache-Control": caching}
    return b"".join(_in_turn(page.pieces, parts)), status, headers


def _passing_piece(part: bytes) -> Piece:
    """A visitor's part, packed in haste: few share it, but each has it on all pages."""
    memory = shop().parts
    packed: Piece | None = memory.get(("packed", part))
    if packed is None:
        packed = piece(part, level=1)
        memory.put(("packed", part), packed, len(part) + len(packed.deflated))
    return packed


def _in_turn(pieces: Sequence[T], parts: Sequence[T]) -> list[T]:
    """A piece, a part, a piece, and so on to the last piece."""
    return [*chain.from_iterable(zip(pieces, parts, strict=False)), pieces[-1]]


def _header() -> Markup:
    """What the header says of this visitor: who is shopping, what is saved, what is in the cart."""
    in_cart = current_contents().count
    return kept_fragment("header-personal", user=cookies.shopper(), saved=cookies.saved_items(), in_cart=in_cart)


def _messages() -> Markup:
    """What a page has to say when it opens."""
    return Markup(render_template("fragments/messages.html")) if _has_messages() else Markup()  # noqa: S704


def _has_messages() -> bool:
    return bool(cookies.cart_problem() or cookies.users_problem() or cookies.is_told())


_PARTS = {"header-personal": _header, "messages": _messages, "cart": carried.cart}
