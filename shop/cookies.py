"""How JSON travels in a cookie: encoding, limits, flags. The only module that touches cookies.

Views ask `current_cart()` and hand a new one to `keep_cart()`; the answer carries it. Nothing is written on a GET,
nor when nothing changed. Formats, names and budgets are DESIGN's, and the README shows them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from flask import Flask, Response, current_app, flash, g, get_flashed_messages, request, session
from sqlalchemy.engine import Connection
from werkzeug.http import parse_cookie

from shop import user_lists
from shop.cart import Cart
from shop.catalogue.products import MOST_OF_ONE
from shop.database import Database
from shop.seals import Broken, Seal
from shop.settings import Settings
from shop.users import User, Users

# RFC 6265's cookie-octet, without "%", which starts an escape. Letters, digits and "_.-~" are never escaped.
_COOKIE_OCTETS = "!#$&'()*+/:<=>?@[]^`{|}"
_LONGEST_ITEM = 255
_LONGEST_NUMBER = 18


@dataclass(frozen=True)
class Kind:
    """What is the same for every cookie of one name. `budget` is in bytes of name and value."""

    name: str
    purpose: str  # a sentence for the visitor
    budget: int
    lives: timedelta
    full: str = "This browser has no room left for that."  # a sentence for the shopper

    @property
    def header_name(self) -> str:
        """The name in the browser. `__Host-` stops a sibling subdomain from planting one; it needs HTTPS."""
        return f"__Host-{self.name}" if _settings().https else self.name


USERS = Kind(
    "users", "The people registered in this browser, and their addresses.", budget=2800, lives=timedelta(days=400)
)
CART = Kind(
    "cart",
    "What you put in your cart: items and quantities, and nothing about you.",
    budget=2000,
    lives=timedelta(days=30),
    full="Your cart is full: it has no room for another line. It is as it was. Remove a line to make room.",
)
SESSION = Kind(
    "session",
    "Who is shopping, your latest orders' addresses, and messages to show once.",
    budget=600,
    lives=timedelta(days=400),
)
KINDS = (CART, USERS, SESSION)


class Unreadable(ValueError):
    """A value is not what this shop writes; `str()` says what is wrong with it, as the end of a sentence."""


class OverBudget(Exception):
    """The value would not fit its cookie; nothing was written."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.full)
        self.kind = kind


