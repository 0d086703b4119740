"""Counting what a shop asks of its database, whichever way it asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from shop.database import Database

_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK")


@contextmanager
def sent(database: Database) -> Iterator[list[str]]:
    """The statements that the database is given meanwhile, as its own driver knows them."""
    engine, statements = database.engine, []
    database.close()  # what is open already is not listened to

    def note(statement: Any) -> None:
        if not str(statement).startswith(_OF_TRANSACTIONS):
            statements.append(str(statement))

    def listen(connection: Any, *_rest: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = _noting(connection.cursor_factory, note)

    def stop(connection: Any, *_rest: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(None)
        else:
            connection.cursor_factory = connection.cursor_factory.__base__

    sa.event.listen(engine, "checkout", listen)
    sa.event.listen(engine, "checkin", stop)
    try:
        yield statements
    finally:
        sa.event.remove(engine, "checkout", listen)
        sa.event.remove(engine, "checkin", stop)
        database.close()


def _noting(factory: Any, note: Any) -> Any:
    class Noting(factory):
        def execute(self, query, params=None, **options):
            note(query)
            return super().execute(query, params, **options)

    return Noting
