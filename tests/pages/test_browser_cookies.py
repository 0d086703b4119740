"""`/cookies`: what this shop keeps in the browser, decoded, downloaded and erased; and what it tells of no one."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest

from tests.conftest import HTMX, OWN, both_ways, set_cart, soup, text
from tests.databases import written_by
from tests.pages.test_users import ANN, HOSTILE, ON_LIST, THREE, crowd, keep, sealed, undo_form, whole_page
from tests.pages.test_users_cookie import UNREADABLE, readings

SERVER_KEEPS = "#server-title + p"


@pytest.fixture
def shopper(client):
    """A browser with a cart, three people, and Ann shopping."""
    keep(client, THREE)
    set_cart(client, '{"mug":2,"clay-teapot":1}')
    client.post("/shopper", data={"user": ANN.id}, headers=ON_LIST)
    return client


def section(answer, name: str):
    return soup(answer).select_one(f"section[aria-labelledby='cookie-{name}']")


def facts(answer, name: str) -> dict[str, str]:
    rows = section(answer, name).select("dl.facts > div")
    return {row.dt.text: " ".join(row.dd.get_text(" ", strip=True).split()) for row in rows}


def test_an_empty_browser_has_nothing(client):
    page = client.get("/cookies")

    assert "Nothing." in text(page, ".empty-title")
    assert text(page, SERVER_KEEPS).startswith("Nothing about you.")
    assert not soup(page).select("main form")


def test_every_page_leads_there(client):
    assert soup(client.get("/")).select("a[href='/cookies']")


def test_every_cookie_is_listed_with_what_it_is(shopper):
    page = shopper.get("/cookies")

    assert [title.text for title in soup(page).select("h2 code")] == ["cart", "users", "session"]
    for name, budget, days in (("cart", 2000, 30), ("users", 2800, 400), ("session", 600, 400)):
        value = shopper.get_cookie(name).value
        size = len(name) + len(value)
        found = facts(page, name)
        assert found["Ends"] == f"{days} days after its last change"
        assert found["Flags"] == "HttpOnly, SameSite=Lax, Path=/"
        assert found["Size"] == f"{size} of {budget:,} bytes"
        meter = section(page, name).select_one("meter")
        assert (meter["min"], meter["max"], meter["value"]) == ("0", str(budget), str(size))
        assert meter["aria-label"]
        assert section(page, name).select_one("h2 + p").text.endswith(".")
        assert section(page, name).select_one("pre.raw").text == value


def test_over_https_the_names_and_flags_are_those_in_the_browser(https_app, settings):
    page = https_app.test_client(use_cookies=False).get(
        "/cookies", headers={"Cookie": f"__Host-users={sealed(settings, THREE.to_json())}; users=planted"}
    )

    assert [title.text for title in soup(page).select("section.kept-cookie h2 code")] == ["__Host-users"]
    assert facts(page, "users")["Flags"].endswith("Secure")
    assert text(page, "#foreign-title + p code") == "users"
    assert "planted" not in page.text


def test_the_cart_and_the_session_are_decoded(shopper):
    page = shopper.get("/cookies")

    assert json.loads(section(page, "cart").select("pre")[1].text) == {"mug": 2, "clay-teapot": 1}
    assert json.loads(section(page, "session").select("pre")[1].text)["shopper"] == ANN.id


def test_the_users_are_a_table(shopper):
    table = section(shopper.get("/cookies"), "users").select_one("table")

    assert [cell.text for cell in table.select("th")] == ["id", "Name", "Email", "Address", "Phone"]
    rows = [[cell.text for cell in row.select("td")] for row in table.select("tbody tr")]
    assert rows[0] == ["annannan", "Ann", "ann@example.org", "1 High Street, Ely, United Kingdom", "+44 1"]
    assert [row[1] for row in rows] == ["Ann", "Bob", "Клео"]


def test_a_list_on_the_server_is_a_table_too(client):
    keep(client, crowd(60))
    page = client.get("/cookies")

    assert len(section(page, "users").select("tbody tr")) == 60
    assert text(page, SERVER_KEEPS).startswith("One row: ")


# Broken ones, when the page is needed most

BROKEN = {f"users: {name}": ("users", value) for name, (value, _) in UNREADABLE.items()} | {
    "cart: no JSON": ("cart", "hello"),
    "cart: markup": ("cart", quote("<script>alert(1)</script>")),
    "cart: not UTF-8": ("cart", "%ff"),
    "cart: bytes": ("cart", "\xff\xfe"),
    "cart: deep": ("cart", "[" * 5000),
    "cart: long": ("cart", "x" * 50_000),
    "session: made up": ("session", "x"),
    "session: of another shop": ("session", "eyJhIjoxfQ.aaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "session: bytes": ("session", "\xff"),
}
broken = pytest.mark.parametrize(("name", "value"), BROKEN.values(), ids=BROKEN)


def header(name: str, value: str) -> dict[str, str]:
    raw = value if "\xff" in value else value.encode().decode("latin-1")
    return {"Cookie": f"{name}={raw}"}


@broken
def test_a_broken_cookie_is_a_page_that_names_the_problem(cookieless, name, value):
    page = cookieless.get("/cookies", headers=header(name, value))

    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers
    problem = section(page, name).select_one(".field-error").text
    assert problem.startswith(("It could not be read: it ", "It could not be read: the list "))
    assert len(section(page, name).select("pre")) == 1
    assert not soup(page).select("main script")
    assert section(page, name).select_one("form [name=name]")["value"] == name


@broken
def test_a_broken_cookie_is_downloaded_with_its_problem(cookieless, name, value):
    answer = cookieless.get("/cookies.json", headers=header(name, value))

    cookie = json.loads(answer.text)[name]
    assert cookie["decoded"] is None
    assert cookie["problem"].startswith(("it ", "the list "))
    assert "Set-Cookie" not in answer.headers


@broken
def test_a_broken_cookie_can_be_erased(cookieless, name, value):
    answer = cookieless.post("/cookies/delete", data={"name": name}, headers=OWN | header(name, value))

    (erased,) = answer.headers.getlist("Set-Cookie")
    assert answer.status_code == 303
    assert erased.startswith(f"{name}=;") and "Max-Age=0" in erased


def test_all_three_broken_at_once(cookieless):
    page = cookieless.get("/cookies", headers={"Cookie": "cart=x; users=y; session=z"})

    assert page.status_code == 200
    assert len(soup(page).select("section.kept-cookie .field-error")) == 3


def test_a_broken_cookie_leaves_the_others_whole(shopper):
    shopper.set_cookie("cart", "hello")
    page = shopper.get("/cookies")

    assert section(page, "cart").select_one(".field-error")
    assert section(page, "users").select_one("table")
    assert not section(page, "session").select_one(".field-error")


# Erasing


@pytest.mark.parametrize("name", ["cart", "users", "session"])
def test_erasing_one_leaves_the_others(shopper, name):
    form = section(shopper.get("/cookies"), name).select_one("form")
    assert form["action"] == "/cookies/delete"
    answer = shopper.post("/cookies/delete", data={"name": name}, headers=OWN)
    page = shopper.get(answer.location)

    assert text(page, "p[role=status]") == f"The {name} cookie is erased."
    left = {"cart", "users", "session"} - {name}
    assert {each for each in ("cart", "users", "session") if shopper.get_cookie(each)} == left
    assert {title.text for title in soup(page).select("section.kept-cookie h2 code")} == left


@pytest.mark.parametrize("data", [{}, {"name": ""}], ids=["without a name", "an empty name"])
def test_erasing_everything(shopper, data):
    shopper.set_cookie("tracker", "secret")
    answer = shopper.post("/cookies/delete", data=data, headers=OWN)
    page = shopper.get(answer.location)

    assert text(page, "p[role=status]") == "This shop keeps nothing in this browser any more."
    assert not [name for name in ("cart", "users", "session") if shopper.get_cookie(name)]
    assert shopper.get_cookie("tracker").value == "secret"
    assert text(page, "#shopper .shopper-name") == "Guest"
    assert text(page, ".cart-count-number") == "0"


def test_over_https_what_is_erased_is_what_was_set(https_app):
    client = https_app.test_client()
    client.post("/users", data={"name": "A", "email": "a@b.org"}, headers=OWN, base_url="https://shop.example")
    assert client.get_cookie("__Host-users", "shop.example")
    answer = client.post("/cookies/delete", headers=OWN, base_url="https://shop.example")

    assert not [name for name in ("users", "session") if client.get_cookie(f"__Host-{name}", "shop.example")]
    for erased in answer.headers.getlist("Set-Cookie"):
        assert "Secure" in erased and "Path=/" in erased and "Domain" not in erased  # else browsers refuse it


@pytest.mark.parametrize("erased", ["all", "cart", "users"])
def test_an_address_does_not_say_erased_of_what_is_there(shopper, erased):
    assert not soup(shopper.get(f"/cookies?erased={erased}")).select("p[role=status].notice")


@pytest.mark.parametrize("erased", ["<b>", "tracker", ""])
def test_an_address_says_nothing_else(client, erased):
    assert not soup(client.get("/cookies", query_string={"erased": erased})).select("p.notice")


@pytest.mark.parametrize("name", ["tracker", "CART", "__Host-cart", "cart ", "<b>", "ж"])
@both_ways
def test_no_other_cookie_can_be_erased(shopper, name, headers):
    shopper.set_cookie("tracker", "secret")
    answer = shopper.post("/cookies/delete", data={"name": name}, headers=headers)

    assert answer.status_code == 400
    assert "one of this shop's cookies: cart, users, session" in text(answer, "main, [hx-target='#messages']")
    assert "Set-Cookie" not in answer.headers
    assert shopper.get_cookie("tracker")


def test_a_form_from_elsewhere_erases_nothing(shopper):
    answer = shopper.post("/cookies/delete", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


# Everybody else's


def test_foreign_cookies_are_named_and_not_shown(cookieless):
    cookies = "tracker=track-secret; cart={%22mug%22:1}; <b>=markup; _ga=ga-secret; __Host-users=host-secret"
    for path in ("/cookies", "/cookies.json"):
        answer = cookieless.get(path, headers={"Cookie": cookies})
        assert "secret" not in answer.text and "markup" not in answer.text
    page = cookieless.get("/cookies", headers={"Cookie": cookies})

    assert [name.text for name in soup(page).select("#foreign-title + p code")] == [
        "<b>",
        "__Host-users",
        "_ga",
        "tracker",
    ]


# The download


def test_everything_can_be_downloaded(shopper):
    shopper.set_cookie("tracker", "secret")
    link = soup(shopper.get("/cookies")).select_one("a[download]")["href"]
    answer = shopper.get(link)

    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"] == "attachment; filename=cookies.json"
    assert answer.headers["Cache-Control"] == "no-store"
    everything = json.loads(answer.data)
    assert list(everything) == ["cart", "users", "session"]
    for name, cookie in everything.items():
        assert cookie["value"] == shopper.get_cookie(name).value
        assert cookie["problem"] is None
    assert everything["cart"]["decoded"] == {"mug": 2, "clay-teapot": 1}
    assert everything["users"]["decoded"] == THREE.to_json()
    assert everything["session"]["decoded"]["shopper"] == ANN.id
    assert "Клео" in answer.get_data(as_text=True)


def test_nothing_can_be_downloaded_too(client):
    assert json.loads(client.get("/cookies.json").data) == {}


def test_a_list_on_the_server_is_downloaded_whole(client):
    keep(client, crowd(60))

    assert len(json.loads(client.get("/cookies.json").data)["users"]["decoded"]) == 60


@pytest.mark.parametrize("path", ["/cookies", "/cookies.json"])
def test_the_page_and_the_download_are_kept_by_no_cache(shopper, path):
    answer = shopper.get(path)

    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_hostile_cookies_are_text(shopper):
    set_cart(shopper, json.dumps({HOSTILE: 1}))
    page = shopper.get("/cookies")

    assert "<script>alert" not in page.text
    assert json.loads(section(page, "cart").select("pre")[1].text) == {HOSTILE: 1}


# What the server keeps of a visitor whose list fits its cookie: nobody


@both_ways
def test_no_log_and_no_database_names_anybody(client, settings, caplog, capfd, headers):
    caplog.set_level(logging.DEBUG)
    zoe = {"name": "Zoë Zebedee", "email": "zoe.zebedee@example.org", "line1": "9 Zigzag Lane", "phone": "5551234"}
    client.post("/users", data=zoe, headers=headers)
    client.post("/users", data=zoe, headers=headers)
    client.post(
        "/users", data=zoe | {"name": "Zebedee\n", "email": "zebedee@", "phone": "Zebedee" * 9}, headers=headers
    )
    path = soup(client.get("/users")).select_one(".user-row-name")["href"]
    for look in ("/users?term=Zebedee", "/users?term=zoe.zebedee@example.org", path, f"{path}/edit", "/cookies"):
        assert client.get(look, headers=headers).status_code == 200
    client.post("/shopper", data={"user": path.rpartition("/")[2]}, headers=headers)
    client.post(path, data=zoe | {"city": "Zermatt"}, headers=headers)
    client.post("/users/Zebedee", data=zoe, headers=headers)
    client.get("/users/Zebedee/nothing?name=Zebedee")
    client.post(f"{path}/delete", headers=headers)
    answer = client.post(f"{path}/delete", data={"confirm": "yes"}, headers=headers)
    action, fields = undo_form(whole_page(client, answer))
    client.post(action, data=fields, headers=headers)
    client.set_cookie("session", client.get_cookie("session").value + "x" if client.get_cookie("session") else "x")
    client.get("/users")
    client.get("/cookies.json")
    assert client.get(path).status_code == 200

    client.application.extensions["shop"].database.close()
    logged = caplog.text + "".join(capfd.readouterr())
    stored = written_by(settings.data)
    assert logged.count('"path": "/users') >= 10  # so there is something to look through
    assert b"clay-teapot" in stored
    kept = (logged + stored.decode("latin-1") + stored.decode(errors="replace")).casefold()
    for secret in ("zebedee", "zermatt", "zigzag", "5551234", path.rpartition("/")[2].casefold(), "restore="):
        assert secret not in kept
    for secret in ("Zebedee", "zebedee@"):
        assert secret not in readings(logged)


def test_an_error_logs_no_name(client, caplog, capfd, monkeypatch):
    """The 500's traceback names the place in the code, and nobody's data."""

    def fail(*_arguments, **_named):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("shop.cookies.users._users_value", fail)
    answer = client.post("/users", data={"name": "Zebedee", "email": "zebedee@example.org"}, headers=HTMX)

    assert answer.status_code == 500
    logged = caplog.text + "".join(capfd.readouterr())
    assert "the disk is full" in logged
    assert "zebedee" not in logged.casefold()
