"""The sizes of the catalogue's pictures: making them, and knowing which are made. `shop images` runs this.

A source is what the catalogue names: an address, or a path on this host. Its row in the table `pictures` is written
when its sizes are in their place, which they come to in one step. So a run that is killed leaves nothing half done
that counts, and the next one goes on from there. A source that can't be had keeps what was made of it before, if
anything was; pages show the others as the catalogue names them.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from tempfile import NamedTemporaryFile
from threading import Lock, Thread, Timer
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shop.catalogue import version
from shop.catalogue.picture_sources import Broken, Fetcher, Folders, Limits, Stamp, Unchanged, is_remote
from shop.database import Database, images, pictures, products, variants
from shop.settings import Settings

T = TypeVar("T")
Result = TypeVar("Result")
Row = dict[str, Any]

FETCHED_AT_ONCE = 8
SECONDS_BETWEEN_NOTES = 1.0
PROGRAM = Path(__file__).with_name("picture_sizes.py")
KEY = re.compile(r"[0-9a-f]{20}")


class AtWork(Exception):
    """Another process is making sizes in the same folder."""


@dataclass(frozen=True)
class Problem:
    """A source that no sizes could be made of, or not again."""

    product: str  # the handle of a product that shows it
    src: str
    reason: str


@dataclass
class Report:
    """What a run did, and all that is broken since this run or an earlier one."""

    made: int = 0
    unchanged: int = 0
    broken: list[Problem] = field(default_factory=list)


def make(
    database: Database,
    settings: Settings,
    *,
    again: bool = False,
    refresh: bool = False,
    private: bool = False,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Make the sizes of every source that has none, and of files of this shop that have changed.

    Broken ones are tried `again`, and with `refresh` the servers of all others are asked whether they have changed;
    those in private networks only with `private`. `progress` is called with the number of sources that are done, and
    of all. Raises AtWork, and OSError where nothing can be written, with what was made until then in its place.
    """
    limits = limits or Limits()
    with _alone(settings) as (sizes, making):
        folders = Folders(settings, limits)
        with database.reading() as connection:
            sources = _sources(connection, folders, sizes)
        jobs = [source for source in sources if source.needs_work(again=again, refresh=refresh)]
        report = Report()
        fetcher = Fetcher(limits, FETCHED_AT_ONCE, private=private)
        with closing(_Workshop(folders, fetcher, limits, sizes, making)) as workshop, _Notebook(database) as notebook:
            for count, outcome in enumerate(_at_once(workshop.do, jobs, FETCHED_AT_ONCE), 1):
                notebook.note(outcome)
                report.made += outcome.made
                if progress:
                    progress(count, len(jobs))
    with database.reading() as connection:
        report.broken = _broken(connection)
    report.unchanged = len(sources) - report.made - len(report.broken)
    return report


def count_unmade(connection: Connection) -> int:
    """How many sources were never looked at."""
    named = _named().subquery()
    unmade = sa.select(sa.func.count(named.c.src.distinct())).where(named.c.src.not_in(sa.select(pictures.c.src)))
    return connection.execute(unmade).scalar_one()


def prune(database: Database, settings: Settings) -> int:
    """Remove what was made of sources that no product names any more, or of what they were before.

    The sizes that another shop in the same data folder shows stay. How many sources there were. Raises AtWork.
    """
    with _alone(settings) as (sizes, making):
        with database.writing() as connection:
            gone = pictures.delete().where(pictures.c.src.not_in(sa.select(_named().subquery().c.src)))
            count = connection.execute(gone).rowcount
        shown = _keys_shown(database, settings)
        for folder in sizes.iterdir():
            if KEY.fullmatch(folder.name) and folder.name not in shown:
                shutil.rmtree(folder.rename(making / folder.name))  # at once: half of it must not look like a whole
    return count


# What there is to do.


@dataclass(frozen=True)
class _Source:
    """A source, with what the shop knows of it."""

    src: str
    known: bool
    problem: str
    whole: bool  # what was made of it is there
    lost: bool  # what was made of it is not there any more
    before: Stamp  # when it was looked at
    now: Stamp  # of a file; of an address, only its server could tell

    def needs_work(self, *, again: bool, refresh: bool) -> bool:
        if not self.known or self.lost or self.before != self.now:
            return True
        return again if self.problem else refresh and is_remote(self.src)


