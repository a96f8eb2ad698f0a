"""`backpass bench fusion`: each fused step against the pair it replaces, and both against the notebook's arithmetic.

Two questions, each measured in turn within one run (A B C D, A B C D, ...), so that what disturbs one disturbs all,
and every route's rounds are spread over the whole run:

1. The notebook's cell 35: backward only, objects made anew in every call, `dinputs` taken. Four routes at three sizes.
2. Every rule in `fusions/fusion.py`, of losses and of layers: forward and backward, one step against two. A new fusion
   appears by itself.

A timing is a loop of enough calls to last some milliseconds. Shown are the median of the rounds and, as spread, the
distance between the quartiles in percent of it; a ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from backpass.bench.notebook import PlainCrossentropy, PlainSoftmax, PlainSoftmaxCrossentropy
from backpass.fusions.fusion import FUSIONS, LAYER_FUSIONS, Fusion
from backpass.fusions.softmax_crossentropy import SoftmaxCrossentropy
from backpass.layers.layer import Layer
from backpass.layers.softmax import Softmax
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.losses.loss import Loss

Routes = dict[str, Callable[[], Any]]
Cases = dict[tuple[str, str], Routes]  # by what is computed ("backward", or a fusion's name) and the size
Times = dict[str, np.ndarray]
Ratios = dict[str, tuple[str, str]]  # name: (slower route, faster route)

SIZES = ((3, 3), (300, 3), (10000, 10))
LAYER_SIZES = ((300, 2, 64), (32, 64, 128), (256, 128, 128))  # N, D, M
SECONDS = 0.003  # a timing lasts at least this long
AGREEMENT = 1e-12  # of the largest entry
NOTEBOOK_PROBABILITIES = np.array([[0.7, 0.1, 0.2], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]])
NOTEBOOK_LABELS = np.array([0, 1, 1])
RATIOS: Ratios = {
    "combined": ("notebook combined", "our combined"),
    "separate": ("notebook separate", "our separate"),
    "ours": ("our separate", "our combined"),
}
RULE_RATIOS: Ratios = {"pair / fused": ("pair", "fused")}
GOALS = {("combined", "3x3"): 4.0, ("combined", "10000x10"): 20.0} | {("separate", f"{N}x{C}"): 5.0 for N, C in SIZES}


def main(rounds: int = 15, console: Console | None = None) -> dict[str, Any]:
    """Check, measure, print the tables; returns the figures.

    Raises ArithmeticError if two routes that are to be compared do not compute the same.
    """
    console = console or Console()
    cases: Cases = {}
    for N, C in SIZES:
        cases["backward", f"{N}x{C}"] = backward_routes(*probabilities_and_labels(N, C))
    for (layer, loss), fusion in FUSIONS.items():
        for N, C in SIZES:
            cases[fusion.__name__, f"{N}x{C}"] = rule_routes(layer, loss, fusion, N, C)
    for (first, second), layer_fusion in LAYER_FUSIONS.items():
        for N, D, M in LAYER_SIZES:
            cases[layer_fusion.__name__, f"{N}x{D}x{M}"] = layer_rule_routes(first, second, layer_fusion, N, D, M)
    for case, routes in cases.items():
        check_agreement(routes, ", ".join(case))

    figures: dict[str, Any] = {"rounds": rounds, "backward": {}, "rules": {}}
    for (name, size), times in measure(cases, rounds).items():
        rows = figures["backward"] if name == "backward" else figures["rules"].setdefault(name, {})
        rows[size] = compare(times, RATIOS if name == "backward" else RULE_RATIOS)
    print_backward(console, figures["backward"])
    print_rules(console, figures["rules"])
    console.print(f"float64; medians of {rounds} rounds, measured in turn; ± is the distance between the quartiles.")
    return figures


def probabilities_and_labels(N: int, C: int) -> tuple[np.ndarray, np.ndarray]:
    """The notebook's own at 3x3, else random ones."""
    if NOTEBOOK_PROBABILITIES.shape == (N, C):
        return NOTEBOOK_PROBABILITIES, NOTEBOOK_LABELS
    generator = np.random.RandomState(0)
    probabilities = np.exp(generator.standard_normal((N, C)))
    return probabilities / probabilities.sum(axis=1, keepdims=True), generator.randint(0, C, N)


def backward_routes(probabilities: np.ndarray, labels: np.ndarray) -> Routes:
    """Cell 35's question, four ways; each returns dinputs."""

    def combined(Step: Any) -> Callable[[], np.ndarray]:
        def route() -> np.ndarray:
            step = Step()
            step.backward(probabilities, labels)
            return step.dinputs

        return route

    def separate(Activation: Any, Loss: Any) -> Callable[[], np.ndarray]:
        def route() -> np.ndarray:
            softmax = Activation()
            softmax.output = probabilities
            loss = Loss()
            loss.backward(probabilities, labels)
            softmax.backward(loss.dinputs)
            return softmax.dinputs

        return route

    return {
        "our combined": combined(SoftmaxCrossentropy),
        "our separate": separate(Softmax, CategoricalCrossentropy),
        "notebook combined": combined(PlainSoftmaxCrossentropy),
        "notebook separate": separate(PlainSoftmax, PlainCrossentropy),
    }


