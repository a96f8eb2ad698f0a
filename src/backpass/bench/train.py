"""`backpass bench train`: a training step against peers, in turn, each in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cases import CASES
from backpass.bench.peers import CHECKED, PEERS
from backpass.checks import one_of

SAME_LOSS = 1e-3


def fresh_process(*arguments: str) -> str:
    """Last line that a new Python prints."""
    finished = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or ["no message"]
        hint = '; pip install "backpass[bench]"' if "No module named" in lines[-1] else ""
        raise OSError(f"{' '.join(arguments[-3:])} failed: {lines[-1]}{hint}")
    return finished.stdout.splitlines()[-1]


def one_run(case: str, peer: str, threads: int) -> dict[str, float]:
    figures = json.loads(fresh_process("-m", "backpass.bench.peers", case, peer, str(threads)))
    timed_import = f"import time; start = time.perf_counter(); import {peer}; print(time.perf_counter() - start)"
    return {**figures, "import_seconds": float(fresh_process("-c", timed_import))}


def measure(case: str, peers: list[str], repeats: int, threads: list[int]) -> dict[str, list[dict[str, float]]]:
    """Runs of each peer, by its name and its number of threads, in turn: A B C A B C ..."""
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        for peer in peers:
            for count in [max(threads)] if peer == "jax" else threads:  # JAX has no such setting for one process
                runs.setdefault(f"{peer} ({count})" if peer != "jax" else peer, []).append(one_run(case, peer, count))
    return runs


def best(runs: dict[str, list[dict[str, float]]], peer: str) -> float:
    """Median of a peer at the number of threads that suits it best."""
    return min(median(r["microseconds"] for r in each) for name, each in runs.items() if name.startswith(peer))


def main(cases: list[str], peers: list[str], repeats: int = 5, threads: int = 2) -> dict[str, Any]:
    """Measure, print a table a case; returns all runs. ValueError if the peers' losses do not agree."""
    for case in cases:
        one_of(case, "case", CASES)
    for peer in peers:
        one_of(peer, "peer", PEERS)
    console = Console()
    results: dict[str, Any] = {}
    for case in cases:
        made = CASES[case]()
        runs = measure(case, ["backpass", *(p for p in peers if p != "backpass")], repeats, sorted({1, threads}))
        results[case] = runs
        sizes = "-".join(map(str, made.sizes))
        title = f"{case}: {sizes}, batch {made.batch}, Adam, float32, median of {repeats}"
        table = Table(title=title, box=SIMPLE, title_justify="left")
        for heading in ("peer", "us/step", "spread", "we are", "loss", "import", "first", "MB"):
            table.add_column(heading, justify="left" if heading == "peer" else "right", no_wrap=True)
        ours = best(runs, "backpass")
        for name, each in runs.items():
            times = [run["microseconds"] for run in each]
            others = [median(run[key] for run in each) for key in ("import_seconds", "first_seconds", "peak_mb")]
            table.add_row(
                name,
                f"{median(times):.1f}",
                f"{(max(times) - min(times)) / median(times):.0%}",
                "" if name.startswith("backpass") else f"{median(times) / ours:.2f}x",
                f"{each[0]['loss']:.5f}",
                *(f"{value:.2f}" for value in others[:2]),
                f"{others[2]:.0f}",
            )
        table.caption = "(1), (2): threads. import, first: seconds; first is 200 steps, compiling included."
        table.caption_justify = "left"
        console.print(table)
        losses = {name: each[0]["loss"] for name, each in runs.items()}
        if max(losses.values()) - min(losses.values()) > SAME_LOSS:
            raise ValueError(f"{case}: after {CHECKED} steps the losses differ by more than {SAME_LOSS}: {losses}")
    return results
