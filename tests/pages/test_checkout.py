"""From the cart to the receipt: `/checkout` and `/orders`, plain and with htmx."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from shop.database import order_lines, orders, outbox, variants
from shop.money import Currency
from shop.orders.terms import read_terms
from tests.conftest import HTMX, OWN, both_ways, cart_cookie, set_cart, soup, text

ANN = {
    "name": "Ann Lee",
    "email": "ann@example.org",
    "country": "US",
    "line1": "1 Main Street",
    "city": "Springfield",
    "region": "IL",
    "postcode": "62704",
}


def fields(page) -> dict[str, str]:
    """What a browser would send with the checkout form of that page as it stands."""
    sent = {}
    for field in page.select("#checkout input[name], #checkout select[name]"):
        if field.name == "select":
            chosen = field.select_one("option[selected]")
            sent[field["name"]] = chosen["value"] if chosen else ""
        elif field.get("type") not in ("radio", "checkbox") or field.has_attr("checked"):
            sent[field["name"]] = field.get("value", "")
    return sent


@pytest.fixture
def filled(client):
    """A cart of two teapots and a mug, and the checkout form filled in by Ann."""
    set_cart(client, '{"clay-teapot":2,"mug":1}')
    return fields(soup(client.get("/checkout"))) | ANN


def count(database, table) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def set_variant(database, item, **values) -> None:
    with database.writing() as connection:
        connection.execute(sa.update(variants).where(variants.c.item == item).values(**values))


def test_an_empty_cart_has_nothing_to_check_out(client):
    answer = client.get("/checkout")

    assert (answer.status_code, answer.location) == (303, "/cart")


def test_the_cart_leads_to_the_checkout(client):
    set_cart(client, '{"mug":1}')

    assert soup(client.get("/cart")).select_one("#cart-summary a[href='/checkout']")


def test_the_checkout_shows_what_is_ordered_and_sets_no_cookie(client):
    set_cart(client, '{"clay-teapot":2,"mantel-clock":1}')
    answer = client.get("/checkout")
    page = soup(answer)

    assert "2 × Clay Teapot" in page.select_one("#checkout-summary").text
    assert "Sold out." in page.select_one("#checkout-summary .cart-line-problem").text
    assert [line.text for line in page.select("h1 + #checkout-shortages li")] == ["Mantel Clock: Sold out."]
    assert page.select_one(".order-total .money").text == "$68.00"
    assert "Set-Cookie" not in answer.headers


def test_an_order_is_placed_and_shown(client, database, filled, find):
    answer = client.post("/orders", data=filled, headers=OWN)
    assert answer.status_code == 303

    receipt = client.get(answer.location)
    assert text(receipt, "h1") == "Thank you."
    assert "We write to ann@example.org about this order." in text(receipt, ".receipt header")
    assert text(receipt, "#receipt-payment + p") == "On delivery or by invoice"
    assert "Order 1001" in text(receipt, ".receipt header")
    assert "Ann Lee 1 Main Street Springfield, IL 62704 United States" in text(receipt, ".receipt address")
    assert text(receipt, ".order-total .money") == "$80.00"
    assert receipt.headers["Cache-Control"] == "no-store"
    assert cart_cookie(client) is None
    assert find("clay-teapot").stock == 10
    assert count(database, outbox) >= 1


def test_a_list_of_orders_that_cannot_be_read_says_so(client):
    client.set_cookie("session", "x.y.z")
    answer = client.get("/orders")

    assert "could not be read" in text(answer, "main")
    assert "Set-Cookie" not in answer.headers


def test_the_order_is_listed_in_this_browser_and_in_no_other(app, client, filled):
    location = client.post("/orders", data=filled, headers=OWN).location

    assert soup(client.get("/orders")).select_one(f"a[href='{location}']").text == "Order 1001"
    assert "No orders yet" in text(app.test_client().get("/orders"), "main")


def test_an_order_can_be_put_into_the_cart_again(client, filled):
    client.post("/orders", data=filled, headers=OWN)
    form = soup(client.get("/orders")).select_one(".order-row form")
    client.post(form["action"], data={field["name"]: field["value"] for field in form.select("input")}, headers=OWN)

    assert json.loads(cart_cookie(client)) == {"clay-teapot": 2, "mug": 1}


def test_the_same_form_again_is_the_same_order(client, database, filled, find):
    first = client.post("/orders", data=filled, headers=OWN)
    set_cart(client, '{"mug":5}')
    again = client.post("/orders", data=filled, headers=OWN)

    assert again.location == first.location
    assert count(database, orders) == 1
    assert find("clay-teapot").stock == 10
    assert cart_cookie(client) == '{"mug":5}'  # what was put there since stays


def test_a_retry_after_a_lost_answer_empties_the_cart(app, client, database, filled):
    lost = app.test_client()
    set_cart(lost, '{"clay-teapot":2,"mug":1}')
    lost.post("/orders", data=filled, headers=OWN)
    answer = client.post("/orders", data=filled, headers=OWN)  # this browser never saw that answer

    assert answer.status_code == 303
    assert count(database, orders) == 1
    assert cart_cookie(client) is None


CHANGES = {
    "a price": ({"price": 3500}, "Clay Teapot: now $35.00, no longer $34.00."),
    "stock": ({"stock": 1}, "Clay Teapot: Only 1 left; you asked for 2."),
    "the last one": ({"stock": 0}, "Clay Teapot: Sold out."),
}


@pytest.mark.parametrize(("changed", "said"), CHANGES.values(), ids=CHANGES)
def test_what_changed_is_said_and_nothing_is_placed(client, database, filled, changed, said):
    set_variant(database, "clay-teapot", **changed)
    answer = client.post("/orders", data=filled, headers=OWN)
    page = soup(answer)

    assert answer.status_code == 409
    assert said in [change.text for change in page.select("#checkout-changes li")]
    assert page.select_one("#checkout-changes button[form=checkout]").text == "Order it like this"
    assert page.select_one("#checkout-name")["value"] == "Ann Lee"
    assert count(database, orders) == 0
    assert json.loads(cart_cookie(client)) == {"clay-teapot": 2, "mug": 1}


def test_a_change_can_be_accepted_with_one_button(client, database, filled):
    set_variant(database, "clay-teapot", price=3500)
    page = soup(client.post("/orders", data=filled, headers=OWN))
    answer = client.post("/orders", data=fields(page), headers=OWN)

    assert answer.status_code == 303
    assert text(client.get(answer.location), ".order-total .money") == "$82.00"


@pytest.mark.parametrize("total", ["", "0", "1", "-5", "8000.00", "1e9", "٨", "x" * 400])
def test_a_total_that_is_not_true_places_nothing(client, database, filled, total):
    answer = client.post("/orders", data=filled | {"total": total}, headers=OWN)

    assert answer.status_code == 409
    assert count(database, orders) == 0


@pytest.mark.parametrize("seen", ["", "nonsense", "[]", "{}", '{"lines":{"clay-teapot":[2,1]}}', "[" * 5000])
def test_no_price_is_trusted_from_the_form(client, database, filled, seen):
    answer = client.post("/orders", data=filled | {"seen": seen}, headers=OWN)

    assert answer.status_code in (303, 409)
    with database.reading() as connection:
        prices = connection.execute(sa.select(order_lines.c.price).order_by(order_lines.c.item)).scalars().all()
    assert prices in ([], [3400, 1200])


BAD_FIELDS = {
    "no name": ({"name": " "}, "name", "Enter a name"),
    "a long name": ({"name": "x" * 101}, "name", "Keep this to 100 characters"),
    "no email": ({"email": ""}, "email", "Enter an email address"),
    "no address of that kind": ({"email": "ann@"}, "email", "Enter an email address"),
    "no street": ({"line1": ""}, "line1", "Enter the street and number."),
    "no city": ({"city": ""}, "city", "Enter the city."),
    "no state": ({"region": ""}, "region", "Enter the state."),
    "another country's state": ({"region": "Bavaria"}, "region", "Choose the state from the list."),
    "a bad ZIP code": ({"postcode": "1"}, "postcode", "Check the ZIP code: one looks like 95014."),
    "no country": ({"country": ""}, "country", "Choose the country"),
    "no such country": ({"country": "XX"}, "country", "Choose the country"),
    "a street too long": ({"line1": "x" * 200}, "line1", "Keep this to 120 characters."),
}


@pytest.mark.parametrize(("typed", "name", "said"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_said_beside_it_and_what_was_typed_is_kept(client, database, filled, typed, name, said):
    answer = client.post("/orders", data=filled | typed, headers=OWN)
    page = soup(answer)
    field = page.select_one(f"#checkout [name={name}]")

    assert answer.status_code == 422
    assert field["aria-invalid"] == "true"
    assert said in page.select_one(f"#{field['aria-describedby']}").text
    assert page.select_one("#checkout-email")["value"] == (typed | filled)["email"] or "email" in typed
    assert fields(page)["nonce"] == filled["nonce"]
    assert count(database, orders) == 0
    assert json.loads(cart_cookie(client)) == {"clay-teapot": 2, "mug": 1}


def test_a_code_that_does_not_count_is_said_beside_it_and_the_form_can_be_sent_without_it(client, database, filled):
    answer = client.post("/orders", data=filled | {"code": "NOPE"}, headers=OWN)
    page = soup(answer)
    field = page.select_one("#checkout-code")

    assert answer.status_code == 422
    assert (field["value"], field["aria-invalid"]) == ("NOPE", "true")
    assert "There is no code NOPE." in page.find(id=field["aria-describedby"]).text
    assert not page.select_one("#checkout-changes")
    assert count(database, orders) == 0
    assert client.post("/orders", data=fields(page) | {"code": ""}, headers=OWN).status_code == 303


def test_a_country_that_nothing_ships_to_is_said_beside_it(app, client, database, filled, tmp_path):
    path = tmp_path / "terms.toml"
    path.write_text('[[shipping]]\nid = "post"\ntitle = "Post"\nprice = "5"\ncountries = ["DE"]\n')
    app.extensions["shop"] = replace(app.extensions["shop"], terms=read_terms(path, Currency("USD")))
    answer = client.post("/orders", data=filled, headers=OWN)
    page = soup(answer)
    field = page.select_one("#checkout-country")

    assert answer.status_code == 422
    assert "We can't ship" in page.find(id=field["aria-describedby"]).text.replace("’", "'")
    assert page.select_one("#checkout-name")["value"] == "Ann Lee"
    assert count(database, orders) == 0


def test_what_costs_nothing_is_offered_the_one_way_that_takes_it(app, client, database, tmp_path):
    path = tmp_path / "terms.toml"
    path.write_text('[[shipping]]\nid = "post"\ntitle = "Post"\nprice = "0"\n')
    before = app.extensions["shop"]
    settings = replace(before.settings, stripe_key="sk_test", stripe_webhook_secret="whsec_test")
    app.extensions["shop"] = replace(before, settings=settings, terms=read_terms(path, Currency("USD")))
    set_variant(database, "mug", price=0)
    set_cart(client, '{"mug":1}')
    page = soup(client.get("/checkout"))

    assert [method["value"] for method in page.select("[name=payment]")] == ["invoice"]
    assert fields(page)["payment"] == "invoice"
    assert page.select_one("#place-order").text == "Place the order: $0.00"
    unasked = {name: value for name, value in fields(page).items() if name != "payment"}
    assert client.post("/orders", data=unasked | ANN, headers=OWN).status_code == 303


@both_ways
def test_the_state_that_somebody_registered_with_is_found_in_the_list(client, headers):
    person = {"name": "Bo", "email": "bo@example.org", "country": "US", "region": "new york", "line1": "1 Elm St"}
    client.post("/users", data=person, headers=headers)
    choose = soup(client.get("/users")).select_one("#user-list input[name=user]")
    client.post("/shopper", data={"user": choose["value"]}, headers=headers)
    set_cart(client, '{"mug":1}')

    assert fields(soup(client.get("/checkout")))["region"] == "NY"


def test_who_is_registered_already_is_told_that_nothing_of_it_changed(client, filled):
    client.post("/users", data={"name": "Ann", "email": ANN["email"]}, headers=OWN)
    answer = client.post("/orders", data=filled | {"register": "1"}, headers=OWN)

    assert answer.status_code == 303
    assert "You are registered in this browser already." in text(client.get(answer.location), "#messages")


def test_a_cart_of_nothing_that_can_be_bought_offers_no_order(client):
    set_cart(client, '{"mantel-clock":2}')
    page = soup(client.get("/checkout"))

    assert not page.select_one("#place-order")
    assert page.select_one("#checkout-summary a[href='/cart']")


def test_a_long_name_comes_back_whole(client, filled):
    page = soup(client.post("/orders", data=filled | {"name": "x" * 700}, headers=OWN))

    assert page.select_one("#checkout-name")["value"] == "x" * 700


@pytest.mark.parametrize("payment", ["", "gold", "stripe"])
def test_a_way_to_pay_that_is_not_there_is_refused(client, database, filled, payment):
    answer = client.post("/orders", data=filled | {"payment": payment}, headers=OWN)

    assert answer.status_code == (303 if payment == "" else 422)
    assert count(database, orders) == (1 if payment == "" else 0)


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "with spaces in it all", "../../../../etc/passwd"])
def test_a_nonce_of_another_kind_gets_a_new_one_and_places_nothing(client, database, filled, nonce):
    answer = client.post("/orders", data=filled | {"nonce": nonce}, headers=OWN)
    page = soup(answer)

    assert answer.status_code == 422
    assert len(fields(page)["nonce"]) == 24
    assert count(database, orders) == 0
    assert client.post("/orders", data=fields(page), headers=OWN).status_code == 303


def test_an_order_of_nothing_is_refused(client, database, filled):
    client.delete_cookie("cart")
    answer = client.post("/orders", data=filled, headers=OWN)

    assert answer.status_code == 409
    assert count(database, orders) == 0


# In Russian

RUSSIAN = {**OWN, "Accept-Language": "ru"}


def test_a_russian_shopper_is_told_in_russian_what_is_wrong(client, filled):
    answer = client.post("/orders", data=filled | {"name": "", "postcode": "1", "code": "NOPE"}, headers=RUSSIAN)
    page = soup(answer)

    assert answer.status_code == 422
    assert "Укажите имя" in page.select_one("#checkout-name-error").text
    assert "Проверьте почтовый индекс" in page.select_one("#checkout-postcode-error").text
    assert "NOPE нет" in page.select_one("#checkout-code-problem").text
    assert page.select_one("#checkout-country option[selected]").text == "Соединенные Штаты"

    at_home = soup(client.post("/orders", data=filled | {"update": "1", "country": "RU"}, headers=RUSSIAN))
    assert "Московская область" in [option.text for option in at_home.select("#checkout-region option")]


def test_what_changed_is_said_in_russian(client, database, filled):
    set_variant(database, "clay-teapot", price=3500, stock=1)
    page = soup(client.post("/orders", data=filled, headers=RUSSIAN))

    said = page.select_one("#checkout-changes li").text.replace("\xa0", " ")
    assert "теперь 35,00 $ вместо 34,00 $" in said
    assert "только 1" in said


def test_an_order_keeps_the_language_it_was_placed_in(client, database, filled):
    location = client.post("/orders", data=filled, headers=RUSSIAN).location

    with database.reading() as connection:
        assert connection.execute(sa.select(orders.c.locale)).scalar_one() == "ru"
        assert connection.execute(sa.select(outbox.c.subject)).scalar_one().startswith("Ваш заказ 1001")
    russian, english = client.get(location, headers=RUSSIAN), client.get(location)
    for selector in (".receipt header", ".receipt .events"):  # where it stands, and what happened
        assert "Оформлен" in text(russian, selector)
        assert "Placed" in text(english, selector)


# Updating without ordering


def test_the_button_updates_without_ordering(client, database, filled):
    answer = client.post("/orders", data=filled | {"update": "1", "country": "DE", "name": ""}, headers=OWN)
    page = soup(answer)

    assert answer.status_code == 200
    assert page.select_one("#checkout-country option[selected]")["value"] == "DE"
    assert not page.select("#checkout-region")  # German addresses have none
    assert page.select_one("#checkout-email")["value"] == "ann@example.org"
    assert not [error for error in page.select(".field-error") if error.text]
    assert count(database, orders) == 0


def test_htmx_gets_the_parts_that_a_country_changes(client, filled):
    answer = soup(client.post("/orders", data=filled | {"update": "1", "country": "CA"}, headers=HTMX))

    assert [partial["hx-target"] for partial in answer.select("hx-partial")] == [
        "#checkout-address",
        "#checkout-shipping",
        "#checkout-payment",
        "#checkout-lines",
        "#checkout-code-problem",
        "#checkout-totals",
        "#checkout-action",
        "#messages",
    ]
    assert "Province" in answer.select_one("label[for=checkout-region]").text


def test_another_way_to_ship_changes_the_total(client):
    set_cart(client, '{"mug":1}')
    page = soup(client.get("/checkout"))
    standard, express = (radio["value"] for radio in page.select("[name=shipping]"))
    totals = [
        soup(client.post("/orders", data=fields(page) | {"update": "1", "shipping": shipping}, headers=OWN))
        .select_one(".order-total .money")
        .text
        for shipping in (standard, express)
    ]

    assert len(set(totals)) == 2


def test_a_code_that_does_not_count_says_why(client, filled):
    page = soup(client.post("/orders", data=filled | {"update": "1", "code": "NOPE"}, headers=OWN))

    assert page.select_one("#checkout-code")["value"] == "NOPE"
    assert page.select_one("#checkout-code-problem").text


# Who


def test_the_shopper_is_filled_in(client):
    client.post("/users", data=ANN, headers=OWN)
    user = client.get("/cookies.json").json["users"]["decoded"][0]["id"]
    client.post("/shopper", data={"user": user}, headers=OWN)
    set_cart(client, '{"mug":1}')
    page = soup(client.get("/checkout"))

    assert {name: value for name, value in fields(page).items() if name in ANN} == ANN
    assert not page.select("[name=register]")


def test_a_guest_can_be_registered_with_the_order(client, filled):
    client.post("/orders", data=filled | {"register": "1"}, headers=OWN)

    assert "Ann Lee" in text(client.get("/users"), "#user-list")


def test_a_guest_who_does_not_ask_for_it_is_not_registered(client, filled):
    client.post("/orders", data=filled, headers=OWN)

    assert "Nobody is registered" in text(client.get("/users"), "#user-list")


@pytest.mark.parametrize("token", ["nothing", "x" * 300, "1001", "%00", "' or 1=1 --"])
def test_an_unknown_order_is_not_found(client, token):
    answer = client.get(f"/orders/{token}")

    assert answer.status_code == 404
    assert soup(answer).select_one("main a[href='/products']")


def test_nothing_personal_is_readable_in_a_cookie(client, filled):
    client.post("/orders", data=filled | {"register": "1"}, headers=OWN)
    shown = client.get_cookie("session").value + client.get_cookie("users").value

    assert len("session") + len(client.get_cookie("session").value) <= 600
    for personal in ("Ann Lee", "ann@", "Main St", "62704"):  # shorter ones may be in what is encrypted, by chance
        assert personal not in shown