def _sources(connection: Connection, folders: Folders, sizes: Path) -> list[_Source]:
    rows = {row.src: row for row in connection.execute(sa.select(pictures))}
    sources = []
    for src in _products_by_source(connection):
        row = rows.get(src)
        made = row.made if row else None
        whole = made is not None and ("key" not in made or (sizes / made["key"]).is_dir())
        before = Stamp(row.etag, row.modified) if row else Stamp()
        now = before if is_remote(src) else folders.stamp(src)
        problem = row.problem if row else ""
        sources.append(_Source(src, row is not None, problem, whole, made is not None and not whole, before, now))
    return sources


def _named() -> sa.CompoundSelect[Any]:
    """`src`, `product_id` and `position` of all that products name."""
    return sa.union_all(
        sa.select(images.c.src, images.c.product_id, images.c.position),
        sa.select(variants.c.image_src, variants.c.product_id, variants.c.position).where(
            variants.c.image_src.is_not(None)
        ),
    )


def _products_by_source(connection: Connection) -> dict[str, str]:
    """The handle of a product for each source, those first that most shoppers see first."""
    named = _named().subquery()
    rows = connection.execute(
        sa.select(named.c.src, products.c.handle)
        .join(products, products.c.id == named.c.product_id)
        .order_by(products.c.visible.desc(), named.c.position, products.c.id)
    )
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(row.src, row.handle)
    return found


def _broken(connection: Connection) -> list[Problem]:
    rows = connection.execute(sa.select(pictures.c.src, pictures.c.problem).where(pictures.c.problem != ""))
    problems = {row.src: row.problem for row in rows}
    named = _products_by_source(connection)
    return [Problem(product, src, problems[src]) for src, product in named.items() if src in problems]


def _keys_shown(database: Database, settings: Settings) -> set[str]:
    """The keys that this shop, and those beside it, have in their databases."""
    beside = [settings.data / "shop.sqlite3", *(settings.data / "catalogues").glob("*.sqlite3")]
    keys = _keys(database)
    for path in filter(Path.exists, beside):
        with closing(Database(f"sqlite:///{path}")) as other:
            keys |= _keys(other)
    return keys


def _keys(database: Database) -> set[str]:
    with database.reading() as connection:
        if not sa.inspect(connection).has_table(pictures.name):
            return set()  # it is older
        made = connection.execute(sa.select(pictures.c.made).where(pictures.c.made.is_not(None))).scalars()
        return {each["key"] for each in made if "key" in each}


# Doing it.


@dataclass(frozen=True)
class _Outcome:
    """What came of a source: what to write in its row."""

    src: str
    row: Row
    made: bool = False

    def keep(self, connection: Connection) -> None:
        row = self.row | {"checked_at": datetime.now(UTC).isoformat(timespec="seconds")}
        if not connection.execute(pictures.update().where(pictures.c.src == self.src).values(row)).rowcount:
            empty = {"src": self.src, "made": None, "problem": "", "etag": "", "modified": ""}
            connection.execute(pictures.insert().values(empty | row))


