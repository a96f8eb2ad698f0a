"""What commands cost before they do any work: the processor time of whole processes, in turn, beside bare imports.

Processor time is what a crowded machine leaves alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median
from tempfile import TemporaryDirectory

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cost_table import number, spread
from backpass.bench.turns import Figures, Runs, in_turn

NUMPY, TABLES = "import numpy", "import pandas, sklearn.preprocessing"
BACKPASS = "from backpass.cli import main; main()"
TRAIN = ("train", "iris")
# What is run, what it is held against, and how many times as long it may take.
PROCESSES: dict[str, tuple[tuple[str, ...], str, float | None]] = {
    NUMPY: ((NUMPY,), "", None),
    TABLES: ((TABLES,), "", None),
    "import backpass": (("import backpass",), NUMPY, None),
    "backpass --help": ((BACKPASS, "--help"), NUMPY, None),
    "backpass train --help": ((BACKPASS, "train", "--help"), NUMPY, None),
    "backpass show RUN": ((BACKPASS, "show", "run"), TABLES, None),
    "backpass tour": ((BACKPASS, "tour"), TABLES, None),
    "backpass train iris": ((BACKPASS, *TRAIN), TABLES, 1.5),
    "backpass predict RUN iris": ((BACKPASS, "predict", "run", "iris"), TABLES, None),
}


def processor_seconds(arguments: tuple[str, ...], folder: str) -> float:
    """Of a new Python with this script and its arguments, from its start to its end. OSError if it fails."""
    before = os.times()
    finished = subprocess.run(
        [sys.executable, "-c", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise OSError(f"{' '.join(arguments[1:]) or arguments[0]} failed: {finished.stderr.strip()[-200:]}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(repeats: int) -> Runs:
    """Measure, print a table; returns all runs."""
    with TemporaryDirectory() as folder:
        processor_seconds((BACKPASS, *TRAIN, "--out", "run"), folder)  # and compiles what is not compiled yet
        processor_seconds((BACKPASS, "tour"), folder)

        def measure(name: str) -> Figures:
            return {"processor_seconds": processor_seconds(PROCESSES[name][0], folder)}

        runs = in_turn(PROCESSES, repeats, measure)
    print_table({name: [each["processor_seconds"] for each in runs[name]] for name in runs}, repeats)
    return runs


def print_table(seconds: dict[str, list[float]], repeats: int) -> None:
    table = Table(box=SIMPLE)
    table.add_column("")
    for heading in ("seconds", "spread", "times", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, (_, reference, most) in PROCESSES.items():
        cells = [name, number(median(seconds[name])), spread(seconds[name])]
        if reference:
            times = median(seconds[name]) / median(seconds[reference])
            cells.append(f"{times:.2f}{'n' if reference == NUMPY else 't'}")
            cells.append(f"{most:g}: {'met' if times <= most else 'missed'}" if most else "")
        table.add_row(*cells)
    console = Console(highlight=False, markup=False)
    console.print("What a command costs, seconds of processor time", table, sep="\n")
    console.print(
        "times: as long as the first line (n), or the second (t). Kernels were compiled before.\n"
        f"Medians of {repeats} processes each, in turn."
    )
