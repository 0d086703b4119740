"""The real server, in processes of its own, for tests that need what only it has.

with live_shop(tmp_path / "data", users_cookie="signed") as shop:
    page.goto(shop.url)
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.databases import environ_of
from tests.forking import PROJECT, Forked

SECONDS_TO_START = 60  # a deadline for a busy machine, not an expectation
SECONDS_TO_STOP = 30


class LiveShop:
    """`shop serve` on a port of its own. Its data folder outlives it, so that it can be started again."""

    def __init__(self, data: Path, catalogue: Path | None, afresh: bool, settings: dict[str, object]) -> None:
        self.data = data
        self._afresh = afresh
        self.port = int(str(settings.get("port") or free_port()))
        self._arguments = ["serve", *(["--catalogue", str(catalogue)] if catalogue else [])]
        given = {f"SHOP_{name.upper()}": str(value) for name, value in settings.items()}
        self._environ = shop_environ(**given | {"SHOP_DATA": str(data), "SHOP_PORT": str(self.port)})
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (the shop's own, closed in `close`)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the processes have said so far, on stdout and stderr."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._log.fileno()
        self.process = start_shop(self._arguments, self._environ, stdout=log, stderr=log, afresh=self._afresh)
        wait_until(lambda: self._ended() or self._answers(), SECONDS_TO_START, "an answer from the shop")
        if self.process.returncode is not None:
            raise AssertionError(f"The shop ended with {self.process.returncode}: {self.log}")

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Ask it to stop, as a supervisor would, and wait until all of it has. The exit code."""
        if not self._ended():
            self.process.send_signal(signum)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself. The exit code."""
        code = self.process.wait(SECONDS_TO_STOP)
        assert not self.processes(), f"The shop left processes behind: {self.processes()}"
        return code

    def kill(self) -> None:
        """End all of it at once, as a power cut would."""
        if self.processes():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.processes(), SECONDS_TO_STOP, "the workers' end")
        # Another test's client may have got its port for a moment.
        wait_until(lambda: _is_free(self.port), SECONDS_TO_STOP, "the end of what has the shop's port")

    def restart(self) -> None:
        self.stop()
        self.start()

    def processes(self) -> list[int]:
        """The ids of its processes that live."""
        return [pid for pid, group in _living() if group == self.process.pid]

    def close(self) -> None:
        try:
            if not self._ended() or self.processes():
                self.stop()
        finally:
            self.kill()
            self._log.close()

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def live_shop(
    data: Path, *, catalogue: Path | None = None, afresh: bool = False, **settings: object
) -> Iterator[LiveShop]:
    """A running shop with `data` as its data folder; `name="Tea"` sets SHOP_NAME. Nothing of it is left after."""
    shop = LiveShop(data, catalogue, afresh, settings)
    try:
        yield shop
    finally:
        shop.close()


def run_shop(
    *arguments: object, stdin: str = "", afresh: bool = False, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the `shop` command to its end: `run_shop("import", path, SHOP_DATA=...)`."""
    typed = [str(each) for each in arguments]
    with ExitStack() as opened:
        given, said, complained = (opened.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        files = {"stdin": given.fileno(), "stdout": said.fileno(), "stderr": complained.fileno()}
        process = start_shop(typed, shop_environ(**environ), **files, afresh=afresh)
        try:
            code = process.wait(SECONDS_TO_START)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        complained.seek(0)
        return subprocess.CompletedProcess(typed, code, said.read(), complained.read())


def start_shop(
    arguments: list[str],
    environ: dict[str, str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    afresh: bool = False,
) -> Forked | subprocess.Popen[bytes]:
    """Start the `shop` command, in a session and process group of its own, by which its workers are found.

    It is forked from a process with the shop's modules loaded, unless `afresh`. Without a file it reads and
    writes nothing.
    """
    with Path(os.devnull).open("r+b") as nothing:
        files = {
            name: nothing.fileno() if file is None else file
            for name, file in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr))
        }
        if not afresh:
            return Forked(arguments, environ, **files)
        command = [sys.executable, "-m", "shop", *arguments]
        return subprocess.Popen(command, cwd=PROJECT, env=environ, **files, start_new_session=True)


def shop_environ(**shop: str) -> dict[str, str]:
    """This process's environment with no other settings of the shop than these, and where that shop's database is."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    return others | (environ_of(Path(shop["SHOP_DATA"])) if "SHOP_DATA" in shop else {}) | shop


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def wait_until(condition, seconds: float, what: str) -> None:
    """Return when `condition()` is true, or fail when it still isn't after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Waited {seconds} seconds for {what}"
        time.sleep(0.02)  # between two looks


def _living() -> Iterator[tuple[int, int]]:
    """The id and process group of each process that isn't a zombie, in all of its threads."""
    if Path("/proc/self/stat").exists():  # Linux, where a slim system may lack `ps`
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                state, _, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
                # The first thread of a killed process may have ended before the others, which keep its sockets open.
                if state not in "ZX" or len(list(stat.parent.glob("task/*"))) > 1:
                    yield int(stat.parent.name), int(group)
        return
    listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        pid, group, state = line.split()[:3]
        if not state.startswith("Z"):
            yield int(pid), int(group)
