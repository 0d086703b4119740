"""SELECTs that pages ask for all the time: put together once, and run by the database's own driver.

SQLAlchemy takes several times as long to bring a small statement to the database as that takes to answer it. Here it
writes the statement and knows the types, once for each length of the lists among its parameters. They are filled up
to a power of two with their last value, so that there are few.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from shop.database import begin


class Prepared:
    """A SELECT whose parameters are `sa.bindparam`s; one that is `expanding` takes a list of at least one value."""

    def __init__(self, select: sa.Select[Any]) -> None:
        self._select = select
        self._forms: dict[object, _Form] = {}

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """What it finds as named tuples, in the connection's own transaction.

        Raises SQLAlchemy's errors, as any statement of its.
        """
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = value + value[-1:] * ((1 << (len(value) - 1).bit_length()) - len(value))
        key = (connection.dialect.name, *(len(value) for value in values.values() if isinstance(value, list)))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._select, connection.dialect, values)
        driver = connection.dialect.loaded_dbapi
        cursor = connection.connection.cursor()
        try:
            begin(connection)
            cursor.execute(form.text, form.parameters(values))
            return form.rows(cursor.fetchall())
        except driver.Error as error:
            raise sa.exc.DBAPIError.instance(form.text, None, error, driver.Error) from error
        finally:
            cursor.close()


class _Form:
    """The statement as a database reads it, for lists of certain lengths."""

    def __init__(self, select: sa.Select[Any], dialect: Dialect, values: Mapping[str, Any]) -> None:
        state = dialect.statement_compiler(dialect, select).construct_expanded_state(dict(values))
        self.text = state.statement
        self._by_place = state.positiontup
        self._own = state.parameters  # what is in the statement with its value, beside what is given
        self._of_lists = {
            each: (name, place)
            for name, expanded in state.parameter_expansion.items()
            for place, each in enumerate(expanded)
        }
        # Most statements ask for one list and nothing else, by places.
        of_one = [self._of_lists.get(name) for name in self._by_place or ()]
        self._only = next(
            (name for name, value in values.items() if of_one == [(name, n) for n in range(len(value))]), None
        )
        columns = list(select.selected_columns)
        self._row: Any = namedtuple("Row", [column.name for column in columns])  # type: ignore[misc]
        readers = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
        self._readers = [(place, read) for place, read in enumerate(readers) if read]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """For the driver: by place, or by name."""
        if self._only is not None:
            return values[self._only]
        if self._by_place is not None:
            return [self._value(name, values) for name in self._by_place]
        return {name: self._value(name, values) for name in self._own}

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        rows = [*map(list, found)] if self._readers else found
        for place, read in self._readers:
            for row in rows:
                row[place] = read(row[place])  # type: ignore[index]
        return [*map(self._row._make, rows)]

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        if of_list := self._of_lists.get(name):
            return values[of_list[0]][of_list[1]]
        return values[name] if name in values else self._own[name]
