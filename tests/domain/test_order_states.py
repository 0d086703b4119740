"""What becomes of an order: each step by itself, and any number of them in any order, against a model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from shop.database import Database, discount_uses, order_events, order_lines, orders, products, variants
from shop.orders import payment, states, store
from shop.orders.orders import Fulfilment, Order, Payment
from shop.orders.placing import EmptyOrder, place
from shop.orders.states import NotPossible, UnknownOrder
from shop.settings import Settings
from tests.ordering import NOW, TERMS, all_orders, in_stock, ordering, set_variant, stock, tables, wishing

LATER = NOW + timedelta(hours=1)
UNTIL = NOW + timedelta(minutes=30)


@pytest.fixture
def database(either_database: Database) -> Database:
    return either_database


@pytest.fixture
def invoice(database) -> Order:
    """Two mugs and the last poster, to be paid later."""
    return ordering(database, {"mug": 2, "last-poster": 1}, code="TENTH")


@pytest.fixture
def awaited(database) -> Order:
    """Two mugs, whose shopper is at the payment provider's."""
    order = ordering(database, {"mug": 2}, payment_method="stripe", payment_until=UNTIL)
    return states.set_reference(database, order.id, "cs_1")


def expire(database: Database, now: datetime) -> int:
    """What the server does every minute, in a shop whose provider is gone: nobody can pay there any more."""
    return payment.settle_overdue(database, Settings(), now)


def history(order: Order) -> list[tuple[str, str]]:
    return [(event.what, event.detail) for event in order.events]


def uses(database: Database, code: str) -> int:
    with database.reading() as connection:
        found = connection.execute(sa.select(discount_uses.c.uses).where(discount_uses.c.code == code))
        return found.scalar_one_or_none() or 0


# One step.


def test_paid_then_shipped_is_told_in_the_history(database, invoice):
    states.mark_paid(database, invoice.id, LATER)
    order = states.ship(database, invoice.id, LATER, "DHL 123")

    assert (order.payment, order.fulfilment, order.tracking_number) == (Payment.PAID, Fulfilment.SHIPPED, "DHL 123")
    assert history(order) == [("placed", ""), ("paid", ""), ("shipped", "DHL 123")]
    assert [event.at for event in order.events] == [NOW, LATER, LATER]


def test_a_cancelled_order_gives_back_stock_and_code(database, invoice):
    assert (stock(database, "mug"), in_stock(database, "last-poster"), uses(database, "TENTH")) == (98, False, 1)

    order = states.cancel(database, invoice.id, LATER, "a wrong address")

    assert (stock(database, "mug"), in_stock(database, "last-poster"), uses(database, "TENTH")) == (100, True, 0)
    assert order.fulfilment is Fulfilment.CANCELLED
    assert history(order)[-1] == ("cancelled", "a wrong address")
    assert order.attention == ""


def test_a_cancel_gives_back_once(database, invoice):
    first = states.cancel(database, invoice.id, LATER)

    assert states.cancel(database, invoice.id, LATER) == first
    assert stock(database, "mug") == 100


def test_a_cancel_leaves_out_what_the_shop_no_longer_has(database, invoice):
    with database.writing() as connection:
        connection.execute(products.delete().where(products.c.handle == "last-poster"))

    states.cancel(database, invoice.id, LATER)

    assert stock(database, "mug") == 100


def test_a_cancel_adds_to_stock_that_came_in_since(database, invoice):
    set_variant(database, "mug", stock=7)

    states.cancel(database, invoice.id, LATER)

    assert stock(database, "mug") == 9


def test_a_paid_order_that_is_cancelled_needs_a_refund(database, invoice):
    states.mark_paid(database, invoice.id, LATER)

    order = states.cancel(database, invoice.id, LATER)
    assert "refund" in order.attention

    order = states.refund(database, invoice.id, LATER)
    assert (order.payment, order.attention) == (Payment.REFUNDED, "")


def test_a_payment_for_a_cancelled_order_needs_attention(database, awaited):
    states.cancel_unpaid(database, awaited.id, LATER, "expired")

    order = states.mark_paid(database, awaited.id, LATER, "pi_1")

    assert (order.payment, order.fulfilment) == (Payment.PAID, Fulfilment.CANCELLED)
    assert "Paid after it was cancelled" in order.attention
    assert stock(database, "mug") == 100
    with database.reading() as connection:
        assert store.list_orders(connection, attention=True) == [order]

    settled = states.settle(database, awaited.id, LATER)
    assert settled.attention == ""
    assert states.mark_paid(database, awaited.id, LATER, "pi_1") == settled


