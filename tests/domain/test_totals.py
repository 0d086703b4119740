"""What an order comes to, to the unit: stated roundings, and what holds whatever is bought. No Flask in sight."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.orders.terms import Discount, ShippingMethod, TaxRate
from shop.orders.totals import Item, compute

MUG = Item("mug", price=1200, quantity=1)
POT = Item("pot", price=3400, quantity=2)
EBOOK = Item("ebook", price=900, quantity=1, requires_shipping=False)
GIFT_CARD = Item("gift-card", price=2500, quantity=1, taxable=False, requires_shipping=False)

POST = ShippingMethod("post", "Post", 490)
FREE_FROM_50 = ShippingMethod("post", "Post", 490, free_from=5000)


def vat(rate: str = "19", *, shipping: bool = True) -> TaxRate:
    return TaxRate("VAT", "DE", "", Decimal(rate), included=True, shipping=shipping)


def sales_tax(rate: str = "8.875", *, shipping: bool = False) -> TaxRate:
    return TaxRate("Sales tax", "US", "NY", Decimal(rate), included=False, shipping=shipping)


def percent(rate: str) -> Discount:
    return Discount("SAVE", percent=Decimal(rate))


def amount(minor: int) -> Discount:
    return Discount("SAVE", amount=minor)


def of(*items: Item, discount=None, shipping=None, tax=None):
    return compute(items, discount=discount, shipping=shipping, tax=tax)


def test_goods_come_to_their_prices():
    totals = of(MUG, POT)

    assert [(line.item, line.total, line.discount, line.tax) for line in totals.lines] == [
        ("mug", 1200, 0, 0),
        ("pot", 6800, 0, 0),
    ]
    assert (totals.subtotal, totals.discount, totals.shipping, totals.tax, totals.total) == (8000, 0, 0, 0, 8000)
    assert (totals.tax_title, totals.tax_included) == ("", False)


def test_nothing_comes_to_nothing():
    totals = of(discount=percent("10"), shipping=POST, tax=sales_tax(shipping=True))

    assert totals.lines == ()
    assert (totals.subtotal, totals.discount, totals.shipping, totals.tax, totals.total) == (0, 0, 0, 0, 0)


def test_everything_at_once():
    """80.00 less 10 % is 72.00; 8.875 % of 10.80 is 0.9585, of 61.20 is 5.4315 and of 4.90 is 0.434875."""
    totals = of(MUG, POT, discount=percent("10"), shipping=POST, tax=sales_tax(shipping=True))

    assert [(line.discount, line.tax) for line in totals.lines] == [(120, 96), (680, 543)]
    assert (totals.discount, totals.shipping, totals.shipping_tax, totals.tax) == (800, 490, 43, 682)
    assert totals.total == 8000 - 800 + 490 + 682


@pytest.mark.parametrize(
    ("price", "rate", "off"),
    [(5, "10", 1), (4, "10", 0), (15, "10", 2), (999, "33.3333", 333), (1, "50", 1), (7, "100", 7), (200, "0.25", 1)],
)
def test_a_percentage_off_rounds_half_up(price, rate, off):
    assert of(Item("mug", price, 1), discount=percent(rate)).discount == off


def test_a_percentage_is_rounded_once_and_not_for_each_line():
    """10 % of three times 0.05 is 0.015, so 0.02; line by line it would be 0.03."""
    totals = of(Item("a", 5, 1), Item("b", 5, 1), Item("c", 5, 1), discount=percent("10"))

    assert totals.discount == 2
    assert [line.discount for line in totals.lines] == [1, 1, 0]


@pytest.mark.parametrize(
    ("prices", "off", "shares"),
    [
        ((100, 100, 100), 100, [34, 33, 33]),  # equal remainders: the earlier line has the unit
        ((100, 200, 400), 100, [14, 29, 57]),  # 14.29, 28.57, 57.14: the largest remainder has it
        ((1, 1, 998), 1, [0, 0, 1]),
        ((0, 10), 5, [0, 5]),
        ((3, 4), 7, [3, 4]),
    ],
)
def test_a_discount_is_shared_by_largest_remainder(prices, off, shares):
    items = [Item(str(place), price, 1) for place, price in enumerate(prices)]

    assert [line.discount for line in of(*items, discount=amount(off)).lines] == shares


def test_an_amount_off_is_at_most_what_the_goods_cost():
    totals = of(MUG, discount=amount(5000), shipping=POST)

    assert (totals.discount, totals.total) == (1200, 490)


def test_shipping_is_free_from_an_amount_on_after_the_discount():
    assert of(Item("mug", 5000, 1), shipping=FREE_FROM_50).shipping == 0
    assert of(Item("mug", 4999, 1), shipping=FREE_FROM_50).shipping == 490
    assert of(Item("mug", 5000, 1), shipping=FREE_FROM_50, discount=amount(1)).shipping == 490


def test_what_is_not_shipped_pays_no_shipping():
    assert of(EBOOK, GIFT_CARD, shipping=POST).shipping == 0
    assert of(EBOOK, MUG, shipping=POST).shipping == 490
    assert of(EBOOK, Item("mug", 1200, 0), shipping=POST).shipping == 0


@pytest.mark.parametrize(
    ("tax", "price", "contained"),
    [
        (vat("19"), 1190, 190),
        (vat("19"), 100, 16),  # 15.966…
        (vat("25"), 2, 0),  # 0.4
        (vat("20"), 3, 1),  # 0.5 exactly: half up
        (vat("100"), 101, 51),  # 50.5
        (vat("0"), 1190, 0),
    ],
)
def test_included_tax_is_contained_in_the_price(tax, price, contained):
    totals = of(Item("mug", price, 1), tax=tax)

    assert (totals.tax, totals.total) == (contained, price)
    assert (totals.tax_title, totals.tax_included) == ("VAT", True)


@pytest.mark.parametrize(
    ("rate", "price", "added"), [("10", 5, 1), ("10", 4, 0), ("8.875", 1200, 107), ("8.875", 4000, 355), ("0", 9, 0)]
)
def test_added_tax_comes_on_top(rate, price, added):
    totals = of(Item("mug", price, 1), tax=sales_tax(rate))

    assert (totals.tax, totals.total) == (added, price + added)


def test_tax_is_rounded_for_each_line():
    """10 % of 0.05 is 0.005, so 0.01, twice; of both together it would be 0.01. A line's units are taxed together."""
    assert of(Item("a", 5, 1), Item("b", 5, 1), tax=sales_tax("10")).tax == 2
    assert of(Item("a", 5, 2), tax=sales_tax("10")).tax == 1


