"""`GET /collections/<handle>`: a group of products."""

from __future__ import annotations

from flask import Blueprint, abort

from shop.catalogue import store
from shop.catalogue.store import Wish
from shop.views import listing
from shop.views.shared import connection

bp = Blueprint("collections", __name__)


@bp.get("/collections/<handle>")
def show(handle: str) -> str:
    collection = store.find_collection(connection(), handle) or abort(404, description="There is no such collection.")
    return listing.show("pages/collection.html", Wish(collection=handle), listing.sort_names(), collection=collection)
