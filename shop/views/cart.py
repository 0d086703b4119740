"""`GET /cart`, `POST /cart` and `GET /cart/shared`: the cart as a whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import segno
from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, security
from shop.cart import Cart, CartError
from shop.catalogue import store
from shop.hypermedia import Message, Partial, Undo
from shop.views.shared import connection, current_contents, shop

bp = Blueprint("cart", __name__)

# A denser code than this is one that phones give up on.
_LONGEST_SCANNABLE = 900


class BadItems(CartError):
    """`items` is no cart."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"That cart could not be read: {reason}. Your own cart is as it was.")


@bp.get("/cart")
def show() -> str | BaseResponse:
    if hypermedia.wants_fragments():  # a page from the back-forward cache, or a tab that comes back, catches up
        return hypermedia.fragments(*whole_cart())
    return render_template("pages/cart.html", undo=_undo(), **share())


@bp.post("/cart")
def replace() -> BaseResponse:
    before = cookies.current_cart()
    cart = _read_items(request.form.get("items", ""))
    if request.form.get("how") == "merge":
        cart = before.merging(cart)
    cookies.keep_cart(cart)
    undo = undo_to(before) if before and not cart else None
    message = Message(_holding(current_contents().count) if cart else "Your cart is empty now.", undo=undo)
    return hypermedia.changed(
        *whole_cart(), message=message, page=url_for(".show", undo=undo and undo.fields["items"])
    )


@bp.get("/cart/shared")
def shared() -> str:
    """Offers what a shared link holds: replace this browser's cart, add to it, or leave it. Changes nothing."""
    offered = _read_items(request.args.get("items", ""))
    contents = offered.priced(store.find_variants(connection(), offered.quantities))
    return render_template("pages/cart-shared.html", offered=contents, items=cookies.encode_cart(offered))


def whole_cart() -> tuple[Partial, ...]:
    """The fragments to send when any part of the cart may have changed."""
    return (badge(), Partial("cart", "fragments/cart.html", context=share()))


def badge() -> Partial:
    return Partial("cart-count", "fragments/cart-count.html")


def summary() -> tuple[Partial, ...]:
    """What the lines come to. The forms around it stay: swapping them would lose clicks that are under way."""
    return (
        Partial("cart-subtotal", "fragments/cart-subtotal.html"),
        Partial("cart-share", "fragments/cart-share.html", context=share()),
    )


def share() -> dict[str, Any]:
    """The cart as a link, and as a QR code where a phone could still read one."""
    cart = cookies.current_cart()
    if not cart:
        return {}
    query = urlencode({"items": cookies.encode_cart(cart)})
    link = f"{security.own_origin(shop().settings)}{url_for('cart.shared')}?{query}"
    return {"share_link": link, "share_code": _qr_code(link) if len(link) <= _LONGEST_SCANNABLE else None}


def _qr_code(link: str) -> Markup:
    svg = segno.make(link, error="l", micro=False).svg_inline(
        border=3, omitsize=True, svgclass="qr-code", lineclass=None, title="QR code of your cart", light="white"
    )
    return Markup(svg)  # noqa: S704 - segno's own markup; the link is drawn, not written


def _holding(count: int) -> str:
    return f"Your cart now holds {count} {'item' if count == 1 else 'items'}."


def undo_to(cart: Cart) -> Undo:
    return Undo(url_for("cart.replace"), {"items": cookies.encode_cart(cart)})


def _undo() -> Undo | None:
    """The cart before it was emptied or a line was removed, as that redirect's query says; None if it is no cart."""
    try:
        undo = _read_items(request.args.get("undo", ""))
    except BadItems:
        return None
    return undo_to(undo) if undo and undo != cookies.current_cart() else None


def _read_items(text: str) -> Cart:
    if not text:
        raise BadItems("nothing was given")
    try:
        return cookies.decode_cart(text)
    except cookies.Unreadable as unreadable:
        raise BadItems(str(unreadable)) from None
