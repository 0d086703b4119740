"""The language of a page: chosen by a switch, by an address, by the browser; and what is written by its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import HTMX, OWN, both_ways, set_cart, soup, text

RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}


def choose(client, code: str, page: str = "/"):
    return client.post("/language", data={"language": code, "page": page}, headers=OWN)


def spoken(answer) -> str:
    """The language that a page says it is in, after making sure that its own words are in it."""
    page = soup(answer)
    assert (
        page.select_one(".skip-link").text
        == {"en": "Skip to the content", "ru": "Перейти к содержанию"}[page.html["lang"]]
    )
    return page.html["lang"]


def switch(answer) -> dict[str, str]:
    """What the page's switch sends back: the page to come back to, and the language that is current."""
    form = soup(answer).select_one("form#language-switch")
    return {
        "page": form.select_one("[name=page]")["value"],
        "current": form.select_one("button[aria-current]")["value"],
    }


@pytest.fixture
def configured(app):
    """`configured(locale="de_DE")`: a browser in this shop with those settings."""

    def configured(**changes):
        shop = app.extensions["shop"]
        app.extensions["shop"] = replace(shop, settings=replace(shop.settings, **changes))
        return app.test_client()

    return configured


def test_the_switch_changes_the_language_and_comes_back(client):
    before = client.get("/products?sort=newest&tag=tea&tag=%D1%87%D0%B0%D0%B9")
    assert (spoken(before), switch(before)["current"]) == ("en", "en")

    answer = choose(client, "ru", switch(before)["page"])

    assert answer.status_code == 303
    assert answer.location == "/products?sort=newest&tag=tea&tag=%D1%87%D0%B0%D0%B9"
    cookie = client.get_cookie("language")
    assert (cookie.value, cookie.http_only, cookie.same_site) == ("ru", True, "Lax")
    after = client.get(answer.location)
    assert (spoken(after), switch(after)["current"]) == ("ru", "ru")
    assert text(client.get("/"), "#shopper") == "Покупает: Гость"

    choose(client, "en")
    assert spoken(client.get("/", headers=RUSSIAN)) == "en"


def test_the_switch_is_readable_to_those_who_need_it(client):
    buttons = soup(client.get("/")).select("#language-switch button")
    assert [(button.text, button["lang"]) for button in buttons] == [("English", "en"), ("Русский", "ru")]


def test_the_browser_asks_for_a_language(client):
    answer = client.get("/", headers=RUSSIAN)

    assert spoken(answer) == "ru"
    assert "Set-Cookie" not in answer.headers
    assert {"Accept-Language", "Cookie"} <= set(answer.vary)
    assert spoken(client.get("/", headers={"Accept-Language": "fr"})) == "en"
    assert spoken(client.get("/")) == "en"  # and nothing is left of the visitor before


def test_an_address_may_ask_for_a_language(client):
    answer = client.get("/products/mug?language=ru&variant=mug")

    assert spoken(answer) == "ru"
    assert "Set-Cookie" not in answer.headers
    assert switch(answer)["page"] == "/products/mug?variant=mug"
    assert spoken(client.get("/products/mug")) == "en"
    choose(client, "ru")
    assert spoken(client.get("/?language=en")) == "en"


@pytest.mark.parametrize("code", ["xx", "RU", "", "../ru", "en_US"])
def test_an_unknown_language_is_passed_over(client, code):
    assert spoken(client.get("/", query_string={"language": code})) == "en"
    client.set_cookie("language", code)
    assert spoken(client.get("/", headers=RUSSIAN)) == "ru"

    answer = choose(client, code)

    assert answer.status_code == 422
    assert "must be one of en, ru" in text(answer, "main p:not(:has(a))")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "page",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        " //evil.example",
        "/\t/evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/ok\r\nX-Injected: 1",
        "/" + "a" * 3000,
    ],
)
def test_the_switch_leads_nowhere_else(client, page):
    answer = choose(client, "ru", page)

    assert (answer.status_code, answer.location) == (303, "/")
    assert "X-Injected" not in answer.headers


def test_a_switch_from_elsewhere_changes_nothing(client):
    answer = client.post("/language", data={"language": "en"}, headers={"Sec-Fetch-Site": "cross-site", **RUSSIAN})

    assert answer.status_code == 403
    assert text(answer, "h1") == "Форма отправлена с другого сайта"
    assert client.get_cookie("language") is None


