"""`/users`: the people registered in this browser."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from math import ceil
from urllib.parse import urlencode

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response as BaseResponse

from shop import cookies, hypermedia
from shop.cookies import UserList
from shop.hypermedia import Message, Partial, Undo
from shop.language import gettext as _
from shop.language import ngettext
from shop.seals import Broken
from shop.users import FIELDS, LONGEST, PAGE_SIZE, InvalidUser, UnknownUser, User, UserError, Users, countries
from shop.views import carried, listing
from shop.views.shared import address_of

bp = Blueprint("users", __name__)

_ROOM_IN_A_REDIRECT = 2900  # of 4,096 bytes: our other headers, the session and a seal's own bytes take the rest


class BadUndo(UserError):
    def __init__(self) -> None:
        super().__init__(_("That can't be undone any more. Register the person again."))


@dataclass(frozen=True)
class UserForm:
    """A form about a user, as its template shows it: of a registered one, or of a new one."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    user: User | None = None

    @property
    def key(self) -> str:
        """What makes its ids unique on a page."""
        return hypermedia.dom_id(self.user.id) if self.user else "new"

    @property
    def has_address(self) -> bool:
        return any(name in self.values or name in self.errors for name in FIELDS[2:])


@dataclass(frozen=True)
class UserPage:
    """A page of the list: those that `term` finds."""

    users: Users
    term: str
    number: int
    found: int
    total: int

    @property
    def pages(self) -> int:
        return max(1, ceil(self.found / PAGE_SIZE))

    def link(self, page: int) -> str:
        query = {name: value for name, value in (("term", self.term), ("page", page)) if value and value != 1}
        return url_for("users.index") + ("?" + urlencode(query) if query else "")


@bp.get("/users")
def index() -> str:
    page = _page(request.args.get("term", "")[:200], listing.page_number(digits=5))
    if page.number > page.pages:
        abort(404, description=ngettext("This list has %(num)s page.", "This list has %(num)s pages.", page.pages))
    if hypermedia.wants_fragments():
        return render_template("fragments/user-found.html", page=page)
    return render_template("pages/users/index.html", page=page, undo=_undo_from(request.args.get("undo", "")))


@bp.get("/users/new")
def new() -> str:
    return _render_form(UserForm(), "pages/users/new.html")


@bp.post("/users")
def create() -> BaseResponse:
    """Register somebody; or bring back whom `restore` says, as the Undo of a deletion does."""
    if restore := request.form.get("restore"):
        return _restore(restore)
    before = cookies.current_user_list()
    try:
        after = cookies.change_users(lambda users: users.registering(request.form)[0])
    except InvalidUser as invalid:
        return _refuse(UserForm(_typed(), invalid.errors), "pages/users/new.html")
    # The first person brings the search form with them, so that is a whole page.
    in_place = _is_list_on_screen() and before.users
    partials = (*whole_list(), Partial("new-user", "fragments/new-user.html")) if in_place else ()
    return hypermedia.changed(*partials, message=_told(_("Registered."), before, after), page=url_for(".index"))


@bp.get("/users/<user_id>")
def show(user_id: str) -> str:
    user = cookies.current_users().find(user_id)
    if hypermedia.wants_fragments():
        return render_template("fragments/user-row.html", user=user)
    return render_template("pages/users/show.html", user=user)


@bp.get("/users/<user_id>/edit")
def edit(user_id: str) -> str:
    user = cookies.current_users().find(user_id)
    return _render_form(UserForm(_values(user), user=user), "pages/users/edit.html")


@bp.post("/users/<user_id>")
def update(user_id: str) -> BaseResponse:
    before = cookies.current_user_list()
    try:
        user = before.users.find(user_id)
        after = cookies.change_users(lambda users: users.updating(user_id, request.form)[0])
    except UnknownUser:
        if hypermedia.wants_fragments():
            raise  # the form stays on screen
        return _offer_to_register()
    except InvalidUser as invalid:
        return _refuse(UserForm(_typed(), invalid.errors, user), "pages/users/edit.html")
    row = Partial(_row_id(user), "fragments/user-row.html", context={"user": after.users.find(user_id)})
    partials = (row, carried.shopper()) if _is_list_on_screen() else ()
    page = url_for(".show", user_id=user_id)
    return hypermedia.changed(*partials, message=_told(_("Saved."), before, after), page=page)


def _offer_to_register() -> BaseResponse:
    """What was typed for somebody who has gone meanwhile, in another tab for example."""
    summary = _("This person is not registered in this browser. What you typed is here, to register them anew.")
    return make_response(render_template("pages/users/new.html", form=UserForm(_typed()), summary=summary), 404)


@bp.post("/users/<user_id>/delete")
def delete(user_id: str) -> BaseResponse:
    """Ask first; delete when the question was answered with `confirm`."""
    before = cookies.current_user_list()
    user = before.users.find(user_id)
    if request.form.get("confirm") != "yes":
        return _ask(user)
    undo = Undo(url_for(".create"), {"restore": _sealed(user, before.users.place(user_id))})
    was_shopping = cookies.shopper() == user
    after = cookies.change_users(lambda users: users.deleting(user_id))
    if was_shopping:
        cookies.choose_shopper(None)
    text = _("Deleted. You shop as a guest now.") if was_shopping else _("Deleted.")
    message = _told(text, before, after, undo)
    partials = whole_list() if _is_list_on_screen() else ()
    sealed = undo.fields["restore"] if _fits_a_redirect(undo, after) else None
    return hypermedia.changed(*partials, message=message, page=url_for(".index", undo=sealed))


