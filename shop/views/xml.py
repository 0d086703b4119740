"""Answers in XML, written from a template in pieces, for somebody who doesn't have them already."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from math import inf
from threading import Lock
from time import monotonic
from typing import Any

from flask import Response, current_app, request
from sqlalchemy.engine import Connection
from werkzeug.exceptions import ServiceUnavailable

from shop import asked, delivery, security
from shop.asked import shop
from shop.language import gettext as _

_PIECES = 200  # of a template's output that are sent together
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2: Char

_ALWAYS_ASKED_FOR = {"Cache-Control": "public, no-cache"}

Read = Callable[[Connection], dict[str, Any]]

# A slow reader holds a thread for as long as it likes, so a process streams to one at a time. Who takes nothing for
# so many seconds loses the place to the next who asks, and the thread when the server gives them up.
_PATIENCE = 5
_MOST_STREAMS = 5  # of those who lost their place, too


def whole(template: str, mimetype: str, read: Read) -> Response:
    """The template's XML with what `read` gives it. Characters that XML can't carry are dropped."""
    delivery.keep()
    return Response(b"".join(_written(template, read)), mimetype=mimetype, headers=_ALWAYS_ASKED_FOR)


def streamed(template: str, mimetype: str, read: Read) -> Response:
    """The same of any length, written while it is sent, so that it takes little memory.

    `read` and the template work when the request is over: they can't ask Flask for anything.
    """
    gzipped = bool(delivery.best_coding(request.environ, ("gzip",)))
    answer = Response(mimetype=mimetype, headers=_ALWAYS_ASKED_FOR)
    answer.vary.add("Accept-Encoding")
    if gzipped:
        answer.headers["Content-Encoding"] = "gzip"
    if (etag := _etag(gzipped)) is not None:
        answer.set_etag(etag)
        answer.make_conditional(request)
    answer.headers.pop("Content-Length", None)  # of what isn't there yet
    if asked.HEAD in request.environ:
        answer.response = iter(())  # without a place, and of no length that could be told
    elif answer.status_code == 200:
        pieces = _written(template, read)
        answer.response = _to_one(_gzipped(pieces) if gzipped else pieces)
    return answer


class _Place:
    """The one place in a process where a long answer is taken from. Its readers are known by an object of each."""

    def __init__(self) -> None:
        self._choosing = Lock()
        self._streams = 0
        self._reader: object = None
        self._given = inf  # when the reader was given what is yet to be taken; inf while there is no such thing

    def begin(self) -> object:
        """A new reader; None while another is there who makes use of it."""
        with self._choosing:
            is_free = self._reader is None or monotonic() - self._given >= _PATIENCE
            if not is_free or self._streams >= _MOST_STREAMS:
                return None
            self._streams += 1
            self._reader, self._given = object(), monotonic()
            return self._reader

    def give(self, reader: object) -> bool:
        """Whether it still is that reader, who is given a part now."""
        with self._choosing:
            if self._reader is reader:
                self._given = monotonic()
            return self._reader is reader

    def taken(self, reader: object) -> None:
        with self._choosing:
            if self._reader is reader:
                self._given = inf

    def end(self, reader: object) -> None:
        with self._choosing:
            self._streams -= 1
            if self._reader is reader:
                self._reader = None


_place = _Place()


def _to_one(pieces: Generator[bytes, None, None]) -> Iterator[bytes]:
    """What loses its place ends in the middle: it is neither whole XML nor a whole archive of it."""
    reader = _place.begin()
    if reader is None:
        raise ServiceUnavailable(_("This is being sent to somebody else. Ask again in a minute."), retry_after=60)

    def sent() -> Iterator[bytes]:
        try:
            yield b""
            with closing(pieces):
                for piece in pieces:
                    if not _place.give(reader):
                        break
                    yield piece
                    _place.taken(reader)
        finally:
            _place.end(reader)

    stream = sent()
    next(stream)  # from here on, the place is left however this ends
    return stream


def _written(template: str, read: Read) -> Generator[bytes, None, None]:
    loaded, database = current_app.jinja_env.get_template(template), shop().database

    def written() -> Generator[bytes, None, None]:
        with database.reading() as connection:
            stream = loaded.stream(read(connection))
            stream.enable_buffering(_PIECES)
            for piece in stream:
                yield _NOT_XML.sub("", piece).encode()

    return written()


def _gzipped(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
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
    return f"{version.number}-{delivery.digest_of(repr(said).encode())}{'-gzip' if gzipped else ''}"
