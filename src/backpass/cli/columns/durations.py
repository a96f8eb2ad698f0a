"""Columns of durations and of times of day: each value so many seconds.

12:30, 12:30:15.5, 1 days 02:00:00, -1 days +23:00:00 (as pandas writes them), 3 days, P1DT2H30M (ISO 8601).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from backpass.cli.columns.column import Column, means_missing
from backpass.cli.columns.kind import Kind

SPAN = np.dtype("timedelta64[us]")
EXPECTED = "a duration such as 1 days 02:30:00 or 12:30 is expected, or nothing"
FORMS = (
    re.compile(
        r"(?:(?P<sign>-)?(?P<days>\d{1,7}) days?,?\s*)?"
        r"(?:(?P<own>[+-])?(?P<hours>\d{1,6}):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d)(?:[.,](?P<part>\d{1,9}))?)?)?"
    ),
    re.compile(
        r"(?P<sign>-)?P(?:(?P<days>\d{1,7})D)?"
        r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,9})(?:[.,](?P<part>\d{1,9}))?S)?)?"
    ),
)


def span(text: str) -> int | None:
    """Microseconds; None for no duration.

    >>> span("0 days 00:00:01.5"), span("-1 days +23:59:59"), span("PT1M"), span("-00:00:01"), span("soon")
    (1500000, -1000000, 60000000, -1000000, None)
    """
    for form in FORMS:
        found = form.fullmatch(text)
        if found and any(character.isdigit() for character in text):
            held = found.groupdict()
            number = {name: int(held[name] or 0) for name in ("days", "hours", "minutes", "seconds")}
            within = (number["hours"] * 60 + number["minutes"]) * 60 + number["seconds"]
            time = within * 1_000_000 + int(f"{held['part'] or '':0<6}"[:6])
            days = number["days"] * 86_400_000_000
            sign = -1 if held["sign"] else 1
            if held.get("own"):  # beside days, the time has a sign of its own
                return sign * days + (time if held["own"] == "+" else -time)
            return sign * (days + time)
    return None


@dataclass
class Duration(Kind):
    """Durations, and times of day."""

    word = "durations"

    @classmethod
    def learn(cls, column: Column, decimal: str) -> tuple[Duration, np.ndarray] | None:
        if column.held == "text":
            there = [text for text in column.codes[1] if not means_missing(text)]
            if not there or any(span(text) is None for text in there):
                return None
        elif column.held != "duration":
            return None
        return (kind := cls()), kind.parse(column)

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        if column.held == "duration":
            return column.values.to_numpy(SPAN)

        def meaning(text: str) -> np.timedelta64:
            if means_missing(text):
                return np.timedelta64("NaT")
            if (microseconds := span(text)) is None:
                raise column.refuse_text(text, EXPECTED)
            return np.timedelta64(microseconds, "us")

        return column.each(meaning, SPAN, np.timedelta64("NaT"))

    def encode(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnat(values), np.nan, values.astype(np.int64) / 1e6)[:, None]