def rule_routes(layer: type[Layer], loss: type[Loss], fusion: type[Fusion], N: int, C: int) -> Routes:
    """One rule of FUSIONS, forward and backward; each returns the loss and dinputs in one array."""
    generator = np.random.RandomState(0)
    inputs = generator.standard_normal((N, C))
    takes_labels = fusion.labels_forward_kernel is not None
    lowest = float(layer.positive)  # an amount is above 0
    y_true = generator.randint(0, C, N) if takes_labels else generator.randint(0, 2, (N, C)) + lowest

    def fused() -> tuple[float, np.ndarray]:
        step = fusion()
        mean_loss = step.forward(inputs, y_true)
        return mean_loss, step.backward(step.output, y_true)

    def pair() -> tuple[float, np.ndarray]:
        activation, last = layer(), loss()
        output = activation.forward(inputs)
        mean_loss = last.calculate(output, y_true)
        return mean_loss, activation.backward(last.backward(output, y_true))

    return {"fused": fused, "pair": pair}


def layer_rule_routes(first: Any, second: Any, fusion: Any, N: int, D: int, M: int) -> Routes:
    """One rule of LAYER_FUSIONS, forward and backward; each returns output, dinputs and the weights' gradient."""
    generator = np.random.RandomState(0)
    inputs, dvalues = generator.standard_normal((N, D)), generator.standard_normal((N, M))
    dense, activation = first(D, M, random_state=0, dtype="float64"), second()
    both = fusion.of(first(D, M, random_state=0, dtype="float64"), activation)

    def fused() -> tuple[np.ndarray, ...]:
        return both.forward(inputs), both.backward(dvalues), both.dweights

    def pair() -> tuple[np.ndarray, ...]:
        output = activation.forward(dense.forward(inputs))
        return output, dense.backward(activation.backward(dvalues)), dense.dweights

    return {"fused": fused, "pair": pair}


def check_agreement(routes: Routes, where: str) -> None:
    """ArithmeticError unless all routes give what the first gives: a comparison of different results says nothing."""
    results = {name: route() for name, route in routes.items()}
    first, *others = results
    for name in others:
        for expected, found in zip(arrays(results[first]), arrays(results[name]), strict=True):
            difference = np.max(np.abs(found - expected)) / np.max(np.abs(expected))
            if not difference <= AGREEMENT:  # NaN does not agree either
                raise ArithmeticError(f"{where}: {name} differs from {first} by {difference:.1e} of the largest entry")


def arrays(result: Any) -> list[np.ndarray]:
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def measure(cases: Cases, rounds: int, seconds: float | None = None) -> dict[tuple[str, str], Times]:
    """Microseconds a call of each route in each round. A round goes once through all routes of all cases."""
    # By the largest block freed so far, glibc gives arrays of 800 kB back to the system after each call, or not: 560 or
    # 140 microseconds for our separate route at 10000x10. One large block puts everyone in the faster state.
    np.empty(2**21)
    timers = {case: {name: timeit.Timer(route) for name, route in routes.items()} for case, routes in cases.items()}
    calls: dict[tuple[str, str], dict[str, int]] = {case: {} for case in cases}
    for case, names in timers.items():
        for name, timer in names.items():
            timer.timeit(1)  # what only the first call does
            calls[case][name] = max(1, round((SECONDS if seconds is None else seconds) / min(timer.repeat(3, 1))))
    times = {case: {name: np.empty(rounds) for name in names} for case, names in timers.items()}
    for place in range(rounds):
        for case, names in timers.items():
            for name, timer in names.items():
                number = calls[case][name]
                times[case][name][place] = timer.timeit(number) / number * 1e6
    return times


def compare(times: Times, ratios: Ratios) -> dict[str, Any]:
    """{"microseconds": {route: median}, "spread_percent": {route: ...}, "ratios": {name: ...}}"""
    quartiles = {name: np.percentile(values, (25, 50, 75)) for name, values in times.items()}
    return {
        "microseconds": {name: float(median) for name, (_, median, _) in quartiles.items()},
        "spread_percent": {name: float(100 * (high - low) / median) for name, (low, median, high) in quartiles.items()},
        "ratios": {name: float(np.median(times[slow] / times[fast])) for name, (slow, fast) in ratios.items()},
    }


def print_backward(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Softmax and cross-entropy backward (cell 35), microseconds a call", title_justify="left")
    table.add_column("size")
    for name in next(iter(figures.values()))["microseconds"]:
        table.add_column(name, justify="right")
    for size, row in figures.items():
        table.add_row(size, *(timing(row, name) for name in row["microseconds"]))
    console.print(table)

    table = Table(title="How many times as long", title_justify="left")
    table.add_column("size")
    for slow, fast in RATIOS.values():
        table.add_column(f"{slow} /\n{fast}", justify="right", no_wrap=True)
    for size, row in figures.items():
        table.add_row(size, *(against_goal(ratio, GOALS.get((name, size))) for name, ratio in row["ratios"].items()))
    console.print(table)


def print_rules(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Every fusion against its pair, forward and backward, microseconds", title_justify="left")
    for name in ("fusion", "size", "pair", "fused", "pair / fused"):
        table.add_column(name, justify="left" if name in ("fusion", "size") else "right")
    for fusion, rule in figures.items():
        for size, row in rule.items():
            ratio = f"{row['ratios']['pair / fused']:.2f}"
            table.add_row(fusion, size, timing(row, "pair"), timing(row, "fused"), ratio)
    console.print(table)


def timing(row: dict[str, Any], name: str) -> str:
    return f"{row['microseconds'][name]:.4g} ±{row['spread_percent'][name]:.0f}%"


def against_goal(ratio: float, goal: float | None) -> str:
    figure = f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"
    if goal is None:
        return figure
    word, style = ("met", "green") if ratio >= goal else ("missed", "red")
    return f"{figure} [{style}](goal {goal:g}: {word})[/]"
