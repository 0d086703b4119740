"""What the parts of the `shop` command share: the database, progress, and tables for people and for pipes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.engine import make_url

from shop import server
from shop.catalogue.indexing import catch_up
from shop.database import Database
from shop.settings import Settings, read_settings

T = TypeVar("T")

FILE = click.Path(path_type=Path)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The shop's database, with its schema and its sets of products up to date."""
    database = Database(settings.database_url)
    try:
        database.migrate()
        catch_up(database)
        yield database
    finally:
        database.close()


def of_catalogue(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a group of commands the option that says whose database they work on; see `chosen_settings`."""

    def remember(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        context.obj = value

    return click.option(
        "--catalogue",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        expose_value=False,
        callback=remember,
        help="The shop that `shop serve --catalogue FILE` serves.",
    )(command)


def chosen_settings() -> Settings:
    """The settings, with the database of the --catalogue that was given. Raises SettingError."""
    catalogue: Path | None = click.get_current_context().obj
    settings = read_settings()
    if catalogue is None:
        return settings
    settings = server.with_database_of(settings, catalogue)
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise click.ClickException(f"Nothing has served {catalogue.name} yet: shop serve --catalogue {catalogue}")
    return settings


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, kind: str = "") -> None:
    """Rows on stdout: a table on a terminal; else a line each, with tabs between the cells and without headings.

    There, `kind` is the first cell of each line, where a command says several kinds of things.
    """
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(map(printable, (kind, *row) if kind else row)))
        return
    from rich.console import Console  # here and below: a server would hold it for nothing
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if table.row_count:
        Console().print(table)


def printable(value: object) -> str:
    """On one line and without control characters: a shopper's name must not steer the merchant's terminal."""
    return "".join(character if character.isprintable() else " " for character in str(value))


@contextmanager
def reading_progress(path: Path) -> Iterator[server.Progress | None]:
    """A bar on stderr while `path` is read, when a person is watching; it is gone when the reading is done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Reading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(path.name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def writing_progress(things: Iterable[T], total: int, what: str) -> Iterator[T]:
    """`things`, with a bar on stderr while they are taken, when a person is watching and not reading them."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield from things
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Writing {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(things, total, description=what)
