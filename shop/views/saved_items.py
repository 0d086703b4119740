"""`/saved` and `/saved-items`: what a visitor keeps for later, and moves to and from the cart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace as with_changes

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia
from shop.cart import Cart
from shop.cookies import OverBudget
from shop.hypermedia import Link, Message, Undo
from shop.language import gettext as _
from shop.views import carried, cart_items
from shop.views.cart import BadItems, read_items, undo_to
from shop.views.shared import current_contents, find_variants

bp = Blueprint("saved_items", __name__)


@bp.get("/saved")
def index() -> str:
    return render_template("pages/saved.html", undo=_undo())


@bp.post("/saved")
def replace() -> BaseResponse:
    """Replace the list by `items`, the same JSON as the cookie, and the cart by `cart` where it is given: an undo."""
    saved = _read_list(request.form.get("items", ""))
    if "cart" not in request.form:
        cookies.keep_saved(saved)
        message = Message(_("Your saved list is as it was."))
        return hypermedia.changed(*carried.saved_list(), message=message, page=url_for(".index"))
    _keep(saved, read_items(request.form["cart"]))
    message = Message(_("Your cart and your saved list are as they were."))
    page = url_for("cart.show") if request.form.get("from") == "cart" else url_for(".index")
    return hypermedia.changed(*carried.everything(), message=message, page=page)


@bp.post("/saved-items")
def create() -> BaseResponse:
    """Save `item`; with `from=cart`, move it out of the cart, all of it."""
    item = request.form.get("item", "")
    return _take_from_cart(item) if request.form.get("from") == "cart" else _save(item)


@bp.post("/saved-items/<path:item>/move")
def move(item: str) -> BaseResponse:
    """Move it to the cart: one, if there is one to be had."""
    saved, cart = cookies.saved_items(), cookies.current_cart()
    rest = _without(item)
    variant = cart_items.find(item)
    if variant is None:
        return cart_items.ask_for_choice(item)
    change = cart.adding(variant)
    _keep(rest, change.cart)
    undo = Undo(url_for(".replace"), {"items": cookies.encode_saved(saved), "cart": cookies.encode_cart(cart)})
    partials = (*carried.whole_cart(added=item), *carried.saved_list(gone=item))
    message = with_changes(cart_items.added(change), undo=undo)
    return hypermedia.changed(*partials, message=message, page=_index_with(undo))


@bp.post("/saved-items/<path:item>/delete")
def delete(item: str) -> BaseResponse:
    saved = cookies.saved_items()
    cookies.keep_saved(_without(item))
    undo = Undo(url_for(".replace"), {"items": cookies.encode_saved(saved)})
    message = Message(_("%(title)s is off your saved list.", title=_title(item)), undo=undo)
    return hypermedia.changed(*carried.saved_list(gone=item), message=message, page=_index_with(undo))


def _save(item: str) -> BaseResponse:
    variant = cart_items.find(item)
    if variant is None:
        return cart_items.ask_for_choice(item)
    saved = cookies.saved_items()
    if item in saved:
        text = _("%(title)s is already on your saved list.", title=variant.full_title)
    else:
        cookies.keep_saved((item, *saved))
        text = _("%(title)s is saved for later.", title=variant.full_title)
    message = Message(text, link=Link(url_for(".index"), _("See the list")))
    return hypermedia.changed(*carried.saved_list(), message=message, page=url_for(".index"))


def _take_from_cart(item: str) -> BaseResponse:
    saved, cart = cookies.saved_items(), cookies.current_cart()
    line = current_contents().line(item)
    if line is None:
        abort(404, description=_("This item is not in your cart any more."))
    if line.variant is None:
        abort(404, description=_("This item is no longer in the shop. You can remove it from your cart."))
    _keep((item, *saved), cart.removing(item))
    undo = undo_to(cart, saved)
    partials = (*carried.without_line(item), *carried.saved_list())
    message = Message(_("%(title)s is saved for later.", title=line.full_title), undo=undo)
    page = url_for("cart.show", undo=undo.fields["cart"], saved=undo.fields["items"])
    return hypermedia.changed(*partials, message=message, page=page)


def _keep(saved: Iterable[str], cart: Cart) -> None:
    """Send both with this answer; or, where one of them has no room, neither. Raises OverBudget."""
    before = cookies.saved_items()
    cookies.keep_saved(saved)
    try:
        cookies.keep_cart(cart)
    except OverBudget:
        cookies.keep_saved(before)
        raise


def _without(item: str) -> tuple[str, ...]:
    """The list without `item`. Aborts with 404 when it isn't there."""
    saved = cookies.saved_items()
    if item not in saved:
        abort(404, description=_("This item is not on your saved list any more."))
    return tuple(each for each in saved if each != item)


def _title(item: str) -> str:
    variant = find_variants([item]).get(item)
    return variant.full_title if variant else item


def _read_list(text: str) -> tuple[str, ...]:
    try:
        return cookies.decode_saved(text)
    except cookies.Unreadable as unreadable:
        text = _("That saved list could not be read: %(reason)s. Your own list is as it was.", reason=unreadable)
        abort(422, description=text)


def _index_with(undo: Undo) -> str:
    """The list's page, which offers `undo` to a browser without JavaScript."""
    return url_for(".index", undo=undo.fields["items"], cart=undo.fields.get("cart"))


def _undo() -> Undo | None:
    """What was there before something left the list, as that redirect's query says; None if it isn't."""
    try:
        saved = cookies.decode_saved(request.args.get("undo", ""))
        cart = read_items(request.args["cart"]) if "cart" in request.args else None
    except (BadItems, cookies.Unreadable):
        return None
    if saved == cookies.saved_items():
        return None
    fields = {"items": cookies.encode_saved(saved)}
    return Undo(url_for(".replace"), fields if cart is None else fields | {"cart": cookies.encode_cart(cart)})
