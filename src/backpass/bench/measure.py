"""One peer, one case, one process: what `backpass bench train` starts again and again.

    python -m backpass.bench.measure CASE PEER THREADS

prints a line of JSON: microseconds a step, the loss on all data after the first `checked` steps of the case, how many
seconds these took (compiling included), the peak of memory.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time

import numpy as np

from backpass.bench.cases import CASES, Case
from backpass.bench.peers import PEERS

TIMED_SECONDS = 0.4


def measure(case: Case, peer: str, threads: int) -> dict[str, float]:
    """No two peers draw dropout's masks alike: `loss` is without, what is timed has it, and has a loss of its own."""
    start = PEERS[peer].start
    run, loss = start(dataclasses.replace(case, dropout=0), threads)
    began = time.perf_counter()
    run(case.checked)  # the first call compiles, where a peer does
    figures = {"first_seconds": time.perf_counter() - began, "loss": loss()}
    if case.dropout:
        run, loss = start(case, threads)
        run(case.checked)
        figures["dropout_loss"] = loss()
    steps = case.checked  # as many as fill the time, and always whole epochs
    run(steps)
    began = time.perf_counter()
    run(steps)
    steps = max(1, int(steps * TIMED_SECONDS / (time.perf_counter() - began) / case.checked)) * case.checked
    run(steps)
    began = time.perf_counter()
    run(steps)
    figures["microseconds"] = 1e6 * (time.perf_counter() - began) / steps
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


if __name__ == "__main__":
    np.seterr(all="ignore")
    case, peer, threads = CASES[sys.argv[1]](), sys.argv[2], int(sys.argv[3])
    if peer == "floor":
        from backpass.bench.floor import measure_floor  # not into the memory of the others

        print(json.dumps(measure_floor(case)))
    else:
        print(json.dumps(measure(case, peer, threads)))
