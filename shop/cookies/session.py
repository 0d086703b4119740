"""Flask's own signed session: the latest orders, messages to show once; and for `users`, who is shopping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Request, Response, current_app, flash, get_flashed_messages, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature

from shop.asked import known
from shop.cookies.jar import Kind, remembered, sent
from shop.language import N_
from shop.language import gettext as _
from shop.settings import Settings

SESSION = Kind(
    "session",
    N_("Who is shopping, your latest orders' addresses, and messages to show once."),
    budget=600,
    lives=timedelta(days=400),
)


def init_app(app: Flask, settings: Settings) -> None:
    app.secret_key = settings.secret_key
    app.session_interface = _Sessions()
    app.config.update(
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME=f"__Host-{SESSION.name}" if settings.https else SESSION.name,
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION.lives,
        SESSION_REFRESH_EACH_REQUEST=False,
    )


class _Sessions(SecureCookieSessionInterface):
    """Flask's own, without checking the same signature anew on each of a visitor's pages."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:  # noqa: ARG002
        return current_session()

    def sent(self, app: Flask) -> SecureCookieSession:
        """The session as the browser sent it; empty where it sent none that is good."""
        value = sent(SESSION)
        if not value:
            return SecureCookieSession()

        def read(value: str) -> tuple[dict[str, Any], datetime]:
            serializer = self.get_signing_serializer(app)
            assert serializer is not None
            said: tuple[dict[str, Any], datetime] = serializer.loads(value, return_timestamp=True)
            return said

        try:
            said, signed_at = remembered(SESSION, value, read)
        except BadSignature:
            return SecureCookieSession()
        if datetime.now(UTC) - signed_at > SESSION.lives:
            return SecureCookieSession()
        copied = {name: list(value) if isinstance(value, list) else value for name, value in said.items()}
        return SecureCookieSession(copied)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send it if it has changed. That answers vary with cookies, `hypermedia.vary` says."""
        if session.modified or response.mimetype != "text/html":
            super().save_session(app, session, response)


def current_session() -> SecureCookieSession:
    """What Flask calls `session`; before Flask too, to be read."""
    found: SecureCookieSession | None = known().get("session")
    if found is None:
        sessions = current_app.session_interface
        assert isinstance(sessions, _Sessions)
        found = known()["session"] = sessions.sent(current_app)
    return found


# The latest orders

_MOST_ORDERS = 6  # whose tokens fit the session with all else that it may hold


def remember_order(token: str) -> None:
    """Let this browser list the order, as the latest of six."""
    session.permanent = True
    session["orders"] = [token, *(each for each in recent_orders() if each != token)][:_MOST_ORDERS]


def session_problem() -> str | None:
    """What is wrong with the session cookie that the browser sent, as the end of a sentence; None when it is fine."""
    return _("it was changed, or written by somebody else") if sent(SESSION) and not session else None


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


def is_told() -> bool:
    """Whether there is something to say."""
    return "_flashes" in current_session()


def told() -> list[tuple[str, str]]:
    """Messages to show now, as (tone, text): the one thing that a GET may clear from a cookie."""
    messages = get_flashed_messages(with_categories=True)
    if messages:
        known()["told"] = True
        leave_no_empty_session()
    return [(message[0], message[1]) for message in messages]


def leave_no_empty_session() -> None:
    """Let the session's cookie go when it says nothing any more but how long it lives."""
    if set(session) <= {"_permanent"}:
        session.clear()
