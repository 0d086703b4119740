"""The catalogue as a product export, in Shopify's older or current dialect: what `shopify` reads, written.

An import of it leaves every product as it is. Prices, stock and texts are those of this moment, hidden products and
drafts are in it too, and the order is the shop's, which is that of the file they came from. Nothing is defused for
spreadsheets, unlike in the orders' export: these are the merchant's own texts, and each must come back as it was.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from shop.catalogue.slugs import slug_of
from shop.database import (
    collections,
    images,
    product_collections,
    product_tags,
    product_translations,
    products,
    variants,
)
from shop.money import Currency

Dialect = Literal["older", "current"]
Cells = dict[str, object]

_AT_ONCE = 100  # products, with all that belongs to them

# Each dialect's columns in its order, with what they are called here.
_OLDER = {
    "Handle": "handle",
    "Title": "title",
    "Body (HTML)": "description",
    "Vendor": "vendor",
    "Product Category": "category",
    "Type": "type",
    "Tags": "tags",
    "Published": "published",
    "Option1 Name": "name1",
    "Option1 Value": "value1",
    "Option2 Name": "name2",
    "Option2 Value": "value2",
    "Option3 Name": "name3",
    "Option3 Value": "value3",
    "Variant SKU": "sku",
    "Variant Grams": "grams",
    "Variant Inventory Tracker": "tracker",
    "Variant Inventory Qty": "stock",
    "Variant Inventory Policy": "oversell",
    "Variant Fulfillment Service": "fulfillment_service",
    "Variant Price": "price",
    "Variant Compare At Price": "compare_at_price",
    "Variant Requires Shipping": "requires_shipping",
    "Variant Taxable": "taxable",
    "Variant Barcode": "barcode",
    "Image Src": "image_src",
    "Image Position": "image_position",
    "Image Alt Text": "image_alt",
    "Gift Card": "gift_card",
    "SEO Title": "seo_title",
    "SEO Description": "seo_description",
    "Variant Image": "variant_image",
    "Variant Weight Unit": "weight_unit",
    "Variant Tax Code": "tax_code",
    "Cost per item": "cost",
    "Status": "status",
    "Collection": "collection",
}
_CURRENT = {
    "Title": "title",
    "URL handle": "handle",
    "Description": "description",
    "Vendor": "vendor",
    "Product category": "category",
    "Type": "type",
    "Tags": "tags",
    "Published on online store": "published",
    "Status": "status",
    "SKU": "sku",
    "Barcode": "barcode",
    "Option1 name": "name1",
    "Option1 value": "value1",
    "Option2 name": "name2",
    "Option2 value": "value2",
    "Option3 name": "name3",
    "Option3 value": "value3",
    "Price": "price",
    "Compare-at price": "compare_at_price",
    "Cost per item": "cost",
    "Charge tax": "taxable",
    "Tax code": "tax_code",
    "Inventory tracker": "tracker",
    "Inventory quantity": "stock",
    "Continue selling when out of stock": "oversell",
    "Weight value (grams)": "grams",
    "Weight unit for display": "weight_unit",
    "Requires shipping": "requires_shipping",
    "Fulfillment service": "fulfillment_service",
    "Product image URL": "image_src",
    "Image position": "image_position",
    "Image alt text": "image_alt",
    "Variant image URL": "variant_image",
    "Gift card": "gift_card",
    "SEO title": "seo_title",
    "SEO description": "seo_description",
    "Collection": "collection",
}
_COLUMNS: Mapping[Dialect, Mapping[str, str]] = {"older": _OLDER, "current": _CURRENT}


def count_products(connection: Connection) -> int:
    """How many products an export has: all of them."""
    return connection.scalar(sa.select(sa.func.count()).select_from(products)) or 0


def write_products(connection: Connection, currency: Currency, dialect: Dialect, file: TextIO) -> Iterator[str]:
    """Write every product to `file`, which is opened with newline="". Gives the handle of each that is written.

    Memory doesn't grow with their number: they are read a hundred at a time.
    """
    writer = csv.writer(file, lineterminator="\n")
    columns = {**_COLUMNS[dialect], **_translated_columns(connection, dialect)}
    writer.writerow(columns)
    for product in _products(connection):
        for cells in product.rows(currency):
            writer.writerow([_text(cells.get(column), dialect) for column in columns.values()])
        yield product.row.handle


@dataclass(frozen=True)
class _Product:
    """A product with all that belongs to it, as rows of the database."""

    row: Row[Any]
    variants: Sequence[Row[Any]]
    images: Sequence[Row[Any]]
    tags: Sequence[str]
    collections: Sequence[str]  # titles
    translations: Sequence[Row[Any]]

    def rows(self, currency: Currency) -> Iterator[Cells]:
        """Its rows of the file: the first says what the product is; each may have a variant and an image."""
        for place in range(max(len(self.variants), len(self.images))):
            cells: Cells = {"handle": self.row.handle}
            if place == 0:
                cells |= self._of_itself()
            if place < len(self.variants):
                cells |= self._of_variant(self.variants[place], currency)
            if place < len(self.images):
                image = self.images[place]
                cells |= {"image_src": image.src, "image_position": image.position, "image_alt": image.alt}
            yield cells

    def _of_itself(self) -> Cells:
        row = self.row
        names = row.option_names or ["Title"]  # Shopify's stand-in for a product without options
        return {
            "title": row.title,
            "description": row.description,
            "vendor": row.vendor,
            "category": row.category,
            "type": row.type,
            "tags": ", ".join(self.tags),
            "collection": self._collection(),
            "published": row.published,
            "status": _Choice(row.status, row.status.title()),
            "gift_card": row.gift_card,
            "seo_title": row.seo_title,
            "seo_description": row.seo_description,
            **{f"name{number}": name for number, name in enumerate(names, start=1)},
            **{f"title [{each.language}]": each.title for each in self.translations},
            **{f"description [{each.language}]": each.description for each in self.translations},
        }

    def _of_variant(self, row: Row[Any], currency: Currency) -> Cells:
        values = row.option_values or ["Default Title"]
        return {
            **{f"value{number}": value for number, value in enumerate(values, start=1)},
            "sku": row.sku,
            "barcode": row.barcode,
            "price": currency.plain(row.price),
            "compare_at_price": _optional(row.compare_at_price, currency),
            "cost": _optional(row.cost, currency),
            "tracker": row.tracker,
            "stock": row.stock,
            "oversell": _Choice("continue", "CONTINUE") if row.oversell else _Choice("deny", "DENY"),
            "grams": row.grams,
            "weight_unit": row.weight_unit,
            "requires_shipping": row.requires_shipping,
            "taxable": row.taxable,
            "tax_code": row.tax_code,
            "fulfillment_service": row.fulfillment_service,
            "variant_image": row.image_src,
        }

    def _collection(self) -> str:
        """The collections' titles; blank where the product's Type says the same."""
        by_type = [slug_of(self.row.type)] if self.row.type else []
        if [slug_of(title) for title in self.collections] == by_type:
            return ""
        return "; ".join(title.replace(";", " ") for title in self.collections)


@dataclass(frozen=True)
class _Choice:
    """One of a few words, which the dialects write differently."""

    older: str
    current: str


def _text(value: object, dialect: Dialect) -> str:
    match value:
        case None:
            return ""
        case bool():
            word = "true" if value else "false"
            return word.upper() if dialect == "current" else word
        case _Choice():
            return value.current if dialect == "current" else value.older
        case _:
            return str(value)


def _optional(minor: int | None, currency: Currency) -> str:
    return "" if minor is None else currency.plain(minor)


def _translated_columns(connection: Connection, dialect: Dialect) -> dict[str, str]:
    """The columns of each language that any product has something in."""
    found = sa.select(product_translations.c.language).distinct().order_by(product_translations.c.language)
    description = "Body (HTML)" if dialect == "older" else "Description"
    return {
        f"{name} [{language}]": f"{column} [{language}]"
        for language in connection.scalars(found)
        for name, column in (("Title", "title"), (description, "description"))
    }


def _products(connection: Connection) -> Iterator[_Product]:
    """Every product, in the shop's order."""
    last = 0
    while rows := connection.execute(
        sa.select(products).where(products.c.id > last).order_by(products.c.id).limit(_AT_ONCE)
    ).all():
        last = rows[-1].id
        yield from _whole(connection, rows)


def _whole(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[_Product]:
    ids = [row.id for row in rows]

    def of_each(found: sa.Select[Any]) -> defaultdict[int, list[Row[Any]]]:
        """Rows by the product that they belong to."""
        by_product: defaultdict[int, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(found):
            by_product[row.product_id].append(row)
        return by_product

    have = of_each(sa.select(variants).where(variants.c.product_id.in_(ids)).order_by(variants.c.position))
    pictures = of_each(sa.select(images).where(images.c.product_id.in_(ids)).order_by(images.c.position, images.c.id))
    translations = of_each(sa.select(product_translations).where(product_translations.c.product_id.in_(ids)))
    tags = of_each(sa.select(product_tags).where(product_tags.c.product_id.in_(ids)))
    groups = of_each(
        sa.select(product_collections.c.product_id, collections.c.title)
        .join(collections, collections.c.id == product_collections.c.collection_id)
        .where(product_collections.c.product_id.in_(ids))
    )
    for row in rows:
        yield _Product(
            row=row,
            variants=have[row.id],
            images=pictures[row.id],
            tags=sorted(each.tag for each in tags[row.id]),
            collections=sorted(each.title for each in groups[row.id]),
            translations=translations[row.id],
        )
