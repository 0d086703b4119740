"""`shop mail`: letters about orders that could not be sent yet."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from shop.cli_shared import chosen_settings, of_catalogue, opened, show_table
from shop.orders import outbox
from shop.orders.outbox import Unsent


@click.group()
@of_catalogue
def mail() -> None:
    """See the letters that wait to be sent, and have them tried again."""


@mail.command("list")
def list_() -> None:
    """List the letters that are not sent yet, the oldest first. Times are UTC.

    In a pipe the cells are: order, recipient, subject, attempts, when the next one is due or "given up", what went
    wrong at the last.
    """
    with opened(chosen_settings()) as database, database.reading() as connection:
        waiting = outbox.unsent(connection)
    show_table(("Order", "To", "Subject", "Attempts", "Next", "Trouble"), map(_cells, waiting))


@mail.command()
def again() -> None:
    """Have all of them tried at once, given up or not: what was wrong is put right."""
    with opened(chosen_settings()) as database:
        count = outbox.try_again(database, datetime.now(UTC))
    click.echo(f"{count} {'letter is' if count == 1 else 'letters are'} to be sent by the server now.")


def _cells(letter: Unsent) -> tuple[object, ...]:
    due = "given up" if letter.given_up else f"{letter.due_at:%Y-%m-%dT%H:%M:%SZ}"
    return letter.order_number, letter.recipient, letter.subject, letter.attempts, due, letter.last_error
