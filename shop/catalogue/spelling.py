"""The nearest words that the catalogue knows to one that it doesn't.

Nearest by the number of letters left out, added, replaced or swapped with their neighbour: one for words of up to
five letters, two for longer ones. Of those as near, the one that most products have.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from shop.catalogue.indexing import SHORTEST_WITH_GRAMS, grams
from shop.catalogue.sets import Sets, most_shared
from shop.database import search_words

SHORTEST = 3  # letters: shorter words are left alone
_MOST_CANDIDATES = 200
_ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя")

# The keys of a Russian and an English keyboard, in the same places.
_LATIN_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,."
_RUSSIAN_KEYS = "йцукенгшщзхъфывапролджэячсмитьбю"
_KEYS = str.maketrans(_LATIN_KEYS + _RUSSIAN_KEYS, _RUSSIAN_KEYS + _LATIN_KEYS)


def on_the_other_keyboard(text: str) -> str:
    """What the same keys write with the keyboard switched between English and Russian."""
    return text.lower().translate(_KEYS)


def nearest(sets: Sets, word: str) -> str | None:
    """The nearest known word to a folded one; None where none is near."""
    if len(word) < SHORTEST or not word.isalpha():
        return None
    if len(word) < SHORTEST_WITH_GRAMS:
        most, candidates = 1, search_words.c.word.in_(list(_one_away(word)))
    else:
        most, candidates = 2, search_words.c.id.in_(_alike(sets, word))
    words = sets.connection.execute(sa.select(search_words.c.word, search_words.c.stem).where(candidates))
    distances = {row: distance(word, row.word) for row in words if abs(len(row.word) - len(word)) <= most}
    near = [row for row, its in distances.items() if its <= most]
    # Two queries: joined, the databases go through all stems.
    uses = sets.sizes("anywhere", {row.stem for row in near})
    best = min(near, key=lambda row: (distances[row], -uses[row.stem], row.word), default=None)
    return best.word if best else None


def distance(one: str, other: str) -> int:
    """How many letters are left out, added, replaced or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        here = [row]
        for column, its in enumerate(other, start=1):
            cost = min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != its))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == its:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        before, above = above, here
    return above[-1]


def _one_away(word: str) -> Iterable[str]:
    """Every row of letters that is one change away from a short word."""
    alphabet = next((letters for letters in _ALPHABETS if word[0] in letters), "")
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    found = {start + end[1:] for start, end in halves if end}
    found |= {start + end[1] + end[0] + end[2:] for start, end in halves if len(end) > 1}
    found |= {start + letter + end[1:] for start, end in halves if end for letter in alphabet}
    found |= {start + letter + end for start, end in halves for letter in alphabet}
    return found


def _alike(sets: Sets, word: str) -> list[int]:
    """The ids of the words that share the most groups of three letters with a long word."""
    groups = list(grams(word))
    found: list[int] = []
    for ids in most_shared([each.ids for each in sets.named("gram", groups).values()]):
        found += ids[: _MOST_CANDIDATES - len(found)]
        if len(found) == _MOST_CANDIDATES:
            break
    return found
