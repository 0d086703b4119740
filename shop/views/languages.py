"""Which language a request is answered in, and `POST /language`: choosing one.

The query's `language` counts first (so a language has addresses of its own, for search engines and links), then the
cookie, then what the browser asks for, then the shop's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, language
from shop.errors import BadForm
from shop.language import gettext as _
from shop.views.shared import shop

bp = Blueprint("languages", __name__)

_OWN_PAGE = re.compile(r"/(?![/\\])[^\s\\]{0,1999}")


@bp.before_app_request
def speak() -> None:
    settings = shop().settings
    offered = settings.languages
    language.speak(next((wish for wish in _wishes(offered) if wish in offered), settings.own_language))


def _wishes(offered: Sequence[str]) -> Iterator[str | None]:
    """The languages that may be meant, the clearest wish first."""
    environ = request.environ
    if environ.get("QUERY_STRING"):
        yield request.args.get("language")
    yield hypermedia.query_on_screen().get("language")
    yield cookies.language()
    yield language.preferred(environ.get("HTTP_ACCEPT_LANGUAGE", ""), offered)


@bp.teardown_app_request
def fall_silent(_error: BaseException | None) -> None:
    """Leave no language behind in this thread: what speaks next may be no request."""
    language.speak(language.SOURCE)


@bp.post("/language")
def choose() -> BaseResponse:
    """Speak `language` to this browser from now on, and go back to `page`, a path of this shop."""
    chosen, page = request.form.get("language", ""), request.form.get("page", "")
    if chosen not in shop().settings.languages:
        raise BadForm("language", chosen, _("one of %(choices)s", choices=", ".join(shop().settings.languages)))
    cookies.keep_language(chosen)
    return redirect(page if _OWN_PAGE.fullmatch(page) else url_for("home.show"), 303)
