"""What visitors ask of a shop, as browsers send it: the requests that are measured."""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from urllib.parse import quote, urlencode

from bench.generate import Catalogue

# Of Chromium, without those that say only which Chromium it is.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
    "Sec-Fetch-Site": "same-origin",
}
HTMX = {"Accept": "text/html", "HX-Request": "true", "HX-Request-Type": "partial"}
IN_CART = 3  # lines
_COOKIE_OCTETS = "!#$&'()*+/:<=>?@[]^`{|}"


@dataclass(frozen=True)
class Request:
    """One request, without the host it goes to."""

    path: str  # with the query string
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def as_sent(self) -> bytes:
        """The request as HTTP/1.1 has it."""
        headers = {"Host": "127.0.0.1", **BROWSER, **self.headers}
        if self.body:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": str(len(self.body.encode())),
            }
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join((*lines, "", self.body)).encode()


@dataclass(frozen=True)
class Answer:
    """What came back: `body` as it was on the wire."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for each, value in self.headers if each.lower() == name.lower()), "")

    @property
    def cookies(self) -> dict[str, str]:
        """What it sets, by name."""
        pairs = (value.split(";")[0].partition("=") for name, value in self.headers if name.lower() == "set-cookie")
        return {name: value for name, _, value in pairs}


def ask(port: int, request: Request) -> Answer:
    """The answer of the server on that port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        head, _, body = request.as_sent().partition(b"\r\n\r\n")
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b": ")
            connection.putheader(name.decode(), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class Shelf:
    """What a shop has to be looked at."""

    collection: str  # the handle of its largest
    products: Sequence[str]  # handles
    items: Sequence[str]  # that can be added to a cart


def shelf_of(data: Path, most: int = 1000) -> Shelf:
    """Of the shop in that data folder: up to `most` products and items, spread over all of it."""
    database = sqlite3.connect(data / "shop.sqlite3")
    try:
        largest = (
            "select handle from collections join product_collections on collection_id = id"
            " group by id order by count(*) desc limit 1"
        )
        items = (
            "select item from variants join products on products.id = product_id"
            " where visible and in_stock and stock > 5 order by item"
        )
        handles = "select handle from products where visible and in_stock order by handle"
        return Shelf(
            collection=next(_first_column(database, largest)),
            products=_spread(list(_first_column(database, handles)), most),
            items=_spread(list(_first_column(database, items)), most),
        )
    finally:
        database.close()


def _first_column(database: sqlite3.Connection, query: str) -> Iterator[str]:
    return (row[0] for row in database.execute(query))


def _spread(values: Sequence[str], most: int) -> Sequence[str]:
    return values[:: max(1, len(values) // most)][:most]


@dataclass(frozen=True)
class Visitor:
    """Somebody's cookies: by name, as the browser sends them."""

    cookies: Mapping[str, str] = field(default_factory=dict)

    def asking(self, request: Request) -> Request:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return replace(request, headers={**request.headers, **({"Cookie": cookies} if cookies else {})})

    def with_cart(self, quantities: Mapping[str, int]) -> Visitor:
        return Visitor({"cart": cart_cookie(quantities), **self.cookies})

    def after(self, answer: Answer) -> Visitor:
        """With the cookies that an answer sets."""
        return Visitor({name: value for name, value in {**self.cookies, **answer.cookies}.items() if value})


def cart_cookie(quantities: Mapping[str, int]) -> str:
    return quote(json.dumps(quantities, separators=(",", ":")), safe=_COOKIE_OCTETS)


def shoppers(port: int, count: int) -> list[Visitor]:
    """So many visitors who have each registered somebody to shop as."""
    return [_shopper(port, number) for number in range(count)]


def _shopper(port: int, number: int) -> Visitor:
    person = {"name": f"Ann Lee {number}", "email": f"ann{number}@example.org", "city": "Ely", "country": "GB"}
    visitor = Visitor().after(ask(port, Request("/users", "POST", body=urlencode(person))))
    listed = ask(port, visitor.asking(Request("/users", headers={"Accept-Encoding": "identity"})))
    visitor = visitor.after(listed)  # whose message was shown
    user = re.search(rb'href="/users/([A-Za-z0-9_-]{8})"', listed.body)
    assert user, "The list of people has nobody to choose"
    chosen = ask(port, visitor.asking(Request("/shopper", "POST", body=urlencode({"user": user[1].decode()}))))
    visitor = visitor.after(chosen)
    return visitor.after(ask(port, visitor.asking(Request("/users"))))


def some_cart(random: Random, shelf: Shelf, lines: int = IN_CART) -> dict[str, int]:
    return {item: random.randint(1, 3) for item in random.sample(shelf.items, lines)}


def adding(item: str, page: str) -> Request:
    """The press of a button on the page at that path, as htmx sends it."""
    headers = HTMX | {"HX-Current-URL": f"http://127.0.0.1{page}", "HX-Target": "messages"}
    return Request("/cart-items", "POST", headers, urlencode({"item": item, "quantity": "1"}))


def queries(size: int, seed: int = 1) -> Iterator[str]:
    """What people may look for in a generated catalogue, no two alike, each of which finds something.

    One to three words of one product: mostly of its title, sometimes its description's too.
    """
    random = Random(seed + 1)
    catalogue = Catalogue(size, seed)
    seen = set()
    for number in range(1, size + 1):
        row = next(iter(list(catalogue.rows(number))))
        title = str(row["Title"]).split()
        words = title + random.sample(str(row["Body (HTML)"])[3:-5].split(), 2)
        for count in (2, 3, random.choice((1, 2))):
            query = " ".join(random.sample(title if len(title) >= count and random.random() < 0.5 else words, count))
            if query not in seen:
                seen.add(query)
                yield query


def searching(texts: Iterable[str]) -> Iterator[Request]:
    for text in texts:
        yield Request(f"/search?q={quote(text)}")


def typing(texts: Iterable[str]) -> Iterator[Request]:
    """What the search box asks while somebody types: the beginnings of queries, no two alike."""
    seen = set()
    random = Random(1)
    for text in texts:
        start = text[: random.randint(min(3, len(text)), len(text))].strip()
        if start not in seen:
            seen.add(start)
            yield Request(f"/search/suggestions?q={quote(start)}", headers=HTMX | {"HX-Target": "suggestions"})


def first(count: int, requests: Iterable[Request]) -> list[Request]:
    return list(islice(requests, count))
