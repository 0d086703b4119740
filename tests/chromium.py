"""The browser of the browser tests: found, or installed. `python -m tests.chromium` prints where it is.

Where there is none to be had, the tests that need it are skipped and say so; with CI set that is a failure. Beside it
there may be Chromium's headless shell: the same browser without what only windows need, which takes half the time.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.installing import apt_get, provide, run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
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


def find_shell() -> str | None:
    """The headless shell's path; None where there is none, or another browser is named."""
    return None if os.environ.get(GIVEN) else next(filter(None, map(shutil.which, SHELLS)), None)


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if path and Path(path).exists() else None


def install() -> None:
    """Try Playwright's own download, then the system's package manager."""
    if not (run([sys.executable, "-m", "playwright", "install", "chromium"], seconds=120) and find()):
        apt_get("chromium")
        apt_get("chromium-headless-shell")


if __name__ == "__main__":
    found = provide("Chromium or Chrome", find, install, GIVEN, MISSING)
    if os.environ.get("CI") and not os.environ.get(GIVEN) and not find_shell():
        apt_get("chromium-headless-shell")
    sys.exit(found)
