"""What a text file is written in, found out from the text: encoding, separator, header, marks in numbers.

Where two answers are as good, the file is refused and the option named that says which; nothing is guessed in silence.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from typing import Any

from backpass.datasets.reading import ONE_COLUMN, SEPARATORS, SPACES, Reading
from backpass.datasets.text import rows_of

SAMPLE = 256 << 10  # characters that are looked at, and
SAMPLE_LINES = 200  # lines at most; 10,000 columns fill them with 5
FEWEST_LINES = 8
MOST_ABOVE = 100  # rows above a header

# ---------------------------------------------------------------- encoding

MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def decoded(path: str, content: bytes, asked: Reading, before: Reading) -> tuple[str, str]:
    """The text, without a byte order mark, and its encoding. ValueError where it is in none that is known."""
    if asked.encoding:
        return strictly(path, content, asked.encoding), asked.encoding
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    if mark:
        return strictly(path, content, MARKS[mark]), MARKS[mark]
    if b"\x00" in content[:SAMPLE]:
        encoding = without_mark(content[:SAMPLE])
        if not encoding:
            raise ValueError(f"{path} is no text: it holds zero bytes")
        return strictly(path, content, encoding), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        refuse_mixture(path, content, error)
    if before.encoding not in (None, "utf-8"):
        try:
            return content.decode(before.encoding), str(before.encoding)
        except UnicodeDecodeError:
            pass
    encoding = single_byte(content)
    return strictly(path, content, encoding), encoding


def strictly(path: str, content: bytes, encoding: str) -> str:
    try:
        return content.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        raise ValueError(
            f"{path} is not in {encoding}: line {line} has the byte {content[start : start + 1].hex()}; --encoding says another"
        ) from None


def without_mark(content: bytes) -> str:
    """UTF-16 whose letters are mostly Latin has a zero in every second byte."""
    even, odd = content[0::2].count(0), content[1::2].count(0)
    half = len(content) // 2
    if odd > 0.3 * half and even < 0.01 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.01 * half:
        return "utf-16-be"
    return ""


def refuse_mixture(path: str, content: bytes, error: UnicodeDecodeError) -> None:
    """ValueError for UTF-8 with a few broken bytes, which any other encoding would make nonsense of."""
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    others = sum(map(text.count, set(text) - {chr(code) for code in range(128)})) - broken
    if others >= 3 and broken * 5 < others:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start : error.start + 1].hex()
        raise ValueError(f"{path} is in utf-8 but for the byte {byte} in line {line}; mend it, or pass --encoding")


def single_byte(content: bytes) -> str:
    import charset_normalizer

    del charset_normalizer
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


# ---------------------------------------------------------------- separator and header

NUMBER = re.compile(rf"[-+−]?\s?[$€£¥]?\s?(\d[\d.,'’{SPACES}]*|[.,]\d+)([eE][-+]?\d+)?\s?[%$€£¥]?$")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|\d{1,2}:\d\d(:\d\d)?")
LACKING = re.compile(r"(|[?.\-_*]+|n/?a|nan|null|none|missing|unknown|#n/?a|<na>)$", re.I)


def is_value(field: str) -> bool:
    """Whether a field is a number or a date, which a name seldom is."""
    return bool(NUMBER.match(field) or DATE.match(field))


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

    def dirty(self) -> float:
        """The share of fields in which another separator stands, as it would in a number or between fields."""
        others = [mark for mark in SEPARATORS.values() if mark != self.separator]
        fields = [field for row in (self.names, *self.below) for field in row]
        return sum(
            any(re.search(rf"{re.escape(mark)}(?!\s)", field) for mark in others) and not NUMBER.match(field)
            for field in fields
        ) / max(len(fields), 1)


def sample_of(text: str) -> tuple[str, bool]:
    """The beginning of a text in whole lines, and whether that is all of it."""
    end = lines = 0
    for match in re.finditer(r"\r\n?|\n", text):
        end, lines = match.end(), lines + 1
        if lines >= SAMPLE_LINES or (end > SAMPLE and lines >= FEWEST_LINES):
            return text[:end], end == len(text)
    return text, True


def layout_of(path: str, text: str, asked: Reading, before: Reading, tabs: bool) -> Layout:
    """The way to take a text apart. ValueError where there are two, or none."""
    sample, whole = sample_of(text)
    first = sample.split("\n", 1)[0].strip().strip('"')
    if asked.separator is None and re.fullmatch(r"sep=[,;|\t]", first):  # Excel's own
        asked = replace(asked, separator=first[-1])
    if asked.separator:
        return taken_apart(path, sample, whole, asked.separator, asked) or one_column(path, sample, asked.separator)
    wanted = [mark for mark in SEPARATORS.values() if mark in sample]
    if before.separator in wanted:
        layout = taken_apart(path, sample, whole, str(before.separator), before)
        if layout is not None and layout.fit == 1:
            return layout
    found = [layout for mark in wanted if (layout := taken_apart(path, sample, whole, mark, before)) is not None]
    if not found:
        return one_column(path, sample, before.separator or ("\t" if tabs else ","))
    most = max(layout.fit for layout in found)
    found = [layout for layout in found if layout.fit > most - 0.1]
    top = min(layout.header for layout in found)
    found = sorted((layout for layout in found if layout.header == top), key=lambda layout: layout.dirty())
    best = found[0]
    if len(found) > 1:
        if tabs and any(layout.separator == "\t" for layout in found):
            return next(layout for layout in found if layout.separator == "\t")
        if best.dirty() > 0.05 or found[1].dirty() - best.dirty() < 0.05:
            ways = " or ".join(
                f"{len(each.names)} columns with {Reading(separator=each.separator) if each.separator != ',' else 'commas'}"
                for each in found
            )
            raise ValueError(f"{path} can be read as {ways}; --separator says which")
    return best


def one_column(path: str, sample: str, separator: str) -> Layout:
    """Lines that nothing separates, or that separators do not fit: numbers with decimal commas, or an error to come."""
    rows = fields_of(sample, True, ONE_COLUMN) or []
    below = [fields[0] for _, fields in rows[1:]]
    if (
        separator == ","
        and below
        and all(re.fullmatch(r"[-+]?\d+(,\d+)?", field) for field in below)
        and "," not in rows[0][1][0]
    ):
        return Layout(ONE_COLUMN, rows, 0, 1.0)
    rows = fields_of(sample, True, separator) or rows
    if not rows:
        raise ValueError(f"{path} begins with a quote that is not closed")
    return Layout(separator, rows, 0, 0.0)


def fields_of(sample: str, whole: bool, separator: str) -> list[tuple[int, list[str]]] | None:
    """The sample's rows; None where quotes make no sense with this separator. A row that the sample cuts is left out."""
    rows = []
    try:
        for line, fields in rows_of(sample, separator):
            rows.append((line, fields))
    except csv.Error as error:
        if whole or "end of data" not in str(error):
            return None
    return rows


