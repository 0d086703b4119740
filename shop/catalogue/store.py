"""Reading the catalogue: a product, some variants, the collections, a page of a listing.

Shoppers see visible products only (active and published). Functions take an open connection and give values of
`products`; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.sql import FromClause

from shop.catalogue.products import Card, Collection, Image, Product, Variant
from shop.database import collections, images, product_collections, product_tags, products, variants

PAGE_SIZE = 24

# How a listing may be sorted, in the order that shoppers are offered. `id` is the order of the merchant's file.
SORTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "featured": ("Featured", (products.c.id,)),
    "newest": ("Newest", (products.c.created_at.desc(), products.c.id.desc())),
    "price-low": ("Price, low to high", (products.c.price_min, products.c.id)),
    "price-high": ("Price, high to low", (products.c.price_min.desc(), products.c.id.desc())),
    "title": ("Name, A to Z", (products.c.title_key, products.c.id)),
}


@dataclass(frozen=True)
class Wish:
    """Which products a listing is to show, and in which order."""

    collection: str | None = None  # a handle
    tags: tuple[str, ...] = ()  # a product must carry them all
    sort: str = "featured"
    page: int = 1
    matches: FromClause | None = None  # of a search: `id`, and `rank`, which is least for the best


@dataclass(frozen=True)
class Page:
    """One page of a listing. `pages` is at least 1."""

    cards: tuple[Card, ...]
    number: int
    total: int
    tags: tuple[tuple[str, int], ...] = field(default=())  # tags of the listed products, with their counts

    @property
    def pages(self) -> int:
        return max(1, ceil(self.total / PAGE_SIZE))


def find_page(connection: Connection, wish: Wish) -> Page:
    """The wished page of products; without cards where there is no such page."""
    listed = _listed(wish)
    order = (wish.matches.c.rank, products.c.id) if wish.sort == "relevance" and wish.matches is not None else None
    rows = connection.execute(
        listed.with_only_columns(*_CARD_COLUMNS)
        .order_by(*(order or SORTS[wish.sort][1]))
        .limit(PAGE_SIZE)
        .offset((wish.page - 1) * PAGE_SIZE)
    )
    total = connection.execute(listed.with_only_columns(sa.func.count()).order_by(None)).scalar_one()
    return Page(tuple(_card(row) for row in rows), wish.page, total, _tags_of(connection, listed))


def find_featured(connection: Connection, most: int = 8) -> tuple[Card, ...]:
    """Products for the home page: the first of the merchant's that are in stock and have a picture, sales first."""
    on_sale = sa.case((products.c.compare_at_price > products.c.price_min, 0), else_=1)
    rows = connection.execute(
        sa.select(*_CARD_COLUMNS)
        .where(products.c.visible, products.c.in_stock)
        .order_by(products.c.image_src.is_(None), on_sale, products.c.id)
        .limit(most)
    )
    return tuple(_card(row) for row in rows)


def count_products(connection: Connection) -> int:
    """How many products shoppers can see."""
    return connection.execute(sa.select(sa.func.count()).where(products.c.visible)).scalar_one()


def find_collections(connection: Connection) -> tuple[Collection, ...]:
    """All collections that have something to see, by name, each with its count and its first picture."""
    counts = (
        sa.select(
            collections.c.handle,
            collections.c.title,
            sa.func.count().label("size"),
            sa.func.min(sa.case((products.c.image_src.is_not(None), products.c.id))).label("pictured"),
        )
        .join(product_collections, product_collections.c.collection_id == collections.c.id)
        .join(products, products.c.id == product_collections.c.product_id)
        .where(products.c.visible)
        .group_by(collections.c.id)
        .subquery()
    )
    pictured = products.alias()
    rows = connection.execute(
        sa.select(counts, pictured.c.image_src, pictured.c.image_alt)
        .outerjoin(pictured, pictured.c.id == counts.c.pictured)
        .order_by(sa.func.lower(counts.c.title))
    )
    return tuple(Collection(row.handle, row.title, row.size, _image(row)) for row in rows)


def find_collection(connection: Connection, handle: str) -> Collection | None:
    row = connection.execute(sa.select(collections).where(collections.c.handle == handle)).first()
    return Collection(row.handle, row.title) if row else None


def find_product(connection: Connection, handle: str) -> Product | None:
    """The visible product of that handle, whole."""
    row = connection.execute(sa.select(products).where(products.c.handle == handle, products.c.visible)).first()
    return _product(connection, row) if row else None


