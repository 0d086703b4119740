"""The `users` cookie: who can read it, what happens when it was changed, and how its keys and its form may change."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient

from shop import create_app
from shop.cookies import encode
from shop.seals import Seal
from shop.settings import Settings
from shop.users import User, Users
from tests.conftest import HTMX, OWN, both_ways, soup, text
from tests.live import live_shop
from tests.pages.test_user_lists import Visitor
from tests.pages.test_users import ANN, BOB, ON_LIST, THREE, keep, names, sealed, shopping_as, undo_form, whole_page

OLD, NEW = "the key of last year", "the key of this year"
ZOE = {"name": "Zoë Zebedee", "email": "zoe.zebedee@example.org", "city": "Zermatt"}


@pytest.fixture
def visit(settings: Settings):
    """`visit(browser, secret_key="…")`: a shop of such settings, visited with that browser's cookies."""
    apps = []

    def visit(browser: FlaskClient | None = None, **changes: object) -> FlaskClient:
        apps.append(create_app(replace(settings, **changes)))
        client = apps[-1].test_client()
        for name in ("users", "session"):
            if browser and (cookie := browser.get_cookie(name)):
                client.set_cookie(name, cookie.value)
        return client

    yield visit
    for app in apps:
        app.extensions["shop"].database.close()


def value_of(client: FlaskClient) -> str | None:
    cookie = client.get_cookie("users")
    return cookie.value if cookie else None


def readings(value: str) -> str:
    """All that can be made of a cookie without a key: as it is, its parts out of base64, and those unpacked."""
    found = [value, unquote(value)]
    for part in re.findall(r"[\w+/=-]{4,}", value):
        for cut in range(4):
            try:
                raw = base64.urlsafe_b64decode(part[cut:].rstrip("=") + "==")
            except (binascii.Error, ValueError):
                continue
            found.append(raw.decode("latin-1") + raw.decode(errors="replace"))
            try:
                found.append(zlib.decompress(raw).decode("latin-1"))
            except zlib.error:
                continue
    return "\n".join(found)


def test_what_can_be_read_of_a_session_is_found(client):
    """So the tests below fail for the secrecy alone."""
    with client.session_transaction() as session:
        session["_flashes"] = [("good", "Zoë Zebedee " * 20)]
    assert "Zebedee" in readings(client.get_cookie("session").value)
    assert "Zebedee" in readings(base64.b64encode(b"xZoe Zebedee").decode())


# What the cookie tells


@both_ways
def test_nobody_can_be_read_in_any_cookie(client, headers):
    """Through a whole story: registering, refused forms, choosing, editing, deleting, taking it back."""
    sent = []

    def post(path: str, **data: str):
        answer = client.post(path, data=data, headers=headers)
        sent.extend(answer.headers.getlist("Set-Cookie"))
        return answer

    post("/users", **ZOE)
    post("/users", **ZOE)  # taken
    zoe = soup(client.get("/users")).select_one(".user-row-name")["href"].rpartition("/")[2]
    post("/shopper", user=zoe)
    post(f"/users/{zoe}", **ZOE | {"phone": "5551234"})
    undo = whole_page(client, post(f"/users/{zoe}/delete", confirm="yes"))
    action, fields = undo_form(undo)
    post(action, **fields)
    post("/shopper", user=zoe)
    post("/shopper", user="")

    assert names(client) == ["Zoë Zebedee"]
    assert {cookie.partition("=")[0] for cookie in sent} == {"users", "session"} if headers is OWN else {"users"}
    told = readings("\n".join(sent)).casefold()
    for secret in ("zebedee", "zermatt", "5551234", "example.org"):  # shorter ones come up by chance
        assert secret not in told


def test_a_message_says_no_name(client):
    """One-time messages wait in the session cookie, which anybody can read."""
    client.post("/users", data=ZOE, headers=OWN)
    assert "Registered." in readings(client.get_cookie("session").value)
    zoe = soup(client.get("/users")).select_one(".user-row-name")["href"]
    for path, data in (
        ("/shopper", {"user": zoe.rpartition("/")[2]}),
        (zoe, ZOE),
        (f"{zoe}/delete", {"confirm": "yes"}),
    ):
        client.post(path, data=data, headers=OWN)
        assert "zebedee" not in readings(client.get_cookie("session").value).casefold()


