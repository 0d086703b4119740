"""Absolute addresses of this shop's pages and pictures, for search engines, feeds and other sites."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from flask import current_app, request
from werkzeug.routing import MapAdapter
from werkzeug.urls import iri_to_uri

from shop import security
from shop.asked import shop


@dataclass(frozen=True)
class Addresses:
    """Of the pages in one language, whose addresses name it; without, as each visitor speaks.

    They outlive the request that they are for, so that what is written while it is sent may ask them.
    """

    origin: str
    languages: tuple[str, ...]  # that the pages are there in
    urls: MapAdapter
    language: str = ""

    def path(self, endpoint: str, **values: Any) -> str:
        """Of a view, on this host. None leaves a value out."""
        return self.urls.build(endpoint, values)

    def of(self, path: str) -> str:
        """Of the page at `path`, which may have a query."""
        said = f"{'&' if '?' in path else '?'}language={self.language}" if self.language else ""
        return self.origin + path + said

    def alternates(self, path: str) -> list[tuple[str, str]]:
        """The page's addresses by language, as `hreflang` has them; none in a shop of one language."""
        if len(self.languages) < 2:
            return []
        own = [(language, replace(self, language=language).of(path)) for language in self.languages]
        return [*own, ("x-default", self.origin + path)]

    def home(self) -> str:
        return self.of(self.path("home.show"))

    def products(self) -> str:
        return self.of(self.path("products.index"))

    def product(self, handle: str, item: str = "") -> str:
        return self.of(self.path("products.show", handle=handle, variant=item or None))

    def collection(self, handle: str) -> str:
        return self.of(self.path("collections.show", handle=handle))

    def cart(self) -> str:
        return self.of(self.path("cart.show"))

    def search(self, words: str) -> str:
        """`words` stands there as it is: a template's `{words}` too."""
        return self.of(f"{self.path('search.show')}?q={words}")

    def picture(self, src: str) -> str:
        return iri_to_uri(urljoin(f"{self.origin}/", src))


def addresses() -> Addresses:
    """In the language that this request's address asks for, if it does."""
    neutral = neutral_addresses()
    asked_for = request.args.get("language", "")
    return replace(neutral, language=asked_for) if asked_for in neutral.languages else neutral


def neutral_addresses() -> Addresses:
    """Those that name no language."""
    settings = shop().settings
    urls = current_app.create_url_adapter(request)
    assert urls is not None  # there is one for each request
    return Addresses(security.own_origin(settings), settings.languages, urls)
