"""`backpass bench estimators`: MLPClassifier against scikit-learn's, with the same parameters and as many epochs.

    python -m backpass.bench.estimators PEER CASE

prints as JSON the seconds of one fit (after a short one, which compiles and starts threads) and its last loss, or
microseconds of one prediction, the seconds of four fits one after the other and at once, or those of five fits and
of an ensemble of five.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from backpass.bench.cost_table import print_table, quantity
from backpass.bench.results import machine
from backpass.bench.turns import Figures, fresh_figures, in_turn

PEERS = ("backpass", "sklearn")
# name: data, dtype, hidden layers, batch, epochs, how many times faster
FITS: dict[str, Any] = {
    "digits float64": ("digits", "float64", (100,), 200, 60, 5.0),
    "digits float32": ("digits", "float32", (100,), 200, 60, 8.0),
    "table float64": ("table", "float64", (128, 128), 256, 8, 3.0),
    "table float32": ("table", "float32", (128, 128), 256, 8, 3.0),
    "images float64": ("images", "float64", (512,), 128, 4, 2.5),
    "images float32": ("images", "float32", (512,), 128, 4, 2.5),
}
ONE_ROW, AT_ONCE = 3.0, 1.7
MEMBERS = 5
AGREEMENT = {"float64": 1e-9, "float32": 1e-2}  # of the last losses


def data(name: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits, make_classification

    if name == "digits":
        X, y = load_digits(return_X_y=True)
        X = X / 16
    elif name == "table":
        X, y = make_classification(20_000, 50, n_informative=20, random_state=0)
    else:
        X, y = make_classification(6000, 784, n_informative=60, n_classes=10, random_state=0)
    return X.astype(dtype), y


def model(peer: str, hidden: tuple[int, ...], batch: int, epochs: int, seed: int = 0) -> Any:
    made = import_module({"backpass": "backpass", "sklearn": "sklearn.neural_network"}[peer]).MLPClassifier
    return made(hidden, batch_size=batch, max_iter=epochs, random_state=seed, tol=0, n_iter_no_change=math.inf)


def one_fit(peer: str, case: str) -> Figures:
    name, dtype, hidden, batch, epochs, _ = FITS[case]
    X, y = data(name, dtype)
    model(peer, hidden, batch, 2).fit(X, y)
    made = model(peer, hidden, batch, epochs)
    start = time.perf_counter()
    made.fit(X, y)
    return {"seconds": time.perf_counter() - start, "loss": float(made.loss_)}


def one_row(peer: str, calls: int = 2000) -> Figures:
    X, y = data("digits", "float64")
    made, row = model(peer, (100,), 200, 2).fit(X, y), X[:1]
    made.predict(row)
    start = time.perf_counter()
    for _ in range(calls):
        made.predict(row)
    return {"microseconds": 1e6 * (time.perf_counter() - start) / calls}


def at_once() -> Figures:
    """Four fits in one thread, one after the other, and then shared between two threads, each fit in one."""
    from threadpoolctl import threadpool_limits

    X, y = data("digits", "float64")

    def fit(seed: int) -> None:
        model("backpass", (100,), 200, 60, seed).fit(X, y)

    fit(0)
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        start = time.perf_counter()
        for seed in range(4):
            fit(seed)
        middle = time.perf_counter()
        list(pool.map(fit, range(4)))
        return {"one after the other": middle - start, "at once": time.perf_counter() - middle}


def ensemble(case: str) -> Figures:
    """Fits one after the other, each with all threads, and as many members trained together."""
    name, dtype, hidden, batch, epochs, _ = FITS[case]
    X, y = data(name, dtype)
    model("backpass", hidden, batch, 2).fit(X, y)
    start = time.perf_counter()
    for seed in range(MEMBERS):
        model("backpass", hidden, batch, epochs, seed).fit(X, y)
    middle = time.perf_counter()
    model("backpass", hidden, batch, epochs).set_params(n_ensemble=MEMBERS).fit(X, y)
    return {"one after the other": middle - start, "at once": time.perf_counter() - middle}


def gain(runs: list[Figures]) -> float:
    return median(each["one after the other"] / each["at once"] for each in runs)


def main(repeats: int = 5) -> dict[str, Any]:
    """Measure, print a table; returns all runs. ArithmeticError if the two do not compute the same."""
    measured = {
        case: in_turn(PEERS, repeats, lambda peer, case=case: fresh_figures("estimators", peer, case))  # type: ignore[misc]
        for case in [*FITS, "one row"]
    }
    together = [fresh_figures("estimators", "backpass", "at once") for _ in range(repeats)]
    ensembles = {
        case: [fresh_figures("estimators", "ensemble", case) for _ in range(repeats)]
        for case in FITS
        if "images" not in case
    }
    for case, (_, dtype, *_) in FITS.items():
        ours, theirs = (measured[case][peer][0]["loss"] for peer in PEERS)
        if not abs(ours - theirs) <= AGREEMENT[dtype] * theirs:
            raise ArithmeticError(f"{case}: our last loss is {ours}, scikit-learn's {theirs}")
    of_four = gain(together)
    print_table(
        "MLPClassifier, seconds of a fit and microseconds of a prediction",
        PEERS,
        [
            *(quantity(f"fit {case}", measured[case], "seconds", times=FITS[case][-1]) for case in FITS),
            quantity("predict one row", measured["one row"], "microseconds", times=ONE_ROW),
        ],
        "digits: 64-100-10, batch 200, 60 epochs; table: 20,000 x 50, 128-128, batch 256, 8 epochs;\n"
        "images: 6000 x 784, 512, batch 128, 4 epochs. Both end with the same loss.\n"
        f"Medians of {repeats} processes each, in turn.\n"
        f"4 fits of digits, two threads at once: {of_four:.2f}x as fast as one after the other in one thread "
        f"(at least {AT_ONCE}: {'met' if of_four >= AT_ONCE else 'missed'}).\n"
        f"n_ensemble={MEMBERS} as fast as {MEMBERS} fits: "
        + ", ".join(f"{case} {gain(runs):.2f}x" for case, runs in ensembles.items())
        + ".",
    )
    return {"machine": machine(), "repeats": repeats, "runs": measured, "at once": together, "ensembles": ensembles}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer, case = sys.argv[1:]
    if peer == "ensemble":
        figures = ensemble(case)
    elif case == "at once":
        figures = at_once()
    else:
        figures = one_row(peer) if case == "one row" else one_fit(peer, case)
    print(json.dumps(figures))
