"""One blueprint per resource, and what their templates share.

A view finds things, asks the domain to act, and answers.
"""

from __future__ import annotations

from flask import Flask

from shop import fragments, hypermedia, language, templating
from shop.views import (
    assets,
    browser_cookies,
    cart,
    cart_items,
    checkout,
    collections,
    feeds,
    for_everybody,
    head,
    health,
    home,
    images,
    languages,
    orders,
    payments,
    products,
    recently_viewed,
    robots,
    saved_items,
    search,
    shared,
    shopper,
    sitemap,
    theme,
    users,
)
from shop.views.before_flask import BeforeFlask


def init_app(app: Flask) -> None:
    shelves = (home, products, collections, search, images, theme)
    visitors = (recently_viewed, cart, cart_items, saved_items, users, shopper, browser_cookies, languages)
    machines = (sitemap, robots, feeds)
    for module in (*shelves, *visitors, *machines, checkout, orders, payments, health, assets):
        app.register_blueprint(module.bp)
    app.after_request(hypermedia.vary)
    app.teardown_appcontext(shared.disconnect)
    app.template_global("url_for")(shared.address_of)
    app.template_filter("url_for")(shared.address_of)
    app.template_filter("plural")(templating.plural)
    app.template_global("asset")(assets.address)
    app.template_global("Message")(hypermedia.Message)
    app.template_global("kept_fragment")(fragments.kept_fragment)
    app.template_global("visitors_part")(for_everybody.visitors_part)
    app.template_filter("money")(shared.money)
    app.template_filter("plain_money")(shared.plain_money)
    app.template_filter("date")(shared.date)
    app.template_filter("number")(shared.number)
    app.template_filter("prose")(shared.prose)
    app.template_filter("language_name")(language.name_of)
    app.template_filter("status")(shared.status)
    app.template_filter("event")(shared.event)
    app.template_filter("address_lines")(shared.address_lines)
    app.template_filter("items_json")(shared.items_json)
    app.template_filter("dom_id")(hypermedia.dom_id)
    app.context_processor(shared.context)
    app.context_processor(head.context)
    app.wsgi_app = BeforeFlask(app)  # type: ignore[method-assign]
    language.install(app.jinja_env)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