def test_the_cookie_is_marked_as_the_design_says(client):
    answer = client.post("/users", data=ZOE, headers=OWN)
    cookie = client.get_cookie("users")

    assert cookie.http_only and cookie.same_site == "Lax" and cookie.path == "/" and not cookie.secure
    assert "Domain" not in "".join(answer.headers.getlist("Set-Cookie"))
    assert cookie.max_age == timedelta(days=400).total_seconds()
    assert timedelta(days=399) < cookie.expires - datetime.now(UTC) <= timedelta(days=400)


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(https_app):
    client = https_app.test_client()
    client.post("/users", data=ZOE, headers=OWN, base_url="https://shop.example")
    cookie = client.get_cookie("__Host-users", "shop.example")

    assert cookie.secure and cookie.http_only and cookie.path == "/"
    assert client.get_cookie("__Host-session", "shop.example").secure
    assert text(client.get("/users", base_url="https://shop.example"), ".user-row-name") == "Zoë Zebedee"


def test_over_https_a_planted_plain_cookie_is_no_list(https_app, settings):
    client = https_app.test_client()
    client.set_cookie("users", sealed(settings, THREE.to_json()), domain="shop.example")

    assert names(client) == []


def test_a_full_list_stays_within_its_budget(client):
    for number in range(40):
        client.post("/users", data={"name": f"Person {number}", "email": f"p{number}@example.org"}, headers=ON_LIST)
        assert len("users") + len(value_of(client)) <= 2800
    assert len(names(client)) == 40


# Signed


def test_a_signed_list_is_readable_in_devtools(visit):
    client = visit(users_cookie="signed")
    client.post("/users", data=ZOE, headers=OWN)
    readable, _, signature = unquote(value_of(client)).rpartition(".")

    (user,) = json.loads(readable)
    assert (user["name"], user["email"]) == (ZOE["name"], ZOE["email"])
    assert len(signature) == 43
    assert names(client) == ["Zoë Zebedee"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: value.replace("Zebedee", "Zebulon"),
        lambda value: value[:-1],
        lambda value: value[1:],
        lambda value: value.rpartition(".")[0],
        lambda value: value.rpartition(".")[0] + ".",
        lambda value: value + "A",
        lambda value: value.replace("%22", '"'),
        unquote,
    ],
)
def test_a_changed_signed_list_is_no_list(visit, cookieless, spoil):
    client = visit(users_cookie="signed")
    client.post("/users", data=ZOE, headers=OWN)
    spoilt = spoil(value_of(client)).encode().decode("latin-1")
    answer = cookieless.get("/users", headers={"Cookie": f"users={spoilt}"})

    assert "could not be read" in text(answer, "#messages")
    assert "Zeb" not in text(answer, "main")


@pytest.mark.parametrize(("before", "after"), [("sealed", "signed"), ("signed", "sealed")])
def test_switching_between_sealed_and_signed_loses_nobody(visit, before, after):
    first = visit(users_cookie=before)
    first.post("/users", data=ZOE, headers=OWN)
    second = visit(first, users_cookie=after)
    assert names(second) == ["Zoë Zebedee"]

    second.post("/users", data={"name": "Ann", "email": "ann@example.org"}, headers=OWN)

    assert names(second) == ["Zoë Zebedee", "Ann"]
    assert ("Zebedee" in unquote(value_of(second))) == (after == "signed")
    assert names(visit(second, users_cookie=before)) == ["Zoë Zebedee", "Ann"]


@pytest.mark.parametrize(("before", "after"), [("sealed", "signed"), ("signed", "sealed")])
def test_switching_loses_nobody_of_a_list_on_the_server(visit, before, after):
    first = visit(users_cookie=before)
    for number in range(32):
        first.post("/users", data={"name": f"P {number}", "email": f"p{number}@example.org"}, headers=ON_LIST)
    second = visit(first, users_cookie=after)
    second.post("/users", data=ZOE, headers=OWN)

    assert len(names(second)) == 33


# Keys


def test_a_list_sealed_with_an_old_key_is_read_and_written_with_the_new(visit):
    last_year = visit(secret_key=OLD)
    last_year.post("/users", data=ZOE, headers=OWN)
    last_year.post("/users", data={"name": "Ann", "email": "ann@example.org"}, headers=OWN)

    both = visit(last_year, secret_key=NEW, secret_key_fallbacks=(OLD,))
    assert names(both) == ["Zoë Zebedee", "Ann"]
    assert names(visit(both, secret_key=NEW)) == []  # a look has changed nothing

    both.post("/users", data={"name": "Bob", "email": "bob@example.org"}, headers=OWN)
    assert names(visit(both, secret_key=NEW)) == ["Zoë Zebedee", "Ann", "Bob"]
    assert names(visit(both, secret_key=OLD)) == []


