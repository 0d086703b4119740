"""One JSON line for each request, on standard error. It holds nothing personal.

No cookie, no address, no query string; and where a path names a person or an order, the route's pattern instead.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from flask import Flask, Response, g, request

_PUBLIC = frozenset({"products.show", "collections.show", "static"})

log = logging.getLogger("shop.access")


def init_app(app: Flask) -> None:
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def write(answer: Response) -> Response:
        log.info("%s", _line(answer))
        return answer


def _line(answer: Response) -> str:
    spent = time.perf_counter() - g.get("started", time.perf_counter())
    return json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "method": request.method,
            "path": _path(),
            "status": answer.status_code,
            "bytes": answer.content_length,
            "ms": round(spent * 1000, 1),
        }
    )


def _path() -> str:
    if request.endpoint in _PUBLIC:
        return request.path
    return request.url_rule.rule if request.url_rule else "(unknown)"
