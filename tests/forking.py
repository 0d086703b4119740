"""The `shop` command in processes that are forked from one which has the shop's modules loaded.

All else is as a shell does it: a process of its own, with its own environment, files and exit code. Loading the
modules takes longer than everything else at a start, and teaches nothing the hundredth time.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
_LONGEST_MESSAGE = 1_000_000  # bytes

# Templates that a server makes ready before its first visitor. Another that is missing here only takes it longer.
WHAT_STARTS_COMPILE = (
    "layout.html",
    "pages/*.html",
    "fragments/cart.html",
    "fragments/header-*.html",
    "fragments/suggestions.html",
)


class Forked:
    """A process that runs `shop` with these arguments: the part of subprocess.Popen that tests need."""

    def __init__(
        self, arguments: list[str], environ: dict[str, str], *, stdin: int, stdout: int, stderr: int
    ) -> None:
        self.args = arguments
        self.returncode: int | None = None
        request = {"arguments": arguments, "environ": environ}
        self.pid: int = _parent().ask(request, [stdin, stdout, stderr])

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _parent().ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(0.01)  # between two looks
        return code

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Parent:
    """The process to fork from, as seen from here. It ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking"],
                cwd=PROJECT,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt from the keyboard is for us alone
            )
        atexit.register(self._close)

    def ask(self, request: dict[str, object], files: list[int] | None = None) -> Any:
        with self._asking:
            socket.send_fds(self._socket, [json.dumps(request).encode()], files or [])
            return json.loads(self._socket.recv(_LONGEST_MESSAGE))

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


_parent = cache(_Parent)


def _run_what_is_asked() -> None:
    """Fork for each request. Returns in the processes that are to run `shop`, and when nobody can ask any more."""
    asked = socket.socket(fileno=os.dup(0))
    while True:
        message, files, _, _ = socket.recv_fds(asked, _LONGEST_MESSAGE, 3)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if "ended" in request:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif (answer := os.fork()) == 0:
            asked.close()
            _become(request, files)
            return
        for file in files:
            os.close(file)
        asked.send(json.dumps(answer).encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    os.setsid()
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv[1:] = request["arguments"]


def _load() -> None:
    """What every `shop` loads, and what it finds out once. It leaves no connection, which a fork would break."""
    import psycopg  # noqa: F401

    import shop.cli  # noqa: F401
    from shop import create_app
    from shop.database import Database
    from shop.settings import read_settings
    from tests.templates import compile_once

    compile_once()
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings({"SHOP_DATA": folder, "SHOP_SECRET_KEY": "a key of nobody at all, really"})
        database = Database(settings.database_url)
        database.migrate()
        database.close()
        app = create_app(settings)
        for pattern in WHAT_STARTS_COMPILE:
            for template in (PROJECT / "templates").glob(pattern):
                app.jinja_env.get_template(template.relative_to(PROJECT / "templates").as_posix())
    gc.freeze()  # the collector would write to all that the processes share


if __name__ == "__main__":
    _load()
    _run_what_is_asked()
    from shop.cli import main

    main()
