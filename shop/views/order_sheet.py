"""Adding several variants at once, which the order sheet on a product's page posts to `/cart-items`."""

from __future__ import annotations

from collections.abc import Sequence

from flask import abort, make_response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, language
from shop.cart import BadQuantity, Change, parse_quantity
from shop.catalogue import store
from shop.catalogue.products import MOST_ON_A_SHEET, Variant
from shop.cookies import OverBudget
from shop.errors import BadForm
from shop.hypermedia import Link, Message, Partial
from shop.language import gettext as _
from shop.language import ngettext
from shop.views import carried, products
from shop.views.products import Sheet
from shop.views.shared import connection, find_variants


def is_sent() -> bool:
    """True when the form names several items, each with its quantity."""
    return len(request.form.getlist("item")) > 1


def add() -> BaseResponse:
    """Add as many of each `item` as the `quantity` beside it says, as far as stock goes; all of it, or nothing."""
    typed = _typed()
    found = find_variants([*typed, *cookies.current_cart().quantities])
    variants = [found[item] for item in typed if item in found and found[item].visible]
    if not variants:
        abort(404, description=_("This item is not in the shop (any more)."))
    handle = variants[0].handle
    if len(variants) < len(typed):
        problem = _("Not all of these are in the shop any more, so nothing was added yet. Look over the others.")
        return _refuse(handle, Sheet(typed, problem=problem))
    wishes: list[tuple[Variant, int]] = []
    errors: dict[str, str] = {}
    for variant in variants:
        try:
            wishes.append((variant, parse_quantity(typed[variant.item] or "0", least=0)))
        except BadQuantity as refusal:
            errors[variant.item] = str(refusal)
    if errors:
        item, error = next(iter(errors.items()))
        problem = _("%(title)s: %(problem)s", title=found[item].full_title, problem=error)
        return _refuse(handle, Sheet(typed, errors, problem))
    changes = cookies.current_cart().adding_all((variant, quantity) for variant, quantity in wishes if quantity)
    if not changes:
        return _refuse(handle, Sheet(typed, problem=_("Set how many you want of at least one of them.")))
    try:
        cookies.keep_cart(changes[-1].cart)
    except OverBudget as refusal:
        return _refuse(handle, Sheet(typed, problem=str(refusal)))
    partials = (*carried.whole_cart(), _rows(handle, Sheet()))
    return hypermedia.changed(*partials, message=_added(changes), page=url_for("cart.show"))


def _typed() -> dict[str, str]:
    """What was typed for each item, in the form's order. Raises BadForm for what no sheet sends."""
    items, quantities = request.form.getlist("item"), request.form.getlist("quantity")
    if len(items) != len(quantities):
        raise BadForm("quantity", str(len(quantities)), _("there once for each item"))
    if len(set(items)) != len(items) or len(items) > MOST_ON_A_SHEET:
        raise BadForm("item", str(len(items)), _("a different one each time, at most %(most)s", most=MOST_ON_A_SHEET))
    return dict(zip(items, quantities, strict=True))


def _refuse(handle: str, sheet: Sheet) -> BaseResponse:
    """Say why not, with all that was typed: for htmx on the sheet and aloud; else on the product's page."""
    if hypermedia.wants_fragments():
        return hypermedia.fragments(_rows(handle, sheet), message=Message(sheet.problem, "bad"), status=422)
    product = store.find_product(connection(), handle, language.spoken())
    assert product is not None
    return make_response(products.page(product, product.first_choice, sheet=sheet), 422)


def _rows(handle: str, sheet: Sheet) -> Partial:
    """The sheet's lines, and what is wrong with them. Its form stays: swapping it would lose clicks under way."""
    context = {"product": store.find_product(connection(), handle, language.spoken()), "sheet": sheet}
    return Partial("order-sheet-rows", "fragments/order-sheet-rows.html", context=context)


def _added(changes: Sequence[Change]) -> Message:
    """What came of it all, with the name of each that there was less of than was asked for."""
    count = sum(max(0, change.after - change.before) for change in changes)
    short = "; ".join(_short(change) for change in changes if change.short)
    link = Link(url_for("cart.show"), _("See the cart"), opens="cart-drawer")
    if not count:
        return Message(_("Nothing was added. There is no more of: %(short)s.", short=short), "warning", link=link)
    if not short:
        text = ngettext("%(num)s item was added to your cart.", "%(num)s items were added to your cart.", count)
        return Message(text, link=link)
    text = ngettext(
        "%(num)s item was added to your cart. There was less than you asked for of: %(short)s.",
        "%(num)s items were added to your cart. There was less than you asked for of: %(short)s.",
        count,
        short=short,
    )
    return Message(text, "warning", link=link)


def _short(change: Change) -> str:
    if change.after:
        return _("%(title)s (%(count)s in your cart)", title=change.variant.full_title, count=change.after)
    return _("%(title)s (sold out)", title=change.variant.full_title)
