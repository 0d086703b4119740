"""Barcodes: which of them are GTINs, the numbers that name a product the world over."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[0-9]{8}|[0-9]{12,14}", re.ASCII)
# Numbers that shops give out themselves, and those of coupons; of a GTIN-13. Source: Google's rules for [gtin].
_NOT_GLOBAL = ("02", "04", "05", "2", "981", "982", "983", "984", "99")


def gtin_of(barcode: str) -> str | None:
    """The GTIN (of 8, 12, 13 or 14 digits) that `barcode` is, without its spaces and hyphens; None if it is none.

    A GTIN ends with the right check digit, and is no number that anybody may give to anything.
    """
    digits = barcode.replace(" ", "").replace("-", "")
    if not _DIGITS.fullmatch(digits) or not int(digits) or not _checks(digits):
        return None
    if digits.startswith(("0", "2")) if len(digits) == 8 else digits.zfill(14)[1:].startswith(_NOT_GLOBAL):
        return None
    return digits


def _checks(digits: str) -> bool:
    """From the right, the digits count once and three times in turn, and the sum ends with 0. Source: GS1."""
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits))) % 10 == 0
