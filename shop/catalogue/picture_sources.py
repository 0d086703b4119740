"""Getting hold of a picture that a catalogue names: over the network, or from this shop's own folders.

Everything is bounded, since the other side may be anything: bytes, seconds, redirects. So is where it may be: a
catalogue may come from a supplier, who shall not have this machine ask its own network for something. What can't be
had raises Broken, whose text says why.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Timer
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
    TimeoutError,
)
from urllib3.response import BaseHTTPResponse

from shop.settings import PROJECT, Settings

BUSY = (429, 502, 503, 504)  # statuses of servers that may do better in a moment
CHUNK = 1 << 16
TOO_SLOW = "its server is too slow"


class Broken(Exception):
    """Says what is wrong with a picture."""


class Unchanged(Exception):
    """The source is what it was."""


@dataclass(frozen=True)
class Limits:
    """What one picture may cost."""

    bytes: int = 32_000_000
    seconds: float = 60.0  # to fetch it, from the first request to the last byte
    silence: float = 15.0  # seconds without a byte
    redirects: int = 5
    pauses: tuple[float, ...] = (1.0, 4.0)  # seconds before asking a busy server once more
    seconds_to_shrink: float = 120.0

    @property
    def too_large(self) -> str:
        return f"a file of more than {self.bytes / 1_000_000:g} MB"


@dataclass(frozen=True)
class Stamp:
    """How to tell later whether a source has changed: a server's words, or a file's time and size as `etag`."""

    etag: str = ""
    modified: str = ""


def is_remote(src: str) -> bool:
    return src.lower().startswith(("http:", "https:"))


class Folders:
    """Pictures that this shop serves itself: those an import copied, and its static files."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._roots = {"/images/": settings.images.resolve(), "/static/": (PROJECT / "static").resolve()}
        self._limits = limits

    def find(self, src: str) -> Path:
        """The file that is served at the path `src`. Raises Broken."""
        prefix = src[: src.find("/", 1) + 1]
        root = self._roots.get(prefix)
        if root is None:
            raise Broken("not among this shop's own pictures, which start with /images/ or /static/")
        try:
            path = (root / unquote(urlsplit(src).path.removeprefix(prefix))).resolve(strict=True)
            if not path.is_relative_to(root) or not path.is_file():
                raise Broken("no such file")
            if path.stat().st_size > self._limits.bytes:
                raise Broken(self._limits.too_large)
        except (OSError, ValueError, RuntimeError):  # ValueError: a NUL in it; RuntimeError: links in a circle
            raise Broken("no such file") from None
        return path

    def stamp(self, src: str) -> Stamp:
        """An empty one where there is no such file."""
        try:
            found = self.find(src).stat()
        except (Broken, OSError):
            return Stamp()
        return Stamp(f"{found.st_mtime_ns}-{found.st_size}")


