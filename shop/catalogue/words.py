"""Words, as the catalogue's search compares them: folded, and by their stems.

All of it happens here, at indexing and at asking alike, so that every database finds the same. Case and accents fall
away ("Crème" is "creme", "ёлка" is "елка"). Words in Latin letters are stemmed as English, those in Cyrillic ones as
Russian; others, and those with digits, are their own stems. Stemming rules: snowballstem.org.
"""

from __future__ import annotations

import re
from functools import lru_cache
from threading import Lock
from unicodedata import normalize

from Stemmer import Stemmer

LONGEST_WORD = 40  # characters; the rest is dropped

# Words that say nothing about a product. They count only where a query has no others.
_ENGLISH = "a an and as at by for from in is it of on or the this to with"
_RUSSIAN = "без в во для до за и из или к как на не о об от по под при с со у что это"
COMMON = frozenset((*_ENGLISH.split(), *_RUSSIAN.split()))

_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(r"[^\W_]")  # or a digit
_POSSESSIVE = re.compile(r"['’]s\b")
_CYRILLIC = re.compile(r"[а-яѐ-џ]")
# й is a letter of its own, not an и with an accent.
_MARKS = re.compile(r"(?<!и)[\u0300-\u036f]|(?<=и)[\u0300-\u0305\u0307-\u036f]")
_JOINED = re.compile("[øđłæœı]")  # which Unicode doesn't take apart
_APART = {"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i"}

_english = Stemmer("english", 0)  # its own cache grows with no bound in sight, and `stem` has one
_russian = Stemmer("russian", 0)
_stemming = Lock()  # a stemmer works on one word at a time


def fold(text: str) -> str:
    """`text` without differences of case and accents."""
    if text.isascii():
        return text.lower()
    apart = normalize("NFKD", normalize("NFKD", text).casefold())
    return _JOINED.sub(lambda letter: _APART[letter[0]], normalize("NFC", _MARKS.sub("", apart)))


def words_in(text: str) -> list[str]:
    """The words of `text`, folded, in its order; "men's" is "men".

    They are those of its pieces between white space, one after the other.
    """
    folded = fold(text)
    if "'" in folded or "’" in folded:
        folded = _POSSESSIVE.sub("", folded)
    return [word[:LONGEST_WORD] for word in _WORD.findall(folded)]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """What a folded word shares with its inflections: "teapots" and "teapot", "чайники" and "чайник"."""
    return new_stem(word)


def new_stem(word: str) -> str:
    """The same, not remembered: for whoever remembers it by other means."""
    if not word.isalpha():
        return word
    stemmer = _english if word.isascii() else _russian if _CYRILLIC.match(word) else None
    if stemmer is None:
        return word
    with _stemming:
        stemmed: str = stemmer.stemWord(word)
    return stemmed


@lru_cache(maxsize=1 << 14)
def value_of(text: str) -> str:
    """What a type, a vendor, a tag or an option's value is called in URLs: the same for "Blue" and "blue "."""
    return normalize("NFC", " ".join(text.split()).casefold())


def title_key(title: str) -> str:
    """What a title sorts by: folded, from its first letter or digit on."""
    key = fold(title)
    first = _LETTER.search(key)
    return key[first.start() :] if first else key
