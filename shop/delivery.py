"""Between Flask and the wire: answers kept ready, conditional requests, compression, the access log.

An answer that depends on nothing but the request itself and the catalogue is marked by its view (`keep`). The same
request gets the same bytes until the catalogue's version changes, which is asked anew each time: a price that an
import or a sale has changed is never shown after its commit. Answers that are no 200 or that are streamed are never
kept, nor is one to a GET that sets a cookie. One to a form of htmx may: adding to a cart changes nothing here, only
the cookie that came with the request and goes back with the answer. Most adds are the first of a new visitor, who
sends what the one before sent.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

import brotli  # type: ignore[import-untyped]
import zstandard
from flask import Flask

from shop import access_log, asked
from shop.packing import Piece, gzipped

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from shop import Shop
    from shop.watch import Version

Headers = list[tuple[str, str]]

_KEEP = "shop.keep"
_DIGEST = "shop.digest"
_PIECES = "shop.pieces"
VERSION = "shop.catalogue_version"

# What an answer may depend on, besides the catalogue. A view that reads another header must not call `keep`.
_READ = (
    "PATH_INFO",
    "QUERY_STRING",
    "HTTP_HOST",
    "wsgi.url_scheme",
    "HTTP_COOKIE",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_ACCEPT_ENCODING",
)

_READ_WITH_A_FORM = ("HTTP_SEC_FETCH_SITE", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_HX_CURRENT_URL", "CONTENT_TYPE")
_LONGEST_KEPT_FORM = 500  # bytes

_COMPRESSED_TYPES = re.compile(r"text/|application/(json|javascript|xml|[a-z]+\+xml|ld\+json)|image/svg\+xml")
_HEADERS = 1500  # bytes that an answer's headers take in memory, about
_LONGEST_HEADER = 300  # characters; of a longer Accept-Encoding the beginning counts
_LEAST_COMPRESSED = 600  # bytes; below, the headers are most of the answer


@dataclass(frozen=True)
class Answer:
    """A whole answer, ready to be sent. `logged_path` is what the access log says of where it was.

    `coding` is how the body was packed in haste: worth another look if it is asked for again. `with_stock` is as with
    `keep`.
    """

    status: str
    headers: Headers
    body: bytes
    etag: str
    logged_path: str
    coding: str = ""
    with_stock: bool = False


def keep(with_stock: bool = False) -> None:
    """Let the answer to the present request be given again to the same request. It must have changed nothing here.

    `with_stock`: only until any count of the stock changes, as a cart holds no more than there is.
    """
    asked.environ()[_KEEP] = with_stock


def known_by(digest: str) -> None:
    """What tells the present answer's body from any other, where that is quicker to find out than from all of it."""
    asked.environ()[_DIGEST] = digest


def digest_of(*parts: bytes) -> str:
    """What tells these parts of an answer from any others.

    Today's processors have instructions for SHA-256: with those it takes half as long as BLAKE2.
    """
    return sha256(b"\0".join(parts)).hexdigest()[:18]


def made_of(pieces: Sequence[Piece]) -> None:
    """The present answer's body as pieces that are packed already."""
    asked.environ()[_PIECES] = pieces


def by_htmx(environ: WSGIEnvironment) -> bool:
    """Whether it was htmx that asked, who may get but a part of what others get."""
    return "HTTP_HX_REQUEST" in environ or "HTTP_HX_REQUEST_TYPE" in environ


def version() -> Version | None:
    """The catalogue's version as of the beginning of the present request; None when the database is away."""
    found: Version | None = asked.environ().get(VERSION)
    return found


