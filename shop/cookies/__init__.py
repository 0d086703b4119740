"""How JSON travels in a cookie: encoding, limits, flags. The only package that touches cookies.

Views ask `current_cart()` and hand a new one to `keep_cart()`; the answer carries it. Nothing is written on a GET,
nor when nothing changed. Formats, names and budgets are DESIGN's, and the README shows them. A module for each
cookie, on what `jar` gives them all; `inspection` is what a visitor may see and erase.
"""

from __future__ import annotations

from flask import Flask

from shop.cookies import jar, session
from shop.cookies.cart import CART, cart_problem, current_cart, decode_cart, encode_cart, keep_cart
from shop.cookies.inspection import KINDS, Kept, erase, foreign_names, has_any, inspect, kept
from shop.cookies.jar import Kind, OverBudget, Unreadable, decode, encode, seal
from shop.cookies.language import keep_language, language
from shop.cookies.lists import (
    decode_saved,
    encode_saved,
    keep_saved,
    recent_products,
    remember_product,
    saved_items,
    saved_problem,
)
from shop.cookies.session import is_told, recent_orders, remember_order, session_problem, tell, told
from shop.cookies.users import (
    UserList,
    change_users,
    choose_shopper,
    current_user_list,
    current_users,
    shopper,
    users_problem,
)
from shop.settings import Settings

__all__ = [
    "CART",
    "KINDS",
    "Kept",
    "Kind",
    "OverBudget",
    "Unreadable",
    "UserList",
    "cart_problem",
    "change_users",
    "choose_shopper",
    "current_cart",
    "current_user_list",
    "current_users",
    "decode",
    "decode_cart",
    "decode_saved",
    "encode",
    "encode_cart",
    "encode_saved",
    "erase",
    "foreign_names",
    "has_any",
    "init_app",
    "inspect",
    "is_told",
    "keep_cart",
    "keep_language",
    "keep_saved",
    "kept",
    "language",
    "recent_orders",
    "recent_products",
    "remember_order",
    "remember_product",
    "saved_items",
    "saved_problem",
    "seal",
    "session_problem",
    "shopper",
    "tell",
    "told",
    "users_problem",
]


def init_app(app: Flask, settings: Settings) -> None:
    jar.init_app(app)
    session.init_app(app, settings)
