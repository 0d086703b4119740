"""The catalogue's version, read at each request at next to no cost, and exact: no commit goes unseen."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import NamedTuple, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

_NUMBERS = "select number, stock from catalogue_version"


class Version(NamedTuple):
    """The catalogue's version: see catalogue/version.py."""

    number: int
    stock: int

    @property
    def of_pages(self) -> tuple[int, ...]:
        """What it is for what doesn't depend on how much there is."""
        return self[:1]


class Watch(Protocol):
    def version(self) -> Version | None:
        """The catalogue's version as of now; None when the database doesn't answer."""

    def close(self) -> None: ...


class SqliteWatch:
    """Reads the number again only when SQLite says that another connection has committed something.

    Source: SQLite's documentation, PRAGMA data_version. Its connection never writes: the pragma counts the commits of
    others alone. Safe to share between threads.
    """

    def __init__(self, path: str) -> None:
        self._uri = f"file:{quote(path)}?mode=rw"  # never makes the file
        self._reading = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._seen: object = None
        self._version: Version | None = None

    def version(self) -> Version | None:
        with self._reading:
            try:
                return self._read()
            except sqlite3.Error:
                self._drop()
                return None

    def _read(self) -> Version | None:
        connection = self._connection
        if connection is None:
            self._seen = None
            connection = self._connection = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, check_same_thread=False
            )
        # In this order: a commit in between makes the next look read the number again.
        seen = connection.execute("PRAGMA data_version").fetchone()
        if seen != self._seen:
            row = connection.execute(_NUMBERS).fetchone()
            self._version = Version(*row) if row else None
            self._seen = seen
        return self._version

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        with self._reading:
            self._drop()


class RowWatch:
    """Reads the row each time: another machine's commit is seen at once, which a notification can't promise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = threading.Lock()
        self._connection: Connection | None = None

    def version(self) -> Version | None:
        with self._reading:
            for _attempt in range(2):  # a connection that has gone away since is opened again
                try:
                    return self._read()
                except sa.exc.SQLAlchemyError:
                    self._drop()
        return None

    def _read(self) -> Version | None:
        if self._connection is None:
            self._connection = self._engine.connect()
        row = self._connection.execute(_STATEMENT).first()
        return Version(*row) if row else None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()

    def close(self) -> None:
        with self._reading:
            self._drop()


_STATEMENT = sa.text(_NUMBERS)
