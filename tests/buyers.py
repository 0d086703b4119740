"""Tiny browsers that buy over HTTP, and what a shop sells them."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from bs4 import BeautifulSoup, SoupStrainer

from tests.conftest import OWN
from tests.live import SECONDS_TO_START
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
