"""Text files: every column as it stands there, stripped; an empty field is missing, and nothing else is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backpass.datasets import dialect, fields
from backpass.datasets.encoding import as_utf8
from backpass.datasets.marks import marks_of
from backpass.datasets.names import named_frame, refuse_twice
from backpass.datasets.opening import Source
from backpass.datasets.reading import Reading

if TYPE_CHECKING:
    from pandas import DataFrame

LINE = re.compile(rb"\r\n?|\n")


def read_text(source: Source, asked: Reading, before: Reading, notes: list[str]) -> tuple[DataFrame, Reading]:
    """The columns, and how they were read, but for the marks in numbers."""
    import pandas

    path = source.path
    content, encoding = as_utf8(path, source.content, asked, before)
    if not content.strip():
        raise ValueError(f"{path} is empty")
    layout = dialect.layout_of(path, content, asked, before, ".tsv" if source.kind == ".tsv" else "")
    dialect.refuse_headless(path, layout)
    names = layout.names
    refuse_twice(path, names)
    units = asked.units if asked.units is not None else layout.has_units(before.units)
    line = layout.rows[layout.header + units][0]
    below = after_lines(content, line)
    columns = fields.quick(below, layout.separator, len(names))
    if columns is None:
        columns = fields.careful(path, below.decode(), layout.separator, len(names), line)
    if not len(columns[0]):
        raise ValueError(f"{path} has no rows; at least one sample is needed")
    index = asked.index if asked.index is not None else before.index
    texts = [pandas.array(column, dtype=pandas.StringDtype(na_value=np.nan)) for column in columns]
    frame, index = named_frame(path, names, texts, notes, index)
    reading = Reading(
        layout.separator,
        encoding=encoding,
        preamble=layout.header,
        units=units,
        index=before.index if index is None else index,
    )
    if layout.separator == "," and below.isascii() and not any(mark in below for mark in (b'"', b"'", b" ")):
        reading = replace(reading, decimal=".", thousands=",")  # no number can hold a comma, and nothing else to tell
    if before.separator is not None and (
        (layout.separator != before.separator and len(names) > 1)
        or (encoding != before.encoding and not content.isascii())
    ):
        notes.append(f"{path} is not written as before: {reading if str(reading) else 'commas, utf-8'}")
    return frame, reading


def after_lines(content: bytes, lines: int) -> bytes:
    place = 0
    for _ in range(lines):
        found = LINE.search(content, place)
        place = found.end() if found else len(content)
    return content[place:]


def with_marks(frame: DataFrame, reading: Reading, asked: Reading, before: Reading, notes: list[str]) -> Reading:
    """Which marks stand in numbers: as asked for, as before where the fields are separated as before, or found out."""
    decimal, thousands = asked.decimal, asked.thousands
    if decimal is None and before.separator == reading.separator and before.decimal is not None:
        decimal, thousands = before.decimal, before.thousands
    if decimal is None:
        decimal, thousands = reading.decimal, reading.thousands
    if decimal is None:
        decimal, thousands, found = marks_of(frame, str(reading.separator))
        notes += found
    elif thousands is None:
        thousands = "." if decimal == "," else ","
    return replace(reading, decimal=decimal, thousands=thousands)
