"""What products say of themselves that they can be found by: traits, numbered, and the sets that each stands for.

Products repeat each other. So a trait, such as a vendor, a price or a word of a title as it is written, is worked out
once for a whole file: whoever reads it sends a number for each time it occurs. Whoever writes finds the words of the
descriptions, so that both have as much to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

from shop.catalogue.plain_text import without_tags
from shop.catalogue.slugs import slug_of
from shop.catalogue.words import new_stem, value_of, words_in

MOST_TRAITS = 120_000  # of which a book knows the numbers: about what 100,000 products have, up to 25 MB
LEVELS = ("titled", "labelled", "anywhere")  # kinds of sets of words, each in the next

_MOST_TITLE_WORDS = 15

Trait = tuple[str, Any]  # its kind, and what it says, in plain values
# A set's kind and name; then how people read the name, where they do; of a word anywhere, the word with that stem.
SetName = tuple[str, str, str | None]
Options = tuple[tuple[str, tuple[str, ...]], ...]  # names, each with the values of a product's variants
_packed = Struct("=I").pack


class TraitBook:
    """Gives each trait that it meets the next number."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget every trait, and number them from 0 on."""
        self.count = 0
        self._new: list[list[SetName]] = []
        self._flags, self._prices, self._lengths = (_Numbers(self, kind) for kind in ("flag", "price", "title words"))
        self._vendors, self._types, self._tags = (_Numbers(self, kind) for kind in ("vendor", "type", "tag"))
        self._collections, self._options = (_Numbers(self, kind) for kind in ("collection", "option"))
        self._in_titles = _Numbers(self, "titled")
        self._words: dict[str, int] = {}  # how many there are in a piece of a title

    @property
    def is_full(self) -> bool:
        return self.count > MOST_TRAITS

    def take_new(self) -> list[list[SetName]]:
        """The sets that each trait stands for that was met since this was asked before, by their numbers."""
        new, self._new = self._new, []
        return new

    def number(self, trait: Trait) -> bytes:
        """A number for a trait that has none."""
        self._new.append(_sets_of(trait))
        self.count += 1
        return _packed(self.count - 1)

    def numbers_of(
        self,
        *,
        in_stock: bool,
        image_src: str | None,
        compare_at_price: int | None,
        price_min: int,
        title: str,
        vendor: str,
        type: str,
        tags: Iterable[str],
        collections: Iterable[tuple[str, str]],
        options: Options,
        translated: Iterable[str],
    ) -> bytes:
        """The numbers of a visible product's traits, as `unpacked` takes them: in any order, some of them twice.

        Collections are handles and titles; `translated` are titles.
        """
        flags = self._flags
        pieces = title.split()
        found = list(map(self._in_titles.__getitem__, pieces))
        length = min(self._count(pieces), _MOST_TITLE_WORDS)
        found += (flags["all", ""], self._prices[price_min], self._lengths[length])
        if in_stock:
            found.append(flags["availability", "in-stock"])
        if image_src is not None:
            found.append(flags["pictured", ""])
        if compare_at_price is not None:
            found.append(flags["on sale", ""])
        if vendor:
            found.append(self._vendors[vendor])
        if type:
            found.append(self._types[type])
        found += map(self._tags.__getitem__, tags)
        found += map(self._collections.__getitem__, collections)
        found += map(self._options.__getitem__, options)
        for each in translated:
            found += map(self._in_titles.__getitem__, each.split())
        return b"".join(found)

    def _count(self, pieces: Iterable[str]) -> int:
        """How many words there are in the pieces of a title."""
        count = 0
        for piece in pieces:
            if (its := self._words.get(piece)) is None:
                its = self._words[piece] = len(words_in(piece))
            count += its
        return count


class _Numbers(dict[Any, bytes]):
    """The numbers of the traits of a kind, by what they say."""

    def __init__(self, book: TraitBook, kind: str) -> None:
        super().__init__()
        self._book = book
        self._kind = kind

    def __missing__(self, said: object) -> bytes:
        number = self[said] = self._book.number((self._kind, said))
        return number


def pieces_of(description: str) -> list[str]:
    """What stands between white space in cleaned HTML."""
    return without_tags(description).split()


@lru_cache(1 << 14)
def sets_of_piece(piece: str) -> list[SetName]:
    """The sets that a product with such a piece in its description belongs to."""
    return _of_words(piece, LEVELS[-1:])


def unpacked(numbers: bytes) -> memoryview:
    """The numbers in what a book gave."""
    return memoryview(numbers).cast("I")


def _sets_of(trait: Trait) -> list[SetName]:
    """The sets that a product with this trait belongs to."""
    kind, said = trait
    if kind in LEVELS:
        return _of_words(said, LEVELS[LEVELS.index(kind) :])
    if kind in ("vendor", "type", "tag"):
        return [(kind, value_of(said), said), *_of_words(said, LEVELS[1:])]
    if kind in ("price", "title words"):
        return [(kind, place, None) for place in _digits(said)]
    if kind == "collection":
        return [(kind, *said)]
    if kind == "option":
        name, values = said
        slug = slug_of(name)
        return [(kind, slug, name), *((f"option.{slug}", value_of(value), value) for value in values)]
    return [(*said, None)]


def _of_words(text: str, levels: Sequence[str]) -> list[SetName]:
    words = [(new_stem(word), word) for word in words_in(text)]
    found: list[SetName] = [(level, stem, None) for level in levels[:-1] for stem, _ in words]
    return found + [(levels[-1], *word) for word in words]


def _digits(number: int) -> list[str]:
    """The places of the binary digits of a number that are 1."""
    return [str(place) for place in range(number.bit_length()) if number >> place & 1]


def options_of(names: Sequence[str], values: Iterable[Sequence[str]]) -> Options:
    """A product's options, from the values that each of its variants has."""
    by_place = zip(*values, strict=True)
    return tuple((name, tuple(dict.fromkeys(each))) for name, each in zip(names, by_place, strict=True))
