"""What a page shows, in schema.org's words for search engines: JSON-LD as plain dicts. Imports no Flask.

Sources: schema.org; Google's documentation of merchant listings, product variants, breadcrumbs and site names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from shop.catalogue.gtin import gtin_of
from shop.catalogue.plain_text import plain_text
from shop.catalogue.products import Card, Image, Product, Variant
from shop.money import Currency

Thing = dict[str, Any]

MOST_VARIANTS = 100  # that are listed one by one: a page is not to weigh more for machines than for people

# What options are called, and the property that both schema.org and Google's product feed have for them.
_PROPERTIES = {
    **dict.fromkeys(("color", "colour", "colors", "colours", "farbe", "couleur", "цвет"), "color"),
    **dict.fromkeys(("size", "sizes", "größe", "grösse", "taille", "размер"), "size"),
    **dict.fromkeys(("material", "materials", "fabric", "matériau", "материал"), "material"),
    **dict.fromkeys(("pattern", "print", "muster", "motif", "узор"), "pattern"),
}


class Addresses(Protocol):
    """Absolute addresses of a shop's pages and pictures."""

    def home(self) -> str: ...
    def search(self, words: str) -> str: ...
    def product(self, handle: str, item: str = "") -> str: ...
    def picture(self, src: str) -> str: ...


def product(product: Product, currency: Currency, addresses: Addresses) -> Thing:
    """A Product with its Offer; for one that comes in several variants, a ProductGroup with a Product for each.

    One in more than MOST_VARIANTS is a Product with the range of their prices.
    """
    if len(product.variants) == 1:
        return _page(_shared(product, addresses) | _sold(product, product.variants[0], currency, addresses))
    if len(product.variants) > MOST_VARIANTS:
        return _page(_shared(product, addresses) | {"offers": _range(product, currency)})
    varies_by = dict.fromkeys(filter(None, map(property_of, product.option_names)))
    group = {
        "@type": "ProductGroup",
        "productGroupID": product.handle,
        "variesBy": [f"https://schema.org/{name}" for name in varies_by],
        "hasVariant": [_variant(product, variant, currency, addresses) for variant in product.variants],
    }
    return _page(_shared(product, addresses) | _without_blanks(group))


def breadcrumbs(trail: Sequence[tuple[str, str]]) -> Thing:
    """The way to a page: names and addresses, the page's own last."""
    steps = [
        {"@type": "ListItem", "position": position, "name": name, "item": {"@id": url}}
        for position, (name, url) in enumerate(trail, start=1)
    ]
    return _page({"@type": "BreadcrumbList", "itemListElement": steps})


def item_list(cards: Iterable[Card], first: int, addresses: Addresses) -> Thing:
    """Products of a listing, counted on from `first`."""
    items = [
        {"@type": "ListItem", "position": position, "url": addresses.product(card.handle)}
        for position, card in enumerate(cards, start=first)
    ]
    return _page({"@type": "ItemList", "itemListElement": items})


def organization(name: str, logo: str, addresses: Addresses) -> Thing:
    """The shop. `logo` is an absolute address."""
    return _page({"@type": "Organization", "name": name, "url": addresses.home(), "logo": logo})


def website(name: str, addresses: Addresses) -> Thing:
    """The shop's site, and how to search it."""
    action = {
        "@type": "SearchAction",
        "target": {"@type": "EntryPoint", "urlTemplate": addresses.search("{words}")},
        "query-input": "required name=words",
    }
    return _page({"@type": "WebSite", "name": name, "url": addresses.home(), "potentialAction": action})


def property_of(option_name: str) -> str | None:
    """The property that an option such as "Colour" is: `"color"`, `"size"`, `"material"`, `"pattern"` or none."""
    return _PROPERTIES.get(option_name.strip().casefold())


def properties_of(product: Product, variant: Variant) -> dict[str, str]:
    """The values of a variant that have a property: `{"color": "Blue"}`. Of two options alike the first counts."""
    pairs = zip(map(property_of, product.option_names), variant.option_values, strict=True)
    return {name: value for name, value in reversed(list(pairs)) if name}


def _page(thing: Thing) -> Thing:
    return {"@context": "https://schema.org"} | thing


def _shared(product: Product, addresses: Addresses) -> Thing:
    """What is true of the product in any variant."""
    return _without_blanks(
        {
            "@type": "Product",
            "name": product.title,
            "url": addresses.product(product.handle),
            "description": plain_text(product.description),
            "image": [addresses.picture(image.src) for image in product.images],
            "brand": {"@type": "Brand", "name": product.vendor} if product.vendor else None,
            "category": product.category or product.type,
        }
    )


def _variant(product: Product, variant: Variant, currency: Currency, addresses: Addresses) -> Thing:
    others = [
        {"@type": "PropertyValue", "name": name, "value": value}
        for name, value in zip(product.option_names, variant.option_values, strict=True)
        if not property_of(name)
    ]
    return {
        "@type": "Product",
        "name": variant.full_title,
        **_without_blanks({"image": _picture(variant.image, addresses), "additionalProperty": others}),
        **properties_of(product, variant),
        **_sold(product, variant, currency, addresses),
    }


def _sold(product: Product, variant: Variant, currency: Currency, addresses: Addresses) -> Thing:
    """How a variant is known, and its offer."""
    item = "" if len(product.variants) == 1 else variant.item
    offer = {
        "@type": "Offer",
        "url": addresses.product(product.handle, item),
        "price": currency.plain(variant.price),
        "priceCurrency": currency.code,
        "availability": f"https://schema.org/{_availability(variant)}",
        "itemCondition": "https://schema.org/NewCondition",
    }
    return _without_blanks({"sku": _sku(product, variant), "gtin": gtin_of(variant.barcode), "offers": offer})


def _range(product: Product, currency: Currency) -> Thing:
    prices = [variant.price for variant in product.variants]
    sold_out = all(variant.sold_out for variant in product.variants)
    return {
        "@type": "AggregateOffer",
        "lowPrice": currency.plain(min(prices)),
        "highPrice": currency.plain(max(prices)),
        "priceCurrency": currency.code,
        "offerCount": len(prices),
        "availability": f"https://schema.org/{'OutOfStock' if sold_out else 'InStock'}",
    }


def _sku(product: Product, variant: Variant) -> str:
    """The merchant's label; the item where that is missing, or doesn't tell this variant from another."""
    labels = Counter(each.sku for each in product.variants)
    return variant.sku if variant.sku and labels[variant.sku] == 1 else variant.item


def _availability(variant: Variant) -> str:
    if variant.sold_out:
        return "OutOfStock"
    return "BackOrder" if variant.back_ordered else "InStock"


def _picture(image: Image | None, addresses: Addresses) -> str | None:
    return addresses.picture(image.src) if image else None


def _without_blanks(thing: Thing) -> Thing:
    return {name: value for name, value in thing.items() if value}
