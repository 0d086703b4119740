"""The shops that are measured, made once and kept in .cache/bench/; and the reference beside them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from bench import bare, generate
from bench.visits import Answer, Request, ask
from tests.live import PROJECT, free_port, shop_environ, wait_until

CACHE = PROJECT / ".cache" / "bench"
DEMO = 0  # products: the demo catalogue's own


def name_of(products: int) -> str:
    return f"{products:,} products" if products else "demo"


def data_of(products: int) -> Path:
    """The data folder of a shop of so many made-up products, or of the demo's; made where it isn't there."""
    if products == DEMO:
        folder = CACHE / "demo"
        if not folder.exists():
            _in_place(folder, lambda new: _shop("demo", new))
        return folder
    folder = CACHE / f"{products}-{_digest(Path(generate.__file__))}"
    if not folder.exists():
        export = export_of(products)
        print(f"Importing {products:,} products …", file=sys.stderr)
        _in_place(folder, lambda new: _shop("import", new, export))
    return folder


def export_of(products: int) -> Path:
    """The file of so many made-up products; made where it isn't there."""
    path = CACHE / f"{products}-{_digest(Path(generate.__file__))}.csv"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"Making up {products:,} products …", file=sys.stderr)
        unfinished = path.with_suffix(".new")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            for _ in generate.write(file, products):
                pass
        unfinished.rename(path)
    return path


def _in_place(folder: Path, make) -> None:
    """Have `make` fill the folder, which is there when all of it is."""
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    make(new)
    new.rename(folder)


def _shop(command: str, data: Path, *arguments: object) -> None:
    shop = [sys.executable, "-m", "shop", command, *map(str, arguments)]
    done = subprocess.run(shop, cwd=PROJECT, env=shop_environ(SHOP_DATA=str(data)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:8]


@contextmanager
def reference(answers: Mapping[str, Answer]) -> Iterator[int]:
    """The bare view, serving what looks like these answers, each at its name. Its port."""
    CACHE.mkdir(parents=True, exist_ok=True)
    described = CACHE / "answers.json"
    described.write_text(json.dumps({name: bare.described(answer) for name, answer in answers.items()}))
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(described), str(port)]
    with running(command, port, path=f"/{next(iter(answers))}"):
        yield port


@contextmanager
def running(command: list[str], port: int, path: str = "/health", **environ: str) -> Iterator[subprocess.Popen]:
    """A server's process group, from its first answer on; ended at the end."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or _answers(port, path), 60, f"an answer of {command}")
        if process.returncode is not None:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int, path: str) -> bool:
    with suppress(OSError):
        return ask(port, Request(path)).status > 0
    return False
