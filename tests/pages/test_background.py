"""The server's own chores: mail goes out while the shop is served, and no trouble of theirs is the shop's."""

from __future__ import annotations

import os
import re
import signal
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
import sqlalchemy as sa

from shop import background
from shop.background import Chore
from shop.database import Database, outbox, user_lists
from shop.orders.mail import Mail
from shop.orders.outbox import MOST_ATTEMPTS, queue
from tests.live import LiveShop, live_shop, wait_until
from tests.ordering import ordering
from tests.pages.test_server import get
from tests.smtp_server import SILENCE, SmtpServer

SOON = 30  # seconds: a deadline for a busy machine
HELLO = Mail("ann@example.org", "Your order", "Thank you.\n")


@pytest.fixture
def order(database):
    """An order in the database of `tmp_path`, which live shops with that data folder share."""
    return ordering(database, {"mug": 1})


@pytest.fixture
def post(database, order):
    """`post(n)` queues `n` messages."""

    def post(count: int = 1) -> None:
        with database.writing() as connection:
            queue(connection, order.id, [HELLO] * count, datetime.now(UTC))

    return post


@pytest.fixture
def server():
    with SmtpServer() as server:
        yield server


def smtp(server: SmtpServer) -> dict[str, object]:
    return {"smtp_url": server.url, "mail_from": "shop@example.org"}


def messages(database: Database) -> list[sa.Row]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(outbox).order_by(outbox.c.id)))


def others(shop: LiveShop) -> set[int]:
    """Its processes besides the main one."""
    return set(shop.processes()) - {shop.process.pid}


# In the real server


def test_without_a_mail_server_the_start_says_where_mail_goes_and_it_goes_there(tmp_path, post):
    post()
    with live_shop(tmp_path) as shop:
        said = f"Mail is written to {tmp_path}/mail, since SHOP_SMTP_URL is unset.\n"
        wait_until(lambda: said in shop.log, SOON, "the line")
        wait_until(lambda: list((tmp_path / "mail").glob("*.eml")), SOON, "the file")


def test_mail_is_sent_while_the_shop_is_open(tmp_path, post, server, database):
    with live_shop(tmp_path, **smtp(server)) as shop:
        post(3)
        wait_until(lambda: all(row.sent_at for row in messages(database)), SOON, "the mail")
        assert len(server.received) == 3
        assert shop.stop() == 0
        assert "Mail is written" not in shop.log
        assert "again" not in shop.log


def test_two_servers_of_one_shop_send_each_message_once(tmp_path, post, server, database):
    post(30)
    with live_shop(tmp_path, **smtp(server)), live_shop(tmp_path, **smtp(server)):
        wait_until(lambda: all(row.sent_at for row in messages(database)), SOON, "the mail")
    assert len({received.message["Message-ID"] for received in server.received}) == len(server.received) == 30


def test_mail_that_is_refused_is_one_line_in_the_log_and_the_shop_goes_on(tmp_path, post, server, database):
    server.answers["RCPT"] = "450 <ann@example.org> is busy"
    with live_shop(tmp_path, **smtp(server)) as shop:
        post()
        wait_until(lambda: messages(database)[0].last_error, SOON, "the failure")
        wait_until(lambda: "was not sent" in shop.log, SOON, "the line")
        assert get(shop, "/products")[0] == 200
        assert shop.stop() == 0
        (line,) = [line for line in shop.log.splitlines() if "was not sent" in line]
        assert line.startswith("Mail 1 of order 1001 was not sent: the mail server answered 450. Attempt 1 of 8")
        assert "ann@" not in shop.log


def test_a_stop_does_not_wait_for_a_slow_mail_server(tmp_path, post, server, database):
    server.answers["CONNECT"] = SILENCE
    post()
    with live_shop(tmp_path, **smtp(server)) as shop:
        wait_until(lambda: messages(database)[0].claimed_until, SOON, "the claim")
        assert shop.stop() == 0
    (message,) = messages(database)
    assert message.claimed_until  # it was cut short: nobody noted an end
    assert message.last_error == ""