@pytest.mark.parametrize("users_cookie", ["sealed", "signed"])
def test_key_rotation_across_a_restart_of_the_real_server(tmp_path, users_cookie):
    visitor = Visitor()
    with live_shop(tmp_path, secret_key=OLD, users_cookie=users_cookie, workers=1) as shop:
        visitor.post(shop, "/users", ZOE)
        visitor.post(shop, "/shopper", {"user": visitor.ids(shop)[0]})
        assert visitor.shopping_as(shop) == "Zoë Zebedee"
    old = visitor.cookies["users"]

    with live_shop(tmp_path, secret_key=NEW, secret_key_fallbacks=OLD, users_cookie=users_cookie, workers=1) as shop:
        assert visitor.emails(shop) == [ZOE["email"]]
        assert visitor.shopping_as(shop) == "Zoë Zebedee"
        visitor.post(shop, "/users", {"name": "Ann", "email": "ann@example.org"})
        visitor.post(shop, "/shopper", {"user": visitor.ids(shop)[1]})
    assert visitor.cookies["users"] != old

    with live_shop(tmp_path, secret_key=NEW, workers=1) as shop:
        assert visitor.emails(shop) == [ZOE["email"], "ann@example.org"]
        assert visitor.shopping_as(shop) == "Ann"


def test_who_is_shopping_survives_a_restart_with_the_key_the_shop_made_itself(tmp_path):
    visitor = Visitor()
    with live_shop(tmp_path, workers=1) as shop:
        visitor.post(shop, "/users", ZOE)
        visitor.post(shop, "/shopper", {"user": visitor.ids(shop)[0]})
        shop.restart()
        assert visitor.shopping_as(shop) == "Zoë Zebedee"


# What can't be read


def _with(key: str, purpose: str, decoded: object) -> str:
    return Seal([key], purpose).seal(json.dumps(decoded))


KEY = "a key of the tests alone"
PEOPLE = THREE.to_json()
WHOLE = _with(KEY, "users", PEOPLE)
SIGNED = f"{encode(PEOPLE)}.{Seal([KEY], 'users').sign(encode(PEOPLE))}"
LATER = "it was written by a later version of this shop"
CHANGED = "it was cut short, changed, or written by somebody else"
UNREADABLE = {
    "cut short": (WHOLE[:-9], CHANGED),
    "cut by four": (WHOLE[:-4], CHANGED),
    "changed": (WHOLE[:50] + ("A" if WHOLE[50] != "A" else "B") + WHOLE[51:], CHANGED),
    "made up": ("gAAAAABnonsense", CHANGED),
    "one letter": ("x", CHANGED),
    "not ASCII": ("ж", CHANGED),
    "of another cookie": (_with(KEY, "cart", PEOPLE), CHANGED),
    "an undo": (_with(KEY, "undo", [ANN.to_json(), 0]), CHANGED),
    "of another shop": (_with("the key of another shop", "users", PEOPLE), CHANGED),
    "signed, cut short": (SIGNED[:-1], CHANGED),
    "signed by another shop": (f"{encode(PEOPLE)}.{Seal(['another shop'], 'users').sign(encode(PEOPLE))}", CHANGED),
    "signed for another cookie": (f"{encode(PEOPLE)}.{Seal([KEY], 'cart').sign(encode(PEOPLE))}", CHANGED),
    "plain JSON": ('[{"id":"1","name":"Ann","email":"ann@example.org"}]', CHANGED),
    "plain JSON, escaped": (encode([{"id": "1", "name": "Ann", "email": "ann@example.org"}]), CHANGED),
    "plain JSON, escaped all through": ("%5B%7B%22id%22:%221%22%7D%5D", CHANGED),
    "a plain row": ('{"row":"token"}', CHANGED),
    "of a later version": (_with(KEY, "users", {"v": 2}), LATER),
    "of a later version, with users": (_with(KEY, "users", {"v": 2, "users": PEOPLE}), LATER),
    "with a field of a later version": (_with(KEY, "users", [PEOPLE[0] | {"title": "Dr"}]), LATER),
    "of nothing": (_with(KEY, "users", None), LATER),
    "of text that is no JSON": (Seal([KEY], "users").seal("hello"), "it is not JSON that this shop writes"),
    "of a row that is gone": (_with(KEY, "users", {"row": "token"}), "the list was kept on this shop's server"),
    "of a row that is no token": (_with(KEY, "users", {"row": [1]}), "the list was kept on this shop's server"),
}
unreadable = pytest.mark.parametrize(("value", "why"), UNREADABLE.values(), ids=UNREADABLE)


