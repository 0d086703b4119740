"""The rules of schema.org, and Google's for those who sell, for what this shop says in JSON-LD.

`complaints(thing)` is empty for what is right. The table was taken from schema.org's own vocabulary; what Google
requires is in its documentation of merchant listings, product variants, breadcrumbs and site names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from shop.catalogue.gtin import gtin_of

Kind = str | Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def is_address(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[!-~]+", value) is not None


def is_reference(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"@id"} and is_address(value["@id"])


def is_price(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) is not None


def is_currency(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value) is not None


def is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def is_gtin(value: Any) -> bool:
    return isinstance(value, str) and gtin_of(value) == value


def one_of(*names: str) -> Callable[[Any], bool]:
    return lambda value: value in [f"https://schema.org/{name}" for name in names]


# A property's values, each of one of these kinds: a test, or the name of a type.
PRODUCT: dict[str, tuple[Kind, ...]] = {
    "name": (is_text,),
    "url": (is_address,),
    "description": (is_text,),
    "image": (is_address,),
    "brand": ("Brand",),
    "category": (is_text,),
    "sku": (is_text,),
    "gtin": (is_gtin,),
    "color": (is_text,),
    "size": (is_text,),
    "material": (is_text,),
    "pattern": (is_text,),
    "additionalProperty": ("PropertyValue",),
    "offers": ("Offer", "AggregateOffer"),
}
AVAILABILITY = one_of("InStock", "OutOfStock", "BackOrder")
TYPES: dict[str, dict[str, tuple[Kind, ...]]] = {
    "Product": PRODUCT,
    "ProductGroup": PRODUCT
    | {
        "productGroupID": (is_text,),
        "variesBy": (one_of("color", "size", "material", "pattern"),),
        "hasVariant": ("Product",),
    },
    "Offer": {
        "url": (is_address,),
        "price": (is_price,),
        "priceCurrency": (is_currency,),
        "availability": (AVAILABILITY,),
        "itemCondition": (one_of("NewCondition"),),
    },
    "AggregateOffer": {
        "lowPrice": (is_price,),
        "highPrice": (is_price,),
        "priceCurrency": (is_currency,),
        "offerCount": (is_count,),
        "availability": (AVAILABILITY,),
    },
    "Brand": {"name": (is_text,)},
    "PropertyValue": {"name": (is_text,), "value": (is_text,)},
    "BreadcrumbList": {"itemListElement": ("ListItem",)},
    "ItemList": {"itemListElement": ("ListItem",)},
    "ListItem": {"position": (is_count,), "name": (is_text,), "item": (is_reference,), "url": (is_address,)},
    "Organization": {"name": (is_text,), "url": (is_address,), "logo": (is_address,)},
    "WebSite": {"name": (is_text,), "url": (is_address,), "potentialAction": ("SearchAction",)},
    "SearchAction": {"target": ("EntryPoint",), "query-input": (is_text,)},
    "EntryPoint": {"urlTemplate": (is_text,)},
}
REQUIRED = {
    "Product": {"name", "offers"},
    "ProductGroup": {"name", "url", "productGroupID", "hasVariant"},
    "Offer": {"url", "price", "priceCurrency", "availability"},
    "AggregateOffer": {"lowPrice", "priceCurrency"},
    "BreadcrumbList": {"itemListElement"},
    "ItemList": {"itemListElement"},
    "ListItem": {"position"},
    "Organization": {"name", "url"},
    "WebSite": {"name", "url"},
    "SearchAction": {"target", "query-input"},
}


def complaints(thing: Any) -> list[str]:
    """What is wrong with a page's thing, in a line each."""
    found = list(_complaints(thing, "page"))
    if isinstance(thing, dict) and thing.get("@context") != "https://schema.org":
        found.append("page: no @context")
    return found


def _complaints(thing: Any, place: str) -> Iterator[str]:
    kind = thing.get("@type") if isinstance(thing, dict) else None
    if kind not in TYPES:
        yield f"{place}: {thing!r} is no thing that is known here"
        return
    properties = {name: value for name, value in thing.items() if name not in ("@type", "@context")}
    for name in sorted(REQUIRED.get(kind, set()) - set(properties)):
        yield f"{place}: a {kind} needs {name}"
    for name, value in properties.items():
        if name not in TYPES[kind]:
            yield f"{place}: a {kind} has no {name}"
            continue
        for each in value if isinstance(value, list) and value else [value]:
            yield from _of_property(each, TYPES[kind][name], f"{place}.{name}")
    if kind == "ProductGroup":
        yield from _of_group(thing, place)
    if kind in ("BreadcrumbList", "ItemList"):
        positions = [item.get("position") for item in thing.get("itemListElement", [])]
        if positions != list(range(positions[0], positions[0] + len(positions))):
            yield f"{place}: positions {positions} are no count"


def _of_property(value: Any, kinds: tuple[Kind, ...], place: str) -> Iterator[str]:
    types = [kind for kind in kinds if isinstance(kind, str)]
    if isinstance(value, dict) and value.get("@type") in types:
        yield from _complaints(value, place)
    elif not any(kind(value) for kind in kinds if callable(kind)):
        yield f"{place}: {value!r} is none of its values"


def _of_group(group: dict[str, Any], place: str) -> Iterator[str]:
    """Each variant must be told from the others, by its sku and by its address."""
    variants = group.get("hasVariant", [])
    for keys in ([variant.get("sku") for variant in variants], [variant["offers"]["url"] for variant in variants]):
        if len(set(keys)) < len(keys) or None in keys:
            yield f"{place}: variants share {keys}"
