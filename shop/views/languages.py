"""Which language a request is answered in, and `POST /language`: choosing one.

The query's `language` counts first (so a language has addresses of its own, for search engines and links), then the
cookie, then what the browser asks for, then the shop's own.
"""

from __future__ import annotations

import re

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import asked, cookies, hypermedia, language
from shop.asked import shop
from shop.errors import BadForm
from shop.language import gettext as _

bp = Blueprint("languages", __name__)

_OWN_PAGE = re.compile(r"/(?![/\\])[^\s\\]{0,1999}")


@bp.before_app_request
def speak() -> None:
    language.speak(_of_address() or of_browser())


def of_browser() -> str:
    """The language for a page whose address asks for none."""
    settings = shop().settings
    offered = settings.languages
    chosen = cookies.language()
    if chosen in offered:
        return chosen
    return language.preferred(asked.environ().get("HTTP_ACCEPT_LANGUAGE", ""), offered) or settings.own_language


def _of_address() -> str | None:
    """The language that the page's address asks for, or that of the page on screen."""
    offered = shop().settings.languages
    if request.query_string and (named := request.args.get("language")) in offered:
        return named
    named = hypermedia.query_on_screen().get("language")
    return named if named in offered else None


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
