"""`GET /`: the collections, and products to start with."""

from __future__ import annotations

from flask import Blueprint, render_template

from shop import language
from shop.catalogue.listing import find_featured
from shop.views import head
from shop.views.for_everybody import for_everybody
from shop.views.shared import connection

bp = Blueprint("home", __name__)


@bp.get("/")
@for_everybody
def show() -> str:
    return render_template(
        "pages/home.html", head=head.of_home(), featured=find_featured(connection(), language=language.spoken())
    )
