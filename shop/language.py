"""The language of a page, a message or a letter, and its texts through gettext. Imports no Flask.

Source texts are English. A translation is `shop/locale/<code>/LC_MESSAGES/messages.po`, read when it is first spoken:
there is no step that compiles it. `make language LANGUAGE=de` starts one, `make check` finds what it lacks.

Which language is spoken now is a context variable: a request speaks its visitor's, a letter the order's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment

SOURCE = "en"
LOCALE_FOLDER = Path(__file__).resolve().parent / "locale"

_spoken: ContextVar[str] = ContextVar("spoken", default=SOURCE)
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")
_LONGEST_HEADER = 500


def gettext(text: str, /, **values: object) -> str:
    """`text` in the language that is spoken, with `%(name)s` filled in. A percent sign is written `%%`."""
    return translation(text) % values


def ngettext(one: str, many: str, num: int, /, **values: object) -> str:
    """The form for `num` things, by the language's own rule of plurals; `%(num)s` is there to be used."""
    values.setdefault("num", num)
    return plural_translation(one, many, num) % values


def translation(text: str) -> str:
    """`text` in the language that is spoken, nothing filled in: templates do that themselves, escaping it."""
    return _catalogue(_spoken.get()).gettext(text)


def plural_translation(one: str, many: str, num: int) -> str:
    """The form for `num` things, nothing filled in."""
    return _catalogue(_spoken.get()).ngettext(one, many, num)


def install(environment: Environment) -> None:
    """Let templates speak: `_("…", name=…)`, `ngettext` and `{% trans %}`. It is Jinja that fills in the values."""
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        translation, plural_translation, newstyle=True
    )


def N_(text: str) -> str:
    """Marks a text for translation where it is not yet spoken."""
    return text


@cache
def available() -> tuple[str, ...]:
    """Codes of the languages there are texts in: the source's first."""
    return (SOURCE, *sorted(path.parent.parent.name for path in LOCALE_FOLDER.glob("*/LC_MESSAGES/messages.po")))


def spoken() -> str:
    """The code of the language that is spoken now, such as `"ru"`."""
    return _spoken.get()


def speak(code: str) -> None:
    """Speak this language from here on, in this context."""
    _spoken.set(code)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak this language inside the block; English where there is no such translation."""
    token = _spoken.set(code if code in available() else SOURCE)
    try:
        yield
    finally:
        _spoken.reset(token)


@cache
def name_of(code: str) -> str:
    """What the language calls itself: `"Русский"`."""
    name = Locale.parse(code).get_display_name() or code
    return name[:1].upper() + name[1:]


def preferred(accept_language: str, offered: tuple[str, ...]) -> str | None:
    """The one of `offered` that an Accept-Language header asks for most; None when it names none of them.

    Regions are ignored: `de-AT` is `de`. Of equal wishes the one named first counts, and `*` is no wish.
    Of an endless header the beginning counts. Source: RFC 9110, 12.5.4.
    """
    return _preferred(accept_language[:_LONGEST_HEADER], offered)


@lru_cache(maxsize=500)
def _preferred(accept_language: str, offered: tuple[str, ...]) -> str | None:
    wishes: dict[str, float] = {}
    for part in accept_language.split(","):
        match = _RANGE.fullmatch(part)
        if match and (code := match[1].lower()) in offered:
            wishes[code] = max(wishes.get(code, 0), float(match[2] or 1))
    most = max(wishes, key=wishes.__getitem__, default=None)
    return most if most and wishes[most] else None


@cache
def _catalogue(code: str) -> NullTranslations:
    if code == SOURCE:
        return NullTranslations()
    with (LOCALE_FOLDER / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        messages = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return GNUTranslations(compiled)
