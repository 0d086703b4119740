"""Importing, beside the least it could cost: `python -m bench.imports [--products N]`.

The reference reads the same file with Python's csv reader, and inserts the very rows that the import has written into
a database of the same schema, with sqlite3's own executemany, in one transaction. Then a file is imported while the
shop is asked for pages as fast as one visitor can.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine, shops
from bench.visits import Request, ask
from shop.catalogue.importing import import_file
from shop.database import PRAGMAS, Database
from shop.settings import Settings
from tests.live import PROJECT, live_shop, shop_environ

PRODUCTS = 100_000
SMALL = 10_000
GOAL = 0.5  # of the reference's speed
ROUNDS = 3
_AT_ONCE = 20_000  # rows that the reference inserts between two looks at the clock
_TABLES = (
    *("imports", "products", "variants", "images", "collections", "product_collections", "product_tags"),
    *("product_translations", "search_words", "product_sets"),
)


@dataclass(frozen=True)
class Cost:
    """What some work took, in seconds; `cpu` is of all its processes."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Import(Cost):
    """One import, in processes of its own."""

    megabytes: int  # at most, of the process that writes and the one that reads together
    batches_until: float  # when the last of the file was handed over, by the system's clock
    until: float  # when it had committed


@dataclass(frozen=True)
class Measured:
    """The import of a file beside the reference. Ratios are medians over the rounds."""

    products: int
    ours: float  # products per second
    reference: float
    ratio: float
    cpu_ratio: float  # of processor seconds, however many processors
    megabytes: int

    @property
    def reached(self) -> bool:
        return self.ratio >= GOAL


@dataclass(frozen=True)
class Service:
    """What visitors got while a file was imported."""

    products: int
    seconds: float
    answers: int
    failed: int  # answers other than those of the old catalogue, or of the new one
    slowest: float  # milliseconds
    median: float
    slowest_alone: float  # before the import began
    median_alone: float
    old_until_commit: bool


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(asdict(_import_here(*map(Path, arguments.child)))))
        return
    console = Console(width=max(120, Console().width))
    described = machine.description()
    measured = [compare(products, arguments.rounds) for products in sorted({SMALL, arguments.products})]
    console.print(_table(measured))
    service = serve_meanwhile(arguments.products)
    console.print(_sentence(service), highlight=False)
    results = {
        "machine": described,
        "goal": GOAL,
        "imports": [asdict(each) | {"reached": each.reached} for each in measured],
        "service": asdict(service),
    }
    path = shops.CACHE / "imports.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"Written to {os.path.relpath(path)}")


def compare(products: int, rounds: int) -> Measured:
    """Import a file of so many products into an empty shop, and the reference's work by turns."""
    export = shops.export_of(products)
    results = []
    for _ in range(rounds):
        with _folder() as folder:
            _empty_shop(folder)
            ours = _import(export, folder)
            results.append((ours, reference(export, folder / "shop.sqlite3", folder / "reference.sqlite3")))
    return Measured(
        products=products,
        ours=products / median(ours.wall for ours, _ in results),
        reference=products / median(its.wall for _, its in results),
        ratio=median(its.wall / ours.wall for ours, its in results),
        cpu_ratio=median(its.cpu / ours.cpu for ours, its in results),
        megabytes=max(ours.megabytes for ours, _ in results),
    )


def reference(export: Path, imported: Path, copy: Path) -> Cost:
    """What it takes to read the file, and to insert the rows of the `imported` shop into a `copy` of its schema."""
    clock = _Clock()
    with export.open(encoding="utf-8", newline="") as file:
        clock.run(lambda: deque(csv.reader(file), maxlen=0))
    with closing(sqlite3.connect(imported)) as source, closing(sqlite3.connect(copy, isolation_level=None)) as target:
        for pragma in PRAGMAS:
            target.execute(f"PRAGMA {pragma}")
        schema = "select sql from sqlite_master where sql is not null and name not like 'sqlite_%' order by type desc"
        for (statement,) in source.execute(schema).fetchall():
            target.execute(statement)
        target.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            rows = source.execute(f"select * from {table} order by rowid")  # noqa: S608 (a name of ours)
            insert = f"insert into {table} values ({', '.join('?' * len(rows.description))})"  # noqa: S608
            while some := rows.fetchmany(_AT_ONCE):
                clock.run(lambda insert=insert, some=some: target.executemany(insert, some))
        clock.run(lambda: target.execute("COMMIT"))
    return Cost(clock.wall, clock.cpu)