def taken_apart(path: str, sample: str, whole: bool, separator: str, like: Reading) -> Layout | None:
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
    header = header_of(fields, start)
    if header and len(fields[header - 1]) == len(fields[header]) - 1 and rows[header][0] == rows[header - 1][0] + 1:
        return None  # a header that is one name short is no line above it
    return Layout(separator, rows, header, fit)


def trailing(rows: list[list[str]], width: int) -> bool:
    """Whether all that stands beyond a width is empty."""
    return all(len(row) >= width and not any(row[width:]) for row in rows)


def value_columns(rows: list[list[str]], width: int) -> list[int]:
    """The columns that hold numbers or dates, told by the lower half of the rows."""
    lower = rows[len(rows) // 2 :]
    columns = []
    for column in range(width):
        held = [row[column] for row in lower if len(row) > column and not LACKING.match(row[column])]
        if held and all(is_value(field) for field in held):
            columns.append(column)
    return columns


def header_of(rows: list[list[str]], start: int) -> int:
    """Which row holds the names: below lines above that happen to have as many fields."""
    width = len(rows[start])
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
        names = range(start, body)
    else:
        names = range(start, min(start + 2, len(rows)))
        names = names if width > 2 and filled(rows[start]) == 1 and rows[start][0] else range(start, start + 1)
    if not names:
        return start
    fullest = max(filled(rows[place]) for place in names if len(rows[place]) >= width or place == start)
    header = next(place for place in names if filled(rows[place]) == fullest)
    commented = rows[header][0].startswith(("#", "%", "//")) and header + 1 in names
    return header + 1 if commented and not units_in(rows[header + 1], rows[header + 2 :]) else header


# ---------------------------------------------------------------- a line of units

BASE = r"(?:[yzafpnumµμkMGTPcdh]?(?:m|g|s|A|K|mol|cd|Hz|N|Pa|bar|J|W|Wh|V|F|Ω|Ohm|T|lm|lx|Bq|l|L|t|eV|B|bit|cal|rad|min|VA)|d|day|days|h|hr|hrs|hours|a|yr|yrs|year|years|sec|s|ha|°[CF]?|deg|degC|degF|in|ft|mi|lb|lbs|oz|mph|kt|kn|psi|dB|ppm|ppb|pH|EUR|USD|GBP|CHF|JPY|€|\$|£|¥|%|‰|1)"
UNIT = re.compile(
    rf"[\[(].*[\])]$|{BASE}(?:[-−]?\d|\^[-−]?\d|[²³⁻¹])*(?:[ */·.⋅]{BASE}(?:[-−]?\d|\^[-−]?\d|[²³⁻¹])*)*$|units?$|einheit(en)?$",
    re.I,
)


def units_in(row: list[str], below: list[list[str]]) -> bool:
    """Whether the row below the header says in what the columns are measured."""
    columns = value_columns(below, len(row))
    held = [row[column] for column in columns if row[column]]
    if not columns or not held or any(is_value(field) for field in held):
        return False
    known = [field for field in held if UNIT.match(field)]
    if known:
        return all(UNIT.match(field) or LACKING.match(field) for field in held)
    # whatever the words are: all of several columns of numbers begin with one
    return (
        len(columns) > 1
        and len(held) == len(columns)
        and len(below) > 1
        and not any(LACKING.match(field) for field in held)
    )


def refuse_headless(path: str, layout: Layout) -> None:
    """ValueError where the first row is one of the samples."""
    names = layout.names
    columns = value_columns(layout.below, len(names))
    held = [names[column] for column in columns if column < len(names)]
    if not held or not all(NUMBER.match(field) for field in held):
        return
    numbers = [float(field) if re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", field, re.I) else 0.0 for field in held]
    if len(numbers) > 1 and any(after <= before for before, after in zip(numbers, numbers[1:], strict=False)):
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise ValueError(f"{path} has no line of names: it begins with {shown}; write a name for each column above it")


# ---------------------------------------------------------------- marks in numbers

AROUND = r"^[-+−]?\s?(?:[$€£¥]|[A-Z]{3}\s)?\s?[-+−]?(?:%s)\s?(?:[%%‰$€£¥]|[A-Z]{3})?$"


def certain(mark: str, group: str) -> str:
    """Numbers in which `mark` can only be the decimal one."""
    return AROUND % "|".join(
        rf"(?:{form})"
        for form in (
            rf"\d+[{mark}](?:\d{{1,2}}|\d{{4,}})",
            rf"(?:0\d*|\d{{4,}})[{mark}]\d+",
            rf"\d{{1,3}}(?:[{group}'’{SPACES}]\d{{3}})+[{mark}]\d+",
            rf"\d{{1,3}}(?:[{group}]\d{{3}}){{2,}}",
            rf"\d+[{mark}]\d+[eE][-+]?\d+",
        )
    )


COMMA, POINT = certain(",", "."), certain(".", ",")
EITHER = AROUND % r"[1-9]\d{0,2}[.,]\d{3}"  # 1,234: one and a bit, or more than a thousand
WHOLE = AROUND % r"\d+"
SPACED = AROUND % rf"[1-9]\d{{0,2}}(?:[{SPACES}]\d{{3}})+(?:[.,]\d+)?"
QUOTED = AROUND % r"[1-9]\d{0,2}(?:['’]\d{3})+(?:[.,]\d+)?"


def marks_of(columns: dict[str, Any], separator: str) -> tuple[str, str, list[str]]:
    """The decimal mark, the marks between thousands, and notes on what could be meant otherwise."""
    import pyarrow.compute as compute

    commas: list[str] = []
    points: list[str] = []
    unsure: dict[str, tuple[str, str, bool]] = {}  # name: a value, its mark, whether small whole numbers stand beside
    groups: set[str] = set()
    for name, column in columns.items():
        present = column.drop_null()
        head = present.slice(0, 100)
        if not len(head) or not any(map(is_value, head.to_pylist())):
            continue
        if not compute.any(compute.match_substring_regex(present, rf"\d[.,'’{SPACES}]\d")).as_py():
            continue
        different = present.unique() if len(present) < 100_000 else present.slice(0, 100_000).unique()

        def count(pattern: str, different: Any = different) -> int:
            return compute.sum(compute.match_substring_regex(different, pattern)).as_py() or 0

        comma, point, either, whole, spaced, quoted = map(count, (COMMA, POINT, EITHER, WHOLE, SPACED, QUOTED))
        if comma + point + either + whole + spaced + quoted < 0.9 * len(different):
            continue
        groups |= {" "} if spaced and (comma or point or whole) else set()
        groups |= {"'"} if quoted else set()
        if comma and not point:
            commas.append(name)
        elif point and not comma:
            points.append(name)
        elif either and not point and not comma:
            value = compute.filter(different, compute.match_substring_regex(different, EITHER))[0].as_py()
            unsure[name] = (value, "," if "," in value else ".", bool(whole))
    notes: list[str] = []
    if commas and points:
        decimal = "," if len(commas) > len(points) or (len(commas) == len(points) and separator != ",") else "."
        others = points if decimal == "," else commas
        notes.append(f"{', '.join(others[:3])}: numbers are written otherwise than in the other columns")
    elif commas or points or not unsure or separator == ",":
        decimal = "," if commas else "."
    else:
        value, mark, beside = next(iter(unsure.values()))
        decimal = (
            mark if beside is False and (mark == "." or separator in (";", ONE_COLUMN)) else "," if mark == "." else "."
        )
        taken = f"{value.replace(mark, '')}" if decimal != mark else value.replace(mark, ".")
        notes.append(f"{value!r} in {next(iter(unsure))} is taken for {taken}; --decimal says otherwise")
    certainly = commas or points or separator == "," or bool(unsure)
    usual = ("." if decimal == "," else ",") if certainly else ""
    return decimal, usual + "".join(sorted(groups)), notes
