"""What an audit found: figures for every gradient, and the mistakes by name."""

from __future__ import annotations

import html
import io
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backpass.audit import texts


@dataclass(frozen=True)
class Entry:
    """One gradient: of the inputs or of a parameter.

    Errors are the largest over its entries, each relative to max(|entry|, 1/1000 of the largest entry).
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    tensor_error: float  # norm of all errors / norm of the true gradient
    central_error: float
    complex_error: float | None  # None: the complex step does not apply here
    checked: int
    left_out: int
    passed: bool
    unchecked: str = ""  # why it is not known to be right, though nothing is wrong with it

    def row(self) -> list[str]:
        by_complex = "-" if self.complex_error is None else f"{self.complex_error:.1e}"
        verdict = UNCHECKED if self.unchecked else "right" if self.passed else "wrong"
        left_out = str(self.left_out) if self.left_out else ""
        errors = ["-" if np.isnan(error) else f"{error:.1e}" for error in (self.tensor_error, self.central_error)]
        return [self.name, str(self.shape), f"{self.norm:.4g}", *errors, by_complex, left_out, verdict]


@dataclass(frozen=True)
class Finding:
    """One mistake.

    Attributes
    ----------
    mistake : str
        Its slug, such as "wrong-sign"; "unexplained" where a gradient is wrong in none of the known ways.
    where : str
        The gradient or array that it shows in, such as "dweights" or "relu1.dinputs".
    evidence : str
        The figures that led there.
    """

    mistake: str
    where: str
    evidence: str
    known_fix: str = field(default="", repr=False)  # a line that fits better than the mistake's own

    @property
    def explanation(self) -> dict[str, str]:
        """Two sentences for a learner, by language: "en" and "zh"."""
        english, chinese = texts.TEXTS[self.mistake]
        return {"en": english, "zh": chinese}

    @property
    def fix(self) -> str:
        """A line of NumPy."""
        return self.known_fix or texts.fix(self.mistake, self.where)

    def to_dict(self) -> dict[str, Any]:
        return {
            "mistake": self.mistake,
            "where": self.where,
            "evidence": self.evidence,
            "explanation": self.explanation,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        return f"{self.mistake} in {self.where}: {self.evidence}"


UNCHECKED = "could not be checked"
HEADINGS = ("gradient", "shape", "norm", "tensor", "central", "complex", "kinks", "")
LEGEND = (
    "relative errors: of the tensor; the largest by differences (beyond rounding), by complex step; kinks: left out"
)


@dataclass
class Report:
    """What `backpass.audit.check` says of a part; `print` shows it as a table.

    Attributes
    ----------
    part : str
    entries : list of Entry
        One a gradient.
    findings : list of Finding
    notes : list of str
        What is worth knowing and no mistake.
    passed : bool
        Whether every gradient was looked at and is right.
    unchecked : list of str
        The gradients that are neither known to be right nor to be wrong, and why.
    """

    part: str
    entries: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.findings and all(entry.passed for entry in self.entries)

    @property
    def unchecked(self) -> list[str]:
        return [f"{entry.name} {UNCHECKED}: {entry.unchecked}" for entry in self.entries if entry.unchecked]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; numbers that are not finite as strings ("NaN", "Infinity")."""
        entries = [{name: plain(value) for name, value in asdict(entry).items()} for entry in self.entries]
        findings = [finding.to_dict() for finding in self.findings]
        return {
            "part": self.part,
            "passed": self.passed,
            "entries": entries,
            "findings": findings,
            "unchecked": self.unchecked,
            "notes": list(self.notes),
        }

    @property
    def verdict(self) -> str:
        if self.passed:
            return f"{self.part}: right"
        if not self.findings:
            return f"{self.part}: {UNCHECKED}"
        return f"{self.part}: {len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}"

    def first_of_kind(self) -> list[bool]:
        """Of each finding whether it is the first of its mistake: the others need not be explained again."""
        mistakes = [finding.mistake for finding in self.findings]
        return [mistakes.index(mistake) == place for place, mistake in enumerate(mistakes)]

    def lines(self, language: str = "en") -> list[str]:
        """Findings, what could not be checked, and notes, a line each."""
        result = []
        for finding, new in zip(self.findings, self.first_of_kind(), strict=True):
            result += [str(finding), *([f"  {finding.explanation[language]}"] if new else []), f"  {finding.fix}"]
        result += [*self.unchecked, *([f"  {texts.UNCHECKED[language]}"] if self.unchecked else [])]
        return result + [f"note: {note}" for note in self.notes]

    def __rich__(self) -> Any:
        return self.shown()

    def shown(self, language: str = "en") -> Any:
        """For a rich console, with the explanations in this language ("en", "zh")."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, padding=(0, 1))
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading in ("gradient", "shape", "") else "right", no_wrap=True)
        for entry in self.entries:
            table.add_row(*entry.row(), style="" if entry.passed else "yellow" if entry.unchecked else "red")
        parts: list[Any] = [Text(self.verdict, "bold green" if self.passed else "bold red")]
        parts += [table, Text(LEGEND, "dim")] if self.entries else []
        for finding, new in zip(self.findings, self.first_of_kind(), strict=True):
            parts += [Text.assemble((finding.mistake, "bold red"), f" in {finding.where}: {finding.evidence}")]
            lines = [Text(finding.explanation[language])] if new else []
            parts += [Padding(line, (0, 0, 0, 2)) for line in (*lines, Text(finding.fix, "cyan"))]
        parts += [Text(line, "yellow") for line in self.unchecked]
        parts += [Padding(Text(texts.UNCHECKED[language]), (0, 0, 0, 2))] if self.unchecked else []
        return Group(*parts, *(Text(f"note: {note}", "dim") for note in self.notes))

    def __str__(self) -> str:
        try:
            from rich.console import Console
        except ModuleNotFoundError:  # it comes with the command line
            return "\n".join([self.verdict, *("  ".join(entry.row()) for entry in self.entries), *self.lines()])
        text = io.StringIO()
        Console(file=text, width=100, highlight=False).print(self)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        cells = "".join(f"<th>{html.escape(heading)}</th>" for heading in HEADINGS)
        rows = [f"<tr>{cells}</tr>"]
        for entry in self.entries:
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in entry.row())
            rows.append(f"<tr>{cells}</tr>" if entry.passed else f"<tr style='color: #b00'>{cells}</tr>")
        findings = "".join(
            f"<li><b>{finding.mistake}</b> in <code>{html.escape(finding.where)}</code>: "
            f"{html.escape(finding.evidence)}<br>{html.escape(finding.explanation['en'])}<br><code>{html.escape(finding.fix)}</code></li>"
            for finding in self.findings
        )
        explained = [f"{line}. {texts.UNCHECKED['en']}" for line in self.unchecked]
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in (*explained, *self.notes))
        return f"<b>{html.escape(self.verdict)}</b><table>{''.join(rows)}</table>{LEGEND}<ul>{findings}{notes}</ul>"


def plain(value: Any) -> Any:
    """As JSON can hold it: NaN and infinity are the strings that JavaScript's Number takes."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
