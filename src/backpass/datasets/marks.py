"""Which marks stand in a table's numbers: 1.234,5 or 1,234.5, and what of 1,234 where nothing else tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from backpass.datasets.reading import SPACES

if TYPE_CHECKING:
    from pandas import DataFrame

SIGN = r"[-+−]?\s?"
AROUND = rf"^{SIGN}(?:[$€£¥]|[A-Z]{{3}}\s)?\s?{SIGN}(?:%s)\s?(?:[%%‰$€£¥]|[A-Z]{{3}})?$"  # -$5, 5 %, 5 EUR


def certain(mark: str, other: str) -> str:
    """Numbers in which `mark` can only be the decimal one."""
    forms = (
        rf"\d*{mark}(?:\d{{1,2}}|\d{{4,}})",
        rf"(?:0\d*|\d{{4,}}){mark}\d+",
        rf"\d{{1,3}}(?:[{other}'’{SPACES}]\d{{3}})+{mark}\d+",
        rf"\d{{1,3}}(?:{other}\d{{3}}){{2,}}",
        rf"\d+{mark}\d+[eE][-+]?\d+",
    )
    return AROUND % "|".join(forms)


COMMA, POINT = certain(",", r"\."), certain(r"\.", ",")
EITHER = AROUND % r"[1-9]\d{0,2}[.,]\d{3}"  # 1,234: one and a bit, or more than a thousand
WHOLE = AROUND % r"\d+"
SPACED = AROUND % rf"[1-9]\d{{0,2}}(?:[{SPACES}]\d{{3}})+(?:[.,]\d+)?"
QUOTED = AROUND % r"[1-9]\d{0,2}(?:['’]\d{3})+(?:[.,]\d+)?"
MARKED = rf"\d[.,'’{SPACES}]\d|[.,]\d"
NUMBERS = 0.9  # of a column's different texts, for it to have a say: the others may be words for missing


def marks_of(frame: DataFrame, separator: str) -> tuple[str, str, list[str]]:
    """The decimal mark, the marks between thousands, and notes on what could be meant otherwise.

    Each column has a say in which most texts are numbers. Where none can tell, commas between fields mean decimal
    points; 1,234 beside 950 means thousands, as decimals would be written out; and 1.234 alone is what programs write.
    """
    says: dict[str, list[str]] = {",": [], ".": []}
    unsure: dict[str, tuple[str, bool]] = {}
    groups = ""
    for name in frame:
        found = of_column(frame[name])
        if not found:
            continue
        groups += " " * bool(found["spaced"] and found["comma"] + found["point"] + found["whole"]) + "'" * bool(
            found["quoted"]
        )
        if bool(found["comma"]) != bool(found["point"]):
            says["," if found["comma"] else "."].append(str(name))
        elif found["either"] and not found["comma"]:
            unsure[str(name)] = found["example"], bool(found["whole"])
    notes = []
    commas, points = map(len, says.values())
    if commas or points or separator == "," or not unsure:
        decimal = "," if commas > points or (commas == points > 0 and separator != ",") else "."
        if commas and points:
            others = says["." if decimal == "," else ","]
            notes.append(
                f"numbers in {', '.join(others[:3])} are not written with decimal {NAMES[decimal]}, as in other columns"
            )
    else:
        name, (example, beside_whole) = next(iter(unsure.items()))
        mark = "," if "," in example else "."
        is_decimal = not beside_whole and (mark == "." or separator not in ("\t", "|"))
        decimal = mark if is_decimal else {",": ".", ".": ","}[mark]
        meant = example.replace(mark, "." if is_decimal else "")
        notes.append(f"{example!r} in {name} is taken for {meant}; --decimal says otherwise")
    told = commas or points or unsure or separator == ","  # else a new file's 1,234 may mean either
    return decimal, "".join(sorted({{",": ".", ".": ","}[decimal] if told else "", *groups})), notes


NAMES = {",": "commas", ".": "points"}


def of_column(column: Any) -> dict[str, Any]:
    """How many of a column's different texts are numbers of each form; empty where it has no say.

    The first texts tell where they are clear, and what is never a number; else all are looked at.
    """
    import pyarrow
    import pyarrow.compute as compute

    counts = counted({text for text in column.head(FIRST) if isinstance(text, str)})
    if not counts or counts["comma"] or counts["point"]:
        return counts
    texts = pyarrow.chunked_array(pyarrow.array(column))
    if not compute.any(compute.match_substring_regex(texts, MARKED)).as_py():
        return {}
    return counted(set(texts.unique().drop_null().to_pylist()))


FIRST = 50


def counted(texts: set[str]) -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(FORMS, 0)
    numbers = 0
    for text in sorted(texts):
        fits = [name for name, form in FORMS.items() if form.match(text)]
        numbers += bool(fits)
        for name in fits:
            counts[name] += 1
            if name == "either":
                counts.setdefault("example", text)
    return counts if numbers and numbers >= NUMBERS * len(texts) else {}


FORMS = {
    name: re.compile(form)
    for name, form in {
        "comma": COMMA,
        "point": POINT,
        "either": EITHER,
        "whole": WHOLE,
        "spaced": SPACED,
        "quoted": QUOTED,
    }.items()
}
