"""Numbers as people write them: 1,234.5 or 1.234,5 or 1 234; $5, 5 EUR, 5%, (5) for -5.

The mark before the decimals is the file's or the column's; what else may stand between thousands follows from it.
5% is 5 with the unit %: a column has percents in all its values or in none.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import Series

THOUSANDS = {".": ", '", ",": ". '"}  # by the mark before the decimals
CODES = ["USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "AUD", "CAD", "SEK", "NOK", "DKK", "PLN", "BRL", "MXN", "KRW"]
AMOUNT = re.compile(
    r"(\()?\s*([+−-]?)\s*(\D*?)\s*([+−-]?)\s*([\d.,](?:.*[\d.,])?)\s*"  # (, sign, unit, sign, number
    rf"({'|'.join(CODES)}|[^\d\s)])?\s*(\))?"  # unit, )
)


@cache
def reading(decimal: str, thousands: str) -> Any:
    from backpass.datasets.reading import Reading

    return Reading(decimal=decimal, thousands=thousands)


def numbers(texts: Series, decimal: str, grouped: bool = True) -> np.ndarray:
    """(N,) float64, NaN where a text is no number without a unit; `grouped`: marks may stand between its thousands."""
    return reading(decimal, THOUSANDS[decimal] if grouped else "").numbers(texts)


def taken_apart(text: str) -> tuple[str, str]:
    """The unit, and the number without it; ("", "") where there is no unit.

    >>> taken_apart("-$1,234.50"), taken_apart("5 %"), taken_apart("(12 EUR)"), taken_apart("A12")
    (('$', '-1,234.50'), ('%', '5'), ('EUR', '-12'), ('', ''))
    """
    found = AMOUNT.fullmatch(text)
    if not found:
        return "", ""
    opened, sign, before, sign_within, number, behind, closed = found.groups()
    if bool(opened) != bool(closed) or bool(opened) + bool(sign) + bool(sign_within) > 1 or (before and behind):
        return "", ""
    unit = (before or behind or "").strip()
    if not (unit in ("%", *CODES) or (len(unit) == 1 and unicodedata.category(unit) == "Sc") or (opened and not unit)):
        return "", ""
    minus = opened or "-" in sign + sign_within or "−" in sign + sign_within
    return unit or "()", f"-{number}" if minus else number
