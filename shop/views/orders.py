"""`/orders`: placing an order, its receipt, and the orders of this browser."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, security
from shop.asked import shop
from shop.cart import Cart
from shop.cookies import OverBudget
from shop.hypermedia import Message, Partial
from shop.language import gettext as _
from shop.money import Currency
from shop.orders import letters, payment, store
from shop.orders.orders import Order
from shop.orders.payment import PaymentMethod, ProviderError
from shop.orders.placing import Changed, NoShipping, NotTaken, Refused, RefusedCode, Seen, Wish, place, quote
from shop.users import InvalidUser, UserError
from shop.views import checkout
from shop.views.checkout import FIELDS, CheckoutForm
from shop.views.shared import connection, disconnect

bp = Blueprint("orders", __name__)

_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,15}", re.ASCII)


@bp.get("/orders")
def index() -> str:
    found = (store.find_by_token(connection(), token) for token in cookies.recent_orders())
    orders = [order for order in found if order]
    return render_template("pages/orders/index.html", orders=orders, problem=cookies.session_problem())


@bp.get("/orders/<token>")
def show(token: str) -> BaseResponse:
    order = store.find_by_token(connection(), token)
    if order is None:
        abort(404, description=_("There is no order at this address."))
    paid_by = payment.find_method(shop().settings, order.payment_method)
    answer = make_response(render_template("pages/orders/show.html", order=order, payment=paid_by))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.post("/orders")
def create() -> BaseResponse:
    """Place the order that the form shows; with `update`, only show what it comes to now."""
    nonce = request.form.get("nonce", "")
    form = CheckoutForm(_typed(), nonce) if _NONCE.fullmatch(nonce) else CheckoutForm(_typed())
    if "update" in request.form:
        return _show_again(form)
    if order := store.find_by_nonce(connection(), form.nonce):
        return _receipt(order)
    checked, wish = form.checked()
    if checked.errors or form.nonce != nonce:
        return make_response(_page(checked, wish), 422)
    wish = _with_what_was_seen(wish)
    method = form.payment_for(wish.expected_total)
    if wish.expected_total >= 0 and form.values.get("payment", method.id) != method.id:
        error = _("This total can't be paid that way. Choose another.")
        return make_response(_page(form.with_error("payment", error), wish), 422)
    return _place(form, replace(wish, payment_method=method.id), method)


def _place(form: CheckoutForm, wish: Wish, method: PaymentMethod) -> BaseResponse:
    now = datetime.now(UTC)
    settings = shop().settings
    origin = security.own_origin(settings)
    disconnect()  # what was read until here must not hold the transaction to an old moment
    try:
        order = place(
            shop().database,
            wish,
            shop().terms,
            now,
            letters=lambda order: letters.letters_for_placed(order, settings, origin),
            payment_until=now + method.holds_for if method.holds_for else None,
        )
    except (NoShipping, RefusedCode) as refused:  # which nothing but another country or code can help
        field = "country" if isinstance(refused, NoShipping) else "code"
        return make_response(checkout.render_page(form.with_error(field, str(refused)), refused.quote), 422)
    except Refused as refused:
        changes = refused.changes if isinstance(refused, Changed) else ()
        money = Currency(wish.currency, wish.locale)
        sentences = tuple(change.text(money) for change in changes) or (str(refused),)
        return make_response(checkout.render_page(form, refused.quote, sentences), 409)
    except NotTaken as error:
        return _not_taken(form, wish, error)
    if form.values.get("register"):
        _register(form)
    return _receipt(order)


def _not_taken(form: CheckoutForm, wish: Wish, error: NotTaken) -> BaseResponse:
    """The form again, to be sent as it is: nothing of it was written, and its nonce makes it one order."""
    current_app.logger.error("An order was not taken: %s", error.__cause__)
    try:
        quoted = quote(connection(), wish, shop().terms, datetime.now(UTC))
    except SQLAlchemyError:  # the database can't be read, either: there is a page that needs none
        raise error from None
    page = checkout.render_page(form, quoted, trouble=str(error))
    return make_response(page, 503, {"Retry-After": "5"})


def _receipt(order: Order) -> BaseResponse:
    """On to the receipt, or to the payment provider. The first such answer takes what was ordered out of the cart."""
    if order.token not in cookies.recent_orders():
        ordered = {line.item for line in order.lines}
        left = {item: number for item, number in cookies.current_cart().quantities.items() if item not in ordered}
        with suppress(OverBudget):
            cookies.keep_cart(Cart(left))
        cookies.remember_order(order.token)
    receipt = url_for(".show", token=order.token)
    disconnect()
    database, settings = shop().database, shop().settings
    try:
        url = payment.begin(database, settings, order, datetime.now(UTC), receipt_url=_absolute(receipt))
        return redirect(url or receipt, 303)
    except (ProviderError, SQLAlchemyError):
        text = _("Your order is placed, but the payment could not be started. Try again from here.")
        cookies.tell(text, "warning")
        return redirect(receipt, 303)


def _show_again(form: CheckoutForm) -> BaseResponse:
    """The form with what it comes to by now: whole, or for htmx the parts that a country or a method changes."""
    wish = form.wish(cookies.current_cart())
    if not hypermedia.wants_fragments():
        return make_response(_page(form, wish))
    quoted = quote(connection(), wish, shop().terms, datetime.now(UTC))
    context = {"checkout": form, "quote": quoted}
    parts = [
        Partial(f"checkout-{part}", f"fragments/checkout-{part}.html", context=context)
        for part in ("address", "shipping", "payment", "lines", "code-problem", "totals", "action")
    ]
    total = Currency(wish.currency, wish.locale).format(quoted.totals.total)
    return hypermedia.fragments(*parts, message=Message(_("The total is %(total)s.", total=total)))


def _page(form: CheckoutForm, wish: Wish) -> str:
    return checkout.render_page(form, quote(connection(), wish, shop().terms, datetime.now(UTC)))


def _typed() -> dict[str, str]:
    return {name: value for name in FIELDS if (value := request.form.get(name, ""))}


def _with_what_was_seen(wish: Wish) -> Wish:
    """The wish with the amounts that the page showed. Ones that no page showed match nothing: nothing is placed."""
    total = request.form.get("total", "")
    return replace(
        wish,
        expected_total=int(total) if _AMOUNT.fullmatch(total) else -1,
        seen=Seen.read(request.form.get("seen", "")),
    )


def _register(form: CheckoutForm) -> None:
    """Put the shopper in this browser's list, as the form's tick asks. The order stands whether or not it can be."""
    try:
        cookies.change_users(lambda users: users.registering(form.values)[0])
    except (UserError, OverBudget, SQLAlchemyError) as error:
        current_app.logger.info("A shopper could not be registered with an order")
        known = isinstance(error, InvalidUser) and set(error.errors) == {"email"}
        cookies.tell(
            _("You are registered in this browser already. What is new in your address was not kept.")
            if known
            else _("Your order is placed, but you could not be registered in this browser."),
            "warning",
        )


def _absolute(path: str) -> str:
    return security.own_origin(shop().settings) + path