class Delivery:
    """The WSGI app around Flask's."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._flask = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            _close(self({**environ, "REQUEST_METHOD": "GET", asked.HEAD: True}, start_response))
            return []
        started = time.perf_counter()
        shop: Shop = self._app.extensions["shop"]
        # Before anything is read: what is made from here on is at least as new as this says.
        environ[VERSION] = version = shop.database.catalogue_version()
        key = _key(environ) if version is not None else None
        if key is not None and version is not None:
            answer: Answer | None = shop.pages.get(key, version)
            if answer is not None:
                if answer.coding:
                    answer = _repacked(answer, environ)
                    _put(shop, key, answer, version)
                return _send(answer, environ, start_response, started)
        now = asked.begin(environ, shop)
        try:
            status, headers, chunks = _ask(self._flask, environ)
        finally:
            asked.end(now)
        if _header(headers, "Content-Length") is None:
            access_log.write(environ, status, None, started)
            start_response(status, headers)
            return chunks
        answer = _finished(status, headers, chunks, environ)
        if key is not None and version is not None and _KEEP in environ and _may_be_kept(answer, environ):
            _put(shop, key, answer, version)
        return _send(answer, environ, start_response, started)


def _key(environ: WSGIEnvironment) -> tuple[Any, ...] | None:
    """All that an answer may depend on besides the catalogue; None where none is kept."""
    read = [environ.get(name) for name in _READ]
    if environ["REQUEST_METHOD"] == "GET":
        return None if by_htmx(environ) else tuple(read)
    if environ["REQUEST_METHOD"] != "POST" or environ.get("HTTP_HX_REQUEST_TYPE") != "partial":
        return None
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit() and len(length) < 4 and int(length) <= _LONGEST_KEPT_FORM):
        return None
    form = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(form)
    return (form, *read, *[environ.get(name) for name in _READ_WITH_A_FORM])


def _put(shop: Shop, key: tuple[Any, ...], answer: Answer, version: Version) -> None:
    size = len(answer.body) + sum(map(len, filter(None, key))) + _HEADERS
    shop.pages.put(key, answer, size, version if answer.with_stock else version.of_pages)


def _may_be_kept(answer: Answer, environ: WSGIEnvironment) -> bool:
    is_form = environ["REQUEST_METHOD"] == "POST"
    return answer.status.startswith("200") and (is_form or _header(answer.headers, "Set-Cookie") is None)


def _ask(app: Callable[..., Iterable[bytes]], environ: WSGIEnvironment) -> tuple[str, Headers, Iterable[bytes]]:
    said: list[Any] = []

    def start_response(status: str, headers: Headers, _exc_info: object = None) -> Callable[[bytes], object]:
        said[:] = status, headers
        return said.append

    chunks = app(environ, start_response)
    return said[0], said[1], chunks


def _finished(status: str, headers: Headers, chunks: Iterable[bytes], environ: WSGIEnvironment) -> Answer:
    """The answer whole, compressed if it pays, with an ETag if it may be asked for again."""
    try:
        body = b"".join(chunks)
    finally:
        _close(chunks)
    coding = ""
    if (
        len(body) >= _LEAST_COMPRESSED
        and _header(headers, "Content-Encoding") is None
        and _COMPRESSED_TYPES.match(_header(headers, "Content-Type") or "")
    ):
        coding = best_coding(environ, _AT_HAND if _PIECES in environ else _QUICK)
        _vary(headers, "Accept-Encoding")
    pieces = environ.get(_PIECES) if coding == "gzip" else None
    etag = ""
    if (
        status.startswith("200")
        and _KEEP in environ
        and environ["REQUEST_METHOD"] == "GET"
        and _header(headers, "Set-Cookie") is None
    ):
        digest = environ.get(_DIGEST) or digest_of(body)
        etag = _etag(digest, coding, "pieces" if pieces else "")
        headers.append(("ETag", etag))
    if coding:
        body = gzipped(pieces) if pieces else _compressed(body, coding, thorough=False)
        headers[:] = [header for header in headers if header[0] != "Content-Length"]
        headers += [("Content-Encoding", coding), ("Content-Length", str(len(body)))]
    worth_it = "HTTP_COOKIE" not in environ
    path, with_stock = access_log.path_of(environ), environ.get(_KEEP, True)
    return Answer(status, headers, body, etag, path, coding if worth_it else "", with_stock)


def _close(chunks: Iterable[bytes]) -> None:
    if close := getattr(chunks, "close", None):
        close()


def _repacked(answer: Answer, environ: WSGIEnvironment) -> Answer:
    """The answer in as few bytes as it takes, since more visitors than one ask for it."""
    body = _UNPACK[answer.coding](answer.body)
    coding = best_coding(environ, _SMALL)
    packed = _compressed(body, coding, thorough=True)
    etag = answer.etag and _etag(_content(answer.etag), coding, "thorough")
    new = {"ETag": etag, "Content-Encoding": coding, "Content-Length": str(len(packed))}
    headers = [(name, new.get(name, value)) for name, value in answer.headers]
    return replace(answer, headers=headers, body=packed, etag=etag, coding="")


def _send(answer: Answer, environ: WSGIEnvironment, start_response: StartResponse, started: float) -> Iterable[bytes]:
    wanted = environ.get("HTTP_IF_NONE_MATCH")
    if wanted and answer.etag and _names(wanted, answer.etag):
        access_log.write(environ, "304", 0, started, answer.logged_path)
        start_response("304 NOT MODIFIED", [header for header in answer.headers if header[0] not in _OF_THE_BODY])
        return []
    access_log.write(environ, answer.status, len(answer.body), started, answer.logged_path)
    start_response(answer.status, answer.headers)
    return [answer.body]  # a list, which granian sends at once: for all else it makes a stream


_OF_THE_BODY = frozenset({"Content-Length", "Content-Type", "Content-Encoding"})


def _names(wanted: str, etag: str) -> bool:
    """Whether an If-None-Match header names that ETag, or one of the same content in another coding.

    Source: RFC 9110, 13.1.2 (weak comparison).
    """
    return wanted == etag or wanted.strip() == "*" or _content(etag) in map(_content, wanted.split(","))


def _etag(content: str, coding: str, how: str) -> str:
    """A strong one: as it is packed in another way, a body is of other bytes. Source: RFC 9110, 8.8.3."""
    return f'"{"-".join(filter(None, (content, coding, how)))}"'


def _content(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"').partition("-")[0]


# Our codings: for an answer that is made once, for one of pieces that are packed already, and for one that is kept.
_QUICK = ("zstd", "br", "gzip")
_AT_HAND = ("gzip", "zstd", "br")
_SMALL = ("br", "zstd", "gzip")

_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.decompress,
    "zstd": lambda packed: zstandard.ZstdDecompressor().decompress(packed),
    "gzip": lambda packed: zlib.decompress(packed, 16 + zlib.MAX_WBITS),
}


def best_coding(environ: WSGIEnvironment, ours: tuple[str, ...]) -> str:
    """The coding that this request takes rather than others, of several the first of `ours`; empty for none."""
    return _best_coding(environ.get("HTTP_ACCEPT_ENCODING", "")[:_LONGEST_HEADER], ours)


@lru_cache(maxsize=500)
def _best_coding(accepted: str, ours: tuple[str, ...]) -> str:
    """Empty too where the header would rather have what is not packed. Source: RFC 9110, 12.5.3."""
    qualities: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        try:
            qualities[name.strip()] = float(quality.replace(" ", "").removeprefix("q=") or 1)
        except ValueError:
            continue
    taken = {name: qualities.get(name, qualities.get("*", 0.0)) for name in ours}
    best = max(taken, key=lambda name: taken[name])
    return best if taken[best] > 0 and taken[best] >= qualities.get("identity", 0.0) else ""


def _compressed(body: bytes, coding: str, thorough: bool) -> bytes:
    if coding == "br":
        packed: bytes = brotli.compress(body, quality=6 if thorough else 2)
        return packed
    if coding == "zstd":
        if thorough:
            return zstandard.ZstdCompressor(level=9).compress(body)
        with _compressing:
            return _quick_zstd.compress(body)
    packer = zlib.compressobj(6 if thorough else 1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


# Made once: that takes as long as compressing a small answer does. Two threads can't use it at a time.
_quick_zstd = zstandard.ZstdCompressor(level=1)
_compressing = Lock()


def _header(headers: Headers, name: str) -> str | None:
    return next((value for each, value in headers if each == name), None)


def _vary(headers: Headers, name: str) -> None:
    for place, (each, value) in enumerate(headers):
        if each == "Vary":
            headers[place] = each, f"{value}, {name}"
            return
    headers.append(("Vary", name))
