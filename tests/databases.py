"""Where the shops of the tests keep their data: in SQLite files, or with `pytest --postgresql` in PostgreSQL.

A shop is known by its data folder. Whatever opens one asks here for its database, so that one option decides for
all tests, the commands and the servers that they start included.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from shop.catalogue.importing import import_file
from shop.database import Database, metadata
from shop.settings import Settings
from tests.postgres import Server

SHELF = Path(__file__).parent / "shelf.csv"


class Databases(Protocol):
    missing: str  # the URL of a database that isn't there

    def url(self, data: Path) -> str:
        """The URL of that shop's database, which is not there yet, or empty, unless it was asked for before."""

    def stock(self, data: Path) -> str:
        """Give that shop a database with the shelf in it. Its URL."""

    def environ(self, data: Path) -> dict[str, str]:
        """What else `shop` has to be told, besides its data folder, to find that database."""

    def forget(self, folder: Path) -> None:
        """Nobody comes back to the shops in and below that folder."""


class SqliteFiles:
    """A file in each shop's data folder, which is where `shop` looks by itself."""

    missing = "sqlite:////no/such/folder/shop.sqlite3"

    def __init__(self, template: Path | None = None) -> None:
        self._template = template  # a folder; without one there is no shelf to be had

    def url(self, data: Path) -> str:
        return f"sqlite:///{data / 'shop.sqlite3'}"

    def stock(self, data: Path) -> str:
        assert self._template
        template = self._template / "shop.sqlite3"
        if not template.exists():
            fill_the_shelf(self.url(self._template), self._template)
        shutil.copy(template, data / "shop.sqlite3")
        return self.url(data)

    def environ(self, _data: Path) -> dict[str, str]:
        return {}

    def forget(self, folder: Path) -> None:
        pass


class PostgresDatabases:
    """A database of the server for each shop. One with the shelf in it is used again by the next test: putting it
    back takes a few milliseconds, a new one a tenth of a second."""

    def __init__(self, server: Server, template: str) -> None:
        self.missing = server.url("no_such_database")
        self._server = server
        self._template = template
        self._reset = _remember_what_is_there(template)
        self._of: dict[Path, str] = {}
        self._stocked: set[str] = set()
        self._free: list[str] = []

    def url(self, data: Path) -> str:
        if data not in self._of:
            self._of[data] = self._server.create()
        return self._of[data]

    def stock(self, data: Path) -> str:
        url = self._free.pop() if self._free else self._server.create(self._template)
        self._stocked.add(url)
        self._of[data] = url
        return url

    def environ(self, data: Path) -> dict[str, str]:
        return {"SHOP_DATABASE_URL": self.url(data)}

    def forget(self, folder: Path) -> None:
        for data in [data for data in self._of if data.is_relative_to(folder)]:
            url = self._of.pop(data)
            if url in self._stocked and self._is_as_it_was(url):
                self._free.append(url)
            else:
                self._server.drop(url)

    def _is_as_it_was(self, url: str) -> bool:
        """Put back what was there. False when a test did more to the database than to change rows and settings."""
        name = make_url(url).database
        with suppress(psycopg.Error), self._server.connect(str(name)) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and"
                " pid <> pg_backend_pid()",
                [name],
            )
            connection.execute(f"alter database {name} reset all")
            connection.execute(self._reset)
            return True
        return False


def _remember_what_is_there(url: str) -> str:
    """Copy the database's rows into a schema beside. The statements that put them back."""
    database = Database(url)
    with database.writing() as connection:
        tables = [table.name for table in metadata.sorted_tables]
        connection.exec_driver_sql("create schema stocked")
        for table in tables:
            connection.exec_driver_sql(f"create table stocked.{table} as table {table}")
        sequences = connection.execute(
            sa.text("select sequencename, last_value from pg_sequences where schemaname = 'public'")
        ).all()
    database.close()
    return ";".join(
        [
            *(f"delete from {table}" for table in reversed(tables)),  # noqa: S608
            *(f"insert into {table} select * from stocked.{table}" for table in tables),  # noqa: S608
            *(f"select setval('{name}', {last or 1}, {last is not None})" for name, last in sequences),
        ]
    )


def fill_the_shelf(url: str, folder: Path) -> None:
    """Make the tables, and import the shelf."""
    database = Database(url)
    database.migrate()
    import_file(database, SHELF, Settings(data=folder, database_url=url))
    database.close()


# conftest.py sets them when tests start. The checks and the screenshots, which are no tests, take these.
current: Databases = SqliteFiles()


def url_of(data: Path) -> str:
    """The URL of the database of the shop with that data folder."""
    return current.url(data)


def written_by(data: Path) -> bytes:
    """All that the shop has put down anywhere, to search for what should not be there: its files and its database."""
    files = b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())
    return files if isinstance(current, SqliteFiles) else files + _rows(url_of(data))


def _rows(url: str) -> bytes:
    database = Database(url)
    with database.reading() as connection:
        rows = [
            row
            for table in metadata.sorted_tables
            for row in connection.exec_driver_sql(f"select {table}::text from {table}").scalars()  # noqa: S608
        ]
    database.close()
    return "\n".join(rows).encode()


def environ_of(data: Path) -> dict[str, str]:
    """The settings with which `shop` finds that folder and that database."""
    return {"SHOP_DATA": str(data), **current.environ(data)}
