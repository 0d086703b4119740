"""What each product of a large catalogue has of all facets, to count the values of a list of products.

To ask the set of each value how many of the list it has takes long where there are thousands of values. Here a
list's products are looked up, and what they have is counted, for all values at once. That takes 17 bytes a product,
and numpy, 20 MB, of which a small shop has no need.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pyroaring import BitMap

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads would not live through the fork of a worker

import numpy as np
import numpy.typing as npt

from shop.catalogue.sets import NamedSet

Array = npt.NDArray[Any]

_LOWER_HALF = (1 << 32) - 1


class Labels:
    """The values of every facet, numbered in the order of their titles; and by product the numbers that it has.

    Of a product, these are `_numbers` from `_starts[id]` up to `_starts[id + 1]`.
    """

    def __init__(self, facets: Mapping[str, Sequence[NamedSet]], products: int) -> None:
        """Of products with ids below `products`."""
        self._facets: dict[str, range] = {}  # the numbers of each
        numbered: list[NamedSet] = []
        for key, values in facets.items():
            start = len(numbered)
            numbered += sorted(values, key=lambda each: (each.title.casefold(), each.name))
            self._facets[key] = range(start, len(numbered))
        self._values = [(each.name, each.title) for each in numbered]
        count = np.zeros(products + 1, np.uint32)
        for each in numbered:
            count[_array(each.ids)] += 1
        ends = np.cumsum(count, dtype=np.uint32)
        self._starts = places = ends - count
        self._numbers = np.zeros(ends[-1], np.min_scalar_type(len(numbered)))
        places = places.copy()
        for number, each in enumerate(numbered):
            its = _array(each.ids)
            self._numbers[places[its]] = number
            places[its] += 1

    def count(self, ids: BitMap) -> Counts:
        """How many of `ids`, of which there is at least one, have each value."""
        its = _array(ids)
        starts = self._starts[its]
        has = self._starts[its + 1] - starts
        ends = np.cumsum(has, dtype=np.int64)
        places = np.arange(ends[-1]) + np.repeat(starts - (ends - has), has)
        return Counts(np.bincount(self._numbers[places]), self._facets, self._values)


class Counts:
    """How many of some products have each value."""

    def __init__(self, counts: Array, facets: Mapping[str, range], values: Sequence[tuple[str, str]]) -> None:
        """`counts` by the number of a value."""
        self._facets = facets
        self._values = values
        self._found = np.flatnonzero(counts)
        # As single numbers that sort as they should: how many, and in reverse of which value.
        self._ranks = (counts[self._found] << 32) - self._found

    def has(self, key: str) -> bool:
        return key in self._facets

    def most_frequent(self, key: str, most: int) -> tuple[list[tuple[str, str, int]], int]:
        """The values of a facet that most of the products have, as name, title and how many; how many have any."""
        its = self._facets[key]
        start, stop = self._found.searchsorted((its.start, its.stop)).tolist()
        ranks = self._ranks[start:stop]
        if len(ranks) > most:
            ranks = np.partition(ranks, -most)[-most:]
        best = [(-rank & _LOWER_HALF, -(-rank >> 32)) for rank in np.sort(ranks)[::-1].tolist()]
        return [(*self._values[number], size) for number, size in best], stop - start


def _array(ids: BitMap) -> Array:
    return np.frombuffer(ids.to_array(), np.uint32)
