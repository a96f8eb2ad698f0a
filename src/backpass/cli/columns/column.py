"""A column as the kinds read it: typed values, or text that is the same whatever file it came from.

number, boolean, date, duration     as the file has them
text                                as it stands in the file, without spaces around it

The text of a typed value is the one that a csv file would have: 7 and 7.0 are "7", yes is "True", a day "2024-01-31".
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import Series

MISSING = frozenset(("", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a"))
EXACT = 2.0**53  # whole numbers beyond it are not all floats


def means_missing(text: str) -> bool:
    """Whether a word stands for a value that is not there, where anything but words is expected."""
    return text.lower() in MISSING


def plain(value: Any) -> Any:
    """A value as JSON has it: bool, int, float or str."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def text_of(value: Any) -> str:
    """The text that stands for a value in every file."""
    if isinstance(value, float | np.floating) and (number := float(value)).is_integer() and abs(number) < EXACT:
        return str(int(number))
    if isinstance(value, datetime.datetime) and value == value.replace(hour=0, minute=0, second=0, microsecond=0):
        return value.strftime("%Y-%m-%d")
    return str(plain(value)).strip()


def shown(text: str) -> str:
    """A text in a message: quoted, but for a number that is too large to be one."""
    try:
        return str(float(text)) if abs(float(text)) > EXACT else repr(text)
    except ValueError:
        return repr(text)


class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    held : "number", "boolean", "date", "duration" or "text"
        What its values are in the file.
    values : Series (N,)
    row : callable
        Says where the value at a place stands, such as "row 3".
    """

    def __init__(self, values: Series, row: Callable[[int], str] = "row {}".format):
        kind = values.dtype.kind
        if kind == "c":
            raise TypeError(f"{values.name} holds complex numbers; pass real ones")
        self.name, self.row = str(values.name), row
        if kind == "O" and str(values.dtype) != "str":
            values = values.astype(object).map(text_of, na_action="ignore").astype("str")
        self.values = values
        self.held = {"b": "boolean", "M": "date", "m": "duration"}.get(kind, "number" if kind in "iuf" else "text")

    @cached_property
    def codes(self) -> tuple[np.ndarray, list[str]]:
        """For each value the index of its text, -1 where it is missing; and the texts that differ."""
        codes, found = self.values.factorize()
        texts = [text_of(value) for value in found]
        if (empty := [index for index, text in enumerate(texts) if not text]) and len(codes):
            codes = np.where(np.isin(codes, empty), -1, codes)
        return codes, texts

    @cached_property
    def missing(self) -> np.ndarray:
        """(N,) bool: where nothing stands."""
        return self.codes[0] < 0 if self.held == "text" else self.values.isna().to_numpy()

    def each(self, meaning: Callable[[str], Any], dtype: Any, nothing: Any) -> np.ndarray:
        """(N,) what each text means, `nothing` where it is missing; asked once for each that differs."""
        codes, texts = self.codes
        meanings = np.empty(len(texts) + 1, dtype)
        meanings[-1] = nothing
        for index, text in enumerate(texts):
            meanings[index] = meaning(text)
        return meanings[codes]

    def texts(self) -> np.ndarray:
        """(N,) object: the texts, None where nothing stands."""
        return self.each(lambda text: text, object, None)

    def told(self, place: int) -> str:
        """One value in words: what it is, and where."""
        text = text_of(self.values.iloc[place])
        return f"{text if self.held == 'number' else shown(text)} in {self.row(place)}"

    def refuse(self, place: int, expected: str) -> ValueError:
        """The error about one value."""
        return ValueError(f"{self.name} holds {self.told(place)}; {expected}")

    def refuse_text(self, text: str, expected: str) -> ValueError:
        """The error about the first value that has a text."""
        codes, texts = self.codes
        return self.refuse(int((codes == texts.index(text)).argmax()), expected)
