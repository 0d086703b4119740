"""Sending requests with wrk, whose one thread in C is not what limits the servers here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.visits import Request

SCRIPT = Path(__file__).with_name("requests.lua")
AT_ONCE = 32  # connections: both workers always have the next request


@dataclass(frozen=True)
class Load:
    """What came of a round. Latencies are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int  # without an answer
    refused: int  # answered with 400 or more

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def install() -> None:
    """See that there is a wrk to run. Exits with a line that says how to get one."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "--quiet"], **quietly, check=False)
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", "wrk"], **quietly, check=False)
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing, which sends the requests. On Debian and Ubuntu: apt install wrk")


def write(path: Path, requests: Sequence[Request]) -> Path:
    """The requests as `requests.lua` reads them."""
    with path.open("wb") as file:
        for request in requests:
            sent = request.as_sent()
            file.write(b"%d\n%s" % (len(sent), sent))
    return path


def send(port: int, file: Path, *, seconds: int = 1, at_once: int = AT_ONCE, first: int = 0) -> Load:
    """Send what `write` wrote, from the `first` on, and from the beginning again when all are sent."""
    command = ["wrk", "--threads=1", f"--connections={at_once}", f"--duration={seconds}s", "--timeout=20s"]
    url = f"http://127.0.0.1:{port}"
    done = subprocess.run(
        [*command, "--script", SCRIPT, url, "--", file, str(first)], capture_output=True, text=True, check=True
    )
    return Load(**json.loads(done.stdout.splitlines()[-1]))
