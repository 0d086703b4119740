"""Where a request's time goes: `python -m bench.profiles [--only PAGE] [--functions]`.

The app is called directly, without a server, so that only its own time counts: the processor's, of one thread, the
middle one of many calls. Shares are cProfile's, which makes calls of small functions look dearer than they are.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import shops
from bench.__main__ import LARGE
from bench.rows import rows_of
from bench.visits import Request, shelf_of
from shop import access_log, create_app
from shop.settings import read_settings
from tests.live import live_shop

CALLS = 5_000
_BATCH = 500
_PARTS = (
    ("compression", r"brotli|zstandard|zlib|zstd"),
    ("SQLite", r"sqlite3"),
    ("SQLAlchemy", r"/sqlalchemy/"),
    ("templates", r"/jinja2/|/markupsafe/|/templates/|_jinja"),
    ("Flask and Werkzeug", r"/flask/|/werkzeug/|/blinker/|/itsdangerous/|/click/"),
    ("access log", r"/shop/access_log|/logging/"),
    ("cookies", r"/shop/cookies/|/shop/seals|/cryptography/|/json/|_json|openssl"),
    ("the catalogue", r"/shop/catalogue/|pyroaring"),
    ("money and numbers", r"/babel/|/shop/money|decimal"),
    ("the shop's other code", r"/shop/"),
)


def main() -> None:
    arguments = _arguments()
    data = shops.data_of(LARGE)
    with live_shop(data, afresh=True) as shop:
        rows = [row for row in rows_of(shop.port, shelf_of(data), LARGE) if arguments.only in row.page]
    app = create_app(read_settings({"SHOP_DATA": str(data)}))
    hush()
    console = Console(width=max(110, Console().width))
    table = Table("page", "visitor", "µs", "where it goes")
    for row in rows:
        calls = [environ_of(each) for each in row.requests[: arguments.calls * 3]]
        warm, timed, profiled = _three(calls, arguments.calls)
        _call_all(app, warm)
        times = [time_of(app, environ) for environ in timed]
        stats = _profile(app, profiled)
        table.add_row(row.page, row.visitor, f"{median(times) * 1e6:,.0f}", _shares(stats))
        if arguments.functions:
            stats.sort_stats(arguments.functions).print_stats(arguments.lines)
    console.print(table)


def hush() -> None:
    """Write the access log, which is a part of each request's time, to nowhere."""
    access_log.log.handlers[0].setStream(Path(os.devnull).open("w"))  # type: ignore[attr-defined]  # noqa: SIM115


def _three(calls: Sequence[dict[str, Any]], count: int) -> list[list[dict[str, Any]]]:
    """Three lists of so many calls, the same ones again where there are too few."""
    return [[dict(calls[(part * count + place) % len(calls)]) for place in range(count)] for part in range(3)]


def environ_of(request: Request) -> dict[str, Any]:
    """The request as a server hands it to the app."""
    head, _, body = request.as_sent().partition(b"\r\n\r\n")
    path, _, query = request.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "body": body,
    }
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def _call(app: Any, environ: dict[str, Any]) -> None:
    environ["wsgi.input"] = io.BytesIO(environ["body"])
    answer = app.wsgi_app(environ, lambda _status, _headers, _error=None: None)
    b"".join(answer)
    if close := getattr(answer, "close", None):
        close()


def _call_all(app: Any, calls: Sequence[dict[str, Any]]) -> None:
    for environ in calls:
        _call(app, environ)


def time_of(app: Any, environ: dict[str, Any]) -> float:
    """The processor's seconds that the app's answer takes."""
    started = time.thread_time()
    _call(app, environ)
    return time.thread_time() - started


def _profile(app: Any, calls: Sequence[dict[str, Any]]) -> pstats.Stats:
    profile = cProfile.Profile()
    profile.enable()
    _call_all(app, calls)
    profile.disable()
    return pstats.Stats(profile)


def _shares(stats: pstats.Stats) -> str:
    """The parts of the program by their share of the time, those of a twentieth and more."""
    times: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in stats.stats.items():
        if part := _part_of(f"{file} {name}"):
            times[part] += own
            continue
        for (its_file, _, its_name), (_, _, its_own, _) in callers.items():  # a builtin counts for who called it
            times[_part_of(f"{its_file} {its_name}") or "the rest"] += its_own
    total = times.total() or 1
    return ", ".join(f"{part} {time / total:.0%}" for part, time in times.most_common() if time / total >= 0.05)


def _part_of(place: str) -> str:
    place = place.replace(str(Path(__file__).parent), "")
    return next((part for part, pattern in _PARTS if re.search(pattern, place)), "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.profiles", description=__doc__)
    parser.add_argument("--only", default="", metavar="PAGE", help="rows of pages whose name has this in it")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each row")
    parser.add_argument("--functions", nargs="?", const="tottime", help="list them, by tottime or cumtime")
    parser.add_argument("--lines", type=int, default=40, help="of functions to list")
    return parser.parse_args()


if __name__ == "__main__":
    main()
