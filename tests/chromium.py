"""The browser of the browser tests: found, or installed. `python -m tests.chromium` prints where it is.

Where there is none to be had, the tests that need it are skipped and say so; with CI set that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
GIVEN = "CRUMB_CHROMIUM"

MISSING = f"""\
No Chromium or Chrome was found, and none could be installed, so the browser tests can't run.
Install one (Debian and Ubuntu: apt install chromium), or name one: {GIVEN}=/path/to/chromium"""


def find() -> str | None:
    """The browser's path; None where there is none."""
    if given := os.environ.get(GIVEN):
        return given if os.access(given, os.X_OK) else None
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    return on_path or (str(MAC) if MAC.exists() else None) or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if path and Path(path).exists() else None


def install() -> None:
    """Try Playwright's own download, then the system's package manager."""
    if _run([sys.executable, "-m", "playwright", "install", "chromium"], seconds=120) and find():
        return
    if not shutil.which("apt-get"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if _run([*prefix, "apt-get", "update", "-qq"], seconds=300):
        environ = {"DEBIAN_FRONTEND": "noninteractive"}
        _run([*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], 900, environ)


def _run(command: list[str], seconds: int, environ: dict[str, str] | None = None) -> bool:
    """True when it did what it should, in time. Its output shows only when it did not."""
    try:
        done = subprocess.run(
            command,
            timeout=seconds,
            env={**os.environ, **(environ or {})},
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


def main() -> int:
    path = find()
    if path is None and not os.environ.get(GIVEN):
        print("No Chromium or Chrome here yet: installing one …", file=sys.stderr)
        install()
        path = find()
    if path is None:
        print(MISSING, file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
