"""Narrowing, sorting and lengthening a list of products, and the suggestions under the search box."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from shop.catalogue.indexing import reindex
from shop.database import products
from tests.conftest import HTMX, soup, text


def titles(answer) -> list[str]:
    return [element.get_text() for element in soup(answer).select(".product-card-title")]


def counts(answer, facet: str) -> dict[str, str]:
    """What a filter offers: titles and counts, as read."""
    boxes = soup(answer).select(f"input[type=checkbox][name='{facet}']")
    labels = [soup(answer).select_one(f"label[for='{box['id']}']") for box in boxes]
    return {label.bdi.get_text(): label.select_one(".quiet").get_text() for label in labels}


def chips(answer) -> dict[str, str]:
    """Filters that are set, and where the list without each is."""
    return {chip.bdi.get_text(): chip["href"] for chip in soup(answer).select(".chip-chosen")}


def test_values_of_a_filter_widen_it_and_filters_narrow_each_other(client):
    one = client.get("/products", query_string={"vendor": "fern pottery"})
    assert titles(one) == ["Clay Teapot", "Mug", "Café crème bowl"]

    either = client.get("/products", query_string={"vendor": ["fern pottery", "inkwell"], "tag": "gift"})
    assert titles(either) == ["Clay Teapot", "Last Poster", "Postcard"]
    # Under the tag, each vendor would add this many; under the vendors, each tag would leave this many.
    assert counts(either, "vendor") == {"Inkwell": "2", "Fern Pottery": "1"}
    assert counts(either, "tag") == {"gift": "3", "everyday": "2", "tea": "2"}


def test_option_values_availability_and_prices_are_filters(client):
    assert titles(client.get("/products?option.color=blue")) == ["Linen Shirt"]
    assert titles(client.get("/products?availability=sold-out")) == ["Mantel Clock"]
    assert titles(client.get("/products?price-from=9,50&price-to=18")) == ["Mug", "Last Poster", "Café crème bowl"]
    assert titles(client.get("/products?price-from=300")) == ["Carved Chair"]


def test_what_everything_in_a_list_has_is_no_filter_until_it_is_chosen(client):
    for query in ("", "?tag=gift"):
        kitchen = soup(client.get(f"/collections/kitchen{query}"))
        assert kitchen.select("#filter-tag")
        assert not kitchen.select("#filter-type, #filter-vendor, #filter-availability")

    assert soup(client.get("/collections/kitchen?type=kitchen")).select("#filter-type")


def test_a_chip_takes_its_filter_off_and_leaves_the_rest(client):
    answer = client.get("/products?vendor=fern+pottery&tag=tea&price-to=20&sort=title")
    assert titles(answer) == ["Mug"]
    assert set(chips(answer)) == {"Fern Pottery", "tea", "Up to $20.00"}

    without = chips(answer)["Fern Pottery"]
    assert parse_qs(urlsplit(without).query) == {"tag": ["tea"], "price-to": ["20"], "sort": ["title"]}
    everything = soup(answer).find("a", string="Clear all")["href"]
    assert everything == "/products?sort=title"


def test_the_boxes_show_what_is_chosen_and_send_it_without_javascript(client):
    form = soup(client.get("/search?q=a&vendor=inkwell&vendor=nobody")).select_one("#listing-form")

    assert [box["value"] for box in form.select("input[name=vendor][checked]")] == ["inkwell", "nobody"]
    assert form.select_one("input[name=q]")["value"] == "a"
    assert form["method"] == "get"
    assert form.select_one("button[type=submit]")


def test_what_nothing_fits_offers_the_way_back(client):
    answer = client.get("/collections/kitchen?vendor=inkwell")

    assert text(answer, ".empty-title") == "Nothing fits."
    assert soup(answer).select_one(".empty a")["href"] == "/collections/kitchen"
    assert chips(answer) == {"Inkwell": "/collections/kitchen"}


@pytest.mark.parametrize("value", ["no-such", "'", "%", "x" * 3000, "слон", "\0", "=" * 50])
def test_any_value_of_any_filter_is_safe(client, value):
    for name in ("tag", "vendor", "type", "availability", "option.color", "option.", "option.no-such"):
        answer = client.get("/products", query_string={name: [value, value]})
        assert answer.status_code == 200
        assert titles(answer) == [] or not chips(answer)


@pytest.mark.parametrize(
    "query",
    [
        {f"option.{n}" + "x" * 1400: "v" for n in range(40)},
        {f"option.{n}" + "x" * 200: "v" for n in range(40)},
        {"tag": [f"{n}" + "🫖" * 100 for n in range(40)]},
        {"tag": [f"{n}" for n in range(40)], "language": "x" * 60_000},
    ],
    ids=["long names", "names", "values", "language"],
)
def test_a_long_address_makes_no_page_of_megabytes(client, query):
    answer = client.get("/products", query_string=query)

    assert answer.status_code == 200
    assert len(answer.data) < 250_000


def test_as_many_filters_as_anybody_ticks_are_all_kept(client):
    sizes = [f"размер {n}" for n in range(40)]
    query = {"option.размер": sizes[:25], "tag": ["tea", "gift"], "language": "ru"}
    answer = client.get("/products", query_string=query)

    assert list(chips(answer)) == [*sizes[:25], "tea", "gift"]
    without = parse_qs(urlsplit(chips(answer)["gift"]).query)
    assert without == {"option.размер": sizes[:25], "tag": ["tea"], "language": ["ru"]}
    assert len(chips(client.get("/products", query_string={"tag": sizes}))) == 40


@pytest.mark.parametrize("price", ["cheap", "-1", "1e3", "٣", "<b>"])
def test_a_price_that_is_none_is_said_beside_its_field_and_stays_there(client, price):
    answer = client.get("/products", query_string={"price-from": price, "tag": "gift"})

    assert answer.status_code == 400
    field = soup(answer).select_one("#price-from")
    assert field["value"] == price[:20]
    assert field["aria-describedby"] == "price-error"
    assert text(answer, "#price-error") == "Type prices in digits, such as 19.99."
    assert titles(answer) == ["Clay Teapot", "Last Poster", "Postcard"]
    assert soup(answer).select_one("#cart-count")


@pytest.mark.parametrize(
    ("lowest", "highest", "said"),
    [
        ("1.234", "", "Type prices with at most 2 decimals."),
        ("", "0.001", "Type prices with at most 2 decimals."),
        ("", "100000000", "Type prices of at most $99,999,999.99."),
        ("9" * 30, "", "Type prices of at most $99,999,999.99."),
        ("50", "10", "“From” is above “To”: swap them, or empty one."),
    ],
)
def test_what_is_wrong_with_prices_is_said_where_it_can_be_seen(client, lowest, highest, said):
    answer = client.get("/products", query_string={"price-from": lowest, "price-to": highest})

    assert answer.status_code == 400
    page = soup(answer)
    assert text(answer, "#price-error") == said
    assert page.select_one("#filters").has_attr("open")
    assert page.select_one("#price-from")["value"] == lowest[:20]
    assert page.select_one("#price-to")["value"] == highest
    assert len(titles(answer)) > 3
    assert not soup(client.get("/products?price-from=10&price-to=10")).select("#price-error, #filters[open]")


@pytest.mark.parametrize("query", ["until=0", "until=x", "page=2&until=1", "until=21", "until=99999999", "page=0"])
def test_pages_that_cannot_be_are_a_clear_400(client, query):
    answer = client.get(f"/products?{query}")

    assert answer.status_code == 400
    assert "must be" in text(answer, "main")


def test_filtered_lists_are_the_same_in_another_order(client):
    for sort in ("featured", "newest", "price-low", "price-high", "title"):
        answer = client.get(f"/products?tag=gift&sort={sort}")
        assert sorted(titles(answer)) == ["Clay Teapot", "Last Poster", "Postcard"]
    assert titles(client.get("/products?tag=gift&sort=price-high")) == ["Clay Teapot", "Last Poster", "Postcard"]
    assert titles(client.get("/products?tag=gift&sort=price-low")) == ["Postcard", "Last Poster", "Clay Teapot"]


def more_mugs(database, changes) -> None:
    """Products like the mug, each with some columns changed."""
    with database.writing() as connection:
        mug = connection.execute(sa.select(products).where(products.c.handle == "mug")).one()._asdict()
        del mug["id"]
        connection.execute(sa.insert(products), [mug | {"handle": f"mug-{n}"} | row for n, row in enumerate(changes)])
        reindex(connection)


@pytest.fixture
def many(database):
    """100 more products, so that there are five pages."""
    more_mugs(database, ({"title": f"Mug {n}"} for n in range(100)))


@pytest.fixture
def vendors(database):
    """Ten vendors more, each of one product."""
    more_mugs(database, ({"vendor": f"Potter {n}"} for n in range(10)))


def test_a_long_filter_begins_with_its_most_frequent_values_and_lists_them_all_when_asked(client, vendors):
    answer = client.get("/products?vendor=potter+9&sort=title")
    usual = counts(answer, "vendor")
    assert next(iter(usual)) == "Fern Pottery"
    assert len(usual) == 8  # seven, and the chosen one
    link = soup(answer).select_one("#more-filter-vendor")
    every = len(set(usual)) + int(link.get_text().split()[0])

    whole = client.get(link["href"])
    assert {f"Potter {n}" for n in range(10)} <= set(counts(whole, "vendor"))
    assert len(counts(whole, "vendor")) == every
    assert list(chips(whole)) == ["Potter 9"]
    # Another filter leaves them listed, and the same link folds them again.
    assert soup(whole).select_one("#listing-form input[type=hidden][name=all]")["value"] == "vendor"
    assert client.get(soup(whole).select_one("#more-filter-vendor")["href"]).data == answer.data


def test_a_filter_that_is_not_there_is_not_listed_in_full(client):
    answer = client.get("/products?all=colour'><b>")

    assert answer.status_code == 200
    assert "<b>" not in answer.get_data(as_text=True)
    assert not soup(answer).select("input[name=all]")


def test_pages_are_links_that_reach_everything(client, many):
    seen, path = [], "/products?sort=title"
    while path:
        page = client.get(path)
        seen += titles(page)
        onward = soup(page).select_one("a[rel=next]")
        path = onward and onward["href"]

    assert len(seen) == len(set(seen)) == 108


def test_the_page_that_is_shown_is_marked(client, many):
    page = soup(client.get("/products?page=2"))

    assert page.select_one(".pages [aria-current=page]").text == "Page 2"
    assert page.select_one("a[rel=prev]")["href"] == "/products"
    assert page.select_one("a[rel=next]")["href"] == "/products?page=3"


@pytest.mark.parametrize("page", ["6", "9999999"])
def test_a_page_past_the_last_is_not_found(client, many, page):
    answer = client.get(f"/products?page={page}")

    assert answer.status_code == 404
    assert "This list has 5 pages." in text(answer, "main")


def test_show_more_is_the_next_page_below_with_or_without_javascript(client, many):
    first = client.get("/products?sort=title")
    more = soup(first).select_one("#show-more")["href"]
    assert text(first, ".pages-shown") == "1 to 24 of 108"

    whole = client.get(more)
    assert len(titles(whole)) == len(set(titles(whole))) == 48
    assert titles(whole)[:24] == titles(first)
    assert soup(whole).select_one("a[rel=next]")["href"] == "/products?sort=title&page=3"

    added = client.get(more, headers=HTMX)
    assert titles(added) == titles(whole)[24:]
    assert soup(added).select_one("hx-partial[hx-target='#product-grid']")["hx-swap"] == "beforeend"
    assert (
        soup(added).select_one("hx-partial[hx-target='#pages'] #show-more")["href"] == "/products?sort=title&until=3"
    )


def test_the_last_page_has_no_more(client, many):
    assert not soup(client.get("/products?page=5")).select_one("#show-more")
    assert soup(client.get("/products?page=2&until=5")).select_one("a[rel=next]") is None


class TestSuggestions:
    def test_products_with_prices_collections_and_the_search_itself(self, client):
        answer = client.get("/search/suggestions?q=kit", headers=HTMX)

        options = soup(answer).select("#suggestions [role=option]")
        assert options[0]["href"] == "/collections/kitchen"
        assert options[-1]["href"] == "/search?q=kit"
        teapot = next(option for option in options if "Clay Teapot" in option.get_text())
        assert teapot["href"] == "/products/clay-teapot"
        assert "$34.00" in teapot.get_text()
        assert teapot.select_one("img")
        assert len({option["id"] for option in options}) == len(options)

    @pytest.mark.parametrize("query", ["", "   ", "!!!", "\0"])
    def test_nothing_typed_suggests_nothing(self, client, query):
        answer = client.get("/search/suggestions", query_string={"q": query})

        assert answer.status_code == 200
        assert not soup(answer).select("a[href^='/products/']")

    def test_they_set_no_cookie_and_escape_what_was_typed(self, client):
        answer = client.get("/search/suggestions", query_string={"q": "<script>alert(1)</script>" + "x" * 9000})

        assert "Set-Cookie" not in answer.headers
        assert "<script>" not in answer.get_data(as_text=True)


def test_a_misspelt_word_finds_what_was_meant_and_says_so(client):
    answer = client.get("/search?q=teapto")

    assert titles(answer) == ["Clay Teapot"]
    assert text(answer, "h1") == "Results for “teapot”"
    assert "teapto" in text(answer, ".lead")


def test_a_search_that_finds_nothing_offers_something(client):
    answer = client.get("/search?q=zzzzzzzz")

    assert text(answer, ".empty-title") == "Nothing found."
    assert titles(answer)
