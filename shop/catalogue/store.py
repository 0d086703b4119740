"""Reading the catalogue: a product, some variants, the collections. `listing` reads pages of them.

Shoppers see visible products only (active and published). Functions take an open connection and give values of
`products`; nothing here writes. Titles and descriptions are in `language` (a code, such as "ru") where the catalogue
has them so, and in its own otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from shop.catalogue.products import Card, Collection, Image, Product, Variant
from shop.database import (
    collections,
    images,
    pictures,
    product_collections,
    product_tags,
    product_translations,
    products,
    variants,
)
from shop.prepared import Prepared


@dataclass(frozen=True)
class Kin:
    """What makes other products like one."""

    id: int
    type: str
    tags: tuple[str, ...]
    collections: tuple[str, ...]  # handles


def find_collection(connection: Connection, handle: str) -> Collection | None:
    row = connection.execute(sa.select(collections).where(collections.c.handle == handle)).first()
    return Collection(row.handle, row.title) if row else None


def find_kin(connection: Connection, handle: str) -> Kin | None:
    """What the visible product of that handle may share with others."""
    found = sa.select(products.c.id, products.c.type).where(products.c.handle == handle, products.c.visible)
    if (row := connection.execute(found).first()) is None:
        return None
    tags = connection.scalars(sa.select(product_tags.c.tag).where(product_tags.c.product_id == row.id))
    groups = sa.select(collections.c.handle).join(
        product_collections, product_collections.c.collection_id == collections.c.id
    )
    handles = connection.scalars(groups.where(product_collections.c.product_id == row.id))
    return Kin(row.id, row.type, tuple(tags), tuple(handles))


def find_product(connection: Connection, handle: str, language: str = "") -> Product | None:
    """The visible product of that handle, whole."""
    found = sa.select(*_product_columns(language)).where(products.c.handle == handle, products.c.visible)
    return next(_products(connection, connection.execute(found).all(), language), None)


def find_products_by_id(connection: Connection, ids: Sequence[int], language: str = "") -> Iterator[Product]:
    """Whole products by id, in that order; those that are gone are left out."""
    found = sa.select(*_product_columns(language)).where(products.c.id.in_(ids))
    rows = {row.id: row for row in connection.execute(found)}
    return _products(connection, [rows[id] for id in ids if id in rows], language)


def find_cards_by_id(connection: Connection, ids: Sequence[int], language: str = "") -> dict[int, Card]:
    """Products by id, in that order; those that are gone are left out."""
    if not ids:
        return {}
    cards = {row.id: _card(row) for row in _cards_by_id(language).rows(connection, ids=ids)}
    return {id: cards[id] for id in ids if id in cards}


def find_cards(connection: Connection, handles: Iterable[str], language: str = "") -> tuple[Card, ...]:
    """The visible products of those handles, in that order; others are left out."""
    wanted = list(handles)
    if not wanted:
        return ()
    found = sa.select(*_card_columns(language)).where(products.c.visible, products.c.handle.in_(wanted))
    rows = connection.execute(found)
    cards = {row.handle: _card(row) for row in rows}
    return tuple(cards[handle] for handle in wanted if handle in cards)


def find_variants(connection: Connection, items: Iterable[str], language: str = "") -> dict[str, Variant]:
    """Variants by item, of visible products and of others; unknown items are left out."""
    wanted = list(items)
    if not wanted:
        return {}
    return {row.item: _variant(row) for row in _variants_by_item(language).rows(connection, items=wanted)}


def _products(connection: Connection, rows: Sequence[Row[Any]], language: str) -> Iterator[Product]:
    """The products of those rows, each with what belongs to it."""
    ids = [row.id for row in rows]
    variants_of = _by_product(
        connection,
        _variants(language)
        .where(variants.c.product_id.in_(ids))
        .order_by(variants.c.product_id, variants.c.position),
    )
    images_of = _by_product(
        connection,
        sa.select(images, made_of(images.c.src))
        .where(images.c.product_id.in_(ids))
        .order_by(images.c.product_id, images.c.position, images.c.id),
    )
    tags_of = _by_product(
        connection, sa.select(product_tags).where(product_tags.c.product_id.in_(ids)).order_by(product_tags.c.tag)
    )
    collections_of = _by_product(
        connection,
        sa.select(collections, product_collections.c.product_id)
        .join(product_collections, product_collections.c.collection_id == collections.c.id)
        .where(product_collections.c.product_id.in_(ids))
        .order_by(collections.c.title),
    )
    for row in rows:
        yield Product(
            handle=row.handle,
            title=row.title,
            description=row.description,
            vendor=row.vendor,
            type=row.type,
            category=row.category,
            created_at=row.created_at,
            updated_at=row.updated_at,
            gift_card=row.gift_card,
            # What the merchant wrote for search engines is in the catalogue's own language.
            seo_title=row.seo_title if row.title == row.own_title else "",
            seo_description=row.seo_description if row.description == row.own_description else "",
            option_names=tuple(row.option_names),
            variants=tuple(map(_variant, variants_of[row.id])),
            images=tuple(Image.of(each.src, each.alt or row.title, each.made) for each in images_of[row.id]),
            tags=tuple(each.tag for each in tags_of[row.id]),
            collections=tuple(Collection(each.handle, each.title) for each in collections_of[row.id]),
        )


def _by_product(connection: Connection, select: sa.Select[Any]) -> defaultdict[int, list[Row[Any]]]:
    """What is selected, by its `product_id`."""
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(select):
        found[row.product_id].append(row)
    return found


def made_of(src: sa.ColumnElement[Any]) -> sa.Label[Any]:
    """A column `made`, beside that of a picture's source: what sizes there are of it."""
    return sa.select(pictures.c.made).where(pictures.c.src == src).scalar_subquery().label("made")


