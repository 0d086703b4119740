"""`POST /shopper`: who is shopping."""

from __future__ import annotations

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia
from shop.hypermedia import Message, Undo
from shop.language import gettext as _
from shop.views import users

bp = Blueprint("shopper", __name__)


@bp.post("/shopper")
def choose() -> BaseResponse:
    """Shop as `user`, or as a guest when it is empty."""
    chosen = request.form.get("user", "")
    before = cookies.shopper()
    user = cookies.current_users().find(chosen) if chosen else None
    cookies.choose_shopper(user)
    undo = Undo(url_for(".choose"), {"user": before.id if before else ""}) if before != user else None
    if hypermedia.wants_fragments():
        text = _("You shop as %(name)s now.", name=user.name) if user else _("You shop as a guest now.")
        return hypermedia.fragments(*users.who_is_shopping(), message=Message(text, undo=undo))
    # Without a name: this message waits in a cookie that can be read.
    text = _("You shop as the chosen person now.") if user else _("You shop as a guest now.")
    return hypermedia.changed(message=Message(text), page=url_for("users.index"))
