"""The merchant's terms file: what it says, and how a mistake in it is told. No Flask in sight."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from shop.money import Currency
from shop.orders.addresses import form_of
from shop.orders.terms import (
    SHIPPED,
    Discount,
    ShippingMethod,
    TaxRate,
    Terms,
    TermsError,
    UnusableCode,
    check_code,
    read_terms,
)

DOLLARS = Currency("USD", "en_US")
YEN = Currency("JPY", "ja_JP")
DINARS = Currency("KWD", "en_US")

NOON = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def table(header: str, values: dict[str, str]) -> str:
    """A [[table]] of the file, without the values that are empty. `from_` stands for `from`."""
    lines = [f"{key.removesuffix('_')} = {value}" for key, value in values.items() if value]
    return "\n".join([f"[[{header}]]", *lines, ""])


def method(**changes: str) -> str:
    return table("shipping", {"id": '"post"', "title": '"Post"', "price": '"4.90"'} | changes)


def tax(**changes: str) -> str:
    values = {"title": '"Tax"', "countries": '["US"]', "percent": "10", "included": "false", "shipping": "true"}
    return table("tax", values | changes)


def discount(**changes: str) -> str:
    return table("discount", {"code": '"SAVE"', "percent": "10"} | changes)


POST = method()


@pytest.fixture
def read(tmp_path):
    """`read("…")` is what that text says, in dollars unless another currency is named."""

    def read(text: str | bytes, currency: Currency = DOLLARS) -> Terms:
        path = tmp_path / "terms.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_terms(path, currency)

    return read


@pytest.mark.parametrize("currency", [DOLLARS, YEN, DINARS], ids=lambda currency: currency.code)
def test_a_shop_starts_with_two_ways_to_ship_in_any_currency(currency):
    terms = read_terms(None, currency)

    standard, express = terms.shipping
    assert (standard.title, standard.price) == ("Standard delivery", currency.parse("5"))
    assert standard.free_from == currency.parse("50")
    assert (express.title, express.free_from, express.countries) == ("Express", None, None)
    assert (terms.taxes, terms.discounts) == ((), ())


def test_every_example_in_the_shipped_file_works(read):
    """Examples begin with # and no space, explanations with # and a space."""
    terms = read(re.sub(r"^#(?=[^\s#])", "", SHIPPED.read_text(), flags=re.MULTILINE))

    assert terms.shipping[0].countries == {"DE", "AT"}
    assert [(rate.country, rate.region) for rate in terms.taxes] == [("DE", ""), ("AT", ""), ("US", "NY")]
    assert [discount.code for discount in terms.discounts] == ["WELCOME10", "THANKS"]


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [(DOLLARS, "4.90", 490), (DOLLARS, "5", 500), (YEN, "500", 500), (DINARS, "1.250", 1250), (DOLLARS, "0", 0)],
)
def test_a_price_is_in_minor_units_of_the_shops_currency(read, currency, price, minor):
    terms = read(method(price=f'"{price}"', free_from=f'"{price}"'), currency)

    assert terms.shipping == (ShippingMethod("post", "Post", minor, free_from=minor),)


@pytest.mark.parametrize(("currency", "price"), [(DOLLARS, "4.905"), (YEN, "4.9"), (DINARS, "1.2345")])
def test_a_price_with_more_decimals_than_its_currency_is_refused(read, currency, price):
    with pytest.raises(TermsError, match=rf"terms.toml:4: price is .* at most {currency.decimals} decimals"):
        read(method(price=f'"{price}"'), currency)


def test_shipping_methods_are_offered_where_they_go_in_the_merchants_order(read):
    terms = read(
        """
        shipping = [
            {id = "van", title = "Our van", price = "2", countries = ["AT"]},
            {id = "post", title = "Post", price = "5"},
            {id = "eu", title = "Parcel", price = "9", countries = ["DE", "AT"]},
        ]
        """
    )

    assert [method.id for method in terms.shipping_to("AT")] == ["van", "post", "eu"]
    assert [method.id for method in terms.shipping_to("DE")] == ["post", "eu"]
    assert [method.id for method in terms.shipping_to("US")] == ["post"]


