"""`GET /images/<path>`: pictures that an import copied, and the sizes of all pictures, which never change."""

from __future__ import annotations

from pathlib import PurePosixPath

from flask import Blueprint, Response, abort, send_from_directory

from shop.asked import shop

bp = Blueprint("images", __name__)

TYPES = {".avif": "image/avif", ".webp": "image/webp"}  # of which systems may know nothing
YEAR = 31_536_000


@bp.get("/images/<path:path>")
def show(path: str) -> Response:
    return _picture(path, max_age=3600)


@bp.get("/images/sizes/<key>/<int:width>.<any(avif, webp):kind>")
def size(key: str, width: int, kind: str) -> Response:
    """One size. Its name comes from its bytes, so that a browser that has it need never ask again."""
    answer = _picture(f"sizes/{key}/{width}.{kind}", max_age=YEAR)
    answer.cache_control.immutable = True
    return answer


def _picture(path: str, max_age: int) -> Response:
    names = PurePosixPath(path)
    if any(name.startswith(".") for name in names.parts):  # what isn't finished is kept under such names
        abort(404)
    return send_from_directory(
        shop().settings.images, path, max_age=max_age, mimetype=TYPES.get(names.suffix.lower())
    )
