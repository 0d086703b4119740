"""`GET /static/<path>`: stylesheets, scripts and pictures of the shop's own."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, request

from shop import delivery
from shop.asked import shop
from shop.views.shared import address_of

bp = Blueprint("assets", __name__)

_FOREVER = "public, max-age=31536000, immutable"


@bp.get("/static/<path:path>")
def show(path: str) -> Response:
    asset = shop().assets.find(path) or abort(404)
    answer = make_response(asset.body, {"Content-Type": asset.type})
    # Under an address that another version had, or none, what is kept must be asked for again.
    answer.headers["Cache-Control"] = _FOREVER if request.args.get("v") == asset.fingerprint else "public, no-cache"
    delivery.keep()
    return answer


def address(path: str) -> str:
    """The address of that file under static/, with its fingerprint. Raises LookupError when there is none."""
    asset = shop().assets.find(path)
    if asset is None:
        raise LookupError(f"static/ has no {path}")
    return address_of("assets.show", path=path, v=asset.fingerprint)
