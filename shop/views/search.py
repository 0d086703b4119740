"""`GET /search`: results for `q`, which may be anything."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from shop.catalogue import search, store
from shop.catalogue.store import Wish
from shop.views import listing
from shop.views.shared import connection

bp = Blueprint("search", __name__)


@bp.get("/search")
def show() -> str:
    query = " ".join(request.args.get("q", "").replace("\0", " ").split())[: search.LONGEST_QUERY]
    matches = search.matches(connection(), query)
    if matches is None:
        return render_template("pages/search-start.html", query=query, featured=store.find_featured(connection(), 4))
    sorts = {"relevance": "Relevance"} | {k: v for k, v in listing.sort_names().items() if k != "featured"}
    return listing.show("pages/search.html", Wish(matches=matches), sorts, query=query)
