"""`POST /recently-viewed`: remembering, in the browser, which products were looked at."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia, language
from shop.asked import shop
from shop.catalogue import store
from shop.views.shared import connection

bp = Blueprint("recently_viewed", __name__)


@bp.post("/recently-viewed")
def create() -> BaseResponse:
    """Remember the product of that `handle`, and show the others: the page asks by itself, so all of it is quiet."""
    if not shop().settings.recently_viewed:
        abort(404)
    handle = request.form.get("handle", "")
    cards = store.find_cards(connection(), dict.fromkeys((handle, *cookies.recent_products())), language.spoken())
    if not cards or cards[0].handle != handle:
        if not hypermedia.wants_fragments():
            abort(404)
        return make_response("", 404)
    cookies.remember_product(handle)
    if not hypermedia.wants_fragments():
        return redirect(url_for("products.show", handle=handle), 303)
    return make_response(render_template("fragments/recently-viewed.html", cards=cards[1:]))
