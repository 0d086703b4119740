"""The catalogue's version, read at each request at next to no cost, and exact: no commit goes unseen."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

_NUMBER = "select number from catalogue_version"


class Watch(Protocol):
    def version(self) -> int | None:
        """The number that each change of the catalogue raises, as of now; None when the database doesn't answer."""

    def close(self) -> None: ...


class SqliteWatch:
    """Reads the number again only when SQLite says that another connection has committed something.

    Source: SQLite's documentation, PRAGMA data_version. A connection for each thread, which never writes: the
    pragma counts the commits of others alone.
    """

    def __init__(self, path: str) -> None:
        self._uri = f"file:{quote(path)}?mode=rw"  # never makes the file
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def version(self) -> int | None:
        try:
            return self._read()
        except sqlite3.Error:
            self._local.connection = None
            return None

    def _read(self) -> int | None:
        local = self._local
        connection: sqlite3.Connection | None = getattr(local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._uri, uri=True, isolation_level=None, check_same_thread=False)
            self._opened.append(connection)
            local.connection, local.seen = connection, None
        # In this order: a commit in between makes the next look read the number again.
        seen = connection.execute("PRAGMA data_version").fetchone()
        if seen != local.seen:
            row = connection.execute(_NUMBER).fetchone()
            local.number = row[0] if row else None
            local.seen = seen
        number: int | None = local.number
        return number

    def close(self) -> None:
        for connection in self._opened:
            with suppress(sqlite3.Error):
                connection.close()


class RowWatch:
    """Reads the row each time: another machine's commit is seen at once, which a notification can't promise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._local = threading.local()
        self._opened: list[Connection] = []

    def version(self) -> int | None:
        for _attempt in range(2):  # a connection that has gone away since is opened again
            try:
                return self._read()
            except sa.exc.SQLAlchemyError:
                self._local.connection = None
        return None

    def _read(self) -> int | None:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect()
            self._opened.append(connection)
            self._local.connection = connection
        found: int | None = connection.execute(_STATEMENT).scalar()
        return found

    def close(self) -> None:
        for connection in self._opened:
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()


_STATEMENT = sa.text(_NUMBER)
