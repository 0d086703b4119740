"""Programs that tests need and Python's packages don't bring: found, or installed where that needs no password."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable


def provide(name: str, find: Callable[[], object], install: Callable[[], None], given: str, missing: str) -> int:
    """Print what `find` finds, after `install` where it finds nothing. An exit code: a failure in CI alone.

    `given` is the environment variable that names the program; where it is set, nothing is installed.
    """
    found = find()
    if found is None and not os.environ.get(given):
        print(f"No {name} here yet: installing it …", file=sys.stderr)
        install()
        found = find()
    if found is None:
        print(missing, file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    print(found)
    return 0


def apt_get(package: str) -> None:
    """Install a Debian package, where there is apt-get and it asks for no password."""
    if not shutil.which("apt-get"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if run([*prefix, "apt-get", "update", "-qq"], seconds=300):
        run([*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", package], seconds=900)


def run(command: list[str], seconds: int) -> bool:
    """True when it did what it should, in time. Its output shows only when it did not."""
    try:
        done = subprocess.run(
            command,
            timeout=seconds,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return False
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-3:]), file=sys.stderr)
    return done.returncode == 0
