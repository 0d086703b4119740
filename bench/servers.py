"""`python -m bench.servers`: the shop's own pages by several servers, and what is hard on servers.

The servers but granian are installed into an environment of their own, .cache/bench/servers.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Thread

from rich.console import Console
from rich.table import Table

from bench import load, machine, shops
from bench.visits import Request, Visitor, adding, shelf_of, some_cart
from tests.live import free_port, shop_environ, wait_until

PACKAGES = ("gunicorn==27.0.1", "waitress==3.0.2", "cheroot==11.1.2", "pyuwsgi==2.0.30.post1")
HOME = shops.CACHE / "servers"
IDLE = 2_000  # connections
SLOW = 50  # clients
_ASKED = 10  # times, while others are idle or slow
_PATIENCE = 5  # seconds
_SECONDS_TO_STOP = 20

_GUNICORN = ("gunicorn", "bench.served:app", "--bind=127.0.0.1:{port}", "--workers=2", "--preload")
SERVERS = {
    "granian, as `shop serve`": (sys.executable, "-m", "shop", "serve"),
    "gunicorn sync": _GUNICORN,
    "gunicorn gthread": (*_GUNICORN, "--worker-class=gthread", "--threads=8", "--worker-connections=4000"),
    "waitress": ("python", "-m", "bench.served", "waitress", "{port}"),
    "cheroot": ("python", "-m", "bench.served", "cheroot", "{port}"),
    "uwsgi": (
        *("uwsgi", "--http=127.0.0.1:{port}", "--http-keepalive=30", "--master", "--processes=2"),
        *("--wsgi=bench.served:app", "--buffer-size=65535", "--post-buffering=65536", "--listen=100"),
        *("--disable-logging", "--lazy-apps", "--hook-master-start=unix_signal:15 gracefully_kill_them_all"),
    ),
}


@dataclass(frozen=True)
class Hardship:
    """Of so many requests, how many were answered within _PATIENCE; of these, the middle one's milliseconds."""

    asked: int
    answered: int
    milliseconds: float

    def __str__(self) -> str:
        if not self.answered:
            return "no answer"
        least = "" if self.answered == self.asked else f"{self.answered} of {self.asked}, "
        return f"{least}{self.milliseconds:.1f} ms"


@dataclass(frozen=True)
class Stop:
    """What became of the forms of which a part was sent when SIGTERM came."""

    asked: int
    answered: int
    seconds: float  # until its last process was gone

    def __str__(self) -> str:
        return f"{self.answered} of {self.asked}, {self.seconds:.1f} s"


@dataclass(frozen=True)
class Found:
    loads: dict[str, load.Load]
    megabytes: float  # of proportional set size, warm
    idle: Hardship
    slow_heads: Hardship
    slow_forms: Hardship
    stop: Stop


def main() -> None:
    arguments = _arguments()
    load.install()
    _install()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = _rows()
    found = {}
    for name, command in SERVERS.items():
        if arguments.only in name:
            print(f"{name} …", file=sys.stderr)
            found[name] = _measure(command, rows, arguments.seconds)
    Console(width=max(150, Console().width)).print(_table(found))
    path = shops.CACHE / "servers.json"
    results = {
        "machine": machine.description(),
        "packages": PACKAGES,
        "servers": {n: asdict(f) for n, f in found.items()},
    }
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"Written to {os.path.relpath(path)}")


def _install() -> None:
    """The other servers, in an environment that sees the shop and what it needs."""
    ready = HOME / "ready"
    if ready.exists() and ready.read_text().split() == list(PACKAGES):
        return
    venv.create(HOME, with_pip=True, clear=True)
    subprocess.run([HOME / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
    (ours,) = (Path(path) for path in sys.path if path.endswith("site-packages"))
    (next(HOME.glob("lib/*/site-packages")) / "shop.pth").write_text(f"{ours}\n{shops.PROJECT}\n")
    ready.write_text("\n".join(PACKAGES))


def _rows() -> dict[str, Path]:
    """What is asked of each server, by name: files as `load` sends them."""
    shelf, random = shelf_of(shops.data_of(shops.DEMO)), Random(1)
    carts = [Visitor().with_cart(some_cart(random, shelf)) for _ in range(20_000)]
    requests: dict[str, Sequence[Request]] = {
        "home": [Request("/")],
        "collection": [Request(f"/collections/{shelf.collection}")],
        "product": [Request(f"/products/{shelf.products[0]}")],
        "cart": [visitor.asking(Request("/cart")) for visitor in carts],
        "add to cart": [visitor.asking(adding(shelf.items[0], "/")) for visitor in carts],
    }
    return {
        name: load.write(shops.CACHE / f"servers-{number}.requests", some)
        for number, (name, some) in enumerate(requests.items())
    }


def _measure(command: Sequence[str], rows: dict[str, Path], seconds: int) -> Found:
    loads = {}
    with _running(command) as (process, port):
        for name, file in rows.items():
            warm = load.send(port, file, seconds=1)
            loads[name] = load.send(port, file, seconds=seconds, first=warm.requests)
        megabytes = sum(machine.proportional_set_size(process.pid).values())
    # Each on a server of its own: some don't recover.
    with _running(command) as (_, port), _connections(port, IDLE):
        idle = _ask_around(port)
    with _running(command) as (_, port), _slow(port, _SLOW_HEAD, b"x"):
        slow_heads = _ask_around(port)
    with _running(command) as (_, port), _slow(port, _form(100), b"x"):
        slow_forms = _ask_around(port)
    with _running(command) as (process, port):
        stop = _stop(process, port)
    return Found(loads, megabytes, idle, slow_heads, slow_forms, stop)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen, int]]:
    port = free_port()
    program, *arguments = (part.format(port=port) for part in command)
    if "/" not in program:
        program = str(HOME / "bin" / program)
    environ = shop_environ(SHOP_DATA=str(shops.data_of(shops.DEMO)), SHOP_PORT=str(port))
    with shops.running([program, *arguments], port, **environ) as process:
        yield process, port


@contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """As many as it takes of them: some servers leave the rest waiting."""
    with ExitStack() as opened:
        connections = []
        for _ in range(count):
            with suppress(OSError):
                connections.append(socket.create_connection(("127.0.0.1", port), timeout=1))
                opened.enter_context(connections[-1])
        yield connections


@contextmanager
def _slow(port: int, start: bytes, piece: bytes) -> Iterator[None]:
    """Clients that send a byte a second."""
    stopped = Event()

    def trickle(clients: list[socket.socket]) -> None:
        while not stopped.wait(1):
            for client in clients:
                with suppress(OSError):
                    client.sendall(piece)

    with _connections(port, SLOW) as clients:
        for client in clients:
            client.sendall(start)
        sending = Thread(target=trickle, args=(clients,))
        sending.start()
        time.sleep(2)
        try:
            yield
        finally:
            stopped.set()
            sending.join()


_SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


def _form(length: int) -> bytes:
    return (
        "POST /cart-items HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _ask_around(port: int) -> Hardship:
    """Somebody asks for a page, on a new connection each time."""
    took = []
    for _ in range(_ASKED):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        began = time.perf_counter()
        try:
            connection.request("GET", "/")
            if connection.getresponse().read():
                took.append((time.perf_counter() - began) * 1000)
        except (OSError, http.client.HTTPException):
            if not took:  # nor would it be the next time
                break
        finally:
            connection.close()
    return Hardship(_ASKED, len(took), median(took) if took else 0)


def _stop(process: subprocess.Popen, port: int) -> Stop:
    answered = 0
    with _connections(port, 2) as buyers:
        for buyer in buyers:
            buyer.sendall(_form(8) + b"item")
        time.sleep(0.5)  # until both are in hand
        process.terminate()
        began = time.perf_counter()
        time.sleep(0.5)
        for buyer in buyers:
            with suppress(OSError):
                buyer.settimeout(_PATIENCE)
                buyer.sendall(b"=mug")
                answered += buyer.recv(100).startswith(b"HTTP/1.1 ")
    with suppress(AssertionError):
        wait_until(
            lambda: process.poll() is not None and not machine.proportional_set_size(process.pid),
            _SECONDS_TO_STOP,
            "the end",
        )
    return Stop(2, answered, time.perf_counter() - began)


def _table(found: dict[str, Found]) -> Table:
    table = Table(title="Requests per second of the demo shop's pages, by server", title_justify="left")
    table.add_column("server")
    names = list(next(iter(found.values())).loads)
    for name in (*names, "p99 ms", "MB"):
        table.add_column(name, justify="right")
    for name in (f"{IDLE:,} idle", f"{SLOW} slow heads", f"{SLOW} slow forms", "in flight at a stop"):
        table.add_column(name)
    for name, each in found.items():
        table.add_row(
            name,
            *(f"{each.loads[row].per_second:,.0f}{_mark(each.loads[row])}" for row in names),
            f"{each.loads['product'].p99:.1f}",
            f"{each.megabytes:.0f}",
            *map(str, (each.idle, each.slow_heads, each.slow_forms, each.stop)),
        )
    table.caption = (
        f"{load.AT_ONCE} connections, two processes each. p99: of the product page. Idle and slow: how a page is"
        " answered to somebody else meanwhile.\n!: some of the requests failed or were refused."
    )
    table.caption_justify = "left"
    return table


def _mark(done: load.Load) -> str:
    return "!" if done.failed or done.refused else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.servers", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--only", default="", metavar="NAME", help="servers whose name has this in it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
