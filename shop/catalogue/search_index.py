"""Writing the full-text index. Each database has its own; catalogue/search.py asks it.

SQLite: the FTS5 table `product_search`, whose rowid is the product's id. PostgreSQL: a `tsvector` a product, its
title weighing most (A), then vendor, type and tags (B), then the description (D).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_TAG = re.compile(r"<[^>]*>")


class SearchRow(TypedDict):
    """What can be found of one product, as plain text."""

    rowid: int
    title: str
    vendor: str
    type: str
    tags: str
    description: str


def write(connection: Connection, rows: Sequence[SearchRow]) -> None:
    """Add products that the index doesn't have; see `remove` for those that it has."""
    if rows:
        connection.execute(_INSERT[connection.dialect.name], list(rows))


def remove(connection: Connection, ids: Iterable[int]) -> None:
    """Take products out of the index, by id."""
    if rows := [{"rowid": id} for id in ids]:
        connection.execute(sa.text("delete from product_search where rowid = :rowid"), rows)


def plain_text(description: str) -> str:
    """Cleaned HTML without its tags."""
    if "<" not in description and "&" not in description:
        return description
    return html.unescape(_TAG.sub(" ", description))


_INSERT = {
    "sqlite": sa.text(
        "insert into product_search (rowid, title, vendor, type, tags, description)"
        " values (:rowid, :title, :vendor, :type, :tags, :description)"
    ),
    "postgresql": sa.text(
        "insert into product_search (rowid, document) values (:rowid,"
        " setweight(to_tsvector('simple', :title), 'A')"
        " || setweight(to_tsvector('simple', :vendor || ' ' || :type || ' ' || :tags), 'B')"
        " || setweight(to_tsvector('simple', left(:description, 200000)), 'D'))"
    ),
}
