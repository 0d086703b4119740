"""Stock: taken by an order, put back by a cancel, and what listings show of it (`products.in_stock`) kept true.

All of it happens inside the caller's transaction, always in one order, variants by item, then products by id, then
the catalogue's version, so that no two orders wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue import version
from shop.catalogue.products import FEW, Variant
from shop.database import products, stock_flips, variants


class Short(Exception):
    """There is less of a variant than was to be taken."""

    def __init__(self, item: str) -> None:
        super().__init__(f"There is not enough of {item} in stock.")


class Change(NamedTuple):
    """What became of a variant's stock."""

    product_id: int
    before: int
    after: int

    @property
    def sells_or_not(self) -> bool:
        """Whether it ran out, or is back."""
        return (self.before > 0) != (self.after > 0)

    @property
    def shows(self) -> bool:
        """Whether a page says something else now."""
        return min(self.before, FEW + 1) != min(self.after, FEW + 1)


def lock(connection: Connection, items: Iterable[str]) -> None:
    """Keep others from changing these variants until the transaction ends; waits for those who are at it.

    PostgreSQL locks the rows. In SQLite a writing transaction has the whole database to itself anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(
            sa.select(variants.c.id)
            .where(variants.c.item.in_(sorted(items)))
            .order_by(variants.c.item)
            .with_for_update()
        )


def take(connection: Connection, wanted: Iterable[tuple[Variant, int]]) -> dict[str, int]:
    """Take units of variants, and say by item how many were: 0 where stock isn't counted.

    Of a variant that sells past zero, as many as there are. Raises Short, for the caller to roll back.
    """
    taken: dict[str, int] = {}
    changes = []
    for variant, quantity in sorted(wanted, key=lambda pair: pair[0].item):
        count = min(quantity, _stock(connection, variant.item)) if variant.oversell else quantity
        taken[variant.item] = count if variant.tracked else 0
        if not taken[variant.item]:
            continue
        row = connection.execute(
            variants.update()
            .where(variants.c.item == variant.item, variants.c.stock >= count)
            .values(stock=variants.c.stock - count)
            .returning(variants.c.stock, variants.c.product_id)
        ).first()
        if row is None:
            raise Short(variant.item)
        changes.append(Change(row.product_id, row.stock + count, row.stock))
    note(connection, changes)
    return taken


def put_back(connection: Connection, units: Mapping[str, int]) -> None:
    """Put units back, by item. A variant that the catalogue no longer has is left out."""
    back = {item: count for item, count in sorted(units.items()) if count}
    lock(connection, back)
    changes = []
    for item, count in back.items():
        row = connection.execute(
            variants.update()
            .where(variants.c.item == item)
            .values(stock=variants.c.stock + count)
            .returning(variants.c.stock, variants.c.product_id)
        ).first()
        if row is not None:
            changes.append(Change(row.product_id, row.stock - count, row.stock))
    note(connection, changes)


def note(connection: Connection, changes: Collection[Change]) -> None:
    """Say that stock has changed. `products.in_stock` then says whether any variant of a product can be bought."""
    if not changes:
        return
    flipped = _refresh_in_stock(connection, sorted({each.product_id for each in changes if each.sells_or_not}))
    if not any(each.shows for each in changes):
        version.bump_stock(connection)
        return
    number = version.bump(connection)
    if flipped:
        # What listings add to the set of all in stock, which is written at imports (catalogue/sets.py).
        # Loaded by name, since PostgreSQL's dialect is 2 MB that a shop on SQLite never needs.
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
        noted: Any = dialect.insert(stock_flips)
        new = {"in_stock": noted.excluded.in_stock, "number": noted.excluded.number}
        noted = noted.on_conflict_do_update(index_elements=[stock_flips.c.product_id], set_=new)
        connection.execute(noted, [{"product_id": id, "in_stock": yes, "number": number} for id, yes in flipped])


def _refresh_in_stock(connection: Connection, ids: list[int]) -> list[tuple[int, bool]]:
    """Bring `in_stock` up to date; which visible products it changed for, and to what.

    The rows are locked by a statement of its own, so that the next one sees what those who held them before did to
    the products' other variants.
    """
    if not ids:
        return []
    connection.execute(
        sa.select(products.c.id).where(products.c.id.in_(ids)).order_by(products.c.id).with_for_update()
    )
    sells = (
        sa.select(variants.c.id)
        .where(
            variants.c.product_id == products.c.id,
            (variants.c.stock > 0) | (variants.c.tracker == "") | variants.c.oversell,
        )
        .correlate(products)
        .exists()
    )
    changed = products.update().where(products.c.id.in_(ids), products.c.in_stock != sells).values(in_stock=sells)
    rows = connection.execute(changed.returning(products.c.id, products.c.in_stock, products.c.visible))
    return [(row.id, row.in_stock) for row in rows if row.visible]


def _stock(connection: Connection, item: str) -> int:
    """What is in stock now; 0 for a variant that is gone."""
    return connection.execute(sa.select(variants.c.stock).where(variants.c.item == item)).scalar_one_or_none() or 0
