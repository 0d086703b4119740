"""`/cart-items`: adding to the cart, and changing or removing one line of it."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia
from shop.cart import BadQuantity, BadStep, CartError, Change, Line, parse_quantity
from shop.catalogue import store
from shop.catalogue.products import MOST_OF_ONE, Variant
from shop.cookies import OverBudget
from shop.hypermedia import Link, Message, Partial
from shop.views import products
from shop.views.cart import badge, summary, undo_to, whole_cart
from shop.views.shared import connection, current_contents

bp = Blueprint("cart_items", __name__)


@bp.get("/cart-items")
def new() -> str | BaseResponse:
    """A link that offers to add an item. It shows what, and a button; it changes nothing."""
    item = request.args.get("item", "")
    variant = _find(item)
    if variant is None:
        return redirect(url_for("products.show", handle=item), 303)
    quantity, error = request.args.get("quantity") or "1", ""
    try:
        parse_quantity(quantity)
    except BadQuantity as refusal:
        quantity, error = "1", f"The link asks for a quantity that can't be. {refusal}"
    return render_template("pages/cart-item-offer.html", variant=variant, quantity=quantity, error=error)


@bp.post("/cart-items")
def create() -> BaseResponse:
    """Add `quantity` (1 if missing) of `item`."""
    item, quantity = request.form.get("item", ""), request.form.get("quantity", "1")
    variant = _find(item)
    if variant is None:
        return _ask_for_choice(item)
    try:
        change = cookies.current_cart().adding(variant, parse_quantity(quantity))
        cookies.keep_cart(change.cart)
    except (CartError, OverBudget) as refusal:
        return _refuse(variant, quantity, refusal)
    # A line that the page shows changes in place; a new one brings the whole cart.
    on_cart_page = hypermedia.page_on_screen() == url_for("cart.show")
    partials = whole_cart() if on_cart_page else (badge(),)
    return hypermedia.changed(*partials, message=_added(change), page=url_for("cart.show"))


@bp.post("/cart-items/<path:item>")
def update(item: str) -> BaseResponse:
    """Set the line's `quantity`; or change it by `step`, 1 or -1, so that each of ten quick clicks counts."""
    cart = cookies.current_cart()
    if not cart[item]:
        abort(404, description="This item is not in your cart any more.")
    line = current_contents().line(item)
    assert line is not None
    quantity = _wanted_quantity(line.quantity)
    if quantity <= 0:
        return _remove(line)
    if line.variant is None:
        abort(404, description="This item is no longer in the shop. You can remove it from your cart.")
    change = cart.setting(line.variant, quantity)
    cookies.keep_cart(change.cart)
    return hypermedia.changed(*_line(item), message=_set(change), page=url_for("cart.show"))


def _find(item: str) -> Variant | None:
    """The variant that `item` names; None when it is a product with a choice to make. Aborts with 404 otherwise."""
    variant = store.find_variants(connection(), [item]).get(item)
    if variant is not None and variant.visible:
        return variant
    if not (item and store.find_product(connection(), item)):
        abort(404, description="This item is not in the shop (any more).")
    return None


def _ask_for_choice(handle: str) -> BaseResponse:
    product = store.find_product(connection(), handle)
    assert product is not None
    text = f"{product.title} comes in several versions: choose one first."
    if hypermedia.wants_fragments():
        link = Link(url_for("products.show", handle=handle), "See the choices")
        return hypermedia.fragments(message=Message(text, "warning", link=link), status=422)
    return make_response(products.render(product, product.first_choice, error=text), 422)


def _refuse(variant: Variant, quantity: str, refusal: Exception) -> BaseResponse:
    """Say why not: for htmx beside the quantity and aloud; else on the product's page, with what was typed kept."""
    text = str(refusal)
    if hypermedia.wants_fragments():
        beside = Partial("add-form-error", None, "textContent", {"text": text})
        return hypermedia.fragments(beside, message=Message(text, "bad"), status=422)
    product = store.find_product(connection(), variant.handle)
    assert product is not None
    return make_response(products.render(product, variant, quantity, text), 422)


def _wanted_quantity(now: int) -> int:
    """What the form asks for, where the line counts `now`. Raises BadQuantity and BadStep."""
    step = request.form.get("step")
    if step is None:
        return parse_quantity(request.form.get("quantity", ""), least=0)
    if step not in ("1", "-1"):
        raise BadStep()
    return min(now + int(step), MOST_OF_ONE)


def _remove(line: Line) -> BaseResponse:
    undo = undo_to(cookies.current_cart())
    cookies.keep_cart(cookies.current_cart().removing(line.item))
    message = Message(f"{line.full_title} is out of your cart.", undo=undo)
    gone = Partial(f"cart-line-{hypermedia.dom_id(line.item)}", None, "delete")
    partials = (badge(), gone, *summary()) if cookies.current_cart() else whole_cart()
    return hypermedia.changed(*partials, message=message, page=url_for("cart.show", undo=undo.fields["items"]))


def _line(item: str) -> tuple[Partial, ...]:
    """What a new quantity changes. The line's forms stay: swapping them would lose clicks that are under way."""
    line = current_contents().line(item)
    key = f"cart-line-{hypermedia.dom_id(item)}"
    parts = ("quantity", "total", "problem")
    return (
        badge(),
        *summary(),
        *(Partial(f"{key}-{part}", f"fragments/cart-line-{part}.html", context={"line": line}) for part in parts),
    )


def _added(change: Change) -> Message:
    title, after = change.variant.full_title, change.after
    if change.after <= change.before:
        return Message(f"You already have all that can be had of {title}: {after}.", "warning")
    if change.short:
        return Message(f"Only {after} of {title} can be had, so your cart now holds {after}.", "warning")
    return Message(f"{title} is in your cart: {after} of it." if after > 1 else f"{title} is in your cart.")


def _set(change: Change) -> Message:
    title, after = change.variant.full_title, change.after
    if change.short:
        return Message(f"Only {after} of {title} can be had, so your cart now holds {after}.", "warning")
    return Message(f"{title}: {after} in your cart.")
