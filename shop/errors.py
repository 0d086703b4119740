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
from shop.language import N_
from shop.language import gettext as _
from shop.orders.placing import NotTaken
from shop.users import UnknownUser, UserError

log = logging.getLogger("shop")

_TITLES = {
    400: N_("That link doesn't work"),
    403: N_("That form came from somewhere else"),
    404: N_("Nothing here"),
    405: N_("That page doesn't take this"),
    413: N_("That was too much"),
}
_OTHER_TITLE = N_("That didn't work")

# For errors that routing and Werkzeug raise, whose own words are for developers.
_TEXTS = {
    404: N_("There is no page at this address. It may have moved, or the link may have been cut short."),
    405: N_("This address works only from the shop's own forms. Nothing was changed."),
    413: N_("What was sent is larger than anything this shop takes. Nothing was changed."),
}
_OTHER_TEXT = N_("This shop doesn't understand what was sent. Nothing was changed.")


class BadQuery(Exception):
    """A part of the query string that nothing here understands. `str()` says what it may be."""

    def __init__(self, field: str, value: str, expected: str) -> None:
        said = {"field": field, "value": value[:40], "expected": expected}
        super().__init__(_("“%(field)s” is “%(value)s”, but must be %(expected)s.", **said))


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
    answer = _answer(status, str(error.description) if own_words else _(_TEXTS.get(status, _OTHER_TEXT)))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            answer.headers[name] = value
    return answer


def _not_taken(error: NotTaken) -> Response:
    """The order's form can be sent again as it is: nothing of it was written, and its nonce makes it one order."""
    return make_response(render_template("pages/500.html", text=str(error)), 503, {"Retry-After": "5"})


def _unexpected(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url_rule, exc_info=error)
    # The template asks the database for nothing: it may be what failed.
    return make_response(render_template("pages/500.html"), 500)


def _answer(status: int, text: str) -> Response:
    if hypermedia.wants_fragments():
        return hypermedia.fragments(message=Message(text, "bad"), status=status)
    title = _(_TITLES.get(status, _OTHER_TITLE))
    return make_response(render_template("pages/error.html", status=status, title=title, text=text), status)
