"""`shop backup`: a copy of the shop, to keep elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from shop.backup import CannotBackUp, back_up
from shop.cli_shared import FILE, chosen_settings, of_catalogue


@click.command()
@of_catalogue
@click.argument("folder", type=FILE)
def backup(folder: Path) -> None:
    """Copy the shop into FOLDER, which must not be there yet, while it goes on.

    FOLDER becomes a data folder as of one moment: the database, the pictures, and the secret key, where the shop
    made it itself. Keep it as safe as a password. `SHOP_DATA=FOLDER shop serve` is that shop. Settings and the terms
    file are not in it. With PostgreSQL, use pg_dump.
    """
    settings = chosen_settings()
    try:
        back_up(settings, folder)
    except CannotBackUp as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{folder} has the shop as it was just now.")
    key = folder / "secret-key"
    if not key.exists() or key.read_text().strip() != settings.secret_key:
        click.echo("SHOP_SECRET_KEY is not in it: without that, a restored shop can't read its visitors' cookies.")
