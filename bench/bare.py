"""The reference: a bare Flask view that returns a constant text, served as the shop is.

`python -m bench.bare ANSWERS PORT`: ANSWERS is JSON, for each name the status, headers and length of an answer. It is
given at `/<name>`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, Response

from bench.visits import Answer
from shop import server
from shop.settings import Settings

# What the server adds by itself, and Flask.
_ADDED = {"content-length", "date", "server", "connection", "transfer-encoding"}


def described(answer: Answer) -> dict[str, Any]:
    """What is to be copied of an answer."""
    headers = [[name.title(), value] for name, value in answer.headers if name.lower() not in _ADDED]
    return {"status": answer.status, "headers": headers, "length": len(answer.body)}


def create_app(answers: dict[str, Any]) -> Flask:
    app = Flask("bare", static_folder=None)
    for name, answer in answers.items():
        app.add_url_rule(f"/{name}", name, _constant(**answer), methods=["GET", "POST"])
    return app


def _constant(status: int, headers: list[list[str]], length: int) -> Callable[[], Response]:
    text = "x" * length
    pairs = [(name, value) for name, value in headers]

    def view() -> Response:
        return Response(text, status, pairs)

    return view


class _Reference(server._Server):
    """The shop's server, of another app, and without chores."""

    def __init__(self, app: Flask, port: int) -> None:
        super().__init__("127.0.0.1", replace(Settings(), port=port), "ready", app)
        self._chores = _NoChores()


class _NoChores:
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def end(self) -> None: ...


def main() -> None:
    answers, port = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    _Reference(create_app(answers), port).run()


if __name__ == "__main__":
    main()