class _Notebook:
    """Writes rows, several in one transaction when they come fast: each makes the shop's caches start anew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._outcomes: list[_Outcome] = []
        self._written_at = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._write()

    def note(self, outcome: _Outcome) -> None:
        self._outcomes.append(outcome)
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_NOTES:
            self._write()

    def _write(self) -> None:
        if not self._outcomes:
            return
        with self._database.writing() as connection:
            for outcome in self._outcomes:
                outcome.keep(connection)
            if any("made" in outcome.row for outcome in self._outcomes):
                version.bump(connection)
        self._outcomes.clear()
        self._written_at = time.monotonic()


class _Workshop:
    """Where a source becomes a folder of sizes. Several threads may `do` it at once."""

    def __init__(self, folders: Folders, fetcher: Fetcher, limits: Limits, sizes: Path, making: Path) -> None:
        self._folders = folders
        self._making = making
        self._fetcher = fetcher
        self._shrinkers = [_Shrinker(sizes, making, limits.seconds_to_shrink) for _ in range(_cores())]
        self._free: SimpleQueue[_Shrinker] = SimpleQueue()
        for shrinker in self._shrinkers:
            self._free.put(shrinker)

    def do(self, source: _Source) -> _Outcome:
        """Raises OSError where nothing can be written."""
        try:
            made, stamp = self._fetched(source) if is_remote(source.src) else self._found(source)
        except Unchanged:
            return _Outcome(source.src, {"problem": ""})
        except Broken as broken:
            row: Row = {"problem": str(broken)}
            if source.lost:
                row["made"] = None
            if not is_remote(source.src):
                row["etag"] = source.now.etag
            return _Outcome(source.src, row)
        row = {"made": made, "problem": "", "etag": stamp.etag, "modified": stamp.modified}
        return _Outcome(source.src, row, made=True)

    def close(self) -> None:
        self._fetcher.stop()
        for shrinker in self._shrinkers:
            shrinker.close()

    def _fetched(self, source: _Source) -> tuple[Row, Stamp]:
        with NamedTemporaryFile(dir=self._making) as file:
            stamp = self._fetcher.fetch(source.src, file, source.before if source.whole else Stamp())
            file.flush()
            return self._shrunk(Path(file.name)), stamp

    def _found(self, source: _Source) -> tuple[Row, Stamp]:
        return self._shrunk(self._folders.find(source.src)), source.now

    def _shrunk(self, file: Path) -> Row:
        shrinker = self._free.get()
        try:
            return shrinker.shrink(file)
        finally:
            self._free.put(shrinker)


class _Shrinker:
    """A process that makes sizes (see `picture_sizes`), started at the first picture, and anew when it has died."""

    def __init__(self, sizes: Path, making: Path, seconds: float) -> None:
        self._folders = {"sizes": str(sizes), "making": str(making)}
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def shrink(self, file: Path) -> Row:
        """What was made of the picture `file`. Raises Broken, and OSError where nothing can be written."""
        process = self._process = self._process or self._start()
        started = time.monotonic()
        timer = Timer(self._seconds, process.kill)
        timer.daemon = True
        timer.start()
        answer = self._ask(process, file)
        timer.cancel()
        if not answer:
            self.close()
            late = time.monotonic() - started >= self._seconds
            raise Broken("takes too long to read" if late else "damaged: reading it ends in a crash")
        made: Row = json.loads(answer)
        if "problem" in made:
            raise Broken(made["problem"])
        if "failed" in made:
            raise OSError(made["failed"])
        return made

    def close(self) -> None:
        if self._process:
            self._process.kill()
            with suppress(BrokenPipeError), self._process:
                self._process = None

    def _ask(self, process: subprocess.Popen[str], file: Path) -> str:
        """The line it answers; empty when it has died."""
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"source": str(file), **self._folders}) + "\n")
            process.stdin.flush()
        return process.stdout.readline()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # a Ctrl-C is for us, and ends it with us: its standard input ends
        )


def _at_once(do: Callable[[T], Result], things: Iterable[T], most: int) -> Iterator[Result]:
    """What `do` makes of each thing, in whatever order it is done, so many at once. Raises what `do` raises.

    The threads are daemons: whoever interrupts this waits for nothing.
    """
    waiting, lock = list(reversed(list(things))), Lock()
    results: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                thing = waiting.pop()
            try:
                results.put((do(thing), None))
            except BaseException as error:
                results.put((None, error))

    count = len(waiting)
    for _ in range(min(most, count)):
        Thread(target=work, daemon=True).start()
    try:
        for _ in range(count):
            result, error = results.get()
            if error:
                raise error
            yield result  # type: ignore[misc]
    finally:
        waiting.clear()


@contextmanager
def _alone(settings: Settings) -> Iterator[tuple[Path, Path]]:
    """The folder of sizes, and one in it for what isn't finished, emptied. Raises AtWork."""
    sizes = settings.images.resolve() / "sizes"
    making = sizes / ".making"
    sizes.mkdir(parents=True, exist_ok=True)
    with (sizes / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AtWork from None
        # Moved away first: a process that a killed run left behind may still be at its last picture, and without its
        # folder it can't go on. With half of it, it could finish half a picture.
        gone = sizes / ".gone"
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(FileNotFoundError):
            making.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        making.mkdir()
        yield sizes, making


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
