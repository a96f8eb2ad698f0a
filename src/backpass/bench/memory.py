"""`backpass bench memory`: what training on a million rows as one batch takes beyond the data, against peers.

    python -m backpass.bench.memory PEER ROWS

prints as JSON by how many MB (2^20 bytes) the most memory while training lies above what the process held before: data,
network, optimizer and a training on 1,000 rows, which has loaded or compiled what there is to load. JAX compiles again
for the new number of rows. Linux keeps the most as a high-water mark of the whole process, which is lowered to what is
held now before training begins.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from backpass.bench.cost_table import print_table, quantity
from backpass.bench.results import machine
from backpass.bench.trainers import clouds, trainer
from backpass.bench.turns import Figures, fresh_figures, in_turn, installed

PEERS = ("torch", "jax")
GOAL = 64.0  # MB
SIZES, ROWS, WARM_UP_ROWS, STEPS = (50, 128, 128, 2), 1_000_000, 1000, 2
PROCESS = Path("/proc/self")


def held_mb(key: str) -> float:
    """VmRSS, what is held now, or VmHWM, the most that was."""
    lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def forget_the_most() -> None:
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")


def beyond_the_data(peer: str, rows: int) -> Figures:
    trainer(peer, clouds(SIZES, WARM_UP_ROWS, WARM_UP_ROWS))(STEPS)
    run = trainer(peer, clouds(SIZES, rows, rows))
    forget_the_most()
    before = held_mb("VmRSS")
    run(STEPS)
    return {"mb": held_mb("VmHWM") - before, "before_mb": before}


def one_training(peer: str, rows: int) -> Figures:
    return fresh_figures("memory", peer, str(rows))


def main(peers: list[str], repeats: int = 5, rows: int = ROWS) -> dict[str, Any]:
    """Measure, print a table; returns all runs."""
    if not (PROCESS / "clear_refs").exists():
        raise OSError(f"memory is read from {PROCESS}, which only Linux has")
    runs = in_turn(installed(peers, PEERS), repeats, lambda peer: one_training(peer, rows))
    print_table(
        "What training takes beyond the data, MB",
        peers,
        [quantity("most while training", runs, "mb", GOAL), quantity("held before", runs, "before_mb", compared=False)],
        f"{rows:,} rows of {SIZES[0]} float32 ({rows * SIZES[0] * 4 / 2**20:,.0f} MB) as one batch,\n"
        f"{'-'.join(map(str, SIZES))} relu, Adam, {STEPS} steps. held before: data, network, libraries.\n"
        f"JAX compiles for these rows meanwhile. Medians of {repeats} processes each, in turn.",
    )
    return {"machine": machine(), "repeats": repeats, "rows": rows, "goal": GOAL, "runs": runs}


if __name__ == "__main__":
    print(json.dumps(beyond_the_data(sys.argv[1], int(sys.argv[2]))))
