"""`/orders/<token>/payment` and `/payments`: a shopper goes off to pay, and the provider tells what became of it."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response as BaseResponse

from shop.asked import shop
from shop.language import gettext as _
from shop.orders import payment, store
from shop.orders.orders import Order
from shop.orders.payment import Forged, ProviderError, Unavailable
from shop.security import own_origin
from shop.views.shared import connection, disconnect

bp = Blueprint("payments", __name__)

_LARGEST_EVENT = 1024 * 1024  # bytes: an event holds the whole of what it is about
_SECONDS_TO_TRY_AGAIN = 30


@bp.post("/orders/<token>/payment")
def create(token: str) -> BaseResponse:
    """Pay an order that awaits it, or go on paying: a 303 to the provider. Any other is shown its receipt.

    A provider that fails is a page with a button to try again; the order is as it was.
    """
    order = store.find_by_token(connection(), token)
    if order is None:
        abort(404, description=_("There is no such order in this shop. Its address may have been cut short."))
    receipt = url_for("orders.show", token=order.token)
    settings = shop().settings
    disconnect()  # a database connection needn't wait for the provider
    try:
        url = payment.begin(
            shop().database, settings, order, datetime.now(UTC), receipt_url=own_origin(settings) + receipt
        )
    except ProviderError as error:
        return _problem(order, error)
    return redirect(url or receipt, 303)


@bp.post("/payments/stripe")
def stripe() -> BaseResponse:
    """An event from Stripe. What can't be shown to be Stripe's is refused; all else is taken, known or not.

    An answer of 500 makes Stripe send it again, for three days. Source: docs.stripe.com/webhooks.
    """
    method = payment.find_method(shop().settings, "stripe")
    if method is None:
        abort(404, description="This shop takes no payments through Stripe.")
    request.max_content_length = _LARGEST_EVENT
    try:
        attempt = method.hear(request.get_data(cache=False), request.headers.get("Stripe-Signature", ""))
    except Forged as forged:
        current_app.logger.warning("An event that is not Stripe's, or not signed now, was refused: %s", forged)
        return _plain("The signature does not fit.", 400)
    if attempt:
        payment.settle(shop().database, shop().settings, attempt, datetime.now(UTC))
    return _plain("Thank you.", 200)


def _problem(order: Order, error: ProviderError) -> BaseResponse:
    temporary = isinstance(error, Unavailable)
    page = render_template("pages/payment-problem.html", order=order, problem=str(error), temporary=temporary)
    answer = make_response(page, 503 if temporary else 502)
    if temporary:
        answer.headers["Retry-After"] = str(_SECONDS_TO_TRY_AGAIN)
    return answer


def _plain(text: str, status: int) -> BaseResponse:
    return make_response(text, status, {"Content-Type": "text/plain; charset=utf-8"})
