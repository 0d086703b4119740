"""What a merchant does on the command line: with orders, with the stock, and with files of both."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from shop import server
from shop.catalogue.importing import import_file
from shop.cli import shop as command
from shop.database import Database, outbox
from shop.orders import payment, states, store
from shop.orders.orders import Fulfilment, Order, Payment
from shop.orders.outbox import DELAYS, MOST_ATTEMPTS, send_due
from shop.settings import Settings
from tests.conftest import SHELF
from tests.databases import environ_of
from tests.live import PROJECT, run_shop, shop_environ
from tests.ordering import in_stock, ordering, stock
from tests.stripe_stand_in import StripeStandIn, stripe_stand_in

SECRET_KEY = "a key of the tests alone"


class Merchant:
    """Somebody at a shell, with the shelf's shop."""

    def __init__(self, settings: Settings, **environ: str) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.environ = {**environ_of(settings.data), "SHOP_SECRET_KEY": SECRET_KEY, **environ}

    def types(self, *arguments: object, **environ: str) -> Result:
        """Run `shop` with those arguments; its output goes into a pipe."""
        ours = {name: None for name in os.environ if name.startswith("SHOP_")}
        runner = CliRunner(env={**ours, **self.environ, **environ})
        return runner.invoke(command, list(map(str, arguments)), prog_name="shop", catch_exceptions=False)

    def order(self, number: int) -> Order:
        with self.database.reading() as connection:
            order = store.find_by_number(connection, number)
        assert order
        return order

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Recipient and subject of all that is queued."""
        with self.database.reading() as connection:
            found = connection.execute(sa.select(outbox.c.recipient, outbox.c.subject).order_by(outbox.c.id))
            return [(row.recipient, row.subject) for row in found]


@pytest.fixture
def merchant(settings: Settings):
    merchant = Merchant(settings)
    yield merchant
    merchant.database.close()


@pytest.fixture
def order(merchant: Merchant) -> Order:
    """Two mugs and a shirt for Ada, by invoice."""
    return ordering(merchant.database, {"shirt.blue.m": 1, "mug": 2}, code="TENTH")


def happened(order: Order) -> list[tuple[str, str]]:
    return [(event.what, event.detail) for event in order.events]


def cells(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


# Looking.


def test_orders_are_listed_newest_first_a_line_each(merchant, order):
    ordering(merchant.database, {"mug": 1}, name="Bob")

    second, first = cells(merchant.types("orders", "list"))

    assert second[:5] == ["1002", "2026-12-01T12:00:00Z", "Bob", "1", "17.00"]
    assert first == ["1001", "2026-12-01T12:00:00Z", "Ada Byron", "3", "85.10", "USD", "due", "open", ""]


def test_a_list_shows_what_it_is_asked_for(merchant):
    for _ in range(4):
        ordering(merchant.database, {"mug": 1})
    merchant.types("orders", "paid", 1001)
    merchant.types("orders", "ship", 1002)
    merchant.types("orders", "paid", 1003)
    merchant.types("orders", "cancel", 1003)

    def listed(*options: object) -> list[str]:
        return [row[0] for row in cells(merchant.types("orders", "list", *options))]

    assert listed("--payment", "paid") == ["1003", "1001"]
    assert listed("--fulfilment", "shipped") == ["1002"]
    assert listed("--payment", "due", "--fulfilment", "open") == ["1004"]
    assert listed("--attention") == ["1003"]
    assert listed("--limit", 2) == ["1004", "1003"]
    assert listed("--payment", "refunded") == []


def test_an_order_is_shown_with_lines_and_history(merchant, order):
    states.ship(merchant.database, order.id, order.placed_at + timedelta(hours=1), "DHL 7")

    rows = cells(merchant.types("orders", "show", "#1001"))

    facts = {row[0]: row[1] for row in rows if row[0] not in ("line", "event")}
    assert facts == {
        "number": "1001",
        "placed": "2026-12-01T12:00:00Z",
        "name": "Ada Byron",
        "email": "ada@example.com",
        "address": "Ada Byron, Torstr. 1, 10119 Berlin, Germany",
        "payment": "due (invoice)",
        "fulfilment": "shipped",
        "tracking number": "DHL 7",
        "currency": "USD",
        "subtotal": "89.00",
        "discount": "-8.90 TENTH",
        "shipping": "5.00 Post",
        "tax": "13.59 VAT, included",
        "total": "85.10",
        "receipt": f"/orders/{order.token}",
    }
    assert [row[1:] for row in rows if row[0] == "line"] == [
        ["1", "shirt.blue.m", "Linen Shirt, Blue / M", "", "65.00", "65.00"],
        ["2", "mug", "Mug", "", "12.00", "24.00"],
    ]
    assert [row[1:] for row in rows if row[0] == "event"] == [
        ["2026-12-01T12:00:00Z", "placed", ""],
        ["2026-12-01T13:00:00Z", "shipped", "DHL 7"],
    ]


def test_a_shoppers_name_does_not_steer_the_terminal(merchant):
    ordering(merchant.database, {"mug": 1}, name="Ada\x1b[2J\tByron\n1002\u202e")

    (row,) = cells(merchant.types("orders", "list"))

    assert row[2] == "Ada [2J Byron 1002 "


def test_on_a_terminal_there_are_tables(merchant, order):
    listing = on_a_terminal(merchant, "orders", "list")
    shown = on_a_terminal(merchant, "orders", "show", "1001")
    nothing = on_a_terminal(merchant, "orders", "list", "--attention")

    assert all(word in listing for word in ("Order", "Fulfilment", "1001", "Ada Byron", "│"))
    assert all(word in shown for word in ("Ada Byron", "13.59 VAT, included", "Linen Shirt, Blue / M", "placed"))
    assert nothing == ""


def on_a_terminal(merchant: Merchant, *arguments: str) -> str:
    """What the command shows to somebody who sits at a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    environ = shop_environ(**merchant.environ) | {"COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "shop", *arguments], cwd=PROJECT, env=environ, stdout=theirs, stdin=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""


# Letters.


def test_letters_that_were_given_up_are_listed_and_sent_when_the_merchant_says_so(merchant, order):
    merchant.types("orders", "ship", 1001)
    now = datetime.now(UTC)
    nowhere = replace(merchant.settings, smtp_url="smtp://127.0.0.1:1", mail_from="shop@example.org")
    for _ in range(MOST_ATTEMPTS):
        send_due(merchant.database, nowhere, now, most=1)
        now += max(DELAYS)

    (shipped,) = cells(merchant.types("mail", "list"))
    assert shipped[:2] == ["1001", order.email]
    assert shipped[3:5] == [str(MOST_ATTEMPTS), "given up"]
    assert "refused" in shipped[5]

    assert merchant.types("mail", "again").stdout == "1 letter is to be sent by the server now.\n"
    assert send_due(merchant.database, merchant.settings, datetime.now(UTC)) == 1
    assert cells(merchant.types("mail", "list")) == []


# Noting.


def test_a_paid_and_shipped_order_has_a_history_and_its_letter(merchant, order):
    paid = merchant.types("orders", "paid", 1001)
    shipped = merchant.types("orders", "ship", "#1001", "--tracking", "DHL 7")

    assert (paid.exit_code, paid.stdout) == (0, "Order 1001 is paid.\n")
    assert shipped.exit_code == 0
    assert shipped.stdout.splitlines()[0] == "Order 1001 is shipped."
    after = merchant.order(1001)
    assert (after.payment, after.fulfilment, after.tracking_number) == (Payment.PAID, Fulfilment.SHIPPED, "DHL 7")
    assert happened(after) == [("placed", ""), ("paid", ""), ("shipped", "DHL 7")]
    assert merchant.letters == [("ada@example.com", "Your order 1001 at Crumb is on its way")]


def test_a_cancelled_order_gives_its_stock_back(merchant, order):
    result = merchant.types("orders", "cancel", 1001, "--reason", "she changed her mind")

    assert result.exit_code == 0
    assert (stock(merchant.database, "mug"), stock(merchant.database, "shirt.blue.m")) == (100, 2)
    assert happened(merchant.order(1001))[-1] == ("cancelled", "she changed her mind")
    assert merchant.letters == [("ada@example.com", "Your order 1001 at Crumb was cancelled")]


def test_a_cancelled_order_that_was_paid_asks_for_a_refund(merchant, order):
    merchant.types("orders", "paid", 1001)
    cancelled = merchant.types("orders", "cancel", 1001)
    assert "It needs attention: Cancelled after it was paid: refund it." in cancelled.stdout

    refunded = merchant.types("orders", "refund", 1001, "--reason", "by bank")

    assert refunded.stdout.splitlines()[0] == "Order 1001 is refunded."
    assert "attention" not in refunded.stdout
    after = merchant.order(1001)
    assert (after.payment, after.attention) == (Payment.REFUNDED, "")
    assert happened(after)[-1] == ("refunded", "by bank")
    assert len(merchant.letters) == 2


def test_what_was_looked_at_is_settled(merchant, order):
    merchant.types("orders", "paid", 1001)
    merchant.types("orders", "cancel", 1001)

    assert merchant.types("orders", "settle", 1001).stdout == "Order 1001 is settled.\n"
    assert merchant.types("orders", "settle", 1001).stdout == "Order 1001 needed no attention.\n"
    assert cells(merchant.types("orders", "list", "--attention")) == []


@pytest.mark.parametrize("step", ["paid", "ship", "cancel"])
def test_the_same_again_does_no_harm_and_tells_nobody(merchant, order, step):
    merchant.types("orders", step, 1001)
    before, letters = merchant.order(1001), merchant.letters

    again = merchant.types("orders", step, 1001)

    assert again.exit_code == 0
    assert "already" in again.stdout
    assert (merchant.order(1001), merchant.letters) == (before, letters)


@pytest.mark.parametrize(
    ("done", "asked", "said"),
    [
        ("cancel", "ship", "Order 1001 was cancelled."),
        ("ship", "cancel", "Order 1001 is shipped already."),
        ("ship", "refund", "Order 1001 has not been paid."),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(merchant, order, done, asked, said):
    merchant.types("orders", done, 1001)
    before, letters = merchant.order(1001), merchant.letters

    result = merchant.types("orders", asked, 1001)

    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {said}\n")
    assert (merchant.order(1001), merchant.letters) == (before, letters)


@pytest.mark.parametrize("step", ["show", "paid", "ship", "cancel", "refund", "settle"])
def test_an_unknown_order_is_one_line(merchant, step):
    result = merchant.types("orders", step, 1099)

    assert (result.exit_code, result.stderr) == (1, "Error: There is no order 1099.\n")


@pytest.mark.parametrize("number", ["x", "", "1e3", "١٠٠١", "1" * 13])
def test_what_is_no_number_is_a_wrong_command_line(merchant, number):
    result = merchant.types("orders", "show", number)

    assert result.exit_code == 2
    assert "is not the number of an order, such as 1001" in result.stderr


def test_a_letter_has_the_address_of_the_receipt(merchant, order):
    merchant.types("orders", "ship", 1001, SHOP_ORIGIN="https://shop.example")

    with merchant.database.reading() as connection:
        (body,) = connection.scalars(sa.select(outbox.c.body))
    assert f"https://shop.example/orders/{order.token}" in body


# With a payment provider.


@pytest.fixture(scope="module")
def stripe():
    with stripe_stand_in() as stripe:
        yield stripe


@pytest.fixture
def paying(settings: Settings, stripe: StripeStandIn):
    """The merchant of a shop that takes payments through Stripe."""
    stripe.faults.clear()
    settings = replace(settings, stripe_key=stripe.key, stripe_webhook_secret=stripe.secret, stripe_api=stripe.url)
    merchant = Merchant(
        settings,
        SHOP_STRIPE_KEY=stripe.key,
        SHOP_STRIPE_WEBHOOK_SECRET=stripe.secret,
        SHOP_STRIPE_API=stripe.url,
    )
    yield merchant
    merchant.database.close()


@pytest.fixture
def awaited(paying: Merchant) -> Order:
    """A mug whose shopper is at Stripe's page."""
    now = datetime.now(UTC)
    order = ordering(
        paying.database, {"mug": 1}, now=now, payment_method="stripe", payment_until=now + payment.HOLDS_FOR
    )
    assert payment.begin(paying.database, paying.settings, order, now, receipt_url="https://shop.example/orders/1")
    return paying.order(order.number)


def test_a_cancel_ends_the_payment_first(paying, awaited, stripe):
    result = paying.types("orders", "cancel", awaited.number)

    assert result.exit_code == 0
    assert stripe.sessions[awaited.payment_reference]["status"] == "expired"
    assert paying.order(awaited.number).fulfilment is Fulfilment.CANCELLED
    assert stock(paying.database, "mug") == 100
    assert paying.letters == []  # the order was never confirmed


def test_a_cancel_that_comes_after_the_payment_says_so(paying, awaited, stripe):
    stripe.pay(awaited.payment_reference)

    result = paying.types("orders", "cancel", awaited.number)

    assert result.exit_code == 1
    assert "is paid, as stripe just said" in result.stderr
    after = paying.order(awaited.number)
    assert (after.payment, after.fulfilment) == (Payment.PAID, Fulfilment.OPEN)

    again = paying.types("orders", "cancel", awaited.number)
    assert (again.exit_code, "refund it" in again.stdout) == (0, True)


def test_a_payment_that_a_bank_works_on_is_not_cancelled(paying, awaited, stripe):
    stripe.pay(awaited.payment_reference, by_bank=True)

    result = paying.types("orders", "cancel", awaited.number)

    assert result.exit_code == 1
    assert "a bank still works on its payment" in result.stderr
    assert paying.order(awaited.number).fulfilment is Fulfilment.OPEN


def test_a_provider_that_fails_leaves_the_order(paying, awaited, stripe):
    stripe.faults += ["503", "503"]

    result = paying.types("orders", "cancel", awaited.number)

    assert result.exit_code == 1
    assert "stays as it was: stripe did not end its payment" in result.stderr
    assert paying.order(awaited.number) == awaited


def test_an_order_at_a_provider_that_is_not_set_up_here_is_left(paying, merchant, awaited):
    result = merchant.types("orders", "cancel", awaited.number)

    assert result.exit_code == 1
    assert "it is being paid through stripe, which has no settings here" in result.stderr
    assert paying.order(awaited.number) == awaited


def test_an_order_that_is_paid_by_hand_can_no_longer_be_paid_at_the_provider(paying, awaited, stripe):
    result = paying.types("orders", "paid", awaited.number)

    assert (result.exit_code, result.stderr) == (0, "")
    assert stripe.sessions[awaited.payment_reference]["status"] == "expired"
    after = paying.order(awaited.number)
    assert (after.payment, after.fulfilment, after.attention) == (Payment.PAID, Fulfilment.OPEN, "")
    assert [subject for _, subject in paying.letters] == [f"Your order {awaited.number} at Crumb"]


def test_an_order_that_was_paid_by_hand_and_at_the_provider_asks_for_attention(paying, awaited, stripe):
    stripe.pay(awaited.payment_reference)

    paying.types("orders", "paid", awaited.number)

    assert "Paid a second time" in paying.order(awaited.number).attention


def test_a_provider_that_fails_does_not_keep_an_order_from_being_paid(paying, awaited, stripe):
    stripe.faults += ["503", "503"]

    result = paying.types("orders", "paid", awaited.number)

    assert result.exit_code == 0
    assert "the shopper may still pay there" in result.stderr
    assert paying.order(awaited.number).payment is Payment.PAID


# Files.


def test_orders_are_exported_into_a_pipe(merchant, order):
    result = merchant.types("export", "orders")

    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["Name"], row["Lineitem name"], row["Total"]) for row in rows] == [
        ("#1001", "Linen Shirt - Blue / M", "85.10"),
        ("#1001", "Mug", ""),
    ]


def test_orders_are_exported_as_json_lines(merchant, order):
    ordering(merchant.database, {"mug": 1})

    result = merchant.types("export", "orders", "--format", "jsonl")

    assert [json.loads(line)["number"] for line in result.stdout.splitlines()] == [1001, 1002]


def test_a_shop_without_orders_exports_the_headers(merchant):
    result = merchant.types("export", "orders")

    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert result.stdout.startswith("Name,Email,Financial Status,")


def test_a_file_takes_the_place_of_an_earlier_one_and_is_the_owners_alone(merchant, order, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("earlier")

    result = merchant.types("export", "orders", "--output", path)

    assert result.stdout == f"1 order written to {path}.\n"
    assert path.read_text().startswith("Name,Email,")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not [other for other in tmp_path.iterdir() if other.name.startswith(".orders")]


def test_an_export_that_fails_leaves_the_earlier_file(merchant, order, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("earlier")
    with merchant.database.writing() as connection:
        connection.execute(sa.text('update orders set address = \'{"planet": "Mars"}\''))

    with pytest.raises(TypeError):
        merchant.types("export", "orders", "--output", path)

    assert path.read_text() == "earlier"
    assert not [other for other in tmp_path.iterdir() if other.name.startswith(".orders")]


def test_an_export_goes_to_a_device_as_it_is(merchant, order):
    assert merchant.types("export", "orders", "--output", os.devnull).exit_code == 0
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_is_not_there_is_one_line(merchant, tmp_path):
    path = tmp_path / "nowhere" / "orders.csv"

    result = run_shop("export", "orders", "--output", path, **merchant.environ)

    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"{path}: No such file or directory.\n")


def test_a_reader_that_has_seen_enough_ends_the_export_quietly(merchant):
    command = f"{sys.executable} -m shop export products | head -n 1; exit ${{PIPESTATUS[0]}}"

    result = subprocess.run(
        ["bash", "-c", command],
        cwd=PROJECT,
        env=shop_environ(**merchant.environ),
        capture_output=True,
        text=True,
    )

    assert result.stdout.startswith("Title,URL handle,")
    assert result.stderr == ""


@pytest.mark.parametrize("dialect", ["older", "current"])
def test_an_import_of_exported_products_changes_nothing(merchant, dialect, tmp_path):
    path = tmp_path / "products.csv"

    written = merchant.types("export", "products", "--dialect", dialect, "--output", path)
    again = merchant.types("import", path)

    assert written.stdout == f"10 products written to {path}.\n"
    assert "0 created, 0 updated, 10 unchanged" in again.stdout
    assert "ignored" not in again.stdout


def test_an_export_is_utf8_whatever_the_locale_says(merchant):
    environ = shop_environ(**merchant.environ) | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    result = subprocess.run(
        [sys.executable, "-m", "shop", "export", "products"], cwd=PROJECT, env=environ, capture_output=True
    )

    assert result.returncode == 0
    assert "Чашка для утра" in result.stdout.decode()


# Stock.


def test_low_stock_is_listed_the_scarcest_first(merchant):
    rows = cells(merchant.types("stock", "low", "--below", 2))

    assert rows == [
        ["shirt.white.l", "0", "Linen Shirt, White / L", "", ""],
        ["mantel-clock", "0", "Mantel Clock", "", ""],
        ["carved-chair", "0", "Carved Chair", "", "sells on"],
        ["last-poster", "1", "Last Poster", "", ""],
    ]


def test_a_count_is_set(merchant):
    result = merchant.types("stock", "set", "mantel-clock", 3)

    assert (result.exit_code, result.stdout) == (0, "mantel-clock: 3 in stock, 0 before.\n")
    assert stock(merchant.database, "mantel-clock") == 3
    assert in_stock(merchant.database, "mantel-clock")


@pytest.mark.parametrize(
    ("item", "count", "code"), [("nope", 3, 1), ("postcard", 3, 1), ("mug", -1, 2), ("mug", "x", 2)]
)
def test_a_count_that_cannot_be_set_is_one_line(merchant, item, count, code):
    result = merchant.types("stock", "set", "--", item, count)

    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert stock(merchant.database, "mug") == 100


# A shop of a file.


@pytest.mark.sqlite  # where each catalogue has a file of its own
def test_the_shop_of_a_catalogue_is_reached_by_its_file(merchant):
    before = merchant.types("stock", "--catalogue", SHELF, "low")
    assert (before.exit_code, before.stderr.splitlines()[-1][:27]) == (1, "Error: Nothing has served s")

    theirs = Database(server.with_database_of(merchant.settings, SHELF).database_url)
    theirs.migrate()
    import_file(theirs, SHELF, merchant.settings)
    result = merchant.types("stock", "--catalogue", SHELF, "set", "mug", 5)

    assert (result.exit_code, stock(theirs, "mug"), stock(merchant.database, "mug")) == (0, 5, 100)
    assert cells(merchant.types("orders", "--catalogue", SHELF, "list")) == []
    assert merchant.types("orders", "--catalogue", "no.csv", "list").exit_code == 2
    theirs.close()


def test_a_mistake_in_the_terms_stops_the_start(merchant, tmp_path):
    terms = tmp_path / "terms.toml"
    terms.write_text("[[shipping]]\nid = 7\n")

    result = run_shop("serve", **merchant.environ, SHOP_TERMS=str(terms))

    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert result.stderr.startswith("terms.toml:2: ")


@pytest.mark.parametrize(
    "words",
    [
        ["orders"],
        *(["orders", each] for each in ("list", "show", "paid", "ship", "cancel", "refund", "settle")),
        ["export"],
        *(["export", each] for each in ("orders", "products")),
        ["stock"],
        *(["stock", each] for each in ("low", "set")),
    ],
    ids=" ".join,
)
def test_each_command_explains_itself(merchant, words):
    result = merchant.types(*words, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: shop {' '.join(words)} ")
    assert len(result.stdout.splitlines()) > 5