def _restore(sealed: str) -> BaseResponse:
    user, place = _opened(sealed)
    before = cookies.current_user_list()
    after = cookies.change_users(lambda users: users.restoring(user, place))
    partials = whole_list() if _is_list_on_screen() else ()
    return hypermedia.changed(*partials, message=_told(_("Back in the list."), before, after), page=url_for(".index"))


def _ask(user: User) -> BaseResponse:
    if hypermedia.wants_fragments():  # in place of the row, which the person's own page has too
        return hypermedia.fragments(Partial(_row_id(user), "fragments/user-deletion.html", context={"user": user}))
    return make_response(render_template("pages/users/delete.html", user=user))


def _refuse(form: UserForm, page: str) -> BaseResponse:
    """The form again, with what was typed and what is wrong with it."""
    if hypermedia.wants_fragments():
        partial = Partial(f"user-form-{form.key}", "fragments/user-form.html", context={"form": form})
        return hypermedia.fragments(partial, message=Message(_summary(form), "bad"), status=422)
    return make_response(_render_form(form, page), 422)


def _render_form(form: UserForm, page: str) -> str:
    if hypermedia.wants_fragments():
        template = "fragments/user-edit-row.html" if form.user else "fragments/new-user.html"
        return render_template(template, form=form)
    return render_template(page, form=form, summary=_summary(form) if form.errors else "")


def _summary(form: UserForm) -> str:
    return ngettext(
        "Nothing was saved yet: %(num)s field needs another look.",
        "Nothing was saved yet: %(num)s fields need another look.",
        len(form.errors),
    )


def _told(text: str, before: UserList, after: UserList, undo: Undo | None = None) -> Message:
    """`text`, and where the list now lives if it moved. It names nobody: a message may wait in a readable cookie."""
    if after.moved and not before.moved:
        moved = _("The list has outgrown its cookie, so it is now kept on this shop's server, sealed; see Cookies.")
        text = f"{text} {moved}"
    if before.moved and not after.moved:
        moved = _("The list fits its cookie again, so this browser keeps it from now on.")
        text = f"{text} {moved}"
    return Message(text, undo=undo)


def who_is_shopping() -> tuple[Partial, ...]:
    """What another choice of shopper changes on the page on screen."""
    return whole_list() if _is_list_on_screen() else (carried.shopper(),)


def whole_list() -> tuple[Partial, ...]:
    """The fragments to send when any part of the list may have changed."""
    asked = hypermedia.query_on_screen()
    number = asked.get("page", "")
    page = _page(asked.get("term", "")[:200], int(number) if re.fullmatch("[1-9][0-9]{0,4}", number) else 1)
    if page.number > page.pages:  # the last person of that page is gone
        page = _page(page.term, page.pages)
    return (
        Partial("user-list", "fragments/user-list.html", context={"page": page}),
        carried.shopper(),
    )


def _page(term: str, number: int) -> UserPage:
    users = cookies.current_users()
    found = users.search(term)
    shown = found.users[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    return UserPage(Users(shown), term.strip(), number, len(found), len(users))


def _is_list_on_screen() -> bool:
    return hypermedia.page_on_screen() == address_of("users.index")


def _row_id(user: User) -> str:
    return f"user-{hypermedia.dom_id(user.id)}"


def _typed() -> dict[str, str]:
    return {name: value for name in FIELDS if (value := request.form.get(name, ""))}


def _values(user: User) -> dict[str, str]:
    return {name: value for name, value in asdict(user).items() if value and name != "id"}


def _sealed(user: User, place: int) -> str:
    """A deleted user and their place, for an Undo to send back: nobody else can read it."""
    return cookies.seal("undo").seal(json.dumps([user.to_json(), place], ensure_ascii=False, separators=(",", ":")))


def _fits_a_redirect(undo: Undo, after: UserList) -> bool:
    """Whether a redirect can carry that undo beside the users cookie: nginx takes 4 KB of headers by default.

    It doesn't when a list comes back to its cookie with a long address less, or an address is extremely long.
    """
    listed = 0 if after.moved else len(json.dumps(after.users.to_json(), ensure_ascii=False).encode()) * 4 // 3
    return len(undo.fields["restore"]) + listed <= _ROOM_IN_A_REDIRECT


def _opened(sealed: str) -> tuple[User, int]:
    """What `_sealed` gave. Raises BadUndo."""
    try:
        user, place = json.loads(cookies.seal("undo").open(sealed))
        return User.from_json(user), int(place)
    except (Broken, ValueError):
        raise BadUndo from None


def _undo_from(sealed: str) -> Undo | None:
    """The Undo of the deletion that the redirect's query carries, while it can be done."""
    try:
        user, _place = _opened(sealed)
    except BadUndo:
        return None
    gone = all(each.id != user.id for each in cookies.current_users())
    return Undo(url_for(".create"), {"restore": sealed}) if gone else None


@bp.app_context_processor
def _form_parts() -> dict[str, object]:
    return {"countries": countries, "longest": LONGEST, "in_place": _is_list_on_screen()}
