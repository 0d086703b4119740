"""Finding products by words, in their titles, vendors, types, tags and descriptions, in whatever language.

A query is words, whatever it looks like: quotes and operators mean nothing. A product is found when it has them all,
in any of their inflections; the last also matches the beginning of a word, so that results come while somebody types.
Words such as "for" count only where there are no others. Where nothing is found, each unknown word is taken for the
nearest known one, or the whole for one that was typed with the wrong keyboard.

Those with every word in the title come first, then those that have them as vendor, type or tags too, then those with
a word in the description alone; of each of these, shorter titles first, and then the merchant's order. That is so to
the last page, however many there are, and the same with every database. Ranking by frequencies (bm25, ts_rank) would
look at each match again: of a common word, hundreds of thousands for the first page.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import and_

import sqlalchemy as sa
from pyroaring import BitMap

from shop.catalogue import spelling
from shop.catalogue.sets import NamedSet, Sets
from shop.catalogue.traits import LEVELS
from shop.catalogue.words import COMMON, fold, stem, words_in
from shop.database import search_words
from shop.prepared import Prepared

LONGEST_QUERY = 200  # characters; the rest is ignored
_MOST_WORDS = 12
_SHORTEST_START = 2  # characters of a word that are looked up as its beginning
_MOST_ENDINGS = 32  # words that a beginning may stand for: those that the catalogue had first
_WORD = re.compile(r"[^\W_]+")

_STARTING = Prepared(
    sa.select(search_words.c.id, search_words.c.stem)
    .where(search_words.c.word >= sa.bindparam("start"), search_words.c.word < sa.bindparam("after"))
    .order_by(search_words.c.id)
    .limit(_MOST_ENDINGS)
)


@dataclass(frozen=True)
class Found:
    """What a query finds: `tiers` are parts of `ids`, the best first."""

    ids: BitMap
    tiers: tuple[BitMap, ...]
    spelling: str | None = None  # the query that was used instead


def words_of(query: str) -> tuple[str, ...]:
    """The words of a query, folded, at most 12; none in one of blanks, punctuation or emoji alone."""
    return tuple(words_in(query[:LONGEST_QUERY])[:_MOST_WORDS])


def find(sets: Sets, query: str) -> Found:
    """The products that have the words of `query`; none for a query without words."""
    found, unknown = _find(sets, words_of(query))
    if not found.ids and unknown:
        for corrected in _corrections(sets, query[:LONGEST_QUERY], unknown):
            again, _ = _find(sets, words_of(corrected))
            if again.ids:
                return Found(again.ids, again.tiers, corrected)
    return found


def find_titled(sets: Sets, query: str) -> tuple[BitMap, ...]:
    """The first tiers of what `find` gives: the products that have all the words in their titles.

    Sooner, as most words are in far more descriptions than titles.
    """
    words = words_of(query)
    if not words:
        return ()
    asked = _Asked.of(sets, words)
    return _apart(asked.tiers(asked.named_in(sets, LEVELS[:1])))


def stems_starting_with(sets: Sets, start: str) -> tuple[str, ...]:
    """The stems of words that begin so; not of all, where they are very many."""
    if len(start) < _SHORTEST_START:
        return ()

    def read() -> tuple[str, ...]:
        after = start[:-1] + chr(ord(start[-1]) + 1)
        rows = _STARTING.rows(sets.connection, start=start, after=after)
        return tuple(dict.fromkeys(row.stem for row in rows))

    return sets.remembered_within(("starting", start), read)


@dataclass(frozen=True)
class _Asked:
    """What is looked for: the words that tell something, and their stems; of the last also those that begin so."""

    words: Sequence[str]
    stems: Sequence[str]
    started: tuple[str, ...]

    @classmethod
    def of(cls, sets: Sets, words: Sequence[str]) -> _Asked:
        telling = [word for word in words if word not in COMMON] or words
        started = stems_starting_with(sets, words[-1]) if telling[-1] == words[-1] else ()
        return cls(telling, [stem(word) for word in telling], started)

    def named_in(self, sets: Sets, places: Sequence[str]) -> dict[str, dict[str, NamedSet]]:
        """The sets of all these stems, by where they are looked for."""
        return sets.named_of(places, {*self.stems, *self.started})

    def unknown(self, anywhere: Mapping[str, NamedSet]) -> list[str]:
        """Which of the words nothing has."""
        unknown = [word for word, its in zip(self.words, self.stems, strict=True) if not anywhere[its].ids]
        return unknown[:-1] if self.started and self.words[-1] in unknown[-1:] else unknown

    def tiers(self, found: Mapping[str, Mapping[str, NamedSet]]) -> list[BitMap]:
        """Who has all the stems in the title; then, place by place, with any that the last may begin.

        Each tier contains the one before.
        """
        *others, last = self.stems
        tiers = [_all(found[LEVELS[0]][each].ids for each in self.stems)]
        for its in found.values():
            ending = [its[each].ids for each in {last, *self.started}]
            if others:  # first, as with them there are few of each ending
                having = _all(its[each].ids for each in others)
                ending = [having & each for each in ending]
            tiers.append(BitMap.union(*ending))
        return tiers


def _find(sets: Sets, words: Sequence[str]) -> tuple[Found, list[str]]:
    """What has all the words, and which of the words nothing has."""
    if not words:
        return Found(BitMap(), ()), []
    asked = _Asked.of(sets, words)
    found = asked.named_in(sets, LEVELS)
    tiers = asked.tiers(found)
    return Found(tiers[-1], _apart(tiers)), asked.unknown(found["anywhere"])


def _apart(tiers: Sequence[BitMap]) -> tuple[BitMap, ...]:
    """The tiers without those before, and without empty ones."""
    others = (tier - before for before, tier in pairwise(tiers))
    return tuple(filter(None, (tiers[0], *others)))


def _all(sets: Collection[BitMap] | Iterator[BitMap]) -> BitMap:
    return reduce(and_, sets)


def _corrections(sets: Sets, query: str, unknown: Sequence[str]) -> Iterator[str]:
    """What may have been meant, the likeliest first."""
    nearest = {word: spelling.nearest(sets, word) for word in unknown}
    if all(nearest.values()):
        yield _WORD.sub(lambda typed: nearest.get(fold(typed[0])) or typed[0], query)
    yield spelling.on_the_other_keyboard(query)
