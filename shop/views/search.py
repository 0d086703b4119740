"""`GET /search`: results for `q`, which may be anything; and what to suggest while it is typed."""

from __future__ import annotations

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

bp = Blueprint("search", __name__)

_OFFERED = 4  # products, where nothing was asked for or found


@bp.get("/search")
@for_everybody
def show() -> Made:
    query = _query()
    if not search.words_of(query):
        return render_template("pages/search-start.html", query=query, offered=_offered())
    sorts = {"relevance": _(RELEVANCE)} | {k: v for k, v in listing.sort_names().items() if k != "featured"}
    return listing.show("pages/search.html", Wish(query=query), sorts, query=query, offered=_offered)


@bp.get("/search/suggestions")
def suggest() -> str:
    """The fragment under the search box: products, collections, and the search itself."""
    query = _query()
    found = find_suggestions(connection(), query, language=language.spoken())
    return fragment("suggestions", query=query, found=found)


def _query() -> str:
    return " ".join(request.args.get("q", "").replace("\0", " ").split())[: search.LONGEST_QUERY]


def _offered() -> tuple[Card, ...]:
    return find_featured(connection(), _OFFERED, language.spoken())
