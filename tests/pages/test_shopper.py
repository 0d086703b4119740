"""`POST /shopper`: who is shopping, in the header of every page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from shop import create_app
from shop.users import User, Users
from tests.conftest import HTMX, OWN, both_ways, soup, text
from tests.pages.test_users import (
    ANN,
    BOB,
    ON_LIST,
    THREE,
    crowd,
    form_of,
    keep,
    said,
    shopping_as,
    three_ways,
    undo_form,
    whole_page,
)

PAGES = [
    "/",
    "/products",
    "/products/mug",
    "/collections/all-of-nothing",  # a 404 page
    "/search?q=mug",
    "/cart",
    "/cart/shared?items={%22mug%22:1}",
    "/cart-items?item=mug",
    "/users",
    "/users/new",
    "/users/annannan",
    "/users/annannan/edit",
    "/users?page=x",  # a 400 page
    "/cookies",
]


@pytest.fixture
def clerk(client):
    """A browser in which Ann, Bob and Клео are registered."""
    keep(client, THREE)
    return client


@pytest.fixture
def annas(clerk):
    """A browser in which Ann is shopping."""
    clerk.post("/shopper", data={"user": ANN.id}, headers=ON_LIST)
    return clerk


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_who_is_shopping(annas, path):
    assert text(annas.get(path), "#shopper .shopper-name") == "Ann"


@pytest.mark.parametrize("path", PAGES)
def test_without_a_choice_every_page_says_guest(clerk, path):
    assert text(clerk.get(path), "#shopper .shopper-name") == "Guest"


@three_ways
def test_choosing_who_is_shopping(clerk, headers):
    answer = clerk.post("/shopper", data={"user": ANN.id}, headers=headers)

    page = whole_page(clerk, answer)
    assert "You shop as" in said(page)
    assert text(page, "#shopper .shopper-name") == "Ann"
    assert shopping_as(clerk) == "Ann"


@both_ways
def test_the_list_marks_who_is_shopping(annas, headers):
    rows = soup(annas.get("/users", headers=headers)).select(".user-row")

    assert [bool(row.select(".badge-shopping")) for row in rows] == [True, False, False]
    assert rows[0].select_one("[name=user]")["value"] == ""  # its button stops
    assert rows[1].select_one("[name=user]")["value"] == BOB.id


@three_ways
def test_shopping_as_a_guest_again(annas, headers):
    answer = annas.post("/shopper", data={"user": ""}, headers=headers)

    assert "You shop as a guest now." in said(whole_page(annas, answer))
    assert shopping_as(annas) == "Guest"


@pytest.mark.parametrize("chosen", ["", BOB.id])
def test_a_choice_can_be_taken_back(annas, chosen):
    answer = annas.post("/shopper", data={"user": chosen}, headers=HTMX)
    action, fields = undo_form(answer)
    annas.post(action, data=fields, headers=HTMX)

    assert shopping_as(annas) == "Ann"


def test_the_first_choice_is_taken_back_to_a_guest(clerk):
    action, fields = undo_form(clerk.post("/shopper", data={"user": ANN.id}, headers=HTMX))
    clerk.post(action, data=fields, headers=HTMX)

    assert shopping_as(clerk) == "Guest"


def test_choosing_who_is_chosen_already_offers_no_undo(annas):
    assert not soup(annas.post("/shopper", data={"user": ANN.id}, headers=HTMX)).select("form")


@pytest.mark.parametrize("chosen", ["nobody", "annannan ", "0", "ж", "<b>"])
@three_ways
def test_nobody_shops_as_somebody_unknown(annas, chosen, headers):
    answer = annas.post("/shopper", data={"user": chosen}, headers=headers)

    assert answer.status_code == 404
    assert "Set-Cookie" not in answer.headers
    assert shopping_as(annas) == "Ann"


@three_ways
def test_a_new_name_shows_in_the_header(annas, headers):
    answer = annas.post("/users/annannan", data=form_of(ANN, name="Anna"), headers=headers)

    assert text(whole_page(annas, answer), "#shopper .shopper-name") == "Anna"
    assert shopping_as(annas) == "Anna"


@three_ways
def test_deleting_who_is_shopping_makes_a_guest(annas, headers):
    answer = annas.post("/users/annannan/delete", data={"confirm": "yes"}, headers=headers)

    page = whole_page(annas, answer)
    assert "Deleted. You shop as a guest now." in said(page)
    assert text(page, "#shopper .shopper-name") == "Guest"
    with annas.session_transaction() as session:
        assert "shopper" not in session


@three_ways
def test_deleting_somebody_else_changes_no_shopper(annas, headers):
    answer = annas.post("/users/bobbobbo/delete", data={"confirm": "yes"}, headers=headers)

    assert "guest" not in said(whole_page(annas, answer))
    assert shopping_as(annas) == "Ann"


def test_a_shopper_whose_list_is_gone_is_a_guest(annas):
    annas.delete_cookie("users")

    assert shopping_as(annas) == "Guest"


def test_a_list_kept_on_the_server_has_a_shopper_too(client):
    keep(client, crowd(60))
    client.post("/shopper", data={"user": "id000055"}, headers=OWN)

    assert shopping_as(client) == "Person 0055"


def test_the_choice_lives_400_days_and_survives_another_process(annas, settings):
    assert timedelta(days=399) < annas.get_cookie("session").expires - datetime.now(UTC) <= timedelta(days=400)
    later = create_app(settings)
    again = later.test_client()
    for name in ("users", "session"):
        again.set_cookie(name, annas.get_cookie(name).value)

    assert shopping_as(again) == "Ann"
    later.extensions["shop"].database.close()


@pytest.mark.parametrize("key", ["another shop's key", "users", "crumb seal users"])
def test_a_forged_session_names_nobody(clerk, key):
    clerk.set_cookie("session", _signed(key, {"shopper": ANN.id}))

    assert shopping_as(clerk) == "Guest"


@pytest.mark.parametrize(
    ("shopper", "name"),
    [(ANN.id, "Ann"), *((each, "Guest") for each in (None, 5, [ANN.id], {"id": ANN.id}, "", "nobody"))],
    ids=repr,
)
def test_only_the_id_of_a_registered_user_names_somebody(clerk, settings, shopper, name):
    clerk.set_cookie("session", _signed(settings.secret_key, {"shopper": shopper}))

    assert shopping_as(clerk) == name


def _signed(key: str, value: object) -> str:
    """A session cookie as Flask makes it."""
    forger = Flask("forger")
    forger.secret_key = key
    return SecureCookieSessionInterface().get_signing_serializer(forger).dumps(value)


def test_a_changed_session_names_nobody(annas):
    value = annas.get_cookie("session").value
    annas.set_cookie("session", value[:9] + ("A" if value[9] != "A" else "B") + value[10:])

    assert shopping_as(annas) == "Guest"


def test_two_people_of_one_name_are_told_apart(client):
    twins = Users((ANN, User("otherann", "Ann", "ann@example.com")))
    keep(client, twins)
    client.post("/shopper", data={"user": "otherann"}, headers=OWN)

    assert [bool(row.select(".badge-shopping")) for row in soup(client.get("/users")).select(".user-row")] == [
        False,
        True,
    ]
