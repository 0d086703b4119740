"""A list of users that outgrows its cookie: to the server and back, for two at once, and through a power cut."""

from __future__ import annotations

import http.client
import os
import random
import re
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from shop import user_lists
from shop.database import Database
from shop.database import user_lists as rows
from shop.seals import Seal
from shop.users import User, Users
from tests.conftest import OWN, both_ways, soup, text
from tests.databases import written_by
from tests.live import LiveShop, live_shop
from tests.pages.test_users import ON_LIST, crowd, keep, names, said, sealed, undo_form, whole_page

MOVED = "The list has outgrown its cookie, so it is now kept on this shop's server, sealed; see Cookies."
CAME_BACK = "The list fits its cookie again, so this browser keeps it from now on."
SERVER_KEEPS = "#server-title + p"


class Visitor:
    """A browser of a few lines that keeps the cookies of a real server."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def get(self, shop: LiveShop, path: str) -> BeautifulSoup:
        _, _, page = self._ask(shop, "GET", path)
        return BeautifulSoup(page, "html.parser")

    def post(self, shop: LiveShop, path: str, data: dict[str, str]) -> tuple[int, str]:
        """The status and where it leads; in between the cookies were kept. Raises when there was no whole answer."""
        status, location, _ = self._ask(shop, "POST", path, urlencode(data))
        return status, location

    def emails(self, shop: LiveShop) -> list[str]:
        """Everybody's, over all pages of the list."""
        emails: list[str] = []
        path: str | None = "/users"
        while path:
            page = self.get(shop, path)
            assert "could not be read" not in page.select_one("#messages").text
            emails += [email.text for email in page.select(".user-row-email")]
            following = page.select_one(".pages a[rel=next]")
            path = following["href"] if following else None
        return emails

    def ids(self, shop: LiveShop) -> list[str]:
        """Of the first page."""
        links = self.get(shop, "/users").select(".user-row-name")
        return [urlsplit(link["href"]).path.rpartition("/")[2] for link in links]

    def shopping_as(self, shop: LiveShop) -> str:
        return self.get(shop, "/").select_one("#shopper .shopper-name").text

    def _ask(self, shop: LiveShop, method: str, path: str, body: str | None = None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **OWN}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            # A browser keeps the cookies as soon as it has the headers.
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                self._keep(cookie)
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        finally:
            connection.close()

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if "Max-Age=0" in cookie:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def register(client: FlaskClient, number: int, headers: dict[str, str] = ON_LIST):
    data = {"name": f"Zebedee {number:03}", "email": f"zebedee{number}@example.org", "city": "Zermatt"}
    return client.post("/users", data=data, headers=headers)


def fill(client: FlaskClient, headers: dict[str, str] = ON_LIST):
    """Register people until the list moves. The answer that says so, and how many there are."""
    for number in range(60):
        answer = whole_page(client, register(client, number, headers))
        if row_count(client):
            assert MOVED in said(answer)
            return answer, number + 1
        assert MOVED.partition(",")[0] not in answer.text
    raise AssertionError("It never moved")


def delete(client: FlaskClient, user_id: str, headers: dict[str, str] = ON_LIST):
    return client.post(f"/users/{user_id}/delete", data={"confirm": "yes"}, headers=headers)


def ids(client: FlaskClient) -> list[str]:
    links = soup(client.get("/users")).select(".user-row-name")
    return [link["href"].rpartition("/")[2] for link in links]


def shrink(client: FlaskClient, headers: dict[str, str] = ON_LIST):
    """Delete people until the list comes back. The answer that says so."""
    for user_id in ids(client):
        answer = whole_page(client, delete(client, user_id, headers))
        if CAME_BACK in said(answer):
            return answer
    raise AssertionError("It never came back")


def row_count(client: FlaskClient) -> int:
    with client.application.extensions["shop"].database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()


def size(client: FlaskClient) -> int:
    return len("users") + len(client.get_cookie("users").value)


# There and back


@both_ways
def test_a_list_past_its_budget_moves_to_one_row_and_the_visitor_is_told_once(client, headers):
    _, count = fill(client, {**headers, "HX-Current-URL": "http://localhost/users"})

    assert row_count(client) == 1
    assert size(client) < 400
    assert len(names(client)) == count
    assert MOVED not in said(whole_page(client, register(client, 100, headers)))
    assert MOVED not in said(client.get("/users"))
    assert row_count(client) == 1


def test_the_budget_is_used_before_the_list_moves(client):
    largest = 0
    register(client, 99)
    for number in range(60):
        if MOVED in said(register(client, number)):
            break
        largest = max(largest, size(client))
    assert 2500 < largest <= 2800


