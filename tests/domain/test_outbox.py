"""The outbox: what is queued with an order is sent once, or tried again, and the order never notices."""

from __future__ import annotations

import email
import email.policy
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from shop.database import Database
from shop.database import orders as orders_table
from shop.database import outbox as outbox_table
from shop.orders import outbox, store
from shop.orders.mail import Mail
from shop.orders.orders import Order
from tests.ordering import ordering
from tests.smtp_server import DROP, SmtpServer

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HELLO = Mail("ann@example.org", "Your order", "Thank you, Ann.\n")


@pytest.fixture
def database(either_database) -> Database:
    return either_database


@pytest.fixture
def order(database) -> Order:
    return ordering(database, {"mug": 1})


@pytest.fixture
def server():
    with SmtpServer() as server:
        yield server


@pytest.fixture
def settings(settings, server):
    return replace(settings, smtp_url=server.url, mail_from="shop@example.org")


@pytest.fixture
def send(database, settings):
    """`send(now)` sends what is due then; how many were sent."""
    return lambda now, **more: outbox.send_due(database, settings, now, **more)


@pytest.fixture
def queue(database, order):
    def queue(*mails: Mail, now: datetime = NOON) -> None:
        with database.writing() as connection:
            outbox.queue(connection, order.id, mails, now)

    return queue


@pytest.fixture
def unsent(database):
    def unsent() -> list[outbox.Unsent]:
        with database.reading() as connection:
            return outbox.unsent(connection)

    return unsent


def subjects(server: SmtpServer) -> list[str]:
    return [received.message["Subject"] for received in server.received]


# Sending


def test_what_is_queued_is_sent_once_in_its_order(queue, send, server, unsent):
    queue(replace(HELLO, subject="one"), replace(HELLO, subject="two"))
    queue(replace(HELLO, subject="three"), now=NOON + MINUTE)

    assert send(NOON + MINUTE) == 3
    assert send(NOON + MINUTE) == 0
    assert subjects(server) == ["one", "two", "three"]
    assert unsent() == []


def test_what_was_never_committed_is_never_sent(database, order, send, server):
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        outbox.queue(connection, order.id, [HELLO], NOON)
        _ = 1 / 0
    assert send(NOON) == 0
    assert server.verbs == []


def test_at_most_so_many_are_sent_at_a_time(queue, send, server):
    queue(HELLO, HELLO, HELLO)
    assert send(NOON, most=2) == 2
    assert send(NOON, most=2) == 1
    assert len(server.received) == 3


def test_the_date_is_when_it_was_written(queue, send, server):
    queue(HELLO)
    send(NOON + timedelta(hours=3))
    assert server.received[0].message["Date"] == "Wed, 04 Mar 2026 12:00:00 +0000"


def test_every_message_has_an_id_of_its_own(queue, send, server):
    queue(HELLO, HELLO)  # the same words, twice
    send(NOON)
    first, second = (received.message["Message-ID"] for received in server.received)
    assert first != second


def test_without_a_server_mail_is_a_file_that_names_nobody(database, settings, queue):
    queue(HELLO)
    assert outbox.send_due(database, replace(settings, smtp_url=""), NOON) == 1

    (file,) = settings.mail.iterdir()
    assert file.name.startswith("20260304-120000-")
    assert "ann" not in file.name
    assert email.message_from_bytes(file.read_bytes(), policy=email.policy.default)["To"] == "ann@example.org"


# Failing


@pytest.mark.parametrize(("verb", "answer"), [("RCPT", "450 busy"), ("RCPT", "550 no"), ("CONNECT", DROP)])
def test_a_failure_is_tried_again_with_growing_delays(queue, send, server, unsent, verb, answer):
    server.answers[verb] = answer
    queue(HELLO)

    now, delays = NOON, []
    while not (message := (send(now), unsent()[0])[1]).given_up:
        assert send(message.due_at - timedelta(seconds=1)) == 0
        assert unsent() == [message]  # not tried before its time
        delays.append(message.due_at - now)
        now = message.due_at
    assert tuple(delays) == outbox.DELAYS
    assert delays == sorted(delays)
    assert message.attempts == outbox.MOST_ATTEMPTS
    assert server.received == []


def test_what_was_refused_is_sent_when_the_server_takes_it(queue, send, server, unsent):
    server.answers["RCPT"] = "450 busy"
    queue(HELLO)
    assert send(NOON) == 0
    (message,) = unsent()
    assert (message.attempts, message.last_error, message.recipient) == (1, "450 busy", "ann@example.org")

    del server.answers["RCPT"]
    assert send(NOON + MINUTE) == 1
    assert unsent() == []


