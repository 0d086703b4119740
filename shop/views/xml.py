"""Answers in XML, written from a template in pieces, for somebody who doesn't have them already."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from threading import Lock
from typing import Any

from flask import Response, current_app, request
from sqlalchemy.engine import Connection
from werkzeug.exceptions import ServiceUnavailable

from shop import delivery, security
from shop.asked import shop
from shop.language import gettext as _

_PIECES = 200  # of a template's output that are sent together
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2: Char

_ALWAYS_ASKED_FOR = {"Cache-Control": "public, no-cache"}

Read = Callable[[Connection], dict[str, Any]]

# A slow reader holds a thread for as long as it likes, so a process streams to one at a time.
_turn = Lock()


def whole(template: str, mimetype: str, read: Read) -> Response:
    """The template's XML with what `read` gives it. Characters that XML can't carry are dropped."""
    delivery.keep()
    return Response(b"".join(_written(template, read)), mimetype=mimetype, headers=_ALWAYS_ASKED_FOR)


def streamed(template: str, mimetype: str, read: Read) -> Response:
    """The same of any length, written while it is sent, so that it takes little memory.

    `read` and the template work when the request is over: they can't ask Flask for anything.
    """
    gzipped = bool(request.accept_encodings["gzip"])
    answer = Response(mimetype=mimetype, headers=_ALWAYS_ASKED_FOR)
    answer.vary.add("Accept-Encoding")
    if gzipped:
        answer.headers["Content-Encoding"] = "gzip"
    if (etag := _etag(gzipped)) is not None:
        answer.set_etag(etag)
        answer.make_conditional(request)
    answer.headers.pop("Content-Length", None)  # of what isn't there yet
    if request.method == "GET" and answer.status_code == 200:
        pieces = _written(template, read)
        answer.response = _in_turn(_gzipped(pieces) if gzipped else pieces)
    return answer


def _in_turn(pieces: Iterator[bytes]) -> Iterator[bytes]:
    if not _turn.acquire(blocking=False):
        raise ServiceUnavailable(_("This is being sent to somebody else. Ask again in a minute."), retry_after=60)

    def sent() -> Iterator[bytes]:
        try:
            yield b""
            yield from pieces
        finally:
            _turn.release()

    stream = sent()
    next(stream)  # from here on, the turn ends however this ends
    return stream


def _written(template: str, read: Read) -> Iterator[bytes]:
    loaded, database = current_app.jinja_env.get_template(template), shop().database

    def written() -> Iterator[bytes]:
        with database.reading() as connection:
            stream = loaded.stream(read(connection))
            stream.enable_buffering(_PIECES)
            for piece in stream:
                yield _NOT_XML.sub("", piece).encode()

    return written()


def _gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _etag(gzipped: bool) -> str | None:
    """Another with each change of the catalogue or a setting; None where the catalogue's version is unknown."""
    version = delivery.version()
    if version is None:
        return None
    settings = shop().settings
    origin = security.own_origin(settings)
    said = (origin, request.full_path, settings.name, settings.currency, settings.locale, settings.languages)
    return f"{version}-{blake2b(repr(said).encode(), digest_size=8).hexdigest()}{'-gzip' if gzipped else ''}"
