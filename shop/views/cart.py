"""`GET /cart`, `POST /cart`, `GET /cart/shared` and its QR code: the cart as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, language
from shop.cart import Cart, CartError
from shop.catalogue import store
from shop.hypermedia import Message, Undo
from shop.language import gettext as _
from shop.language import ngettext
from shop.views import carried, head
from shop.views.for_everybody import Made, for_everybody
from shop.views.shared import connection, current_contents

bp = Blueprint("cart", __name__)


class BadItems(CartError):
    """`items` is no cart."""

    def __init__(self, reason: str) -> None:
        super().__init__(_("That cart could not be read: %(reason)s. Your own cart is as it was.", reason=reason))


@bp.get("/cart")
def show() -> Made | BaseResponse:
    if hypermedia.wants_fragments():  # the drawer opens, or a page that was left for a while catches up
        return hypermedia.fragments(*carried.everything())
    return _page(_undo()) if "undo" in request.args else _usual_page()


@for_everybody
def _usual_page() -> str:
    return _page()


def _page(undo: Undo | None = None) -> str:
    return render_template("pages/cart.html", head=head.of_cart(), undo=undo)


def page_with_refused(quantity: carried.Refused) -> BaseResponse:
    """The cart as it is, with why a line's new quantity was refused beside what was typed."""
    cart = carried.cart(refused=quantity)
    return make_response(render_template("pages/cart.html", head=head.of_cart(), cart=cart), 422)


@bp.post("/cart")
def replace() -> BaseResponse:
    before = cookies.current_cart()
    cart = read_items(request.form.get("items", ""))
    if request.form.get("how") == "merge":
        cart = before.merging(cart)
    cookies.keep_cart(cart)
    undo = undo_to(before) if before and not cart else None
    back = cart.item_beyond(before) or ""  # as when its line was removed, and that is undone
    return hypermedia.changed(
        *carried.whole_cart(added=back),
        message=Message(_holding(back), undo=undo),
        page=url_for(".show", undo=undo and undo.fields["items"]),
    )


@bp.get("/cart/shared")
def shared() -> str:
    """Offers what a shared link holds: replace this browser's cart, add to it, or leave it. Changes nothing."""
    offered = read_items(request.args.get("items", ""))
    contents = offered.priced(store.find_variants(connection(), offered.quantities, language.spoken()))
    return render_template("pages/cart-shared.html", offered=contents, items=cookies.encode_cart(offered))


@bp.get("/cart/shared.svg")
def shared_code() -> BaseResponse:
    """The QR code of the link that offers `items`. An image of its own, so that only who opens it waits for it."""
    import segno  # seldom needed, and over a megabyte

    link = carried.shared_link(cookies.encode_cart(read_items(request.args.get("items", ""))))
    if len(link) > carried.LONGEST_SCANNABLE:
        raise BadItems(_("it is too long for a QR code"))
    drawing = BytesIO()
    segno.make(link, error="l", micro=False).save(
        drawing, kind="svg", border=3, omitsize=True, xmldecl=False, svgclass=None, lineclass=None, light="white"
    )
    # Its address says all that it shows.
    headers = {"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=31536000, immutable"}
    return BaseResponse(drawing.getvalue(), headers=headers)


def _holding(back: str) -> str:
    """What the cart holds now, where `back` is the item that came to it, if it is one."""
    contents = current_contents()
    if not contents.lines:
        return _("Your cart is empty now.")
    if line := contents.line(back):
        return in_cart(line.full_title, line.wanted)
    count = contents.count
    return ngettext("Your cart now holds %(num)s item.", "Your cart now holds %(num)s items.", count)


def in_cart(title: str, count: int) -> str:
    """That so many of something are in the cart."""
    if count == 1:
        return _("%(title)s is in your cart.", title=title)
    return ngettext(
        "%(num)s of %(title)s is in your cart.", "%(num)s of %(title)s are in your cart.", count, title=title
    )


def undo_to(cart: Cart, saved: Iterable[str] | None = None) -> Undo:
    """How to get this cart back, and the saved list where it was changed as well."""
    items = cookies.encode_cart(cart)
    if saved is None:
        return Undo(url_for("cart.replace"), {"items": items})
    return Undo(url_for("saved_items.replace"), {"cart": items, "items": cookies.encode_saved(saved), "from": "cart"})


def read_items(text: str) -> Cart:
    """The cart that `text` is, as JSON. Raises BadItems."""
    if not text:
        raise BadItems(_("nothing was given"))
    try:
        return cookies.decode_cart(text)
    except cookies.Unreadable as unreadable:
        raise BadItems(str(unreadable)) from None


def _undo() -> Undo | None:
    """What was there before a line or all of them left the cart, as that redirect's query says; None if it isn't."""
    try:
        before = read_items(request.args.get("undo", ""))
        saved = cookies.decode_saved(request.args["saved"]) if "saved" in request.args else None
    except (BadItems, cookies.Unreadable):
        return None
    return undo_to(before, saved) if before and before != cookies.current_cart() else None
