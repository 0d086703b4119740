"""One blueprint per resource, and what their templates share.

A view finds things, asks the domain to act, and answers.
"""

from __future__ import annotations

from flask import Flask

from shop import hypermedia, language
from shop.views import (
    browser_cookies,
    cart,
    cart_items,
    checkout,
    collections,
    health,
    home,
    images,
    languages,
    orders,
    payments,
    products,
    search,
    shared,
    shopper,
    users,
)


def init_app(app: Flask) -> None:
    shelves = (home, products, collections, search, images)
    visitors = (cart, cart_items, users, shopper, browser_cookies, languages)
    for module in (*shelves, *visitors, checkout, orders, payments, health):
        app.register_blueprint(module.bp)
    app.after_request(hypermedia.vary)
    app.teardown_appcontext(shared.disconnect)
    app.template_filter("money")(shared.money)
    app.template_filter("date")(shared.date)
    app.template_filter("number")(shared.number)
    app.template_filter("language_name")(language.name_of)
    app.template_filter("status")(shared.status)
    app.template_filter("address_lines")(shared.address_lines)
    app.template_filter("items_json")(shared.items_json)
    app.template_filter("dom_id")(hypermedia.dom_id)
    app.context_processor(shared.context)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
