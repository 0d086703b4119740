"""What a process keeps ready instead of making it again. Bounded in bytes; the longest unused goes first.

When it is full, something large is taken in only when it is asked for again: what nobody asks for twice, such as most
searches, would push out what many do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

# What an entry is good for: the first parts of the catalogue's version, all of which must be the same now. None for
# what is always good.
Version = tuple[int, ...]

# What an entry costs besides its value, roughly: its key, its place in the table, both of several parts.
_OVERHEAD = 800
_LARGE = 3_000  # bytes: less is worth its room
_ASKED = 4_000  # large things that are remembered to have been asked for


class Memory:
    """Values by key, each good as long as the catalogue has its version. Safe to share between threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[Version, Any, int]] = OrderedDict()
        self._asked: OrderedDict[int, None] = OrderedDict()
        self._writing = Lock()

    def get(self, key: Hashable, version: Version = ()) -> Any:
        """What was put for that key, if it is good at `version`; None when there is no such thing (any more)."""
        entry = self._kept.get(key)
        if entry is None or entry[0] != version[: len(entry[0])]:
            return None
        try:  # contextlib's suppress would take longer than all of this
            self._kept.move_to_end(key)
        except KeyError:  # another thread has just made room
            return entry[1]
        return entry[1]

    def put(self, key: Hashable, value: Any, size: int, version: Version = ()) -> None:
        """Keep `value`, which takes about `size` bytes, in place of what the key had.

        `version` is as much of the catalogue's as it depends on.
        """
        size += _OVERHEAD
        with self._writing:
            self._drop(key)
            if size > self._most or not self._takes_in(key, size, version):
                return
            while self._size + size > self._most:
                self._drop(next(iter(self._kept)))
            self._kept[key] = version, value, size
            self._size += size

    def _takes_in(self, key: Hashable, size: int, version: Version) -> bool:
        if size < _LARGE or self._size + size <= self._most:
            return True
        longest_unused, _value, _size = next(iter(self._kept.values()))
        if longest_unused[:1] not in ((), version[:1]):  # it is of an older catalogue, and goes anyway
            return True
        asked = hash(key)
        if asked in self._asked:
            del self._asked[asked]
            return True
        self._asked[asked] = None
        if len(self._asked) > _ASKED:
            self._asked.popitem(last=False)
        return False

    def _drop(self, key: Hashable) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._size -= entry[2]
