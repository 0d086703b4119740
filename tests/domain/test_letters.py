"""The letters about an order, as their readers see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shop.orders import letters
from shop.orders.orders import Fulfilment, Order, OrderLine, Payment
from shop.settings import Settings
from tests.ordering import BERLIN, NOW

ORIGIN = "https://shop.example"
SHOP = Settings(name="Tea & Cups", merchant_email="owner@shop.example")
TO_SHOPPER_ALONE = replace(SHOP, merchant_email="")

mugs = OrderLine("mug.blue", "Mug", "Blue", "", 1250, 2, 150, 0, True, True, 2)
teapot = OrderLine("clay-teapot", "Clay teapot", "", "", 900, 1, 0, 0, True, True, 1)

ORDER = Order(
    id=1,
    token="tokentokentokentoken",
    placed_at=NOW,
    currency="EUR",
    locale="de_DE",
    name="Ada Byron",
    email="ada@example.com",
    address=BERLIN,
    lines=(mugs, teapot),
    shipping_title="Post",
    payment_method="invoice",
    subtotal=3400,
    discount_code="TENTH",
    discount=340,
    shipping=500,
    tax_title="VAT 19%",
    tax=568,
    tax_included=True,
    total=3560,
    payment=Payment.DUE,
    fulfilment=Fulfilment.OPEN,
)
PAID = replace(ORDER, payment_method="stripe", payment=Payment.PAID, payment_reference="pi_1")

EVERY_KIND = (
    letters.letters_for_placed,
    letters.letters_for_paid,
    letters.letters_for_shipped,
    letters.letters_for_cancelled,
    letters.letters_for_refunded,
)


def only(mails):
    (mail,) = mails
    return mail


# The confirmation


def test_a_shopper_reads_what_they_ordered_and_what_it_costs():
    mail = only(letters.letters_for_placed(ORDER, TO_SHOPPER_ALONE, ORIGIN))

    assert (mail.recipient, mail.subject) == ("ada@example.com", "Your order 1001 at Tea & Cups")
    assert mail.body.replace("\xa0", " ") == (
        "Thank you, Ada Byron. This is order 1001 at Tea & Cups.\n"
        "\n"
        "2 × Mug, Blue, 12,50 € each: 25,00 €\n"
        "1 × Clay teapot: 9,00 €\n"
        "\n"
        "Subtotal: 34,00 €\n"
        "Discount TENTH: -3,40 €\n"
        "Shipping, Post: 5,00 €\n"
        "Total: 35,60 €\n"
        "of which VAT 19%: 5,68 €\n"
        "\n"
        "To be paid on delivery or by invoice.\n"
        "\n"
        "It goes to:\n"
        "Ada Byron\n"
        "Torstr. 1\n"
        "10119 Berlin\n"
        "Germany\n"
        "\n"
        "The receipt:\n"
        "https://shop.example/orders/tokentokentokentoken\n"
    )


def test_tax_that_is_added_stands_before_the_total():
    added = replace(ORDER, tax_included=False, total=4128, shipping=0)
    body = only(letters.letters_for_placed(added, TO_SHOPPER_ALONE, ORIGIN)).body.replace("\xa0", " ")
    assert "Shipping, Post: free\nVAT 19%: 5,68 €\nTotal: 41,28 €\n\n" in body


def test_what_an_order_does_not_have_is_not_spoken_of():
    plain = replace(ORDER, discount=0, discount_code="", shipping=0, shipping_title="", tax=0, tax_title="")
    body = only(letters.letters_for_placed(plain, TO_SHOPPER_ALONE, ORIGIN)).body
    for word in ("Discount", "Shipping", "VAT", "of which"):
        assert word not in body


def test_without_an_address_of_the_shop_there_is_no_link():
    body = only(letters.letters_for_placed(ORDER, TO_SHOPPER_ALONE, "")).body
    assert "receipt" not in body
    assert "/orders/" not in body


@pytest.mark.parametrize(
    ("currency", "locale", "total"),
    [("JPY", "ja_JP", "¥3,560"), ("KWD", "en_US", "KWD3.560"), ("USD", "en_US", "$35.60")],
)
def test_amounts_are_in_the_order_s_currency(currency, locale, total):
    order = replace(ORDER, currency=currency, locale=locale)
    body = only(letters.letters_for_placed(order, TO_SHOPPER_ALONE, ORIGIN)).body
    assert f"Total: {total}\n" in body.replace("\xa0", "").replace("￥", "¥")


def test_the_merchant_gets_a_notice():
    _, mail = letters.letters_for_placed(replace(ORDER, address=replace(BERLIN, phone="+49 30 1")), SHOP, ORIGIN)
    assert mail.recipient == "owner@shop.example"
    assert mail.subject.replace("\xa0", " ") == "Order 1001: 35,60 €"
    for text in (
        "Ada Byron <ada@example.com>",
        "2 × Mug, Blue",
        "10119 Berlin",
        "Phone: +49 30 1",
        f"{ORIGIN}/orders/",
    ):
        assert text in mail.body


# Languages


def test_a_shopper_reads_the_language_of_the_order_and_the_merchant_the_shop_s_own():
    russian = replace(ORDER, locale="ru", total=123456)
    confirmation, notice = letters.letters_for_placed(russian, SHOP, ORIGIN)
    lines = confirmation.body.replace("\xa0", " ").splitlines()

    assert confirmation.subject == "Ваш заказ 1001 в магазине Tea & Cups"
    assert {"2 × Mug, Blue, по 12,50 €: 25,00 €", "Итого: 1 234,56 €", "Адрес доставки:", "Германия"} <= set(lines)
    assert "\nTo be paid on delivery or by invoice.\n" in notice.body
    assert "\nGermany\n" in notice.body

    at_home = Settings(name="Чай", locale="ru_RU", merchant_email="owner@shop.example")
    late = replace(PAID, fulfilment=Fulfilment.CANCELLED, attention="Paid after it was cancelled: refund it.")
    assert "Оплачен после отмены" in only(letters.letters_for_paid(late, at_home, ORIGIN)).body


def test_an_order_in_a_language_without_texts_is_told_of_in_the_shop_s_own():
    assert "\nIt goes to:\n" in only(letters.letters_for_placed(ORDER, TO_SHOPPER_ALONE, ORIGIN)).body
    at_home = replace(TO_SHOPPER_ALONE, locale="ru_RU")
    assert "\nАдрес доставки:\n" in only(letters.letters_for_placed(ORDER, at_home, ORIGIN)).body


# What happens after


def test_an_order_that_awaits_its_payment_is_confirmed_when_it_is_paid():
    awaited = replace(PAID, payment=Payment.AWAITED)
    assert letters.letters_for_placed(awaited, SHOP, ORIGIN) == []

    confirmation, notice = letters.letters_for_paid(PAID, SHOP, ORIGIN)
    assert confirmation.recipient == "ada@example.com"
    assert "\nIt is paid.\n" in confirmation.body
    assert "\nPaid.\n" in notice.body


def test_an_invoice_that_is_paid_needs_no_letter():
    assert letters.letters_for_paid(replace(ORDER, payment=Payment.PAID), SHOP, ORIGIN) == []


def test_a_payment_for_a_cancelled_order_is_told_to_the_merchant_alone():
    late = replace(PAID, fulfilment=Fulfilment.CANCELLED, attention="Paid after it was cancelled: refund it.")
    mail = only(letters.letters_for_paid(late, SHOP, ORIGIN))
    assert (mail.recipient, mail.subject) == ("owner@shop.example", "Order 1001 needs your attention")
    assert "Paid after it was cancelled: refund it.\n" in mail.body
    assert "The payment is pi_1.\n" in mail.body
    assert letters.letters_for_paid(late, TO_SHOPPER_ALONE, ORIGIN) == []


@pytest.mark.parametrize("number", ["", "RX 42 DE"])
def test_a_shopper_reads_that_it_is_on_its_way(number):
    shipped = replace(ORDER, fulfilment=Fulfilment.SHIPPED, tracking_number=number)
    mail = only(letters.letters_for_shipped(shipped, SHOP, ORIGIN))
    assert mail.subject == "Your order 1001 at Tea & Cups is on its way"
    assert ("Tracking number: RX 42 DE\n" in mail.body) == bool(number)
    assert "1 × Clay teapot\n" in mail.body


@pytest.mark.parametrize(
    ("payment", "sentence"),
    [
        (Payment.DUE, "There is nothing to pay."),
        (Payment.PAID, "You paid 35,60 €, which you will get back."),
        (Payment.REFUNDED, "You get back the 35,60 € that you paid."),
    ],
)
def test_a_shopper_reads_that_it_was_cancelled(payment, sentence):
    cancelled = replace(ORDER, fulfilment=Fulfilment.CANCELLED, payment=payment)
    mail = only(letters.letters_for_cancelled(cancelled, SHOP, ORIGIN))
    assert mail.subject == "Your order 1001 at Tea & Cups was cancelled"
    assert sentence in mail.body.replace("\xa0", " ")


def test_an_order_that_was_never_paid_and_never_confirmed_ends_without_a_letter():
    expired = replace(PAID, payment=Payment.AWAITED, fulfilment=Fulfilment.CANCELLED)
    assert letters.letters_for_cancelled(expired, SHOP, ORIGIN) == []


def test_a_shopper_reads_that_the_money_is_on_its_way():
    refunded = replace(PAID, payment=Payment.REFUNDED)
    mail = only(letters.letters_for_refunded(refunded, SHOP, ORIGIN))
    assert mail.subject == "Your refund for order 1001 at Tea & Cups"
    assert "the 35,60 € that you paid for order 1001" in mail.body.replace("\xa0", " ")
    assert "cancelled" not in mail.body
    also = replace(refunded, fulfilment=Fulfilment.CANCELLED)
    assert "cancelled" in only(letters.letters_for_refunded(also, SHOP, ORIGIN)).body


# Whatever was typed

typed = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
@given(name=typed, street=typed, title=typed, code=typed, number=typed, kind=st.sampled_from(EVERY_KIND))
def test_what_was_typed_never_adds_a_line(name, street, title, code, number, kind):
    hostile = replace(
        PAID,
        name=name + "x",
        address=replace(BERLIN, recipient=name + "x", line1=street + "x"),
        lines=(replace(teapot, title=title),),
        discount_code=code,
        tracking_number=number + "x",
    )
    tame = replace(
        hostile,
        name="x",
        address=replace(BERLIN, recipient="x", line1="x"),
        lines=(teapot,),
        discount_code="x",
        tracking_number="x",
    )
    wrote, expected = kind(hostile, SHOP, ORIGIN), kind(tame, SHOP, ORIGIN)
    assert [len(mail.body.splitlines()) for mail in wrote] == [len(mail.body.splitlines()) for mail in expected]
    assert [mail.subject for mail in wrote] == [mail.subject for mail in expected]


def test_a_letter_that_cannot_be_written_is_left_out_and_the_order_stands(caplog):
    broken = replace(ORDER, locale="no such locale")
    assert letters.letters_for_placed(broken, SHOP, ORIGIN) == []
    assert "The letter placed of order 1001 can't be written: " in caplog.text
    assert "ada" not in caplog.text.lower()