def test_a_payment_that_is_told_twice_is_one(database, awaited):
    first = states.mark_paid(database, awaited.id, LATER, "cs_1")

    assert states.mark_paid(database, awaited.id, LATER, "cs_1") == first
    assert states.mark_paid(database, awaited.id, LATER, "pi_1") == first
    assert states.mark_paid(database, awaited.id, LATER) == first
    assert (first.payment, first.payment_until, first.payment_reference) == (Payment.PAID, None, "cs_1")


def test_a_payment_of_one_that_was_paid_by_hand_needs_attention(database, awaited):
    states.mark_paid(database, awaited.id, LATER)

    order = states.mark_paid(database, awaited.id, LATER, "pi_1")

    assert order.attention == "Paid a second time (pi_1): refund one of the payments."
    assert states.mark_paid(database, awaited.id, LATER, "pi_1") == order


def test_late_news_of_a_payment_leaves_a_refund_alone(database, awaited):
    states.mark_paid(database, awaited.id, LATER, "cs_1")
    refunded = states.refund(database, awaited.id, LATER)

    assert states.mark_paid(database, awaited.id, LATER, "cs_1") == refunded
    assert states.refund(database, awaited.id, LATER) == refunded
    with pytest.raises(NotPossible, match="Order 1001 was refunded"):
        states.mark_paid(database, awaited.id, LATER)


def test_the_end_of_a_payment_cancels_only_what_awaits_it(database, awaited, invoice):
    assert states.cancel_unpaid(database, awaited.id, LATER, reference="cs_0") == awaited
    assert states.cancel_unpaid(database, invoice.id, LATER) == invoice

    order = states.cancel_unpaid(database, awaited.id, LATER, "not completed", "cs_1")

    assert history(order)[-1] == ("cancelled", "not completed")
    assert states.cancel_unpaid(database, awaited.id, LATER, "not completed", "cs_1") == order


def test_the_end_of_a_payment_that_was_made_is_no_cancel(database, awaited):
    paid = states.mark_paid(database, awaited.id, LATER, "cs_1")

    assert states.cancel_unpaid(database, awaited.id, LATER, "expired", "cs_1") == paid


def test_a_new_attempt_to_pay_replaces_the_first(database, awaited):
    states.set_reference(database, awaited.id, "cs_2")

    with database.reading() as connection:
        found = store.find_by_id(connection, awaited.id)
    assert found is not None
    assert found.payment_reference == "cs_2"


def test_a_tracking_number_can_come_later_and_be_put_right(database, invoice):
    states.ship(database, invoice.id, LATER)
    states.ship(database, invoice.id, LATER, "DHL 132")
    states.ship(database, invoice.id, LATER, "DHL 123")
    order = states.ship(database, invoice.id, LATER)

    assert order.tracking_number == "DHL 123"
    assert history(order)[1:] == [("shipped", ""), ("tracking number", "DHL 132"), ("tracking number", "DHL 123")]


def test_what_cannot_be_is_refused_and_changes_nothing(database, invoice, awaited):
    shipped = states.ship(database, ordering(database, {"mug": 1}).id, NOW)
    cancelled = states.cancel(database, ordering(database, {"mug": 1}).id, NOW)
    before = tables(database)

    for step, said in (
        (lambda: states.cancel(database, shipped.id, LATER), "Order 1003 is shipped already."),
        (lambda: states.ship(database, cancelled.id, LATER), "Order 1004 was cancelled."),
        (lambda: states.ship(database, awaited.id, LATER), "Order 1002 still awaits its payment."),
        (lambda: states.refund(database, invoice.id, LATER), "Order 1001 has not been paid."),
        (lambda: states.set_reference(database, invoice.id, "cs_1"), "Order 1001 does not await a payment."),
    ):
        with pytest.raises(NotPossible) as refusal:
            step()
        assert str(refusal.value) == said
    assert tables(database) == before


def test_an_unknown_order_is_no_order(database):
    for step in (states.mark_paid, states.ship, states.cancel, states.refund, states.cancel_unpaid, states.settle):
        with pytest.raises(UnknownOrder):
            step(database, 1, NOW)


# Time.


