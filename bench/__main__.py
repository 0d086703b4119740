"""`make bench`: the shop beside a bare Flask view, on the same machine, in the same five minutes at most."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import load, machine, shops
from bench.load import Load
from bench.rows import Row, rows_of
from bench.visits import Answer, Request, ask, first, queries, searching, shelf_of
from tests.live import live_shop

LARGE = 100_000  # products
WARM = 1_000
ROUNDS = 3
_SAMPLES = 20  # answers, of which the reference copies the one of middling length
_MOST_MEMORY = 150  # MB


@dataclass(frozen=True)
class Measured:
    """A row's figures: requests per second, `ratio` as the median over the rounds, latencies in milliseconds."""

    shop: str
    row: Row
    bytes: int
    per_second: float
    reference: float
    ratio: float
    p50: float  # under load
    p99: float
    alone: float  # with nobody else there, the middle one

    @property
    def reached(self) -> bool:
        return self.ratio >= self.row.goal / 100

    def as_json(self) -> dict[str, Any]:
        facts = asdict(self) | {"reached": self.reached}
        del facts["row"]
        return {"page": self.row.page, "visitor": self.row.visitor, "goal": self.row.goal / 100} | facts


def main() -> None:
    arguments = _arguments()
    load.install()
    console = Console(width=max(120, Console().width))
    described = machine.description()
    console.print(_machine_line(described), highlight=False)
    measured = compare(arguments.rounds, arguments.only)
    console.print(_table(measured))
    results = {"machine": described, "rows": [each.as_json() for each in measured]}
    if not arguments.only:
        results["memory"] = memory = warm_memory()
        console.print(_memory_line(memory))
    path = shops.CACHE / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"Written to {os.path.relpath(path)}")


def compare(rounds: int, only: str) -> list[Measured]:
    """Each row's requests, sent by turns to the reference and to the shop."""
    with ExitStack() as open_:
        ports, rows, answers = {}, [], {}
        for products in (shops.DEMO, LARGE):
            data = shops.data_of(products)
            shop = open_.enter_context(live_shop(data, afresh=True))
            name = shops.name_of(products)
            ports[name] = shop.port
            rows += [(name, row) for row in rows_of(shop.port, shelf_of(data), products) if only in row.page]
        for number, (name, row) in enumerate(rows):
            answers[f"row-{number}"] = _typical([ask(ports[name], each) for each in row.requests[:_SAMPLES]])
        reference = open_.enter_context(shops.reference(answers))
        return _in_rounds(rounds, rows, ports, answers, reference)


def _in_rounds(
    rounds: int,
    rows: Sequence[tuple[str, Row]],
    ports: dict[str, int],
    answers: dict[str, Answer],
    reference: int,
) -> list[Measured]:
    files = []
    for number, (_, row) in enumerate(rows):
        ours = load.write(shops.CACHE / f"row-{number}.requests", row.requests)
        its = [replace(row.requests[0], path=f"/row-{number}")]
        files.append((ours, load.write(shops.CACHE / f"reference-{number}.requests", its)))
    results: list[list[tuple[Load, Load]]] = [[] for _ in rows]
    alone = []
    sent = [0] * len(rows)
    for number, (name, _) in enumerate(track(rows, "Warming up", transient=True)):
        alone.append(load.send(ports[name], files[number][0], at_once=1))
        warm = load.send(ports[name], files[number][0], first=alone[-1].requests)
        sent[number] = alone[-1].requests + warm.requests + load.AT_ONCE
    # Each row once, then each again: what else the machine does hits few rounds of a row.
    for number in track(list(range(len(rows))) * rounds, "Measuring", transient=True):
        name, row = rows[number]
        its = load.send(reference, files[number][1])
        ours = load.send(ports[name], files[number][0], first=sent[number])
        sent[number] += ours.requests + load.AT_ONCE
        for each in (its, ours):
            if each.failed or each.refused:
                raise SystemExit(f"{name}, {row.page}, {row.visitor}: {each}")
        if row.unseen and sent[number] > len(row.requests):
            raise SystemExit(f"{name}, {row.page}: {len(row.requests):,} requests were too few to be all different")
        results[number].append((its, ours))
    return [
        Measured(
            shop=name,
            row=row,
            bytes=len(answers[f"row-{number}"].body),
            per_second=median(ours.per_second for _, ours in results[number]),
            reference=median(its.per_second for its, _ in results[number]),
            ratio=median(ours.per_second / its.per_second for its, ours in results[number]),
            p50=median(ours.p50 for _, ours in results[number]),
            p99=median(ours.p99 for _, ours in results[number]),
            alone=alone[number].p50,
        )
        for number, (name, row) in enumerate(rows)
    ]


