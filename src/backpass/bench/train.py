"""`backpass bench train`: a training step against peers and against the floor, in turn, each in fresh processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backpass.bench.cases import CASES, Case
from backpass.bench.peers import PEERS
from backpass.checks import one_of

SAME_LOSS = 1e-3
Runs = dict[str, list[dict[str, float]]]  # of each peer, by its name and its number of threads


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
    if peer == "floor":
        return figures
    module = "sklearn.neural_network" if peer == "sklearn" else peer
    timed_import = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    return {**figures, "import_seconds": float(fresh_process("-c", timed_import))}


def routes(case: Case, peers: list[str], threads: list[int]) -> list[tuple[str, str, int]]:
    """(shown name, peer, threads) of everything that is measured in one turn."""
    found = []
    for peer in ["backpass", *peers, "floor"]:
        if peer == "sklearn" and case.sizes[-1] == 2:
            continue
        if peer in ("jax", "floor"):  # JAX has no such setting for one process, the floor takes the best of all ways
            found.append((peer, peer, max(threads)))
        else:
            found += [(f"{peer} ({count})", peer, count) for count in threads]
    return found


def medians(runs: Runs, key: str) -> dict[str, float]:
    return {name: median(run[key] for run in each) for name, each in runs.items() if key in each[0]}


def best_of(runs: Runs) -> dict[str, float]:
    """Median microseconds of each peer at the number of threads that suits it best."""
    found: dict[str, float] = {}
    for name, microseconds in medians(runs, "microseconds").items():
        peer = name.split(" ")[0]
        found[peer] = min(microseconds, found.get(peer, microseconds))
    return found


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {}
    for package in ("numpy", "scipy", "numba", "torch", "jax", "scikit-learn"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    models = [line for line in processor_lines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit.stdout.strip() or None,
    }


def processor_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def main(cases: list[str], peers: list[str], repeats: int = 5, threads: list[int] | None = None) -> dict[str, Any]:
    """Measure, print a table a case; returns all runs. ValueError if the peers' losses do not agree."""
    threads = threads or [1, 2]
    peers = [peer for peer in peers if peer != "backpass"]
    for case in cases:
        one_of(case, "case", CASES)
    for peer in peers:
        one_of(peer, "peer", PEERS)
    console = Console()
    results: dict[str, Any] = {"machine": machine(), "repeats": repeats, "cases": {}}
    for name in cases:
        made, runs = CASES[name](), Runs()
        for _ in range(repeats):  # in turn: A B C A B C ...
            for shown, peer, count in routes(made, peers, threads):
                runs.setdefault(shown, []).append(one_run(name, peer, count))
        check_losses(made, runs)
        results["cases"][name] = {"sizes": made.sizes, "batch": made.batch, "checked": made.checked, "runs": runs}
        print_case(console, made, runs)
    return results


def check_losses(case: Case, runs: Runs) -> None:
    losses = {name: each[0]["loss"] for name, each in runs.items() if "loss" in each[0]}
    if max(losses.values()) - min(losses.values()) > SAME_LOSS:
        raise ValueError(
            f"{case.name}: after {case.checked} steps the losses differ by more than {SAME_LOSS}: {losses}"
        )


def print_case(console: Console, case: Case, runs: Runs) -> None:
    sizes = "-".join(map(str, case.sizes))
    repeats = len(next(iter(runs.values())))
    title = f"{case.name}: {sizes}, batch {case.batch}, Adam, float32, median of {repeats}"
    table = Table(title=title, box=SIMPLE, title_justify="left")
    for heading in ("peer", "us/step", "spread", "we are", "loss", "import", "first", "MB"):
        table.add_column(heading, justify="left" if heading == "peer" else "right", no_wrap=True)
    ours = best_of(runs)["backpass"]
    for name, each in runs.items():
        times = [run["microseconds"] for run in each]
        spread = f"{(max(times) - min(times)) / median(times):.0%}"
        if name == "floor":
            table.add_row("floor", f"{median(times):.1f}", spread, f"{median(times) / ours:.2f}x", *[""] * 4)
            continue
        others = [median(run[key] for run in each) for key in ("import_seconds", "first_seconds", "peak_mb")]
        table.add_row(
            name,
            f"{median(times):.1f}",
            spread,
            "" if name.startswith("backpass") else f"{median(times) / ours:.2f}x",
            f"{each[0]['loss']:.5f}",
            *(f"{value:.2f}" for value in others[:2]),
            f"{others[2]:.0f}",
        )
    peak = median(run["gflops_of_a_core"] for run in runs["floor"])
    table.caption = (
        "(1), (2): threads. floor: the step's matrix products alone, the best way to use two cores.\n"
        f"import, first: seconds; first is {case.checked} steps, compiling included. A core reaches {peak:.0f} GFLOPS."
    )
    table.caption_justify = "left"
    console.print(table)


def short(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def as_markdown(results: dict[str, Any]) -> str:
    """The README's table, of what `main` returned and a file has kept."""
    rows = []
    for name, case in results["cases"].items():
        best = best_of(case["runs"])
        ours, peers = best.pop("backpass"), {peer: time for peer, time in best.items() if peer != "floor"}
        shown = [
            f"{short(peers[peer])} ({peers[peer] / ours:.2f}x)" if peer in peers else "-"
            for peer in ("torch", "jax", "sklearn", "numpy")
        ]
        title = f"{name}: {'-'.join(map(str, case['sizes']))}, batch {case['batch']}"
        rows.append(f"| {title} | {short(ours)} | {' | '.join(shown)} | {ours / best['floor']:.2f} |")
    versions = results["machine"]["versions"]
    head = (
        f"| us a step | backpass | PyTorch {versions['torch']} eager, fused Adam | JAX {versions['jax']}, jit + scan "
        f"| scikit-learn {versions['scikit-learn']} | NumPy, as the notebook | our step / its products |"
    )
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *rows])