def test_what_is_not_paid_in_time_gives_its_stock_back(database, awaited, invoice):
    assert expire(database, UNTIL - timedelta(seconds=1)) == 0
    assert stock(database, "mug") == 96

    assert expire(database, UNTIL) == 1
    assert expire(database, UNTIL) == 0

    assert stock(database, "mug") == 98
    cancelled = all_orders(database)[0]
    assert history(cancelled)[-1] == ("cancelled", "the payment was not completed")
    assert all_orders(database)[1] == invoice


def test_a_clock_that_goes_back_expires_nothing(database, awaited):
    assert expire(database, NOW - timedelta(days=400)) == 0

    order = states.mark_paid(database, awaited.id, NOW - timedelta(days=400), "cs_1")

    assert history(order) == [("placed", ""), ("paid", "cs_1")]  # as they happened, whatever the clock said
    assert expire(database, NOW + timedelta(days=400)) == 0


# At the same time.


def test_one_order_is_cancelled_once_by_ten_at_once(database, awaited):
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: expire(database, LATER), range(10)))

    assert [what for what, _detail in history(all_orders(database)[0])] == ["placed", "cancelled"]
    assert stock(database, "mug") == 100


def test_a_payment_and_its_end_at_once_agree(database):
    placed = [ordering(database, {"mug": 1}, payment_until=UNTIL) for _ in range(8)]

    def settle(number: int) -> Order:
        order = placed[number // 2]
        if number % 2:
            return states.mark_paid(database, order.id, LATER, "cs_1")
        return states.cancel_unpaid(database, order.id, LATER)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(settle, range(16)))

    for order in all_orders(database):
        cancelled = order.fulfilment is Fulfilment.CANCELLED
        assert order.payment is Payment.PAID
        assert bool(order.attention) == cancelled
    held = [order for order in all_orders(database) if order.fulfilment is Fulfilment.OPEN]
    assert stock(database, "mug") == 100 - len(held)


# Any steps in any order.

ITEMS = {"mug": 4, "last-poster": 1, "shirt.blue.m": 2, "shirt.white.m": 1, "carved-chair": 1, "postcard": 0}


@dataclass
class Model:
    """What an order should be, by rules of its own."""

    order: Order
    payment: Payment
    fulfilment: Fulfilment = Fulfilment.OPEN
    attention: bool = False
    by_hand: bool = False  # paid so, and by no provider since

    def pays(self, by_hand: bool) -> bool:
        """Note a payment; False where it can't be."""
        if self.payment is Payment.REFUNDED and by_hand:
            return False
        if self.payment in (Payment.DUE, Payment.AWAITED):
            self.payment = Payment.PAID
            self.attention = self.attention or self.fulfilment is Fulfilment.CANCELLED
            self.by_hand = by_hand
        elif self.by_hand and not by_hand:
            self.attention, self.by_hand = True, False
        return True

    def ships(self) -> bool:
        if self.fulfilment is Fulfilment.OPEN and self.payment in (Payment.DUE, Payment.PAID):
            self.fulfilment = Fulfilment.SHIPPED
        return self.fulfilment is Fulfilment.SHIPPED

    def cancels(self) -> bool:
        if self.fulfilment is Fulfilment.OPEN:
            self.fulfilment = Fulfilment.CANCELLED
            self.attention = self.attention or self.payment is Payment.PAID
        return self.fulfilment is Fulfilment.CANCELLED

    def refunds(self) -> bool:
        if self.payment is Payment.PAID:
            self.payment, self.attention = Payment.REFUNDED, False
        return self.payment is Payment.REFUNDED

    @property
    def awaits(self) -> bool:
        return self.payment is Payment.AWAITED and self.fulfilment is Fulfilment.OPEN


