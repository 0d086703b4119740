"""Turns: a process works on one request at a time, since Python lets no more than one thread run.

What waits for something else than Python (a writer before it, the disk, another machine) lets the next request have
its turn meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

MOST_WAITING = 12  # at once: each keeps its connections to the database. Any others keep their turn as well.

_held: ContextVar[Turns | None] = ContextVar("turns", default=None)


class Turns:
    """Of one process."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Until the block ends, others work only while it waits."""
        with self._turn:
            token = _held.set(self)
            try:
                yield
            finally:
                _held.reset(token)

    @contextmanager
    def others(self) -> Iterator[None]:
        """In the midst of `mine`: until the block ends, others may work."""
        if not self._waiting.acquire(blocking=False):
            yield
            return
        token = _held.set(None)
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
            _held.reset(token)
            self._waiting.release()


@contextmanager
def waiting() -> Iterator[None]:
    """Let others work while this thread waits. In what is no request, or waits already, it changes nothing."""
    turns = _held.get()
    with turns.others() if turns else nullcontext():
        yield
