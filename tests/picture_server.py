"""A web server with pictures on it, on a free port of this machine, and some ways to be a bad one.

with PictureServer() as server:
    server.pictures["/mug.png"] = picture(800, 600)
    ...
    assert server.asked == ["/mug.png"]
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

Answer = Callable[["Handler"], None]


def picture(width: int, height: int, color: str = "tomato", kind: str = "png", mode: str = "RGB", **options) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new(mode, (width, height), color), kind, **options)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class PictureServer:
    """`pictures` are its files; `answers` says what else is at a path. `asked` has the paths as they came."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.open = threading.Event()  # what `held` waits for, and everything that takes its time ends with
        handler = type("Handler", (Handler,), {"shop": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = False  # `__exit__` waits for them
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> PictureServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    """One request. `shop` is the server."""

    shop: PictureServer
    timeout = 10

    def do_GET(self) -> None:
        self.shop.asked.append(self.path)
        with suppress(OSError):  # whoever asked has hung up
            self.shop.answers.get(self.path, picture_or_nothing)(self)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def trickle(self, piece: bytes) -> None:
        """Send a little again and again, until the other side hangs up."""
        while not self.shop.open.wait(0.01):
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        pass


def picture_or_nothing(handler: Handler) -> None:
    body = handler.shop.pictures.get(handler.path)
    if body is None:
        handler.say(404)
        return
    etag = f'"{sha256(body).hexdigest()}"'
    if handler.headers["If-None-Match"] == etag:
        handler.say(304)
    else:
        handler.say(200, body, ETag=etag)


def held(handler: Handler) -> None:
    """The picture, once the server is `open`."""
    handler.shop.open.wait()
    picture_or_nothing(handler)


def page(handler: Handler) -> None:
    handler.say(200, b"<!doctype html><title>Log in</title><p>Log in to see this.</p>", Content_Type="image/png")


def cut_off(handler: Handler) -> None:
    """It promises more than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"\x89PNG")


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.shop.open.is_set():
        handler.wfile.write(b"\xff" * 10_000)


def drop_by_drop(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.trickle(b"\xff")


def head_drop_by_drop(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    handler.trickle(b"x")


def silent(handler: Handler) -> None:
    handler.shop.open.wait()


def to(place: str) -> Answer:
    """A redirect."""
    return lambda handler: handler.say(302, Location=place)


def busy_once(handler: Handler) -> None:
    handler.shop.answers.pop(handler.path)
    handler.say(503)
