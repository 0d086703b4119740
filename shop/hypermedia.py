"""The only module that knows htmx: who is asking, and how to answer with fragments.

One route answers both kinds of visitor. htmx gets the fragments that changed, each wrapped in an `<hx-partial>` that
names its place in the page; a plain form gets a 303 to a whole page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from flask import Response, current_app, make_response, redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, delivery
from shop.fragments import fragment

_LONGEST_ADDRESS = 8_000  # characters
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9-]")


@dataclass(frozen=True)
class Link:
    """A way on, inside a message. `opens` is the id of a dialog that shows the same without leaving the page."""

    url: str
    text: str
    opens: str = ""


@dataclass(frozen=True)
class Undo:
    """A form of one button that takes a change back: where it goes, and its hidden fields."""

    action: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Message:
    """What changed, for eyes and screen readers alike."""

    text: str
    tone: str = "good"  # or "warning", "bad"
    undo: Undo | None = None
    link: Link | None = None


@dataclass(frozen=True)
class Partial:
    """A fragment and where it goes: `target` is an element's id, `swap` one of htmx's ways to put it there.

    Without a template it is `html`, or nothing. A template also gets the context that all of them share.
    """

    target: str
    template: str | None = None
    swap: str = "outerHTML"
    context: dict[str, Any] = field(default_factory=dict)
    html: Markup | str = ""


def wants_fragments() -> bool:
    """True when htmx will swap the answer into the page on screen.

    A history restore, and a request that selects from a page, ask for a full one.
    Source: htmx 4 reference, request headers.
    """
    return request.headers.get("HX-Request-Type") == "partial"


def page_on_screen() -> str:
    """The path of the page that htmx is on; empty when it doesn't say."""
    return _address_on_screen().path


def query_on_screen() -> dict[str, str]:
    """The query string of the page that htmx is on: the first value of each name."""
    return {name: values[0] for name, values in parse_qs(_address_on_screen().query).items()}


def _address_on_screen() -> SplitResult:
    # An answer to others than htmx may be kept for all, whatever they send in its name.
    return split_address(request.headers.get("HX-Current-URL", "") if delivery.by_htmx(request.environ) else "")


def split_address(address: str) -> SplitResult:
    """The parts of a page's address, which the browser sent; all of them empty where it is none."""
    try:
        # Python remembers what it has split, however long that is.
        return urlsplit(address if len(address) <= _LONGEST_ADDRESS else "")
    except ValueError:
        return urlsplit("")


def fragments(*partials: Partial, message: Message | None = None, status: int = 200) -> Response:
    """The answer to htmx: the fragments that changed, and what to announce."""
    return make_response(fragments_text(*partials, message=message), status)


def fragments_text(*partials: Partial, message: Message | None = None) -> str:
    shared: dict[str, Any] = {}
    if any(partial.template for partial in partials):
        current_app.update_template_context(shared)  # once: it is the same for all of them
    parts = [(partial, _rendered(partial, shared)) for partial in partials]
    return fragment("reply", parts=parts, message=message)


def _rendered(partial: Partial, shared: dict[str, Any]) -> Markup | str:
    if partial.template is None:
        return partial.html
    return Markup(current_app.jinja_env.get_template(partial.template).render(shared, **partial.context))  # noqa: S704


def changed(*partials: Partial, message: Message, page: str) -> BaseResponse:
    """Answer a change: fragments and the message for htmx; else a 303 to `page`, which shows the message once.

    Without partials the page on screen has no place for the change, so htmx is sent to `page` as well.
    """
    if wants_fragments() and partials:
        return fragments(*partials, message=message)
    cookies.tell(message.text, message.tone)
    if wants_fragments():
        return make_response("", 200, {"HX-Redirect": page})
    return redirect(page, 303)


def moved(body: str, address: str) -> Response:
    """The answer to htmx where what it swaps in has an address of its own, which the browser is to show."""
    return make_response(body, 200, {"HX-Replace-Url": address})


@lru_cache(maxsize=2_000)
def dom_id(text: str) -> str:
    """`text` as the tail of an element's id that needs no escaping in a selector; different for different texts."""
    return _NOT_IN_ID.sub(lambda match: f"_{ord(match[0]):x}_", text)


# What pages depend on besides their address: htmx gets parts, and the visitor's cart is in the page.
VARY = "HX-Request-Type, Cookie, Accept-Language"
HEADERS = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "private, no-cache", "Vary": VARY}


def vary(answer: Response) -> Response:
    """Tell caches that htmx and a plain visit get different answers, and that the visitor's cart is in the page."""
    headers = answer.headers
    if headers.get("Content-Type", "").startswith("text/html"):
        headers["Vary"] = VARY
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = HEADERS["Cache-Control"]
    return answer
