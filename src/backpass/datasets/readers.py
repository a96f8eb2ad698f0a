"""Tables from files: text with any of the usual separators and encodings, parquet, feather, xlsx, jsonl, npz.

What cannot be read is told in one line. Columns of text files are texts as they stand there: what kind they are is not
decided here, and so does not depend on which rows a file happens to hold.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backpass.datasets.builtin import BUILTIN, builtin
from backpass.datasets.opening import STDIN, TEXTS, Source, open_source
from backpass.datasets.reading import Reading

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Reading", "Table", "read"]

UNTOLD = Reading()


@dataclass
class Table:
    """Samples, one row each.

    Attributes
    ----------
    name : str
        The built-in's, or the (first) file's without its endings.
    frame : DataFrame (N, columns)
        All columns, the target's among them.
    target : str, optional
        The column to predict, where the data say which.
    named : bool
        Whether the columns have names of their own; an array's are told apart by their place.
    text : bool
        Whether the columns are texts as they stood in a file.
    reading : Reading
        How text was read; all None where it was not text.
    notes : list of str
        What was done to the columns, in words.
    files : list of (str, int)
        What was read, and how many rows each held.
    """

    name: str
    frame: DataFrame
    target: str | None = None
    named: bool = True
    text: bool = False
    reading: Reading = UNTOLD
    notes: list[str] = field(default_factory=list)
    files: list[tuple[str, int]] = field(default_factory=list)

    def row(self, place: int) -> str:
        """How a row is called: rows count from 0, below the header, in each file."""
        if len(self.files) < 2:
            return f"row {place}"
        for path, rows in self.files:
            if place < rows:
                return f"row {place} of {path}"
            place -= rows
        raise IndexError(f"the table has {len(self.frame)} rows")


def read(
    data: str | Path | Sequence[str | Path], reading: Reading | None = None, *, as_before: Reading | None = None
) -> Table:
    """The table behind a built-in name, a path, a pattern such as "sales-*.csv", several of these, or "-".

    Parameters
    ----------
    data : str, Path, or a list of these
    reading : Reading, optional
        How text is to be read, where it is not to be found out.
    as_before : Reading, optional
        How other files of the same kind were read: followed where it fits, else found out anew with a note.

    Raises FileNotFoundError, OSError, ValueError, TypeError of one line for what is missing, empty, cut off, no table.
    """
    asked, before = reading or UNTOLD, as_before or UNTOLD
    several = [data] if isinstance(data, str | Path) else list(data)
    if not several:
        raise ValueError("no file is named; pass at least one")
    if len(several) == 1 and str(several[0]) in BUILTIN:
        frame, target = builtin(str(several[0]))
        return Table(str(several[0]), frame, target)
    paths = [path for each in several for path in paths_of(str(each))]
    tables = []
    for path in paths:
        tables.append(read_file(open_source(path), asked, before))
        if len(tables) == 1 and len(paths) > 1:
            before = replace(tables[0].reading, **{"decimal": None, "thousands": None} | before.to_dict())
    table = tables[0] if len(tables) == 1 else joined(tables)
    if table.text:
        from backpass.datasets.text import with_marks

        table.reading = with_marks(table.frame, table.reading, asked, as_before or UNTOLD, table.notes)
    return table


def paths_of(data: str) -> list[str]:
    """The files that a path or a pattern names."""
    if data == STDIN or Path(data).exists():
        return [data]
    if any(mark in data for mark in "*?["):
        found = sorted(path for path in glob.glob(data, recursive=True) if Path(path).is_file())
        if found:
            return found
        raise FileNotFoundError(f"no file is named like {data}")
    raise FileNotFoundError(f"{data} is no file, and no built-in data set ({', '.join(BUILTIN)})")


def read_file(source: Source, asked: Reading, before: Reading) -> Table:
    from pandas import DataFrame  # here, as what follows: the command line's help needs none of it

    from backpass.datasets import text, typed, workbook

    notes: list[str] = []
    table = Table(source.name, DataFrame(), notes=notes, text=source.kind in TEXTS)
    if table.text:
        table.frame, table.reading = text.read_text(source, asked, before, notes)
    elif source.kind == ".xlsx":
        table.frame, table.reading = workbook.read_xlsx(source, notes)
    else:
        table.frame = getattr(typed, f"read_{source.kind[1:]}")(source, notes)
    if source.kind == ".npz":
        table.target, table.named = "y", False
    if not len(table.frame):
        raise ValueError(f"{source.path} has no rows; at least one sample is needed")
    table.files = [(source.path, len(table.frame))]
    return table


def joined(tables: list[Table]) -> Table:
    """One table of several; ValueError where one has other columns than the first."""
    import pandas

    first = tables[0]
    for table in tables[1:]:
        path, rest = table.files[0][0], first.files[0][0]
        if table.text != first.text:
            raise ValueError(f"{path} is of another kind than {rest}; pass either text files or typed ones")
        for name in first.frame:
            if name not in table.frame:
                raise ValueError(f"{path} has no column {name!r}, which {rest} has")
        for name in table.frame:
            if name not in first.frame:
                raise ValueError(f"{path} has a column {name!r}, which {rest} has not")
    frame = pandas.concat([table.frame[list(first.frame)] for table in tables], ignore_index=True)
    files = [each for table in tables for each in table.files]
    notes = list(dict.fromkeys(note for table in tables for note in table.notes))
    notes.insert(0, f"{len(files)} files are read as one table: {files[0][0]} to {files[-1][0]}")
    told = all(table.reading.decimal for table in tables)
    reading = first.reading if told else replace(first.reading, decimal=None, thousands=None)
    return replace(first, frame=frame, files=files, notes=notes, reading=reading)
