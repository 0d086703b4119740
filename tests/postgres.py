"""The PostgreSQL of the tests: found, or installed, and started for as long as they run.

`python -m tests.postgres` prints where it is, installing it first where that is possible. The server has a folder of
its own, no port (only a socket in that folder) and no passwords. Where there is no PostgreSQL to be had, the tests
that need it are skipped and say so; with CI set that is a failure.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.installing import apt_get, provide

GIVEN = "CRUMB_POSTGRES"
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")

MISSING = f"""\
No PostgreSQL server was found, and none could be installed, so its tests can't run.
Install one (Debian and Ubuntu: apt install postgresql), or name its programs: {GIVEN}=/path/to/postgresql/bin"""


# Stops the server and removes its folder when its standard input ends: at our word, or by our own sudden death.
_KEEPER = 'read _; "$0/pg_ctl" stop --mode=immediate --wait -D "$1/data"; rm -rf "$1"'


class Server:
    """A running server in a folder of its own. `stop` leaves nothing."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._numbers = count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="crumb-postgres-"))
        self._data = self.folder / "data"
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged() if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self._keeper = subprocess.Popen(
            ["sh", "-c", _KEEPER, programs, self.folder],
            user=self._user,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt from the keyboard is for us alone
        )

    def start(self) -> None:
        self._run("initdb", "--auth=trust", "--username=crumb", "--encoding=UTF8", "--no-sync", "-D", self._data)
        self._serve()

    def follow(self, other: Server) -> None:
        """Start as a standby of `other`, which has done nothing from then on that isn't done here as well."""
        source = f"host={other.folder} user=crumb"
        options = ("--checkpoint=fast", "--write-recovery-conf", "--no-sync")
        self._run("pg_basebackup", "--dbname", source, "--pgdata", self._data, *options)
        self._serve()
        other.execute("alter system set synchronous_standby_names = '*'")
        other.execute("select pg_reload_conf()")

    def promote(self) -> None:
        """Take writes from now on, as the standby that it was."""
        self._run("pg_ctl", "promote", "--wait", "-D", self._data)

    def dump(self, url: str) -> Path:
        """What is at `url`, as a file."""
        file = self.folder / "a.dump"
        self._run("pg_dump", *self._database(url), "--format=custom", f"--file={file}")
        return file

    def restore(self, dump: Path, url: str) -> None:
        """Put what is in `dump` into the empty database at `url`."""
        self._run("pg_restore", *self._database(url), "--no-owner", "--exit-on-error", dump)

    def _database(self, url: str) -> tuple[str, ...]:
        return f"--host={self.folder}", "--username=crumb", f"--dbname={make_url(url).database}"

    def _serve(self) -> None:
        # What the tests write may be lost with the power.
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "start", "--wait", "-D", self._data, "-l", self.folder / "log", "-o", options)

    def stop(self) -> None:
        """Stop it, whoever is still connected."""
        self._keeper.communicate(timeout=120)

    def create(self, template: str = "") -> str:
        """The URL of a new database: an empty one, or a copy of what is at the URL `template`."""
        name = f"shop{next(self._numbers)}"
        copied = f" template {make_url(template).database}" if template else ""
        self.execute(f"create database {name}{copied}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://crumb@/{database}?host={self.folder}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self.execute(f"drop database {make_url(url).database} with (force)")

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(f"host={self.folder} user=crumb dbname={database}", autocommit=True)

    def execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str | Path) -> None:
        # A file and no pipe: the server that pg_ctl leaves running would hold a pipe open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._user,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
            )
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running PostgreSQL: `postgres.create()` is the URL of a new, empty database."""
    with server() as postgres:
        postgres.start()
        yield postgres


@contextmanager
def server() -> Iterator[Server]:
    """One of the test's own, not started yet."""
    programs = find()
    if programs is None and os.environ.get("CI"):
        pytest.fail(MISSING)
    if programs is None:
        pytest.skip(MISSING)
    server = Server(programs)
    try:
        yield server
    finally:
        server.stop()


def find() -> Path | None:
    """The folder of PostgreSQL's programs, of the newest that is installed; None where there is none."""
    if given := os.environ.get(GIVEN):
        return Path(given) if (Path(given) / "initdb").exists() else None
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = [folder for pattern in FOLDERS for folder in Path("/").glob(pattern[1:]) if (folder / "initdb").exists()]
    return max(found, key=lambda folder: [int(part) for part in folder.parts if part.isdigit()], default=None)


def _unprivileged() -> str:
    """A user who is not root: PostgreSQL's own, if there is one."""
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


if __name__ == "__main__":
    sys.exit(provide("PostgreSQL", find, lambda: apt_get("postgresql"), GIVEN, MISSING))
