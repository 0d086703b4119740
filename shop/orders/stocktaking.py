"""The merchant's look at the stock: what runs low, and what was counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.database import Database, products, variants
from shop.orders import stock

MOST = 10**9  # units: as much as an import takes

_NAMED = 5  # of the variants of a product that was given for an item


class NotCountable(Exception):
    """That item has no count to set. `str()` is a sentence for the merchant."""


@dataclass(frozen=True)
class Count:
    """What there is of a variant whose stock is counted. `oversell`: it sells past zero."""

    item: str
    title: str
    sku: str
    stock: int
    oversell: bool


def low(connection: Connection, below: int) -> Iterator[Count]:
    """What shoppers can see and of which there are fewer than `below`, the scarcest first."""
    found = (
        sa.select(variants, products.c.title)
        .join(products, products.c.id == variants.c.product_id)
        .where(products.c.visible, variants.c.tracker != "", variants.c.stock < below)
        .order_by(variants.c.stock, products.c.id, variants.c.position)
    )
    for row in connection.execute(found, execution_options={"yield_per": 500}):
        title = ", ".join(filter(None, (row.title, " / ".join(row.option_values))))
        yield Count(row.item, title, row.sku, row.stock, row.oversell)


def set_count(database: Database, item: str, count: int) -> int:
    """There are `count` units of `item` now (0 to MOST); how many there were. Listings follow.

    Raises NotCountable for an item that the shop doesn't have, and for one whose stock nobody counts.
    """
    with database.writing() as connection:
        stock.lock(connection, [item])
        columns = (variants.c.stock, variants.c.tracker, variants.c.product_id)
        row = connection.execute(sa.select(*columns).where(variants.c.item == item)).first()
        if row is None:
            raise NotCountable(_unknown(connection, item))
        if not row.tracker:
            raise NotCountable(
                f"Nobody counts the stock of {item}: any quantity sells. Import it with an inventory tracker first."
            )
        connection.execute(variants.update().where(variants.c.item == item).values(stock=count))
        stock.note(connection, [stock.Change(row.product_id, row.stock, count)])
    return int(row.stock)


def _unknown(connection: Connection, item: str) -> str:
    """That there is no such item, and which there are where it is a product's handle."""
    found = (
        sa.select(variants.c.item)
        .join(products, products.c.id == variants.c.product_id)
        .where(products.c.handle == item)
        .order_by(variants.c.position)
    )
    items = list(connection.scalars(found))
    if not items:
        return f"There is no item {item!r} in this shop."
    more = ", …" if len(items) > _NAMED else ""
    return f"{item} is a product with variants. Choose one: {', '.join(items[:_NAMED])}{more}"
