"""Columns of numbers, amounts among them, and columns of yes and no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from backpass.cli.columns import amounts
from backpass.cli.columns.column import Column, means_missing
from backpass.cli.columns.kind import Kind, of_type, texts_of

if TYPE_CHECKING:
    from pandas import Series

LARGEST = float(np.finfo(np.float32).max)
EXPECTED = "a finite number is expected, or nothing"
MARKS = frozenset(("?", "??", "-", "--", "---", "—", "–", ".", "..", "...", "*", "unknown", "missing"))
BROKEN = frozenset(("#value!", "#div/0!", "#ref!", "#num!", "#name?", "#null!"))  # what a spreadsheet writes
NOT_READ = 20  # texts that are no numbers, of which the first show that a column holds none
YES = frozenset(("true", "yes", "y", "t", "on", "1", "1.0"))
NO = frozenset(("false", "no", "n", "f", "off", "0", "0.0"))
INFINITE = ("inf", "infinity")


@dataclass
class Number(Kind):
    """Numbers.

    Attributes
    ----------
    decimal : "." or ","
        The mark before the decimals, in values that are text.
    unit : str
        What stands beside the number in training: "$", "%"; empty for nothing. With % no value may be without.
    marks : list of str
        Marks such as ? that stood for a missing value in training, besides the words that always do.
    """

    word = "numbers"

    decimal: str = "."
    unit: str = ""
    marks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.decimal not in amounts.THOUSANDS:
            raise TypeError(f"decimal is {self.decimal!r:.60}")
        of_type(self.unit, str, "unit")
        texts_of(self.marks, "marks")

    @classmethod
    def learn(cls, column: Column, decimal: str, largest: float = LARGEST) -> tuple[Number, np.ndarray] | None:
        """The kind and the values, where all that stands in the column is numbers, or stands for nothing."""
        if column.held == "number":
            return (kind := cls(decimal)), kind.parse(column, None, largest)
        if column.held != "text":
            return None
        if not may_hold_numbers(column.values):
            return None
        values = amounts.numbers(column.values, decimal, grouped=False)
        if not (unread := np.isnan(values)).any() or not (unread := unread & ~column.values.isna().to_numpy()).any():
            return None if np.isnan(values).all() else (cls(decimal), checked(column, values, largest))
        texts = column.values[unread]
        for mark in (decimal, "," if decimal == "." else "."):
            values = amounts.numbers(column.values, mark)
            left = list(dict.fromkeys(texts[np.isnan(values[unread])]))
            found = cls._of_rest(column.name, left, mark, not np.isnan(values).all())
            if found is not None:
                kind = found
                if mark != decimal:
                    kind.notes += (f"{column.name}: {'comma' if mark == ',' else 'point'}s stand before the decimals",)
                elif not kind.notes:
                    kind.notes += (amounts_in(column.name, texts.iloc[0]),)
                values = kind.parse(column, None, largest)
                return None if np.isnan(values).all() else (kind, values)
        return None

    @classmethod
    def _of_rest(cls, name: str, texts: list[str], decimal: str, plain: bool) -> Number | None:
        """What the texts that are no plain numbers say of the column; `plain` if it has such numbers too."""
        units, marks, example = set(), [], ""
        for part in (texts[:NOT_READ], texts[NOT_READ:]):  # of a million texts the first few are enough to say no
            bare = []
            for text in part:
                if means_missing(text.strip()):
                    continue
                unit, number = amounts.taken_apart(text.strip())
                if unit:
                    units.add(unit)
                    bare.append(number)
                    example = example or text.strip()
                elif text.strip().lower() in MARKS | BROKEN:
                    marks.append(text.strip())
                elif text.strip().lstrip("+-").lower() not in INFINITE:
                    return None
            if bare and np.isnan(_read(bare, decimal)).any():
                return None
        units -= {"()"}
        if len(units) > 1 or (units == {"%"} and plain):
            return None
        kind = cls(decimal, "".join(units), sorted(set(marks)))
        if example:
            kind.notes += (amounts_in(name, example),)
        if marks:
            kind.notes += (f"{name}: {' and '.join(kind.marks)} counts as missing",)
        return kind

    def parse(self, column: Column, decimal: str | None = None, largest: float = LARGEST) -> np.ndarray:
        if column.held in ("number", "boolean"):
            values = column.values.to_numpy(np.float64, na_value=np.nan)
            if self.unit == "%" and not np.isnan(values).all():
                raise column.refuse(int((~np.isnan(values)).argmax()), "in training all values stood with %")
            return checked(column, values, largest)
        if column.held != "text":
            if (there := ~column.missing).any():
                raise column.refuse(int(there.argmax()), EXPECTED)
            return np.full(len(there), np.nan)
        decimal = decimal or self.decimal
        values = amounts.numbers(column.values, decimal)
        left = np.isnan(values)
        if left.any():
            left &= ~column.values.isna().to_numpy()
        if self.unit == "%":
            left |= ~np.isnan(values)
        if left.any():
            codes, texts = column.values[left].factorize()
            meanings = self._meanings([str(text).strip() for text in texts], decimal)
            values[left] = meanings[codes]
            if (bad := left & np.isinf(values)).any():
                raise column.refuse(int(bad.argmax()), self._expected(decimal))
        return checked(column, values, largest)

    def _meanings(self, texts: list[str], decimal: str) -> np.ndarray:
        """(N,) the numbers that texts other than plain numbers stand for; infinity for none."""
        meanings, places, bare = np.full(len(texts), np.inf), [], []
        for place, text in enumerate(texts):
            unit, number = amounts.taken_apart(text)
            if means_missing(text) or text in self.marks:
                meanings[place] = np.nan
            elif unit and unit in (self.unit, "()"):
                places.append(place)
                bare.append(number)
            elif self.unit != "%" and text.lower() in ("true", "false"):
                meanings[place] = text.lower() == "true"
        if bare:
            meanings[places] = np.nan_to_num(_read(bare, decimal), nan=np.inf)
        return meanings

    def _expected(self, decimal: str) -> str:
        if self.unit:
            return f"a number with {self.unit} is expected, as in training, or nothing"
        return EXPECTED if decimal == "." else f"{EXPECTED}, decimals behind a comma"

    def encode(self, values: np.ndarray) -> np.ndarray:
        return values[:, None]


def may_hold_numbers(values: Series) -> bool:
    """Whether the first text may stand for a number or for nothing: one word is enough to say no of a column."""
    text = values.array[0]  # `iloc` takes ten times as long, which wide tables feel
    if not isinstance(text, str) or any(character.isdigit() for character in text):
        return True
    word = text.strip().lower()
    return means_missing(word) or word in MARKS | BROKEN or word.lstrip("+-") in INFINITE


def amounts_in(name: str, example: str) -> str:
    return f"{name} holds amounts such as {example!r}; they are read as numbers"


def checked(column: Column, values: np.ndarray, largest: float) -> np.ndarray:
    """The values; ValueError naming the first that is infinite or beyond the largest."""
    with np.errstate(invalid="ignore"):
        beyond = ~(np.abs(values) <= largest) & ~np.isnan(values)
    if beyond.any():
        raise column.refuse(int(beyond.argmax()), EXPECTED)
    return values


def _read(texts: list[str], decimal: str) -> np.ndarray:
    from pandas import Series

    return amounts.numbers(Series(texts, dtype="str"), decimal)


@dataclass
class Boolean(Kind):
    """Yes and no, 1 and 0; in text true and false, whatever their letters' case."""

    word = "yes or no"

    @classmethod
    def learn(cls, column: Column, decimal: str) -> tuple[Boolean, np.ndarray] | None:
        if column.held == "text":
            found = {text.lower() for text in column.codes[1] if not means_missing(text)}
            if not found or found - {"true", "false"}:
                return None
        elif column.held != "boolean":
            return None
        return (kind := cls()), kind.parse(column)

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        if column.held == "boolean":
            return column.values.to_numpy(np.float64, na_value=np.nan)

        def meaning(text: str) -> float:
            word = text.lower()
            if word in YES or word in NO:
                return float(word in YES)
            if means_missing(text):
                return np.nan
            raise column.refuse_text(text, "True or False is expected, or nothing")

        return column.each(meaning, np.float64, np.nan)

    def encode(self, values: np.ndarray) -> np.ndarray:
        return values[:, None]