def test_tax_is_on_what_is_left_after_the_discount():
    assert of(MUG, discount=percent("50"), tax=sales_tax("10")).tax == 60
    assert of(MUG, discount=percent("100"), tax=sales_tax("10")).tax == 0


def test_what_is_not_taxable_is_not_taxed():
    totals = of(MUG, GIFT_CARD, tax=sales_tax("10"))

    assert [line.tax for line in totals.lines] == [120, 0]


@pytest.mark.parametrize(("make", "total"), [(vat, 1690), (sales_tax, 1200 + 490 + 120)])
def test_shipping_is_taxed_where_the_rate_says_so(make, total):
    without = of(MUG, shipping=POST, tax=make("10", shipping=False))
    taxed = of(MUG, shipping=POST, tax=make("10", shipping=True))

    assert (without.shipping_tax, without.total) == (0, total)
    assert taxed.shipping_tax == (45 if taxed.tax_included else 49)
    assert taxed.total == total + (0 if taxed.tax_included else 49)


# Small numbers round most; the large ones are beyond what a float holds exactly.
prices = st.one_of(st.integers(0, 300), st.integers(0, 10**10))
percents = st.decimals(0, 100, places=4, allow_nan=False)
orders = st.fixed_dictionaries(
    {
        "items": st.lists(
            st.builds(Item, st.text(max_size=3), prices, st.integers(1, 999), st.booleans(), st.booleans()),
            max_size=12,
        ),
        "discount": st.one_of(
            st.none(),
            percents.filter(bool).map(lambda rate: Discount("SAVE", percent=rate)),
            st.builds(amount, prices),
        ),
        "shipping": st.one_of(
            st.none(), st.builds(ShippingMethod, st.just("post"), st.just("Post"), prices, st.none() | prices)
        ),
        "tax": st.one_of(
            st.none(),
            st.builds(TaxRate, st.just("Tax"), st.just("DE"), st.just(""), percents, st.booleans(), st.booleans()),
        ),
    }
)


def totals_of(order):
    items, terms = order["items"], {key: order[key] for key in ("discount", "shipping", "tax")}
    return compute(items, **terms)


@given(orders)
def test_the_parts_are_the_total_to_the_unit(order):
    totals = totals_of(order)
    added = 0 if totals.tax_included else totals.tax

    assert totals.subtotal == sum(line.total for line in totals.lines)
    assert totals.subtotal == sum(item.price * item.quantity for item in order["items"])
    assert totals.discount == sum(line.discount for line in totals.lines)
    assert totals.tax == sum(line.tax for line in totals.lines) + totals.shipping_tax
    assert totals.total == totals.subtotal - totals.discount + totals.shipping + added


@given(orders)
def test_no_amount_is_negative_nor_more_than_what_it_is_a_part_of(order):
    totals = totals_of(order)

    assert 0 <= totals.discount <= totals.subtotal
    assert min(totals.shipping, totals.tax, totals.shipping_tax, totals.total) >= 0
    for line in totals.lines:
        assert 0 <= line.discount <= line.total
        assert 0 <= line.tax <= line.total - line.discount
    assert totals.shipping_tax <= totals.shipping
    if totals.tax_included:
        assert totals.tax <= totals.total


@given(orders)
def test_shares_are_within_a_unit_of_their_exact_proportion(order):
    totals = totals_of(order)

    for line in totals.lines:
        assert abs(line.discount * totals.subtotal - totals.discount * line.total) < max(totals.subtotal, 1)


@given(orders)
def test_every_rounding_is_half_up_of_the_exact_amount(order):
    totals, tax, discount = totals_of(order), order["tax"], order["discount"]

    def half_up(exact: Decimal) -> int:
        return int(exact.to_integral_value(ROUND_HALF_UP))

    if discount and discount.percent is not None:
        assert totals.discount == half_up(totals.subtotal * discount.percent / 100)
    if tax:
        whole = 100 + tax.rate if tax.included else 100
        for item, line in zip(order["items"], totals.lines, strict=True):
            base = line.total - line.discount if item.taxable else 0
            assert line.tax == half_up(base * tax.rate / whole)
        assert totals.shipping_tax == half_up((totals.shipping if tax.shipping else 0) * tax.rate / whole)
