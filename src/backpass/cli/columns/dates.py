"""Columns of dates and times of day on them: each value a moment, in microseconds, UTC where a zone stands beside it.

Read whatever was learnt:
2024-01-31, 2024/1/31, 20240131, 2024-01; behind it, with T or a space, 13:45, 13:45:30.5, 1:45 PM,
then Z, UTC, +01:00; 31 Jan 2024, Jan 31, 2024; seconds, milli-, micro-, nanoseconds since 1970 (10, 13, 16, 19 digits).
Read in the order that the training column showed: 31/01/2024, 31.1.24. A day number of a spreadsheet is refused.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

import numpy as np

from backpass.cli.columns.column import Column, means_missing
from backpass.cli.columns.kind import Kind, of_type

JANUARY_ON = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = rf"(?P<month>(?:{'|'.join(JANUARY_ON)})[a-z]*)[.]?"
TIME = re.compile(
    r"(?P<hour>\d{1,2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?)?\s*(?P<half>[ap][.]?m[.]?)?"
    r"\s*(?P<zone>z|utc|gmt|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?(?:\s*\[[\w/+-]+\])?",
    re.IGNORECASE,
)
ISO = re.compile(
    r"(?P<year>\d{4})(?:(?P<mark>[-/.])(?P<month>\d{1,2})(?:(?P=mark)(?P<day>\d{1,2}))?|(?P<m>\d{2})(?P<d>\d{2}))"
)
NAMED = re.compile(
    rf"(?:[a-z]{{3,9}}[.,]?\s+)?(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s.-]+{MONTH}"
    rf"|{MONTH.replace('month', 'm')}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?)[\s,-]+(?P<year>\d{{4}}|\d{{2}})",
    re.IGNORECASE,
)
ORDERED = re.compile(r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})")
SINCE_1970 = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}  # digits: units a second
ORDERS = ("", "day first", "month first")
EXPECTED = {
    "": "a date such as 2024-01-31 is expected, or nothing",
    "day first": "a date such as 2024-01-31 or 31/01/2024 is expected, or nothing",
    "month first": "a date such as 2024-01-31 or 01/31/2024 is expected, or nothing",
}
MOMENT = np.dtype("datetime64[us]")
FIRST = datetime.datetime(1970, 1, 1)
FEW = 20  # texts, of which the first show that a column holds no dates


def moment(text: str, order: str) -> datetime.datetime | None:
    """The moment that a text stands for; None for no date, or one whose day and month cannot be told apart.

    >>> moment("2024-01-31 13:45+01:00", ""), moment("31/01/2024", "month first")
    (datetime.datetime(2024, 1, 31, 12, 45), None)
    """
    if text.isascii() and text.isdigit() and len(text) in SINCE_1970:
        return FIRST + datetime.timedelta(microseconds=int(text) * 1_000_000 // SINCE_1970[len(text)])
    try:
        for form in (ISO, NAMED, ORDERED):
            if found := form.match(text):
                rest = text[found.end() :]
                time = TIME.fullmatch(rest.lstrip(" T,t")) if rest else None
                if rest and (time is None or rest[0] not in " T,t"):
                    continue
                day = datetime.datetime(*_day(found, order))
                return _at(day, time) if time else day
    except (ValueError, OverflowError):  # no such day, no such hour
        pass
    return None


def _day(found: re.Match[str], order: str) -> tuple[int, int, int]:
    """Year, month, day; ValueError where they cannot be told."""
    held = found.groupdict()
    year = int(held["year"])
    if year < 100:  # as POSIX has it
        year += 1900 if year > 68 else 2000
    if "first" in held:
        first, second = int(held["first"]), int(held["second"])
        padded = len(held["first"]) == len(held["second"]) == 2
        if len(held["year"]) == 2 and (held["mark"] == "-" or (held["mark"] == "." and not padded)):
            raise ValueError  # 24-01-31 may begin with the year, 1.2.10 is a version
        day_first = order == "day first" or (not order and first > 12)
        if not order and first <= 12 and second <= 12 and first != second:
            raise ValueError
        return (year, second, first) if day_first else (year, first, second)
    month, day = held["month"] or held["m"], held["day"] or held["d"] or 1
    return year, int(month) if month.isdigit() else 1 + JANUARY_ON.index(month[:3].lower()), int(day)


def _at(day: datetime.datetime, time: re.Match[str]) -> datetime.datetime:
    hour, half = int(time["hour"]), (time["half"] or "").lower()[:1]
    if half and not 1 <= hour <= 12:
        raise ValueError
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    elif time["minute"] is None:
        raise ValueError
    fraction = int(f"{time['part'] or '':0<6}"[:6])
    at = day.replace(hour=hour, minute=int(time["minute"] or 0), second=int(time["second"] or 0), microsecond=fraction)
    if (zone := time["zone"] or "")[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "")
        offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4] or 0), seconds=int(digits[4:] or 0))
        return at - offset if zone[0] == "+" else at + offset
    return at


def order_of(texts: list[str]) -> str | None:
    """Which stands first in all of them, the day or the month; "" where nothing says so, None where they differ."""
    found = [match for text in texts if (match := ORDERED.match(text))]
    days = any(int(match["first"]) > 12 for match in found)
    months = any(int(match["second"]) > 12 for match in found)
    return None if days and months else "day first" if days else "month first" if months else ""


@dataclass
class Date(Kind):
    """Dates, with or without a time.

    Attributes
    ----------
    order : "day first" or "month first"
        How 03/04/2020 is meant; empty where the training column held no such text.
    hours : bool
        Whether any value of the training part has a time other than midnight.
    """

    word = "dates"

    order: str = ""
    hours: bool = False

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise TypeError(f"order is {self.order!r:.60}")
        of_type(self.hours, bool, "hours")

    @property
    def width(self) -> int:  # type: ignore[override]
        return 4 + self.hours

    @classmethod
    def learn(cls, column: Column, decimal: str) -> tuple[Date, np.ndarray] | None:
        if column.held == "date":
            return (kind := cls()), kind.parse(column)
        if column.held != "text":
            return None
        texts = [text for text in column.codes[1] if not means_missing(text)]
        if not texts or any(all(moment(text, order) is None for order in ORDERS) for text in texts[:FEW]):
            return None
        if (order := order_of(texts)) is None:
            return None
        kind = cls(order)
        ambiguous = next((text for text in texts if ORDERED.match(text)), "")
        if ambiguous and not order:
            kind.order = "day first" if "." in ambiguous else "month first"
            kind.notes += (f"{column.name}: {ambiguous!r} is read with the {kind.order}; nothing in the column tells",)
        try:
            return kind, kind.parse(column)
        except ValueError:
            return None

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        if column.held == "date":
            values = column.values
            if getattr(values.dtype, "tz", None) is not None:
                values = values.dt.tz_convert(None)
            return values.to_numpy(MOMENT)

        def meaning(text: str) -> datetime.datetime | None:
            if means_missing(text):
                return None
            if (found := moment(text, self.order)) is None:
                raise column.refuse_text(text, EXPECTED[self.order])
            return found

        return column.each(meaning, MOMENT, np.datetime64("NaT"))

    def fit(self, values: np.ndarray, seed: int) -> None:
        there = values[~np.isnat(values)]
        self.hours = bool((there != there.astype("datetime64[D]")).any())

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Year, month, day, hour where there are hours, seconds since 1970."""
        encoded = np.full((len(values), self.width), np.nan)
        there = ~np.isnat(values)
        at = values[there]
        days, months, years = (at.astype(f"datetime64[{unit}]") for unit in "DMY")
        parts = [years.astype(np.int64) + 1970, months.astype(np.int64) % 12 + 1, (days - months).astype(np.int64) + 1]
        if self.hours:
            parts.append((at - days).astype(np.int64) // 3_600_000_000)
        for place, part in enumerate([*parts, at.astype(np.int64) / 1e6]):
            encoded[there, place] = part
        return encoded
