"""What is answered before Flask sees the request: pages that were made for everybody before, and suggestions.

Flask takes longer over a request than the visitor's parts of such a page, or a few suggestions, do. Whatever is not
usual goes on to it: then it makes the same answer, or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from shop import access_log, delivery, hypermedia, language
from shop.views import for_everybody, languages, search
from shop.views.for_everybody import Whole

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_SUGGESTIONS = "/search/suggestions"


class BeforeFlask:
    """The WSGI app around Flask's."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._flask = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET" and _says_no_language(environ):
            with self._app.app_context():
                found = _answer(environ)
            if found:
                body, status, headers = found
                start_response(f"{status} OK", [*headers.items(), ("Content-Length", str(len(body)))])
                return [body]
        return self._flask(environ, start_response)


def _says_no_language(environ: WSGIEnvironment) -> bool:
    """Whether neither the address that is asked for nor that of the page on screen names a language."""
    return not (_may_say(environ.get("QUERY_STRING", "")) or _may_say(environ.get("HTTP_HX_CURRENT_URL", "")))


def _may_say(address: str) -> bool:
    return "language" in (unquote(address) if "%" in address else address)


def _answer(environ: WSGIEnvironment) -> Whole | None:
    language.speak(languages.of_browser())
    try:
        if environ["PATH_INFO"] == _SUGGESTIONS:
            access_log.note_path(environ, _SUGGESTIONS)
            body = search.suggestions(search.query_of(environ)).encode()
            return body, 200, hypermedia.HEADERS
        return None if delivery.by_htmx(environ) else for_everybody.made_before()
    except SQLAlchemyError:
        return None
    finally:
        language.speak(language.SOURCE)