def test_a_shop_that_ships_nothing_says_so(read):
    assert read("shipping = []") == Terms()


def test_a_region_has_its_own_tax_before_its_country(read):
    terms = read(POST + tax() + tax(regions='["CA", "NY"]', percent="8.875", included="true"))

    assert terms.tax_in("US", "CA") == TaxRate("Tax", "US", "CA", Decimal("8.875"), included=True, shipping=True)
    assert terms.tax_in("US", "NY").rate == Decimal("8.875")
    assert terms.tax_in("US", "TX").rate == 10
    assert terms.tax_in("US", "").rate == 10
    assert terms.tax_in("DE", "NY") is None


def test_a_regions_tax_is_not_its_countrys(read):
    terms = read(POST + tax(regions='["CA"]'))

    assert terms.tax_in("US", "CA").region == "CA"
    assert terms.tax_in("US", "NY") is None
    assert terms.tax_in("US") is None


@pytest.mark.parametrize(
    ("country", "written", "kept"),
    [
        ("US", "California", "CA"),
        ("US", "ca", "CA"),
        ("JP", "Tokyo", "東京都"),
        ("JP", "東京都", "東京都"),
        ("IE", "Co. Cork", "Co. Cork"),
        ("EE", "Harju", "Harju"),  # a form that takes any region
    ],
)
def test_a_region_is_kept_as_the_address_form_has_it(read, country, written, kept):
    terms = read(POST + tax(countries=f'["{country}"]', regions=f'["{written}"]'))

    assert terms.tax_in(country, kept).region == kept


def test_a_discount_is_read(read):
    text = discount(percent="", amount='"5"', minimum='"25.50"', from_="2026-12-01", until="2026-12-24", uses="100")

    assert read(POST + text).discounts == (
        Discount(
            code="SAVE",
            amount=500,
            minimum=2550,
            starts=datetime(2026, 12, 1, tzinfo=UTC),
            ends=datetime(2026, 12, 25, tzinfo=UTC),
            uses=100,
        ),
    )


def test_a_percentage_is_exact(read):
    assert read(POST + discount(percent="12.5")).discounts[0].percent == Decimal("12.5")
    assert read(POST + discount(percent="0.1")).discounts[0].percent == Decimal("0.1")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-24T18:00:00+01:00", datetime(2026, 12, 24, 17, tzinfo=UTC)),
        ("2026-12-24 18:00:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
    ],
)
def test_a_moment_is_kept_in_utc(read, written, moment):
    found = read(POST + discount(until=written)).discounts[0].ends

    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("typed", ["WELCOME10", "welcome10", " Welcome10\n", "ｗｅｌｃｏｍｅ１０"])
def test_a_code_is_found_however_it_is_typed(read, typed):
    terms = read(POST + discount(code='"Welcome10"'))

    assert terms.discount(typed).code == "WELCOME10"


@pytest.mark.parametrize("typed", ["", " ", "WELCOME", "WELCOME100"])
def test_any_other_code_is_none(read, typed):
    assert read(POST + discount(code='"Welcome10"')).discount(typed) is None


def test_a_code_in_any_script_is_found(read):
    terms = read(POST + discount(code='"зима"'))

    assert terms.discount("Зима") is terms.discounts[0]


def test_a_code_is_good_from_its_beginning_until_its_end():
    sale = Discount("SALE", percent=Decimal(10), starts=NOON, ends=NOON + timedelta(hours=1))

    check_code(sale, 100, NOON, uses=0, currency=DOLLARS)
    check_code(sale, 100, NOON + timedelta(minutes=59), uses=0, currency=DOLLARS)
    with pytest.raises(UnusableCode, match=r"^The code SALE can't be used yet\.$"):
        check_code(sale, 100, NOON - timedelta(seconds=1), uses=0, currency=DOLLARS)
    with pytest.raises(UnusableCode, match=r"^The code SALE has expired\.$"):
        check_code(sale, 100, NOON + timedelta(hours=1), uses=0, currency=DOLLARS)