def serve_meanwhile(products: int) -> Service:
    """Ask a running shop for pages while a file is imported into its database.

    It begins with the demo's catalogue. Every other request is for a product that only the file has.
    """
    export = shops.export_of(products)
    with _folder() as folder:
        shutil.copytree(shops.data_of(shops.DEMO), folder, dirs_exist_ok=True)
        with live_shop(folder, afresh=True) as shop:
            alone = [_visit(shop.port, old) for old in (True, False) * 100]
            process = subprocess.Popen(_command(export, folder), **_PIPED)
            visits = []
            while process.poll() is None:
                visits += [_visit(shop.port, True), _visit(shop.port, False)]
            done = _result(process)
            after = _visit(shop.port, False)
    times = [each.milliseconds for each in visits]
    alone_times = [each.milliseconds for each in alone]
    of_the_file = [each for each in visits if not each.old]
    return Service(
        products=products,
        seconds=done.wall,
        answers=len(visits),
        failed=sum(each.status != 200 for each in visits if each.old)
        + sum(each.status not in (200, 404) for each in of_the_file),
        slowest=max(times),
        median=median(times),
        slowest_alone=max(alone_times),
        median_alone=median(alone_times),
        old_until_commit=after.status == 200
        and all(each.status == 404 for each in of_the_file if each.until < done.batches_until),
    )


@dataclass(frozen=True)
class _Visit:
    old: bool  # for a page of the old catalogue
    status: int
    milliseconds: float
    until: float  # by the system's clock


def _visit(port: int, old: bool) -> _Visit:
    started = time.perf_counter()
    answer = ask(port, Request("/products" if old else "/products/product-1"))
    return _Visit(old, answer.status, (time.perf_counter() - started) * 1000, time.time())


class _Clock:
    """Adds up what some steps take."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def run(self, step: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


_PIPED: dict[str, Any] = {"cwd": PROJECT, "env": shop_environ(), "stdout": subprocess.PIPE, "text": True}


def _command(export: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "bench.imports", "--child", str(export), str(folder)]


def _import(export: Path, folder: Path) -> Import:
    """Import the file into the folder's shop, in processes of its own."""
    return _result(subprocess.Popen(_command(export, folder), **_PIPED))


def _result(process: subprocess.Popen[str]) -> Import:
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return Import(**json.loads(told))


def _import_here(export: Path, folder: Path) -> Import:
    settings = _settings(folder)
    database = Database(settings.database_url)
    progressed: list[float] = []
    clock = _Clock()
    clock.run(
        lambda: import_file(database, export, settings, progress=lambda _done, _all: progressed.append(time.time()))
    )
    until = time.time()
    database.close()
    its, childrens = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Import(
        wall=clock.wall,
        cpu=clock.cpu + childrens.ru_utime + childrens.ru_stime,
        megabytes=(its.ru_maxrss + childrens.ru_maxrss) // 1024,
        batches_until=progressed[-2],  # the last is after the commit
        until=until,
    )


def _empty_shop(folder: Path) -> None:
    database = Database(_settings(folder).database_url)
    database.migrate()
    database.close()


def _settings(folder: Path) -> Settings:
    return Settings(data=folder, database_url=f"sqlite:///{folder / 'shop.sqlite3'}")


@contextmanager
def _folder() -> Iterator[Path]:
    """One beside the other shops, on the same disk."""
    shops.CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shops.CACHE) as folder:
        yield Path(folder)


def _table(measured: list[Measured]) -> Table:
    table = Table(title="Importing, beside csv.reader and executemany of the same rows", title_justify="left")
    for name in ("products", "reference /s", "crumb /s", "ratio", "goal", "", "ratio of CPU", "peak MB"):
        table.add_column(name, justify="right")
    for each in measured:
        table.add_row(
            f"{each.products:,}",
            f"{each.reference:,.0f}",
            f"{each.ours:,.0f}",
            f"{each.ratio:.0%}",
            f"{GOAL:.0%}",
            "✓" if each.reached else "✗",
            f"{each.cpu_ratio:.0%}",
            str(each.megabytes),
        )
    return table


def _sentence(service: Service) -> str:
    until = "until the commit" if service.old_until_commit else "NOT until the commit"
    return (
        f"While {service.products:,} products were imported ({service.seconds:.0f} s), one visitor got"
        f" {service.answers:,} answers, {service.failed} of them wrong; {service.median:.1f} ms in the middle,"
        f" {service.slowest:.0f} ms at most (before it {service.median_alone:.1f} and {service.slowest_alone:.0f});"
        f" they showed the old catalogue {until}."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--products", type=int, default=PRODUCTS, help="in the larger file")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each file, by turns with the reference")
    parser.add_argument("--child", nargs=2, metavar=("EXPORT", "FOLDER"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