def test_chores_go_on_when_any_process_but_the_main_one_has_died(tmp_path, post, server, database):
    with live_shop(tmp_path, workers=2, **smtp(server)) as shop:
        before = others(shop)
        assert len(before) == 2
        for process in before:
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: len(others(shop) - before) == 2, SOON, "two others")

        post()
        wait_until(lambda: messages(database)[0].sent_at, SOON, "the mail")


def test_the_start_says_what_was_given_up(tmp_path, post, database):
    post(2)
    with database.writing() as connection:
        connection.execute(outbox.update().values(attempts=MOST_ATTEMPTS))
    with live_shop(tmp_path) as shop:
        said = "Mail that could not be sent and is not tried any more: 2. `shop mail list` says why."
        wait_until(lambda: said in shop.log, SOON, "the line")


# The chores


@pytest.fixture
def chores(database, settings) -> dict[str, Chore]:
    """The chores by the first word of their names."""
    return {chore.name.split()[0]: chore for chore in background.chores(database, settings)}


def test_pruning_deletes_what_is_no_longer_needed(chores, database, post):
    post()
    now = datetime.now(UTC)
    with database.writing() as connection:
        connection.execute(outbox.update().values(sent_at=(now - timedelta(days=31)).isoformat(timespec="seconds")))
        connection.execute(user_lists.insert().values(id="old", sealed="", used_at="2020-01-01T00:00:00+00:00"))
    assert chores["Pruning"].do(now) is False
    assert messages(database) == []
    with database.reading() as connection:
        assert connection.execute(sa.select(user_lists)).all() == []


def test_an_order_that_is_not_paid_in_time_gives_its_stock_back(chores, database, find):
    now = datetime.now(UTC)
    ordering(database, {"mug": 3}, now=now - timedelta(hours=2), payment_until=now - timedelta(hours=1))
    assert find("mug").stock == 97
    chores["Settling"].do(now)
    assert find("mug").stock == 100


# When they are done


class Time:
    """Seconds that pass when somebody waits; `until` is when it is time to stop."""

    def __init__(self, until: float) -> None:
        self.now = 0.0
        self.stopping = Event()
        self._until = until

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        if self.now >= self._until:
            self.stopping.set()
        return self.stopping.is_set()

    def spend(self, chores: list[Chore]) -> None:
        background.repeat(chores, self.stopping, clock=lambda: self.now, wait=self.wait)


def test_each_chore_is_done_in_its_own_time():
    time, done = Time(until=10), []
    time.spend(
        [
            Chore("often", 2, lambda _: bool(done.append(("often", time.now)))),
            Chore("seldom", 7, lambda _: bool(done.append(("seldom", time.now)))),
        ]
    )
    assert [at for name, at in done if name == "often"] == [0, 2, 4, 6, 8]
    assert [at for name, at in done if name == "seldom"] == [0, 7]


def test_what_has_more_to_do_goes_on_without_keeping_others_waiting():
    time, done = Time(until=10), []

    def busy(_: datetime) -> bool:
        time.now += 1
        done.append("busy")
        if time.now >= 6:
            time.stopping.set()
        return True

    time.spend([Chore("busy", 100, busy), Chore("other", 2, lambda _: bool(done.append("other")))])
    assert done == ["busy", "other", "busy", "busy", "busy", "other", "busy", "busy"]


def test_a_failure_is_one_line_without_what_it_was_about_and_is_tried_again(database, caplog):
    time, done = Time(until=200), []

    def fail(_: datetime) -> bool:
        done.append(time.now)
        if len(done) == 1:
            raise ValueError("ann@example.org")
        if len(done) == 2:
            with database.reading() as connection:
                connection.execute(
                    sa.text("select * from nowhere where email = :email"), {"email": "ann@example.org"}
                )
        return False

    time.spend([Chore("Testing", 50, fail)])
    assert done == [0, 60, 120, 170]
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith("Testing failed, and is tried again in 60 seconds: ValueError in background.py, line ")
    assert re.search(r" 60 seconds: \w+Error \([^()]*nowhere[^()]*\) in ", second)
    assert "ann@" not in caplog.text


def test_a_stop_between_two_steps_is_the_end():
    stopping, done = Event(), []

    def once(_: datetime) -> bool:
        done.append(1)
        stopping.set()
        return True

    background.repeat([Chore("once", 1, once)], stopping)
    assert done == [1]
