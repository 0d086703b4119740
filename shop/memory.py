"""What a process keeps ready instead of making it again. Bounded in bytes; the longest unused goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

# What an entry costs besides its value, roughly: its key, its place in the table, both of several parts.
_OVERHEAD = 800


class Memory:
    """Values by key, each good for one version of the catalogue. Safe to share between threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[int, Any, int]] = OrderedDict()
        self._writing = Lock()

    def get(self, key: Hashable, version: int = 0) -> Any:
        """What was put for that key and version; None when there is no such thing (any more)."""
        entry = self._kept.get(key)
        if entry is None or entry[0] != version:
            return None
        try:  # contextlib's suppress would take longer than all of this
            self._kept.move_to_end(key)
        except KeyError:  # another thread has just made room
            return entry[1]
        return entry[1]

    def put(self, key: Hashable, value: Any, size: int, version: int = 0) -> None:
        """Keep `value`, which takes about `size` bytes, in place of what the key had."""
        size += _OVERHEAD
        with self._writing:
            self._drop(key)
            if size > self._most:
                return
            while self._size + size > self._most:
                self._drop(next(iter(self._kept)))
            self._kept[key] = version, value, size
            self._size += size

    def _drop(self, key: Hashable) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._size -= entry[2]