def test_a_lost_answer_gives_the_same_message_again(queue, send, server):
    server.answers["MESSAGE"] = DROP
    queue(HELLO)
    assert send(NOON) == 0
    del server.answers["MESSAGE"]
    assert send(NOON + MINUTE) == 1

    first, second = server.received
    assert first.content == second.content


def test_one_bad_message_does_not_hold_up_the_others(queue, send, server, unsent):
    queue(replace(HELLO, recipient="not an address"), HELLO)
    assert send(NOON) == 1
    assert [message.recipient for message in unsent()] == ["not an address"]


def test_what_was_given_up_stays_listed_and_can_be_tried_again(database, queue, send, server, unsent, order):
    server.answers["CONNECT"] = "554 go away"
    queue(HELLO)
    now = NOON
    for _ in range(outbox.MOST_ATTEMPTS):
        send(now)
        now += max(outbox.DELAYS)
    said = len(server.verbs)
    assert send(now + timedelta(days=3650)) == 0
    assert len(server.verbs) == said
    (message,) = unsent()
    assert (message.given_up, message.last_error, message.order_number) == (True, "554 go away", order.number)

    server.answers.clear()
    assert outbox.try_again(database, now) == 1
    assert send(now) == 1
    assert unsent() == []


def test_the_log_has_a_line_for_each_failure_and_nobody_in_it(queue, send, server, caplog):
    server.answers["RCPT"] = "550 <ann@example.org> is not here"
    queue(HELLO)
    for day in range(outbox.MOST_ATTEMPTS):
        send(NOON + timedelta(days=day))

    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == (
        "Mail 1 of order 1001 was not sent: the mail server answered 550. Attempt 1 of 8, the next one in 0:01:00."
    )
    assert lines[-1] == (
        "Mail 1 of order 1001 was not sent: the mail server answered 550. That was the last of 8 attempts."
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 7 + [logging.ERROR]
    assert "ann" not in caplog.text


def test_no_mail_failure_touches_the_order(database, queue, send, server, order):
    with database.reading() as connection:
        before = store.find_by_id(connection, order.id)
    server.answers["MESSAGE"] = "554 spam"
    queue(HELLO)
    send(NOON)
    with database.reading() as connection:
        assert store.find_by_id(connection, order.id) == before


# Several servers, and ones that die


def test_two_servers_never_send_the_same_message(database, settings, queue, server):
    queue(*[HELLO] * 20)
    databases = [Database(database.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda database: outbox.send_due(database, settings, NOON), databases))
    for database in databases:
        database.close()
    assert sum(counts) == 20
    assert len({received.message["Message-ID"] for received in server.received}) == len(server.received) == 20


@pytest.fixture
def claimed(database, queue):
    """A message that a server had claimed at noon when it died."""
    queue(HELLO)
    with database.writing() as connection:
        until = (NOON + outbox.CLAIM).isoformat(timespec="seconds")
        connection.execute(outbox_table.update().values(claimed_until=until, attempts=1))


def test_a_claimed_message_is_left_to_who_claimed_it(claimed, send):
    assert send(NOON + outbox.CLAIM - timedelta(seconds=1)) == 0


def test_a_claim_ends(claimed, send, server):
    assert send(NOON + outbox.CLAIM) == 1
    assert len(server.received) == 1


def test_a_server_that_always_dies_gives_up_too(database, claimed, send, unsent):
    with database.writing() as connection:
        connection.execute(outbox_table.update().values(attempts=outbox.MOST_ATTEMPTS))
    assert send(NOON + outbox.CLAIM) == 0
    assert unsent()[0].given_up


# Clocks that jump


def test_mail_of_a_clock_that_was_ahead_is_sent(queue, send, server):
    queue(HELLO, now=NOON + timedelta(days=4000))
    assert send(NOON) == 1
    assert len(server.received) == 1


def test_a_claim_of_a_clock_that_was_ahead_ends(database, queue, send):
    queue(HELLO)
    with database.writing() as connection:
        ahead = (NOON + timedelta(days=4000)).isoformat(timespec="seconds")
        connection.execute(outbox_table.update().values(claimed_until=ahead))
    assert send(NOON) == 1


def test_mail_of_a_clock_that_was_behind_is_sent(queue, send, server):
    queue(HELLO, now=datetime(1970, 1, 1, tzinfo=UTC))
    assert send(NOON) == 1


# Afterwards


def test_sent_mail_is_kept_for_a_month(database, queue, send, unsent):
    queue(HELLO, HELLO)
    send(NOON, most=1)
    assert outbox.prune(database, NOON + outbox.KEPT) == 0
    assert outbox.prune(database, NOON + outbox.KEPT + timedelta(seconds=1)) == 1
    assert len(unsent()) == 1
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(orders_table)).scalar() == 1
