"""The list of registered users that one browser keeps: add, find, search, edit, delete. Imports no Flask.

`Users` is a value, like the cart: `registering`, `updating` and `deleting` give the list that comes of it. How it
travels is `cookies`' business.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Any

from babel import Locale
from email_validator import EmailNotValidError, validate_email

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
        super().__init__("This person is not registered in this browser.")


class InvalidUser(UserError):
    """Some fields can't be. `errors` says what to do, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("Some fields need another look: " + " ".join(errors.values()))
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

        Domains compare in their ASCII form and without regard to case, local parts exactly.
        Source: RFC 5321, section 2.4; RFC 5890 for the domain.
        """
        local, _, domain = self.email.rpartition("@")
        with suppress(UnicodeError):
            domain = domain.encode("idna").decode("ascii")
        return f"{local}@{domain.lower()}"

    @property
    def address(self) -> tuple[str, ...]:
        """The lines of the delivery address, without empty ones."""
        city = " ".join(filter(None, (self.postcode, self.city)))
        lines = (
            self.recipient,
            self.line1,
            self.line2,
            city,
            self.region,
            countries().get(self.country, self.country),
        )
        return tuple(filter(None, lines))

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

        Raises InvalidUser when somebody else has registered that email since.
        """
        if any(each.id == user.id for each in self):
            return self
        if self._taken(user):
            raise InvalidUser({"email": "Somebody else is registered with this email by now."})
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
            errors["email"] = "Somebody is registered with this email already."
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


@cache
def countries(language: str = "en") -> dict[str, str]:
    """Names of countries by ISO 3166 code, by name. Source: the CLDR, through Babel."""
    names = Locale.parse(language).territories
    # Of the two-letter codes: EU, EZ, UN and ZZ are groups, XA and XB are for tests, QO is an outlying region.
    real = {
        code: name for code, name in names.items() if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    }
    return dict(sorted(real.items(), key=lambda country: country[1]))


_NO_COUNTRY = frozenset({"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"})


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _error(name: str, value: str) -> str | None:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        return "Take out the line breaks and control characters."
    if len(value) > LONGEST[name] and name != "country":
        return f"Keep this to {LONGEST[name]} characters; it has {len(value)}."
    if name == "name" and not any(character.isprintable() and not character.isspace() for character in value):
        return "Enter a name, of 1 to 100 characters."
    if name == "country" and value and value not in countries():
        return "Choose a country from the list."
    return None


def _checked_email(text: str) -> tuple[str, str | None]:
    if not text:
        return text, "Enter an email address, such as ann@example.org."
    try:
        return validate_email(text, check_deliverability=False).normalized, None
    except EmailNotValidError as error:
        return text, f"Enter an email address, such as ann@example.org. {error}"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
