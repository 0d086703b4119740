"""One JSON line for each request, on standard error. It holds nothing personal.

No cookie, no address, no query string; and where a path names a person or an order, the route's pattern instead.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask, request

from shop import asked

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PUBLIC = frozenset({"products.show", "collections.show", "assets.show"})
_PATH = "shop.logged_path"
_LONGEST_PATH = 500  # characters
_LONGEST_METHOD = 20


class _Log(logging.Logger):
    def findCaller(self, *_how: object) -> tuple[str, int, str, None]:
        """Not looked for: no line says where in the code it was written, and to find out takes half of the time."""
        return "", 0, "", None


logging.setLoggerClass(_Log)
log = logging.getLogger("shop.access")
logging.setLoggerClass(logging.Logger)


def init_app(app: Flask) -> None:
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO)
    # Nothing that this log's lines say. Source: Python's documentation, "Logging HOWTO", Optimization.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

    @app.before_request
    def note_route() -> None:
        pattern = request.url_rule.rule if request.url_rule else "(unknown)"
        note_path(request.environ, request.path if request.endpoint in _PUBLIC else pattern)


def note_path(environ: WSGIEnvironment, path: str) -> None:
    """Say where that request went, as the log may."""
    environ[_PATH] = path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…"


def path_of(environ: WSGIEnvironment) -> str:
    """What the log says of where that request went."""
    path: str = environ.get(_PATH, "(unknown)")
    return path


def write(environ: WSGIEnvironment, status: str, size: int | None, started: float, path: str = "") -> None:
    """Log an answer: its status line or code, its body's bytes on the wire (None where it is streamed).

    `started` is a `time.perf_counter()`.
    """
    method = environ["REQUEST_METHOD"][:_LONGEST_METHOD]
    if asked.HEAD in environ:
        method, size = "HEAD", 0
    said = _said(int(time.time()), method, path or path_of(environ))
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    bytes = "null" if size is None else size
    log.info('{%s, "status": %s, "bytes": %s, "ms": %s}', said, status[:3], bytes, milliseconds)


@lru_cache(maxsize=500)
def _said(seconds: int, method: str, path: str) -> str:
    """When, how and where, as JSON without its braces."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    return json.dumps({"time": at, "method": method, "path": path})[1:-1]
