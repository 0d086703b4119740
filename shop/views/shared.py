"""What views and templates share: this request's database connection, the cart with its prices, money as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from babel.dates import format_date, format_time, get_datetime_format
from babel.numbers import format_decimal
from flask import Flask, current_app, g, request
from markupsafe import Markup
from sqlalchemy.engine import Connection
from werkzeug.routing import MapAdapter

from shop import cookies, delivery, hypermedia, language, users
from shop.asked import known, shop
from shop.cart import Cart, Contents, Line
from shop.catalogue import store
from shop.catalogue.listing import find_collections
from shop.catalogue.products import Collection, Variant
from shop.catalogue.prose import fitted
from shop.language import N_
from shop.language import gettext as _
from shop.money import Currency
from shop.orders.orders import Event, Fulfilment, Order, Payment

_GROUPED = 1_000  # counts below it are written alike in all languages
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")

_EVENTS = {
    "placed": N_("Placed"),
    "paid": N_("Paid"),
    "paid again": N_("Paid again"),
    "shipped": N_("Shipped"),
    "tracking number": N_("Tracking number"),
    "cancelled": N_("Cancelled"),
    "refunded": N_("Refunded"),
    "settled": N_("Settled"),
}


def connection() -> Connection:
    """This request's connection, to read with; opened at its first use."""
    if "connection" not in g:
        g.connection = shop().database.borrow()
    opened: Connection = g.connection
    return opened


def disconnect(_error: BaseException | None = None) -> None:
    if "connection" in g:
        shop().database.give_back(g.pop("connection"))


def find_variants(items: Iterable[str]) -> dict[str, Variant]:
    """Variants by item, as `store.find_variants` has them. What is known of this catalogue is not asked for again."""
    known = _known_now("variant", items)
    if unread := [item for item, variant in known.items() if variant is None]:
        found = store.find_variants(connection(), unread, language.spoken())
        read = {item: found.get(item, _UNKNOWN) for item in unread}
        _know("variant", read, 1000)
        known |= read
    return {item: variant for item, variant in known.items() if variant is not _UNKNOWN}


_UNKNOWN = object()


def _known_now(kind: str, names: Iterable[str]) -> dict[str, Any]:
    """What was read of the catalogue as it is now, in the language that is spoken; None for what must be read."""
    memory, version, spoken = shop().parts, delivery.version(), language.spoken()
    if version is None:
        return dict.fromkeys(names)
    return {name: memory.get((kind, name, spoken), version) for name in names}


def _know(kind: str, values: Mapping[str, Any], size: int) -> None:
    """Keep values, each of about `size` bytes, for as long as the catalogue stays as when this request began."""
    memory, version, spoken = shop().parts, delivery.version(), language.spoken()
    if version is not None:
        for name, value in values.items():
            memory.put((kind, name, spoken), value, size, version)


def current_contents() -> Contents:
    """The cart of this request, priced; worked out again when the cart has changed since."""
    cart = cookies.current_cart()
    priced: tuple[Cart, Contents] | None = known().get("priced")
    if priced is None or priced[0] is not cart:
        priced = known()["priced"] = cart, cart.priced(find_variants(cart.quantities))
    return priced[1]


def saved_lines() -> tuple[Line, ...]:
    """What is saved for later, one of each, as the catalogue has it now."""
    saved = Cart(dict.fromkeys(cookies.saved_items(), 1))
    return saved.priced(find_variants(saved.quantities)).lines


def address_of(endpoint: str, /, **values: Any) -> str:
    """What templates know as `url_for`: the path of a page."""
    for value in values.values():
        if type(value) is not str or not _PLAIN.fullmatch(value):
            return _address_of(endpoint, **values)
    # The names in most links need no escaping, and hardly ever are the same: they are put into an address's form.
    address = _form(endpoint, *values)
    for name, value in values.items():
        address = address.replace(f"~{name}~", value)
    return address


@lru_cache(maxsize=2_000)
def _form(endpoint: str, *names: str) -> str:
    """The address with `~name~` where each value goes."""
    return _address_of(endpoint, **{name: f"~{name}~" for name in names})


@lru_cache(maxsize=2_000)
def _address_of(endpoint: str, /, **values: Any) -> str:
    return _urls(current_app._get_current_object()).build(endpoint, values)  # type: ignore[attr-defined]


