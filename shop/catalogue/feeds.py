"""Reading the catalogue from end to end, for search engines and feeds: in batches, so that any size takes little
memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue import store
from shop.catalogue.products import Product
from shop.database import collections, product_collections, products

BATCH = 500  # products in memory at a time

# Of a part of the sitemap, by id. With a few pages more it stays under the protocol's 50,000 addresses, and with
# each of them in several languages and a long script under its 50 MB.
PRODUCTS_OF_A_PART = 20_000
COLLECTIONS_OF_A_PART = 2_000


@dataclass(frozen=True)
class Listed:
    """What a sitemap says of a product or a collection."""

    handle: str
    updated_at: str = ""  # UTC, ISO 8601; empty where nobody knows


def every_product(connection: Connection) -> Iterator[Product]:
    """All products that shoppers can see, in the merchant's order."""
    last = 0
    while ids := connection.scalars(_VISIBLE.where(products.c.id > last).order_by(products.c.id).limit(BATCH)).all():
        yield from store.find_products_by_id(connection, ids)
        last = ids[-1]


def newest_products(connection: Connection, most: int = 50) -> Iterator[Product]:
    """The products that came last, the very last first. An import numbers what is new in its file's order."""
    ids = connection.scalars(_VISIBLE.order_by(products.c.id.desc()).limit(most)).all()
    return store.find_products_by_id(connection, ids)


def sitemap_parts(connection: Connection) -> list[int]:
    """The numbers of the sitemap's parts that have something to list, from 1; the first always counts."""
    product = connection.scalar(sa.select(sa.func.max(products.c.id)).where(products.c.visible)) or 1
    collection = connection.scalar(sa.select(sa.func.max(collections.c.id))) or 1
    most = max(-(-product // PRODUCTS_OF_A_PART), -(-collection // COLLECTIONS_OF_A_PART))
    return [part for part in range(1, most + 1) if part == 1 or _has_something(connection, part)]


def products_of_part(connection: Connection, part: int) -> Iterator[Listed]:
    rows = connection.execute(_products_of(part).execution_options(yield_per=BATCH))
    return (Listed(row.handle, row.updated_at) for row in rows)


def collections_of_part(connection: Connection, part: int) -> Iterator[Listed]:
    return (Listed(row.handle) for row in connection.execute(_collections_of(part)))


_VISIBLE = sa.select(products.c.id).where(products.c.visible)


def _has_something(connection: Connection, part: int) -> bool:
    found = (connection.execute(ids.limit(1)).first() for ids in (_products_of(part), _collections_of(part)))
    return any(found)


def _products_of(part: int) -> sa.Select[Any]:
    listed = sa.select(products.c.handle, products.c.updated_at).where(products.c.visible)
    return listed.where(_in_part(products.c.id, part, PRODUCTS_OF_A_PART)).order_by(products.c.id)


def _collections_of(part: int) -> sa.Select[Any]:
    shown = (
        sa.exists()
        .where(product_collections.c.collection_id == collections.c.id)
        .where(products.c.id == product_collections.c.product_id, products.c.visible)
    )
    listed = sa.select(collections.c.handle).where(shown)
    return listed.where(_in_part(collections.c.id, part, COLLECTIONS_OF_A_PART)).order_by(collections.c.id)


def _in_part(id: sa.Column[int], part: int, size: int) -> sa.ColumnElement[bool]:
    return id.between((part - 1) * size + 1, part * size)
