"""What separates the fields of a text, and which of its rows holds the names, found out from its beginning.

Where two answers are as good, the file is refused and the option named that says which; nothing is guessed in silence.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from backpass.datasets.fields import rows_of
from backpass.datasets.reading import ONE_COLUMN, SEPARATORS, SPACES, Reading

SAMPLE = 256 << 10  # characters that are looked at, and
SAMPLE_LINES = 200  # lines at most; 10,000 columns fill them with 5
FEWEST_LINES = 8
MOST_ABOVE = 100  # rows above a header
SURE = 10  # rows of numbers below words that are no known units
CLEAN = 0.05  # the share of fields that may look as if they were several
NAMES = {mark: f"{name}s" for name, mark in SEPARATORS.items()}

NUMBER = re.compile(rf"[-+−]?\s?[$€£¥]?\s?(\d[\d.,'’{SPACES}]*|[.,]\d+)([eE][-+]?\d+)?\s?[%$€£¥]?$")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|\d{1,2}:\d\d(:\d\d)?")
LACKING = re.compile(r"(|[?.\-_*]+|n/?a|nan|null|none|missing|unknown|#n/?a|<na>)$", re.I)


def is_value(field: str) -> bool:
    """Whether a field is a number or a date, which a name seldom is."""
    return bool(NUMBER.match(field) or DATE.match(field))


COMMENT = ("#", "%", "//")


@dataclass
class Layout:
    """One way to take a text apart.

    Attributes
    ----------
    separator : str
    rows : list of (line, fields)
        Of the sample; empty ones are left out.
    header : int
        Which of them holds the names.
    fit : float
        The share of the rows below that have as many fields.
    """

    separator: str
    rows: list[tuple[int, list[str]]]
    header: int
    fit: float

    @property
    def names(self) -> list[str]:
        return self.rows[self.header][1]

    @property
    def below(self) -> list[list[str]]:
        return [fields for _, fields in self.rows[self.header + 1 :]]

    def has_units(self, before: bool | None) -> bool:
        """Whether the row below the header says in what the columns are measured; never where it did not before."""
        return before is not False and bool(self.below) and units_in(self.below[0], self.below[1:], bool(before))

    def dirty(self) -> float:
        """The share of fields in which another separator stands, as it would in a number or between fields."""
        others = "".join(set(SEPARATORS.values()) - {self.separator})
        another = re.compile(rf"[{re.escape(others)}](?!\s)")
        fields = [field for row in (self.names, *self.below) for field in row]
        return sum(bool(another.search(field)) and not NUMBER.match(field) for field in fields) / len(fields)


def sample_of(content: bytes) -> tuple[str, bool]:
    """The beginning of a text in whole lines, and whether that is all of it."""
    for lines, match in enumerate(re.finditer(rb"\r\n?|\n", content), 1):
        if lines >= SAMPLE_LINES or (match.end() > SAMPLE and lines >= FEWEST_LINES):
            return content[: match.end()].decode(), match.end() == len(content)
    return content.decode(), True


def layout_of(path: str, content: bytes, asked: Reading, before: Reading, hint: str = "") -> Layout:
    """The way to take a text in UTF-8 apart. ValueError where there are two."""
    sample, whole = sample_of(content)
    said = re.match(r'"?sep=([,;|\t])"?[\r\n]', sample)  # Excel's own way to tell
    separator = asked.separator or (said[1] if said else None)
    if separator:
        return taken_apart(sample, whole, separator, before) or unfit(path, sample, separator)
    wanted = [mark for mark in SEPARATORS.values() if mark in sample]
    found = [layout for mark in wanted if (layout := taken_apart(sample, whole, mark, before)) is not None]
    for usual in (before.separator, hint):
        for layout in found:
            if layout.separator == usual and layout.fit == 1:
                return layout
    if not found:
        return one_column(sample) or unfit(path, sample, before.separator or hint or ",")
    best_fit = max(layout.fit for layout in found)
    found = [layout for layout in found if layout.fit > best_fit - 0.1]
    top = min(layout.header for layout in found)
    found = sorted((layout for layout in found if layout.header == top), key=Layout.dirty)
    if len(found) > 1 and (found[0].dirty() > CLEAN or found[1].dirty() < found[0].dirty() + CLEAN):
        ways = " or ".join(f"{len(each.names)} columns by {NAMES[each.separator]}" for each in found)
        raise ValueError(f"{path} can be read as {ways}; --separator says which")
    return found[0]


def one_column(sample: str) -> Layout | None:
    """Numbers with decimal commas, one a line."""
    rows = fields_of(sample, True, ONE_COLUMN) or []
    texts = [fields[0] for _, fields in rows]
    numbers = len(texts) > 1 and all(re.fullmatch(r"[-+]?\d+(,\d+)?", text) for text in texts[1:])
    return Layout(ONE_COLUMN, rows, 0, 1.0) if numbers and "," not in texts[0] else None


def unfit(path: str, sample: str, separator: str) -> Layout:
    """One column, or rows of which the first that does not fit is to be named."""
    rows: list[tuple[int, list[str]]] = []
    with suppress(csv.Error):
        rows.extend(row for row in rows_of(sample, separator) if row[1] != [""])  # those before the error
    if not rows:
        raise ValueError(f"{path} begins with a quote that is not closed, or not doubled within quotes")
    return Layout(separator, rows, 0, 0.0)


def fields_of(sample: str, whole: bool, separator: str) -> list[tuple[int, list[str]]] | None:
    """The sample's rows, but for one that its end cuts; None where quotes make no sense with this separator."""
    rows = []
    try:
        for line, fields in rows_of(sample, separator):
            if fields != [""]:
                rows.append((line, fields))
    except csv.Error as error:
        if whole or "end of data" not in str(error):
            return None
    return rows


