"""Paying through Stripe, over real HTTP: the real server on one side, a stand-in for Stripe on the other."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup

from shop.catalogue.store import find_variants
from shop.database import Database, outbox
from shop.money import Currency
from shop.orders import payment, states, store
from shop.orders.orders import Address, Fulfilment, Order, Payment
from shop.orders.payment import HOLDS_FOR, LONGEST_PROCESSING, LONGEST_SILENCE, NotAccepted, Standing, Unavailable
from shop.orders.placing import Wish, place, quote
from shop.orders.stripe_checkout import stripe_amount
from shop.orders.terms import read_terms
from shop.settings import Settings
from tests.conftest import OWN, SHELF
from tests.databases import url_of
from tests.live import LiveShop, live_shop, wait_until
from tests.stripe_stand_in import StripeStandIn, stripe_stand_in

TERMS = read_terms(None, Currency("USD", "en_US"))
SECONDS = 30  # a deadline for a busy machine


@pytest.fixture(scope="module")
def everyones_stripe():
    with stripe_stand_in() as stripe:
        yield stripe


@pytest.fixture
def stripe(everyones_stripe: StripeStandIn) -> StripeStandIn:
    """Stripe, with nothing wrong and nothing asked of it yet."""
    everyones_stripe.faults.clear()
    everyones_stripe.asked.clear()
    everyones_stripe.answering.clear()
    return everyones_stripe


@pytest.fixture(scope="module")
def live(everyones_stripe: StripeStandIn, tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("paid")
    with live_shop(
        data,
        catalogue=SHELF,
        database_url=url_of(data),  # with a catalogue it would have another
        stripe_key=everyones_stripe.key,
        stripe_webhook_secret=everyones_stripe.secret,
        stripe_api=everyones_stripe.url,
    ) as shop:
        yield shop


class Shop:
    """The live shop, and what is in its database. `settings` are its own, to ask its domain with."""

    def __init__(self, live: LiveShop, stripe: StripeStandIn) -> None:
        self.url = live.url
        self.webhook = f"{live.url}/payments/stripe"
        self.settings = Settings(
            data=live.data,
            database_url=url_of(live.data),
            secret_key="a key of the tests alone",
            stripe_key=stripe.key,
            stripe_webhook_secret=stripe.secret,
            stripe_api=stripe.url,
        )
        self.database = Database(self.settings.database_url)

    def place(self, *, method: str = "stripe", until: timedelta | None = HOLDS_FOR, **wished: object) -> Order:
        """An order of one mug, placed now, whose payment is awaited for as long as `until`."""
        now = datetime.now(UTC)
        address = Address(
            recipient="Ann", line1="1 Elm St", postcode="97201", city="Portland", region="OR", country="US"
        )
        wish = Wish(
            quantities={"mug": 1},
            nonce=f"{now.timestamp():020}",
            name="Ann",
            email="ann@example.com",
            address=address,
            shipping_id="standard",
            payment_method=method,
        )
        wish = replace(wish, **wished)
        with self.database.reading() as connection:
            wish = replace(wish, expected_total=quote(connection, wish, TERMS, now).totals.total)
        return place(self.database, wish, TERMS, now, payment_until=now + until if until else None)

    def now(self, order: Order) -> Order:
        with self.database.reading() as connection:
            found = store.find_by_id(connection, order.id)
        assert found
        return found

    @property
    def mugs(self) -> int:
        with self.database.reading() as connection:
            return find_variants(connection, ["mug"])["mug"].stock

    def pay(self, order: Order, headers: dict[str, str] = OWN) -> Answer:
        return self.post(f"/orders/{order.token}/payment", headers)

    def post(self, path: str, headers: dict[str, str] = OWN) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=SECONDS)
        try:
            connection.request("POST", path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


class Answer:
    def __init__(self, status: int, headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.page = BeautifulSoup(body, "html.parser")

    @property
    def text(self) -> str:
        return " ".join(self.page.select_one("main").get_text(" ", strip=True).split())


@pytest.fixture
def shop(live: LiveShop, stripe: StripeStandIn):
    shop = Shop(live, stripe)
    yield shop
    with shop.database.reading() as connection:
        waiting = store.list_orders(connection, payment=Payment.AWAITED)
    for order in waiting:
        states.cancel_unpaid(shop.database, order.id, datetime.now(UTC))
    shop.database.close()


@pytest.fixture
def order(shop: Shop) -> Order:
    """A mug for Ann, awaiting its payment."""
    return shop.place()


def session_of(stripe: StripeStandIn, order: Order) -> str:
    """The id of the one session that Stripe has for the order."""
    (id,) = [id for id, session in stripe.sessions.items() if session["metadata"]["order"] == order.token]
    return id


def happened(order: Order) -> list[str]:
    return [event.what for event in order.events]


# Going to pay


def test_the_shopper_goes_to_stripe_with_the_order_held_until_then(shop, stripe, order):
    answer = shop.pay(order)

    session = stripe.sessions[session_of(stripe, order)]
    assert (answer.status, answer.headers["Location"]) == (303, session["url"])
    assert (session["amount_total"], session["currency"]) == (order.total, "usd")
    assert session["client_reference_id"] == str(order.number)
    assert session["customer_email"] == "ann@example.com"
    assert session["expires_at"] == int(order.payment_until.timestamp())
    assert session["success_url"] == session["cancel_url"] == f"{shop.url}/orders/{order.token}"
    assert "1 × Mug" in session["line_items"]["0"]["price_data"]["product_data"]["description"]
    assert shop.now(order).payment is Payment.AWAITED
    assert shop.now(order).payment_reference == session["id"]


def test_going_again_leads_to_the_same_payment(shop, stripe, order):
    first, second = shop.pay(order), shop.pay(order)

    assert (
        first.headers["Location"] == second.headers["Location"] == stripe.sessions[session_of(stripe, order)]["url"]
    )


def test_going_twice_at_once_leads_to_the_same_payment(shop, stripe, order):
    def begin() -> str | None:  # in threads of this process: two clicks may meet the same worker of the server
        return payment.begin(shop.database, shop.settings, order, datetime.now(UTC), receipt_url=shop.url)

    stripe.faults.append("slow")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(begin)
        wait_until(lambda: len(stripe.asked) == 1, SECONDS, "the first request")
        second = pool.submit(begin)
        wait_until(lambda: len(stripe.asked) == 2, SECONDS, "the second request, which is told that one is under way")
        stripe.answering.set()

    assert first.result() == second.result() == stripe.sessions[session_of(stripe, order)]["url"]


def test_a_lost_answer_is_asked_for_again(shop, stripe, order):
    stripe.faults.append("lost")

    assert shop.pay(order).headers["Location"] == stripe.sessions[session_of(stripe, order)]["url"]


def test_an_order_with_little_time_left_can_still_be_paid(shop, stripe):
    order = shop.place(until=timedelta(minutes=10))

    assert shop.pay(order).status == 303
    session = stripe.sessions[session_of(stripe, order)]
    assert session["expires_at"] == int(order.payment_until.timestamp()) + 30 * 60


def test_an_address_that_stripe_refuses_is_left_for_its_page_to_ask(shop, stripe):
    order = shop.place(email="ann@bücher.example")

    assert shop.pay(order).status == 303
    assert stripe.sessions[session_of(stripe, order)]["customer_email"] is None


def test_paid_cancelled_overdue_and_invoiced_orders_lead_to_their_receipts(shop, stripe, order):
    cancelled, overdue = shop.place(), shop.place(until=timedelta(seconds=-1))
    invoiced = shop.place(method="invoice", until=None)
    states.mark_paid(shop.database, order.id, datetime.now(UTC), "pi_1")
    states.cancel(shop.database, cancelled.id, datetime.now(UTC))

    for settled in (order, cancelled, overdue, invoiced):
        answer = shop.pay(settled)
        assert (answer.status, answer.headers["Location"]) == (303, f"/orders/{settled.token}")
    assert stripe.asked == []


def test_an_unknown_order_is_not_found(shop):
    assert shop.post("/orders/nobody-knows-it/payment").status == 404


def test_another_site_can_send_nobody_to_pay(shop, stripe, order):
    assert shop.pay(order, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert stripe.asked == []


# When Stripe fails


def test_while_stripe_is_down_a_page_says_so_and_the_order_waits(shop, stripe, order):
    stripe.stop()
    try:
        answer = shop.pay(order)
    finally:
        stripe.restart()

    assert answer.status == 503
    assert f"Order {order.number} is not paid yet" in answer.text
    assert "can't be reached at the moment. Nothing was charged." in answer.text
    assert answer.page.select_one(f"form[action='/orders/{order.token}/payment'] button").text == "Try again"
    assert shop.now(order) == order
    assert shop.pay(order).headers["Location"] == stripe.sessions[session_of(stripe, order)]["url"]


def test_who_waits_for_stripe_keeps_no_visitor_waiting(shop, stripe):
    stripe.faults += ["slow"] * 4
    orders = [shop.place() for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        paying = [pool.submit(shop.pay, order) for order in orders]
        wait_until(lambda: len(stripe.asked) == 4, SECONDS, "Stripe to be asked for all four at once, by two workers")
        assert not any(each.done() for each in paying)
        stripe.answering.set()
        assert [each.result().status for each in paying] == [303] * 4


@pytest.mark.parametrize("fault", ["503", "silent"])
def test_a_stripe_that_has_trouble_is_asked_twice_and_no_more(shop, stripe, order, fault):
    stripe.faults += [fault, fault]

    assert shop.pay(order).status == 503
    assert len(stripe.asked) == 2
    assert shop.now(order) == order


def test_a_failure_that_stripe_has_kept_does_not_block_the_order(shop, stripe, order):
    stripe.faults.append("500")

    assert shop.pay(order).status == 303
    assert len({key for _, _, key in stripe.asked}) == 2  # a second key, since the first repeats its failure


def test_what_stripe_does_not_accept_is_said_and_not_tried_again(shop, stripe, order):
    strangers = replace(shop.settings, stripe_key="sk_test_revoked")

    with pytest.raises(NotAccepted, match="did not accept this payment"):
        payment.begin(shop.database, strangers, order, datetime.now(UTC), receipt_url="http://shop.example/")
    assert len(stripe.asked) == 1
    assert shop.now(order) == order


def test_a_payment_that_the_account_does_not_know_is_begun_anew(shop, stripe, order):
    states.set_reference(shop.database, order.id, "cs_of_another_account")

    assert shop.pay(order).headers["Location"] == stripe.sessions[session_of(stripe, order)]["url"]


# What Stripe tells


@pytest.fixture
def begun(shop: Shop, stripe: StripeStandIn, order: Order) -> str:
    """The id of the session at which Ann may pay."""
    shop.pay(order)
    return session_of(stripe, order)


def test_the_webhook_marks_the_order_paid_however_often_it_comes(shop, stripe, order, begun):
    money = stripe.pay(begun)["payment_intent"]
    event = stripe.event("checkout.session.completed", begun)

    assert [stripe.send(event, to=shop.webhook) for _ in range(3)] == [200, 200, 200]
    paid = shop.now(order)
    assert (paid.payment, paid.payment_reference, paid.attention) == (Payment.PAID, money, "")
    assert happened(paid).count("paid") == 1


def test_the_confirmation_is_queued_once_with_the_payment(shop, stripe, order, begun):
    def letters() -> list[str]:
        with shop.database.reading() as connection:
            written = sa.select(outbox.c.recipient).where(outbox.c.order_id == order.id)
            return list(connection.execute(written).scalars())

    assert letters() == []
    stripe.pay(begun)
    event = stripe.event("checkout.session.completed", begun)
    for _ in range(2):
        stripe.send(event, to=shop.webhook)

    assert letters() == ["ann@example.com"]


def test_ten_webhooks_at_once_mark_it_paid_once(shop, stripe, order, begun):
    stripe.pay(begun)
    event = stripe.event("checkout.session.completed", begun)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: stripe.send(event, to=shop.webhook), range(10)))

    assert answers == [200] * 10
    assert happened(shop.now(order)).count("paid") == 1


def test_an_expired_session_gives_the_stock_back_once(shop, stripe, order, begun):
    held = shop.mugs
    stripe.expire(begun)
    event = stripe.event("checkout.session.expired", begun)

    assert [stripe.send(event, to=shop.webhook) for _ in range(2)] == [200, 200]
    assert shop.now(order).fulfilment is Fulfilment.CANCELLED
    assert shop.mugs == held + 1


def test_a_payment_by_bank_keeps_the_order_waiting_until_it_is_there(shop, stripe, order, begun):
    stripe.pay(begun, by_bank=True)
    completed = stripe.event("checkout.session.completed", begun)
    stripe.send(completed, to=shop.webhook)

    waiting = shop.now(order)
    assert waiting.payment is Payment.AWAITED
    assert waiting.payment_until > order.payment_until

    stripe.sessions[begun]["payment_status"] = "paid"
    stripe.send(stripe.event("checkout.session.async_payment_succeeded", begun), to=shop.webhook)
    stripe.send(completed, to=shop.webhook)  # late
    assert shop.now(order).payment is Payment.PAID
    assert shop.now(order).payment_until is None


def test_events_in_another_order_come_to_the_same(shop, stripe, order, begun):
    stripe.pay(begun, by_bank=True)
    completed = stripe.event("checkout.session.completed", begun)
    stripe.sessions[begun]["payment_status"] = "paid"
    stripe.send(stripe.event("checkout.session.async_payment_succeeded", begun), to=shop.webhook)
    stripe.send(completed, to=shop.webhook)
    stripe.send(stripe.event("checkout.session.expired", begun), to=shop.webhook)

    assert (shop.now(order).payment, shop.now(order).fulfilment) == (Payment.PAID, Fulfilment.OPEN)
    assert shop.now(order).attention == ""


def test_a_bank_that_says_no_cancels_the_order(shop, stripe, order, begun):
    held = shop.mugs
    stripe.pay(begun, by_bank=True)
    completed = stripe.event("checkout.session.completed", begun)
    stripe.send(stripe.event("checkout.session.async_payment_failed", begun), to=shop.webhook)
    stripe.send(completed, to=shop.webhook)  # late

    assert shop.now(order).fulfilment is Fulfilment.CANCELLED
    assert shop.mugs == held + 1


def test_the_end_of_an_attempt_that_was_replaced_leaves_the_order_alone(shop, stripe, order, begun):
    states.set_reference(shop.database, order.id, "cs_a_later_one")
    stripe.expire(begun)

    assert stripe.send(stripe.event("checkout.session.expired", begun), to=shop.webhook) == 200
    assert shop.now(order).fulfilment is Fulfilment.OPEN


def test_money_for_a_cancelled_order_is_flagged_to_the_merchant(shop, stripe, order, begun):
    stripe.pay(begun)
    states.cancel(shop.database, order.id, datetime.now(UTC))

    assert stripe.send(stripe.event("checkout.session.completed", begun), to=shop.webhook) == 200
    flagged = shop.now(order)
    assert (flagged.payment, flagged.fulfilment) == (Payment.PAID, Fulfilment.CANCELLED)
    assert "refund" in flagged.attention


def test_a_shopper_who_is_quicker_than_the_webhook_finds_it_paid(shop, stripe, order, begun):
    stripe.pay(begun)

    assert shop.pay(order).headers["Location"] == f"/orders/{order.token}"
    assert shop.now(order).payment is Payment.PAID
    stripe.send(stripe.event("checkout.session.completed", begun), to=shop.webhook)
    assert shop.now(order).attention == ""
    assert happened(shop.now(order)).count("paid") == 1


def wrong_signatures(stripe: StripeStandIn, body: bytes) -> dict[str, dict[str, object]]:
    stamp = int(datetime.now(UTC).timestamp())
    return {
        "none": {"signature": ""},
        "garbage": {"signature": "v1"},
        "not a number": {"signature": "t=soon,v1=0"},
        "letters that no digest has": {"signature": f"t={stamp},v1=\u00e9"},
        "another secret": {"secret": "whsec_guessed"},
        "an old one": {"age": 301},
        "of another body": {"signature": stripe.sign(body + b" ", stripe.secret, stamp)},
        "another version": {"signature": stripe.sign(body, stripe.secret, stamp).replace("v1=", "v2=")},
    }


def test_events_that_are_not_stripes_change_nothing(shop, stripe, order, begun):
    stripe.pay(begun)
    event = stripe.event("checkout.session.completed", begun)
    answers = {
        name: stripe.send(event, to=shop.webhook, **wrong) for name, wrong in wrong_signatures(stripe, event).items()
    }

    assert set(answers.values()) == {400}, answers
    assert shop.now(order).payment is Payment.AWAITED


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"{", b"", b"null", b'"event"', b'{"object": "v2.core.event"}'], ids=str
)
def test_signed_nonsense_does_no_harm(shop, stripe, body):
    assert stripe.send(body, to=shop.webhook) in (200, 400)


def test_events_of_no_interest_are_taken(shop, stripe, order, begun):
    assert stripe.send(stripe.event("invoice.paid", begun), to=shop.webhook) == 200

    for metadata in ({}, None, {"order": "of another shop"}):
        event = json.loads(stripe.event("checkout.session.completed", begun))
        event["data"]["object"]["metadata"] = metadata
        assert stripe.send(json.dumps(event).encode(), to=shop.webhook) == 200
    assert shop.now(order).payment is Payment.AWAITED


def test_a_large_event_is_taken(shop, stripe, begun):
    event = json.loads(stripe.event("invoice.paid", begun)) | {"padding": "x" * 200_000}

    assert stripe.send(json.dumps(event).encode(), to=shop.webhook) == 200


def test_a_shop_without_stripe_has_no_webhook_and_no_forms_that_lead_there(client):
    assert client.post("/payments/stripe", data=b"{}").status_code == 404
    assert "form-action 'self';" in client.get("/").headers["Content-Security-Policy"]


def test_forms_may_lead_to_stripe(shop, stripe, order):
    policy = shop.pay(order).headers["Content-Security-Policy"]

    assert f"form-action 'self' https://checkout.stripe.com {stripe.url};" in policy


# When the time is up. These ask the shop's domain, with a time of their own.


def later(order: Order, more: timedelta = timedelta(seconds=1)) -> datetime:
    return order.payment_until + more


def test_an_overdue_payment_is_ended_at_stripe_before_its_stock_goes_back(shop, stripe, order, begun):
    held = shop.mugs
    payment.settle_overdue(shop.database, shop.settings, later(order))

    assert stripe.sessions[begun]["status"] == "expired"
    assert shop.now(order).fulfilment is Fulfilment.CANCELLED
    assert shop.mugs == held + 1


def test_one_that_was_paid_just_in_time_is_paid_though_no_webhook_came(shop, stripe, order, begun):
    stripe.pay(begun)
    payment.settle_overdue(shop.database, shop.settings, later(order))

    assert (shop.now(order).payment, shop.now(order).fulfilment) == (Payment.PAID, Fulfilment.OPEN)
    stripe.send(stripe.event("checkout.session.completed", begun), to=shop.webhook)
    assert shop.now(order).attention == ""


def test_one_that_was_never_begun_is_cancelled_without_asking(shop, stripe, order):
    payment.settle_overdue(shop.database, shop.settings, later(order))

    assert shop.now(order).fulfilment is Fulfilment.CANCELLED
    assert stripe.asked == []


def test_one_that_is_not_overdue_is_left_alone(shop, stripe, order, begun):
    payment.settle_overdue(shop.database, shop.settings, order.payment_until - timedelta(seconds=1))

    assert shop.now(order).fulfilment is Fulfilment.OPEN
    assert stripe.sessions[begun]["status"] == "open"


def test_while_stripe_is_down_overdue_orders_keep_their_stock_for_a_day(shop, stripe, order, begun):
    stripe.stop()
    try:
        assert payment.settle_overdue(shop.database, shop.settings, later(order)) == 0
        assert shop.now(order).fulfilment is Fulfilment.OPEN

        payment.settle_overdue(shop.database, shop.settings, later(order, LONGEST_SILENCE + timedelta(seconds=1)))
        assert shop.now(order).fulfilment is Fulfilment.CANCELLED
    finally:
        stripe.restart()


def test_a_bank_has_a_month(shop, stripe, order, begun):
    stripe.pay(begun, by_bank=True)
    payment.settle_overdue(shop.database, shop.settings, later(order))

    waiting = shop.now(order)
    assert waiting.fulfilment is Fulfilment.OPEN
    assert waiting.payment_until > order.payment_until

    payment.settle_overdue(shop.database, shop.settings, order.placed_at + LONGEST_PROCESSING + timedelta(days=1))
    assert shop.now(order).fulfilment is Fulfilment.CANCELLED


def test_a_payment_can_be_withdrawn_before_its_order_is_cancelled(shop, stripe, order, begun):
    assert payment.withdraw(shop.settings, shop.now(order)).standing is Standing.ENDED
    assert stripe.sessions[begun]["status"] == "expired"


def test_one_that_was_just_paid_can_not(shop, stripe, order, begun):
    stripe.pay(begun)

    assert payment.withdraw(shop.settings, shop.now(order)).standing is Standing.PAID


def test_nobody_can_say_while_stripe_is_down(shop, stripe, order, begun):
    stripe.faults += ["503", "503"]

    with pytest.raises(Unavailable):
        payment.withdraw(shop.settings, shop.now(order))


# Amounts


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (1999, "USD", 1999),
        (5000, "JPY", 5000),
        (5120, "KWD", 5120),
        (5124, "KWD", None),  # Stripe wants the last digit 0
        (500, "ISK", 50000),  # no decimals for people, two at Stripe
        (500, "UGX", 50000),
        (1999, "HUF", 1999),
        (1999, "TWD", 1999),
        (500, "AFN", 50000),  # none in the CLDR, two at Stripe
        (500, "MGA", 500),
        (5120, "LYD", 512),  # three in the CLDR; Stripe lists no such currency with three
        (5124, "LYD", None),
    ],
)
def test_amounts_are_counted_as_stripe_counts(minor, currency, amount):
    assert stripe_amount(minor, currency) == amount


def test_what_stripe_can_not_charge_exactly_is_paid_otherwise(shop):
    assert [method.id for method in payment.offered(shop.settings, 5120, "KWD")] == ["stripe", "invoice"]
    assert [method.id for method in payment.offered(shop.settings, 5124, "KWD")] == ["invoice"]
    assert [method.id for method in payment.offered(shop.settings, 0, "USD")] == ["invoice"]


def test_without_a_key_there_is_the_invoice_alone(settings):
    (method,) = payment.methods(settings)

    assert (method.id, method.holds_for, method.origins) == ("invoice", None, ())