class OrderStates(RuleBasedStateMachine):
    """A shop with little stock, shoppers who order it, and everything that may happen to an order, in any order."""

    placed = Bundle("placed")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.now = NOW
        self.models: list[Model] = []
        with database.writing() as connection:
            for table in (order_events, order_lines, orders, discount_uses):
                connection.execute(table.delete())
            for item, count in ITEMS.items():
                connection.execute(variants.update().where(variants.c.item == item).values(stock=count))
            connection.execute(products.update().values(in_stock=True))
        self.stock = dict(ITEMS)

    @rule(
        target=placed,
        quantities=st.dictionaries(st.sampled_from(sorted(ITEMS)), st.integers(1, 4), min_size=1),
        code=st.sampled_from(["", "TENTH"]),
        awaited=st.booleans(),
        twice=st.booleans(),
    )
    def order(self, quantities, code, awaited, twice):
        wish = wishing(self.database, quantities, code=code, now=self.now)
        until = self.now + timedelta(minutes=30) if awaited else None
        try:
            order = place(self.database, wish, TERMS, self.now, payment_until=until)
        except EmptyOrder:
            counted = ("mug", "last-poster", "shirt.blue.m", "shirt.white.m")
            assert all(item in counted and self.left(item) == 0 for item in quantities)
            return multiple()
        if twice:
            assert place(self.database, wish, TERMS, self.now, payment_until=until) == order
        model = Model(order, Payment.AWAITED if awaited else Payment.DUE)
        self.models.append(model)
        return model

    @rule(model=placed, by_hand=st.booleans())
    def pay(self, model, by_hand):
        self.does(model, model.pays(by_hand), states.mark_paid, *([] if by_hand else ["cs_1"]))

    @rule(model=placed, tracking_number=st.sampled_from(["", "DHL 1", "DHL 2"]))
    def ship(self, model, tracking_number):
        self.does(model, model.ships(), states.ship, tracking_number)

    @rule(model=placed)
    def cancel(self, model):
        self.does(model, model.cancels(), states.cancel)

    @rule(model=placed)
    def cancel_unpaid(self, model):
        if model.awaits:
            model.cancels()
        self.does(model, True, states.cancel_unpaid)

    @rule(model=placed)
    def refund(self, model):
        self.does(model, model.refunds(), states.refund)

    @rule(model=placed)
    def settle(self, model):
        model.attention = False
        self.does(model, True, states.settle)

    @rule()
    def expire(self):
        late = [model for model in self.models if model.awaits and model.order.payment_until <= self.now]
        assert expire(self.database, self.now) == len(late)
        for model in late:
            model.cancels()

    @rule(minutes=st.sampled_from([-60, 10, 40]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(item=st.sampled_from(["mug", "last-poster", "shirt.blue.m"]))
    def goods_come_in(self, item):
        """The merchant puts one more on the shelf."""
        set_variant(self.database, item, stock=variants.c.stock + 1)
        with self.database.writing() as connection:
            handle = item.partition(".")[0]
            connection.execute(products.update().where(products.c.handle == handle).values(in_stock=True))
        self.stock[item] += 1

    def does(self, model, possible, step, *arguments):
        """The step is taken, or refused, as the model says; taken again it changes nothing."""
        before = self.read(model)
        try:
            after = step(self.database, model.order.id, self.now, *arguments)
        except NotPossible:
            assert not possible
            assert self.read(model) == before
        else:
            assert possible
            assert step(self.database, model.order.id, self.now, *arguments) == after
            assert len(after.events) - len(before.events) in (0, 1)

    def shelf(self):
        with self.database.reading() as connection:
            return {row.item: row.stock for row in connection.execute(sa.select(variants))}

    def read(self, model):
        with self.database.reading() as connection:
            return store.find_by_id(connection, model.order.id)

    def left(self, item):
        """Units that should be on the shelf."""
        return self.stock[item] - sum(
            line.stock_taken
            for model in self.models
            if model.fulfilment is not Fulfilment.CANCELLED
            for line in model.order.lines
            if line.item == item
        )

    @invariant()
    def orders_are_as_the_model_says(self):
        found = all_orders(self.database)
        assert [(order.id, order.payment, order.fulfilment, bool(order.attention)) for order in found] == [
            (model.order.id, model.payment, model.fulfilment, model.attention) for model in self.models
        ]

    @invariant()
    def no_unit_is_lost_or_made(self):
        shelf = self.shelf()
        assert {item: shelf[item] for item in ITEMS} == {item: self.left(item) for item in ITEMS}
        assert min(shelf.values()) >= 0

    @invariant()
    def listings_say_what_is_in_stock(self):
        shelf = self.shelf()
        with self.database.reading() as connection:
            listed = {row.handle: row.in_stock for row in connection.execute(sa.select(products))}
        assert listed["mug"] == (shelf["mug"] > 0)
        assert listed["shirt"] == any(shelf[item] for item in shelf if item.startswith("shirt."))
        assert listed["postcard"]
        assert listed["carved-chair"]

    @invariant()
    def a_code_is_counted_for_the_orders_that_stand(self):
        standing = [m for m in self.models if m.fulfilment is not Fulfilment.CANCELLED and m.order.discount_code]
        assert uses(self.database, "TENTH") == len(standing)


def test_any_steps_in_any_order(database):
    examples = 20 if database.engine.dialect.name == "sqlite" else 6
    run_state_machine_as_test(
        lambda: OrderStates(database),
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
