"""`backpass bench growth`: how a step's time grows with the batch and with the width, with the floor under it.

There shall be no cliff: a size at which a step suddenly costs much more than at the sizes beside it. The trend at a
point is the geometric mean of the times of its two neighbours, which a curve that is straight on logarithmic axes
goes through; told is the point, of all that have two neighbours, that lies farthest from it, above or below: a jump
between two sizes lifts the trend of the one before it as it lifts the one behind.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cases import Case
from backpass.bench.cost_table import number, spread
from backpass.bench.floor import measure_floor
from backpass.bench.results import machine
from backpass.bench.trainers import clouds, seconds_of, steps_that_last, trainer

GOAL = 1.5  # times the trend, or the trend times as much
SECONDS = 0.1  # that a measurement lasts, or 5 steps
ROWS = 4096  # at least so many, so that a small batch is not always the same one
BATCHES = [2**power for power in range(17)]
WIDTHS = [2**power for power in range(3, 13)]
NETWORKS = {"batch": "64-128-10 relu", "width": "32-W-W-10 relu, batch 128"}


def cases(grows: str, sizes: list[int]) -> dict[int, Case]:
    if grows == "batch":
        return {batch: clouds((64, 128, 10), max(batch, ROWS), batch) for batch in sizes}
    return {width: clouds((32, width, width, 10), 128, 128) for width in sizes}


def microseconds(cases: dict[int, Case], repeats: int) -> dict[int, list[float]]:
    """A step's, for each size, in turn over all sizes."""
    runs = {size: trainer("backpass", case) for size, case in cases.items()}
    steps = {size: steps_that_last(SECONDS, case, runs[size]) for size, case in cases.items()}
    times: dict[int, list[float]] = {size: [] for size in cases}
    for _ in range(repeats):
        for size, run in runs.items():
            times[size].append(1e6 * seconds_of(run, steps[size]) / steps[size])
    return times


def in_pieces(products: dict[int, float]) -> dict[int, float]:
    """A batch's products may be made in pieces of any smaller batch, which stay in the cache: the least of all ways."""
    return {
        size: min(size / piece * products[piece] for piece in products if piece <= size and size % piece == 0)
        for size in products
    }


def off_trend(times: dict[int, float]) -> dict[int, float]:
    """For each size between two others: its time against the geometric mean of its neighbours'."""
    sizes = list(times)
    neighbours = zip(sizes[:-2], sizes[1:-1], sizes[2:], strict=True)
    return {size: times[size] / math.sqrt(times[before] * times[behind]) for before, size, behind in neighbours}


def farthest(ratios: dict[int, float]) -> int:
    """The size that is farthest off its trend, either way."""
    return max(ratios, key=lambda size: abs(math.log(ratios[size])))


def main(repeats: int = 5, batches: list[int] = BATCHES, widths: list[int] = WIDTHS) -> dict[str, Any]:
    """Measure, print a table for each; returns all runs."""
    results: dict[str, Any] = {"machine": machine(), "repeats": repeats, "goal": GOAL, "grows": {}}
    for grows, sizes in (("batch", batches), ("width", widths)):
        made = cases(grows, sizes)
        times = microseconds(made, repeats)
        products = {size: measure_floor(case)["microseconds"] for size, case in made.items()}
        floors = in_pieces(products) if grows == "batch" else products
        results["grows"][grows] = {"microseconds": times, "products": products, "floor": floors}
        print_growth(grows, times, floors)
    return results


def print_growth(grows: str, times: dict[int, list[float]], floors: dict[int, float]) -> None:
    medians = {size: median(each) for size, each in times.items()}
    ratios = off_trend(medians)
    table = Table(box=SIMPLE)
    for heading in (grows, "us/step", "spread", "floor", "step / floor", "step / trend"):
        table.add_column(heading, justify="right", no_wrap=True)
    for size, time in medians.items():
        off = f"{ratios[size]:.2f}" if size in ratios else ""
        above_floor = f"{time / floors[size]:.2f}"
        table.add_row(f"{size:,}", number(time), spread(times[size]), number(floors[size]), above_floor, off)
    console = Console()
    repeats = len(times[next(iter(times))])
    title = f"A step by {grows}: {NETWORKS[grows]}, Adam, float32, median of {repeats}"
    console.print(title, table, sep="\n", highlight=False)
    size = farthest(ratios)
    met = max(ratios[size], 1 / ratios[size]) <= GOAL
    console.print(
        "floor: the step's matrix products alone. trend: geometric mean of neighbours.\n"
        f"Farthest off the trend: {ratios[size]:.2f} at {grows} {size:,} "
        f"(no cliff: {1 / GOAL:.2f} to {GOAL}: {'met' if met else 'missed'}).",
        highlight=False,
    )
