"""The merchant's terms: shipping methods, tax rates and discount codes, from one TOML file.

`terms.toml` beside this module is what a shop starts with, and the format's documentation. A mistake in the file is a
`TermsError`: one line that names the file, the line and what may stand there. Amounts are integers in minor units of
the shop's currency, percentages exact decimals, times UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from shop.language import gettext as _
from shop.money import Currency, NotAPrice
from shop.orders.addresses import form_of, regions_of
from shop.orders.terms_file import Entry, TermsError, Unfit, read_file, shown
from shop.users import countries

__all__ = [
    "Discount",
    "ShippingMethod",
    "TaxRate",
    "Terms",
    "TermsError",
    "UnusableCode",
    "check_code",
    "code_key",
    "read_terms",
]

SHIPPED = Path(__file__).with_name("terms.toml")

LONGEST_TITLE = 60  # characters
LONGEST_ID = 40
LONGEST_CODE = 40
MOST_USES = 1_000_000_000  # fits the database's integer
DECIMALS = 4  # of a percentage

_KEYS = {
    "shipping": ("id", "title", "price", "free_from", "countries"),
    "tax": ("title", "countries", "regions", "percent", "included", "shipping"),
    "discount": ("code", "percent", "amount", "minimum", "from", "until", "uses"),
}


class UnusableCode(Exception):
    """A discount code can't be used for this order. str() is a sentence for the shopper."""


@dataclass(frozen=True)
class ShippingMethod:
    """A way to send an order. `countries` is None where it goes everywhere."""

    id: str
    title: str
    price: int
    free_from: int | None = None  # free when the goods less their discount come to this
    countries: frozenset[str] | None = None

    def goes_to(self, country: str) -> bool:
        return self.countries is None or country in self.countries


@dataclass(frozen=True)
class TaxRate:
    """The tax of one place. `region` is a region as `addresses` spells it; empty for the whole country."""

    title: str
    country: str
    region: str
    rate: Decimal  # percent, 0 to 100
    included: bool  # contained in the prices, and not added to them
    shipping: bool  # taxes shipping too


@dataclass(frozen=True)
class Discount:
    """A code that takes `percent` (above 0, to 100) or an `amount` off an order's goods: one of the two."""

    code: str  # as `code_key` makes it: what the uses are counted under
    percent: Decimal | None = None
    amount: int | None = None
    minimum: int = 0  # of the subtotal
    starts: datetime | None = None
    ends: datetime | None = None  # the first moment at which it is over
    uses: int | None = None  # in all orders together; None for no limit


@dataclass(frozen=True)
class Terms:
    """What a shop charges besides its prices."""

    shipping: tuple[ShippingMethod, ...] = ()
    taxes: tuple[TaxRate, ...] = ()
    discounts: tuple[Discount, ...] = ()

    def shipping_to(self, country: str) -> tuple[ShippingMethod, ...]:
        """The methods that go to `country`, in the merchant's order; empty where none does."""
        return tuple(method for method in self.shipping if method.goes_to(country))

    def tax_in(self, country: str, region: str = "") -> TaxRate | None:
        """The region's own rate if it has one, else the country's, else None."""
        return self._rates.get((country, region.strip().casefold())) or self._rates.get((country, ""))

    def discount(self, code: str) -> Discount | None:
        """The discount that a shopper means by `code`, in capitals or not; None for an unknown or empty one."""
        return self._codes.get(code_key(code))

    @cached_property
    def _rates(self) -> Mapping[tuple[str, str], TaxRate]:
        return {(rate.country, rate.region.casefold()): rate for rate in self.taxes}

    @cached_property
    def _codes(self) -> Mapping[str, Discount]:
        return {code_key(discount.code): discount for discount in self.discounts}