def taken_apart(sample: str, whole: bool, separator: str, before: Reading) -> Layout | None:
    """The layout with one separator; None where the rows do not fit together."""
    rows = fields_of(sample, whole, separator)
    if not rows:
        return None
    fields = [fields for _, fields in rows]
    if len(fields) == 1:
        return Layout(separator, rows, 0, 1.0) if len(fields[0]) > 1 else None
    best: tuple[float, int] | None = None
    for width in {len(row) for row in fields} - {1}:
        start = next(place for place, row in enumerate(fields) if len(row) == width)
        if start > MOST_ABOVE or start == len(fields) - 1:
            continue
        if start and len(fields[start - 1]) > 1 and trailing(fields[start:], len(fields[start - 1])):
            start -= 1  # a,b above 1,2, and 3,4,
        fit = sum(len(row) == width or trailing([row], width) for row in fields[start + 1 :]) / (
            len(fields) - start - 1
        )
        if best is None or (fit, -start) > (best[0], -best[1]):
            best = fit, start
    if best is None or best[0] <= 0.5:
        return None
    fit, start = best
    header = header_of(fields, start, before.preamble)
    if header and len(fields[header - 1]) == len(fields[header]) - 1 and rows[header][0] == rows[header - 1][0] + 1:
        return None  # a header that is one name short is no line above it
    return Layout(separator, rows, header, fit)


def trailing(rows: list[list[str]], width: int) -> bool:
    """Whether all that stands beyond a width is empty."""
    return all(len(row) >= width and not any(row[width:]) for row in rows)


def value_columns(rows: list[list[str]], width: int, most: int = 0) -> list[int]:
    """The columns that hold numbers or dates, told by the last third of the rows: names may stand above."""
    lower = rows[-max(len(rows) // 3, most, 1) :]
    columns = []
    for column in range(width):
        held = [row[column] for row in lower if len(row) > column and not LACKING.match(row[column])]
        if held and all(is_value(field) for field in held):
            columns.append(column)
    return columns


def header_of(rows: list[list[str]], start: int, before: int | None = None) -> int:
    """Which row holds the names: below lines above that happen to have as many fields."""
    width = len(rows[start])
    if before is not None and start <= before < len(rows) - 1:  # where it was before, if that can be
        held = rows[before]
        if len(held) == width and all(held[1:]) and not any(map(is_value, held)):
            return before
    columns = value_columns(rows[start + 1 :], width)

    def filled(row: list[str]) -> int:
        return sum(map(bool, row[1:])) + 1

    def is_body(row: list[str]) -> bool:
        held = [row[column] for column in columns if column < len(row) and row[column]]
        return (
            bool(held)
            and 2 * len(held) >= len(columns)
            and all(is_value(field) or LACKING.match(field) for field in held)
        )

    if columns:
        body = next((place for place in range(start, len(rows)) if is_body(rows[place])), len(rows))
        names = list(range(start, body))
    else:  # texts only: a title that a spreadsheet filled up is told by its one field
        title = width > 2 and filled(rows[start]) == 1 and rows[start][0]
        names = [start, min(start + 1, len(rows) - 1)] if title else [start]
    plain = [place for place in names if not rows[place][0].startswith(COMMENT)]
    if plain and not any(UNIT.match(field) for field in rows[plain[0]]):  # else #id,mass stands above -,kg
        names = plain
    fullest = max((filled(rows[place]) for place in names), default=0)
    return next((place for place in names if filled(rows[place]) == fullest), start)


# ---------------------------------------------------------------- a line of units

BASE = (
    r"(?:[yzafpnumµμkMGTPcdh]?(?:m|g|s|A|K|mol|cd|Hz|N|Pa|bar|J|W|Wh|V|F|Ω|Ohm|T|lm|lx|Bq|l|L|t|eV|B|bit|cal|rad|min|VA)"
    r"|d|days?|h|hrs?|hours?|a|yrs?|years?|sec|ha|°[CF]?|deg[CF]?|in|ft|mi|lbs?|oz|mph|kt|kn|psi|dB|pp[mb]|pH"
    r"|EUR|USD|GBP|CHF|JPY|[€$£¥%‰1])"
)
POWER = r"(?:[-−]?\d|\^[-−]?\d|[²³⁻¹])*"
UNIT = re.compile(rf"[\[(].*[\])]$|{BASE}{POWER}(?:[ */·.⋅]{BASE}{POWER})*$|units?$|einheit(en)?$", re.I)
PLAIN = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.I)


def units_in(row: list[str], below: list[list[str]], before: bool = False) -> bool:
    """Whether the row below the header says in what the columns are measured: words above nothing but numbers."""
    columns = value_columns(below, len(row), len(below))
    held = [row[column] for column in columns if row[column]]
    if not held or any(is_value(field) for field in held):
        return False
    if any(UNIT.match(field) for field in held) and all(UNIT.match(field) or LACKING.match(field) for field in row):
        return True
    if len(held) < len(columns) or any(LACKING.match(field) for field in held):
        return False
    # whatever the words are: several columns of numbers all begin with one
    return before or (len(columns) > 1 and len(below) >= SURE)


def refuse_headless(path: str, layout: Layout) -> None:
    """ValueError where the first row is one of the samples."""
    names = layout.names
    columns = value_columns(layout.below, len(names))
    held = [names[column] for column in columns if column < len(names)]
    if not held or not all(NUMBER.match(field) for field in held):
        return
    numbers = [float(field) if PLAIN.fullmatch(field) else 0.0 for field in held]
    if any(after <= before for before, after in pairwise(numbers)):  # 2019, 2020 and 0, 1, 2 are names
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise ValueError(f"{path} has no line of names: it begins with {shown}; write a name for each column above it")
