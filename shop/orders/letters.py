"""The letters about an order, to the shopper and to the merchant, in plain text.

One function for each thing that happens, with the order as it is then; each gives the letters to queue with it, in
the same transaction. Templates are `templates/mail/*.txt`, whose first line is the subject. Every value stays on its
line, whatever a shopper typed.

The shopper's letters are in the language that the order was placed in, the merchant's in the shop's own.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache

import jinja2

from shop import language
from shop.money import Currency
from shop.orders import states
from shop.orders.mail import Mail
from shop.orders.orders import Fulfilment, Order, Payment
from shop.settings import PROJECT, Settings
from shop.users import address_lines

log = logging.getLogger("shop.mail")


def letters_for_placed(order: Order, settings: Settings, origin: str) -> list[Mail]:
    """The shopper's confirmation and the merchant's notice.

    None while the payment is awaited: then they come once it is there (`letters_for_paid`). `origin` is the shop's
    address, such as "https://shop.example", for the link to the receipt; empty where it isn't known: no link then.
    """
    if order.payment is Payment.AWAITED:
        return []
    return [
        *_to_shopper("placed", order, settings, origin),
        *_to_merchant("placed-merchant", order, settings, origin),
    ]


def letters_for_paid(order: Order, settings: Settings, origin: str) -> list[Mail]:
    """For an order whose payment was awaited and came: the confirmation and the notice.

    One that asks for the merchant's attention, such as a payment for a cancelled order, gets the merchant's letter
    alone. An invoice that is paid needs no letter.
    """
    if order.attention:
        return _to_merchant("attention-merchant", order, settings, origin)
    return letters_for_placed(order, settings, origin) if order.payment_method != "invoice" else []


def letters_for_shipped(order: Order, settings: Settings, origin: str) -> list[Mail]:
    """That it is on its way, with the tracking number if there is one. Again for another number."""
    return _to_shopper("shipped", order, settings, origin)


def letters_for_cancelled(order: Order, settings: Settings, origin: str) -> list[Mail]:
    """That it won't come. None for an order whose payment never came: it was never confirmed."""
    if order.payment is Payment.AWAITED:
        return []
    return _to_shopper("cancelled", order, settings, origin)


def letters_for_refunded(order: Order, settings: Settings, origin: str) -> list[Mail]:
    """That the money is on its way back."""
    return _to_shopper("refunded", order, settings, origin)


def _to_shopper(template: str, order: Order, settings: Settings, origin: str) -> list[Mail]:
    with language.speaking(settings.language_of(order.locale)):
        return _write(template, order.email, order, settings, origin)


def _to_merchant(template: str, order: Order, settings: Settings, origin: str) -> list[Mail]:
    if not settings.merchant_email:
        return []
    with language.speaking(settings.own_language):
        return _write(template, settings.merchant_email, order, settings, origin)


def _write(template: str, recipient: str, order: Order, settings: Settings, origin: str) -> list[Mail]:
    """That letter; none where it can't be written, since no order may fail for its mail."""
    try:
        text = _render(template, order, settings, origin)
    except Exception as error:
        log.error("The letter %s of order %d can't be written: %s", template, order.number, type(error).__name__)
        return []
    subject, _, body = text.partition("\n")
    return [Mail(recipient, subject, body.strip("\n") + "\n")]


def _render(template: str, order: Order, settings: Settings, origin: str) -> str:
    return (
        _templates()
        .get_template(f"{template}.txt")
        .render(
            order=order,
            shop=settings.name,
            receipt=f"{origin}/orders/{order.token}" if origin else "",
            address=address_lines(replace(order.address, recipient=order.address.recipient or order.name)),
            money=Currency(order.currency, order.locale).format,
            attention=states.attention(order),
            cancelled=order.fulfilment is Fulfilment.CANCELLED,
        )
    )


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PROJECT / "templates" / "mail"),
        autoescape=False,  # noqa: S701 (plain text)
        undefined=jinja2.StrictUndefined,
        finalize=_on_one_line,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    language.install(environment)
    return environment


def _on_one_line(value: object) -> object:
    """A template's value without line ends and control characters. No-break spaces, as in amounts, stay."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(" " if _is_control(character) else character for character in value)


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character < "\xa0" or character in "\u2028\u2029"
