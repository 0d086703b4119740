"""Security without a session: where a form came from, and what a page may load.

An unsafe request passes when the browser says that it comes from this shop's own pages. SameSite cookies alone would
do harm: a cross-site POST arrives without the cart, and its answer would overwrite it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.exceptions import Forbidden
from werkzeug.wsgi import get_host

from shop import asked
from shop.language import gettext as _
from shop.orders import payment
from shop.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

# Endpoints for programs, not forms. Each knows its sender by a signature, and reads and writes no cookie.
SIGNED_BY_SENDER = frozenset({"payments.stripe"})


class ForeignForm(Forbidden):
    def __init__(self) -> None:
        super().__init__(
            _(
                "This form was not sent from one of this shop's own pages, so nothing was changed. "
                "Open the shop in this browser and try again from there."
            )
        )


def init_app(app: Flask, settings: Settings) -> None:
    app.wsgi_app = _Protected(app.wsgi_app, _headers(settings))  # type: ignore[method-assign]

    @app.before_request
    def refuse_foreign_forms() -> None:
        if request.method in SAFE_METHODS or request.endpoint in SIGNED_BY_SENDER:
            return
        if not _is_ours(settings):
            raise ForeignForm()


class _Protected:
    """The app around it, with these headers on every answer that doesn't say them otherwise."""

    def __init__(self, app: WSGIApplication, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = tuple(headers.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def protected(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            said = {name for name, _value in headers}
            headers += [header for header in self._headers if header[0] not in said]
            return start_response(status, headers, *error)

        return self._app(environ, protected)


def own_origin(settings: Settings) -> str:
    """This shop's origin as browsers see it: SHOP_ORIGIN, else the address of this request.

    Empty where the request names no host, or one that can't be: then what begins with it is a path of this shop.
    """
    if settings.origin:
        return settings.origin
    environ = asked.environ()
    host = get_host(environ)
    return f"{'https' if settings.https else environ['wsgi.url_scheme']}://{host}" if host else ""


def _is_ours(settings: Settings) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return bool(origin) and origin == own_origin(settings)


def _headers(settings: Settings) -> dict[str, str]:
    # Catalogues name pictures on any host; everything else is the shop's own.
    pictures = "'self' data: https:" + ("" if settings.https else " http:")
    # Chromium applies this to where an answer to a form redirects, so to the page that an order is paid on.
    forms_lead_to = ["'self'", *(origin for method in payment.methods(settings) for origin in method.origins)]
    policy = {
        "default-src": "'self'",
        "img-src": pictures,
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": " ".join(forms_lead_to),
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        # With no-referrer, browsers send form posts with "Origin: null".
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    if settings.https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