def find_variants(connection: Connection, items: Iterable[str]) -> dict[str, Variant]:
    """Variants by item, of visible products and of others; unknown items are left out."""
    wanted = list(items)
    if not wanted:
        return {}
    rows = connection.execute(_VARIANTS.where(variants.c.item.in_(wanted)))
    return {row.item: _variant(row) for row in rows}


def _listed(wish: Wish) -> sa.Select[Any]:
    listed = sa.select(products).where(products.c.visible)
    if wish.matches is not None:
        listed = listed.join(wish.matches, wish.matches.c.id == products.c.id)
    if wish.collection is not None:
        listed = listed.join(product_collections, product_collections.c.product_id == products.c.id).join(
            collections,
            (collections.c.id == product_collections.c.collection_id) & (collections.c.handle == wish.collection),
        )
    for tag in wish.tags:
        tagged = product_tags.alias()
        listed = listed.join(tagged, (tagged.c.product_id == products.c.id) & (tagged.c.tag == tag))
    return listed


def _tags_of(connection: Connection, listed: sa.Select[Any], most: int = 12) -> tuple[tuple[str, int], ...]:
    ids = listed.with_only_columns(products.c.id).order_by(None)
    rows = connection.execute(
        sa.select(product_tags.c.tag, sa.func.count().label("size"))
        .where(product_tags.c.product_id.in_(ids))
        .group_by(product_tags.c.tag)
        .order_by(sa.desc("size"), product_tags.c.tag)
        .limit(most)
    )
    return tuple((row.tag, row.size) for row in rows)


def _product(connection: Connection, row: Row[Any]) -> Product:
    of_product = product_collections.c.product_id == row.id
    return Product(
        handle=row.handle,
        title=row.title,
        description=row.description,
        vendor=row.vendor,
        type=row.type,
        gift_card=row.gift_card,
        seo_title=row.seo_title,
        seo_description=row.seo_description,
        option_names=tuple(row.option_names),
        variants=tuple(
            _variant(each)
            for each in connection.execute(
                _VARIANTS.where(variants.c.product_id == row.id).order_by(variants.c.position)
            )
        ),
        images=tuple(
            Image(each.src, each.alt or row.title)
            for each in connection.execute(
                sa.select(images).where(images.c.product_id == row.id).order_by(images.c.position, images.c.id)
            )
        ),
        tags=tuple(
            connection.execute(
                sa.select(product_tags.c.tag).where(product_tags.c.product_id == row.id).order_by(product_tags.c.tag)
            ).scalars()
        ),
        collections=tuple(
            Collection(each.handle, each.title)
            for each in connection.execute(
                sa.select(collections)
                .join(product_collections, product_collections.c.collection_id == collections.c.id)
                .where(of_product)
                .order_by(collections.c.title)
            )
        ),
    )


_CARD_COLUMNS: Sequence[Any] = (
    products.c.handle,
    products.c.title,
    products.c.vendor,
    products.c.price_min,
    products.c.price_max,
    products.c.compare_at_price,
    products.c.in_stock,
    products.c.variant_count,
    products.c.image_src,
    products.c.image_alt,
    products.c.option_names,
)


def _card(row: Row[Any]) -> Card:
    return Card(
        handle=row.handle,
        title=row.title,
        vendor=row.vendor,
        price=row.price_min,
        price_max=row.price_max,
        compare_at_price=row.compare_at_price,
        in_stock=row.in_stock,
        has_options=bool(row.option_names),
        image=_image(row),
    )


_VARIANTS = sa.select(
    variants,
    products.c.handle,
    products.c.title,
    products.c.visible,
    products.c.image_src.label("product_image_src"),
    products.c.image_alt.label("product_image_alt"),
).join(products, products.c.id == variants.c.product_id)


def _variant(row: Row[Any]) -> Variant:
    src = row.image_src or row.product_image_src
    return Variant(
        item=row.item,
        handle=row.handle,
        product_title=row.title,
        option_values=tuple(row.option_values),
        price=row.price,
        compare_at_price=row.compare_at_price,
        stock=row.stock,
        tracked=bool(row.tracker),
        oversell=row.oversell,
        visible=row.visible,
        sku=row.sku,
        taxable=row.taxable,
        requires_shipping=row.requires_shipping,
        image=Image(src, row.product_image_alt or row.title) if src else None,
    )


def _image(row: Row[Any]) -> Image | None:
    return Image(row.image_src, row.image_alt or row.title) if row.image_src else None