def _translated(column: sa.Column[str], language: str) -> sa.ColumnElement[str]:
    """A product's title or description, under that name."""
    if not language:
        return column
    theirs = product_translations.c
    said = sa.select(theirs[column.name]).where(theirs.product_id == products.c.id, theirs.language == language)
    return sa.func.coalesce(sa.func.nullif(said.scalar_subquery(), ""), column).label(column.name)


def _product_columns(language: str) -> Sequence[Any]:
    own = (products.c.title, products.c.description)
    translated = (_translated(column, language) for column in own)
    others = (column for column in products.c if column.name not in ("title", "description"))
    return *others, *translated, *(column.label(f"own_{column.name}") for column in own)


def _card_columns(language: str) -> Sequence[Any]:
    return (
        products.c.handle,
        _translated(products.c.title, language),
        products.c.vendor,
        products.c.price_min,
        products.c.price_max,
        products.c.compare_at_price,
        # As the drivers have them, which is as good: each column that SQLAlchemy must read costs a page's cards time.
        sa.type_coerce(products.c.in_stock, sa.Integer).label("in_stock"),
        products.c.variant_count,
        products.c.image_src,
        products.c.image_alt,
        made_of(products.c.image_src),
    )


@cache
def _cards_by_id(language: str) -> Prepared:
    wanted = products.c.id.in_(sa.bindparam("ids", expanding=True))
    return Prepared(sa.select(products.c.id, *_card_columns(language)).where(wanted))


@cache
def _variants_by_item(language: str) -> Prepared:
    return Prepared(_variants(language).where(variants.c.item.in_(sa.bindparam("items", expanding=True))))


def _card(row: Row[Any]) -> Card:
    return Card(
        handle=row.handle,
        title=row.title,
        vendor=row.vendor,
        price=row.price_min,
        price_max=row.price_max,
        compare_at_price=row.compare_at_price,
        in_stock=bool(row.in_stock),
        has_choice=row.variant_count > 1,
        image=_image(row),
    )


def _variants(language: str) -> sa.Select[Any]:
    return sa.select(
        variants,
        products.c.handle,
        _translated(products.c.title, language),
        products.c.visible,
        products.c.image_src.label("product_image_src"),
        products.c.image_alt.label("product_image_alt"),
        made_of(sa.func.coalesce(variants.c.image_src, products.c.image_src)),
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
        barcode=row.barcode,
        taxable=row.taxable,
        requires_shipping=row.requires_shipping,
        image=Image.of(src, row.product_image_alt or row.title, row.made) if src else None,
    )


def _image(row: Row[Any]) -> Image | None:
    return Image.of(row.image_src, row.image_alt or row.title, row.made) if row.image_src else None
