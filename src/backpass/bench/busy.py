"""`backpass bench busy`: what a step costs when somebody else wants a core, too, against peers.

    python -m backpass.bench.busy PEER beside CASE
    python -m backpass.bench.busy PEER pair
    python -m backpass.bench.busy PEER crowd CASE
    python -m backpass.bench.busy PEER half CASE
    python -m backpass.bench.busy PEER interrupt CASE

The first prints as JSON microseconds a step, alone and beside a burner: a Python process that does nothing but keep a
core busy. The second prints the seconds of one training in one thread, and of two such trainings that two threads of
the process make at once. What is compared is measured one right after the other; a slowdown is the ratio of the two.

`crowd` and `half` are beside eight burners and beside one. They print how many times as long the steps take as what the
system grants allows: their processor time in one thread alone, over a fair share of the cores, of one thread in a crowd
and of as many as there are cores beside one burner. `interrupt` prints how long a fit in a crowd goes on after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from backpass.bench.cases import Case, spiral, table
from backpass.bench.cost_table import Quantity, print_table, quantity
from backpass.bench.peers.peer import Run
from backpass.bench.results import machine
from backpass.bench.trainers import seconds_of, steps_that_last, trainer
from backpass.bench.turns import Figures, Runs, fresh_figures, in_turn, installed
from backpass.engine.threads import available_cores

PEERS = ("torch",)
GOALS = {"beside": 2.2, "pair": 1.3, "crowd": 1.5, "half": 1.15, "interrupt": 2.0}
CASES = {"table": table, "spiral": spiral}
CROWD = 8  # burners
SWEEP = [(rows, width) for width in (128, 512) for rows in (256, 1024, 4096)]  # of 20-width-width-width-1
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


def deep(rows: int, width: int) -> Case:
    X = np.random.default_rng(0).standard_normal((2 * rows, 20)).astype(np.float32)
    y = np.sin(X[:, :1]) * X[:, 1:2]
    return Case(f"{rows} x {width}", (20, width, width, width, 1), X, y, rows, loss="squared_error")


def ensemble(threads: int) -> Run:
    """Four networks; a step is an epoch of all."""
    from backpass import MLPRegressor

    X = np.random.default_rng(0).standard_normal((4000, 50)).astype(np.float32)
    fixed: dict[str, Any] = {"n_ensemble": 4, "n_threads": threads, "n_iter_no_change": 10**6, "random_state": 0}

    def run(steps: int) -> None:
        MLPRegressor(hidden_layer_sizes=(100, 100), max_iter=steps, **fixed).fit(X, X[:, 0] * X[:, 1])

    return run


def run_of(peer: str, name: str, threads: int | None) -> tuple[Run, int]:
    """A training, and its steps an epoch."""
    if name == "ensemble":
        return ensemble(threads or available_cores()), 1
    case = CASES[name]() if name in CASES else deep(*map(int, name.split("x")))
    return trainer(peer, case, threads), case.steps_per_epoch


def granted(burners: int, threads: int) -> float:
    """Cores that so many threads get beside so many burners, if the system is fair."""
    return min(threads, available_cores() * threads / (burners + threads))


def among(peer: str, name: str, burners: int) -> Figures:
    one, steps = run_of(peer, name, 1)
    run, _ = run_of(peer, name, None)
    one(steps), run(steps)
    need = 0.0
    while need < SECONDS:
        steps, begun = 2 * steps, time.process_time()
        one(steps)
        need = time.process_time() - begun
    with ExitStack() as crowd:
        for _ in range(burners):
            crowd.enter_context(burner())
        seconds = seconds_of(run, steps)
    threads = 1 if burners >= available_cores() else available_cores()
    return {"times": seconds * granted(burners, threads) / need}


def interrupt(peer: str, name: str) -> Figures:
    """Seconds that a fit goes on after Ctrl-C in a crowd, and of the processor's."""
    run, steps = run_of(peer, name, None)
    run(steps)
    asked: list[tuple[float, float]] = []

    def ask() -> None:
        asked.append((time.perf_counter(), time.process_time()))
        os.kill(os.getpid(), signal.SIGINT)

    with ExitStack() as crowd, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an estimator's word that it was interrupted
        for _ in range(CROWD):
            crowd.enter_context(burner())
        threading.Timer(2, ask).start()
        with suppress(KeyboardInterrupt):
            run(10**9 if name != "ensemble" else 10**6)
        return {"wall": time.perf_counter() - asked[0][0], "processor": time.process_time() - asked[0][1]}


def one_measurement(peer: str, *what: str) -> Figures:
    return fresh_figures("busy", peer, *what)


def main(peers: list[str], repeats: int = 7) -> dict[str, Any]:
    """Measure, print a table; returns all runs."""
    present = installed(peers, PEERS)
    crowded, swept = [*CASES, "ensemble"], [f"{rows}x{width}" for rows, width in SWEEP]
    ours = [*(("crowd", case) for case in crowded), *(("half", case) for case in swept)]
    ours += [("interrupt", case) for case in crowded]
    measured: dict[str, Runs] = {
        " ".join(what): in_turn(names, repeats, lambda peer, what=what: one_measurement(peer, *what))  # type: ignore[misc]
        for names, each in ((present, [*(("beside", case) for case in CASES), ("pair",)]), (["backpass"], ours))
        for what in each
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
    for what, case in ours:
        name, goal = f"{what} {case}", {"worst": True, "compared": False}
        if what == "interrupt":
            quantities.append(quantity(f"{name}: s", measured[name], "wall", GOALS[what], **goal))
            quantities.append(quantity(f"{name}: processor s", measured[name], "processor", 0.3, **goal))
        else:
            quantities.append(quantity(f"{name}: times", measured[name], "times", GOALS[what], **goal))
    print_table(
        "A step while somebody else wants a core",
        peers,
        quantities,
        "table: 50-128-128-2, batch 256; spiral: 2-64-3, batch 300; two threads.\n"
        "two at once: two trainings of table in two threads of a process, against one in\n"
        "one thread.\n"
        f"crowd: beside {CROWD} busy processes; half: 20-width-width-width-1 of rows x width beside one; times as\n"
        "long as the processor time that the system grants allows. interrupt: after Ctrl-C in a crowd.\n"
        f"Medians of {repeats} processes each, in turn.",
    )
    return {"machine": machine(), "repeats": repeats, "goals": GOALS, "runs": measured}


if __name__ == "__main__":
    peer, what, *case = sys.argv[1:]
    measures: dict[str, Callable[[], Figures]] = {
        "beside": lambda: beside(peer, CASES[case[0]]()),
        "pair": lambda: pair(peer),
        "crowd": lambda: among(peer, case[0], CROWD),
        "half": lambda: among(peer, case[0], 1),
        "interrupt": lambda: interrupt(peer, case[0]),
    }
    print(json.dumps(measures[what]()))
