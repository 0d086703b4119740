"""`GET /sitemap.xml`: every page that search engines are to know. A sitemap too long for one file is in parts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort
from sqlalchemy.engine import Connection

from shop.catalogue import feeds
from shop.views.addresses import neutral_addresses
from shop.views.shared import connection
from shop.views.xml import whole

bp = Blueprint("sitemap", __name__)


@bp.get("/sitemap.xml")
def show() -> Response:
    parts = feeds.sitemap_parts(connection())
    if len(parts) == 1:
        return _listed(parts[0])
    addresses = neutral_addresses()
    urls = [addresses.of(addresses.path("sitemap.part", number=part)) for part in parts]
    return whole("feeds/sitemap-index.xml", "application/xml", lambda _connection: {"urls": urls})


@bp.get("/sitemap-<int:number>.xml")
def part(number: int) -> Response:
    if number not in feeds.sitemap_parts(connection()):
        abort(404)
    return _listed(number)


def _listed(number: int) -> Response:
    addresses = neutral_addresses()

    def read(connection: Connection) -> dict[str, Any]:
        return {
            "first": number == 1,
            "collections": feeds.collections_of_part(connection, number),
            "products": feeds.products_of_part(connection, number),
            "addresses": addresses,
        }

    return whole("feeds/sitemap.xml", "application/xml", read)