def code_key(text: str) -> str:
    """A discount code as it is compared and counted: trimmed, in capitals, in one Unicode form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper()).strip()


def check_code(discount: Discount, subtotal: int, now: datetime, uses: int, currency: Currency) -> None:
    """Raise UnusableCode unless goods for `subtotal` may have `discount` at `now`, after `uses` earlier orders.

    `currency` is how the sentence for the shopper writes an amount.
    """
    if discount.starts is not None and now < discount.starts:
        raise UnusableCode(_("The code %(code)s can't be used yet.", code=discount.code))
    if discount.ends is not None and now >= discount.ends:
        raise UnusableCode(_("The code %(code)s has expired.", code=discount.code))
    if discount.uses is not None and uses >= discount.uses:
        raise UnusableCode(_("The code %(code)s has been used up.", code=discount.code))
    if subtotal < discount.minimum:
        said = {"code": discount.code, "least": currency.format(discount.minimum)}
        raise UnusableCode(_("The code %(code)s is for orders of at least %(least)s.", **said))


def read_terms(path: Path | None, currency: Currency) -> Terms:
    """The terms in the file at `path`, or the ones that ship with the shop for None. Raises TermsError."""
    file = read_file(SHIPPED if path is None else path)
    tables = file.tables(_KEYS)
    if "shipping" not in file.data:
        raise file.error((), "[[shipping]] is missing; a shop that ships nothing says shipping = []")
    return Terms(
        shipping=_shipping(tables["shipping"], currency),
        taxes=_taxes(tables["tax"]),
        discounts=_discounts(tables["discount"], currency),
    )


def _shipping(entries: list[Entry], currency: Currency) -> tuple[ShippingMethod, ...]:
    methods = tuple(
        ShippingMethod(
            id=entry.required("id", _id),
            title=entry.required("title", _title),
            price=entry.required("price", partial(_price, currency)),
            free_from=entry.optional("free_from", partial(_price, currency), None),
            countries=entry.optional("countries", lambda value: frozenset(_countries(value)), None),
        )
        for entry in entries
    )
    _refuse_repeated(entries, "id", [method.id for method in methods])
    return methods


def _taxes(entries: list[Entry]) -> tuple[TaxRate, ...]:
    rates: dict[tuple[str, str], TaxRate] = {}
    lines: dict[tuple[str, str], int] = {}
    for entry in entries:
        for rate in _rates(entry):
            place = (rate.country, rate.region)
            if place in rates:
                where = ", ".join(filter(None, place))
                key = "regions" if rate.region else "countries"
                raise entry.error(key, f"{where} has a tax already, at line {lines[place]}")
            rates[place] = rate
            lines[place] = entry.line
    return tuple(rates.values())


def _rates(entry: Entry) -> list[TaxRate]:
    """One rate for each place that a [[tax]] names."""
    title = entry.required("title", _title)
    where = entry.required("countries", _countries)
    percent = entry.required("percent", partial(_percent, zero=True))
    included, shipping = entry.required("included", _flag), entry.required("shipping", _flag)
    if "regions" in entry.values and len(where) > 1:
        raise entry.error("countries", "countries must be one country alone where there are regions")
    regions = entry.optional("regions", partial(_regions, where[0]), ("",))
    return [TaxRate(title, country, region, percent, included, shipping) for country in where for region in regions]


def _discounts(entries: list[Entry], currency: Currency) -> tuple[Discount, ...]:
    discounts = tuple(_discount(entry, currency) for entry in entries)
    _refuse_repeated(entries, "code", [discount.code for discount in discounts])
    return discounts


def _discount(entry: Entry, currency: Currency) -> Discount:
    code = entry.required("code", _code)
    if "percent" not in entry.values and "amount" not in entry.values:
        raise entry.error(None, "[[discount]] lacks percent or amount")
    if "percent" in entry.values and "amount" in entry.values:
        raise entry.error("amount", "[[discount]] has percent and amount; it may have one of them")
    discount = Discount(
        code=code,
        percent=entry.optional("percent", partial(_percent, zero=False), None),
        amount=entry.optional("amount", partial(_price, currency, least=1), None),
        minimum=entry.optional("minimum", partial(_price, currency), 0),
        starts=entry.optional("from", _beginning, None),
        ends=entry.optional("until", _end, None),
        uses=entry.optional("uses", _uses, None),
    )
    if discount.starts and discount.ends and discount.starts >= discount.ends:
        raise entry.refusal("until", f"after from, which is {shown(entry.values['from'])}")
    return discount


def _refuse_repeated(entries: list[Entry], key: str, values: list[str]) -> None:
    """Raise TermsError for the first entry whose `key` has the value of an earlier one."""
    first: dict[str, Entry] = {}
    for entry, value in zip(entries, values, strict=True):
        if value in first:
            raise entry.refusal(key, f"another than at line {first[value].line_of(key)}")
        first[value] = entry


def _id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[a-z0-9-]{{1,{LONGEST_ID}}}", value):
        raise Unfit(f'1 to {LONGEST_ID} small letters, digits and hyphens in quotes, such as "standard"')
    return value


def _title(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > LONGEST_TITLE or not text.isprintable():
        raise Unfit(f"a text of 1 to {LONGEST_TITLE} characters in quotes")
    return text


def _code(value: Any) -> str:
    code = code_key(value) if isinstance(value, str) else ""
    plain = code.isprintable() and not any(map(str.isspace, code)) and code_key(code) == code
    if not code or len(code) > LONGEST_CODE or not plain:
        raise Unfit(f'1 to {LONGEST_CODE} characters in quotes, without spaces, such as "WELCOME10"')
    return code


def _price(currency: Currency, value: Any, least: int = 0) -> int:
    """Minor units. TOML's own numbers are refused: most readers of TOML make binary fractions of them."""
    if not isinstance(value, str):
        raise Unfit(_quoted_price(currency, value))
    try:
        price = currency.parse(value)
    except NotAPrice as unfit:
        raise Unfit(str(unfit)) from None
    if price < least:
        raise Unfit("a price above 0")
    return price