def test_refusals_and_missing_pages_are_in_the_visitors_language(client):
    missing = client.get("/products/no-such-thing", headers=RUSSIAN)
    assert (missing.status_code, spoken(missing)) == (404, "ru")
    assert "Такого товара нет." in missing.text
    refused = client.get("/products?page=x", headers=RUSSIAN)
    assert (refused.status_code, spoken(refused)) == (400, "ru")


def test_after_a_form_was_refused_the_switch_comes_back_to_the_page_it_was_on(client):
    refused = client.post(
        "/users", data={"name": ""}, headers={**OWN, "Referer": "http://localhost/users/new?language=ru&term=x"}
    )
    assert (refused.status_code, switch(refused)["page"]) == (422, "/users/new?term=x")

    for referrer in ("", "http://[", "about:blank"):
        refused = client.post("/users", data={"name": ""}, headers={**OWN, "Referer": referrer})
        assert choose(client, "en", switch(refused)["page"]).location.startswith("/")


@both_ways
def test_forms_are_answered_in_the_visitors_language(client, headers):
    choose(client, "ru")
    answer = client.post("/cart-items", data={"item": "mug", "quantity": "2"}, headers=headers)
    said = answer if headers is HTMX else client.get(answer.location)
    assert text(said, ".message p") == "Добавлено в корзину: Mug, теперь 2 шт."


def test_htmx_is_answered_in_the_language_of_the_page_on_screen(client):
    on_screen = {**HTMX, "HX-Current-URL": "http://localhost/products/mug?language=ru"}
    answer = client.post("/cart-items", data={"item": "mug"}, headers=on_screen)

    assert text(answer, ".message p") == "Добавлено в корзину: Mug."
    answer = client.post("/cart-items", data={"item": "mug"}, headers=HTMX)
    assert text(answer, ".message p") == "2 of Mug are in your cart."
    for nonsense in ("http://[", "http://localhost/?language=xx", "%"):
        client.post("/cart-items", data={"item": "mug"}, headers={**HTMX, "HX-Current-URL": nonsense})


def test_others_are_not_answered_in_the_language_of_a_page_on_screen(client):
    """They share what is kept: nobody may say in which language the others get it."""
    on_screen = {"HX-Current-URL": "/?language=ru"}
    for headers in (on_screen, on_screen, {}):
        assert soup(client.get("/products?sort=newest", headers=headers)).html["lang"] == "en"


def test_amounts_dates_and_counts_follow_the_language(client):
    set_cart(client, '{"mug":99,"clay-teapot":12}')
    assert text(client.get("/cart"), "#cart-subtotal .money") == "$1,596.00"
    assert text(client.get("/products"), ".listing-count").split()[1] == "products"

    choose(client, "ru")

    assert text(client.get("/cart"), "#cart-subtotal .money") == "1 596,00 $"
    assert text(client.get("/cart"), "#cart-subtotal span") == "111 товаров на сумму"
    assert text(client.get("/products/mug"), ".product-price .money") == "12,00 $"
    budget = soup(client.get("/cookies")).find("meter").parent.get_text(" ", strip=True)
    assert budget.endswith("из 2\xa0000 байт")


def test_a_shop_writes_amounts_in_its_own_locale(configured):
    german = configured(locale="de_DE", currency="EUR")
    assert spoken(german.get("/")) == "en"
    assert text(german.get("/products/mug"), ".product-price .money") == "12,00 €"


def test_a_russian_shop_speaks_russian_unless_asked(configured):
    russian = configured(locale="ru_RU", currency="RUB")
    assert spoken(russian.get("/")) == "ru"
    assert text(russian.get("/products/mug"), ".product-price .money") == "12,00 ₽"
    assert spoken(russian.get("/", headers={"Accept-Language": "en"})) == "en"


def test_a_shop_of_one_language_has_no_switch(configured):
    english = configured(languages=("en",))
    page = english.get("/?language=ru", headers=RUSSIAN)

    assert spoken(page) == "en"
    assert not soup(page).select("#language-switch")
    assert choose(english, "ru").status_code == 422


def test_the_chosen_language_is_listed_and_erased(client):
    choose(client, "ru")
    assert "Язык, который вы выбрали." in client.get("/cookies").text

    client.post("/cookies/delete", data={"name": "language"}, headers=OWN)

    assert client.get_cookie("language") is None
    assert spoken(client.get("/")) == "en"
