"""The catalogue's version: two numbers, of which one grows whenever something about the catalogue has changed.

`number` grows with all that the shop's pages show. Most sales change nothing of that, since a page says how many
there are of the last few only: then `stock` grows, on which carts depend, as they hold no more than there is. So a
shop that sells much keeps its pages.

Imports and changes of the stock bump them in their own transaction, so whoever reads an unchanged version may go on
with what was read before. Read the version first and the catalogue after it: then what was read is at least as new.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from shop.database import catalogue_version


def bump(connection: Connection) -> int:
    """Say that what pages show changes with this transaction. The new number.

    On PostgreSQL other writers wait here for the end of the transaction: lock variants and products before.
    """
    bumped = catalogue_version.update().values(number=catalogue_version.c.number + 1)
    number: int = connection.execute(bumped.returning(catalogue_version.c.number)).scalar_one()
    return number


def bump_stock(connection: Connection) -> None:
    """The same for a change of the stock that pages don't show."""
    connection.execute(catalogue_version.update().values(stock=catalogue_version.c.stock + 1))