def test_a_row_tells_nobody_to_who_has_the_database(client, settings):
    fill(client)
    with client.application.extensions["shop"].database.reading() as connection:
        (row,) = connection.execute(sa.select(rows)).all()
    client.application.extensions["shop"].database.close()
    stored = written_by(settings.data)

    assert row.sealed.encode() in stored
    for secret in (b"Zebedee", b"zebedee", b"Zermatt", client.get_cookie("users").value.encode()):
        assert secret not in stored
    assert re.fullmatch("[0-9a-f]{64}", row.id)
    for key in (settings.secret_key, row.id, row.id[:43]):
        for purpose in ("users", "user list"):
            with pytest.raises(ValueError):
                Seal([key], purpose).open(row.sealed)


def test_a_list_on_the_server_can_be_changed_like_any_other(client):
    _, count = fill(client)
    first, second, *_ = ids(client)

    client.post(f"/users/{first}", data={"name": "Anna", "email": "anna@example.org"}, headers=ON_LIST)
    assert names(client)[0] == "Anna"
    client.post("/shopper", data={"user": first}, headers=ON_LIST)
    assert text(client.get("/"), "#shopper .shopper-name") == "Anna"
    register(client, 200)
    register(client, 201)
    answer = delete(client, second)
    assert second not in ids(client)
    action, fields = undo_form(answer)
    client.post(action, data=fields, headers=ON_LIST)
    assert ids(client)[1] == second
    assert len(names(client)) == count + 2
    assert row_count(client) == 1


def test_what_is_refused_leaves_a_row_as_it_was(client):
    fill(client)
    before = _row(client)
    for path, data in (
        ("/users", {"name": "", "email": ""}),
        ("/users", {"name": "Z", "email": "zebedee1@example.org"}),
        (f"/users/{ids(client)[0]}", {"name": "x" * 101, "email": "x@example.org"}),
        ("/users/nobody", {"name": "X", "email": "x@example.org"}),
        ("/users/nobody/delete", {"confirm": "yes"}),
    ):
        assert client.post(path, data=data, headers=OWN).status_code in (404, 422)

    assert _row(client) == before


def _row(client: FlaskClient):
    with client.application.extensions["shop"].database.reading() as connection:
        return connection.execute(sa.select(rows)).one()


@both_ways
def test_a_list_that_fits_again_comes_back_and_its_row_goes_with_the_next_change(client, headers):
    headers = {**headers, "HX-Current-URL": "http://localhost/users"}
    fill(client, headers)
    shrink(client, headers)
    left = names(client)

    assert size(client) > 2000
    assert row_count(client) == 1  # until the browser shows that it has the list
    assert "One row, on its way out" in text(client.get("/cookies"), SERVER_KEEPS)

    client.post(f"/users/{ids(client)[0]}", data={"name": "A", "email": "a@example.org"}, headers=headers)

    assert names(client) == ["A", *left[1:]]
    assert row_count(client) == 0
    assert "Nothing about you." in text(client.get("/cookies"), SERVER_KEEPS)


def test_a_list_that_goes_to_and_fro_leaves_one_row_at_most(client):
    fill(client)
    for number in range(3):
        shrink(client)
        register(client, 300 + number)
        assert MOVED in said(register(client, 400 + number))
        assert row_count(client) == 1
        assert names(client)[-2:] == [f"Zebedee {300 + number}", f"Zebedee {400 + number}"]


def test_an_answer_that_was_lost_on_the_way_back_loses_nobody(client):
    """The browser still has the cookie that leads to the row."""
    fill(client)
    before = client.get_cookie("users").value
    shrink(client)
    left = names(client)
    client.set_cookie("users", before)

    assert set(left) <= set(names(client))
    register(client, 400)
    assert set(left) < set(names(client))


def test_a_user_too_long_for_a_cookie_lives_on_the_server_alone(client):
    long = dict.fromkeys(("recipient", "line1", "line2", "city", "region"), "ж" * 100)
    answer = client.post("/users", data={"name": "ж" * 100, "email": "ann@example.org", **long}, headers=ON_LIST)
    answer = client.post("/users", data={"name": "ж" * 100, "email": "bob@example.org", **long}, headers=ON_LIST)
    assert MOVED in said(answer)

    for user_id in ids(client):
        delete(client, user_id)

    assert names(client) == []
    assert client.get_cookie("users") is None or "Nobody" in text(client.get("/users"), "#user-list")


def test_the_cookies_page_says_that_there_is_a_row(client):
    fill(client)

    page = client.get("/cookies")
    assert text(page, SERVER_KEEPS).startswith("One row: your list of people grew past what a cookie holds")
    assert "Zebedee 001" in text(page, ".user-table")


