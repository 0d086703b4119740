"""The present request, within Flask and before it: as WSGI has it, of which shop, and what is known of it so far.

What a visitor carries is read here and there alike: a page that was made for everybody is answered without Flask's
own request, which takes longer to set up than all that is put into such a page.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from flask import current_app, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from shop import Shop

_now: ContextVar[WSGIEnvironment | None] = ContextVar("asked", default=None)
HEAD = "shop.head"  # in the environment of a GET that stands for HEAD: its answer's body is not sent
_KNOWN = "shop.known"
_SHOP = "shop.shop"


def begin(environ: WSGIEnvironment, shop: Shop) -> Token[Any]:
    """Let this be the present request, until `end` is given what this gives."""
    environ[_SHOP] = shop
    return _now.set(environ)


end = _now.reset


def environ() -> WSGIEnvironment:
    """The present request's environment."""
    # What streams its answer goes on when `end` was called; tests and commands may have but a request of Flask's.
    return _now.get() or request.environ


def known() -> dict[str, Any]:
    """What was worked out of the present request, by name: to be read, and added to."""
    here = environ()
    found: dict[str, Any] | None = here.get(_KNOWN)
    if found is None:
        found = here[_KNOWN] = {}
    return found


def shop() -> Shop:
    """The shop that was asked, or that works for itself."""
    here = _now.get()
    if here is None:
        found: Shop = current_app.extensions["shop"]
        return found
    return here[_SHOP]  # type: ignore[no-any-return]
