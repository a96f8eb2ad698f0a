"""Columns by their names: none twice, and an index that a program wrote without a name is no column."""

from __future__ import annotations

import re
from typing import Any

import pandas
from pandas import DataFrame

UNNAMED = re.compile(r"(Unnamed: \d+(_level_\d+)?)?")  # as pandas calls it, and writes it the next time


def named_frame(
    path: str, names: list[str], columns: list[Any], notes: list[str], index: bool | None = None
) -> tuple[DataFrame, bool | None]:
    """The columns that have names, and whether the first one had none and was left out, as `index` may say.

    Without a name are: an index, left out with a note where it counts or names the rows; what is empty, left out; and
    others, which get the name that pandas gives them. ValueError for a name that stands twice.
    """
    names = [name.strip() for name in names]
    refuse_twice(path, names)
    held: dict[str, Any] = {}
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        if not UNNAMED.fullmatch(name):
            held[name] = column
            continue
        series = pandas.Series(column, copy=False)
        if place == 0 and not series.isna().all():
            index = counts_rows(series) if index is None else index
            if index:
                notes.append(f"the first column of {path} has no name and counts or names the rows; it is left out")
                continue
        if name or not series.isna().all():
            held[name or f"Unnamed: {place}"] = column
            notes.append(f"column {place} of {path} has no name; it is called {name or f'Unnamed: {place}'!r}")
    refuse_twice(path, list(held))
    return DataFrame(held, copy=False), index


def refuse_twice(path: str, names: list[str]) -> None:
    seen: set[str] = {""}
    for name in names:
        if name in seen and name:
            raise ValueError(f"{path} has two columns named {name!r}; rename one")
        seen.add(name)


def counts_rows(column: pandas.Series) -> bool:
    """Whether all values differ and are whole numbers, or all words."""
    if column.isna().any() or not column.is_unique:
        return False
    if column.dtype == "str":
        return bool(column.str.fullmatch(r"-?\d+").all() or column.str.match(r"[^\W\d]").all())
    return column.dtype.kind in "iu"
