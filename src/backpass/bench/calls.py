"""`backpass bench calls`: what one call from Python costs, against the same call of peers.

A prediction: one row through 64-128-10 relu in float32, to its class. A gradient: 24-8-2 tanh with dropout, 200 rows
in float64, the loss and its gradient. Both are so little work that the call itself is what is paid for; its checks of
what it is handed are included.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.bench.call_peers import CALLS
from backpass.bench.cost_table import print_table, quantity
from backpass.bench.results import machine
from backpass.bench.turns import Figures, Runs, fresh_figures, in_turn, installed

GOALS = {"prediction": 3.0, "gradient": 6.0}  # microseconds; SimpleChains.jl takes 5.7 for the second
AGREEMENT = {"prediction": 1e-5, "gradient": 1e-9}
PEERS = ("torch", "jax", "sklearn", "numpy")


def one_call(call: str, peer: str) -> Figures:
    return fresh_figures("call_peers", call, peer)


def main(peers: list[str], repeats: int = 5) -> dict[str, Any]:
    """Measure, print a table; returns all runs. ArithmeticError if two peers do not compute the same."""
    present = installed(peers, PEERS)
    results: dict[str, Any] = {"machine": machine(), "repeats": repeats, "goals": GOALS, "calls": {}}
    for call, able in CALLS.items():
        asked = [peer for peer in present if peer in able]
        runs = in_turn(asked, repeats, lambda peer, call=call: one_call(call, peer))  # type: ignore[misc]
        check_answers(call, runs)
        results["calls"][call] = runs
    print_table(
        "What one call from Python costs, microseconds",
        peers,
        [quantity(call, runs, "microseconds", GOALS[call]) for call, runs in results["calls"].items()],
        "prediction: one row to its class, 64-128-10 relu, float32.\n"
        "gradient: loss and gradient of 200 rows, 24-8-2 tanh with dropout, float64.\n"
        f"Medians of {repeats} processes each, in turn. scikit-learn has no call for a gradient.",
    )
    return results


def check_answers(call: str, runs: Runs) -> None:
    """Hold all answers against our first, and leave them out of the figures."""
    answers = [(peer, np.array(run.pop("answer"))) for peer, each in runs.items() for run in each]
    for peer, answer in answers:
        apart = np.abs(answer - answers[0][1]).max()
        if not apart <= AGREEMENT[call]:
            raise ArithmeticError(f"{call}: {peer}'s answer is {apart:.1e} away from ours; it may be {AGREEMENT[call]}")
