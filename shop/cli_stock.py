"""`shop stock`: what runs low, and what was counted."""

from __future__ import annotations

import click

from shop.cli_shared import chosen_settings, of_catalogue, opened, printable, show_table
from shop.orders import stocktaking


@click.group()
@of_catalogue
def stock() -> None:
    """See what runs low, and set what was counted."""


@stock.command()
@click.option("--below", type=click.IntRange(1, stocktaking.MOST), default=5, show_default=True, metavar="N")
def low(below: int) -> None:
    """List what shoppers can see and of which there are fewer than N, the scarcest first.

    In a pipe the cells are: item, units in stock, title, SKU, and "sells on" for what sells past zero.
    """
    with opened(chosen_settings()) as database, database.reading() as connection:
        found = stocktaking.low(connection, below)
        rows = ((one.item, one.stock, one.title, one.sku, "sells on" if one.oversell else "") for one in found)
        show_table(("Item", "Stock", "Title", "SKU", ""), rows)


@stock.command("set")
@click.argument("item")
@click.argument("count", type=click.IntRange(0, stocktaking.MOST))
def set_(item: str, count: int) -> None:
    """Say that there are COUNT units of ITEM now.

    ITEM is a product's handle, with the slugs of the options where it has some: shirt.white.m. An import leaves the
    count alone as long as the file says the same of that product as it did before.
    """
    with opened(chosen_settings()) as database:
        try:
            before = stocktaking.set_count(database, item, count)
        except stocktaking.NotCountable as refusal:
            raise click.ClickException(printable(refusal)) from None
    click.echo(f"{item}: {count} in stock, {before} before.")
