"""Excel workbooks: the first sheet that holds a table, below the titles that people write above it."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from backpass.datasets import dialect
from backpass.datasets.names import named_frame
from backpass.datasets.opening import Source, archive, most_bytes
from backpass.datasets.reading import Reading
from backpass.datasets.typed import broken, of_values, text_of

if TYPE_CHECKING:
    from pandas import DataFrame

CELL = re.compile(rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{1,3})(\d+)"[^>]*(?<!/)>')  # that holds something
CELL_BYTES = 100  # of one cell, empty or not, on its way through Rust and Python


def read_xlsx(source: Source, notes: list[str]) -> tuple[DataFrame, Reading]:
    """Columns of numbers, texts, dates, yes and no, and how the header was found.

    Cells far from each other are refused before they are read: the reader lays out all that lies between them.
    """
    import python_calamine

    refuse_far_cells(source)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(source.content))
        visible = [
            sheet.name for sheet in book.sheets_metadata if sheet.visible == python_calamine.SheetVisibleEnum.Visible
        ]
        sheets = {name: book.get_sheet_by_name(name).to_python() for name in visible}
    except Exception as error:  # its errors have no common class but this one
        raise broken(source, error) from None
    held = {name: rows for name, rows in sheets.items() if rows}
    if not held:
        raise ValueError(f"{source.path} holds no table: all its sheets are empty")
    name, rows = next(iter(held.items()))
    if len(held) > 1:
        notes.append(f"{source.path} holds {len(held)} sheets; the first, {name!r}, is read")
    return below_header(source.path, [[cell_of(value) for value in row] for row in rows], notes)


def cell_of(value: Any) -> Any:
    """None for what is empty, an int for a whole number: a workbook knows no other difference."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def below_header(path: str, rows: list[list[Any]], notes: list[str]) -> tuple[DataFrame, Reading]:
    rows = [row for row in rows if any(value is not None for value in row)]
    texts = [["" if value is None else text_of(value) for value in row] for row in rows[: dialect.SAMPLE_LINES]]
    header = dialect.header_of(texts, 0)
    layout = dialect.Layout(",", list(enumerate(texts)), header, 1.0)
    dialect.refuse_headless(path, layout)
    units = layout.has_units(None)
    columns = [of_values(list(column)) for column in zip(*rows[header + 1 + units :], strict=True)]
    if not columns:
        raise ValueError(f"{path} has no rows; at least one sample is needed")
    frame, _ = named_frame(path, layout.names, columns, notes)
    return frame, Reading(preamble=header or None, units=units or None)


def refuse_far_cells(source: Source) -> None:
    """ValueError where the smallest rectangle around all cells of a sheet is beyond memory."""
    opened = archive(source.path, source.content)
    try:
        for name in opened.namelist():
            if name.startswith("xl/worksheets/"):
                rows, columns = 0, 0
                for column, row in CELL.findall(opened.read(name)):
                    rows, columns = max(rows, int(row)), max(columns, place_of(column))
                if rows * columns * CELL_BYTES > most_bytes():
                    raise ValueError(
                        f"{source.path} has cells down to row {rows} and across {columns} columns, "
                        "too many for this machine's memory; delete those that lie apart"
                    )
    except (OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise broken(source, error) from None


def place_of(letters: bytes) -> int:
    """
    >>> place_of(b"A"), place_of(b"Z"), place_of(b"AA")
    (1, 26, 27)
    """
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place