def test_a_code_is_good_for_so_many_orders():
    few = Discount("FEW", amount=500, uses=2)

    check_code(few, 100, NOON, uses=1, currency=DOLLARS)
    with pytest.raises(UnusableCode, match=r"^The code FEW has been used up\.$"):
        check_code(few, 100, NOON, uses=2, currency=DOLLARS)


def test_a_code_is_good_from_its_minimum_on():
    big = Discount("BIG", amount=500, minimum=2500)
    euros = Currency("EUR", "de_DE")

    check_code(big, 2500, NOON, uses=0, currency=euros)
    with pytest.raises(UnusableCode, match=r"^The code BIG is for orders of at least 25,00\s€\.$"):
        check_code(big, 2499, NOON, uses=0, currency=euros)


def test_a_code_without_conditions_is_always_good():
    check_code(Discount("ANY", amount=1), 0, NOON, uses=10**6, currency=DOLLARS)


# Files with a mistake in the line that the mark `#!` ends, and what must be said of it.
SHIPPING_MISTAKES = {
    "a misspelt table": ("[[shiping]] #!", r'"shiping" is unknown here; there are \[\[shipping\]\], \[\[tax\]\]'),
    "a key above the tables": ('currency = "EUR" #!', r'"currency" is unknown here'),
    "one pair of brackets": ('[shipping] #!\nid = "a"', r"in two pairs of brackets"),
    "a table in a table": ('[shipping.post] #!\nid = "a"\n[shipping.van]', r"in two pairs of brackets"),
    "a list of texts": ('shipping = ["post"] #!', r"in two pairs of brackets"),
    "an empty file": ("#!", r"\[\[shipping\]\] is missing; .* shipping = \[\]"),
    "a misspelt key": (
        method(price="", prise='"5" #!'),
        r'"prise" is unknown in \[\[shipping\]\], .* price, free_from',
    ),
    "an empty key": ('[[shipping]]\n"" = "5" #!', r'"" is unknown'),
    "a key of two lines": ('[[shipping]]\n"a\\nb" = "5" #!', r'"a\\nb" is unknown'),
    "a table below": (method() + "[shipping.extra] #!\nx = 1", r'"extra" is unknown'),
    "no price": (method(price="").replace("]]", "]] #!"), r"\[\[shipping\]\] lacks price\."),
    "no id": (method(id="").replace("]]", "]] #!"), r"lacks id\."),
    "an id with a space": (method(id='"a b" #!'), r'id is "a b", but must be .* hyphens'),
    "an id that is a number": (method(id="1 #!"), r"id is 1, but"),
    "an empty title": (method(title='" " #!'), r"title .* 1 to 60 characters"),
    "a title of two lines": (method(title='"a\\nb" #!'), r"title .* 1 to 60 characters"),
    "a price without quotes": (method(price="4.90 #!"), r'price is 4.90, but must be in quotes: "4.90"\.'),
    "a whole price without quotes": (method(price="5 #!"), r'price is 5, but must be in quotes: "5"\.'),
    "a price that isn't": (method(price="nan #!"), r'in quotes, such as "19.90"\.'),
    "a price with a comma": (method(price='"4,90" #!'), r'price is "4,90", .* 19\.99\.'),
    "a price below zero": (method(price='"-1" #!'), r'price is "-1", but must be a price'),
    "a price that is true": (method(price="true #!"), r"price is true, .* in quotes"),
    "a price beyond reason": (method(price=f'"{10**11}" #!'), r"of at most 99999999\."),
    "a threshold without quotes": (method(free_from="50 #!"), r'free_from is 50, .* in quotes: "50"'),
    "a country in small letters": (method(countries='["DE", "at"] #!'), r'ISO 3166 codes .* which "at" is not'),
    "a country that isn't": (method(countries='["UK"] #!'), r'countries is \["UK"\], .* which "UK" is not'),
    "a country twice": (method(countries='["DE", "AT", "DE"] #!'), r'a list that has "DE" once'),
    "no countries": (method(countries="[] #!"), r"a list of country codes"),
    "a country alone": (method(countries='"DE" #!'), r'countries is "DE", .* a list of country codes'),
    "a country that is a number": (method(countries="[49] #!"), r"a list of country codes"),
    "an id twice": (method() + method(id='"post" #!'), r'id is "post", but must be another than at line 2'),
}
TAX_MISTAKES = {
    "no countries": (tax(countries="").replace("]]", "]] #!"), r"\[\[tax\]\] lacks countries"),
    "not a word on prices": (tax(included="").replace("]]", "]] #!"), r"\[\[tax\]\] lacks included"),
    "not a word on shipping": (tax(shipping="").replace("]]", "]] #!"), r"\[\[tax\]\] lacks shipping"),
    "included in quotes": (tax(included='"yes" #!'), r'included is "yes", but must be true or false'),
    "included as a number": (tax(included="1 #!"), r"included is 1, but must be true or false"),
    "a percentage in quotes": (tax(percent='"19" #!'), r'percent is "19", .* from 0 to 100 without quotes'),
    "a percentage below zero": (tax(percent="-1 #!"), r"percent is -1, .* from 0 to 100"),
    "a percentage above a hundred": (tax(percent="100.01 #!"), r"percent is 100.01"),
    "a percentage that isn't": (tax(percent="nan #!"), r"percent is NaN"),
    "an endless percentage": (tax(percent="inf #!"), r"percent is Infinity"),
    "a percentage that is true": (tax(percent="true #!"), r"percent is true"),
    "a percentage of 5 decimals": (tax(percent="0.00001 #!"), r"at most 4 decimals"),
    "a percentage next to nothing": (tax(percent="1e-9999999 #!"), r"at most 4 decimals"),
    "a region that isn't": (tax(regions='["XX"] #!'), r'regions of US such as AL, AK, .* which "XX" is not'),
    "a region where there are none": (tax(countries='["DE"]', regions='["BY"] #!'), r"left out: addresses in DE"),
    "a region by two names": (tax(regions='["CA", "California"] #!'), r"each named once"),
    "regions of two countries": (tax(countries='["US", "CA"] #!', regions='["NY"]'), r"one country alone"),
    "a country's tax twice": (tax() + tax(countries='["DE", "US"] #!'), r"US has a tax already, at line 5"),
    "a region's tax twice": (
        tax(regions='["NY"]') + tax(regions='["CA", "New York"] #!'),
        r"US, NY has a tax already, at line 5",
    ),
}
DISCOUNT_MISTAKES = {
    "no code": (discount(code="").replace("]]", "]] #!"), r"\[\[discount\]\] lacks code"),
    "a code with a space": (discount(code='"SAVE 10" #!'), r'code is "SAVE 10", .* without spaces'),
    "an empty code": (discount(code='"" #!'), r'code is "", '),
    "a long code": (discount(code=f'"{"A" * 41}" #!'), r"1 to 40 characters"),
    "a code of control characters": (discount(code='"a\\u0000" #!'), r"1 to 40 characters"),
    "nothing off": (discount(percent="").replace("]]", "]] #!"), r"lacks percent or amount"),
    "both off": (discount(amount='"5" #!'), r"has percent and amount; it may have one"),
    "no percent": (discount(percent="0 #!"), r"percent is 0, .* above 0 to 100"),
    "too many percent": (discount(percent="101 #!"), r"percent is 101, .* above 0 to 100"),
    "no amount": (discount(percent="", amount='"0.00" #!'), r'amount is "0.00", but must be a price above 0'),
    "an amount without quotes": (discount(percent="", amount="5 #!"), r'in quotes: "5"'),
    "a minimum without quotes": (discount(minimum="5.5 #!"), r'in quotes: "5.5"'),
    "a day in quotes": (discount(from_='"2026-12-01" #!'), r'from is "2026-12-01", .* a date without quotes'),
    "a time from nowhere": (discount(until="2026-12-01T10:00:00 #!"), r"such as 2026-12-01T10:00:00\+01:00"),
    "a time without a day": (discount(until="10:00:00 #!"), r"until is 10:00:00, but must be a date"),
    "the last day of all": (discount(until="9999-12-31 #!"), r"until is 9999-12-31, but must be a date"),
    "before the first day of all": (discount(from_="0001-01-01T00:00:00+01:00 #!"), r"must be a date"),
    "an end before the beginning": (
        discount(from_="2026-12-24", until="2026-12-01 #!"),
        r"until is 2026-12-01, but must be after from, which is 2026-12-24",
    ),
    "no uses": (discount(uses="0 #!"), r"uses is 0, but must be a whole number from 1"),
    "half a use": (discount(uses="1.5 #!"), r"uses is 1.5, "),
    "uses that are true": (discount(uses="true #!"), r"uses is true, "),
    "uses beyond counting": (discount(uses="10000000000 #!"), r"uses is 10000000000, "),
    "a code twice": (discount() + discount(code='"save" #!'), r'code is "save", .* another than at line 6'),
}
SYNTAX_MISTAKES = {
    "a comma in a number": (POST + "free_from = 4,90 #!", r"can't be read as TOML: expected newline"),
    "an unclosed quote": (POST + 'free_from = "50 #!\n', r"can't be read as TOML: illegal character"),
    "a key twice": (POST + 'price = "5" #!', r"can't be read as TOML: cannot overwrite a value"),
    "a text that never ends": (POST + 'countries = """ #!\n\n\nx', r"can't be read as TOML: unterminated string"),
    "a list that never ends": (POST + 'countries = ["DE", #!\n\n', r"can't be read as TOML"),
    "a number without end": (POST + f"countries = [ #!\n{'1' * 5000}]\n", r"too long or too deep"),
    "an exponent without end": (POST + "countries = 1e9999999999999999999 #!\n", r"too long or too deep"),
    "lists in lists": (POST + f"countries = {'[' * 5000}{']' * 5000} #!\n", r"too long or too deep"),
    "a day that isn't": (POST + "countries = 2026-02-30 #!", r"can't be read as TOML: invalid date"),
}
MISTAKES = {
    **{f"shipping: {name}": mistake for name, mistake in SHIPPING_MISTAKES.items()},
    **{f"tax: {name}": (POST + text, words) for name, (text, words) in TAX_MISTAKES.items()},
    **{f"discount: {name}": (POST + text, words) for name, (text, words) in DISCOUNT_MISTAKES.items()},
    **{f"syntax: {name}": mistake for name, mistake in SYNTAX_MISTAKES.items()},
}