def _quoted_price(currency: Currency, value: Any) -> str:
    try:
        currency.parse(str(value))
    except NotAPrice:
        return f'a price in quotes, such as "{currency.plain(1990)}"'
    return f'in quotes: "{value}"'


def _percent(value: Any, zero: bool) -> Decimal:
    number = Decimal(value) if type(value) in (int, Decimal) else Decimal("NaN")
    least = "from 0" if zero else "above 0"
    fits = number.is_finite() and 0 <= number <= 100 and (zero or number > 0)
    if not fits or number != round(number, DECIMALS):
        raise Unfit(f"a number {least} to 100 without quotes, with at most {DECIMALS} decimals, such as 7.5")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit("true or false, without quotes")
    return value


def _uses(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MOST_USES:
        raise Unfit(f"a whole number from 1 to {MOST_USES} without quotes")
    return value


def _countries(value: Any) -> tuple[str, ...]:
    codes = _texts(value, 'a list of country codes, such as ["DE", "AT"]')
    for code in codes:
        if code not in countries():
            raise Unfit(f"ISO 3166 codes of countries in capitals, which {shown(code)} is not")
    return codes


def _regions(country: str, value: Any) -> tuple[str, ...]:
    """The regions as the address form of `country` has them. Their codes and their names are both understood."""
    names = _texts(value, 'a list of regions, such as ["NY"]')
    field = next((field for field in form_of(country) if field.name == "region"), None)
    if field is None:
        raise Unfit(f"left out: addresses in {country} have no region")
    known = regions_of(country)
    for name in names:
        if known and name.casefold() not in known:
            some = ", ".join(code for code, _label in field.choices[:5])
            raise Unfit(f"regions of {country} such as {some}, which {shown(name)} is not")
    regions = tuple(known.get(name.casefold(), name) for name in names)
    if len({region.casefold() for region in regions}) < len(regions):
        raise Unfit("regions that are each named once")
    return regions


def _texts(value: Any, expected: str) -> tuple[str, ...]:
    """A list of at least one text, each once."""
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text.strip() for text in value):
        raise Unfit(expected)
    texts = tuple(text.strip() for text in value)
    if len(set(texts)) < len(texts):
        repeated = next(text for text in texts if texts.count(text) > 1)
        raise Unfit(f"a list that has {shown(repeated)} once")
    return texts


def _beginning(value: Any) -> datetime:
    return _moment(value, days=0)


def _end(value: Any) -> datetime:
    """The first moment after: a day counts whole."""
    return _moment(value, days=1)


def _moment(value: Any, days: int) -> datetime:
    """A moment in UTC: a time as it is written, or the midnight `days` after a day began."""
    try:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise Unfit(f"a time with its distance from UTC, such as {value.isoformat()}+01:00")
            return value.astimezone(UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC) + timedelta(days=days)
    except OverflowError:
        pass  # the first and the last days of the calendar
    raise Unfit("a date without quotes, such as 2026-12-24")
