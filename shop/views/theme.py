"""`GET /theme.css` and `GET /theme/<name>`: the merchant's own look."""

from __future__ import annotations

from pathlib import PurePath

from flask import Blueprint, Response, abort, make_response, request, send_from_directory

from shop.asked import shop
from shop.theme import BESIDE

bp = Blueprint("theme", __name__)


@bp.get("/theme.css")
def stylesheet() -> Response:
    theme = shop().settings.theme
    if not theme.css:
        abort(404)
    return _kept(theme.css.encode(), "text/css", theme.fingerprint)


@bp.get("/theme/<name>")
def show(name: str) -> Response:
    """The logo, or a font or picture that lies beside the merchant's stylesheet."""
    theme = shop().settings.theme
    if theme.logo and theme.logo.name == name:
        answer = _kept(theme.logo.body, theme.logo.mimetype, theme.logo.fingerprint)
    else:
        mimetype = BESIDE.get(PurePath(name).suffix.lower())
        if not theme.stylesheet or not mimetype:
            abort(404)
        answer = send_from_directory(theme.stylesheet.folder, name, mimetype=mimetype, max_age=3600)
    # An SVG opened by itself is a page: it may run nothing.
    answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return answer


def _kept(body: bytes, mimetype: str, fingerprint: str) -> Response:
    """Kept for good at the address with this content's fingerprint; elsewhere asked about each time."""
    answer = make_response(body)
    answer.mimetype = mimetype
    answer.set_etag(fingerprint)
    current = request.args.get("v") == fingerprint
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "public, no-cache"
    answer.make_conditional(request)
    return answer
