"""`backpass bench start`: what is waited for before the first step is done, against peers.

    python -m backpass.bench.start PEER

prints as JSON how long the first step took in this process: from the call that trains to its return, the network made
before. On a machine that has never compiled (a cache folder that is empty) this is the first fit; afterwards each later
process finds what that one has left.
"""

from __future__ import annotations

import json
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any

from backpass.bench import commands
from backpass.bench.cost_table import Quantity, print_table, quantity
from backpass.bench.peers import PEERS
from backpass.bench.results import machine
from backpass.bench.trainers import clouds, trainer
from backpass.bench.turns import Figures, fresh_process, import_seconds, in_turn, installed

OTHERS = ("torch", "jax", "sklearn")
GOALS = {"import": 0.4, "first_fit": 6.0, "first_step": 0.1}  # seconds
SIZES, BATCH = (50, 128, 128, 2), 256


def first_step(peer: str, cache: str) -> Figures:
    """Seconds, and what was said on stderr meanwhile."""
    line, said = fresh_process("-m", "backpass.bench.start", peer, BACKPASS_CACHE_DIR=cache)
    return {"seconds": json.loads(line)["seconds"], "said": said}


def main(peers: list[str], repeats: int = 5) -> dict[str, Any]:
    """Measure, print a table; returns all runs."""
    present = installed(peers, OTHERS)

    def measure(peer: str) -> Figures:
        figures: Figures = {"import": import_seconds(PEERS[peer].module)}
        if not PEERS[peer].suits(clouds(SIZES, BATCH, BATCH)):
            return figures
        with TemporaryDirectory() as cache:
            if peer == "backpass":
                first_fit = first_step(peer, cache)
                figures |= {"first_fit": first_fit["seconds"], "said": first_fit["said"]}
            return figures | {"first_step": first_step(peer, cache)["seconds"]}

    runs = in_turn(present, repeats, measure)
    quantities: list[Quantity] = [
        quantity(name.replace("_", " "), {peer: each for peer, each in runs.items() if name in each[0]}, name, goal)
        for name, goal in GOALS.items()
    ]
    lines = sorted({len(run["said"]) for run in runs["backpass"]})
    one = "as it should" if lines == [1] else "it should be 1"
    print_table(
        "What is waited for at the start, seconds",
        peers,
        quantities,
        "first fit: one step on a machine that has never compiled; on stderr it said\n"
        f"{' or '.join(map(str, lines))} line(s), {one}. first step: the same in each later process.\n"
        "JAX keeps nothing from process to process, unless it is told to.\n"
        f"{'-'.join(map(str, SIZES))} relu, batch {BATCH}. Medians of {repeats} processes each, in turn.",
    )
    of_commands = commands.main(repeats)
    return {"machine": machine(), "repeats": repeats, "goals": GOALS, "runs": runs, "commands": of_commands}


if __name__ == "__main__":
    run = trainer(sys.argv[1], clouds(SIZES, BATCH, BATCH))
    start = time.perf_counter()
    run(1)
    print(json.dumps({"seconds": time.perf_counter() - start}))