@pytest.mark.parametrize("data", [{"name": "users"}, {}], ids=["one", "all"])
@pytest.mark.parametrize("came_back", [False, True])
def test_erasing_the_list_erases_its_row(client, data, came_back):
    fill(client)
    if came_back:
        shrink(client)
    client.post("/cookies/delete", data=data, headers=OWN)

    assert row_count(client) == 0
    assert client.get_cookie("users") is None


def test_a_row_that_vanished_is_said_and_replaced_by_the_next_registration(client, database):
    fill(client)
    with database.writing() as connection:
        connection.execute(sa.delete(rows))

    page = client.get("/users")
    assert "the list was kept on this shop's server, which has it no more" in text(page, "#messages")
    assert names(client) == []
    assert client.get("/cookies").status_code == 200
    register(client, 1)
    assert names(client) == ["Zebedee 001"]
    assert row_count(client) == 0


@pytest.mark.parametrize("what", ["a registration", "an update", "a deletion"])
def test_a_row_that_vanishes_during_a_change(client, database, monkeypatch, what):
    """Another tab erases the list while this one changes it."""
    keep(client, crowd(60))
    found = user_lists.read

    def read_and_vanish(connection, token, **how):
        users = found(connection, token, **how)
        with database.writing() as other:
            user_lists.delete(other, token)
        monkeypatch.setattr(user_lists, "read", found)
        return users

    monkeypatch.setattr(user_lists, "read", read_and_vanish)
    if what == "a registration":
        assert register(client, 1).status_code == 200
        register(client, 2)
        assert names(client) == ["Zebedee 001", "Zebedee 002"]
    elif what == "an update":
        assert client.post("/users/id000001", data={"name": "A", "email": "a@b.org"}, headers=OWN).status_code == 404
    else:
        assert delete(client, "id000001").status_code == 404
    assert row_count(client) == 0


# Many


def test_a_thousand_users_work(client):
    people = crowd(1000)
    keep(client, people)

    answer = client.post("/users", data={"name": "Zoë", "email": "zoe@example.org"}, headers=OWN)
    assert "Registered." in said(client.get(answer.location))
    assert text(client.get("/users"), ".listing-count") == "1,001 people"
    assert names(client, page=21) == ["Zoë"]
    assert names(client, term="PERSON 0777") == ["Person 0777"]
    taken = client.post("/users", data={"name": "Zoë", "email": "p500@EXAMPLE.org"}, headers=OWN)
    assert "Somebody is registered with this email already." in text(taken, "#user-new-email-error")
    delete(client, "id000500")
    assert text(client.get("/users"), ".listing-count") == "1,000 people"
    assert client.get("/users/id000500").status_code == 404
    assert client.get("/users/id000999").status_code == 200
    assert row_count(client) == 1


def test_rows_that_nobody_changed_for_400_days_are_pruned(database: Database, monkeypatch):
    now = datetime.now(UTC)
    ages = {"new": timedelta(0), "a year": timedelta(days=365), "just not": timedelta(days=399, hours=23)}
    ages |= {"just": timedelta(days=400, hours=1), "long ago": timedelta(days=4000)}
    with database.writing() as connection:
        for name, age in ages.items():
            monkeypatch.setattr(user_lists, "_now", lambda age=age: now - age)
            user_lists.write(connection, name, Users((User("1", name, "x@example.org"),)))
    monkeypatch.undo()

    with database.writing() as connection:
        assert user_lists.prune(connection) == 2
        assert user_lists.prune(connection) == 0
    with database.reading() as connection:
        for name in ("new", "a year", "just not"):
            assert [user.name for user in user_lists.read(connection, name)] == [name]
        for name in ("just", "long ago"):
            with pytest.raises(user_lists.Gone):
                user_lists.read(connection, name)


def test_a_change_keeps_a_row_from_being_pruned(client, database):
    fill(client)
    with database.writing() as connection:
        connection.execute(sa.update(rows).values(used_at="2020-01-01T00:00:00+00:00"))
    register(client, 100)

    with database.writing() as connection:
        assert user_lists.prune(connection) == 0


def test_whoever_writes_to_the_database_cannot_pass_one_list_off_as_another(database):
    one, other = user_lists.new_token(), user_lists.new_token()
    with database.writing() as connection:
        user_lists.write(connection, one, crowd(2))
        stolen = connection.execute(sa.select(rows.c.sealed)).scalar_one()
        user_lists.write(connection, other, crowd(3))
        connection.execute(sa.update(rows).values(sealed=stolen))

        assert len(user_lists.read(connection, one)) == 2
        with pytest.raises(user_lists.Gone):
            user_lists.read(connection, other)


