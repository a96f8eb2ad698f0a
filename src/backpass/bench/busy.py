"""`backpass bench busy`: what a step costs when somebody else wants a core, too, against peers.

    python -m backpass.bench.busy PEER beside CASE
    python -m backpass.bench.busy PEER pair

The first prints as JSON microseconds a step, alone and beside a burner: a Python process that does nothing but keep a
core busy. The second prints the seconds of one training in one thread, and of two such trainings that two threads of
the process make at once. What is compared is measured one right after the other; a slowdown is the ratio of the two.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from backpass.bench.cases import Case, spiral, table
from backpass.bench.cost_table import Quantity, print_table, quantity
from backpass.bench.results import machine
from backpass.bench.trainers import seconds_of, steps_that_last, trainer
from backpass.bench.turns import Figures, Runs, fresh_figures, in_turn, installed

PEERS = ("torch",)
GOALS = {"beside": 2.2, "pair": 1.3}
CASES = {"table": table, "spiral": spiral}
SECONDS = 0.4  # that a measurement lasts, if nobody disturbs
BURN = "import signal; signal.alarm(60)\nwhile True: pass"  # the alarm ends it should nobody else do


@contextmanager
def burner() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        time.sleep(0.1)  # until it burns
        yield
    finally:
        process.kill()
        process.wait()


def beside(peer: str, case: Case) -> Figures:
    run = trainer(peer, case)
    steps = steps_that_last(SECONDS, case, run)
    alone = seconds_of(run, steps)
    with burner():
        burned = seconds_of(run, steps)
    return {"alone": 1e6 * alone / steps, "beside": 1e6 * burned / steps, "slowdown": burned / alone}


def pair(peer: str) -> Figures:
    """Ours are left to find out themselves how many threads they may use, as a user would leave them."""
    case = table()
    single = trainer(peer, case, threads=1)
    steps = steps_that_last(SECONDS, case, single)
    one = seconds_of(single, steps)
    runs = [trainer(peer, case, threads=None if peer == "backpass" else 1) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda run: run(case.steps_per_epoch), runs))
        start = time.perf_counter()
        list(pool.map(lambda run: run(steps), runs))
        two = time.perf_counter() - start
    return {"one": one, "two": two, "slowdown": two / one}


def one_measurement(peer: str, *what: str) -> Figures:
    return fresh_figures("busy", peer, *what)


def main(peers: list[str], repeats: int = 7) -> dict[str, Any]:
    """Measure, print a table; returns all runs."""
    present = installed(peers, PEERS)
    measured: dict[str, Runs] = {
        " ".join(what): in_turn(present, repeats, lambda peer, what=what: one_measurement(peer, *what))  # type: ignore[misc]
        for what in [*(("beside", case) for case in CASES), ("pair",)]
    }
    quantities: list[Quantity] = []
    for case in CASES:
        runs = measured[f"beside {case}"]
        quantities += [
            quantity(f"{case}: us alone", runs, "alone"),
            quantity(f"{case}: us beside a burner", runs, "beside"),
            quantity(f"{case}: slowdown", runs, "slowdown", GOALS["beside"], worst=True, compared=False),
        ]
    quantities.append(
        quantity("two at once / one", measured["pair"], "slowdown", GOALS["pair"], worst=True, compared=False)
    )
    print_table(
        "A step while somebody else wants a core",
        peers,
        quantities,
        "table: 50-128-128-2, batch 256; spiral: 2-64-3, batch 300; two threads.\n"
        "two at once: two trainings of table in two threads of a process, against one in\n"
        "one thread.\n"
        f"Medians of {repeats} processes each, in turn.",
    )
    return {"machine": machine(), "repeats": repeats, "goals": GOALS, "runs": measured}


if __name__ == "__main__":
    peer, what, *case = sys.argv[1:]
    print(json.dumps(beside(peer, CASES[case[0]]()) if what == "beside" else pair(peer)))
