"""What views and templates share: this request's database connection, the cart with its prices, money as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_datetime
from babel.numbers import format_decimal
from flask import current_app, g, request
from sqlalchemy.engine import Connection

from shop import Shop, cookies, language, users
from shop.cart import Cart, Contents
from shop.catalogue import store
from shop.catalogue.products import Collection
from shop.money import Currency
from shop.orders.orders import Fulfilment, Order, Payment


def shop() -> Shop:
    found: Shop = current_app.extensions["shop"]
    return found


def connection() -> Connection:
    """This request's connection, to read with; opened at its first use."""
    if "connection" not in g:
        g.connection = shop().database.engine.connect()
    opened: Connection = g.connection
    return opened


def disconnect(_error: BaseException | None = None) -> None:
    if "connection" in g:
        g.pop("connection").close()


def current_contents() -> Contents:
    """The cart of this request, priced; read again when the cart has changed since."""
    cart = cookies.current_cart()
    if g.get("priced_cart") != cart:
        g.priced_cart = cart
        g.contents = cart.priced(store.find_variants(connection(), cart.quantities))
    contents: Contents = g.contents
    return contents


def money(minor: int, currency: str = "") -> str:
    """The `money` filter: minor units, of the shop's currency unless it is named, as people read them."""
    return _currency(currency or shop().settings.currency, locale()).format(minor)


def date(moment: datetime) -> str:
    """The `date` filter: a day and a time as people read them, in UTC."""
    return format_datetime(moment, "medium", locale=locale())


def number(count: int) -> str:
    """The `number` filter: a count as people read it."""
    return format_decimal(count, locale=locale())


def locale() -> str:
    """The locale of amounts and dates in what is answered now."""
    return shop().settings.locale_of(language.spoken())


def status(order: Order) -> str:
    """The `status` filter: where an order stands, in a word or two."""
    if order.fulfilment == Fulfilment.CANCELLED:
        return "Refunded" if order.payment == Payment.REFUNDED else "Cancelled"
    if order.fulfilment == Fulfilment.SHIPPED:
        return "Shipped"
    waiting = {Payment.AWAITED: "Awaiting payment", Payment.REFUNDED: "Refunded", Payment.PAID: "Paid"}
    return waiting.get(order.payment, "Placed")


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
        "language": language.spoken(),
        "languages": settings.languages,
        "contents": current_contents,
        "cart_problem": cookies.cart_problem,
        "told": cookies.told,
        "users_problem": cookies.users_problem,
        "shopper": cookies.shopper,
        "menu": _menu,
        "path": request.path,
        "page_address": _page_address(),
    }


def _page_address() -> str:
    """The page on screen without the language its address may ask for: what a choice of another comes back to."""
    query = [(name, value) for name, value in request.args.items(multi=True) if name != "language"]
    return request.path + ("?" + urlencode(query) if query else "")


def _menu() -> tuple[Collection, ...]:
    if "menu" not in g:
        g.menu = store.find_collections(connection())
    menu: tuple[Collection, ...] = g.menu
    return menu


@cache
def _currency(code: str, locale: str) -> Currency:
    return Currency(code, locale)
