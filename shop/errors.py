"""Error pages: what the domain and HTTP refuse, said in a sentence, with a way on.

The domain raises in its own words; here each becomes a status and a page, or for htmx a message in the page.
"""

from __future__ import annotations

import logging

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from shop import hypermedia
from shop.cart import CartError
from shop.cookies import OverBudget
from shop.hypermedia import Message
from shop.orders.placing import NotTaken
from shop.users import UnknownUser, UserError

log = logging.getLogger("shop")

_TITLES = {
    400: "That link doesn't work",
    403: "That form came from somewhere else",
    404: "Nothing here",
    405: "That page doesn't take this",
    413: "That was too much",
    422: "That didn't work",
}


# For errors that routing and Werkzeug raise, whose own words are for developers.
_TEXTS = {
    404: "There is no page at this address. It may have moved, or the link may have been cut short.",
    405: "This address works only from the shop's own forms. Nothing was changed.",
    413: "What was sent is larger than anything this shop takes. Nothing was changed.",
}


class BadQuery(Exception):
    """A part of the query string that nothing here understands. `str()` says what it may be."""

    def __init__(self, field: str, value: str, expected: str) -> None:
        super().__init__(f"“{field}” is “{value[:40]}”, but must be {expected}.")


class BadForm(BadQuery):
    """A field of a form that nothing here understands, which no person has typed."""


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CartError, lambda error: _answer(422, str(error)))
    app.register_error_handler(OverBudget, lambda error: _answer(422, str(error)))
    app.register_error_handler(UnknownUser, lambda error: _answer(404, str(error)))
    app.register_error_handler(UserError, lambda error: _answer(422, str(error)))
    app.register_error_handler(BadQuery, lambda error: _answer(400, str(error)))
    app.register_error_handler(BadForm, lambda error: _answer(422, str(error)))
    app.register_error_handler(NotTaken, _not_taken)
    app.register_error_handler(Exception, _unexpected)


def _http_error(error: HTTPException) -> BaseResponse:
    status = error.code or 500
    if status < 400:  # a redirect that routing raised
        return error.get_response()
    own_words = error.description != type(error).description
    answer = _answer(status, (error.description if own_words else _TEXTS.get(status)) or str(error.description))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            answer.headers[name] = value
    return answer


def _not_taken(error: NotTaken) -> Response:
    """The order's form can be sent again as it is: nothing of it was written, and its nonce makes it one order."""
    log.error("An order was not taken: %s", error.__cause__)
    return make_response(render_template("pages/500.html", text=str(error)), 503, {"Retry-After": "5"})


def _unexpected(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url_rule, exc_info=error)
    # The template asks the database for nothing: it may be what failed.
    return make_response(render_template("pages/500.html"), 500)


def _answer(status: int, text: str) -> Response:
    if hypermedia.wants_fragments():
        return hypermedia.fragments(message=Message(text, "bad"), status=status)
    title = _TITLES.get(status, "That didn't work")
    return make_response(render_template("pages/error.html", status=status, title=title, text=text), status)
