"""Caddy in front of shops, with the configuration of docs/deployment/Caddyfile.

`python -m tests.caddy` prints where Caddy is, installing it first where that is possible. Where there is none to be
had, the tests that need it are skipped and say so, with CI set as well: older systems have no package of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.installing import apt_get, provide
from tests.live import free_port
from tests.proxies import HOST, Proxy, adapted, certify, running

GIVEN = "CRUMB_CADDY"

MISSING = f"""\
No Caddy was found, and none could be installed, so the tests of its configuration can't run.
Install one (Debian and Ubuntu: apt install caddy), or name its program: {GIVEN}=/path/to/caddy"""

# Before the file's own: nobody is told of it, nothing is asked of the internet, and who comes by number is taken in.
_BEFORE = f"""\
{{
    admin off
    auto_https disable_redirects
    default_sni {HOST}
}}
"""


@contextmanager
def caddy(folder: Path, shops: Sequence[int]) -> Iterator[Proxy]:
    """Caddy over TLS in front of two shops, given by their ports."""
    program = find()
    if program is None:
        pytest.skip(MISSING)
    folder.mkdir()
    port = free_port()
    key, certificate = certify(folder)
    changes = {
        f"{HOST} {{": f"{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}",
        "127.0.0.1:8001 127.0.0.1:8002": f"127.0.0.1:{shops[0]} 127.0.0.1:{shops[1]}",
    }
    configuration = folder / "Caddyfile"
    configuration.write_text(_BEFORE + adapted("Caddyfile", changes))
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with running([program, "run", "--config", configuration], port, {**os.environ, **homes}):
        yield Proxy(port, certificate)


def find() -> str | None:
    """Caddy's program; None where there is none."""
    if given := os.environ.get(GIVEN):
        return given if Path(given).exists() else None
    return shutil.which("caddy")


if __name__ == "__main__":
    provide("Caddy", find, lambda: apt_get("caddy"), GIVEN, MISSING)
