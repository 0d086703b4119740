"""`GET /search`: results for `q`, which may be anything; and what to suggest while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from flask import Blueprint, render_template, request

from shop import language
from shop.catalogue import search
from shop.catalogue.listing import RELEVANCE, Wish, find_featured, find_suggestions
from shop.catalogue.products import Card
from shop.fragments import fragment
from shop.language import gettext as _
from shop.views import listing
from shop.views.for_everybody import Made, for_everybody
from shop.views.shared import connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

bp = Blueprint("search", __name__)

_OFFERED = 4  # products, where nothing was asked for or found


@bp.get("/search")
@for_everybody
def show() -> Made:
    query = query_of(request.environ)
    if not search.words_of(query):
        return render_template("pages/search-start.html", query=query, offered=_offered())
    sorts = {"relevance": _(RELEVANCE)} | {k: v for k, v in listing.sort_names().items() if k != "featured"}
    return listing.show("pages/search.html", Wish(query=query), sorts, query=query, offered=_offered)


@bp.get("/search/suggestions")
def suggest() -> str:
    return suggestions(query_of(request.environ))


def suggestions(query: str) -> str:
    """The fragment under the search box: products, collections, and the search itself."""
    found = find_suggestions(connection(), query, language=language.spoken())
    return fragment("suggestions", query=query, found=found)


def query_of(environ: WSGIEnvironment) -> str:
    """What an address asks to search for."""
    # WSGI hands it over as Latin-1, whatever it is. What is no text stays as it came, as with Werkzeug.
    asked_for = environ.get("QUERY_STRING", "").encode("latin-1").decode(errors="replace")
    named = parse_qs(asked_for, keep_blank_values=True, errors="werkzeug.url_quote")
    query = named.get("q", [""])[0]
    return " ".join(query.replace("\0", " ").split())[: search.LONGEST_QUERY]


def _offered() -> tuple[Card, ...]:
    return find_featured(connection(), _OFFERED, language.spoken())
