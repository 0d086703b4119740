"""What a visitor may see of our cookies, and erase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Flask, session

from shop import language
from shop.cookies.cart import CART, cart_problem, current_cart, erase_cart
from shop.cookies.jar import COOKIE_OCTETS, Kind, Unreadable, received, sent
from shop.cookies.language import LANGUAGE, keep_language
from shop.cookies.lists import RECENT, SAVED, forget, list_problem, recent_products, saved_items
from shop.cookies.session import SESSION, session_problem
from shop.cookies.users import USERS, current_user_list, erase_users
from shop.language import gettext as _

KINDS = (CART, USERS, SESSION, SAVED, RECENT, LANGUAGE)


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


def has_any() -> bool:
    """Whether the browser sent any of our cookies."""
    return any(map(sent, KINDS))


def kept() -> tuple[Kept, ...]:
    """Our cookies in this browser."""
    return tuple(_kept(kind) for kind in KINDS if sent(kind))


def foreign_names() -> tuple[str, ...]:
    """Names of cookies on this host that are not this shop's."""
    ours = {kind.header_name for kind in KINDS}
    return tuple(sorted(name for name in received() if name not in ours))


def erase(name: str) -> None:
    """Erase our cookie of that name, and what the server keeps for it. Raises KeyError for any other name."""
    erasing: dict[str, Callable[[], object]] = {
        CART.name: erase_cart,
        USERS.name: erase_users,
        SESSION.name: session.clear,
        SAVED.name: lambda: forget(SAVED),
        RECENT.name: lambda: forget(RECENT),
        LANGUAGE.name: lambda: keep_language(""),
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
            headers={"Cookie": f"{header}{kind.name}={quote(value, safe=COOKIE_OCTETS + '%')}"}
        ):
            cookie = _kept(kind)
        if not cookie.problem and value:
            return cookie
        problem = cookie.problem or problem
    raise Unreadable(problem if named else "no cookie of this shop has this value")


def _kept(kind: Kind) -> Kept:
    value = sent(kind)
    decoded, problem = _READ[kind.name]()
    return Kept(kind, value, None if problem else decoded, problem)


def _read_session() -> tuple[Any, str | None]:
    return dict(session), session_problem()


def _read_users() -> tuple[Any, str | None]:
    user_list = current_user_list()
    return user_list.users.to_json(), user_list.problem


def _read_language() -> tuple[Any, str | None]:
    code = sent(LANGUAGE)
    return code, None if code in language.available() else _("it names no language of this shop")


# What each cookie says as JSON, and what is wrong with it.
_READ: dict[str, Callable[[], tuple[Any, str | None]]] = {
    CART.name: lambda: (dict(current_cart().quantities), cart_problem()),
    USERS.name: _read_users,
    SESSION.name: _read_session,
    SAVED.name: lambda: (list(saved_items()), list_problem(SAVED)),
    RECENT.name: lambda: (list(recent_products()), list_problem(RECENT)),
    LANGUAGE.name: _read_language,
}