def marked_line(text: str) -> int:
    return text[: text.index("#!")].count("\n") + 1


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line_with_its_own(read, text, words):
    with pytest.raises(TermsError) as caught:
        read(text)

    told = str(caught.value)
    assert told.startswith(f"terms.toml:{marked_line(text)}: ")
    assert re.search(words, told)
    assert told.endswith(".")
    assert "\n" not in told
    assert len(told) < 250


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_only_looks_like_a_table_is_not_counted(read, ends):
    text = dedent(
        '''
        # [[shipping]]
        [[ "shipping" ]]  # [[shipping]]
        id = "a"
        title = """\\
        Post \\
        """
        price = "5"
        countries = [
          "DE", # [[shipping]]
          "AT",
        ]

          [[shipping]]
          'id' = "b"
          title = \'\'\'
        [[shipping]]
        price = 5\'\'\' #!
          price = "5"
        '''
    )
    with pytest.raises(TermsError, match=r"terms.toml:16: title is .*1 to 60 characters"):
        read(text.replace("\n", ends))


def test_a_mistake_in_a_list_of_several_lines_is_told_where_the_list_begins(read):
    with pytest.raises(TermsError, match=r'terms.toml:5: .* which "XX" is not'):
        read(POST + 'countries = [\n  "DE",\n  "XX",\n]\n')


