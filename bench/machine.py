"""What the figures were measured on, and how much memory a server takes."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("flask", "werkzeug", "jinja2", "granian", "sqlalchemy", "brotli", "pyroaring")


def description() -> dict[str, Any]:
    """The machine, the date, the versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "busy": round(os.getloadavg()[0], 1),  # other work at the start, in cores
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "wrk": _first_word_after("wrk ", subprocess.run(["wrk", "--version"], capture_output=True, text=True).stdout),
    }


def proportional_set_size(group: int) -> dict[int, float]:
    """Megabytes of each process in that group: its own pages, and its share of those shared with others."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group:
                rollup = (folder / "smaps_rollup").read_text()
                found[int(folder.name)] = int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) / 1024
        except (OSError, TypeError):  # it has just ended
            continue
    return found


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _first_word_after(start: str, text: str) -> str:
    return text.partition(start)[2].split(" ")[0].strip() or "unknown"
