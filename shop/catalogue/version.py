"""The catalogue's version: one number that grows whenever what the shop's pages show has changed.

Imports and changes of the stock bump it in their own transaction, so whoever reads an unchanged number may go on with
what was read before. Read the number first and the catalogue after it: then what was read is never older than it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.database import catalogue_version


def current(connection: Connection) -> int:
    """The version now: one row, read by its key."""
    number: int = connection.execute(sa.select(catalogue_version.c.number)).scalar_one()
    return number


def bump(connection: Connection) -> int:
    """Say that the catalogue changes with this transaction. The new number.

    On PostgreSQL other writers wait here for the end of the transaction: lock variants and products before.
    """
    bumped = catalogue_version.update().values(number=catalogue_version.c.number + 1)
    number: int = connection.execute(bumped.returning(catalogue_version.c.number)).scalar_one()
    return number
