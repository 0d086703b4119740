"""Full-text search over titles, vendors, types, tags and descriptions, by the database's own index.

A query is words, whatever it looks like: quotes and operators mean nothing, and the last word matches as a prefix,
so that results come while somebody types.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import FromClause

LONGEST_QUERY = 200  # characters; the rest is ignored
_MOST_WORDS = 12
_WORD = re.compile(r"\w+")

# A hit in the title counts most, then vendor, type and tags, then the description.
_FTS5 = sa.text(
    "select rowid as id, bm25(product_search, 10, 3, 3, 3, 1) as rank"
    " from product_search where product_search match :q"
).columns(sa.column("id", sa.Integer), sa.column("rank", sa.Float))
_TSVECTOR = sa.text(
    "select rowid as id, -ts_rank(document, to_tsquery('simple', :q)) as rank"
    " from product_search where document @@ to_tsquery('simple', :q)"
).columns(sa.column("id", sa.Integer), sa.column("rank", sa.Float))


def words_of(query: str) -> tuple[str, ...]:
    """The words of a query as typed, at most 12; none in one of blanks, punctuation or emoji alone."""
    return tuple(_WORD.findall(query[:LONGEST_QUERY].replace("_", " "))[:_MOST_WORDS])


def matches(connection: Connection, query: str) -> FromClause | None:
    """What matches every word of `query`: a subquery of `id` and `rank` (least is best); None without a word."""
    words = words_of(query)
    if not words:
        return None
    if connection.dialect.name == "sqlite":
        return _FTS5.bindparams(q=" ".join(f'"{word}"' for word in words) + "*").subquery("matches")
    return _TSVECTOR.bindparams(q=" & ".join(words) + ":*").subquery("matches")