def _typical(answers: Sequence[Answer]) -> Answer:
    """The answer of middling length."""
    return sorted(answers, key=lambda answer: len(answer.body))[len(answers) // 2]


def warm_memory() -> dict[str, Any]:
    """Megabytes of a server of 1,000 products, all of whose pages were looked at, and much searched for."""
    data = shops.data_of(WARM)
    with live_shop(data, afresh=True) as shop:
        shelf = shelf_of(data)
        visits = [Request(f"/products/{handle}") for handle in shelf.products]
        visits += [Request(f"/products?page={page}") for page in range(1, 42)]
        visits += first(3_000, searching(queries(WARM)))
        file = load.write(shops.CACHE / "warm.requests", visits)
        sent = 0
        while sent < len(visits):  # however fast the machine is
            sent += load.send(shop.port, file, seconds=4, first=sent).requests
        pages = machine.proportional_set_size(shop.process.pid)
    return {"products": WARM, "processes": sorted(pages.values(), reverse=True), "megabytes": sum(pages.values())}


def _machine_line(described: dict[str, Any]) -> str:
    line = (
        f"{described['cores']} cores ({described['processor']}), Python {described['python']},"
        f" granian {described['versions']['granian']}, wrk {described['wrk']}, {described['date']}"
    )
    if described["busy"] > 1:
        line += f"\nThe machine is busy with other work ({described['busy']} cores of it): expect noise."
    return line


def _memory_line(memory: dict[str, Any]) -> str:
    mark = "✓" if memory["megabytes"] < _MOST_MEMORY else "✗"
    each = ", ".join(f"{size:.0f}" for size in memory["processes"])
    return (
        f"Memory: {memory['megabytes']:.0f} MB of proportional set size ({each})"
        f" with {memory['products']:,} products, two workers, warm; goal: under {_MOST_MEMORY} {mark}"
    )


def _table(measured: Sequence[Measured]) -> Table:
    table = Table(
        title="Requests per second, beside a bare Flask view that gives as many bytes", title_justify="left"
    )
    for name in ("shop", "page", "visitor"):
        table.add_column(name)
    for name in ("bytes", "bare view", "crumb", "ratio", "goal", "", "p50 ms", "p99 ms", "alone ms"):
        table.add_column(name, justify="right")
    for each in measured:
        table.add_row(
            each.shop,
            each.row.page,
            each.row.visitor,
            f"{each.bytes:,}",
            f"{each.reference:,.0f}",
            f"{each.per_second:,.0f}",
            f"{each.ratio:.0%}",
            f"{each.row.goal} %",
            "✓" if each.reached else "✗",
            f"{each.p50:.1f}",
            f"{each.p99:.1f}",
            f"{each.alone:.2f}",
        )
    table.caption = (
        f"{load.AT_ONCE} connections; alone: one. “Never seen”: each request has another cart, query or beginning of"
        " one,\nso its answer is made anew; all other answers were kept by then."
    )
    table.caption_justify = "left"
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of a second each, by turns with the reference")
    parser.add_argument("--only", default="", metavar="PAGE", help="rows of pages whose name has this in it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
