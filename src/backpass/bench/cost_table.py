"""The table of what was measured: a quantity's median with its spread, for each peer, beside the goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.turns import Runs

HINT = 'not installed: pip install "backpass[bench]"'


@dataclass(frozen=True)
class Quantity:
    """What was measured several times of each peer; the smaller, the better."""

    name: str
    values: dict[str, list[float]]  # by peer
    goal: float | None = None  # at most this, as a median
    worst: bool = False  # whether the worst is shown, too
    compared: bool = True  # whether it is told how many times as much as ours a peer's is
    times: float | None = None  # every peer is to take at least so many times as much as we do


def quantity(name: str, runs: Runs, key: str, goal: float | None = None, **shown: Any) -> Quantity:
    return Quantity(name, {peer: [run[key] for run in each] for peer, each in runs.items()}, goal, **shown)


def number(value: float) -> str:
    """Three digits, and all that are before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def spread(values: Sequence[float]) -> str:
    """From the least to the most, in percent of the median."""
    return f"{(max(values) - min(values)) / median(values):.0%}" if median(values) else "-"


def verdict(quantity: Quantity) -> str:
    if quantity.times is not None:
        ours, *peers = map(median, quantity.values.values())
        met = all(peer >= quantity.times * ours for peer in peers)
        return f"{quantity.times:g}x less: {'met' if met else 'missed'}" if peers else ""
    if quantity.goal is None:
        return ""
    met = median(quantity.values["backpass"]) <= quantity.goal
    return f"{quantity.goal:g}: {'met' if met else 'missed'}"


def print_table(title: str, peers: Iterable[str], quantities: Sequence[Quantity], caption: str) -> None:
    """One column a peer; `peers` are all that were asked for, those that are not installed among them."""
    peers = ["backpass", *(peer for peer in peers if peer != "backpass")]
    table = Table(box=SIMPLE)
    table.add_column("")
    for heading in (*peers, "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in quantities:
        ours, measured = median(each.values["backpass"]), each.values
        cells = [number(median(measured[peer])) if peer in measured else "-" for peer in peers]
        table.add_row(each.name, *cells, verdict(each))
        table.add_row("  spread", *(spread(measured[peer]) if peer in measured else "" for peer in peers))
        if each.worst:
            table.add_row("  worst", *(number(max(measured[peer])) if peer in measured else "" for peer in peers))
        if each.compared and len(measured) > 1 and ours:
            ratios = [f"{median(measured[peer]) / ours:.2f}x" if peer in measured else "" for peer in peers[1:]]
            table.add_row("  times ours", "", *ratios)
    missing = [peer for peer in peers if not any(peer in each.values for each in quantities)]
    console = Console()
    console.print(title, table, sep="\n", highlight=False)
    console.print(
        caption, *([f"{', '.join(missing)}: {HINT}"] if missing else []), sep="\n", markup=False, highlight=False
    )