def test_a_byte_order_mark_is_no_mistake(read):
    assert read(b"\xef\xbb\xbf" + POST.encode()).shipping[0].id == "post"


def test_a_file_in_another_encoding_is_refused_with_its_line(read):
    with pytest.raises(TermsError, match=r"^terms.toml:3: the file must be text in UTF-8\.$"):
        read(POST.replace("Post", "Päckchen").encode("latin-1"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(TermsError, match=r"^gone.toml: the file can't be read \(No such file or directory\)\.$"):
        read_terms(tmp_path / "gone.toml", DOLLARS)
    with pytest.raises(TermsError, match=r"can't be read \(Is a directory\)\.$"):
        read_terms(tmp_path, DOLLARS)


FILLER = st.sampled_from(
    [
        "\n",
        "# [[shipping]]\n",
        '[[shipping]]\nid = "{}"\ntitle = "T"\nprice = "1"\n',
        '[[shipping]]\nprice = """1"""\ntitle = \'\'\'\nT\'\'\'\ncountries = [ # ]\n\n"DE" ]\nid = "{}"\n',
        '[[tax]]\ntitle = "T"\ncountries = ["ES"]\nregions = ["{}"]\npercent = 1\nincluded = true\nshipping = true\n',
        '[[discount]]\ncode = "{}"\n\npercent = 1.5\n',
    ]
)
PROVINCES = [choice for field in form_of("ES") for choice, _ in field.choices]


def filled(fillers: list[str]) -> str:
    """The fillers, each with a name of its own, which is a Spanish province and also fits the rest."""
    return "".join(
        filler.replace("{}", PROVINCES[place] if "regions" in filler else f"name-{place}")
        for place, filler in enumerate(fillers)
    )


@effort(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FILLER, max_size=6), st.lists(FILLER, max_size=6))
def test_the_line_is_right_wherever_the_mistake_is(read, before, after):
    mistake = '[[shipping]]\nid = "mistaken"\ntitle = "T"\nprice = 1 #!\n'
    text = filled([*before, mistake, *after])

    with pytest.raises(TermsError, match=rf"^terms.toml:{marked_line(text)}: price is 1, "):
        read(text)
    assert read(text.replace("price = 1 #!", 'price = "1"')).shipping


KEYS = [
    "id",
    "title",
    "price",
    "free_from",
    "countries",
    "regions",
    "percent",
    "included",
    "shipping",
    "code",
    "amount",
]
VALUES = [
    '"a"',
    '"5"',
    '"DE"',
    '["US"]',
    '["NY"]',
    "5",
    "-1",
    "1e9",
    "nan",
    "true",
    "2026-12-01",
    "10:00:00",
    "{a = 1}",
]
LINES = st.one_of(
    st.sampled_from(
        ["[[shipping]]", "[[tax]]", "[[discount]]", "[shipping]", "[[shipping.post]]", "[tax.id]", "[", '"""']
    ),
    st.builds("{} = {}".format, st.sampled_from([*KEYS, "from", "until", "uses", "a.b"]), st.sampled_from(VALUES)),
    st.text(max_size=5),
)


@effort(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12))
def test_any_text_is_terms_or_a_mistake_in_one_line(read, lines):
    text = "".join(line + end for line, end in lines)
    try:
        read(text)
    except TermsError as mistake:
        line = re.match(r"terms\.toml:(\d+): [^\n]*\.\Z", str(mistake))
        assert line, mistake
        assert 1 <= int(line[1]) <= text.count("\n") + 1


def test_a_thousand_codes_are_read_and_the_last_one_refused(read):
    codes = "".join(f'[[discount]]\ncode = "C{number}"\npercent = 5\n' for number in range(1000))

    assert read(POST + codes).discount("c999").code == "C999"
    with pytest.raises(TermsError, match=r"terms.toml:3006: "):
        read(POST + codes + '[[discount]]\ncode = "c0"\npercent = 5\n')


def test_a_quote_left_open_at_the_top_of_a_long_file_is_found(read):
    codes = "".join(f'[[discount]]\ncode = "C{number}"\npercent = 5\n' for number in range(1000))

    with pytest.raises(TermsError, match=r"terms.toml:6: this can't be read as TOML: unterminated string\.$"):
        read(POST + codes.replace('"C0"', '"""C0"'))
