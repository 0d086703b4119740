"""A copy of a shop as of one moment, made while the shop goes on: a data folder like its own.

The database comes first and the pictures after it, so that each picture that the copy's products name is there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from shop.settings import Settings


class CannotBackUp(Exception):
    """Says why, and what to do instead."""


def back_up(settings: Settings, folder: Path) -> None:
    """Write a copy of the shop's data folder into a new folder, whole or not at all.

    Raises CannotBackUp, and OSError where there is no room for it.
    """
    database = _file_of(settings)
    if folder.exists():
        raise CannotBackUp(f"{folder} is there already, and is left as it is. Name a folder that isn't there yet.")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        unfinished.mkdir(mode=0o700)
    except FileExistsError:
        raise CannotBackUp(
            f"{unfinished} is there: another backup is under way, or was cut short. Remove it."
        ) from None
    try:
        _copy_database(database, unfinished / _place_of(database, settings.data))
        if (settings.data / "secret-key").exists():
            shutil.copy2(settings.data / "secret-key", unfinished)
        if settings.images.is_dir():
            shutil.copytree(settings.images, unfinished / "images", ignore=shutil.ignore_patterns(".*"))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _file_of(settings: Settings) -> Path:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise CannotBackUp(
            "This shop's database is PostgreSQL's: back it up with pg_dump (docs/deployment/backup.md)."
        )
    path = Path(str(url.database))
    if not path.is_file():
        raise CannotBackUp(f"There is no shop at {path} yet.")
    return path


def _place_of(database: Path, data: Path) -> Path:
    """Where the copy of the data folder has the database: where `shop` looks for it."""
    try:
        return database.resolve().relative_to(data.resolve())
    except ValueError:
        return Path("shop.sqlite3")


def _copy_database(path: Path, target: Path) -> None:
    """Source: SQLite's documentation, VACUUM INTO: one transaction's view, while others read and write."""
    target.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
        try:
            connection.execute("vacuum into ?", [str(target)])
        except sqlite3.OperationalError as error:
            raise CannotBackUp(f"{path} could not be copied: {error}.") from None
    with target.open("rb") as file:
        os.fsync(file.fileno())
