"""What views and templates share: this request's database connection, the cart with its prices, money as text."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import current_app, g, request
from sqlalchemy.engine import Connection

from shop import Shop, cookies
from shop.cart import Contents
from shop.catalogue import store
from shop.catalogue.products import Collection
from shop.money import Currency


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


def money(minor: int) -> str:
    """The `money` filter: minor units as people read them."""
    settings = shop().settings
    return _currency(settings.currency, settings.locale).format(minor)


def context() -> dict[str, Any]:
    """What every template may use."""
    settings = shop().settings
    return {
        "shop_name": settings.name,
        "language": settings.locale.split("_")[0],
        "contents": current_contents,
        "cart_problem": cookies.cart_problem,
        "told": cookies.told,
        "users_problem": cookies.users_problem,
        "shopper": cookies.shopper,
        "menu": _menu,
        "path": request.path,
    }


def _menu() -> tuple[Collection, ...]:
    if "menu" not in g:
        g.menu = store.find_collections(connection())
    menu: tuple[Collection, ...] = g.menu
    return menu


@cache
def _currency(code: str, locale: str) -> Currency:
    return Currency(code, locale)
