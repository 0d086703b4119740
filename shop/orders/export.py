"""Orders as files for other programs: CSV in the columns of Shopify's order export, and JSON lines with everything.

Where the two shops differ, the CSV says things as Shopify would: Subtotal is after the discount, Financial Status is
one of pending, paid, refunded, voided, and all addresses are the one address that an order has. What Shopify has a
column for and this shop doesn't know stays blank.

Cells that were typed by shoppers, or come from a catalogue, are defused: one that a spreadsheet would take for a
formula, `+49…` among them, gets an apostrophe in front. The JSON has the text as it is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO

from shop.money import Currency
from shop.orders.orders import Fulfilment, Order, OrderLine, Payment

# Shopify's, in its order. Source: its help page "Exporting orders", and exports of 2024.
COLUMNS = (
    "Name",
    "Email",
    "Financial Status",
    "Paid at",
    "Fulfillment Status",
    "Fulfilled at",
    "Accepts Marketing",
    "Currency",
    "Subtotal",
    "Shipping",
    "Taxes",
    "Total",
    "Discount Code",
    "Discount Amount",
    "Shipping Method",
    "Created at",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem price",
    "Lineitem compare at price",
    "Lineitem sku",
    "Lineitem requires shipping",
    "Lineitem taxable",
    "Lineitem fulfillment status",
    "Billing Name",
    "Billing Street",
    "Billing Address1",
    "Billing Address2",
    "Billing Company",
    "Billing City",
    "Billing Zip",
    "Billing Province",
    "Billing Country",
    "Billing Phone",
    "Shipping Name",
    "Shipping Street",
    "Shipping Address1",
    "Shipping Address2",
    "Shipping Company",
    "Shipping City",
    "Shipping Zip",
    "Shipping Province",
    "Shipping Country",
    "Shipping Phone",
    "Notes",
    "Note Attributes",
    "Cancelled at",
    "Payment Method",
    "Payment Reference",
    "Refunded Amount",
    "Vendor",
    "Outstanding Balance",
    "Employee",
    "Location",
    "Device ID",
    "Id",
    "Tags",
    "Risk Level",
    "Source",
    "Lineitem discount",
    *(f"Tax {number} {what}" for number in range(1, 6) for what in ("Name", "Value")),
    "Phone",
    "Receipt Number",
    "Duties",
    "Billing Province Name",
    "Shipping Province Name",
    "Payment ID",
    "Payment Terms Name",
    "Next Payment Due At",
    "Payment References",
)

# What starts a formula somewhere: as OWASP's "CSV Injection" has it, with the full-width signs.
_FORMULA = tuple("=+-@＝＋－＠")
_CONTROL = tuple("\t\n")

_AMOUNTS = frozenset(("subtotal", "discount", "shipping", "tax", "total", "price"))


def write_csv(orders: Iterable[Order], file: TextIO) -> int:
    """Write `orders` as CSV, one row for each line; how many orders it were.

    An order's first row has all that is the order's; the others repeat only its number, email and time. `file` is
    opened with newline="".
    """
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    return _write_each(orders, lambda order: writer.writerows(_rows(order)))


def write_jsonl(orders: Iterable[Order], file: TextIO) -> int:
    """Write `orders` as JSON, one to a line, in ASCII; how many it were.

    An object has the fields of `Order`, but for what opens its receipt, and its lines and history. Amounts are
    decimal texts ("19.99") in the order's currency, times are ISO 8601 in UTC.
    """
    return _write_each(orders, lambda order: file.write(json.dumps(_record(order)) + "\n"))


def _write_each(orders: Iterable[Order], write: Callable[[Order], object]) -> int:
    count = 0
    for order in orders:
        write(order)
        count += 1
    return count


def defused(text: str) -> str:
    """`text` for a cell of a CSV that people open in a spreadsheet: never a formula there. Its line ends are LF."""
    # A lone CR would end the row: Python's writer quotes only what its own line ends are made of.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    risky = text.startswith(_CONTROL) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky else text


def _rows(order: Order) -> Iterator[Mapping[str, object]]:
    named = {"Name": f"#{order.number}", "Email": defused(order.email), "Created at": _time(order.placed_at)}
    first = _of_order(order)
    for line in order.lines:
        yield named | first | _of_line(order, line)
        first = {}


def _of_order(order: Order) -> dict[str, object]:
    money = Currency(order.currency).plain
    refunded = order.payment is Payment.REFUNDED
    due = order.payment in (Payment.DUE, Payment.AWAITED) and order.fulfilment is not Fulfilment.CANCELLED
    return {
        "Financial Status": _financial_status(order),
        "Paid at": _paid_at(order),
        "Fulfillment Status": "fulfilled" if order.fulfilment is Fulfilment.SHIPPED else "unfulfilled",
        "Fulfilled at": _at(order, "shipped"),
        "Accepts Marketing": "no",
        "Currency": order.currency,
        "Subtotal": money(order.subtotal - order.discount),
        "Shipping": money(order.shipping),
        "Taxes": money(order.tax),
        "Total": money(order.total),
        "Discount Code": defused(order.discount_code),
        "Discount Amount": money(order.discount),
        "Shipping Method": defused(order.shipping_title),
        **_address(order, "Billing", order.name),
        **_address(order, "Shipping", order.address.recipient or order.name),
        "Notes": defused(order.attention),
        "Note Attributes": f"Tracking number: {order.tracking_number}" if order.tracking_number else "",
        "Cancelled at": _at(order, "cancelled"),
        "Payment Method": order.payment_method,
        "Payment Reference": defused(order.payment_reference),
        "Payment References": defused(order.payment_reference),
        "Refunded Amount": money(order.total if refunded else 0),
        "Outstanding Balance": money(order.total if due else 0),
        "Id": order.id,
        "Source": "web",
        "Tax 1 Name": defused(order.tax_title),
        "Tax 1 Value": money(order.tax) if order.tax_title else "",
        "Phone": defused(order.address.phone),
    }


def _of_line(order: Order, line: OrderLine) -> dict[str, object]:
    money = Currency(order.currency).plain
    return {
        "Lineitem quantity": line.quantity,
        "Lineitem name": defused(" - ".join(filter(None, (line.title, line.variant_title)))),
        "Lineitem price": money(line.price),
        "Lineitem sku": defused(line.sku),
        "Lineitem requires shipping": _boolean(line.requires_shipping),
        "Lineitem taxable": _boolean(line.taxable),
        "Lineitem fulfillment status": "fulfilled" if order.fulfilment is Fulfilment.SHIPPED else "pending",
        # An order's discount is in Discount Amount. Shopify's column is for discounts of one line, beside that.
        "Lineitem discount": money(0),
    }


def _address(order: Order, kind: str, name: str) -> dict[str, object]:
    address = order.address
    parts = {
        "Name": name,
        "Street": ", ".join(filter(None, (address.line1, address.line2))),
        "Address1": address.line1,
        "Address2": address.line2,
        "City": address.city,
        "Zip": address.postcode,
        "Province": address.region,
        "Country": address.country,
        "Phone": address.phone,
    }
    return {f"{kind} {part}": defused(text) for part, text in parts.items()}


def _financial_status(order: Order) -> str:
    if order.payment in (Payment.PAID, Payment.REFUNDED):
        return order.payment.value
    return "voided" if order.fulfilment is Fulfilment.CANCELLED else "pending"


def _paid_at(order: Order) -> str:
    """When the money came; for an order of nothing to pay, when it was placed."""
    if order.payment not in (Payment.PAID, Payment.REFUNDED):
        return ""
    return _at(order, "paid") or _time(order.placed_at)


def _at(order: Order, what: str) -> str:
    """When that first happened; empty when it didn't."""
    return next((_time(event.at) for event in order.events if event.what == what), "")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _record(order: Order) -> dict[str, Any]:
    plain = Currency(order.currency).plain

    def said(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {name: said(each, name) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [said(each) for each in value]
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="seconds")
        return plain(value) if name in _AMOUNTS else value

    data: dict[str, Any] = asdict(order)
    del data["id"], data["token"]
    return {"number": order.number, **said(data)}
