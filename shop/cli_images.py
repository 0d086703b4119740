"""`shop images`: the sizes of the catalogue's pictures."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shop.cli_shared import chosen_settings, of_catalogue, opened, show_table
from shop.database import Database

if TYPE_CHECKING:
    from shop.catalogue.pictures import Report


@click.command()
@click.option("--again", is_flag=True, help="Try those again that were broken.")
@click.option("--refresh", is_flag=True, help="Ask the servers of known ones whether they have changed.")
@click.option("--prune", is_flag=True, help="Remove the sizes of pictures that no product names any more.")
@click.option("--private", is_flag=True, help="Ask servers in private networks, too, such as your own.")
@click.option("--strict", is_flag=True, help="End with exit code 1 when a picture is broken.")
@of_catalogue
def images(again: bool, refresh: bool, prune: bool, private: bool, strict: bool) -> None:
    """Make small, light files of the catalogue's pictures.

    Every picture that a product names is fetched once, and kept in several sizes, as AVIF and WebP, in the data
    folder; pages then offer these to browsers. Stopped at any moment, it goes on from there the next time.

    Broken pictures are listed at the end. In a pipe that is a line each: product, picture, what is wrong.
    """
    from shop.catalogue import pictures  # megabytes, which a server would hold for nothing

    settings = chosen_settings()
    logging.getLogger("urllib3").setLevel(
        logging.ERROR
    )  # it tells of each try; what came of them all is told at the end
    with opened(settings) as database:
        try:
            with _progress() as progress:
                report = pictures.make(
                    database, settings, again=again, refresh=refresh, private=private, progress=progress
                )
            removed = pictures.prune(database, settings) if prune else None
        except pictures.AtWork:
            raise click.ClickException(
                "Another `shop images` is at work on this shop; wait until it is done."
            ) from None
    _tell(report, removed)
    if strict and report.broken:
        sys.exit(1)


def hint(database: Database) -> None:
    """After an import: say what makes its pictures light, where that is still to do."""
    from shop.catalogue import pictures

    with database.reading() as connection:
        count = pictures.count_unmade(connection)
    if count:
        these = "1 picture has" if count == 1 else f"{count:,} pictures have"
        click.echo(f"{these} no small sizes yet: `shop images` makes them")


def _tell(report: Report, removed: int | None) -> None:
    facts = [f"{report.made:,} made", f"{report.unchanged:,} unchanged", f"{len(report.broken):,} broken"]
    if removed is not None:
        facts.append(f"{removed:,} removed")
    click.echo(f"Pictures: {', '.join(facts)}.", err=True)
    show_table(("Product", "Picture", "What is wrong"), ((one.product, one.src, one.reason) for one in report.broken))
    if report.broken:
        click.echo("`shop images --again` tries these again.", err=True)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr, when a person is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
