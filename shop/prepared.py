"""SELECTs that pages ask for all the time: put together once, and run by the database's own driver.

SQLAlchemy takes several times as long to bring a small statement to the database as that takes to answer it. Here it
writes the statement and knows the types, once for each length of the lists among its parameters. They are filled up
to a power of two with their last value, so that there are few.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
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
        self._own = state.parameters  # what is in the statement with its value, beside what is given
        self._of_lists = {
            each: (name, place)
            for name, expanded in state.parameter_expansion.items()
            for place, each in enumerate(expanded)
        }
        # Where the driver goes by places: the values one after the other, of which lists come whole.
        self._in_order = (
            None if state.positiontup is None else [*map(itemgetter(0), groupby(map(self._given, state.positiontup)))]
        )
        columns = list(select.selected_columns)
        self._row: Any = namedtuple("Row", [column.name for column in columns])  # type: ignore[misc]
        readers = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
        self._readers = [(place, read) for place, read in enumerate(readers) if read]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """For the driver: by place, or by name."""
        if self._in_order is None:
            return {name: self._value(name, values) for name in self._own}
        found: list[Any] = []
        for name in self._in_order:
            value = values[name] if name in values else self._own[name]
            found += value if isinstance(value, list) else [value]
        return found

    def _given(self, name: str) -> str:
        """What a parameter of the statement is given with: itself, or a list."""
        return self._of_lists[name][0] if name in self._of_lists else name

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
