"""`python -m tests.check_sizes`: what a first visit costs over the wire, against its limits. Part of `make check`."""

from __future__ import annotations

import sys
import tempfile
from gzip import compress
from pathlib import Path

from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from shop import create_app
from shop.catalogue.importing import import_file
from shop.database import Database
from shop.server import DEMO_CATALOGUE
from shop.settings import PROJECT, Settings

KB = 1024
MOST_CSS = 20 * KB
MOST_SCRIPT = 5 * KB  # our own, besides htmx
MOST_OF_A_FIRST_PAGE = 60 * KB  # a product's, pictures aside


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), database_url=f"sqlite:///{folder}/shop.sqlite3", secret_key="x" * 20)
        database = Database(settings.database_url)
        database.migrate()
        import_file(database, DEMO_CATALOGUE, settings)
        database.close()
        client = create_app(settings).test_client()
        measured = {
            "the stylesheet, gzipped": (_gzipped(client, "css/shop.css"), MOST_CSS),
            "our own script, gzipped": (_gzipped(client, "js/shop.js"), MOST_SCRIPT),
            "the largest product page with all it loads but pictures": (_first_page(client), MOST_OF_A_FIRST_PAGE),
        }
    for what, (size, most) in measured.items():
        print(f"{size:7,} of {most:7,} bytes: {what}")
    return any(size > most for size, most in measured.values())


def _gzipped(client: FlaskClient, path: str) -> int:
    assert (PROJECT / "static" / path).is_file()
    return len(compress(client.get(f"/static/{path}").data, 9))


def _first_page(client: FlaskClient) -> int:
    """The most that a first product page costs, as a browser asks for it."""
    accepted = {"Accept-Encoding": "gzip, deflate, br, zstd"}
    pages = [BeautifulSoup(client.get("/products?until=3").data, "html.parser")]
    links = {link["href"] for link in pages[0].select(".product-card-link")}
    sizes = []
    for link in links:
        answer = client.get(link, headers=accepted)
        page = BeautifulSoup(client.get(link).data, "html.parser")
        loaded = [each["href"] for each in page.select("link[rel=stylesheet]")]
        loaded += [each["src"] for each in page.select("script[src]")]
        sizes.append(len(answer.data) + sum(len(client.get(each, headers=accepted).data) for each in loaded))
    return max(sizes)


if __name__ == "__main__":
    sys.exit(main())
