"""Prices: integers in a currency's minor units, and their text.

A currency's number of decimals is the CLDR's, through Babel: USD 2, JPY 0, KWD 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from babel.numbers import format_currency, get_currency_precision

_PRICE = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,12})?", re.ASCII)
MOST = 99_999_999_99  # of minor units: fits any database's bigint with room for 999 of 90 lines


class NotAPrice(ValueError):
    """The text is no price in this currency; str() says what was expected."""


class TooFine(NotAPrice):
    """It has more decimals than the currency."""


class TooMuch(NotAPrice):
    """It is more than MOST."""


@dataclass(frozen=True)
class Currency:
    """A currency by its ISO 4217 code, with the locale that its amounts are written in."""

    code: str = "USD"
    locale: str = "en_US"

    @property
    def decimals(self) -> int:
        return get_currency_precision(self.code)

    def parse(self, text: str) -> int:
        """`"19.99"` as minor units (1999). Exports write a dot, whatever the locale. Raises NotAPrice."""
        text = text.strip()
        if not _PRICE.fullmatch(text):
            raise NotAPrice("a price such as 19.99")
        minor = Decimal(text).scaleb(self.decimals)
        if minor != minor.to_integral_value():
            raise TooFine(f"a price with at most {self.decimals} decimals ({self.code})")
        if minor > MOST:
            raise TooMuch(f"a price of at most {MOST // 10**self.decimals}")
        return int(minor)

    def plain(self, minor: int) -> str:
        """Minor units as an export writes them: `1999` is `"19.99"`."""
        return str(Decimal(minor).scaleb(-self.decimals))

    def format(self, minor: int) -> str:
        """Minor units as people of the locale read them: `1999` is `"$19.99"`."""
        return _format(minor, self.code, self.locale)


@lru_cache(maxsize=4096)
def _format(minor: int, code: str, locale: str) -> str:
    return format_currency(Decimal(minor).scaleb(-get_currency_precision(code)), code, locale=locale)
