"""`/cookies`: what this shop keeps in the visitor's browser, decoded; and erasing it."""

from __future__ import annotations

import json

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies
from shop.errors import BadQuery
from shop.language import gettext as _
from shop.users import Users

bp = Blueprint("browser_cookies", __name__)


@bp.get("/cookies")
def index() -> BaseResponse:
    user_list = cookies.current_user_list()
    page = render_template(
        "pages/cookies.html",
        kept=cookies.kept(),
        foreign=cookies.foreign_names(),
        user_list=user_list,
        orders=cookies.recent_orders(),
        erased=_erased(),
        as_users=lambda decoded: Users.from_json(decoded),
    )
    return _private(make_response(page))


@bp.get("/cookies.json")
def download() -> BaseResponse:
    """Everything that this shop keeps in the browser, as a file."""
    everything = {
        cookie.kind.name: {"value": cookie.value, "decoded": cookie.decoded, "problem": cookie.problem}
        for cookie in cookies.kept()
    }
    answer = make_response(json.dumps(everything, ensure_ascii=False, indent=2) + "\n")
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = "attachment; filename=cookies.json"
    return _private(answer)


@bp.post("/cookies/delete")
def delete() -> BaseResponse:
    """Erase the cookie called `name`, or without one all of this shop's."""
    name = request.form.get("name", "")
    ours = [kind.name for kind in cookies.KINDS]
    if name and name not in ours:
        raise BadQuery("name", name, _("one of this shop's cookies: %(names)s", names=", ".join(ours)))
    for each in [name] if name else ours:
        cookies.erase(each)
    # What was done is said by the address: a message would need a cookie.
    return redirect(url_for(".index", erased=name or "all"), 303)


def _erased() -> str:
    """What the last form erased, for the page to say while it is true: the address may be opened again later."""
    erased = request.args.get("erased", "")
    kept = [cookie.kind.name for cookie in cookies.kept()]
    if erased == "all" and not kept:
        return _("This shop keeps nothing in this browser any more.")
    ours = [kind.name for kind in cookies.KINDS]
    return _("The %(name)s cookie is erased.", name=erased) if erased in ours and erased not in kept else ""


def _private(answer: BaseResponse) -> BaseResponse:
    answer.headers["Cache-Control"] = "no-store"
    return answer
