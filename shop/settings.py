"""Every SHOP_* setting: read once, typed, checked at start.

The README's table documents each. A bad value raises `SettingError`, whose text is one line that names the
setting and what it may be.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from babel.numbers import list_currencies
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from shop import colours, language, theme
from shop.theme import Logo, Stylesheet, Theme

T = TypeVar("T")

_SHORTEST_KEY = 16  # characters

PROJECT = Path(__file__).resolve().parent.parent


class SettingError(ValueError):
    """A setting has a value that the shop can't run with."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        secret = any(word in name for word in ("SECRET", "KEY", "SMTP", "DATABASE_URL"))
        shown = "unset" if not value else "…" if secret else repr(value[:80])
        super().__init__(f"{name} is {shown}, but must be {expected}.")


@dataclass(frozen=True)
class Settings:
    """What the shop was told, with defaults for all of it. `secret_key` never shows in a repr or a log."""

    name: str = "Crumb"
    currency: str = "USD"
    locale: str = "en_US"
    languages: tuple[str, ...] = language.available()
    data: Path = PROJECT / "instance"
    database_url: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    https: bool = False
    origin: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    page_memory: int = 6 * 2**20  # bytes
    users_cookie: Literal["sealed", "signed"] = "sealed"
    terms: Path | None = None
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    merchant_email: str = ""
    stripe_key: str = field(default="", repr=False)
    stripe_webhook_secret: str = field(default="", repr=False)
    stripe_api: str = ""
    theme: Theme = field(default_factory=Theme)
    recently_viewed: bool = True

    @property
    def own_language(self) -> str:
        """What is spoken to a visitor who asks for no other: the locale's language, if there are texts in it."""
        own = self.locale.split("_")[0]
        return own if own in self.languages else self.languages[0]

    def locale_of(self, spoken: str) -> str:
        """The locale of amounts and dates in a page of that language."""
        own = self.locale.split("_")[0]
        is_own = spoken == own or (spoken == self.own_language and own not in language.available())
        return self.locale if is_own else spoken

    def language_of(self, locale: str) -> str:
        """The language to write in about an order of that locale; the shop's own where there are no texts in it."""
        code = locale.split("_")[0]
        return code if code in language.available() else self.own_language

    @property
    def mail(self) -> Path:
        """The folder that mail is written to where there is no server to send it."""
        return self.data / "mail"

    @property
    def images(self) -> Path:
        """The folder of pictures that an import copied, served under `/images/`."""
        return self.data / "images"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environ` (the process's own by default).

    Makes the data folder and, where SHOP_SECRET_KEY is unset, a key in it that only its owner can read: the
    same key at the next start, so that sealed cookies outlive a restart. Raises SettingError.
    """
    given = _Given(os.environ if environ is None else environ)
    data = given.take("SHOP_DATA", Path, Settings.data)
    fallbacks = given.take("SHOP_SECRET_KEY_FALLBACKS", _keys, Settings.secret_key_fallbacks)
    settings = Settings(
        name=given.take("SHOP_NAME", _name, Settings.name),
        currency=given.take("SHOP_CURRENCY", _currency, Settings.currency),
        locale=given.take("SHOP_LOCALE", _locale, Settings.locale),
        languages=given.take("SHOP_LANGUAGES", _languages, Settings.languages),
        data=data,
        database_url=given.take("SHOP_DATABASE_URL", _database_url, f"sqlite:///{data / 'shop.sqlite3'}"),
        secret_key=given.take("SHOP_SECRET_KEY", _key, "") or _kept_key(data),
        secret_key_fallbacks=fallbacks,
        https=given.take("SHOP_HTTPS", _flag, Settings.https),
        origin=given.take("SHOP_ORIGIN", _origin, Settings.origin),
        host=given.take("SHOP_HOST", _host, Settings.host),
        port=given.take("SHOP_PORT", _port, Settings.port),
        workers=given.take("SHOP_WORKERS", _workers, Settings.workers),
        page_memory=given.take("SHOP_PAGE_MEMORY", _megabytes, Settings.page_memory),
        users_cookie=given.take("SHOP_USERS_COOKIE", _users_cookie, Settings.users_cookie),
        terms=given.take("SHOP_TERMS", _file, Settings.terms),
        smtp_url=given.take("SHOP_SMTP_URL", _smtp_url, Settings.smtp_url),
        mail_from=given.take("SHOP_MAIL_FROM", _email, Settings.mail_from),
        merchant_email=given.take("SHOP_MERCHANT_EMAIL", _email, Settings.merchant_email),
        stripe_key=given.take("SHOP_STRIPE_KEY", _stripe_key, Settings.stripe_key),
        stripe_webhook_secret=given.take(
            "SHOP_STRIPE_WEBHOOK_SECRET", _webhook_secret, Settings.stripe_webhook_secret
        ),
        stripe_api=given.take("SHOP_STRIPE_API", _origin, Settings.stripe_api),
        recently_viewed=given.take("SHOP_RECENTLY_VIEWED", _flag, Settings.recently_viewed),
        theme=Theme(
            logo=given.take("SHOP_LOGO", _logo, Theme.logo),
            accent=given.take("SHOP_ACCENT", _accent, Theme.accent),
            font=given.take("SHOP_FONT", _font, Theme.font),
            font_titles=given.take("SHOP_FONT_TITLES", _font, Theme.font_titles),
            stylesheet=given.take("SHOP_STYLESHEET", _stylesheet, Theme.stylesheet),
        ),
    )
    given.refuse_unknown()
    _check_pairs(settings)
    return settings


def _check_pairs(settings: Settings) -> None:
    """Raise SettingError where one setting needs another."""
    if settings.stripe_key and not settings.stripe_webhook_secret:
        raise SettingError("SHOP_STRIPE_WEBHOOK_SECRET", "", "set where SHOP_STRIPE_KEY is: whsec_…")
    if settings.smtp_url and not settings.mail_from:
        raise SettingError("SHOP_MAIL_FROM", "", "set where SHOP_SMTP_URL is, to the shop's own email address")
    if settings.https and settings.origin.startswith("http:"):
        raise SettingError("SHOP_ORIGIN", settings.origin, "an https:// address where SHOP_HTTPS is 1")


class _Given:
    """The environment, with what was asked of it, so that a misspelt SHOP_ setting is an error and not ignored."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()

    def take(self, name: str, parse: Callable[[str], T], default: T) -> T:
        self._known.add(name)
        value = self._environ.get(name, "")
        if value == "":
            return default
        try:
            return parse(value)
        except _Unfit as unfit:
            raise SettingError(name, value, str(unfit)) from None

    def refuse_unknown(self) -> None:
        for name in sorted(self._environ):
            if name.startswith("SHOP_") and name not in self._known:
                raise SettingError(name, self._environ[name], f"one of {', '.join(sorted(self._known))}")


class _Unfit(ValueError):
    """Says what a value should have been."""


def _name(text: str) -> str:
    if not text.strip() or len(text) > 60 or not text.isprintable():
        raise _Unfit("a name of 1 to 60 characters")
    return text.strip()


def _currency(text: str) -> str:
    if text not in list_currencies():
        raise _Unfit("an ISO 4217 code such as USD, EUR or JPY")
    return text


def _locale(text: str) -> str:
    try:
        return str(Locale.parse(text, sep="-" if "-" in text else "_"))
    except (ValueError, UnknownLocaleError):
        raise _Unfit("a locale such as en_US, de_DE or ru_RU") from None


def _megabytes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise _Unfit("a number of megabytes such as 16; 0 keeps nothing")
    return int(text) * 2**20


def _languages(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(code.strip() for code in text.split(",")))
    if not set(codes) <= set(language.available()):
        raise _Unfit(f"some of {','.join(language.available())}, separated by commas")
    return codes


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in ("sqlite", "postgresql+psycopg") or not url.database:
        raise _Unfit("sqlite:///path/to/file or postgresql+psycopg://user:password@host/database")
    return text


def _key(text: str) -> str:
    if len(text.strip()) < _SHORTEST_KEY:
        raise _Unfit(
            f"at least {_SHORTEST_KEY} characters, best made by:"
            " python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return text


def _keys(text: str) -> tuple[str, ...]:
    try:
        return tuple(_key(key.strip()) for key in text.split(",") if key.strip())
    except _Unfit:
        expected = f"earlier secret keys, separated by commas, of at least {_SHORTEST_KEY} characters each"
        raise _Unfit(expected) from None


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise _Unfit("0 or 1")
    return text == "1"


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = f"{parts.scheme}://{parts.netloc}" == text and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9.:\[\]_-]+", parts.netloc):
        raise _Unfit(
            "the shop's address as browsers send it, such as https://shop.example: in small letters,"
            " other scripts as xn--…, no path, no slash"
        )
    return text


def _host(text: str) -> str:
    if not text.isascii() or any(character.isspace() or character in "/@" for character in text):
        raise _Unfit("an address to listen on, such as 127.0.0.1 or 0.0.0.0")
    return text


def _port(text: str) -> int:
    return _whole_number(text, 1, 65535)


def _workers(text: str) -> int:
    return _whole_number(text, 1, 64)


def _whole_number(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not least <= int(text) <= most:
        raise _Unfit(f"a whole number from {least} to {most}")
    return int(text)


def _users_cookie(text: str) -> Literal["sealed", "signed"]:
    if text == "sealed":
        return "sealed"
    if text == "signed":
        return "signed"
    raise _Unfit("sealed (encrypted) or signed (readable in devtools)")


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise _Unfit("a file that exists")
    return path


def _smtp_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise _Unfit("smtp://user:password@host:587 (with STARTTLS where offered) or smtps://user:password@host:465")
    return text


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise _Unfit("an email address") from None


def _stripe_key(text: str) -> str:
    if not text.startswith(("sk_", "rk_")):
        raise _Unfit("a secret key, which starts with sk_ or rk_")
    return text


def _webhook_secret(text: str) -> str:
    if not text.startswith("whsec_"):
        raise _Unfit("the signing secret of the webhook, which starts with whsec_")
    return text


def _logo(text: str) -> Logo:
    try:
        return theme.read_logo(text)
    except (OSError, ValueError):
        raise _Unfit("an https:// address, or an SVG, PNG or WebP file of at most 200 KB") from None


def _accent(text: str) -> str:
    accent = text.lower()
    if not re.fullmatch(r"#[0-9a-f]{6}", accent):
        raise _Unfit("a colour such as #8f3f17")
    reached = colours.readability(accent)
    if reached < colours.READABLE:
        raise _Unfit(
            f"a colour that can be read on the page and below a button's words, at a contrast of 4.5: "
            f"this one reaches {reached:.2f}, and {colours.nearest_readable(accent)} is the nearest that passes"
        )
    return accent


def _font(text: str) -> str:
    try:
        return theme.read_font(text)
    except ValueError:
        raise _Unfit('names of fonts, separated by commas, such as "Source Sans 3", system-ui') from None


def _stylesheet(text: str) -> Stylesheet:
    try:
        return theme.read_stylesheet(text)
    except (OSError, ValueError):
        raise _Unfit("a .css file in UTF-8 of at most 100 KB, without @import") from None


def _kept_key(data: Path) -> str:
    """The key in the data folder, made there at the first start."""
    path = data / "secret-key"
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Whole, or not there. Of two processes that start at once, one has its key kept, and both read that.
            with NamedTemporaryFile("w", dir=data, prefix="secret-key-") as file:  # which only its owner may read
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(file.name, path)
    except OSError as error:
        raise SettingError(
            "SHOP_DATA", str(data), f"a folder that the shop may write to ({error.strerror})"
        ) from None
    key = path.read_text().strip()
    if len(key) < _SHORTEST_KEY:  # cut off, or emptied: anybody could open what it seals
        raise SettingError(
            "SHOP_DATA", str(data), f"a folder whose {path.name} has the shop's key: this one is too short"
        )
    return key
