"""nginx in front of shops, with the configuration of docs/deployment/nginx.conf.

`python -m tests.nginx` prints where nginx is, installing it first where that is possible. Where there is none to be
had, the tests that need it are skipped and say so; with CI set that is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installing import apt_get, provide
from tests.live import free_port
from tests.proxies import Proxy, adapted, certify, running

GIVEN = "CRUMB_NGINX"

MISSING = f"""\
No nginx was found, and none could be installed, so the tests of its configuration can't run.
Install one (Debian and Ubuntu: apt install nginx-light), or name its program: {GIVEN}=/path/to/nginx"""

# What is around the `http` block's own files on a machine. One process takes the shops in turn; several would each.
_AROUND = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    log_format upstream "$upstream_addr $status $request";
    access_log {folder}/access.log upstream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/crumb.conf;
}}
"""


@dataclass
class Nginx(Proxy):
    _folder: Path

    def asked(self) -> list[tuple[str, ...]]:
        """The ports that each request went to, one after the other; several where one didn't answer."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [tuple(re.findall(r"127\.0\.0\.1:(\d+),? ", line)) for line in lines]


@contextmanager
def nginx(folder: Path, shops: Sequence[int], without: str = "") -> Iterator[Nginx]:
    """nginx over TLS in front of two shops, given by their ports; without the lines that have the word `without`."""
    program = find()
    if program is None and os.environ.get("CI"):
        pytest.fail(MISSING)
    if program is None:
        pytest.skip(MISSING)
    folder.mkdir()
    port, plain = free_port(), free_port()
    key, certificate = certify(folder)
    changes = {
        "server 127.0.0.1:8001 ": f"server 127.0.0.1:{shops[0]} ",
        "server 127.0.0.1:8002 ": f"server 127.0.0.1:{shops[1]} ",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "/etc/letsencrypt/live/shop.example/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/shop.example/privkey.pem": str(key),
    }
    lines = adapted("nginx.conf", changes).splitlines()
    (folder / "crumb.conf").write_text("\n".join(line for line in lines if not without or without not in line))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))
    with running([program, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"], port):
        yield Nginx(port, certificate, folder)


def find() -> str | None:
    """nginx's program; None where there is none."""
    if given := os.environ.get(GIVEN):
        return given if Path(given).exists() else None
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


if __name__ == "__main__":
    sys.exit(provide("nginx", find, lambda: apt_get("nginx-light"), GIVEN, MISSING))
