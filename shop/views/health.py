"""`GET /health`: 200 when the database answers, else 503."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from shop.asked import shop

bp = Blueprint("health", __name__)


@bp.get("/health")
def show() -> Response:
    healthy = shop().database.answers()
    answer = jsonify(status="ok" if healthy else "database unavailable")
    answer.status_code = 200 if healthy else 503
    answer.headers["Cache-Control"] = "no-store"
    return answer