def header(value: str) -> dict[str, str]:
    return {"Cookie": f"users={value}".encode().decode("latin-1")}


def test_the_whole_ones_are_read(cookieless):
    """So the tests below fail for what is wrong with them alone."""
    for value in (WHOLE, SIGNED):
        assert len(soup(cookieless.get("/users", headers=header(value))).select(".user-row")) == 3


@unreadable
def test_a_list_that_cannot_be_read_is_said_and_left_alone(cookieless, value, why):
    answer = cookieless.get("/users", headers=header(value))

    assert answer.status_code == 200
    message = text(answer, "#messages")
    assert message.startswith("The list of people in this browser could not be read: ")
    assert why in message
    assert "Nobody is registered in this browser yet." in text(answer, "#user-list")
    assert "Ann" not in text(answer, "main")
    assert "Set-Cookie" not in answer.headers


@unreadable
def test_other_pages_work_with_a_list_that_cannot_be_read(cookieless, value, why):
    for path in ("/", "/users/new", "/users/annannan", "/cookies.json", "/cart"):
        answer = cookieless.get(path, headers=header(value))
        assert answer.status_code == (404 if path == "/users/annannan" else 200)
        assert "Set-Cookie" not in answer.headers


@unreadable
@both_ways
def test_registering_replaces_a_list_that_cannot_be_read(cookieless, client, value, why, headers):
    answer = cookieless.post("/users", data=ZOE, headers=headers | header(value))
    assert answer.status_code in (200, 303)
    (written,) = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("users=")]
    client.set_cookie("users", written.removeprefix("users=").partition(";")[0])

    page = client.get("/users")
    assert [name.text for name in soup(page).select(".user-row-name")] == ["Zoë Zebedee"]
    assert "could not be read" not in text(page, "#messages")


@unreadable
def test_what_is_refused_leaves_a_list_that_cannot_be_read_alone(cookieless, value, why):
    for path, data in (
        ("/users", {"name": ""}),
        ("/users/annannan", ZOE),
        ("/users/annannan/delete", {"confirm": "yes"}),
        ("/shopper", {"user": "annannan"}),
    ):
        answer = cookieless.post(path, data=data, headers=OWN | header(value))
        assert answer.status_code in (404, 422)
        assert "Set-Cookie" not in answer.headers


@unreadable
@pytest.mark.parametrize("data", [{"name": "users"}, {}], ids=["one", "all"])
def test_a_list_that_cannot_be_read_can_be_erased(cookieless, value, why, data):
    answer = cookieless.post("/cookies/delete", data=data, headers=OWN | header(value))

    assert answer.status_code == 303
    assert [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("users=; Expires=Thu, 01 Jan")]


def test_somebody_was_shopping_as_a_list_that_cannot_be_read_says(client):
    keep(client, Users((ANN, BOB)))
    client.post("/shopper", data={"user": ANN.id}, headers=OWN)
    client.set_cookie("users", UNREADABLE["cut short"][0])

    assert shopping_as(client) == "Guest"
    assert "could not be read" in text(client.get("/"), "#messages")


@pytest.mark.parametrize(
    "cookie",
    [
        "users=",
        "users",
        "users=;",
        'users=""',
        "users=" + "x" * 60_000,
        "users=[" + "[" * 5000,
        "=; users=%",
        "users=.",
    ],
    ids=lambda cookie: cookie[:12],
)
def test_whatever_a_browser_sends_is_a_page(cookieless, cookie):
    answer = cookieless.get("/users", headers={"Cookie": cookie})

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_a_list_of_the_largest_users_is_read_again(client):
    """Every character that the sealed form makes longest."""
    most = User("", "🫖" * 100, "ann@example.org", *["%" * 100] * 3, "%" * 20, "%" * 100, "%" * 100, "DE", "%" * 40)
    data = {name: getattr(most, name) for name in most.to_json()}
    assert client.post("/users", data=data, headers=HTMX).status_code == 200

    assert names(client) == ["🫖" * 100]
