"""`/cart-items`: adding to the cart, and changing or removing one line of it."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, delivery, hypermedia, language
from shop.cart import BadQuantity, BadStep, CartError, Change, Line, OutOfStock, parse_quantity
from shop.catalogue import store
from shop.catalogue.products import MOST_OF_ONE, Variant
from shop.cookies import OverBudget
from shop.hypermedia import Link, Message, Partial
from shop.language import gettext as _
from shop.views import carried, order_sheet, products
from shop.views.cart import in_cart, page_with_refused, undo_to
from shop.views.shared import address_of, connection, current_contents, find_variants

bp = Blueprint("cart_items", __name__)


@bp.get("/cart-items")
def new() -> str | BaseResponse:
    """A link that offers to add an item. It shows what, and a button; it changes nothing."""
    item = request.args.get("item", "")
    variant = find(item)
    if variant is None:
        return redirect(url_for("products.show", handle=item, quantity=request.args.get("quantity")), 303)
    quantity, error = request.args.get("quantity") or "1", ""
    try:
        parse_quantity(quantity)
    except BadQuantity as refusal:
        quantity, error = "1", _("The link asks for a quantity that can't be. %(refusal)s", refusal=refusal)
    return render_template("pages/cart-item-offer.html", variant=variant, quantity=quantity, error=error)


@bp.post("/cart-items")
def create() -> BaseResponse:
    """Add `quantity` (1 if missing) of `item`; or of each of several items."""
    if order_sheet.is_sent():
        return order_sheet.add()
    item, quantity = request.form.get("item", ""), request.form.get("quantity", "1")
    variant = find(item)
    if variant is None:
        return ask_for_choice(item)
    try:
        change = cookies.current_cart().adding(variant, parse_quantity(quantity))
        cookies.keep_cart(change.cart)
    except (CartError, OverBudget) as refusal:
        return _refuse(variant, quantity, refusal)
    page = address_of("cart.show")
    message = replace(added(change), link=Link(page, _("See the cart"), opens="cart-drawer"))
    delivery.keep(with_stock=True)  # who puts the same into the same cart gets the same answer
    return hypermedia.changed(*carried.whole_cart(added=item), message=message, page=page)


@bp.post("/cart-items/<path:item>")
def update(item: str) -> BaseResponse:
    """Set the line's `quantity`; or change it by `step`, 1 or -1, so that each of ten quick clicks counts."""
    cart = cookies.current_cart()
    if not cart[item]:
        abort(404, description=_("This item is not in your cart any more."))
    line = current_contents().line(item)
    assert line is not None
    try:
        quantity = _wanted_quantity(line.quantity)
    except BadQuantity as refusal:
        return _refuse_quantity(item, request.form.get("quantity", ""), refusal)
    if quantity <= 0:
        return _remove(line)
    if line.variant is None:
        abort(404, description=_("This item is no longer in the shop. You can remove it from your cart."))
    try:
        change = cart.setting(line.variant, quantity)
        cookies.keep_cart(change.cart)
    except (OutOfStock, OverBudget) as refusal:
        return _refuse_quantity(item, str(quantity), refusal)
    return hypermedia.changed(*carried.line(item), message=_set(change), page=url_for("cart.show"))


def find(item: str) -> Variant | None:
    """The variant that `item` names; None when it is a product with a choice to make. Aborts with 404 otherwise."""
    # With it, in one query, what the answer will show.
    variant = find_variants([item, *cookies.current_cart().quantities]).get(item)
    if variant is not None and variant.visible:
        return variant
    if not (item and store.find_product(connection(), item)):
        abort(404, description=_("This item is not in the shop (any more)."))
    return None


def ask_for_choice(handle: str) -> BaseResponse:
    """The answer to a product's handle where a variant's item was wanted."""
    product = store.find_product(connection(), handle, language.spoken())
    assert product is not None
    text = _("%(title)s comes in several versions: choose one first.", title=product.title)
    if hypermedia.wants_fragments():
        link = Link(url_for("products.show", handle=handle), _("See the choices"))
        return hypermedia.fragments(message=Message(text, "warning", link=link), status=422)
    return make_response(products.page(product, product.first_choice, error=text), 422)


def _refuse(variant: Variant, quantity: str, refusal: Exception) -> BaseResponse:
    """Say why not: for htmx beside the quantity and aloud; else on the product's page, with what was typed kept."""
    text = str(refusal)
    if hypermedia.wants_fragments():
        beside = Partial("add-form-error", swap="textContent", html=text)
        return hypermedia.fragments(beside, message=Message(text, "bad"), status=422)
    product = store.find_product(connection(), variant.handle, language.spoken())
    assert product is not None
    return make_response(products.page(product, variant, quantity, text), 422)


def _wanted_quantity(now: int) -> int:
    """What the form asks for, where the line counts `now`. Raises BadQuantity and BadStep."""
    step = request.form.get("step")
    if step is None:
        return parse_quantity(request.form.get("quantity", ""), least=0)
    if step not in ("1", "-1"):
        raise BadStep()
    return min(now + int(step), MOST_OF_ONE)


def _refuse_quantity(item: str, typed: str, refusal: Exception) -> BaseResponse:
    """Say why a line stays as it was; what was typed stays, to be corrected."""
    if not hypermedia.wants_fragments():
        return page_with_refused(carried.Refused(item, typed, str(refusal)))
    # An emptied field has nothing to correct, nor has a wish that there is no stock or room for.
    shown = () if isinstance(refusal, BadQuantity) and typed.strip() else carried.line(item)
    return hypermedia.fragments(*shown, message=Message(str(refusal), "bad"), status=422)


def _remove(line: Line) -> BaseResponse:
    undo = undo_to(cookies.current_cart())
    cookies.keep_cart(cookies.current_cart().removing(line.item))
    message = Message(_("%(title)s is out of your cart.", title=line.full_title), undo=undo)
    page = url_for("cart.show", undo=undo.fields["items"])
    return hypermedia.changed(*carried.without_line(line.item), message=message, page=page)


def added(change: Change) -> Message:
    """What came of adding."""
    title, after = change.variant.full_title, change.after
    if change.after <= change.before:
        text = _("You already have all that can be had of %(title)s: %(count)s.", title=title, count=after)
        return Message(text, "warning")
    if change.short:
        return _fewer(change)
    return Message(in_cart(title, after))


def _set(change: Change) -> Message:
    if change.short:
        return _fewer(change)
    return Message(_("%(title)s: %(count)s in your cart.", title=change.variant.full_title, count=change.after))


def _fewer(change: Change) -> Message:
    text = _(
        "Only %(count)s of %(title)s can be had, so your cart now holds %(count)s.",
        title=change.variant.full_title,
        count=change.after,
    )
    return Message(text, "warning")
