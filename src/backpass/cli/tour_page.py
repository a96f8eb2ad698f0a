"""How `backpass tour` looks: prose, formulas, and numbers above each other with their difference."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from backpass.cli.tour_text import LANGUAGES, TEXT

MARGIN = 2
WIDEST = 100  # columns of prose: longer lines are hard to read
CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
# What a line is never broken inside of: `code`, a word, or a single Chinese character, each with its punctuation.
PIECES = re.compile(
    rf"\s+|[（《“]*(?:[^\s`“”{CJK}]*`[^`]+`[^\s`“”{CJK}]*|[^\s`“”{CJK}]+|[{CJK}])[，。；：、！？）》”]*"
)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells. Rich breaks at spaces only, of which Chinese has none."""
    lines = [""]
    for piece in PIECES.findall(text):
        if cell_len((lines[-1] + piece).replace("`", "").rstrip()) > width and lines[-1]:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += "" if piece.isspace() and not lines[-1] else piece
    return lines


class Page:
    """Writes to a console in one language, and counts which of the notebook's numbers agree."""

    def __init__(self, console: Console, lang: str, pause: bool = False):
        self.console, self.pause = console, pause
        self.language = LANGUAGES.index(lang)
        self.agreements: list[tuple[str, bool]] = []  # of each result that the notebook printed
        self.cell = ""

    def text(self, key: str, **figures: Any) -> str:
        return TEXT[key][self.language].format(**figures)

    def line(self, *parts: str | tuple[str, str], indent: int = MARGIN) -> None:
        self.console.print(Text.assemble(" " * indent, *parts), soft_wrap=True)

    def stop(self, key: str, number: str = "", cell: int | None = None) -> None:
        self.cell = "" if cell is None else self.text("cell", cell=cell)
        title = " · ".join(part for part in (number, self.text(key), self.cell) if part)
        self.console.print()
        self.console.rule(Text(title, "bold"), align="left", style="dim")

    def say(self, key: str, **figures: Any) -> None:
        """A paragraph; what is in backticks is code."""
        width = min(self.console.width - 2 * MARGIN, WIDEST)
        self.console.print()
        for line in wrap(self.text(key, **figures), width):
            parts = line.split("`")
            self.line(*((part, "cyan" if place % 2 else "") for place, part in enumerate(parts)))

    def formula(self, formula: str) -> None:
        self.console.print()
        self.line((formula, "bold cyan"))

    def show(
        self,
        formula: str,
        ours: Any,
        other: Any = None,
        *,
        source: str = "notebook",
        label: str = "backpass",
        limit: float = 1e-12,
        absolute: bool = False,
    ) -> None:
        """A formula, our number, and, if there is one, another's, with the largest difference.

        `limit` is meant relative to the other's largest entry, unless `absolute`.
        """
        self.formula(formula)
        ours = np.asarray(ours)
        self.numbers(label, ours)
        if other is None:
            return
        other = np.asarray(other)
        self.numbers(source, other)
        agrees, difference = compare(ours, other, limit, absolute)
        if difference is None:
            words = self.text("shapes", ours=ours.shape, other=other.shape)
        else:
            allowed = self.text("limit" if absolute else "limit_relative", limit=f"{limit:.0e}")
            words = self.text("verdict", difference=f"{difference:.1e}" if difference else "0", limit=allowed)
        verdict = self.text("agrees" if agrees else "differs")
        self.labelled("difference", [words, (verdict, "bold green" if agrees else "bold red")])
        if (label, source) == ("backpass", "notebook"):
            self.agreements.append((self.text("result", name=formula.split(" = ")[0], cell=self.cell), agrees))

    def numbers(self, label: str, values: np.ndarray) -> None:
        # float32 with all its digits, as the notebook prints it; float64 without what rounding leaves behind.
        if values.ndim == 0:
            words = str(values) if values.dtype == np.float32 else f"{values:.8g}"
        elif values.dtype == np.float32:
            words = np.array2string(values, max_line_width=200)
        else:
            words = np.array2string(values, precision=7, suppress_small=True, max_line_width=200)
        for place, row in enumerate(words.splitlines()):
            self.labelled(label if place == 0 else None, [row])

    def labelled(self, label: str | None, parts: list[str | tuple[str, str]]) -> None:
        name = "" if label is None else self.text(label)
        self.line((name + " " * (12 - cell_len(name)), "dim"), *parts, indent=2 * MARGIN)

    def wait(self) -> None:
        """Wait for Enter, if that was asked for; without a keyboard go on."""
        if self.pause:
            try:
                self.console.input(Text(f"\n  {self.text('pause')}", "dim"))
            except EOFError:
                self.pause = False


def compare(ours: np.ndarray, other: np.ndarray, limit: float, absolute: bool) -> tuple[bool, float | None]:
    """Whether two results agree, and their largest difference (None if their shapes differ)."""
    if ours.shape != other.shape:
        return False, None
    difference = float(np.max(np.abs(ours.astype(np.float64) - other)))
    scale = 1.0 if absolute else float(np.max(np.abs(other)))
    return difference <= limit * scale, difference
