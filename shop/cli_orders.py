"""`shop orders`: what the merchant sees of them, and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import click

from shop.cli_shared import chosen_settings, of_catalogue, opened, printable, show_table
from shop.database import Database
from shop.money import Currency
from shop.orders import letters, payment, states, store, telling
from shop.orders.mail import Mail
from shop.orders.orders import FIRST_NUMBER, Fulfilment, Order, Payment
from shop.orders.payment import ProviderError, Standing
from shop.orders.states import NotPossible
from shop.settings import Settings
from shop.users import address_lines

Step = Callable[[Database, int, datetime], Order]
Letters = Callable[[Order, Settings, str], Sequence[Mail]]


class Number(click.ParamType[int]):
    """An order's number, as people write it: 1001 or #1001."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).removeprefix("#")
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            self.fail(f"{value!r} is not the number of an order, such as {FIRST_NUMBER}.", param, ctx)
        return int(text)


NUMBER = Number()


@click.group()
@of_catalogue
def orders() -> None:
    """See orders, and note what becomes of them.

    On a terminal they are tables; in a pipe, a line each with tabs between the cells and no headings. Times are UTC.
    """


@orders.command("list")
@click.option("--payment", type=click.Choice([each.value for each in Payment]), help="Only those.")
@click.option("--fulfilment", type=click.Choice([each.value for each in Fulfilment]), help="Only those.")
@click.option("--attention", is_flag=True, help="Only those that somebody must look at.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
def list_(payment: str | None, fulfilment: str | None, attention: bool, limit: int) -> None:
    """List orders, the newest first.

    In a pipe the cells are: number, time, name, units, total, currency, payment, fulfilment, what needs attention.
    """
    with opened(chosen_settings()) as database, database.reading() as connection:
        found = store.list_orders(
            connection, payment=payment, fulfilment=fulfilment, attention=attention, limit=limit
        )
    headings = ("Order", "Placed", "Name", "Units", "Total", "", "Payment", "Fulfilment", "Attention")
    show_table(headings, map(_summary, found))


@orders.command()
@click.argument("number", type=NUMBER)
def show(number: int) -> None:
    """Show an order with its lines and its history.

    In a pipe the first cell of each line says what follows: a field's name, "line" or "event".
    """
    settings = chosen_settings()
    with opened(settings) as database:
        order = _find(database, number)
    show_table(("Order", str(order.number)), _facts(order, settings))
    show_table(("Units", "Item", "Title", "SKU", "Price", "Total"), _lines(order), kind="line")
    show_table(("When", "What", "Detail"), _history(order), kind="event")


@orders.command()
@click.argument("number", type=NUMBER)
def paid(number: int) -> None:
    """Note that an order's money has come.

    A payment that was still open at the provider is ended there, so that nobody pays twice.
    """
    settings = chosen_settings()
    with opened(settings) as database:
        before = _find(database, number)
        told = _change(database, settings, before, states.mark_paid, letters.letters_for_paid)
        _report(told, "is paid", "was paid already")
        if told.changed:
            _end_open_payment(database, settings, before)


@orders.command()
@click.argument("number", type=NUMBER)
@click.option("--tracking", default="", metavar="NUMBER", help="The carrier's number for the parcel.")
def ship(number: int, tracking: str) -> None:
    """Note that an order is on its way, and tell the shopper.

    Again with another tracking number, that one counts, and the shopper is told again.
    """

    def step(database: Database, order_id: int, now: datetime) -> Order:
        return states.ship(database, order_id, now, tracking.strip())

    settings = chosen_settings()
    with opened(settings) as database:
        told = _change(database, settings, _find(database, number), step, letters.letters_for_shipped)
    _report(told, "is shipped", "was shipped already")


@orders.command()
@click.argument("number", type=NUMBER)
@click.option("--reason", default="", help="For the order's history.")
def cancel(number: int, reason: str) -> None:
    """Cancel an order: its stock goes back, and the shopper is told.

    A payment that is still awaited is ended at the provider first. One that came needs a refund after this.
    """

    def step(database: Database, order_id: int, now: datetime) -> Order:
        return states.cancel(database, order_id, now, reason.strip())

    settings = chosen_settings()
    with opened(settings) as database:
        before = _find(database, number)
        _end_awaited_payment(database, settings, before)
        told = _change(database, settings, before, step, letters.letters_for_cancelled)
    _report(told, "is cancelled", "was cancelled already")


@orders.command()
@click.argument("number", type=NUMBER)
@click.option("--reason", default="", help="For the order's history.")
def refund(number: int, reason: str) -> None:
    """Note that an order's money went back, and tell the shopper.

    This moves no money: do that first, at the payment provider or your bank.
    """

    def step(database: Database, order_id: int, now: datetime) -> Order:
        return states.refund(database, order_id, now, reason.strip())

    settings = chosen_settings()
    with opened(settings) as database:
        told = _change(database, settings, _find(database, number), step, letters.letters_for_refunded)
    _report(told, "is refunded", "was refunded already")


@orders.command()
@click.argument("number", type=NUMBER)
def settle(number: int) -> None:
    """Note that what needed attention has been looked at."""
    settings = chosen_settings()
    with opened(settings) as database:
        told = _change(database, settings, _find(database, number), states.settle, lambda *_: ())
    _report(told, "is settled", "needed no attention")


def _find(database: Database, number: int) -> Order:
    with database.reading() as connection:
        order = store.find_by_number(connection, number)
    if order is None:
        raise click.ClickException(f"There is no order {number}.")
    return order


def _change(database: Database, settings: Settings, order: Order, step: Step, tell: Letters) -> telling.Told:
    """Take a step, with the shopper's letter in the same transaction. A refusal is one line and exit code 1."""
    now = datetime.now(UTC)
    try:
        return telling.change(
            database,
            order.id,
            now,
            lambda within: step(within, order.id, now),
            lambda order: tell(order, settings, settings.origin),
        )
    except NotPossible as refusal:
        raise click.ClickException(str(refusal)) from None


def _report(told: telling.Told, done: str, already: str) -> None:
    order = told.order
    click.echo(f"Order {order.number} {done if told.changed else already}.")
    for letter in told.letters:
        click.echo(f"A letter to {printable(letter.recipient)} is queued: the server sends it.")
    if order.attention:
        click.echo(f"It needs attention: {printable(order.attention)}")


def _end_awaited_payment(database: Database, settings: Settings, order: Order) -> None:
    """See to it that nobody can pay what is about to be cancelled. Raises ClickException where that can't be."""
    if not _has_payment_page(order):
        return
    kept = f"Order {order.number} stays as it was"
    if payment.find_method(settings, order.payment_method) is None:
        raise click.ClickException(
            f"{kept}: it is being paid through {order.payment_method}, which has no settings here."
        )
    try:
        attempt = payment.withdraw(settings, order)
    except ProviderError:
        raise click.ClickException(
            f"{kept}: {order.payment_method} did not end its payment. Try again in a moment."
        ) from None
    if attempt.standing is Standing.PAID:
        payment.settle(database, settings, attempt, datetime.now(UTC))
        raise click.ClickException(
            f"Order {order.number} is paid, as {order.payment_method} just said."
            " To cancel it all the same, do this again, and refund it."
        )
    if attempt.standing is not Standing.ENDED:
        raise click.ClickException(f"{kept}: a bank still works on its payment, and has not said yes or no.")


def _end_open_payment(database: Database, settings: Settings, before: Order) -> None:
    """End what is open at the provider of an order that was noted as paid; `before` is the order until then.

    This comes after the note: the provider's word that a payment has ended cancels an order that awaits it.
    """
    if not _has_payment_page(before):
        return
    method = payment.find_method(settings, before.payment_method)
    try:
        attempt = method.end(before) if method else None
    except ProviderError:
        attempt = None
    if attempt and attempt.standing is Standing.PAID:
        payment.settle(database, settings, attempt, datetime.now(UTC))  # paid twice: that asks for attention
    elif attempt is None or attempt.standing is not Standing.ENDED:
        click.echo(
            f"Its payment through {before.payment_method} could not be ended: the shopper may still pay there.",
            err=True,
        )


def _has_payment_page(order: Order) -> bool:
    """True when somebody may be paying it at a provider now."""
    awaits = order.payment is Payment.AWAITED and order.fulfilment is Fulfilment.OPEN
    return awaits and bool(order.payment_reference)


def _summary(order: Order) -> tuple[object, ...]:
    return (
        order.number,
        _time(order.placed_at),
        order.name,
        order.count,
        _money(order)(order.total),
        order.currency,
        order.payment,
        order.fulfilment,
        order.attention,
    )


def _facts(order: Order, settings: Settings) -> Iterator[tuple[str, object]]:
    """What is to be said of an order, but for its lines and its history; nothing that is empty."""
    money = _money(order)
    tax = f"{money(order.tax)} {order.tax_title}{', included' if order.tax_included else ''}"
    facts = (
        ("number", order.number),
        ("placed", _time(order.placed_at)),
        ("name", order.name),
        ("email", order.email),
        ("address", ", ".join(address_lines(order.address))),
        ("phone", order.address.phone),
        ("payment", f"{order.payment} ({order.payment_method})"),
        ("payment reference", order.payment_reference),
        ("payment until", _time(order.payment_until) if order.payment_until else ""),
        ("fulfilment", order.fulfilment),
        ("tracking number", order.tracking_number),
        ("attention", order.attention),
        ("currency", order.currency),
        ("subtotal", money(order.subtotal)),
        ("discount", f"-{money(order.discount)} {order.discount_code}" if order.discount_code else ""),
        ("shipping", f"{money(order.shipping)} {order.shipping_title}" if order.shipping_title else ""),
        ("tax", tax if order.tax_title else ""),
        ("total", money(order.total)),
        ("receipt", f"{settings.origin}/orders/{order.token}"),
    )
    return ((name, value) for name, value in facts if value)


def _lines(order: Order) -> Iterator[tuple[object, ...]]:
    money = _money(order)
    for line in order.lines:
        yield line.quantity, line.item, line.full_title, line.sku, money(line.price), money(line.total)


def _history(order: Order) -> Iterator[tuple[object, ...]]:
    return ((_time(event.at), event.what, event.detail) for event in order.events)


def _money(order: Order) -> Callable[[int], str]:
    return Currency(order.currency).plain


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
