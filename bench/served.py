"""The shop as other servers take it: `app`, and two processes of those that have only one of their own.

`python -m bench.served waitress|cheroot PORT`, in the environment that bench/servers.py makes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable

from shop import create_app
from shop.settings import read_settings

PROCESSES = 2
THREADS = 8

app = create_app(read_settings())


def waitress(port: int) -> None:
    from waitress import serve

    # It has no other stop than this: what is in hand is finished, or not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(app, sockets=[_shared(port)], threads=THREADS, connection_limit=4000, asyncore_use_poll=True)


def cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    server = Server(
        ("127.0.0.1", port), app, numthreads=THREADS, request_queue_size=1024, reuse_port=True, shutdown_timeout=8
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.safe_start()


def _shared(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", port))
    return listening


def _in_processes(serve: Callable[[int], None], port: int) -> None:
    children = []
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            serve(port)
            os._exit(0)
        children.append(child)

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    _in_processes({"waitress": waitress, "cheroot": cheroot}[sys.argv[1]], int(sys.argv[2]))
