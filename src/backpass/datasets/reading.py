"""How a text file was read: what stands between its fields, which marks in its numbers, in which bytes the text is."""

from __future__ import annotations

import codecs
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import Series

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
ONE_COLUMN = "\x1f"  # no text holds it: the whole line is one field
SPELLED = {**SEPARATORS, "\\t": "\t"}  # as people write them on a command line
DECIMALS = {"point": ".", "comma": ","}
SPACES = " \u00a0\u202f\u2009"  # plain, not to be broken, narrow, thin
GROUPS = {  # what may stand between thousands, as patterns
    ",": ",",
    ".": "[.]",
    " ": f"[{SPACES}]",
    "'": "['\u2019]",
}


@dataclass(frozen=True)
class Reading:
    """How a text file is read. What is None is to be found out.

    Attributes
    ----------
    separator : "," or ";" or tab or "|"
        What stands between two fields.
    decimal : "." or ","
        The mark before a number's decimals.
    thousands : str
        The marks that may stand between thousands; empty for none.
    encoding : str
        As Python calls it.
    preamble : int
        Rows above the header that are passed over, empty ones not counted.
    units : bool
        Whether the row below the header holds units and is left out.
    index : bool
        Whether a first column without a name counts or names the rows and is left out.

    >>> print(Reading(separator=";", decimal=",", encoding="cp1252"))
    semicolons, decimal commas, cp1252
    >>> Reading.from_dict(Reading(decimal=",").to_dict()) == Reading(decimal=",")
    True
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    preamble: int | None = None
    units: bool | None = None
    index: bool | None = None

    def __post_init__(self) -> None:
        """ValueError for what cannot be meant; names such as "tab" become what they name."""
        separator, decimal = (
            SPELLED.get(self.separator or "", self.separator),
            DECIMALS.get(self.decimal or "", self.decimal),
        )
        if separator not in (None, ONE_COLUMN, *SEPARATORS.values()):
            raise ValueError(f"separator is {separator!r}; it can be {', '.join(SEPARATORS)}")
        if decimal not in (None, *DECIMALS.values()):
            raise ValueError(f"decimal is {decimal!r}; it can be {', '.join(DECIMALS)}")
        if self.thousands is not None and (set(self.thousands) - set(GROUPS) or (decimal or " ") in self.thousands):
            raise ValueError(
                f"thousands are {self.thousands!r}; they can be of {' '.join(GROUPS)!r}, but not the decimal mark"
            )
        if self.encoding is not None:
            try:
                text = codecs.lookup(self.encoding)._is_text_encoding
            except (LookupError, ValueError):
                text = False
            if not text:
                raise ValueError(
                    f"encoding is {self.encoding!r}; it can be utf-8, utf-16, cp1252, latin-1 or another of Python's"
                )
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "decimal", decimal)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what was decided, without what is None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, held: Any) -> Reading:
        """What `to_dict` gave. TypeError, ValueError for anything else."""
        kinds = {"preamble": int, "units": bool, "index": bool}
        if not isinstance(held, dict):
            raise TypeError(f"a reading is a dict, not {held!r}")
        for key, value in held.items():
            if key not in {field.name for field in fields(cls)} or type(value) is not kinds.get(key, str):
                raise TypeError(f"a reading has no {key} {value!r}")
        return cls(**held)

    def __str__(self) -> str:
        """In one line, what is not plain: semicolons, decimal commas, cp1252."""
        said = []
        if self.separator == ONE_COLUMN:
            said.append("one column")
        elif self.separator not in (None, ","):
            said.append(next(name for name, mark in SEPARATORS.items() if mark == self.separator) + "s")
        if self.decimal == ",":
            said.append("decimal commas")
        if self.encoding not in (None, "utf-8"):
            said.append(str(self.encoding))
        if self.preamble:
            said.append(f"{self.preamble} {'line' if self.preamble == 1 else 'lines'} above the header passed over")
        if self.units:
            said.append("a line of units left out")
        return ", ".join(said)

    def numbers(self, texts: Series) -> np.ndarray:
        """The numbers that texts stand for, (N,) float64; NaN where a text is none, or is missing.

        With a decimal comma, 1.234,5 and 1,5 are numbers and 1.5 is none. "inf" and "nan" are none.

        >>> from pandas import Series
        >>> Reading(decimal=",", thousands=".").numbers(Series(["1.234,5", "1,5", "1.5", "x"])).tolist()
        [1234.5, 1.5, nan, nan]
        """
        import pyarrow
        import pyarrow.compute as compute

        array = pyarrow.array(texts, pyarrow.string(), from_pandas=True)
        if isinstance(array, pyarrow.ChunkedArray):
            array = array.combine_chunks()
        if self.decimal != ",":
            try:
                numbers = compute.cast(array, pyarrow.float64()).to_numpy(zero_copy_only=False)
                if np.isfinite(numbers).sum() == len(array) - array.null_count:
                    return numbers
            except pyarrow.ArrowInvalid:
                pass
        fits = compute.match_substring_regex(array, self.pattern())
        array = compute.if_else(fits, array, None)
        for mark in self.thousands or "":
            array = compute.replace_substring_regex(array, GROUPS[mark], "")
        array = compute.replace_substring(array, self.decimal or ".", ".")
        array = compute.replace_substring_regex(compute.replace_substring(array, "−", "-"), r"^\+", "")
        return compute.cast(array, pyarrow.float64()).to_numpy(zero_copy_only=False)

    def pattern(self) -> str:
        """The whole of a number, as a regular expression."""
        mark = re.escape(self.decimal or ".")
        whole = r"\d+" + "".join(rf"|\d{{1,3}}(?:{GROUPS[group]}\d{{3}})+" for group in self.thousands or "")
        return rf"^[+−-]?(?:(?:{whole})(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$"
