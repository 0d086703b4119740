"""Paying on Stripe's own page: a Checkout Session for each order, by Stripe's own library.

Facts about Stripe that the code relies on are cited where they are used, as of API version 2026-10-28.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import stripe

from shop.language import gettext as _
from shop.language import speaking
from shop.money import Currency
from shop.orders.orders import Order
from shop.orders.payment import HOLDS_FOR, Attempt, Forged, NotAccepted, Standing, Unavailable
from shop.settings import Settings
from shop.turns import waiting

if TYPE_CHECKING:
    from stripe.checkout import Session
    from stripe.params.checkout import SessionCreateParams

log = logging.getLogger("shop")

T = TypeVar("T")

# A shopper waits, and with them the whole worker: 2 seconds to connect, 5 for each part of an answer, and once more.
_TIMEOUT = (2, 5)
_RETRIES = 1

# "It can be anywhere from 30 minutes to 24 hours after Checkout Session creation." (expires_at, API reference)
_SHORTEST = timedelta(minutes=30)
_CLOCKS_DIFFER = timedelta(minutes=1)

# Decimals that Stripe counts in, where they aren't 2. It needn't be what people use, nor what the CLDR says: a
# forint or a króna has two at Stripe, an afghani too. UGX is in Stripe's list of those without decimals, but is sent
# with two by its special case, as ISK is. Source: docs.stripe.com/currencies, "Zero-decimal currencies",
# "Three-decimal currencies", "Special cases".
_WITHOUT = ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
_WITH_THREE = ("BHD", "JOD", "KWD", "OMR", "TND")
_DECIMALS = dict.fromkeys(_WITHOUT, 0) | dict.fromkeys(_WITH_THREE, 3)

# "These API calls require the least-significant (last) digit to be 0"; and no fractions of ISK and UGX (as above).
_MULTIPLES = dict.fromkeys(_WITH_THREE, 10) | {"ISK": 100, "UGX": 100}

_LONGEST_DESCRIPTION = 300


class StripeCheckout:
    """A `payment.PaymentMethod`. The session's address and its state are asked of Stripe whenever they are needed."""

    id = "stripe"
    holds_for: timedelta | None = HOLDS_FOR

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.origins = ("https://checkout.stripe.com", *filter(None, [settings.stripe_api]))
        client = stripe.StripeClient(
            settings.stripe_key,
            base_addresses={"api": settings.stripe_api} if settings.stripe_api else None,
            http_client=stripe.RequestsClient(timeout=_TIMEOUT),
            max_network_retries=_RETRIES,
        )
        self._sessions = client.v1.checkout.sessions

    @property
    def title(self) -> str:
        return _("Card and other ways to pay online")

    @property
    def note(self) -> str:
        return _("You pay on the page of our payment provider, Stripe, and come back here.")

    def takes(self, total: int, currency: str) -> bool:
        """True for what Stripe can charge exactly: 5.124 KWD it can't."""
        return total > 0 and stripe_amount(total, currency) is not None

    def begin(self, order: Order, now: datetime, *, success_url: str, cancel_url: str) -> Attempt:
        """The session of `order`: the one that it has, else a new one."""
        session = self._find(order) or self._create(order, self._terms(order, now, success_url, cancel_url))
        return _attempt(order, session)

    def end(self, order: Order) -> Attempt:
        """Expire the session. One that was never there, or is gone, has ended."""

        def expire() -> Session | None:
            try:
                return self._sessions.expire(order.payment_reference)
            except stripe.InvalidRequestError:  # only an open one can be expired
                return None

        session = _asking(expire) or self._find(order)
        if session is None:
            return Attempt(order.token, order.payment_reference, Standing.ENDED)
        return _attempt(order, session)

    def hear(self, body: bytes, signature: str) -> Attempt | None:
        """What an event tells. One signed more than 5 minutes ago doesn't count: somebody may have kept it."""
        try:
            secret = self._settings.stripe_webhook_secret
            stripe.WebhookSignature.verify_header(body, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
            event = json.loads(body)
        except (stripe.SignatureVerificationError, ValueError, TypeError) as error:  # no UTF-8, no JSON, no ASCII
            raise Forged(str(error)) from None
        if not isinstance(event, dict) or event.get("object") != "event" or event.get("type") not in _EVENTS:
            return None
        session = event["data"]["object"]
        token = (session.get("metadata") or {}).get("order")
        if not token:  # of another program with the same account
            return None
        standing = _EVENTS[event["type"]] or _standing(session["status"], session["payment_status"])
        return Attempt(token, session["id"], standing, paid_as=session.get("payment_intent") or "")

    def _find(self, order: Order) -> Session | None:
        """The session that the order has; None when there is none, in this account."""

        def retrieve() -> Session | None:
            try:
                return self._sessions.retrieve(order.payment_reference)
            except stripe.InvalidRequestError as error:
                if error.code == "resource_missing":
                    return None
                raise

        return _asking(retrieve) if order.payment_reference else None

    def _create(self, order: Order, terms: SessionCreateParams) -> Session:
        # The same key and terms get the same session, at once or after a lost answer. Other terms (the shop by
        # another host name) need another key: Stripe refuses a key whose terms have changed.
        digest = hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]
        key = f"{order.token}-{digest}"
        try:
            return _asking(lambda: self._sessions.create(terms, {"idempotency_key": key}))
        except Unavailable as error:
            if not _is_replayed(error.__cause__):
                raise
        # Stripe keeps a failure of its own with the key, and repeats it for a day. The address of what that request
        # may have made was told to nobody.
        return _asking(lambda: self._sessions.create(terms, {"idempotency_key": f"{key}-again"}))

    def _terms(self, order: Order, now: datetime, success_url: str, cancel_url: str) -> SessionCreateParams:
        amount = stripe_amount(order.total, order.currency)
        if amount is None:
            log.error("Stripe can't charge order %s exactly: %s %s", order.number, order.total, order.currency)
            raise NotAccepted()
        # Not in the language of this request: another language would be other terms, and so another session.
        with speaking(self._settings.language_of(order.locale)):
            title = _("%(shop)s, order %(number)s", shop=self._settings.name, number=order.number)
        terms: SessionCreateParams = {
            "mode": "payment",
            # One line, of the total: discounts, shipping and tax are ours, and rounding can't come between.
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": amount,
                        "product_data": {"name": title, "description": _contents(order)},
                    },
                }
            ],
            "client_reference_id": str(order.number),
            "metadata": {"order": order.token},
            "payment_intent_data": {"description": title, "metadata": {"order": order.token}},
            "expires_at": _expires_at(order, now),
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        if order.email.isascii():  # Stripe refuses the rest, and asks for one on its page instead
            terms["customer_email"] = order.email
        return terms


