"""Peers that train, for what is measured besides the time of a step."""

from __future__ import annotations

import time

import numpy as np

from backpass.bench.cases import Case
from backpass.bench.peers import PEERS
from backpass.bench.peers.peer import Run
from backpass.engine.threads import available_cores


def clouds(sizes: tuple[int, ...], rows: int, batch: int) -> Case:
    """Rows around nothing, in float32, with labels that depend on them; drawn without large temporaries."""
    generator = np.random.default_rng(0)
    X = np.empty((rows, sizes[0]), np.float32)
    generator.standard_normal(out=X, dtype=np.float32)
    y = generator.integers(0, sizes[-1], rows)
    y[X[:, 0] > 0] = 0
    return Case("x".join(map(str, sizes)), sizes, X, y, batch)


def trainer(peer: str, case: Case, threads: int | None = None) -> Run:
    """A peer with its network and data, which trains so many steps more each time; None: all cores."""
    return PEERS[peer].start(case, threads or available_cores())[0]


def seconds_of(run: Run, steps: int) -> float:
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def steps_that_last(seconds: float, case: Case, run: Run) -> int:
    """How many, in whole epochs, once all is warm; at least 5, so that no step is taken for what a fit costs."""
    steps = case.steps_per_epoch
    run(steps)
    while (taken := seconds_of(run, steps)) < seconds / 4:
        steps *= 2
    wanted = max(5, steps * seconds / taken)
    return max(1, round(wanted / case.steps_per_epoch)) * case.steps_per_epoch
