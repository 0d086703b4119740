"""What was imported last, and in which currency: prices, kept in its minor units, would be others in another."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue import CatalogueError
from shop.database import imports


class OtherCurrency(CatalogueError):
    def __init__(self, kept: str, wanted: str) -> None:
        super().__init__(
            f"The catalogue's prices are in {kept}, but SHOP_CURRENCY is {wanted}. Set SHOP_CURRENCY={kept},"
            f" or import an export with prices in {wanted}, all of it: shop import --replace FILE."
        )


def last_import(connection: Connection) -> tuple[str, str] | None:
    """The digest of the file that was imported last, and the currency of its prices; blank where it wasn't said."""
    last = sa.select(imports.c.digest, imports.c.currency).order_by(imports.c.id.desc()).limit(1)
    found = connection.execute(last).one_or_none()
    return found and (found.digest, found.currency)


def check_currency(connection: Connection, currency: str) -> None:
    """Raise OtherCurrency where the last import was in another than `currency`, an ISO 4217 code."""
    _, kept = last_import(connection) or ("", "")
    if kept and kept != currency:
        raise OtherCurrency(kept, currency)
