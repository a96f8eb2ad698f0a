"""What `health` gives back: findings, and the figures of every layer, for people and for programs."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

from backpass.audit.examination import LayerFigures
from backpass.audit.report import plain

HEADINGS = ("layer", "units", "dead", "saturated", "gradient", "ratio to next", "gradient/weights", "update/weights")
NOTHING = "nothing to remark"


@dataclass(frozen=True)
class Remark:
    """One thing that is not as it should be.

    Attributes
    ----------
    what : str
        Its kind: "dead-units", "vanishing-gradient" ...
    where : str
        The layer, named as in a model file; or "X", "y", "loss", "learning_rate".
    figure : float
        What was measured.
    text : str
        Where, and the figure, in one line.
    remedy : str
        What usually helps, in one line.
    """

    what: str
    where: str
    figure: float
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}"


@dataclass(frozen=True)
class Health:
    """The state of a network on a data set.

    Attributes
    ----------
    findings : list of Remark
        The most serious first; empty where there is nothing to remark.
    figures : list of LayerFigures
        One for each layer.

    `print` shows both as text, `rich.print` and a notebook as a table.
    """

    findings: list[Remark]
    figures: list[LayerFigures]

    def to_dict(self) -> dict[str, Any]:
        """Findings and figures for JSON; what is not finite is a string, such as "NaN"."""
        return {
            "findings": [plain_dict(each) for each in self.findings],
            "figures": [plain_dict(each) for each in self.figures],
        }

    def lines(self) -> list[str]:
        """A line for each finding, or one that there is none."""
        return [str(finding) for finding in self.findings] or [NOTHING]

    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table of figures, without HEADINGS."""
        return [
            (
                *(each.name, str(each.units), share(each.dead), share(each.saturated)),
                *(short(each.gradient), short(each.ratio), short(each.relative_gradient), short(each.update)),
            )
            for each in self.figures
        ]

    def __str__(self) -> str:
        table = [HEADINGS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        shown = ["  ".join(map(str.rjust, row, widths)) for row in table]
        return "\n".join([*shown, *self.lines()])

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for index, heading in enumerate(HEADINGS):
            table.add_column(heading, justify="right" if index else "left")
        for row in self.rows():
            table.add_row(*row)
        return Group(table, *map(Text, self.lines()))

    def _repr_html_(self) -> str:
        def cells(kind: str, row: tuple[str, ...]) -> str:
            return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row) + "</tr>"

        body = cells("th", HEADINGS) + "".join(cells("td", row) for row in self.rows())
        return f"<table>{body}</table><ul>{''.join(f'<li>{html.escape(line)}</li>' for line in self.lines())}</ul>"


def plain_dict(held: Any) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(held).items()}


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def short(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
