"""Pages that are the same for everybody but for the visitor's own parts: made once for a version of the catalogue.

While such a page is made, its templates write a mark where a visitor's part goes (`visitors_part`). What lies
between the marks is kept, and each visitor's parts are put in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, make_response, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, delivery, hypermedia, language, security
from shop.fragments import kept_fragment
from shop.views.shared import current_contents, shop

# Nobody can write one into a catalogue: it is another in each process.
_SECRET = secrets.token_hex(8)
_MARK = re.compile(f"<!--{_SECRET}:([a-z/-]+)-->".encode())

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
        pieces: list[bytes] | None = shop().pages.get(key, version) if version is not None else None
        if pieces is None:
            g.marking = True
            try:
                page = view(**values)
            finally:
                g.marking = False
            if isinstance(page, BaseResponse):
                return page
            text, status = page if isinstance(page, tuple) else (page, 200)
            pieces = _MARK.split(text.encode())  # a text with one letter of another script takes twice as much
            if status != 200:
                return _put_together(pieces, status)
            if version is not None:
                shop().pages.put(key, pieces, sum(map(len, pieces)), version)
        return _put_together(pieces)

    return answer


def visitors_part(name: str) -> Markup:
    """A part of a page about the visitor, one of `_PARTS`: where a page is made for everybody, a mark for it."""
    return Markup(f"<!--{_SECRET}:{name}-->") if g.get("marking") else _PARTS[name]()  # noqa: S704


def is_marking() -> bool:
    """True while a page for everybody is made."""
    return bool(g.get("marking"))


def _put_together(pieces: list[bytes], status: int = 200) -> Response:
    """The page with this visitor's parts: names of fragments stand at the odd places."""
    visitor = cookies.has_any()
    html = b"".join([_PARTS[piece.decode()]().encode() if place % 2 else piece for place, piece in enumerate(pieces)])
    answer = make_response(html, status)
    answer.headers["Cache-Control"] = "private, no-cache" if visitor else "public, no-cache"
    keep_for_this_visitor()
    return answer


def keep_for_this_visitor() -> None:
    """Let the page be given again to who sends the same cookies, unless a list on the server may change unseen."""
    if not (cookies.shopper() and cookies.current_user_list().moved):
        delivery.keep()


def _header() -> Markup:
    """What the header says of this visitor: who is shopping, what is saved, what is in the cart."""
    saved, in_cart = len(cookies.saved_items()), current_contents().count
    return kept_fragment("header-personal", user=cookies.shopper(), saved=saved, in_cart=in_cart)


def _messages() -> Markup:
    """What a page has to say when it opens."""
    if not (cookies.cart_problem() or cookies.users_problem() or cookies.is_told()):
        return Markup()
    return Markup(render_template("fragments/messages.html"))  # noqa: S704


_PARTS = {"header-personal": _header, "messages": _messages}
