"""Inserting very many rows: by the driver's own executemany into SQLite, by COPY into PostgreSQL.

SQLAlchemy's way names each value of each row, which takes it longer than the database takes to write them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def insert(connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of Python values, each in the order of `columns`."""
    if not rows:
        return
    write = {"sqlite": _into_sqlite, "postgresql": _into_postgresql}[connection.dialect.name]
    write(connection, table, columns, _as_stored(connection, table, columns, rows))


def _as_stored(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Iterable[Sequence[Any]]:
    """The rows with the values that the driver can't take as they are, or only slowly, as what it can."""
    conversions: list[Callable[[Any], Any] | None] = [None] * len(columns)
    for place, name in enumerate(columns):
        if isinstance(table.c[name].type, sa.JSON):
            conversions[place] = _json
        elif isinstance(table.c[name].type, sa.Boolean) and connection.dialect.name == "sqlite":
            conversions[place] = int
    if not any(conversions):
        return rows
    by_column = zip(conversions, zip(*rows, strict=True), strict=True)
    return zip(*(map(convert, values) if convert else values for convert, values in by_column), strict=True)


@lru_cache(4096)
def _json(names: tuple[str, ...]) -> str:
    return json.dumps(names)


def _into_sqlite(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 (names of ours)
    connection.exec_driver_sql(statement, list(rows))


def _into_postgresql(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
