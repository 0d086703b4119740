"""The currency that the catalogue's prices are in: kept in its minor units, they would be others in another."""

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


def check_currency(connection: Connection, currency: str) -> None:
    """Raise OtherCurrency where the last import was in another than `currency`, an ISO 4217 code."""
    kept = connection.scalar(sa.select(imports.c.currency).order_by(imports.c.id.desc()).limit(1))
    if kept and kept != currency:  # the first imports didn't say
        raise OtherCurrency(kept, currency)
