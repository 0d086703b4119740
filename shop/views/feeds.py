"""`GET /products.atom`: what is new, for feed readers. `GET /feeds/google.xml`: all that is for sale, for Google."""

from __future__ import annotations

from functools import partial
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response
from sqlalchemy.engine import Connection

from shop import merchant_feed
from shop.asked import shop
from shop.catalogue import feeds
from shop.money import Currency
from shop.views.addresses import neutral_addresses
from shop.views.xml import streamed, whole

bp = Blueprint("feeds", __name__)

_LONG_AGO = "1970-01-01T00:00:00+00:00"


@bp.get("/products.atom")
def newest() -> Response:
    settings, addresses = shop().settings, neutral_addresses()

    def read(connection: Connection) -> dict[str, Any]:
        products = list(feeds.newest_products(connection))
        return {
            "shop_name": settings.name,
            "language": settings.own_language,
            "products": products,
            "updated": max((product.updated_at for product in products), default=_LONG_AGO),
            "addresses": addresses,
            "type_of": lambda url: guess_type(urlsplit(url).path)[0],
        }

    return whole("feeds/newest.xml", "application/atom+xml", read)


@bp.get("/feeds/google.xml")
def google() -> Response:
    settings, addresses = shop().settings, neutral_addresses()
    items_of = partial(merchant_feed.items_of, currency=Currency(settings.currency), addresses=addresses)

    def read(connection: Connection) -> dict[str, Any]:
        return {
            "shop_name": settings.name,
            "url": addresses.home(),
            "products": feeds.every_product(connection),
            "items_of": items_of,
        }

    return streamed("feeds/google.xml", "application/xml", read)
