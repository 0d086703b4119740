"""What stands in front of shops in tests, over TLS, with the files of the docs: nginx (`tests.nginx`), `tests.caddy`.

with nginx(tmp_path / "nginx", [shop.port, other.port]) as proxy:
    visitor = Visitor(proxy)
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.buyers import Browser
from tests.live import PROJECT, SECONDS_TO_START, wait_until

DEPLOYMENT = PROJECT / "docs" / "deployment"
HOST = "shop.example"  # the name in the files there


@dataclass
class Proxy:
    """Where it listens, and the certificate that it shows."""

    port: int
    certificate: Path


class Visitor(Browser):
    """A browser that comes over TLS, through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy.port)
        self._trusting = ssl.create_default_context(cafile=str(proxy.certificate))

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS_TO_START, context=self._trusting)

    def headers(self) -> dict[str, str]:
        return super().headers() | {"Host": HOST}


@contextmanager
def running(command: Sequence[str | Path], port: int, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """The proxy that `command` starts, from when it listens on `port`."""
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), SECONDS_TO_START, "the proxy")
        assert process.returncode is None, process.stderr.read().decode()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def adapted(file: str, changes: Mapping[str, str]) -> str:
    """A file of the docs, on ports and with a certificate that are to be had here."""
    text = (DEPLOYMENT / file).read_text()
    for there, here in changes.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return text


def certify(folder: Path) -> tuple[Path, Path]:
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
