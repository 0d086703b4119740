"""`GET /collections/<handle>`: a group of products."""

from __future__ import annotations

from flask import Blueprint, abort

from shop.catalogue import store
from shop.catalogue.listing import Wish
from shop.language import gettext as _
from shop.views import listing
from shop.views.for_everybody import Made, for_everybody
from shop.views.shared import connection

bp = Blueprint("collections", __name__)


@bp.get("/collections/<handle>")
@for_everybody
def show(handle: str) -> Made:
    collection = store.find_collection(connection(), handle)
    if collection is None:
        abort(404, description=_("There is no such collection."))
    return listing.show("pages/collection.html", Wish(collection=handle), listing.sort_names(), collection=collection)
