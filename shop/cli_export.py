"""`shop export`: orders and products as files."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, cast

import click
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue.currency import check_currency
from shop.catalogue.export import Dialect, count_products, write_products
from shop.cli_shared import FILE, chosen_settings, of_catalogue, opened, writing_progress
from shop.database import Database
from shop.database import orders as orders_table
from shop.money import Currency
from shop.orders.export import write_csv, write_jsonl
from shop.orders.store import all_orders
from shop.settings import Settings


@click.group()
@of_catalogue
def export() -> None:
    """Write orders or products to a file, or to standard output.

    With --output, the file is complete or not there: it takes the place of an earlier one only once all is written.
    It is readable by its owner alone.
    """


to_file = click.option("--output", metavar="FILE", type=FILE, help="Where to write; standard output without.")


@export.command()
@click.option("--format", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@to_file
def orders(format: str, output: Path | None) -> None:
    """Write all orders, the oldest first.

    csv has the columns of Shopify's order export, a row for each line of an order, the order's own cells on the first
    of them. Subtotal is after the discount, as there. A cell that a spreadsheet would take for a formula (it starts
    with = + - @ or a tab) gets an apostrophe in front.

    jsonl has everything, an order on each line with its lines and its history, and texts as they were typed. Amounts
    are decimals in quotes.
    """
    write = write_csv if format == "csv" else write_jsonl
    settings = chosen_settings()
    with opened(settings) as database, _one_moment(database) as connection, _writing(output) as file:
        total = connection.scalar(sa.select(sa.func.count()).select_from(orders_table)) or 0
        count = write(writing_progress(all_orders(connection), total, "orders"), file)
    _report(count, "order", output)


@export.command()
@click.option(
    "--dialect",
    type=click.Choice(["current", "older"]),
    default="current",
    show_default=True,
    help="Shopify's headers: URL handle, Price, … or Handle, Variant Price, …",
)
@to_file
def products(dialect: str, output: Path | None) -> None:
    """Write all products as a product export, hidden ones and drafts too.

    It is what `shop import` reads: an import of it changes nothing, unless the shop has changed since. The stock is
    that of this moment, so an import after further orders takes it back to here. Pictures that an import copied are
    named as the shop shows them, /images/…; the files themselves stay where they are.
    """
    settings = chosen_settings()
    with opened(settings) as database, _one_moment(database) as connection, _writing(output) as file:
        check_currency(connection, settings.currency)
        written = write_products(connection, _currency(settings), cast(Dialect, dialect), file)
        count = sum(1 for _ in writing_progress(written, count_products(connection), "products"))
    _report(count, "product", output)


def _currency(settings: Settings) -> Currency:
    return Currency(settings.currency, settings.locale)


def _report(count: int, what: str, output: Path | None) -> None:
    if output:
        click.echo(f"{count:,} {what if count == 1 else f'{what}s'} written to {output}.")


@contextmanager
def _one_moment(database: Database) -> Iterator[Connection]:
    """A connection that sees the shop as it is now, however long the reading takes.

    SQLite's reads are so by themselves; PostgreSQL's see what others commit between two statements.
    """
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    """What to write to, in UTF-8. A file appears under its name when all is written; an error leaves none."""
    if output is None:
        text = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="replace", newline="")
        try:
            yield text
            text.flush()
        finally:
            text.detach()  # standard output stays open
        return
    path = output.resolve()
    if path.exists() and not path.is_file():  # a pipe, or /dev/null: there is nothing to take the place of
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            yield file
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:50]}-", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