def test_tokens_have_256_bits():
    tokens = {user_lists.new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


# Two at once


def at_once(*changes) -> None:
    """Run them in threads that start together."""
    barrier = threading.Barrier(len(changes))
    failures: list[BaseException] = []

    def run(change) -> None:
        barrier.wait()
        try:
            change()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def tab(app, client: FlaskClient) -> FlaskClient:
    """Another tab of the same browser, whose request is under way with the cookies of this moment."""
    other = app.test_client()
    other.set_cookie("users", client.get_cookie("users").value)
    return other


def test_changes_at_once_to_a_list_on_the_server_all_survive(app, client):
    people = crowd(80)
    keep(client, people)
    tabs = [tab(app, client) for _ in range(8)]

    def change(number: int) -> None:
        if number % 2:
            assert register(tabs[number], number).status_code == 200
        else:
            assert delete(tabs[number], people.users[number].id).status_code == 200

    at_once(*(lambda number=number: change(number) for number in range(8)))

    after = names(client) + names(client, page=2)
    gone = {people.users[number].name for number in range(0, 8, 2)}
    assert sorted(after) == sorted(
        [user.name for user in people if user.name not in gone]
        + [f"Zebedee {number:03}" for number in range(1, 8, 2)]
    )


def test_the_same_email_at_once_registers_once(app, client):
    keep(client, crowd(80))
    tabs = [tab(app, client) for _ in range(4)]
    statuses = []
    at_once(*(lambda other=other: statuses.append(register(other, 1).status_code) for other in tabs))

    assert sorted(statuses) == [200, 422, 422, 422]
    assert names(client, page=2).count("Zebedee 001") == 1


def test_a_change_in_flight_while_the_list_comes_back_sees_what_came_of_it(app, client):
    fill(client)
    for user_id in ids(client):
        late = tab(app, client)
        if CAME_BACK in said(delete(client, user_id)):
            break
    register(late, 500)  # sent before that answer came, with the cookie that leads to the row

    assert names(late) == [*names(client), "Zebedee 500"]


# A power cut


KILLS = 5 if os.environ.get("CI") else 3  # around each move


def test_no_kill_loses_a_user_that_was_confirmed(tmp_path: Path):
    """Registrations across the move to the server, then deletions across the move back, and a kill at any moment."""
    chance = random.Random(3)
    visitor = Visitor()
    there: set[str] = set()  # confirmed to be registered
    perhaps: set[str] = set()  # under way in a kill: nobody was told what came of it
    states: set[str] = set()

    with live_shop(tmp_path, workers=1, secret_key="a key of the tests alone") as shop:

        def post(path: str, data: dict[str, str], *, kill: bool) -> bool:
            """True when it was confirmed. With `kill` the server ends at a moment around it, and starts again."""
            if not kill:
                return visitor.post(shop, path, data)[0] == 303
            killer = threading.Timer(chance.random() * 0.015, shop.kill)
            killer.start()
            try:
                return visitor.post(shop, path, data)[0] == 303
            except (OSError, http.client.HTTPException):
                return False
            finally:
                killer.join()
                shop.start()

        def check() -> None:
            found = set(visitor.emails(shop))
            assert there <= found <= there | perhaps
            states.add(visitor.get(shop, "/cookies").select_one(SERVER_KEEPS).text)

        kills = {*chance.sample(range(10), 1), *chance.sample(range(10, 20), KILLS)}  # it moves past 15
        for number in range(24):
            email = f"p{number}@example.org"
            data = {"name": f"Person {number}", "email": email, "line1": "1 High Street", "city": "Springfield"}
            (there if post("/users", data, kill=number in kills) else perhaps).add(email)
            if number in kills:
                check()

        people = visitor.get(shop, "/users").select(".user-row")
        kills = {*chance.sample(range(len(people) - 16), 1), *chance.sample(range(len(people) - 16, 14), KILLS - 1)}
        for number, person in enumerate(people[:16]):
            email = person.select_one(".user-row-email").text
            there.discard(email)
            path = person.select_one(".user-row-name")["href"]
            (set() if post(f"{path}/delete", {"confirm": "yes"}, kill=number in kills) else perhaps).add(email)
            if number in kills:
                check()
        check()

    assert {state.partition(":")[0] for state in states} >= {"One row"}
    assert any(state.startswith("Nothing about you.") for state in states)
    if not (tmp_path / "shop.sqlite3").exists():
        return  # on PostgreSQL, which was not killed
    with closing(sqlite3.connect(tmp_path / "shop.sqlite3")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_sealed_row_token_is_what_the_cookie_holds(client, settings):
    """The helper above writes what the shop writes."""
    fill(client)
    value = client.get_cookie("users").value
    assert re.fullmatch(r'\{"row":"[\w-]{43}"\}', Seal([settings.secret_key], "users").open(value))
    client.set_cookie("users", sealed(settings, {"row": "x"}))
    assert names(client) == []
