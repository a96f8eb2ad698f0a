"""`backpass bench train`: a training step against peers and against the floor, in turn, each in fresh processes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from backpass.bench.cases import CASES, Case
from backpass.bench.peers import PEERS
from backpass.bench.results import keep, kept, machine, prepare
from backpass.bench.step_table import print_case
from backpass.bench.turns import Runs, fresh_figures, import_seconds
from backpass.checks import one_of, positive_integer

SAME_LOSS = 1e-3
SAME_DROPOUT_LOSS = 0.03  # of `california`: 0.286 to 0.298, by whose masks they are, and 0.223 without any


def one_run(case: str, peer: str, threads: int) -> dict[str, float]:
    figures = fresh_figures("measure", case, peer, str(threads))
    if peer == "floor":
        return figures
    return {**figures, "import_seconds": import_seconds(PEERS[peer].module)}


def routes(peers: list[str], threads: list[int]) -> list[tuple[str, str, int]]:
    """(shown name, peer, threads) of everything that is measured in one turn."""
    found = []
    for peer in ["backpass", *peers]:
        if PEERS[peer].sets_threads:
            found += [(f"{peer} ({count})", peer, count) for count in threads]
        else:
            found.append((peer, peer, max(threads)))
    return [*found, ("floor", "floor", max(threads))]  # of all ways to use two cores it takes the best


def measure_in_turn(
    case: Case, peers: list[str], repeats: int, threads: list[int], console: Console
) -> tuple[Runs, list[str]]:
    """All runs, and who sits out: whom the case does not suit, and who fails."""
    runs: Runs = {}
    absent = [peer for peer in peers if not PEERS[peer].suits(case)]
    playing = [peer for peer in peers if peer not in absent]
    for _ in range(repeats):  # in turn: A B C A B C ...
        for shown, peer, count in routes(playing, threads):
            if shown in absent:
                continue
            try:
                runs.setdefault(shown, []).append(one_run(case.name, peer, count))
            except OSError as error:
                if peer in ("backpass", "floor"):
                    raise
                absent.append(shown)
                del runs[shown]
                console.print(f"{shown} sits out: {error}", markup=False, highlight=False, soft_wrap=True)
    return runs, absent


def check_losses(case: Case, runs: Runs) -> None:
    """Largest and smallest have to be near each other: below 1 their difference, above 1 that beside the smallest."""
    for key, allowed in (("loss", SAME_LOSS), ("dropout_loss", SAME_DROPOUT_LOSS)):
        losses = {name: [run[key] for run in each] for name, each in runs.items() if key in each[0]}
        found = np.array([loss for each in losses.values() for loss in each])
        if losses and not np.ptp(found) <= allowed * max(1, found.min()):  # nor is NaN a loss
            raise ValueError(
                f"{case.name}: after {case.checked} steps the losses differ by more than {allowed:g}: {losses}"
            )


def main(
    cases: list[str],
    peers: list[str],
    repeats: int = 5,
    threads: list[int] | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """Measure, print a table a case, keep its runs in the file before the next; returns what the file holds.

    ValueError if the peers' losses do not agree, or a peer is not installed.
    """
    threads = [positive_integer(count, "threads") for count in threads or [1, 2]]
    peers = [peer for peer in peers if peer != "backpass"]
    for case in cases:
        one_of(case, "case", CASES)
    for peer in peers:
        package = PEERS[one_of(peer, "peer", PEERS)].module.partition(".")[0]
        if find_spec(package) is None:
            raise ValueError(f'peer {peer} needs {package}, which is not installed; pip install "backpass[bench]"')
    console = Console()
    results: dict[str, Any] = {"machine": machine(), "cases": {}}
    if file is not None:
        prepare(file)
        results["cases"], anew = kept(file, results["machine"])
        if anew:
            console.print(anew, markup=False, highlight=False, soft_wrap=True)
    for name in cases:
        made = CASES[name]()
        runs, absent = measure_in_turn(made, peers, repeats, threads, console)
        check_losses(made, runs)
        results["cases"][name] = {
            "commit": results["machine"]["commit"],  # of this case: others may have been measured earlier
            "sizes": made.sizes,
            "batch": made.batch,
            "checked": made.checked,
            "runs": runs,
        }
        if file is not None:
            keep(file, results)
        print_case(console, made, runs, absent)
    return results
