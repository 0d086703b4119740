"""`/users`: registering, listing, searching, editing, deleting and undoing, with htmx and without."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop import user_lists
from shop.seals import Seal
from shop.settings import Settings
from shop.users import FIELDS, User, Users
from tests.conftest import HTMX, OWN, both_ways, soup, text

# htmx on the list's own page, where fragments have their place.
ON_LIST = {**HTMX, "HX-Current-URL": "http://localhost/users"}

three_ways = pytest.mark.parametrize("headers", [OWN, HTMX, ON_LIST], ids=["plain", "htmx", "htmx-on-the-list"])

ANN = User("annannan", "Ann", "ann@example.org", line1="1 High Street", city="Ely", country="GB", phone="+44 1")
BOB = User("bobbobbo", "Bob", "bob@example.org")
CLEO = User("cleo_-cl", "Клео", "cleo@example.org")
THREE = Users((ANN, BOB, CLEO))
HOSTILE = '<script>alert(1)</script><b id="x">\'"{{ 1234567*7 }}'


def crowd(count: int) -> Users:
    return Users(tuple(User(f"id{n:06}", f"Person {n:04}", f"p{n}@example.org") for n in range(count)))


def sealed(settings: Settings, decoded: object) -> str:
    """A users cookie as this shop seals it."""
    return Seal([settings.secret_key], "users").seal(json.dumps(decoded, ensure_ascii=False))


def keep(client: FlaskClient, users: Users) -> None:
    """Give the browser that list: in its cookie or, past 15 users, on the server."""
    shop = client.application.extensions["shop"]
    if len(users) <= 15:
        client.set_cookie("users", sealed(shop.settings, users.to_json()))
        return
    token = user_lists.new_token()
    with shop.database.writing() as connection:
        user_lists.write(connection, token, users)
    client.set_cookie("users", sealed(shop.settings, {"row": token}))


@pytest.fixture
def clerk(client: FlaskClient) -> FlaskClient:
    """A browser in which Ann, Bob and Cleo are registered."""
    keep(client, THREE)
    return client


def form_of(user: User, **changes: str) -> dict[str, str]:
    return {name: getattr(user, name) for name in FIELDS} | changes


def names(client: FlaskClient, **query: object) -> list[str]:
    """Who is on the page of the list."""
    return [name.text for name in soup(client.get("/users", query_string=query)).select(".user-row-name")]


def shopping_as(client: FlaskClient) -> str:
    return text(client.get("/"), "#shopper .shopper-name")


def whole_page(client: FlaskClient, answer):
    """The page that a change leads to: itself for htmx in place, else where it redirects."""
    assert answer.status_code in (200, 303)
    onward = answer.headers.get("HX-Redirect") or answer.location
    return client.get(onward) if onward else answer


# Where a refusal is: an error's page, or a message for htmx.
SAID = "main, hx-partial[hx-target='#messages']"


def said(answer) -> str:
    """What the page announces."""
    return text(answer, "#messages, [hx-target='#messages']")


def undo_form(answer) -> tuple[str, dict[str, str]]:
    form = soup(answer).select_one("#messages form, [hx-target='#messages'] form")
    return form["action"], {field["name"]: field["value"] for field in form.select("input")}


def assert_refused(answer, *fields: str, key: str = "new") -> None:
    """The form came back with an error beside each of `fields`, wired for screen readers, the first one focused."""
    assert answer.status_code == 422
    assert "Set-Cookie" not in answer.headers
    page = soup(answer)
    assert [field["name"] for field in page.select("[aria-invalid=true]")] == list(fields)
    for name in fields:
        (field,) = page.select(f"#user-{key}-{name}")
        (error,) = page.select(f"[id='{field['aria-describedby']}']")
        assert error.text.strip()
        assert "field-error" in error["class"]
    form = page.select_one("form.user-form")
    assert [field["name"] for field in form.select("[autofocus]")] == [fields[0]]
    assert f"{len(fields)} field" in page.select_one("[role=alert], [hx-target='#messages'] .message-bad").text


# The list


def test_an_empty_list_says_so_and_offers_to_register(client):
    page = soup(client.get("/users"))

    assert "Nobody is registered in this browser yet." in page.select_one("#user-list").text
    assert page.select_one("#register")["href"] == "/users/new"
    assert page.select_one("#user-search") is None


def test_one_user_is_a_list_of_one(client):
    keep(client, Users((ANN,)))

    assert names(client) == ["Ann"]
    assert text(client.get("/users"), ".listing-count") == "1 person"


def test_the_list_shows_everybody_in_their_order(clerk):
    page = soup(clerk.get("/users"))

    assert [name.text for name in page.select(".user-row-name")] == ["Ann", "Bob", "Клео"]
    assert page.select_one(".user-row-email").text == "ann@example.org"
    assert page.select_one(".listing-count").text == "3 people"
    assert page.select_one("nav.pages") is None


def test_ids_on_the_page_are_unique(clerk):
    ids = [element["id"] for element in soup(clerk.get("/users")).select("[id]")]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("term", ["bob", "BOB@EXAMPLE.ORG", "  bOb "])
def test_search_by_the_button(clerk, term):
    assert names(clerk, term=term) == ["Bob"]
    page = clerk.get("/users", query_string={"term": term})
    assert text(page, ".listing-count") == "1 person of 3"
    assert soup(page).select_one("#term")["value"] == term.strip()


def test_search_in_another_script(clerk):
    assert names(clerk, term="КЛЕО") == ["Клео"]


def test_search_as_you_type(clerk):
    answer = clerk.get("/users?term=b", headers=ON_LIST)

    assert [name.text for name in soup(answer).select("#user-list .user-row-name")] == ["Bob"]
    assert text(answer, "hx-partial[hx-target='#user-search-status']") == "1 person found"
    assert soup(answer).select_one("html") is None


@both_ways
def test_a_search_that_finds_nobody_says_so(clerk, headers):
    answer = clerk.get("/users?term=<zoë>", headers=headers)

    assert "Nobody here has that in their name or email." in text(answer, "#user-list")
    assert soup(answer).select_one("#user-list a[href='/users']")


@pytest.mark.parametrize(
    ("count", "pages", "last"), [(50, 1, 50), (51, 2, 1), (100, 2, 50), (120, 3, 20), (1000, 20, 50)]
)
def test_fifty_to_a_page(client, count, pages, last):
    people = crowd(count)
    keep(client, people)
    page = soup(client.get("/users"))

    assert [name.text for name in page.select(".user-row-name")] == [user.name for user in people.users[:50]]
    assert page.select_one(".listing-count").text == f"{count:,} people"
    assert len(page.select(".pages-link:not([rel])")) == (pages if pages > 1 else 0)
    assert names(client, page=pages) == [user.name for user in people.users[-last:]]
    assert client.get("/users", query_string={"page": pages + 1}).status_code == 404


def test_pages_are_linked_and_keep_the_search(client):
    keep(client, crowd(120))
    page = soup(client.get("/users?term=person&page=2"))

    assert page.select_one(".pages a[rel=prev]")["href"] == "/users?term=person"
    assert page.select_one(".pages a[rel=next]")["href"] == "/users?term=person&page=3"
    assert page.select_one(".pages [aria-current=page]").text.split() == ["Page", "2"]


def test_a_page_past_the_end_says_how_many_there_are(clerk):
    answer = clerk.get("/users?page=2")

    assert answer.status_code == 404
    assert "This list has 1 page." in text(answer, "main")


@pytest.mark.parametrize("page", ["0", "-1", "two", "1.5", "٢", "9" * 20, "1 or 1"])
@both_ways
def test_a_bad_page_is_said(clerk, page, headers):
    answer = clerk.get("/users", query_string={"page": page}, headers=headers)

    assert answer.status_code == 400
    assert "a number, counted from 1" in answer.text


# Registering


def test_the_form_on_its_own_page(client):
    page = soup(client.get("/users/new"))

    form = page.select_one("#user-form-new")
    assert (form["action"], form["method"]) == ("/users", "post")
    assert [field["name"] for field in form.select("input, select")] == list(FIELDS)
    for field in form.select("input, select"):
        assert form.select_one(f"label[for='{field['id']}']").text
    assert [field["name"] for field in form.select("[autofocus]")] == ["name"]
    assert not form.select("[aria-invalid]")


def test_the_form_in_the_lists_page(clerk):
    answer = clerk.get("/users/new", headers=ON_LIST)

    assert soup(answer).select_one("#new-user #user-form-new")
    assert soup(answer).select_one("html") is None


@three_ways
def test_registering_somebody(clerk, headers):
    answer = clerk.post("/users", data={"name": "Dora", "email": "dora@example.org"}, headers=headers)

    page = whole_page(clerk, answer)
    assert "Registered." in said(page)
    assert [name.text for name in soup(page).select(".user-row-name")] == ["Ann", "Bob", "Клео", "Dora"]
    assert names(clerk) == ["Ann", "Bob", "Клео", "Dora"]


def test_registering_the_first_person_brings_the_search_form(client):
    answer = client.post("/users", data={"name": "Dora", "email": "dora@example.org"}, headers=ON_LIST)

    assert answer.headers["HX-Redirect"] == "/users"
    assert soup(client.get("/users")).select("#user-search")


def test_registering_in_the_lists_page_puts_the_form_away(clerk):
    answer = clerk.post("/users", data={"name": "Dora", "email": "dora@example.org"}, headers=ON_LIST)

    targets = [partial["hx-target"] for partial in soup(answer).select("hx-partial")]
    assert targets == ["#user-list", "#shopper", "#new-user", "#messages"]
    assert soup(answer).select_one("[hx-target='#new-user'] #register")
    assert not soup(answer).select("form.user-form")


def test_registering_is_said_once(client):
    client.post("/users", data={"name": "Dora", "email": "dora@example.org"}, headers=OWN)
    first = client.get("/users")

    assert "Registered." in said(first)
    assert first.headers["Cache-Control"] == "no-store"
    assert "Registered." not in said(client.get("/users"))


def test_everything_typed_is_shown_on_the_persons_page(client):
    client.post("/users", data=form_of(ANN, recipient="Ann & Sons"), headers=OWN)
    link = soup(client.get("/users")).select_one(".user-row-name")["href"]
    page = client.get(link)

    assert text(page, "h1") == "Ann"
    assert [line.text for line in soup(page).select(".address bdi")] == [
        "Ann & Sons",
        "1 High Street",
        "Ely",
        "United Kingdom",
    ]
    assert "+44 1" in text(page, "main")


BAD_VALUES = {
    "no name": ("name", ""),
    "a blank name": ("name", " \u3000"),
    "an invisible name": ("name", "\u200b"),
    "a name of 101 characters": ("name", "ж" * 101),
    "a name of two lines": ("name", "Ann\nBee"),
    "a control character": ("name", "Ann\x00"),
    "no email": ("email", ""),
    "no email at all": ("email", "ann"),
    "an email without a domain": ("email", "ann@"),
    "an email of two lines": ("email", "a\r\nBcc: b@example.org"),
    "an email that is taken": ("email", "bob@EXAMPLE.ORG"),
    "an email of 300 characters": ("email", "a" * 288 + "@example.org"),
    "a long recipient": ("recipient", "x" * 101),
    "a long street": ("line1", "x" * 121),
    "a second line of two lines": ("line2", "x\ny"),
    "a long postcode": ("postcode", "1" * 21),
    "a long city": ("city", "x" * 101),
    "a region with an escape": ("region", "\x1b[31m"),
    "no such country": ("country", "XX"),
    "a country by name": ("country", "Germany"),
    "a long phone": ("phone", "1" * 41),
}


@pytest.mark.parametrize(("field", "value"), BAD_VALUES.values(), ids=BAD_VALUES)
@three_ways
def test_a_bad_value_is_said_beside_its_field(clerk, field, value, headers):
    form = form_of(User("", "Dora", "dora@example.org", city="Ely", phone="1")) | {field: value}
    answer = clerk.post("/users", data=form, headers=headers)

    assert_refused(answer, field)
    page = soup(answer)
    for name in FIELDS:
        if name not in ("country", field):
            assert page.select_one(f"#user-new-{name}").get("value", "") == form[name]
    if "\r" not in value and "\x00" not in value and field != "country":
        assert page.select_one(f"#user-new-{field}")["value"] == value
    assert names(clerk) == ["Ann", "Bob", "Клео"]


@both_ways
def test_several_bad_values_come_at_once(client, headers):
    answer = client.post("/users", data={"email": "x", "country": "XX", "city": "<i>Ely</i>"}, headers=headers)

    assert_refused(answer, "name", "email", "country")
    assert soup(answer).select_one("#user-new-city")["value"] == "<i>Ely</i>"
    assert soup(answer).select_one("details[open]")


def test_a_chosen_country_is_kept_in_a_refused_form(client):
    answer = client.post("/users", data={"country": "DE"}, headers=OWN)

    assert soup(answer).select_one("#user-new-country option[selected]")["value"] == "DE"


def test_bytes_that_are_no_text_are_kept_out(client):
    answer = client.post("/users", data=b"name=%ff%ed%a0%80&email=ann%40example.org", headers=FORM)

    assert answer.status_code == 303
    assert names(client) == ["%FF%ED%A0%80"]


FORM = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
@pytest.mark.parametrize("path", ["/users", "/users/annannan", "/users/annannan/delete", "/shopper"])
def test_a_form_from_elsewhere_changes_nothing(clerk, path, headers):
    data = {"name": "Eve", "email": "eve@example.org", "confirm": "yes", "user": BOB.id}
    answer = clerk.post(path, data=data, headers=headers)

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


# Names that bite


@pytest.mark.parametrize(
    "path", ["/users", "/users/annannan", "/users/annannan/edit", "/cookies", "/", "/users?term=<script>alert(1)"]
)
@both_ways
def test_a_hostile_name_is_text(client, path, headers):
    keep(client, Users((User(ANN.id, HOSTILE, "ann@example.org", *[HOSTILE] * 6, "GB", HOSTILE),)))
    client.post("/shopper", data={"user": ANN.id}, headers=OWN)
    answer = client.get(path, headers=headers)

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert not soup(answer).select("b#x")
    assert "8641969" not in answer.text
    if headers is OWN:
        assert text(answer, "#shopper .shopper-name") == HOSTILE


@both_ways
def test_a_hostile_name_in_the_question_and_in_a_refused_form(client, headers):
    keep(client, Users((User(ANN.id, HOSTILE, "ann@example.org"),)))
    question = client.post("/users/annannan/delete", headers=headers)
    refused = client.post("/users", data={"name": HOSTILE, "email": HOSTILE}, headers=headers)

    for answer in (question, refused):
        assert "<script>alert" not in answer.text
        assert not soup(answer).select("b#x")
    assert soup(refused).select_one("#user-new-name")["value"] == HOSTILE


def test_names_of_any_direction_are_kept_apart_from_their_surroundings(client):
    keep(client, Users((User(ANN.id, "\u202eمحمد", "ann@example.org"),)))
    client.post("/shopper", data={"user": ANN.id}, headers=OWN)

    for path in ("/users", "/users/annannan", "/users/annannan/edit", "/cookies"):
        page = soup(client.get(path))
        for shown in page.find_all(string=lambda string: "محمد" in string):
            assert shown.parent.name == "bdi"


# One person


def test_a_persons_page(clerk):
    page = soup(clerk.get("/users/annannan"))

    assert page.select_one("h1").text == "Ann"
    assert page.select_one(".user-row-actions a")["href"] == "/users/annannan/edit"


def test_a_row_for_htmx(clerk):
    answer = clerk.get("/users/annannan", headers=ON_LIST)

    assert soup(answer).select_one("li#user-annannan")
    assert soup(answer).select_one("html") is None


@both_ways
def test_editing_starts_with_what_is_there(clerk, headers):
    page = soup(clerk.get("/users/annannan/edit", headers=headers))

    form = page.select_one("#user-form-annannan")
    assert form["action"] == "/users/annannan"
    assert {field["name"]: field.get("value") for field in form.select("input")} == {
        name: value for name, value in form_of(ANN).items() if name != "country"
    }
    assert form.select_one("option[selected]")["value"] == "GB"
    assert form.select_one("details[open]")


@three_ways
def test_updating_somebody(clerk, headers):
    answer = clerk.post("/users/bobbobbo", data=form_of(BOB, name="Robert"), headers=headers)

    page = whole_page(clerk, answer)
    assert "Saved." in said(page)
    assert [name.text for name in soup(page).select("#user-bobbobbo .user-row-name")] == ["Robert"]
    assert names(clerk) == ["Ann", "Robert", "Клео"]


@pytest.mark.parametrize(("field", "value"), BAD_VALUES.values(), ids=BAD_VALUES)
@both_ways
def test_a_bad_value_in_an_update_is_said_and_changes_nothing(clerk, field, value, headers):
    answer = clerk.post("/users/annannan", data=form_of(ANN) | {field: value}, headers=headers)

    assert_refused(answer, field, key="annannan")
    assert soup(clerk.get("/users/annannan/edit")).select_one("#user-annannan-name")["value"] == "Ann"


def test_the_page_of_a_refused_update_still_says_whose_it_is(clerk):
    answer = clerk.post("/users/annannan", data=form_of(ANN, name=""), headers=OWN)

    assert text(answer, "h1") == "Edit Ann"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/nobody"),
        ("GET", "/users/nobody/edit"),
        ("POST", "/users/nobody"),
        ("POST", "/users/nobody/delete"),
        ("GET", "/users/ANNANNAN"),
        ("GET", "/users/%00"),
        ("GET", "/users/пусто/edit"),
    ],
)
@three_ways
def test_who_is_not_registered_here_is_a_404_with_a_way_on(clerk, method, path, headers):
    data = {"name": "X", "email": "x@example.org", "confirm": "yes"} if method == "POST" else None
    answer = clerk.open(path, method=method, data=data, headers=headers)

    assert answer.status_code == 404
    assert "This person is not registered in this browser." in answer.text
    assert "Set-Cookie" not in answer.headers
    if headers is OWN:
        assert soup(answer).select("main a[href]")


def test_what_was_typed_for_who_is_gone_can_be_registered_anew(clerk):
    data = {"name": "Xenia", "email": "x@example.org", "city": "Riga"}
    form = soup(clerk.post("/users/nobody", data=data, headers=OWN)).select_one(
        "main form.user-form, main form[action='/users']"
    )

    assert form["action"] == "/users"
    assert {name: form.select_one(f"[name={name}]")["value"] for name in data} == data


@pytest.mark.parametrize(("method", "path"), [("GET", "/users/annannan/delete"), ("GET", "/shopper")])
def test_addresses_of_forms_alone(clerk, method, path):
    assert clerk.open(path, method=method).status_code == 405


# Deleting, and taking it back


@pytest.mark.parametrize("data", [{}, {"confirm": ""}, {"confirm": "no"}], ids=str)
@three_ways
def test_deleting_asks_first(clerk, data, headers):
    answer = clerk.post("/users/bobbobbo/delete", data=data, headers=headers)

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    form = soup(answer).select_one("form[action='/users/bobbobbo/delete']")
    assert form.select_one("[name=confirm]")["value"] == "yes"
    assert "Bob" in soup(answer).select_one("h1, p[id$=question]").text
    assert names(clerk) == ["Ann", "Bob", "Клео"]


@pytest.mark.parametrize("page", ["/users", "/users?term=bob", "/users/bobbobbo"])
def test_htmx_asks_in_place_of_the_row_wherever_one_is(clerk, page):
    assert soup(clerk.get(page)).select_one("#user-bobbobbo")
    answer = clerk.post("/users/bobbobbo/delete", headers={**HTMX, "HX-Current-URL": f"http://localhost{page}"})

    (partial,) = soup(answer).select("hx-partial")
    assert partial["hx-target"] == "#user-bobbobbo"
    assert partial.select_one("li#user-bobbobbo button[autofocus]").text == "Delete"


def test_an_id_of_any_characters_makes_one_selector(clerk):
    answer = clerk.post("/users/cleo_-cl/delete", headers=ON_LIST)

    target = soup(answer).select_one("hx-partial")["hx-target"]
    assert soup(clerk.get("/users")).select_one(target)


@three_ways
def test_deleting_and_taking_it_back_in_place(clerk, headers):
    answer = clerk.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=headers)
    page = whole_page(clerk, answer)
    assert "Deleted." in said(page)
    assert names(clerk) == ["Ann", "Клео"]

    action, fields = undo_form(page)
    back = whole_page(clerk, clerk.post(action, data=fields, headers=headers))

    assert "Back in the list." in said(back)
    assert names(clerk) == ["Ann", "Bob", "Клео"]
    assert soup(clerk.get("/users")).select_one("#user-bobbobbo")


def test_the_last_one_can_be_deleted_and_taken_back(client):
    keep(client, Users((ANN,)))
    answer = client.post("/users/annannan/delete", data={"confirm": "yes"}, headers=OWN)
    assert client.get_cookie("users") is None

    action, fields = undo_form(whole_page(client, answer))
    client.post(action, data=fields, headers=OWN)

    assert soup(client.get("/users/annannan")).select_one(".address")


@three_ways
def test_an_undo_done_twice_is_done_once(clerk, headers):
    page = whole_page(clerk, clerk.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=headers))
    action, fields = undo_form(page)
    for _ in range(2):
        assert clerk.post(action, data=fields, headers=headers).status_code in (200, 303)

    assert names(clerk) == ["Ann", "Bob", "Клео"]


def test_no_undo_is_offered_when_it_is_done_already(clerk):
    answer = clerk.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=OWN)
    action, fields = undo_form(clerk.get(answer.location))
    clerk.post(action, data=fields, headers=OWN)

    assert not soup(clerk.get(answer.location)).select("#messages form")


@pytest.mark.parametrize("spoil", [lambda undo: undo[:-2], lambda undo: undo + "A", lambda _undo: "x", str.lower])
@three_ways
def test_a_tampered_undo_is_refused(clerk, spoil, headers):
    page = whole_page(clerk, clerk.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=headers))
    action, fields = undo_form(page)
    answer = clerk.post(action, data={"restore": spoil(fields["restore"])}, headers=headers)

    assert answer.status_code == 422
    assert "That can't be undone any more. Register the person again." in text(answer, SAID)
    assert names(clerk) == ["Ann", "Клео"]


def test_what_was_sealed_for_the_cookie_is_no_undo(clerk, settings):
    answer = clerk.post("/users", data={"restore": sealed(settings, [BOB.to_json(), 0])}, headers=OWN)

    assert answer.status_code == 422


@pytest.mark.parametrize("undo", ["nonsense", "%00", "ж", "x" * 5000])
def test_an_address_with_a_bad_undo_is_the_list(clerk, undo):
    assert clerk.get("/users", query_string={"undo": undo}).status_code == 200


@three_ways
def test_an_undo_after_the_email_was_taken_is_refused(clerk, headers):
    page = whole_page(clerk, clerk.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=headers))
    action, fields = undo_form(page)
    clerk.post("/users", data={"name": "Robert", "email": "bob@EXAMPLE.ORG"}, headers=OWN)
    clerk.get("/users")
    answer = clerk.post(action, data=fields, headers=headers)

    assert answer.status_code == 422
    assert "Somebody else is registered with this email by now, so that can't be undone." in text(answer, SAID)
    assert names(clerk) == ["Ann", "Клео", "Robert"]


def test_the_address_of_a_deletion_names_nobody(clerk):
    answer = clerk.post("/users/annannan/delete", data={"confirm": "yes"}, headers=OWN)

    assert "example" not in answer.location and "Street" not in answer.location


@pytest.mark.parametrize("count", [1, 14, 15, 16])
@pytest.mark.parametrize("address", ["1 High Street", "ж" * 100, "🫖" * 100], ids=["short", "long", "longest"])
def test_headers_of_a_deletion_fit_a_proxy(app: Flask, settings, count, address):
    """nginx refuses an answer with over 4 KB of headers, by default."""
    client = app.test_client()
    for number in range(count):
        long = {"line1": address, "line2": address, "recipient": address} if number == count - 1 else {}
        data = {"name": f"Person {number:08}", "email": f"person{number}@example.org", "line1": "1 High Street"}
        client.post("/users", data={**data, "city": "Springfield", "postcode": "12345"} | long, headers=ON_LIST)
    last = soup(client.get("/users")).select(".user-row-name")[-1]["href"]
    answer = client.post(f"{last}/delete", data={"confirm": "yes"}, headers=OWN)

    assert len(names(client)) == count - 1
    served = len("HTTP/1.1 303 SEE OTHER\r\nserver: granian\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n")
    assert served + sum(len(f"{name}: {value}\r\n".encode()) for name, value in answer.headers) <= 4096


# What looking does


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users?term=a",
        "/users?page=9",
        "/users?undo=x",
        "/users/new",
        "/users/annannan",
        "/users/annannan/edit",
        "/users/nobody",
        "/cookies",
        "/cookies.json",
        "/cookies?erased=all",
        "/",
    ],
)
@three_ways
def test_looking_sets_no_cookie(clerk, path, headers):
    clerk.post("/shopper", data={"user": ANN.id}, headers=ON_LIST)

    assert "Set-Cookie" not in clerk.get(path, headers=headers).headers


def test_pages_with_people_are_no_ones_to_share(clerk):
    answer = clerk.get("/users")

    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert {"HX-Request-Type", "Cookie"} <= set(answer.vary)


def test_a_change_keeps_the_search_and_the_page_that_are_on_screen(clerk):
    bob = next(user for user in clerk.get("/cookies.json").json["users"]["decoded"] if user["name"] == "Bob")
    on_search = {**ON_LIST, "HX-Current-URL": "http://localhost/users?term=bob&page=1"}
    answer = clerk.post("/shopper", data={"user": bob["id"]}, headers=on_search)

    assert [name.text for name in soup(answer).select(".user-row-name")] == ["Bob"]
