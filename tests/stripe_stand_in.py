"""A small Stripe on a port of its own: Checkout Sessions over real HTTP, and the events that Stripe sends about them.

with stripe_stand_in() as stripe:
    shop = live_shop(..., stripe_key=stripe.key, stripe_webhook_secret=stripe.secret, stripe_api=stripe.url)
    stripe.pay(session_id)
    stripe.send(stripe.event("checkout.session.completed", session_id), to=f"{shop.url}/payments/stripe")

localstripe 1.15.10 from PyPI serves no Checkout Sessions. What this one does is in Stripe's documentation: bodies are
form-encoded, `a[b][0][c]=…`; an idempotency key gets the first answer again, failures of the server's own included,
and refuses other terms; a session lives for 30 minutes to 24 hours; amounts follow the currency. It is stricter than
Stripe in one way: a parameter that it doesn't know, it refuses.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KNOWN = {
    "mode",
    "line_items",
    "client_reference_id",
    "metadata",
    "payment_intent_data",
    "expires_at",
    "success_url",
    "cancel_url",
    "customer_email",
}
TENFOLD = {"bhd", "jod", "kwd", "omr", "tnd"}
WHOLE = {"isk", "ugx"}


class Refusal(Exception):
    """An answer that isn't 2xx, with Stripe's error object."""

    def __init__(self, status: int, type: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": type, "message": message, **more}}


@dataclass
class Kept:
    """The first answer to an idempotency key. `status` is 0 while it is being made."""

    terms: object
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)


class StripeStandIn:
    """Its sessions, by id, and what has been asked of it: (method, path, idempotency key)."""

    def __init__(self) -> None:
        self.key = "sk_test_" + secrets.token_hex(12)
        self.secret = "whsec_" + secrets.token_hex(16)
        self.sessions: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, str]] = []
        # What goes wrong with the next requests, one each: "500" is kept with the key, "503" isn't; "lost" does the
        # work and hangs up; "silent" never answers; "slow" answers when `answering` is set.
        self.faults: list[str] = []
        self.answering = threading.Event()
        self.connections: set[socket.socket] = set()
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._events = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"stripe": self}))
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """From now on nobody listens; `restart` listens again, on the same port."""
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in list(self.connections):  # kept alive by shops
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def restart(self) -> None:
        self.answering.clear()
        self.start(self._port)

    # What happens to a session, away from its shop

    def pay(self, id: str, *, by_bank: bool = False) -> dict[str, Any]:
        """The shopper pays; with `by_bank`, in a way that takes days."""
        session = self.sessions[id]
        assert self._status(session) == "open", f"{id} can't be paid: it is {session['status']}"
        session |= {
            "status": "complete",
            "payment_status": "unpaid" if by_bank else "paid",
            "payment_intent": "pi_" + secrets.token_hex(8),
            "url": None,
        }
        return session

    def expire(self, id: str) -> dict[str, Any]:
        session = self.sessions[id]
        if self._status(session) != "open":
            raise Refusal(
                400, "invalid_request_error", 'Only Checkout Sessions with a status in ["open"] can expire.'
            )
        session |= {"status": "expired", "url": None}
        return session

    # Events, as Stripe sends them

    def event(self, type: str, id: str) -> bytes:
        """The body of an event about a session as it is now."""
        self._events += 1
        return json.dumps(
            {
                "id": f"evt_{self._events}",
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": int(time.time()),
                "type": type,
                "livemode": False,
                "pending_webhooks": 1,
                "data": {"object": self.sessions[id]},
            },
            indent=2,
        ).encode()

    def send(self, body: bytes, *, to: str, secret: str = "", age: int = 0, signature: str | None = None) -> int:
        """POST an event, signed `age` seconds ago; the status of the answer."""
        signed = self.sign(body, secret or self.secret, int(time.time()) - age) if signature is None else signature
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0"}
        if signed:
            headers["Stripe-Signature"] = signed
        try:
            with urllib.request.urlopen(urllib.request.Request(to, body, headers)) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    @staticmethod
    def sign(body: bytes, secret: str, at: int) -> str:
        """Source: docs.stripe.com/webhooks, "Verify webhook signatures manually"."""
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={at},v1={digest},v0={'0' * 64}"

    # The API

    def answer(self, method: str, path: str, terms: dict[str, Any], key: str) -> tuple[int, dict[str, Any], bool]:
        """Status, body, and whether it is the first answer again."""
        with self._lock:
            kept = self._kept.get(key) if method == "POST" else None
            if kept and kept.terms != [path, terms]:
                raise Refusal(
                    400,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same "
                    "parameters they were first used with.",
                )
            if kept and not kept.status:
                raise Refusal(
                    409,
                    "idempotency_error",
                    "There is another request in progress with this key.",
                    code="idempotency_key_in_use",
                )
            if kept:
                return kept.status, kept.body, True
            fault = self.faults[0] if self.faults and self.faults[0] in ("500", "503", "slow") else ""
            if fault:
                self.faults.pop(0)
            kept = Kept([path, terms])
            if method == "POST":
                self._kept[key] = kept
        if fault == "slow":
            self.answering.wait()
        try:
            if fault == "503":
                raise Refusal(503, "api_error", "Please try again.")
            body = self._act(method, path, terms)
            kept.status, kept.body = 200, json.loads(json.dumps(body))
        except Refusal:
            self._kept.pop(key, None)
            raise
        if fault == "500":  # something was made, and then something else failed
            kept.status, kept.body = 500, Refusal(500, "api_error", "An unknown error occurred.").body
        return kept.status, kept.body, False

    def _act(self, method: str, path: str, terms: dict[str, Any]) -> dict[str, Any]:
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            return self._create(terms)
        found = re.fullmatch(r"/v1/checkout/sessions/([^/]+)(/expire)?", path)
        if not found or (method == "POST") != bool(found[2]):
            raise Refusal(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path}).")
        if found[1] not in self.sessions:
            raise Refusal(
                404,
                "invalid_request_error",
                f"No such checkout.session: {found[1]}",
                code="resource_missing",
                param="session",
            )
        session = self.sessions[found[1]]
        self._status(session)
        return self.expire(found[1]) if found[2] else session

    def _create(self, terms: dict[str, Any]) -> dict[str, Any]:
        _check(terms)
        currency = terms["line_items"]["0"]["price_data"]["currency"]
        id = "cs_test_" + secrets.token_urlsafe(24)
        self.sessions[id] = {
            "id": id,
            "object": "checkout.session",
            "amount_total": _total(terms),
            "cancel_url": terms.get("cancel_url"),
            "client_reference_id": terms.get("client_reference_id"),
            "created": int(time.time()),
            "currency": currency,
            "customer_email": terms.get("customer_email"),
            "expires_at": int(terms["expires_at"]),
            "line_items": terms["line_items"],
            "livemode": False,
            "metadata": terms.get("metadata", {}),
            "mode": "payment",
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "success_url": terms["success_url"],
            "url": f"{self.url}/c/pay/{id}",
        }
        return self.sessions[id]

    @staticmethod
    def _status(session: dict[str, Any]) -> str:
        if session["status"] == "open" and session["expires_at"] <= time.time():
            session |= {"status": "expired", "url": None}
        return session["status"]


@contextmanager
def stripe_stand_in() -> Iterator[StripeStandIn]:
    stripe = StripeStandIn()
    try:
        yield stripe
    finally:
        stripe.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stripe: StripeStandIn

    def setup(self) -> None:
        super().setup()
        self.stripe.connections.add(self.connection)

    def finish(self) -> None:
        self.stripe.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        if found := re.fullmatch(r"/c/pay/([^/]+)", urlsplit(self.path).path):
            self._pay_page(found[1])
        elif self.path.startswith("/v1/"):
            self._api("GET", b"")
        else:
            self._send(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if found := re.fullmatch(r"/c/pay/([^/]+)", self.path):
            session = self.stripe.pay(found[1], by_bank=b"bank" in body)
            self._send(303, b"", Location=session["success_url"])
        else:
            self._api("POST", body)

    def _api(self, method: str, body: bytes) -> None:
        path, key = urlsplit(self.path).path, self.headers.get("Idempotency-Key", "")
        self.stripe.asked.append((method, path, key))
        fault = self.stripe.faults[0] if self.stripe.faults and self.stripe.faults[0] in ("lost", "silent") else ""
        if fault:
            self.stripe.faults.pop(0)
        if fault == "silent":
            self.stripe.answering.wait()
            self.close_connection = True
            return
        headers = {"Content-Type": "application/json", "Request-Id": "req_" + secrets.token_hex(7)}
        try:
            if self.headers.get("Authorization") != f"Bearer {self.stripe.key}":
                raise Refusal(401, "invalid_request_error", "Invalid API Key provided: sk_test_****")
            if body and self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
                raise Refusal(400, "invalid_request_error", "Send a form-encoded body.")
            status, answer, again = self.stripe.answer(method, path, _nested(body.decode()), key)
            if again:
                headers["Idempotent-Replayed"] = "true"
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body
        if fault == "lost":
            self.close_connection = True
            return
        self._send(status, json.dumps(answer).encode(), **headers)

    def _pay_page(self, id: str) -> None:
        """The page to pay at, for tests with a browser."""
        session = self.stripe.sessions.get(id, {"status": "missing"})
        if session["status"] != "open":
            self._send(404, b"This page is no longer there.")
            return
        line = session["line_items"]["0"]["price_data"]
        page = f"""<!DOCTYPE html><html lang="en"><title>Stripe</title>
            <h1>{html.escape(line["product_data"]["name"])}</h1>
            <p id="amount">{session["amount_total"]} {session["currency"]}</p>
            <form method="post"><button>Pay</button><button name="by" value="bank">Pay by bank</button></form>
            <a href="{html.escape(session["cancel_url"])}">Back</a></html>"""
        self._send(200, page.encode(), **{"Content-Type": "text/html; charset=utf-8"})

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the shop has stopped waiting
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _nested(form: str) -> dict[str, Any]:
    """`a[b][0]=c` as {"a": {"b": {"0": "c"}}}."""
    whole: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True, strict_parsing=bool(form)):
        *path, last = re.findall(r"[^\[\]]+", name)
        inner = whole
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return whole


def _check(terms: dict[str, Any]) -> None:
    """Raise what Stripe answers to terms that it doesn't accept."""
    for name in terms:
        if name not in KNOWN:
            raise _invalid(name, f"Received unknown parameter: {name}", "parameter_unknown")
    for name in ("mode", "line_items", "success_url"):
        if not terms.get(name):
            raise _invalid(name, f"Missing required param: {name}.", "parameter_missing")
    for name in ("success_url", "cancel_url"):
        if not re.match(r"https?://[^/]", terms.get(name, "https://x")):
            raise _invalid(name, "Not a valid URL", "url_invalid")
    if not int(time.time()) + 30 * 60 <= int(terms["expires_at"]) <= int(time.time()) + 24 * 3600:
        raise _invalid("expires_at", "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", terms.get("customer_email", "a@b.c"), re.ASCII):
        raise _invalid("customer_email", "Invalid email address", "email_invalid")
    currency = terms["line_items"]["0"]["price_data"]["currency"]
    if not re.fullmatch("[a-z]{3}", currency):
        raise _invalid("currency", f"Invalid currency: {currency}")
    if _total(terms) <= 0 or _total(terms) % (10 if currency in TENFOLD else 100 if currency in WHOLE else 1):
        raise _invalid("unit_amount", "Invalid amount.", "invalid_charge_amount")


def _total(terms: dict[str, Any]) -> int:
    return sum(
        int(line["price_data"]["unit_amount"]) * int(line["quantity"]) for line in terms["line_items"].values()
    )


def _invalid(param: str, message: str, code: str = "") -> Refusal:
    return Refusal(400, "invalid_request_error", message, param=param, **({"code": code} if code else {}))
