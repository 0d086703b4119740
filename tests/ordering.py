"""What the tests of orders share: a moment, a merchant's terms, and shoppers who have looked before they order."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from shop.database import Database, orders, products, variants
from shop.orders import store
from shop.orders.orders import Address, Order
from shop.orders.placing import Wish, place, quote
from shop.orders.terms import Discount, ShippingMethod, TaxRate, Terms

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BERLIN = Address(recipient="Ada Byron", line1="Torstr. 1", postcode="10119", city="Berlin", country="DE")

# Shipping to Germany and Austria alone; there, prices contain 19% of tax.
TERMS = Terms(
    shipping=(
        ShippingMethod("post", "Post", 500, free_from=10000, countries=frozenset({"DE", "AT"})),
        ShippingMethod("courier", "Courier", 1500, countries=frozenset({"DE"})),
    ),
    taxes=(TaxRate("VAT", "DE", "", Decimal(19), included=True, shipping=True),),
    discounts=(
        Discount("TENTH", percent=Decimal(10)),
        Discount("TWICE", amount=300, uses=2),
        Discount("GIFT", percent=Decimal(100)),
        Discount("OVER", percent=Decimal(10), ends=NOW),
    ),
)


def wishing(database: Database, quantities: Mapping[str, int], *, now: datetime = NOW, **more: Any) -> Wish:
    """The wish of a shopper who has the checkout page on screen as it is at `now`, and sends it as it is."""
    parts: dict[str, Any] = {
        "nonce": secrets.token_urlsafe(16),
        "name": "Ada Byron",
        "email": "ada@example.com",
        "address": BERLIN,
        "shipping_id": "post",
    }
    wish = Wish(quantities=quantities, **parts | more)
    with database.reading() as connection:
        seen = quote(connection, wish, TERMS, now)
    return replace(wish, expected_total=seen.totals.total, seen=seen.seen)


def ordering(
    database: Database, quantities: Mapping[str, int], *, payment_until: datetime | None = None, **more: Any
) -> Order:
    """The order of a shopper who saw what they sent."""
    wish = wishing(database, quantities, **more)
    return place(database, wish, TERMS, more.get("now", NOW), payment_until=payment_until)


def all_orders(database: Database) -> list[Order]:
    with database.reading() as connection:
        return list(store.all_orders(connection))


def set_variant(database: Database, item: str, **values: Any) -> None:
    """What a merchant's import does to a variant."""
    with database.writing() as connection:
        connection.execute(variants.update().where(variants.c.item == item).values(**values))


def stock(database: Database, item: str) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(variants.c.stock).where(variants.c.item == item)).scalar_one()


def in_stock(database: Database, handle: str) -> bool:
    """What listings say of the product."""
    with database.reading() as connection:
        return connection.execute(sa.select(products.c.in_stock).where(products.c.handle == handle)).scalar_one()


def tables(database: Database) -> dict[str, list[Any]]:
    """Everything that an order writes to, to compare before and after."""
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in orders.metadata.sorted_tables
            if table.name.startswith(("order", "outbox", "discount", "variants", "products"))
        }