def stripe_amount(minor: int, currency: str) -> int | None:
    """Minor units as Stripe counts them: 500 ISK are 50000, 5000 JPY are 5000; None where it can't say it exactly."""
    amount = Decimal(minor).scaleb(_DECIMALS.get(currency, 2) - Currency(currency).decimals)
    return int(amount) if amount % _MULTIPLES.get(currency, 1) == 0 else None


# What each event says of its session; None: the session itself says.
_EVENTS: Mapping[str, Standing | None] = {
    "checkout.session.completed": None,  # paid, or by a way to pay that takes days
    "checkout.session.async_payment_succeeded": Standing.PAID,
    "checkout.session.async_payment_failed": Standing.ENDED,
    "checkout.session.expired": Standing.ENDED,
}


def _attempt(order: Order, session: Session) -> Attempt:
    money = session.payment_intent
    return Attempt(
        token=order.token,
        reference=session.id,
        standing=_standing(session.status, session.payment_status),
        url=session.url or "",
        paid_as=money if isinstance(money, str) else "",
    )


def _standing(status: str | None, payment_status: str) -> Standing:
    if payment_status in ("paid", "no_payment_required"):
        return Standing.PAID
    return {"open": Standing.OPEN, "complete": Standing.PROCESSING}.get(status or "", Standing.ENDED)


def _expires_at(order: Order, now: datetime) -> int:
    """When the session ends, in seconds since 1970: with the held stock, or at least half an hour from now.

    It moves by whole half hours, so that repeated requests say the same.
    """
    at = order.payment_until or order.placed_at + HOLDS_FOR
    while at < now + _SHORTEST + _CLOCKS_DIFFER:
        at += _SHORTEST
    return int(at.timestamp())


def _contents(order: Order) -> str:
    text = ", ".join(f"{line.quantity} × {line.full_title}" for line in order.lines)
    return text if len(text) <= _LONGEST_DESCRIPTION else text[: _LONGEST_DESCRIPTION - 1] + "…"


def _asking(request: Callable[[], T]) -> T:
    """What Stripe answers. Raises Unavailable or NotAccepted, from the library's own error."""
    try:
        with waiting():
            return request()
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        log.warning("Stripe is not available: %s", _summary(error))
        raise Unavailable() from error
    except stripe.StripeError as error:
        log.error("Stripe did not accept a request: %s", _summary(error))
        raise NotAccepted() from error


def _is_replayed(error: BaseException | None) -> bool:
    """True for an answer that Stripe had kept. Source: "Idempotent requests", API reference."""
    return isinstance(error, stripe.StripeError) and (error.headers or {}).get("idempotent-replayed") == "true"


def _summary(error: stripe.StripeError) -> str:
    """For the log: which, and its name at Stripe. Its message may repeat what was sent, such as an address."""
    known = (error.http_status, error.code, getattr(error, "param", None), error.request_id, error.__cause__)
    return " ".join([type(error).__name__, *(str(part)[:300] for part in known if part)])
