"""The browser of the browser tests: found, or installed. `python -m tests.chromium` prints where it is.

Where there is none to be had, the tests that need it are skipped and say so; with CI set that is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.installing import apt_get, provide, run

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
    if not (run([sys.executable, "-m", "playwright", "install", "chromium"], seconds=120) and find()):
        apt_get("chromium")


if __name__ == "__main__":
    sys.exit(provide("Chromium or Chrome", find, install, GIVEN, MISSING))
