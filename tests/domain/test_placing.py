"""Placing orders: what was seen is what is placed, once, and never more than there is. On SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from shop.database import Database, discount_uses, outbox, products
from shop.money import Currency
from shop.orders import store
from shop.orders.mail import Mail
from shop.orders.orders import Address, Fulfilment, Order, Payment
from shop.orders.placing import (
    Changed,
    EmptyOrder,
    NoShipping,
    NotTaken,
    OrderError,
    RefusedCode,
    Seen,
    Wish,
    place,
    quote,
)
from shop.orders.terms import UnusableCode
from tests.ordering import (
    BERLIN,
    NOW,
    TERMS,
    all_orders,
    in_stock,
    ordering,
    set_variant,
    stock,
    tables,
    wishing,
)

US_DOLLARS = Currency("USD", "en_US")


@pytest.fixture
def database(either_database: Database) -> Database:
    return either_database


def told(refused: Changed) -> list[str]:
    """What a refusal says to the shopper, line by line."""
    return [change.text(US_DOLLARS) for change in refused.changes]


# An order keeps what was agreed.


def test_an_order_keeps_names_prices_and_totals(database, mug, find):
    shirt = find("shirt.blue.m")

    order = ordering(database, {"shirt.blue.m": 1, "mug": 2}, code="tenth", locale="de_DE")

    assert [(line.full_title, line.price, line.quantity) for line in order.lines] == [
        ("Linen Shirt, Blue / M", shirt.price, 1),
        ("Mug", mug.price, 2),
    ]
    assert (order.subtotal, order.discount, order.shipping, order.total) == (8900, 890, 500, 8510)
    assert [line.discount for line in order.lines] == [650, 240]
    assert (order.tax_title, order.tax_included, order.tax) == ("VAT", True, sum((934, 345, 80)))
    assert (order.number, order.discount_code, order.shipping_title) == (1001, "TENTH", "Post")
    assert (order.name, order.email, order.address) == ("Ada Byron", "ada@example.com", BERLIN)
    assert (order.payment, order.fulfilment, order.placed_at) == (Payment.DUE, Fulfilment.OPEN, NOW)
    assert [(event.what, event.at) for event in order.events] == [("placed", NOW)]


def test_an_order_takes_the_stock_that_is_counted(database):
    order = ordering(database, {"mug": 3, "postcard": 5, "carved-chair": 2, "last-poster": 1})

    assert {line.item: line.stock_taken for line in order.lines} == {
        "mug": 3,
        "postcard": 0,  # nobody counts these
        "carved-chair": 0,  # made to order: there were none
        "last-poster": 1,
    }
    assert stock(database, "mug") == 97
    assert (in_stock(database, "mug"), in_stock(database, "last-poster")) == (True, False)


def test_what_sells_past_zero_takes_what_there_is(database):
    set_variant(database, "carved-chair", stock=3)

    first = ordering(database, {"carved-chair": 2})
    second = ordering(database, {"carved-chair": 2})

    assert [order.lines[0].stock_taken for order in (first, second)] == [2, 1]
    assert stock(database, "carved-chair") == 0
    assert in_stock(database, "carved-chair")


def test_a_product_is_in_stock_while_any_variant_is(database):
    ordering(database, {"shirt.blue.m": 2})
    assert in_stock(database, "shirt")

    ordering(database, {"shirt.white.m": 5})
    assert not in_stock(database, "shirt")


def test_an_order_is_found_by_what_names_it(database):
    first, second = (ordering(database, {"mug": 1}, nonce=f"nonce-of-order-{number}") for number in (1, 2))

    with database.reading() as connection:
        assert store.find_by_token(connection, second.token) == second
        assert store.find_by_number(connection, 1001) == first
        assert store.find_by_nonce(connection, "nonce-of-order-2") == second
        assert store.list_orders(connection) == [second, first]
        assert store.list_orders(connection, limit=1, before_id=second.id) == [first]
        assert list(store.all_orders(connection)) == [first, second]
        assert len(first.token) >= 22
        assert first.token != second.token


@pytest.mark.parametrize("number", [0, 1000, 1002, -(10**30), 10**30])
def test_a_number_that_no_order_has_finds_none(database, number):
    ordering(database, {"mug": 1})

    with database.reading() as connection:
        assert store.find_by_number(connection, number) is None


def test_all_orders_are_read_in_parts(database, monkeypatch):
    monkeypatch.setattr(store, "_AT_ONCE", 2)
    placed = [ordering(database, {"mug": 1}) for _ in range(5)]

    assert all_orders(database) == placed


def test_an_order_awaits_its_payment_with_its_stock_held(database):
    until = NOW + timedelta(minutes=30)

    order = ordering(database, {"last-poster": 1}, payment_method="stripe", payment_until=until)

    assert (order.payment, order.payment_until, order.payment_method) == (Payment.AWAITED, until, "stripe")
    assert stock(database, "last-poster") == 0


def test_an_order_of_nothing_to_pay_is_paid(database):
    set_variant(database, "postcard", requires_shipping=False)

    order = ordering(database, {"postcard": 1}, code="GIFT", payment_until=NOW + timedelta(hours=1))

    assert (order.total, order.payment, order.payment_until) == (0, Payment.PAID, None)


def test_what_needs_no_shipping_has_none(database):
    set_variant(database, "postcard", requires_shipping=False)

    order = ordering(database, {"postcard": 1}, address=Address(country="US"), shipping_id="")

    assert (order.shipping, order.shipping_title) == (0, "")


def test_mail_is_queued_with_the_order(database):
    wish = wishing(database, {"mug": 1})

    def letters(order: Order) -> list[Mail]:
        return [Mail(order.email, f"Order {order.number}", "Thanks.")]

    order = place(database, wish, TERMS, NOW, letters=letters)

    with database.reading() as connection:
        assert [(row.order_id, row.subject) for row in connection.execute(sa.select(outbox))] == [
            (order.id, "Order 1001")
        ]


def test_mail_that_cannot_be_written_undoes_all(database):
    before = tables(database)

    with pytest.raises(ZeroDivisionError):
        place(database, wishing(database, {"mug": 1}, code="TWICE"), TERMS, NOW, letters=lambda _order: [1 // 0])

    assert tables(database) == before


# Once.


def test_the_same_form_again_is_the_same_order(database):
    wish = wishing(database, {"last-poster": 1}, code="TWICE")
    order = place(database, wish, TERMS, NOW)
    before = tables(database)

    again = place(database, replace(wish, quantities={"mug": 9}, name="Another"), TERMS, NOW + timedelta(days=1))

    assert again == order
    assert tables(database) == before


@pytest.mark.parametrize("nonce", ["", "short", "x" * 101])
def test_a_nonce_that_others_could_have_is_none(database, nonce):
    with pytest.raises(ValueError, match="nonce"):
        ordering(database, {"mug": 1}, nonce=nonce)


@pytest.mark.parametrize("quantity", [0, -1, 1000])
def test_a_quantity_that_no_cart_holds_is_refused(quantity):
    with pytest.raises(ValueError, match="quantity"):
        Wish(quantities={"mug": quantity})


# What was seen is what is placed.


@pytest.mark.parametrize(
    ("item", "values", "said"),
    [
        ("mug", {"price": 1300}, "Mug: now $13.00, no longer $12.00."),
        ("mug", {"price": 1100}, "Mug: now $11.00, no longer $12.00."),
        ("mug", {"stock": 1}, "Mug: Only 1 left; you asked for 2."),
        ("mug", {"stock": 0}, "Mug: Sold out."),
        ("clay-teapot", {"stock": 0}, "Clay Teapot: Sold out."),
    ],
)
def test_a_line_that_changed_is_told_and_nothing_is_placed(database, item, values, said):
    wish = wishing(database, {"mug": 2, "clay-teapot": 1})
    set_variant(database, item, **values)
    before = tables(database)

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value)[0] == said
    assert told(refusal.value)[-1].startswith("Total: now $")
    assert tables(database) == before

    accepted = replace(wish, expected_total=refusal.value.quote.totals.total, seen=refusal.value.quote.seen)
    order = place(database, accepted, TERMS, NOW)

    assert order.total == refusal.value.quote.totals.total
    assert {line.item: line.quantity for line in order.lines} == {
        line.item: line.quantity for line in refusal.value.quote.lines if line.quantity
    }


def test_changes_that_cancel_out_are_told(database):
    wish = wishing(database, {"mug": 1, "clay-teapot": 1})
    set_variant(database, "mug", price=1300)
    set_variant(database, "clay-teapot", price=3300)

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value) == [
        "Mug: now $13.00, no longer $12.00.",
        "Clay Teapot: now $33.00, no longer $34.00.",
    ]


def test_a_cart_that_another_tab_changed_is_told(database):
    wish = wishing(database, {"mug": 1, "clay-teapot": 1})

    with pytest.raises(Changed) as refusal:
        place(database, replace(wish, quantities={"mug": 3, "postcard": 1}), TERMS, NOW)

    assert told(refusal.value) == [
        "Mug: 3 of them, not 1.",
        "Postcard: now $1.50. 1 of them, not 0.",
        "clay-teapot is no longer in your cart.",
        "VAT: now $6.79, no longer $8.15.",
        "Total: now $42.50, no longer $51.00.",
    ]


def test_a_product_that_is_gone_is_told(database):
    wish = wishing(database, {"mug": 1, "clay-teapot": 1})
    with database.writing() as connection:
        connection.execute(products.delete().where(products.c.handle == "clay-teapot"))

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value)[0] == "clay-teapot: This item is no longer in the shop."


def test_a_short_line_that_was_seen_is_ordered_as_far_as_stock_goes(database):
    """The cart asks for 3; the page said that 1 is left and showed the price of 1."""
    order = ordering(database, {"last-poster": 3, "mantel-clock": 1, "mug": 1})

    assert [(line.item, line.quantity) for line in order.lines] == [("last-poster", 1), ("mug", 1)]


def test_a_short_line_that_nobody_says_was_seen_is_told(database):
    wish = replace(wishing(database, {"last-poster": 3}), seen=None)

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value) == ["Last Poster: Only 1 left; you asked for 3."]


def test_more_stock_than_was_seen_is_told(database):
    wish = wishing(database, {"last-poster": 3})
    set_variant(database, "last-poster", stock=2)

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value)[0] == "Last Poster: Only 2 left; you asked for 3."


def test_the_total_alone_is_enough_to_compare(database):
    wish = replace(wishing(database, {"mug": 1}), seen=None)

    with pytest.raises(Changed) as refusal:
        place(database, replace(wish, expected_total=wish.expected_total - 1), TERMS, NOW)
    assert told(refusal.value) == ["Total: now $17.00, no longer $16.99."]

    assert place(database, wish, TERMS, NOW).total == 1700


def test_terms_that_changed_are_told(database):
    wish = wishing(database, {"mug": 1})
    (rate,) = TERMS.taxes
    dearer = replace(
        TERMS,
        shipping=(replace(TERMS.shipping[0], price=600), TERMS.shipping[1]),
        taxes=(replace(rate, included=False),),
    )

    with pytest.raises(Changed) as refusal:
        place(database, wish, dearer, NOW)

    assert told(refusal.value) == [
        "Shipping: now $6.00, no longer $5.00.",
        "VAT: now $3.42, no longer $2.72.",
        "Total: now $21.42, no longer $17.00.",
    ]


def test_a_method_that_does_not_go_there_is_replaced_and_told(database):
    wish = wishing(database, {"mug": 1}, shipping_id="courier")

    with pytest.raises(Changed) as refusal:
        place(database, replace(wish, address=replace(BERLIN, country="AT")), TERMS, NOW)

    assert told(refusal.value)[0] == "Post: now $5.00."
    assert refusal.value.quote.shipping == TERMS.shipping[0]


def test_a_country_that_nothing_goes_to_is_refused(database):
    with pytest.raises(NoShipping, match="can’t ship to this country") as refusal:
        ordering(database, {"mug": 1}, address=Address(country="US"))

    assert refusal.value.quote.offers == ()
    assert not refusal.value.quote.placeable


@pytest.mark.parametrize("quantities", [{}, {"mantel-clock": 1}, {"hidden-lamp": 1}, {"no-such-thing": 1}])
def test_nothing_to_order_is_refused(database, quantities):
    with pytest.raises(EmptyOrder):
        ordering(database, quantities)


def test_a_quote_offers_shipping_at_what_it_costs_this_order(database):
    with database.reading() as connection:
        few, many = (
            quote(connection, Wish(quantities={"mug": number}, address=BERLIN), TERMS, NOW) for number in (1, 9)
        )

    assert [(offer.method.id, offer.price) for offer in few.offers] == [("post", 500), ("courier", 1500)]
    assert [(offer.method.id, offer.price) for offer in many.offers] == [("post", 0), ("courier", 1500)]
    assert few.shipping == TERMS.shipping[0]


# Discount codes.


@pytest.mark.parametrize(
    ("code", "said"),
    [("OVER", "The code OVER has expired."), ("nonsense", "There is no code nonsense.")],
)
def test_a_code_that_does_not_count_is_refused(database, code, said):
    before = tables(database)

    with pytest.raises(RefusedCode) as refusal:
        ordering(database, {"mug": 1}, code=code)

    assert str(refusal.value) == refusal.value.quote.code_problem == said
    assert isinstance(refusal.value, UnusableCode)
    assert refusal.value.quote.totals.total == 1700
    assert tables(database) == before


def test_a_code_is_used_as_often_as_it_may_be(database):
    wish = wishing(database, {"mug": 1}, code="TWICE")
    for _ in range(2):
        assert ordering(database, {"mug": 1}, code=" twice ").discount == 300

    with pytest.raises(RefusedCode, match="used up"):
        place(database, wish, TERMS, NOW)

    with database.reading() as connection:
        assert connection.execute(sa.select(discount_uses)).all() == [("TWICE", 2)]


def test_a_code_typed_after_the_total_was_seen_is_shown_first(database):
    wish = replace(wishing(database, {"mug": 1}), code="TENTH")

    with pytest.raises(Changed) as refusal:
        place(database, wish, TERMS, NOW)

    assert told(refusal.value)[0] == "Discount: now $1.20, no longer $0.00."


def test_a_code_that_ends_while_the_page_is_open_is_refused(database):
    wish = wishing(database, {"mug": 1}, code="OVER", now=NOW - timedelta(seconds=1))
    assert wish.seen and wish.seen.discount == 120

    with pytest.raises(RefusedCode, match="expired"):
        place(database, wish, TERMS, NOW)


# What the form sends back.


def test_what_was_seen_survives_the_form(database):
    wish = wishing(database, {"mug": 2, "shirt.blue.m": 1, "mantel-clock": 1})
    assert wish.seen is not None

    read = Seen.read(wish.seen.text())

    assert read == wish.seen
    assert set(read.lines) == {"mug", "shirt.blue.m"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{" * 30_000,
        "[" * 30_000,
        "1" * 30_000,
        '{"lines":{},"discount":0,"shipping":0}',
        '{"lines":[],"discount":0,"shipping":0,"tax":0}',
        '{"lines":{"mug":1},"discount":0,"shipping":0,"tax":0}',
        '{"lines":{"mug":[1,2,3]},"discount":0,"shipping":0,"tax":0}',
        '{"lines":{"mug":[1,-1]},"discount":0,"shipping":0,"tax":0}',
        '{"lines":{"mug":[1,true]},"discount":0,"shipping":0,"tax":0}',
        '{"lines":{"mug":[1,1.5]},"discount":0,"shipping":0,"tax":0}',
        '{"lines":{},"discount":NaN,"shipping":0,"tax":0}',
        '{"lines":{},"discount":1e400,"shipping":0,"tax":0}',
        '{"lines":{},"discount":9999999999999999999999,"shipping":0,"tax":0}',
        '{"lines":{},"discount":"0","shipping":0,"tax":0}',
    ],
)
def test_what_no_page_showed_is_nothing(text):
    assert Seen.read(text) is None


# At the same time.


def at_once(number: int, action) -> list[object]:
    """What `action(place)` gives in so many threads that start together; an OrderError is a result too."""
    together = threading.Barrier(number)

    def run(place: int) -> object:
        together.wait()
        try:
            return action(place)
        except OrderError as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_the_last_units_are_sold_once(database):
    """Buyers of mixed baskets, in mixed order, for 12 teapots, 5 white and 2 blue shirts."""
    shelf = {"clay-teapot": 12, "shirt.white.m": 5, "shirt.blue.m": 2}
    baskets = [
        {"clay-teapot": 1, "shirt.white.m": 1},
        {"shirt.white.m": 1, "clay-teapot": 2},
        {"shirt.blue.m": 1, "shirt.white.m": 1, "clay-teapot": 1},
        {"clay-teapot": 1},
    ]
    wishes = [wishing(database, baskets[place % 4]) for place in range(14)]

    def buy(number: int) -> object:
        """Buy what is left of the basket, as a shopper does who accepts each change."""
        wish = wishes[number]
        while True:
            try:
                return place(database, wish, TERMS, NOW)
            except Changed as changed:
                wish = replace(wish, seen=changed.quote.seen, expected_total=changed.quote.totals.total)

    results = at_once(len(wishes), buy)

    placed = all_orders(database)
    assert {type(result).__name__ for result in results} == {"Order", "EmptyOrder"}
    assert {order.id for order in results if isinstance(order, Order)} == {order.id for order in placed}
    for item, count in shelf.items():
        sold = sum(line.quantity for order in placed for line in order.lines if line.item == item)
        assert sold == sum(line.stock_taken for order in placed for line in order.lines if line.item == item)
        assert stock(database, item) == count - sold == 0
    assert not in_stock(database, "shirt")
    assert not in_stock(database, "clay-teapot")


def test_ten_of_one_form_at_once_are_one_order(database):
    wish = wishing(database, {"last-poster": 1}, code="TWICE")

    results = at_once(10, lambda _place: place(database, wish, TERMS, NOW))

    (order,) = all_orders(database)
    assert results == [order] * 10
    with database.reading() as connection:
        assert connection.execute(sa.select(discount_uses.c.uses)).scalars().all() == [1]


def test_one_nonce_for_two_carts_at_once_is_one_order(database):
    baskets = [{"mug": 1}, {"clay-teapot": 1}, {"postcard": 1}, {"shirt.white.m": 1}]
    wishes = [wishing(database, basket, nonce="the nonce of all four") for basket in baskets]

    results = at_once(4, lambda number: place(database, wishes[number], TERMS, NOW))

    (order,) = all_orders(database)
    assert results == [order] * 4
    assert sum(stock(database, item) for item in ("mug", "clay-teapot", "shirt.white.m")) == 117 - sum(
        line.stock_taken for line in order.lines
    )


def test_the_last_use_of_a_code_is_one_order(database):
    ordering(database, {"postcard": 1}, code="TWICE")
    wishes = [wishing(database, {item: 1}, code="TWICE") for item in ("mug", "clay-teapot", "postcard", "creme-bowl")]

    results = at_once(4, lambda number: place(database, wishes[number], TERMS, NOW))

    refusals = [result for result in results if isinstance(result, RefusedCode)]
    assert len(refusals) == 3
    assert all("used up" in str(refusal) for refusal in refusals)
    with database.reading() as connection:
        assert connection.execute(sa.select(discount_uses.c.uses)).scalars().all() == [2]


# The clock.


def test_a_clock_that_goes_back_does_no_harm(database):
    first = ordering(database, {"mug": 1})
    second = ordering(database, {"mug": 1}, now=NOW - timedelta(days=400))
    third = ordering(database, {"mug": 1}, now=NOW + timedelta(days=400))

    assert [order.number for order in (first, second, third)] == [1001, 1002, 1003]
    with database.reading() as connection:
        assert store.list_orders(connection) == [third, second, first]
    assert stock(database, "mug") == 97


# Nowhere to write it.


def test_a_database_that_is_gone_says_so(settings, database):
    wish = wishing(database, {"mug": 1})
    gone = Database(f"sqlite:///{settings.data / 'no-such-folder' / 'shop.sqlite3'}")

    with pytest.raises(NotTaken, match="can’t be ordered twice"):
        place(gone, wish, TERMS, NOW)

    gone.close()


def test_seen_is_what_the_page_showed(database):
    wish = wishing(database, {"mug": 1})

    assert asdict(wish.seen) == {"lines": {"mug": (1, 1200)}, "discount": 0, "shipping": 500, "tax": 272}
