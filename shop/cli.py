"""The `shop` command: reads arguments, calls the shop, shows the answer.

What a person can put right (a setting, a file, a busy port) is one line on stderr and exit code 1; a wrong
command line is exit code 2. A traceback means that the shop itself has a bug.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from shop import (
    cli_backup,
    cli_export,
    cli_images,
    cli_mail,
    cli_orders,
    cli_stock,
    cookies,
    create_app,
    server,
    user_lists,
)
from shop.catalogue import CatalogueError
from shop.cli_shared import FILE, opened, reading_progress
from shop.database import UnknownSchema
from shop.money import Currency
from shop.orders.terms import TermsError, read_terms
from shop.settings import SettingError, read_settings

INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended
TERMINATED = 143  # and for one that was told to stop


def main() -> None:
    """Run the command and exit."""
    if os.getpid() == 1:  # in a container: the first process is told only what it has said that it listens to
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        code = shop(prog_name="shop", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (
        SettingError,
        TermsError,
        CatalogueError,
        OSError,
        DBAPIError,
        UnknownSchema,
        ModuleNotFoundError,
    ) as error:
        message = _explain(error)
        if message is None:
            raise
        click.echo(message, err=True)
        code = 1
    sys.exit(code)


def _explain(error: Exception) -> str | None:
    """One line about what a person can put right; None when they can't."""
    if isinstance(error, ModuleNotFoundError):
        if error.name == "psycopg":
            return "SHOP_DATABASE_URL names PostgreSQL, whose driver is missing: pip install -e '.[postgres]'"
        return None
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, DBAPIError):
        return f"The database says: {_first_line(error.orig)}"
    return _first_line(error)


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crumb", message="Crumb %(version)s")
def shop() -> None:
    """Crumb: a storefront whose visitors carry their own state.

    Settings are environment variables that start with SHOP_; the README lists them.
    """


@shop.command()
@click.option(
    "--catalogue",
    metavar="FILE",
    type=FILE,
    help="Sell what this product export holds, in a database of its own.",
)
def serve(catalogue: Path | None) -> None:
    """Serve the shop until Ctrl-C or SIGTERM.

    It listens on SHOP_HOST and SHOP_PORT (127.0.0.1 and 8000). Requests in flight are finished before it
    stops; a second Ctrl-C doesn't wait for them. A catalogue that is still empty gets the demo's products.

    With --catalogue, a CSV product export is read into a database under the data folder that only this file
    uses, and read again when the file changes. Where SHOP_DATABASE_URL is set, that database is used instead,
    and products there that the file doesn't have are no longer shown.
    """
    settings = read_settings()
    read_terms(
        settings.terms, Currency(settings.currency, settings.locale)
    )  # a mistake stops the start, not a worker
    server.serve(settings, catalogue, reading_progress)


@shop.command("import")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Stop showing the products that FILE doesn't have.")
@click.option("--skip-bad-rows", is_flag=True, help="Import the rest, and list what was left out.")
def import_(file: Path, replace: bool, skip_bad_rows: bool) -> None:
    """Read a product export (CSV) into the catalogue.

    Products are known by their handle: new ones are added, known ones updated. A row that can't be read stops
    the import and nothing changes, unless --skip-bad-rows. Importing the same file twice changes nothing.
    """
    from shop.catalogue.importing import import_file

    settings = read_settings()
    with opened(settings) as database, reading_progress(file) as progress:
        report = import_file(
            database, file, settings, replace=replace, skip_bad_rows=skip_bad_rows, progress=progress
        )
        click.echo(report)
        cli_images.hint(database)


@shop.command()
def demo() -> None:
    """Load the demo catalogue, beside what is there already."""
    settings = read_settings()
    with opened(settings) as database:
        report = server.load_demo(database, settings, reading_progress)
    click.echo(report)


@shop.command()
def prune() -> None:
    """Delete what visitors left on the server and can't come back for.

    That is lists of users which outgrew their cookie, 400 days after their last change. Starting the server does
    this as well.
    """
    with opened(read_settings()) as database, database.writing() as connection:
        count = user_lists.prune(connection)
    click.echo(f"{count} {'list' if count == 1 else 'lists'} of users deleted.")


@shop.group()
def cookie() -> None:
    """Look into the shop's cookies."""


@cookie.command()
def decode() -> None:
    """Print the cookie whose value stands on standard input, as JSON.

    It takes the value as devtools show it, URL-decoded or not, with or without its name (cart=…). A sealed one
    is opened with this shop's secret key.
    """
    try:
        decoded = cookies.inspect(create_app(read_settings()), sys.stdin.read()).decoded
    except cookies.Unreadable as unreadable:
        raise click.ClickException(f"That can't be read: {unreadable}.") from None
    click.echo(json.dumps(decoded, ensure_ascii=False, indent=2))


shop.add_command(cli_orders.orders)
shop.add_command(cli_mail.mail)
shop.add_command(cli_stock.stock)
shop.add_command(cli_export.export)
shop.add_command(cli_images.images)
shop.add_command(cli_backup.backup)