@cache
def _urls(app: Flask) -> MapAdapter:
    """The app's addresses, as they are on whatever host."""
    return app.url_map.bind("localhost")


def money(minor: int, currency: str = "") -> str:
    """The `money` filter: minor units, of the shop's currency unless it is named, as people read them."""
    return shop().currency(language.spoken(), currency).format(minor)


def plain_money(minor: int) -> str:
    """The `plain_money` filter: minor units of the shop's currency as a number to type, without its sign."""
    return Currency(shop().settings.currency).plain(minor)


def date(moment: datetime) -> str:
    """The `date` filter: a day and a time as people read them, in UTC."""
    day, time = format_date(moment, "medium", locale=locale()), format_time(moment, "short", locale=locale())
    pattern = str(get_datetime_format("medium", locale=locale()))
    return pattern.replace("'", "").replace("{1}", day).replace("{0}", time) + " UTC"


def prose(description: str) -> Markup:
    """The `prose` filter: a product's description, which was cleaned at import, as its page shows it."""
    return Markup(fitted(description))  # noqa: S704


def number(count: int) -> str:
    """The `number` filter: a count as people read it."""
    return str(count) if 0 <= count < _GROUPED else _decimal(count, locale())


def locale() -> str:
    """The locale of amounts and dates in what is answered now."""
    return shop().currency(language.spoken()).locale


def status(order: Order) -> str:
    """The `status` filter: where an order stands, in a word or two."""
    if order.fulfilment == Fulfilment.CANCELLED:
        return _("Refunded") if order.payment == Payment.REFUNDED else _("Cancelled")
    if order.fulfilment == Fulfilment.SHIPPED:
        return _("Shipped")
    waiting = {Payment.AWAITED: N_("Awaiting payment"), Payment.REFUNDED: N_("Refunded"), Payment.PAID: N_("Paid")}
    return _(waiting.get(order.payment, N_("Placed")))


def event(event: Event) -> str:
    """The `event` filter: what happened to an order, in a word or two."""
    return _(_EVENTS[event.what])


def address_lines(order: Order) -> tuple[str, ...]:
    """The `address_lines` filter: where an order goes, as on a label."""
    address = replace(order.address, recipient=order.address.recipient or order.name)
    return users.address_lines(address)


def items_json(order: Order) -> str:
    """The `items_json` filter: what an order held, as a cart to merge."""
    return cookies.encode_cart(Cart({line.item: line.quantity for line in order.lines}))


def context() -> dict[str, Any]:
    """What every template may use."""
    settings = shop().settings
    return {
        "shop_name": settings.name,
        "theme": settings.theme,
        "language": language.spoken(),
        "languages": settings.languages,
        "contents": current_contents,
        "cart_problem": cookies.cart_problem,
        "saved_items": cookies.saved_items,
        "saved_lines": saved_lines,
        "saved_problem": cookies.saved_problem,
        "told": cookies.told,
        "users_problem": cookies.users_problem,
        "shopper": cookies.shopper,
        "menu": menu,
        "path": request.path,
        "page_address": _page_address,
    }


def _page_address() -> str:
    """The page on screen without the language its address may ask for: what a choice of another comes back to."""
    if request.method in ("GET", "HEAD"):
        path, query = quote(request.path), list(request.args.items(multi=True))
    else:  # the answer to a form has no address of its own: back to the page that the form was on
        path, query = _referring_page()
    kept = [(name, value) for name, value in query if name != "language"]
    return path + ("?" + urlencode(kept) if kept else "")


def _referring_page() -> tuple[str, list[tuple[str, str]]]:
    page = hypermedia.split_address(request.referrer or "")
    return page.path or "/", parse_qsl(page.query, keep_blank_values=True)


def menu() -> tuple[Collection, ...]:
    """The collections, as the header and the home page list them."""
    menu: tuple[Collection, ...] | None = _known_now("menu", [""])[""]
    if menu is None:
        menu = find_collections(connection())
        _know("menu", {"": menu}, 500 * len(menu))
    return menu


@lru_cache(maxsize=2_000)
def _decimal(count: int, locale: str) -> str:
    return format_decimal(count, locale=locale)