def init_app(app: Flask, settings: Settings) -> None:
    app.secret_key = settings.secret_key
    app.config.update(
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME=f"__Host-{SESSION.name}" if settings.https else SESSION.name,
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION.lives,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.after_request(_write_kept)


# The cart


def current_cart() -> Cart:
    """The cart of this request: what `keep_cart` was given, else what the browser sent, else an empty one."""
    return _decoded_cart()[0]


def cart_problem() -> str | None:
    """What is wrong with the cart cookie that the browser sent, as the end of a sentence; None when it is fine."""
    return _decoded_cart()[1]


def keep_cart(cart: Cart) -> None:
    """Send `cart` with this answer, unless the browser has just that. Raises OverBudget, changing nothing."""
    if list(cart.quantities.items()) == list(current_cart().quantities.items()) and not cart_problem():
        return
    value = encode(dict(cart.quantities))
    # A cart that is over its budget already may still get shorter.
    if not _fits(CART, value) and len(value) >= len(_sent(CART)):
        raise OverBudget(CART)
    g.cart = cart, None
    _keep(CART, value if cart else "")


def decode_cart(value: str) -> Cart:
    """The cart in `value`: JSON, percent-encoded or plain. Raises Unreadable.

    An object of items and quantities; or a list of items, one for each unit, which is the older form.
    """
    decoded = decode(value, longest=CART.budget * 3)
    if isinstance(decoded, list):
        decoded = _counted(decoded)
    if not isinstance(decoded, dict):
        raise Unreadable("it is neither an object nor a list")
    for item, quantity in decoded.items():
        _check_item(item)
        if type(quantity) is not int or not 1 <= quantity <= MOST_OF_ONE:
            raise Unreadable(f"it has a quantity of {item!r} that is no whole number from 1 to {MOST_OF_ONE}")
    return Cart(decoded)


def encode_cart(cart: Cart) -> str:
    """The cart as compact JSON, for a form's hidden field or a link: what `decode_cart` reads."""
    return json.dumps(dict(cart.quantities), ensure_ascii=False, separators=(",", ":"))


def _decoded_cart() -> tuple[Cart, str | None]:
    if "cart" not in g:
        value = _sent(CART)
        try:
            g.cart = (decode_cart(value) if value else Cart()), None
        except Unreadable as unreadable:
            g.cart = Cart(), str(unreadable)
    kept: tuple[Cart, str | None] = g.cart
    return kept


def _counted(items: list[object]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        checked = _check_item(item)
        counts[checked] = counts.get(checked, 0) + 1
    return counts


def _check_item(item: object) -> str:
    if not isinstance(item, str) or not 0 < len(item) <= _LONGEST_ITEM or not _is_text(item):
        raise Unreadable("it names something that is no item")
    return item


def _is_text(text: str) -> bool:
    """False for half a surrogate pair, which JSON can spell and UTF-8 can't, and for control characters."""
    return not any(unicodedata.category(character) in ("Cs", "Cc") for character in text)


# The registered users


@dataclass(frozen=True)
class UserList:
    """The list of users that this browser keeps, as its cookie says it.

    `row` is the token of the server's row that holds a list too long for a cookie. `left` is one that held it before
    the list fitted again: the browser's sending this shows that it has the list, so the row can go.
    """

    users: Users = field(default_factory=Users)
    row: str | None = None
    left: str | None = None
    problem: str | None = None  # why the cookie can't be read, as the end of a sentence

    @property
    def moved(self) -> bool:
        """True when the list lives on the server."""
        return self.row is not None


def current_user_list() -> UserList:
    """The users list of this request: what `change_users` made of it, else what the browser sent."""
    if "user_list" not in g:
        g.user_list = _decoded_user_list()
    found: UserList = g.user_list
    return found


def current_users() -> Users:
    return current_user_list().users


def users_problem() -> str | None:
    """What is wrong with the users cookie that the browser sent, as the end of a sentence; None when it is fine.

    Asked on every page, it opens the cookie only where it is at hand or somebody was chosen to shop.
    """
    return current_user_list().problem if "user_list" in g or "shopper" in session else None


def change_users(change: Callable[[Users], Users]) -> UserList:
    """Send the list that `change` makes of the current one with this answer.

    A list too long for its cookie is written to a row of the database, sealed with a key that only the cookie has,
    in the one transaction in which it was read; a list that fits again comes back. A list that couldn't be read is
    replaced. What `change` raises leaves everything as it was.
    """
    before = current_user_list()
    if before.row is None and before.left is None:
        users = change(before.users)
        value = _users_value(_user_list_json(users))
        if _fits(USERS, value):
            return _keep_user_list(UserList(users), value)
    with _database().writing() as connection:
        users = change(_row_to_change(connection, before.row) if before.row else before.users)
        if before.left:
            user_lists.delete(connection, before.left)
        # An answer can be lost. Until the browser shows that it has the list, the row stays.
        value = _users_value(_user_list_json(users, left=before.row))
        if not users and before.row:
            user_lists.delete(connection, before.row)
            after = UserList()
        elif _fits(USERS, value):
            after = UserList(users, left=before.row)
            if before.row:  # for a change that is in flight already, and will look for the list there
                user_lists.write(connection, before.row, users)
        else:
            after = UserList(users, row=before.row or user_lists.new_token())
            user_lists.write(connection, str(after.row), users)
            value = _users_value({"row": after.row})
    return _keep_user_list(after, value)


def erase_users() -> None:
    """Erase the list, and the server's row if it has one."""
    user_list = current_user_list()
    for row in filter(None, (user_list.row, user_list.left)):
        with _database().writing() as connection:
            user_lists.delete(connection, row)
    _keep_user_list(UserList(), "")


def _row_to_change(connection: Connection, row: str) -> Users:
    """The list in that row; none when another request has erased it since this one began."""
    try:
        return user_lists.read(connection, row, to_change=True)
    except user_lists.Gone:
        return Users()


def _keep_user_list(user_list: UserList, value: str) -> UserList:
    g.user_list = user_list
    _keep(USERS, value if user_list.users else "")
    return user_list


def _decoded_user_list() -> UserList:
    value = _sent(USERS)
    if not value:
        return UserList()
    try:
        return _user_list(_opened_users(value))
    except Unreadable as unreadable:
        return UserList(problem=str(unreadable))


def _user_list(decoded: Any) -> UserList:
    """The list that `_user_list_json` wrote. Raises Unreadable."""
    if isinstance(decoded, dict) and set(decoded) == {"row"}:
        with _database().reading() as connection:
            try:
                return UserList(user_lists.read(connection, str(decoded["row"])), row=str(decoded["row"]))
            except user_lists.Gone:
                raise Unreadable("the list was kept on this shop's server, which has it no more") from None
    left = None
    if isinstance(decoded, dict) and set(decoded) == {"users", "left"}:
        decoded, left = decoded["users"], str(decoded["left"])
    try:
        return UserList(Users.from_json(decoded), left=left)
    except ValueError:
        raise Unreadable("it was written by a later version of this shop") from None


def _user_list_json(users: Users, left: str | None = None) -> Any:
    return {"users": users.to_json(), "left": left} if left else users.to_json()


def _users_value(decoded: Any) -> str:
    """The users cookie: sealed; or signed, when SHOP_USERS_COOKIE says so."""
    if _settings().users_cookie == "sealed":
        return seal(USERS.name).seal(json.dumps(decoded, ensure_ascii=False, separators=(",", ":")))
    readable = encode(decoded)
    return f"{readable}.{seal(USERS.name).sign(readable)}"


def _opened_users(value: str) -> Any:
    """The JSON in a users cookie, sealed or signed, whichever is set. Raises Unreadable."""
    longest = USERS.budget * 2
    try:
        if value.lstrip()[:1] in ("[", "{") or value[:3].upper() in ("%5B", "%7B"):
            readable, _, signature = value.rpartition(".")
            seal(USERS.name).check(readable, signature)
            return decode(readable, longest)
        return decode(quote(seal(USERS.name).open(value)), longest * 3)
    except Broken:
        raise Unreadable("it was cut short, changed, or written by somebody else") from None


# Who is shopping


def shopper() -> User | None:
    """The registered user who was chosen to shop; None for a guest."""
    chosen = session.get("shopper")
    if not isinstance(chosen, str):
        return None
    return next((user for user in current_users() if user.id == chosen), None)


def choose_shopper(user: User | None) -> None:
    """Shop as `user` from now on, or as a guest."""
    session.permanent = True
    if user is not None:
        session["shopper"] = user.id
    else:
        session.pop("shopper", None)
        _leave_no_empty_session()


# The latest orders

_MOST_ORDERS = 6  # whose tokens fit the session with all else that it may hold


def remember_order(token: str) -> None:
    """Let this browser list the order, as the latest of six."""
    session.permanent = True
    session["orders"] = [token, *(each for each in recent_orders() if each != token)][:_MOST_ORDERS]


def recent_orders() -> tuple[str, ...]:
    """Tokens of the orders that were placed in this browser, the latest first."""
    kept = session.get("orders")
    return tuple(token for token in kept if isinstance(token, str)) if isinstance(kept, list) else ()


# One-time messages


def tell(text: str, tone: str = "good") -> None:
    """Say `text` on the next page that this browser opens, once. Only the latest waits: more would not fit."""
    session.permanent = True
    session.pop("_flashes", None)
    flash(text, tone)


def told() -> list[tuple[str, str]]:
    """Messages to show now, as (tone, text): the one thing that a GET may clear from a cookie."""
    messages = get_flashed_messages(with_categories=True)
    if messages:
        g.told = True
        _leave_no_empty_session()
    return [(message[0], message[1]) for message in messages]


def _leave_no_empty_session() -> None:
    """Let the session's cookie go when it says nothing any more but how long it lives."""
    if set(session) <= {"_permanent"}:
        session.clear()


# What a visitor may see and erase


@dataclass(frozen=True)
class Kept:
    """One of our cookies as this browser sent it. `decoded` is its JSON; None with a `problem`."""

    kind: Kind
    value: str
    decoded: Any = None
    problem: str | None = None

    @property
    def size(self) -> int:
        """Bytes of name and value, which is what browsers count."""
        return len(self.kind.header_name) + len(self.value.encode())


def kept() -> tuple[Kept, ...]:
    """Our cookies in this browser."""
    return tuple(_kept(kind) for kind in KINDS if _sent(kind))


def foreign_names() -> tuple[str, ...]:
    """Names of cookies on this host that are not this shop's."""
    ours = {kind.header_name for kind in KINDS}
    return tuple(sorted(name for name in dict(_pairs()) if name not in ours))


def erase(name: str) -> None:
    """Erase our cookie of that name, and what the server keeps for it. Raises KeyError for any other name."""
    erasing: dict[str, Callable[[], object]] = {
        CART.name: _erase_cart,
        USERS.name: erase_users,
        SESSION.name: session.clear,
    }
    erasing[name]()


def inspect(app: Flask, text: str) -> Kept:
    """One of our cookies from `text`: its value, or `name=value` as devtools copy it.

    Raises Unreadable when it is none, saying why.
    """
    text = text.strip()
    named = [kind for kind in KINDS if text.startswith((f"{kind.name}=", f"__Host-{kind.name}="))]
    value = text.partition("=")[2] if named else text
    problem = "it is empty"
    for kind in named or KINDS:
        header = "__Host-" if app.config["SESSION_COOKIE_SECURE"] else ""
        with app.test_request_context(
            headers={"Cookie": f"{header}{kind.name}={quote(value, safe=_COOKIE_OCTETS + '%')}"}
        ):
            cookie = _kept(kind)
        if not cookie.problem and value:
            return cookie
        problem = cookie.problem or problem
    raise Unreadable(problem if named else "no cookie of this shop has this value")


def _erase_cart() -> None:
    g.cart = Cart(), None
    _keep(CART, "")


def _kept(kind: Kind) -> Kept:
    value = _sent(kind)
    if kind is SESSION:
        problem = None if session else "it was changed, or written by somebody else"
        return Kept(kind, value, dict(session) or None, problem)
    if kind is USERS:
        user_list = current_user_list()
        return Kept(kind, value, None if user_list.problem else user_list.users.to_json(), user_list.problem)
    problem = cart_problem()
    return Kept(kind, value, None if problem else dict(current_cart().quantities), problem)


# Any cookie


def encode(value: object) -> str:
    """Compact JSON in which only what a cookie may not carry is percent-encoded: devtools show it decoded."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return quote(text, safe=_COOKIE_OCTETS)


def decode(value: str, longest: int) -> Any:
    """The JSON in `value`, percent-encoded or plain, of at most `longest` characters. Raises Unreadable.

    Refuses what JSON's readers differ on: duplicate keys, NaN, and numbers that are no integers.
    """
    if len(value) > longest:
        raise Unreadable(f"it is {len(value)} characters long")
    try:
        text = unquote(value, errors="strict")
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_no_number,
            parse_int=_short_integer,
        )
    except Unreadable:
        raise
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unreadable("it is not JSON that this shop writes") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    decoded = dict(pairs)
    if len(decoded) < len(pairs):
        raise Unreadable("it names something twice")
    return decoded


def _no_number(text: str) -> NoReturn:
    raise Unreadable(f"it contains {text[:20]}, which is no whole number")


def _short_integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise Unreadable("it contains a number of too many digits")
    return int(text)


def _sent(kind: Kind) -> str:
    """The value as the browser sends it; empty when it sends none.

    Read from the header itself: Werkzeug's reader drops values that are plain JSON, such as one typed in devtools,
    and only it understands its own quoting, which lessons' code writes.
    """
    value = next((value for name, value in _pairs() if name == kind.header_name), "")
    if value.startswith('"'):
        return parse_cookie(f"{kind.name}={value}").get(kind.name, "")
    # WSGI hands headers over as Latin-1, whatever they are.
    return value.encode("latin-1").decode(errors="replace")


def _pairs() -> Iterator[tuple[str, str]]:
    """Names and values of the cookies that the browser sent, as they were sent."""
    for pair in request.headers.get("Cookie", "").split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator:
            yield name, value


def _fits(kind: Kind, value: str) -> bool:
    return len(kind.header_name) + len(value) <= kind.budget


def seal(purpose: str) -> Seal:
    """The seal of one purpose, such as a cookie's name, with this app's keys."""
    seals: dict[str, Seal] = current_app.extensions["shop"].seals
    if purpose not in seals:
        settings = _settings()
        seals[purpose] = Seal((settings.secret_key, *settings.secret_key_fallbacks), purpose)
    return seals[purpose]


def _keep(kind: Kind, value: str) -> None:
    """Write `value` with this answer, or erase the cookie when it is empty; nothing when the browser has it so."""
    kept: dict[str, Callable[[Response], None]] = g.setdefault("kept_cookies", {})
    kept.pop(kind.name, None)
    if value == _sent(kind):
        return
    flags: dict[str, Any] = {"path": "/", "secure": _settings().https, "httponly": True, "samesite": "Lax"}
    if value:
        kept[kind.name] = lambda answer: answer.set_cookie(kind.header_name, value, max_age=kind.lives, **flags)
    else:
        kept[kind.name] = lambda answer: answer.delete_cookie(kind.header_name, **flags)


def _write_kept(answer: Response) -> Response:
    for write in g.get("kept_cookies", {}).values():
        write(answer)
    if g.get("told"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _database() -> Database:
    database: Database = current_app.extensions["shop"].database
    return database


def _settings() -> Settings:
    settings: Settings = current_app.extensions["shop"].settings
    return settings
