"""What Google's merchants tell of their goods, an item for each variant. Imports no Flask.

Source: Google's product data specification. A shop that takes orders for what isn't there yet (`backorder`) adds
[availability_date] by a rule in Merchant Center: the catalogue doesn't know the day.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from shop.catalogue.gtin import gtin_of
from shop.catalogue.plain_text import excerpt, plain_text
from shop.catalogue.products import Product, Variant
from shop.money import Currency
from shop.structured_data import Addresses, properties_of

Item = list[tuple[str, str]]  # names of elements and their texts, none blank

_LONGEST_ID = 50
_LONGEST = {
    "title": 150,
    "description": 5000,
    "g:brand": 70,
    "g:mpn": 70,
    "g:product_type": 750,
    "g:color": 100,
    "g:size": 100,
    "g:material": 200,
    "g:pattern": 100,
}
_MOST_MORE_PICTURES = 10


def items_of(product: Product, currency: Currency, addresses: Addresses) -> Iterator[Item]:
    """The items of a product's variants. Those of several belong to the group that has the product's handle."""
    description = plain_text(product.description) or product.title
    several = len(product.variants) > 1
    for variant in product.variants:
        gtin = gtin_of(variant.barcode)
        known = gtin or (product.vendor and variant.sku)
        pictures = _pictures(product, variant)
        properties = properties_of(product, variant)
        said = [
            ("g:id", _short_id(variant.item)),
            ("g:item_group_id", _short_id(product.handle) if several else ""),
            ("title", variant.full_title),
            ("description", description),
            ("link", addresses.product(product.handle, variant.item if several else "")),
            *(("g:image_link", addresses.picture(src)) for src in pictures[:1]),
            *(("g:additional_image_link", addresses.picture(src)) for src in pictures[1 : 1 + _MOST_MORE_PICTURES]),
            ("g:availability", _availability(variant)),
            *_prices(variant, currency),
            ("g:condition", "new"),
            ("g:brand", product.vendor),
            ("g:gtin", gtin or ""),
            ("g:mpn", variant.sku),
            ("g:identifier_exists", "" if known else "no"),
            ("g:product_type", product.category or product.type),
            *((f"g:{name}", value) for name, value in properties.items()),
        ]
        yield [(name, excerpt(text, _LONGEST.get(name, len(text)))) for name, text in said if text]


def _short_id(name: str) -> str:
    """`name`, or where it is too long for Google its beginning and a piece of its hash: always the same."""
    if len(name) <= _LONGEST_ID:
        return name
    digest = sha256(name.encode()).hexdigest()[:12]
    return f"{name[: _LONGEST_ID - len(digest) - 1]}-{digest}"


def _pictures(product: Product, variant: Variant) -> list[str]:
    """The variant's picture first, then the product's others."""
    own = [variant.image.src] if variant.image else []
    return list(dict.fromkeys([*own, *(image.src for image in product.images)]))


def _availability(variant: Variant) -> str:
    if variant.sold_out:
        return "out_of_stock"
    return "backorder" if variant.back_ordered else "in_stock"


def _prices(variant: Variant, currency: Currency) -> Iterator[tuple[str, str]]:
    """On sale, the price is what it was before."""
    before = variant.compare_at_price
    if before is not None and before > variant.price:
        yield "g:price", f"{currency.plain(before)} {currency.code}"
        yield "g:sale_price", f"{currency.plain(variant.price)} {currency.code}"
    else:
        yield "g:price", f"{currency.plain(variant.price)} {currency.code}"
