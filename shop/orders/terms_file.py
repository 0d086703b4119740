"""The terms file as text: TOML whose mistakes are told with their line.

tomllib keeps no lines of what it read, so `TermsFile` finds them again when there is a mistake to tell.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
D = TypeVar("D")

LONGEST = 1000  # lines of one key's value: each is read once more, so that an open quote is found within a second

KeyPath = tuple[str | int, ...]  # such as ("shipping", 1, "price"): the second method's price


class TermsError(ValueError):
    """The terms file has a mistake. str() is one line: `terms.toml:12: price is 4.9, but must be …`."""


class Unfit(ValueError):
    """Says what a value should have been."""


def read_file(path: Path) -> TermsFile:
    """The file, if it is TOML. Raises TermsError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TermsError(f"{path.name}: the file can't be read ({error.strerror}).") from None
    try:
        # Some editors begin UTF-8 with a byte order mark, which TOML has not.
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TermsError(f"{path.name}:{line}: the file must be text in UTF-8.") from None
    try:
        return TermsFile(path.name, text, _parse(text))
    except _NotToml as error:
        line = error.line or _statements(text)[-1][0]
        raise TermsError(f"{path.name}:{line}: this can't be read as TOML: {error}.") from None


@dataclass(frozen=True)
class TermsFile:
    """A terms file that could be read: its name, its text and the data in it."""

    name: str
    text: str
    data: Mapping[str, Any]

    def tables(self, known: Mapping[str, Sequence[str]]) -> dict[str, list[Entry]]:
        """The [[tables]] by name, in the file's order. `known` has the tables that there may be, and their keys."""
        for name in self.data:
            if name not in known:
                raise self.error((name,), f"{shown(name)} is unknown here; there are [[{']], [['.join(known)}]]")
        return {name: self._tables(name, keys) for name, keys in known.items()}

    def _tables(self, name: str, keys: Sequence[str]) -> list[Entry]:
        tables = self.data.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(values, dict) for values in tables):
            raise self.error((name,), f"{name} must be tables, each under [[{name}]] in two pairs of brackets")
        entries = [Entry(self, name, place, values) for place, values in enumerate(tables)]
        for entry in entries:
            for key in entry.values:
                if key not in keys:
                    raise entry.error(key, f"{shown(key)} is unknown in [[{name}]], which has {', '.join(keys)}")
        return entries

    def line_of(self, path: KeyPath) -> int:
        """The line of what is at `path`, or of the nearest thing around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def error(self, path: KeyPath, text: str) -> TermsError:
        return TermsError(f"{self.name}:{self.line_of(path)}: {text}.")

    @cached_property
    def _lines(self) -> Mapping[KeyPath, int]:
        """The line of each table and each key, by its path."""
        lines: dict[KeyPath, int] = {}
        last: dict[str, int] = {}  # of each [[table]], the place of the latest
        header: KeyPath = ()
        for line, text, data in _statements(self.text):
            if text.lstrip(" \t").startswith("["):
                header = _header(data, last)
                paths = [header[:length] for length in range(1, len(header) + 1)]
            else:
                paths = [(*header, key) for key in data]
            for path in paths:
                lines.setdefault(path, line)
        return lines


@dataclass(frozen=True)
class Entry:
    """One [[table]] of the file, whose values are taken key by key and refused with their line."""

    file: TermsFile
    table: str
    place: int  # among the tables of its name, from 0
    values: Mapping[str, Any]

    @property
    def line(self) -> int:
        return self.line_of(None)

    def line_of(self, key: str | None) -> int:
        """The line of `key`, or of the table itself for None."""
        return self.file.line_of(self._path(key))

    def required(self, key: str, parse: Callable[[Any], T]) -> T:
        if key not in self.values:
            raise self.error(None, f"[[{self.table}]] lacks {key}")
        return self._parsed(key, parse)

    def optional(self, key: str, parse: Callable[[Any], T], default: D) -> T | D:
        return self._parsed(key, parse) if key in self.values else default

    def refusal(self, key: str, expected: str) -> TermsError:
        return self.error(key, f"{key} is {shown(self.values[key])}, but must be {expected}")

    def error(self, key: str | None, text: str) -> TermsError:
        return self.file.error(self._path(key), text)

    def _path(self, key: str | None) -> KeyPath:
        return (self.table, self.place) if key is None else (self.table, self.place, key)

    def _parsed(self, key: str, parse: Callable[[Any], T]) -> T:
        try:
            return parse(self.values[key])
        except Unfit as unfit:
            raise self.refusal(key, str(unfit)) from None


def _header(data: Any, last: dict[str, int]) -> KeyPath:
    """The path of a table's header, given what it reads as alone. A [[table]] is one more in `last`."""
    path: list[str | int] = []
    while isinstance(data, dict) and data:
        [(key, data)] = data.items()
        path.append(key)
    table = str(path[0])
    if len(path) == 1 and isinstance(data, list):
        last[table] = last.get(table, -1) + 1
    return (table, last[table], *path[1:]) if table in last else tuple(path)


def _statements(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """The headers and keys of a TOML text: the line of each, its own text and what that reads as alone.

    tomllib tells no lines, but where a statement ends: as long as lines are missing, what there is can't be read. So
    strings and lists of several lines need no scanner of our own. A last statement that never ends reads as nothing.
    """
    lines = text.split("\n")
    statements: list[tuple[int, str, dict[str, Any]]] = []
    start = 0
    for end in range(1, len(lines) + 1):
        statement = "\n".join(lines[start:end])
        try:
            data = _parse(statement)
        except _NotToml:
            if end - start == LONGEST:
                break
            continue
        if data:
            statements.append((start + 1, statement, data))
        start = end
    if start < len(lines):
        statements.append((start + 1, "\n".join(lines[start:]), {}))
    return statements


class _NotToml(ValueError):
    """The text can't be read. `line` is where, as far as tomllib knows."""

    def __init__(self, text: str, line: int | None) -> None:
        super().__init__(text)
        self.line = line


def _parse(text: str) -> dict[str, Any]:
    """What the text says, with decimals exact. Raises _NotToml."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", where)
        raise _NotToml(what[:1].lower() + what[1:], int(found[1]) if found else None) from None
    except (ValueError, ArithmeticError, RecursionError):
        # Numbers of thousands of digits, lists in lists in lists.
        raise _NotToml("a value is too long or too deep", None) from None


def shown(value: Any) -> str:
    """A value as the file writes it, in short."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)[:80]
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"[:80]
    return "a table" if isinstance(value, dict) else str(value)[:80]
