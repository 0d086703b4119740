"""nginx in front of shops, with the configuration of docs/deployment/nginx.conf.

`python -m tests.nginx` prints where nginx is, installing it first where that is possible. Where there is none to be
had, the tests that need it are skipped and say so; with CI set that is a failure.

with nginx(tmp_path, [shop.port, other.port]) as proxy:
    visitor = Visitor(proxy)
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.buyers import Browser
from tests.installing import apt_get, provide
from tests.live import PROJECT, SECONDS_TO_START, free_port, wait_until

GIVEN = "CRUMB_NGINX"
CONFIGURATION = PROJECT / "docs" / "deployment" / "nginx.conf"
HOST = "shop.example"  # the name in that file

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
class Nginx:
    port: int
    certificate: Path
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
    key, certificate = _certify(folder)
    _write(folder, _adapted(shops, port, plain, key, certificate, without))
    process = subprocess.Popen(
        [program, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), SECONDS_TO_START, "nginx")
        assert process.returncode is None, process.stderr.read().decode()
        yield Nginx(port, certificate, folder)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _adapted(shops: Sequence[int], port: int, plain: int, key: Path, certificate: Path, without: str) -> str:
    """The file that the docs give, on ports and with a certificate that are to be had here."""
    text = CONFIGURATION.read_text()
    changes = {
        "server 127.0.0.1:8001 ": f"server 127.0.0.1:{shops[0]} ",
        "server 127.0.0.1:8002 ": f"server 127.0.0.1:{shops[1]} ",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "/etc/letsencrypt/live/shop.example/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/shop.example/privkey.pem": str(key),
    }
    for there, here in changes.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return "\n".join(line for line in text.splitlines() if not without or without not in line)


def _write(folder: Path, configuration: str) -> None:
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))
    (folder / "crumb.conf").write_text(configuration)


def _certify(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate of this machine that lasts for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    return folder / "key.pem", folder / "certificate.pem"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Visitor(Browser):
    """A browser that comes over TLS, through nginx."""

    def __init__(self, proxy: Nginx) -> None:
        super().__init__(proxy.port)
        self._trusting = ssl.create_default_context(cafile=str(proxy.certificate))

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS_TO_START, context=self._trusting)

    def headers(self) -> dict[str, str]:
        return super().headers() | {"Host": HOST}


def find() -> str | None:
    """nginx's program; None where there is none."""
    if given := os.environ.get(GIVEN):
        return given if Path(given).exists() else None
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


if __name__ == "__main__":
    sys.exit(provide("nginx", find, lambda: apt_get("nginx-light"), GIVEN, MISSING))
