"""`GET /robots.txt`: what search engines may look at. The catalogue, but not each of its filtered lists."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for

from shop import delivery
from shop.views.addresses import neutral_addresses

bp = Blueprint("robots", __name__)


@bp.get("/robots.txt")
def show() -> Response:
    delivery.keep()
    sitemap = neutral_addresses().of(url_for("sitemap.show"))
    return Response(render_template("feeds/robots.txt", sitemap=sitemap), mimetype="text/plain")
