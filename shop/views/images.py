"""`GET /images/<path>`: pictures that an import found beside its file and copied."""

from __future__ import annotations

from flask import Blueprint, Response, send_from_directory

from shop.views.shared import shop

bp = Blueprint("images", __name__)


@bp.get("/images/<path:path>")
def show(path: str) -> Response:
    return send_from_directory(shop().settings.images, path, max_age=3600)
