"""What an order is: values, read from the database by `store` and shown by templates.

An order keeps the names and prices of the moment in which it was placed; the catalogue may change after. Amounts are
integers in minor units of the order's currency, times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

FIRST_NUMBER = 1001


class Payment(StrEnum):
    """Where the money is."""

    DUE = "due"  # pay on delivery, or by invoice
    AWAITED = "awaited"  # the shopper is at the payment provider; stock is held until `payment_until`
    PAID = "paid"
    REFUNDED = "refunded"


class Fulfilment(StrEnum):
    """Where the goods are."""

    OPEN = "open"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"  # and the stock is back


@dataclass(frozen=True)
class Address:
    """Where an order goes. Fields are empty where the country's form has none; `country` is an ISO 3166 code."""

    recipient: str = ""
    line1: str = ""
    line2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""


@dataclass(frozen=True)
class OrderLine:
    """One item of an order. `stock_taken` is how many units of counted stock it holds: what a cancel puts back."""

    item: str
    title: str
    variant_title: str
    sku: str
    price: int
    quantity: int
    discount: int  # this line's share of the order's discount
    tax: int
    requires_shipping: bool
    taxable: bool
    stock_taken: int

    @property
    def total(self) -> int:
        """Before discount and added tax."""
        return self.price * self.quantity

    @property
    def full_title(self) -> str:
        return ", ".join(filter(None, (self.title, self.variant_title)))


@dataclass(frozen=True)
class Event:
    """One thing that happened to an order, such as "placed" or "shipped"."""

    at: datetime
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Order:
    """A placed order. `token` is the unguessable part of its address; `number` is for people."""

    id: int
    token: str
    placed_at: datetime
    currency: str
    locale: str
    name: str
    email: str
    address: Address
    lines: tuple[OrderLine, ...]
    shipping_title: str
    payment_method: str  # "invoice" or "stripe"
    subtotal: int
    discount_code: str
    discount: int
    shipping: int
    tax_title: str
    tax: int
    tax_included: bool  # True: `tax` is contained in the prices and not added to them
    total: int
    payment: Payment
    fulfilment: Fulfilment
    payment_until: datetime | None = None
    payment_reference: str = ""  # the provider's name for the payment
    tracking_number: str = ""
    attention: str = ""  # what the merchant must look at, such as a payment for a cancelled order
    events: tuple[Event, ...] = ()

    @property
    def number(self) -> int:
        return FIRST_NUMBER - 1 + self.id

    @property
    def count(self) -> int:
        return sum(line.quantity for line in self.lines)
