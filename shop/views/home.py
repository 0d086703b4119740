"""`GET /`: the collections, and products to start with."""

from __future__ import annotations

from flask import Blueprint, render_template

from shop.catalogue import store
from shop.views.shared import connection

bp = Blueprint("home", __name__)


@bp.get("/")
def show() -> str:
    return render_template("pages/home.html", featured=store.find_featured(connection()))
