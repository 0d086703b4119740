"""Crumb: a storefront whose visitors carry their own state.

`create_app` is the map of everything: settings, database, cookies, security, one blueprint per resource, error pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Flask
from jinja2 import BaseLoader

from shop import templating
from shop.assets import Assets
from shop.database import Database
from shop.memory import Memory
from shop.money import Currency
from shop.orders.terms import Terms, read_terms
from shop.seals import Seal
from shop.settings import PROJECT, Settings, read_settings


@dataclass(frozen=True)
class Shop:
    """What every request of one app shares: `current_app.extensions["shop"]`."""

    settings: Settings
    database: Database
    terms: Terms
    assets: Assets = field(default_factory=lambda: Assets(PROJECT / "static"))
    seals: dict[str, Seal] = field(default_factory=dict)
    _currencies: dict[tuple[str, str], Currency] = field(default_factory=dict)

    def currency(self, language: str, code: str = "") -> Currency:
        """How amounts are written in what is said in that language; of the shop's own currency unless it is named."""
        found = self._currencies.get((language, code))
        if found is None:
            found = Currency(code or self.settings.currency, self.settings.locale_of(language))
            self._currencies[language, code] = found
        return found

    @cached_property
    def pages(self) -> Memory:
        """Whole pages and answers, kept ready."""
        return Memory(self.settings.page_memory * 5 // 8)

    @cached_property
    def parts(self) -> Memory:
        """What they are made of: very many small things, which would push them out."""
        return Memory(self.settings.page_memory * 3 // 8)


class _App(Flask):
    jinja_environment = templating.Environment

    def create_global_jinja_loader(self) -> BaseLoader:  # type: ignore[override]
        return templating.Languages(super().create_global_jinja_loader())

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """What is called is a plain function, all over this shop: Flask would look anew at each request."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app. Its database must be migrated: `shop serve` does that. Raises SettingError and TermsError."""
    from shop import access_log, cookies, errors, security, views
    from shop.delivery import Delivery

    settings = settings or read_settings()
    app = _App("shop", template_folder=str(PROJECT / "templates"), static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024, MAX_FORM_MEMORY_SIZE=64 * 1024, MAX_FORM_PARTS=100)
    terms = read_terms(settings.terms, Currency(settings.currency, settings.locale))
    app.extensions["shop"] = Shop(settings, Database(settings.database_url), terms)
    access_log.init_app(app)
    cookies.init_app(app, settings)
    views.init_app(app)  # which learns what to speak, before security may have to refuse
    security.init_app(app, settings)
    errors.init_app(app)
    app.wsgi_app = Delivery(app)  # type: ignore[method-assign]
    return app
