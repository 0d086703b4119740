"""`GET /checkout`: what is ordered, by whom, where to, how, and for how much, on one page."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from babel import Locale
from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies
from shop.asked import shop
from shop.cart import Cart
from shop.language import gettext as _
from shop.orders import addresses, payment
from shop.orders.orders import Address
from shop.orders.payment import PaymentMethod
from shop.orders.placing import Quote, Wish, quote
from shop.users import InvalidUser, Users, countries
from shop.views.shared import connection, locale

bp = Blueprint("checkout", __name__)

ADDRESS_FIELDS = tuple(asdict(Address()))
FIELDS = ("name", "email", *ADDRESS_FIELDS, "shipping", "payment", "code", "register")


@dataclass(frozen=True)
class CheckoutForm:
    """The checkout form as it was typed, with what is wrong with it. `nonce` is random and its own."""

    values: Mapping[str, str]
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_error(self) -> str | None:
        return next(iter(self.errors), None)

    @property
    def may_register(self) -> bool:
        return cookies.shopper() is None

    @property
    def address(self) -> Address:
        return Address(**{name: self.values.get(name, "").strip() for name in ADDRESS_FIELDS})

    @property
    def address_form(self) -> tuple[addresses.Field, ...]:
        """The fields of the chosen country; of the shop's own before one is chosen."""
        country = self.values.get("country", "")
        return addresses.form_of(country if country in countries() else home_country())

    def payments_for(self, total: int) -> tuple[PaymentMethod, ...]:
        """The ways to pay that total, in minor units."""
        settings = shop().settings
        return payment.offered(settings, total, settings.currency)

    def payment_for(self, total: int) -> PaymentMethod:
        """The chosen way to pay that total, or the first where none is chosen that can."""
        methods = self.payments_for(total)
        return next((method for method in methods if method.id == self.values.get("payment")), methods[0])

    def with_error(self, field: str, error: str) -> CheckoutForm:
        return replace(self, errors={**self.errors, field: error})

    def checked(self) -> tuple[CheckoutForm, Wish]:
        """The form with its errors, and what it wishes for."""
        contact, errors = _checked_contact(self.values)
        address, wrong = addresses.checked(self.address)
        errors |= wrong
        chosen = self.values.get("payment")
        if chosen and payment.find_method(shop().settings, chosen) is None:
            errors["payment"] = _("Choose one of these ways to pay.")
        form = CheckoutForm(self.values, self.nonce, errors)
        return form, self.wish(cookies.current_cart(), address=address, **contact)

    def wish(self, cart: Cart, **known: Any) -> Wish:
        """What the form asks for, as far as it says."""
        settings = shop().settings
        said: dict[str, Any] = {
            "quantities": cart.quantities,
            "nonce": self.nonce,
            "address": self.address,
            "shipping_id": self.values.get("shipping", ""),
            "code": self.values.get("code", "").strip(),
            "currency": settings.currency,
            "locale": locale(),
        }
        return Wish(**said | known)


@bp.get("/checkout")
def show() -> BaseResponse | str:
    cart = cookies.current_cart()
    if not cart:
        return redirect(url_for("cart.show"), 303)
    form = CheckoutForm(_prefilled())
    return render_page(form, quote(connection(), form.wish(cart), shop().terms, datetime.now(UTC)))


def render_page(form: CheckoutForm, quoted: Quote, changes: tuple[str, ...] = (), trouble: str = "") -> str:
    """The checkout; with what changed since it was seen, or why the order could not be taken, in sentences."""
    return render_template("pages/checkout.html", checkout=form, quote=quoted, changes=changes, trouble=trouble)


def home_country() -> str:
    """The country that the shop's locale names."""
    territory = Locale.parse(shop().settings.locale).territory
    return territory if territory in countries() else "US"


def _prefilled() -> dict[str, str]:
    shopper = cookies.shopper()
    values = {name: value for name, value in asdict(shopper).items() if name in FIELDS} if shopper else {}
    country = values.get("country") or home_country()
    region = values.get("region", "").strip()  # as it was typed, where the checkout may have a list to choose from
    return values | {"country": country, "region": addresses.regions_of(country).get(region.casefold(), region)}


def _checked_contact(values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Name and email in their usual form; and what is wrong with them."""
    typed = {name: values.get(name, "") for name in ("name", "email")}
    try:
        _users, user = Users().registering(typed)
    except InvalidUser as invalid:
        return typed, dict(invalid.errors)
    return {"name": user.name, "email": user.email}, {}
