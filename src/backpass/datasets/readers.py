"""Tables from files: text with any of the usual separators and encodings, parquet, feather, xlsx, jsonl, npz.

What cannot be read is told in one line. Columns of text files are texts as they stand there: what kind they are is not
decided here, and so does not depend on which rows a file happens to hold.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.datasets import dialect, text, typed
from backpass.datasets.builtin import BUILTIN, builtin
from backpass.datasets.opening import READABLE, STDIN, TEXTS, Source, open_source
from backpass.datasets.reading import Reading

if TYPE_CHECKING:
    from pandas import DataFrame, Series

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

    def labels(self, column: str) -> Series:
        return self.frame[column]


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

    Raises FileNotFoundError, OSError, ValueError, TypeError of one line for what is missing, empty, cut off, or no table.
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
            before = replace(tables[0].reading, **{key: value for key, value in before.to_dict().items()})
    table = tables[0] if len(tables) == 1 else joined(tables)
    if table.text:
        decide_marks(table, asked, as_before or UNTOLD)
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
    path = source.path
    if source.kind in TEXTS:
        table = read_text(source, asked, before)
    else:
        notes: list[str] = []
        frame = TYPED[source.kind](source, notes)
        npz = source.kind == ".npz"
        table = Table(source.name, frame, "y" if npz and "y" in frame else None, named=not npz, notes=notes)
    if not len(table.frame):
        raise ValueError(f"{path} has no rows; at least one sample is needed")
    table.files = [(path, len(table.frame))]
    return table


TYPED: dict[str, Callable[[Source, list[str]], DataFrame]] = {
    ".parquet": typed.read_parquet,
    ".feather": typed.read_feather,
    ".jsonl": typed.read_jsonl,
    ".npz": typed.read_npz,
}


def read_text(source: Source, asked: Reading, before: Reading) -> Table:
    path, notes = source.path, []
    content, encoding = dialect.decoded(path, source.content, asked, before)
    if not content.strip():
        raise ValueError(f"{path} is empty")
    layout = dialect.layout_of(path, content, asked, before, tabs=source.kind == ".tsv")
    dialect.refuse_headless(path, layout)
    names = list(layout.names)
    last = layout.header
    units = bool(layout.below) and dialect.units_in(layout.below[0], layout.below[1:])
    if units:
        last += 1
        notes.append(
            f"the row below the header of {path} holds units ({', '.join(filter(None, layout.below[0]))[:60]}); it is left out"
        )
    line = layout.rows[last][0]
    below = after_lines(content, line)
    while (
        names
        and not names[-1]
        and not any(row[len(names) - 1 : len(names)] != [""] for row in layout.below[:1])
        and False
    ):
        names.pop()
    typed.refuse_twice(path, [name for name in names if name])
    encoded = below.encode()
    columns = text.quick(path, encoded, layout.separator, len(names)) if encoded.strip() else None
    if columns is None:
        columns = text.careful(path, below, layout.separator, names, line)
    reading = Reading(layout.separator, encoding=encoding, preamble=layout.header, units=units)
    if layout.header:
        shown = ", ".join(filter(None, layout.rows[0][1]))[:60]
        notes.append(
            f"{path} has {layout.header} {'line' if layout.header == 1 else 'lines'} above the header ({shown} ...); passed over"
        )
    held, index = without_unnamed(
        path, dict(enumerate(columns)), names, asked.index if asked.index is not None else before.index, notes
    )
    if (
        before.separator is not None
        and (layout.separator, encoding) != (before.separator, before.encoding)
        and not encoded.isascii()
    ):
        notes.append(f"{path} is read otherwise than before: {reading}")
    frame = typed.frame_of({name: typed.plain(path, name, chunked(column), notes) for name, column in held.items()})
    return Table(source.name, frame, text=True, reading=replace(reading, index=index), notes=notes)


def chunked(column: Any) -> Any:
    import pyarrow

    return column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.chunked_array([column])


def after_lines(content: str, lines: int) -> str:
    import re

    place = 0
    ends = re.compile(r"\r\n?|\n")
    for _ in range(lines):
        found = ends.search(content, place)
        if found is None:
            return ""
        place = found.end()
    return content[place:]


def without_unnamed(
    path: str, columns: dict[int, Any], names: list[str], index: bool | None, notes: list[str]
) -> tuple[dict[str, Any], bool | None]:
    """Columns by their names; without those that have none, where they are empty, or count or name the rows."""
    held: dict[str, Any] = {}
    for place, column in columns.items():
        name = names[place]
        if name:
            held[name] = column
        elif column.null_count == len(column):
            continue
        elif place == 0:
            if index is None:
                index = counts_rows(column)
            if index:
                notes.append(f"the first column of {path} has no name and counts or names the rows; it is left out")
        if not name and not (place == 0 and index):
            held[f"Unnamed: {place}"] = column
            notes.append(f"column {place} of {path} has no name; it is called 'Unnamed: {place}'")
    return held, index


def counts_rows(column: Any) -> bool:
    """Whether all values differ and are whole numbers, or words."""
    import pyarrow.compute as compute

    if column.null_count or compute.count_distinct(column).as_py() < len(column):
        return False
    return any(compute.all(compute.match_substring_regex(column, form)).as_py() for form in (r"^-?\d+$", r"^[^\W\d]"))


def decide_marks(table: Table, asked: Reading, before: Reading) -> None:
    """Which marks stand in numbers: as asked for, as before where the fields are separated as before, or found out."""
    same = before.separator == table.reading.separator
    decimal, thousands = asked.decimal, asked.thousands
    if decimal is None and same and before.decimal is not None:
        decimal, thousands = before.decimal, before.thousands
    if decimal is None:
        import pyarrow

        columns = {str(name): pyarrow.array(table.frame[name]) for name in table.frame}
        decimal, thousands, notes = dialect.marks_of(columns, str(table.reading.separator))
        table.notes += notes
    elif thousands is None:
        thousands = "." if decimal == "," else ","
    table.reading = replace(table.reading, decimal=decimal, thousands=thousands)


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
    return replace(first, frame=frame, files=files, notes=notes)


assert READABLE
