"""Pages that are the same for everybody but for the visitor's own parts: made once for a version of the catalogue.

While such a page is made, its templates write a mark where a visitor's part goes (`visitors_part`). What lies
between the marks is kept, and each visitor's parts are put in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import blake2b
from itertools import chain
from typing import Any

from flask import Response, g, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, delivery, hypermedia, language, security
from shop.fragments import kept_fragment
from shop.views import carried
from shop.views.shared import current_contents, shop

# Nobody can write one into a catalogue: it is another in each process.
_SECRET = secrets.token_hex(8)
_MARK = re.compile(f"<!--{_SECRET}:([a-z/-]+)-->")


@dataclass(frozen=True)
class _Page:
    """A page for everybody: `pieces` of HTML, with a visitor's part named by `names` after each but the last."""

    pieces: tuple[bytes, ...]
    names: tuple[str, ...]
    digest: bytes

    @classmethod
    def of(cls, marked: str) -> _Page:
        split = _MARK.split(marked)
        pieces = tuple(piece.encode() for piece in split[::2])
        return cls(pieces, tuple(split[1::2]), blake2b(b"\0".join(pieces), digest_size=9).digest())

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


# A page as text, with its status when it isn't 200.
Made = str | tuple[str, int]
View = Callable[..., "Made | BaseResponse"]


def for_everybody(view: View) -> View:
    """For a view that gives a page as text, and reads nothing of the visitor but the language and the address.

    One that is no 200 is made each time.
    """

    @wraps(view)
    def answer(**values: Any) -> Made | BaseResponse:
        if hypermedia.wants_fragments():
            return view(**values)
        version = delivery.version()
        key = (request.full_path, language.spoken(), security.own_origin(shop().settings))
        kept: _Page | None = shop().pages.get(key, version) if version is not None else None
        if kept is None:
            g.marking = True
            try:
                page = view(**values)
            finally:
                g.marking = False
            if isinstance(page, BaseResponse):
                return page
            text, status = page if isinstance(page, tuple) else (page, 200)
            kept = _Page.of(text)
            if status != 200:
                return _put_together(kept, status)
            if version is not None:
                shop().pages.put(key, kept, kept.size, version)
        return _put_together(kept)

    return answer


def visitors_part(name: str) -> Markup:
    """A part of a page about the visitor, one of `_PARTS`: where a page is made for everybody, a mark for it."""
    return Markup(f"<!--{_SECRET}:{name}-->") if g.get("marking") else _PARTS[name]()  # noqa: S704


def _put_together(page: _Page, status: int = 200) -> Response:
    """The page with this visitor's parts."""
    caching = "private, no-cache" if cookies.has_any() or "cart" in page.names else "public, no-cache"
    parts = [_PARTS[name]().encode() for name in page.names]
    html = [*chain.from_iterable(zip(page.pieces, parts, strict=False)), page.pieces[-1]]
    delivery.known_by(blake2b(b"\0".join((page.digest, *parts)), digest_size=9).hexdigest())
    # To who sends the same cookies, unless a list on the server may change unseen.
    if not (cookies.shopper() and cookies.current_user_list().moved):
        delivery.keep()
    return Response(b"".join(html), status, {"Cache-Control": caching})


def _header() -> Markup:
    """What the header says of this visitor: who is shopping, what is saved, what is in the cart."""
    saved, in_cart = len(cookies.saved_items()), current_contents().count
    return kept_fragment("header-personal", user=cookies.shopper(), saved=saved, in_cart=in_cart)


def _messages() -> Markup:
    """What a page has to say when it opens."""
    if not (cookies.cart_problem() or cookies.users_problem() or cookies.is_told()):
        return Markup()
    return Markup(render_template("fragments/messages.html"))  # noqa: S704


_PARTS = {"header-personal": _header, "messages": _messages, "cart": carried.cart}
