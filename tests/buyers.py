"""Tiny browsers that buy over HTTP, and a real server that starts fast enough to be killed a hundred times."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from urllib.parse import quote, urlencode

from bs4 import BeautifulSoup, SoupStrainer

from tests.conftest import OWN
from tests.live import PROJECT, SECONDS_TO_START, LiveShop, wait_until
from tests.pages.test_checkout import ANN, fields

# The countries of the world take longer to parse than all the rest.
_NOT_CHOSEN = re.compile(r'<option value="[^"]*">[^<]*</option>')

# The answer didn't come, or not whole: the server is gone.
LOST = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    status: int
    location: str
    body: str
    cookies: tuple[str, ...]  # the Set-Cookie headers

    def form(self) -> dict[str, str]:
        """The checkout form on this page, as a browser would send it, with Ann's address."""
        body = _NOT_CHOSEN.sub("", self.body)
        return fields(BeautifulSoup(body, "html.parser", parse_only=SoupStrainer(id="checkout"))) | ANN

    def changes(self) -> list[str]:
        """What the page says of why nothing was ordered."""
        body = _NOT_CHOSEN.sub("", self.body)
        notice = BeautifulSoup(body, "html.parser", parse_only=SoupStrainer(id="checkout-changes"))
        return [change.text for change in notice.select("li")]


@dataclass
class Browser:
    """A browser that visits the shop on `port` and keeps its cookies. Each request has a connection of its own."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS_TO_START)

    def headers(self) -> dict[str, str]:
        """What it sends besides cookies."""
        return dict(OWN)

    def put_into_cart(self, quantities: Mapping[str, int]) -> None:
        self.cookies["cart"] = quote(json.dumps(quantities), safe="")

    def get(self, path: str) -> Answer:
        return self._request("GET", path)

    def post(self, path: str, form: Mapping[str, str]) -> Answer:
        return self._request("POST", path, urlencode(form))

    def _request(self, method: str, path: str, body: str | None = None) -> Answer:
        """Raises one of LOST when there is no whole answer."""
        headers = self.headers()
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        set_cookies = tuple(answer.headers.get_all("Set-Cookie", ()))
        for header in set_cookies:
            self._keep(header)
        return Answer(answer.status, answer.headers.get("Location", ""), text, set_cookies)

    def _keep(self, header: str) -> None:
        pair, *attributes = header.split(";")
        name, _, value = pair.partition("=")
        if "max-age=0" in [attribute.strip().lower() for attribute in attributes]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def catalogue(path: Path, stock: Mapping[str, int]) -> Path:
    """An export of these goods, at 10.00 each, written to `path`."""
    path.write_text(
        "Handle,Title,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,"
        "Published,Status\n"
        + "".join(f"{item},{item.title()},shopify,{count},deny,10.00,true,active\n" for item, count in stock.items())
    )
    return path


# The server


class _Process:
    """A process of the fork server, with the part of subprocess.Popen that LiveShop needs."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = int(process.pid or 0)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        os.kill(self.pid, signum)


class QuickShop(LiveShop):
    """A LiveShop that is forked from a process which has the shop's modules loaded: all else is as `shop serve` does
    it. Loading them takes longer than everything else at a start, and teaches nothing the hundredth time."""

    def start(self) -> None:
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(["tests.buyers", "shop.cli", "shop.views", "psycopg"])
        # The file of the log, as the new process finds it.
        log = f"/proc/{os.getpid()}/fd/{self._log.fileno()}"
        process = forking.Process(target=_serve, args=(self._command[3:], self._environ, log))
        process.start()
        self.process = _Process(process)  # type: ignore[assignment]
        wait_until(lambda: self._ended() or self._answers(), SECONDS_TO_START, "an answer from the shop")
        if self.process.returncode is not None:
            raise AssertionError(f"The shop ended with {self.process.returncode}: {self.log}")


@contextmanager
def quick_shop(data: Path, **settings: object) -> Iterator[QuickShop]:
    """As `live_shop`."""
    goods = settings.pop("catalogue", None)
    shop = QuickShop(data, goods if isinstance(goods, Path) else None, settings)
    try:
        yield shop
    finally:
        shop.close()


def _serve(arguments: list[str], environ: dict[str, str], log: str) -> None:
    """What a shell does for `shop serve`."""
    # Python's own way to start processes, for the workers; the fork server's is set here.
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    os.setsid()
    os.chdir(PROJECT)
    os.environ.clear()
    os.environ.update(environ)
    opened = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(opened, stream)
    from shop.cli import shop

    shop(arguments, prog_name="shop")