class Fetcher:
    """Fetches pictures over HTTP, from several threads at once. `stop` ends those under way.

    Only a `private` one asks servers that are not on the public internet.
    """

    def __init__(self, limits: Limits, connections: int, *, private: bool = False) -> None:
        self._limits = limits
        self._stopping = Event()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=limits.silence,
            # Once more when a connection breaks: a server may have been about to close one that was kept open.
            retries=urllib3.Retry(1, connect=0, redirect=0, status=0, other=0, respect_retry_after_header=False),
            headers={"User-Agent": f"Crumb/{version('crumb')}", "Accept": "image/*", "Accept-Encoding": "identity"},
        )
        self._pool.pool_classes_by_scheme = _pools(limits.seconds, private)

    def stop(self) -> None:
        self._stopping.set()

    def fetch(self, src: str, file: IO[bytes], known: Stamp) -> Stamp:
        """Write the picture at the address `src` to `file`.

        With what is `known` of it, its server is asked only for a picture that has changed. Raises Unchanged, Broken,
        and OSError where `file` can't be written.
        """
        deadline = time.monotonic() + self._limits.seconds
        try:
            with self._answer(src, known, deadline) as answer:
                self._save(answer, file, deadline)
                return Stamp(answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
        except HTTPError as error:
            raise Broken(TOO_SLOW if time.monotonic() > deadline else _why(error)) from None

    @contextmanager
    def _answer(self, src: str, known: Stamp, deadline: float) -> Iterator[BaseHTTPResponse]:
        """The last answer, after redirects and, from a busy server, after some pauses."""
        pauses, redirects = list(self._limits.pauses), 0
        while True:
            answer = self._ask(src, known)
            try:
                self._check(deadline)
                location = answer.get_redirect_location()
                busy = answer.status in BUSY and bool(pauses)
                if not location and not busy:
                    yield answer
                    return
            finally:
                answer.close()  # not read to its end, which may never come
            if location:
                redirects += 1
                if redirects > self._limits.redirects:
                    raise Broken(f"more than {self._limits.redirects} redirects")
                src = urljoin(src, location)
                if not is_remote(src):
                    raise Broken("redirects to what is no http or https address")
            else:
                self._stopping.wait(pauses.pop(0))

    def _ask(self, src: str, known: Stamp) -> BaseHTTPResponse:
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.modified}
        headers = {**self._pool.headers, **{name: value for name, value in conditions.items() if value}}
        return self._pool.request("GET", src, headers=headers, redirect=False, preload_content=False)

    def _save(self, answer: BaseHTTPResponse, file: IO[bytes], deadline: float) -> None:
        if answer.status == 304:
            answer.read1(CHUNK)  # there is nothing to read, but now the connection can be used again
            raise Unchanged
        if answer.status != 200:
            raise Broken(f"its server answers {answer.status} {answer.reason or ''}".rstrip())
        size = 0
        while chunk := answer.read1(CHUNK):
            self._check(deadline)
            size += len(chunk)
            if size > self._limits.bytes:
                raise Broken(self._limits.too_large)
            file.write(chunk)

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline or self._stopping.is_set():
            raise Broken(TOO_SLOW)


def _why(error: HTTPError) -> str:
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(reason, NameResolutionError):
        return "its server's name is unknown"
    if isinstance(reason, _PrivateAddress):
        return "its server is in a private network: `shop images --again --private` asks it"
    if isinstance(reason, NewConnectionError):
        return "its server can't be reached"
    if isinstance(reason, TimeoutError):
        return TOO_SLOW
    if isinstance(reason, SSLError):
        return "its server can't prove that it is who it says"
    if isinstance(reason, LocationValueError):
        return "not an address that can be asked"
    return "its server broke off"


class _PrivateAddress(NewConnectionError):
    """The server's address is not of the public internet."""


def _pools(seconds: float, private: bool) -> dict[str, Any]:
    """Pools of connections on which an answer's head takes at most so many seconds; to `private` addresses or not.

    A timeout of urllib3's is for one read, and a server that sends a byte now and then never runs into it.
    """

    def bounded(kind: Any) -> Any:
        class Connection(kind):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                connected: socket.socket = super()._new_conn()
                # Whom it reached, and not what the name stood for a moment before: nothing was said yet.
                if not private and not _is_public(connected.getpeername()[0]):
                    connected.close()
                    raise _PrivateAddress(self, "a private address")
                return connected

            def getresponse(self) -> Any:
                timer = Timer(seconds, self._hang_up)
                timer.daemon = True
                timer.start()
                try:
                    return super().getresponse()
                finally:
                    timer.cancel()

            def _hang_up(self) -> None:
                with suppress(OSError, AttributeError):  # the answer has just come, and the connection is closed
                    self.sock.shutdown(socket.SHUT_RDWR)

        return Connection

    http = type("HTTP", (urllib3.HTTPConnectionPool,), {"ConnectionCls": bounded(HTTPConnection)})
    https = type("HTTPS", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": bounded(HTTPSConnection)})
    return {"http": http, "https": https}


def _is_public(host: str) -> bool:
    address = ip_address(host.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_global
