"""The stops of `backpass tour`: each computes with backpass's own parts, and shows.

Numbers written out here are inputs of the notebook, or what it printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.padding import Padding
from rich.table import Table

from backpass import CategoricalCrossentropy, Dense, ReLU, Softmax, SoftmaxCrossentropy, datasets
from backpass.bench.fusion import NOTEBOOK_LABELS as LABELS
from backpass.bench.fusion import NOTEBOOK_PROBABILITIES as PROBABILITIES
from backpass.bench.fusion import backward_routes, measure
from backpass.bench.notebook import PlainSoftmax, PlainSoftmaxCrossentropy
from backpass.cli.tour_page import Page

WEIGHTS = np.array([[0.2, 0.8, -0.5, 1], [0.5, -0.91, 0.26, -0.5], [-0.26, -0.27, 0.17, 0.87]]).T  # (D, M)
BIASES = np.array([[2, 3, 0.5]])
INPUTS = np.array([[1, 2, 3, 2.5], [2.0, 5.0, -1.0, 2.0], [-1.5, 2.7, 3.3, -0.8]])
DVALUES = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
NUDGED = 1e-6  # how well central differences with a step of 1e-5 can agree


def notebook_dense() -> Dense:
    layer = Dense(4, 3, dtype="float64")
    layer.weights, layer.biases = WEIGHTS, BIASES
    return layer


def by_nudging(loss: Callable[[np.ndarray], float], values: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Slope of `loss` in each entry, by central differences."""
    slopes = np.empty_like(values)
    for place in np.ndindex(values.shape):
        up, down = values.copy(), values.copy()
        up[place] += step
        down[place] -= step
        slopes[place] = (loss(up) - loss(down)) / (2 * step)
    return slopes


def single(page: Page) -> None:
    layer = notebook_dense()
    layer.forward(INPUTS[:1])
    dinputs = layer.backward(DVALUES[:1])
    page.say("single.paths")
    paths = zip(layer.weights[0], DVALUES[0], strict=True)
    parts = " + ".join(f"{weight:g} * {dvalue:g}" for weight, dvalue in paths).replace("+ -", "- ")
    page.formula(f"{parts} = {dinputs[0, 0]:g}")
    page.say("single.product")
    page.show("dinputs = dvalues @ weights.T", dinputs, [[0.44, -0.38, -0.07, 1.37]])


def batch(page: Page) -> None:
    layer = notebook_dense()
    layer.forward(INPUTS)
    dinputs = layer.backward(DVALUES)
    page.say("batch.parameters")
    page.show("dweights = inputs.T @ dvalues", layer.dweights, [[0.5] * 3, [20.1] * 3, [10.9] * 3, [4.1] * 3])
    page.show("dbiases = sum_n dvalues[n]", layer.dbiases, [[6.0, 6.0, 6.0]])
    printed = [[0.42] * 3, [-1.83] * 3, [0.53] * 3, [2.61] * 3]
    page.say("batch.dinputs")
    page.show("dinputs = dvalues @ weights.T", dinputs, printed)
    page.say("batch.why")
    wrong = np.dot(layer.weights, DVALUES)
    page.show("weights @ dvalues", wrong, printed, label="wrong_axis")
    page.say("batch.two")
    page.console.print()
    try:
        np.dot(layer.weights, DVALUES[:2])
    except ValueError as error:
        page.line((f"ValueError: {error}", "red"), indent=4)
    page.say("batch.nudging")
    slopes = by_nudging(lambda inputs: float(np.sum(DVALUES * layer.forward(inputs))), INPUTS)
    page.show("d sum(dvalues * output) / d inputs", dinputs, slopes, source="nudging", limit=NUDGED)


def dense(page: Page) -> None:
    layer = notebook_dense()
    page.say("dense.forward")
    page.show("output = inputs @ weights + biases", layer.forward(INPUTS))
    layer.backward(DVALUES)
    dweights = layer.dweights.copy()

    def loss(weights: np.ndarray) -> float:
        layer.weights = weights
        return float(np.sum(DVALUES * layer.forward(INPUTS)))

    page.say("dense.nudging", count=WEIGHTS.size)
    page.show("dweights = inputs.T @ dvalues", dweights, by_nudging(loss, WEIGHTS), source="nudging", limit=NUDGED)
    page.say("dense.start")


def relu(page: Page) -> None:
    layer, inputs = ReLU(), notebook_dense().forward(INPUTS)
    page.say("relu.gate", total=inputs.size, blocked=np.count_nonzero(inputs <= 0))
    page.show("output[n, m] = max(0, inputs[n, m])", layer.forward(inputs))
    page.show("dinputs[n, m] = dvalues[n, m] where inputs[n, m] > 0, else 0", layer.backward(DVALUES))
    page.say("relu.zero")
    layer.forward([[-1.0, 0.0, 2.0]])
    page.show("dinputs = 1 where inputs > 0, else 0", layer.backward([[1.0, 1.0, 1.0]]))


def softmax(page: Page) -> None:
    layer = Softmax()
    probabilities = layer.forward(ReLU().forward(notebook_dense().forward(INPUTS)))
    page.say("softmax.forward")
    page.show("output[n, c] = exp(inputs[n, c]) / sum_k exp(inputs[n, k])", probabilities)

    page.say("softmax.jacobian")
    one = Softmax()
    one.output = np.repeat(probabilities[:1], 3, axis=0)
    ours = one.backward(np.eye(3))
    first = probabilities[0]
    page.show(
        "jacobian[j, k] = output[j] * (1 if j == k else 0) - output[j] * output[k]",
        ours,
        np.diag(first) - np.outer(first, first),
        source="jacobian",
    )
    page.say("softmax.rows", largest_sum=f"{np.max(np.abs(ours.sum(axis=1))):.0e}")

    dvalues = np.tile([1.0, -2.0, 3.0], (3, 1))
    plain = PlainSoftmax()
    plain.output = probabilities
    plain.backward(dvalues)
    page.say("softmax.kernel")
    formula = "dinputs[c] = output[c] * (dvalues[c] - sum_k output[k] * dvalues[k])"
    page.show(formula, layer.backward(dvalues), plain.dinputs, source="jacobian")


def loss(page: Page) -> None:
    crossentropy = CategoricalCrossentropy()
    page.say("loss.mean")
    page.show("loss[n] = -log(y_pred[n, label[n]])", crossentropy.forward(PROBABILITIES, LABELS))
    page.show("mean_n loss[n]", crossentropy.calculate(PROBABILITIES, LABELS))
    page.say("loss.share")


def crossentropy(page: Page) -> None:
    loss, one_hot = CategoricalCrossentropy(), np.eye(3)[LABELS]
    page.say("crossentropy.forms")
    page.show(
        "loss[n] = -sum_c y_true[n, c] * log(y_pred[n, c])",
        loss.forward(PROBABILITIES, LABELS),
        loss.forward(PROBABILITIES, one_hot),
        source="other_form",
    )
    page.show(
        "dinputs[n, c] = -y_true[n, c] / y_pred[n, c] / N",
        loss.backward(PROBABILITIES, LABELS),
        loss.backward(PROBABILITIES, one_hot),
        source="other_form",
    )
    page.say("crossentropy.clip")
    page.show("-log(1e-20)", loss.calculate([[1e-20, 1.0]], [0]), -math.log(max(1e-20, 1e-7)), source="clipped")
    page.say("crossentropy.zero", zero=loss.calculate([[0.0, 1.0]], [0]))


def combined(page: Page) -> None:
    step, loss, activation = SoftmaxCrossentropy(), CategoricalCrossentropy(), Softmax()
    activation.output = PROBABILITIES
    separate = activation.backward(loss.backward(PROBABILITIES, LABELS))
    page.say("combined.cancel")
    formula = "dinputs = (output - y_true) / N"
    page.show(formula, step.backward(PROBABILITIES, LABELS), separate, source="separate")

    page.say("combined.soft")
    logits, soft = np.log(PROBABILITIES[:1]), np.array([[0.6, 0.3, 0.1]])
    slopes = by_nudging(lambda logits: step.forward(logits, soft), logits)
    page.show(formula, step.backward(PROBABILITIES[:1], soft), slopes, source="nudging", limit=NUDGED)
    plain = PlainSoftmaxCrossentropy()
    plain.backward(PROBABILITIES[:1], soft)
    page.say("combined.argmax")
    page.show("output - one_hot(argmax(y_true))", plain.dinputs, slopes, label="argmax", source="nudging", limit=NUDGED)

    page.say("combined.overflow")
    logits = np.array([[0.0, 800.0, 1.0]])
    probabilities = activation.forward(logits)
    page.show("-log(softmax(inputs)[label])", loss.calculate(probabilities, [0]), label="separate")
    page.show("jacobian @ (-y_true / y_pred)", activation.backward(loss.backward(probabilities, [0])), label="separate")
    page.say("combined.logits")
    on_paper = np.logaddexp.reduce(logits[0]) - logits[0, 0]
    page.show("log sum_k exp(inputs[k]) - inputs[label]", step.forward(logits, [0]), on_paper, source="paper")
    exact = np.exp(logits - np.logaddexp.reduce(logits[0])) - [[1, 0, 0]]
    page.show(formula, step.backward(step.output, [0]), exact, source="paper")


def whole(page: Page) -> None:
    run = WholePass(np.float32)
    N = len(run.y)
    page.say("whole.chain", N=N)
    page.formula("X (300, 2) -> dense1 -> ReLU -> dense2 -> softmax + cross-entropy -> loss")
    printed = np.array(
        [
            [0.33333334, 0.33333334, 0.33333334],
            [0.3333335, 0.3333335, 0.33333305],
            [0.33333367, 0.33333358, 0.33333272],
            [0.33333355, 0.33333385, 0.33333263],
            [0.333333, 0.33333418, 0.33333278],
        ],
        np.float32,
    )
    page.show("output[:5] = softmax(dense2.output)[:5]", run.output[:5], printed, limit=1e-5)
    page.show("loss = mean_n loss[n]", np.float32(run.loss), np.float32(1.0986123), limit=1e-5)
    page.show("accuracy = mean_n (argmax_c output[n, c] == y[n])", run.accuracy, 0.32)
    page.say("whole.small", ln3=math.log(3), rest=abs(run.loss - math.log(3)))

    dweights2 = [
        [-9.95226146e-05, 3.27997783e-04, -2.28475197e-04],
        [1.01648984e-04, -2.43361646e-04, 1.41712662e-04],
        [2.35507177e-04, -3.19360319e-04, 8.38531341e-05],
    ]
    dweights1 = [[3.2762854e-04, 2.5372763e-04, -3.7113682e-04], [-5.4703956e-05, -3.7952783e-04, 2.2306606e-04]]
    for formula, ours, values in (
        ("dense2.dweights = relu.output.T @ step.dinputs", run.dense2.dweights, dweights2),
        ("dense1.dweights = X.T @ relu.dinputs", run.dense1.dweights, dweights1),
        ("dense1.dbiases = sum_n relu.dinputs[n]", run.dense1.dbiases, [[-0.00032174, -0.00043721, 0.00053705]]),
    ):
        page.show(formula, ours, np.array(values, np.float32), limit=1e-5)

    precise = WholePass(np.float64)
    dbiases = np.array([[-7.707160e-06, 5.553011e-07, 6.938586e-06]], np.float32)
    page.say(
        "whole.cancel",
        N=N,
        term=np.max(np.abs(run.dlogits)),
        printed_sum=dbiases.sum(dtype=np.float64),
        exact_sum=abs(precise.dense2.dbiases.sum()),
        limit=1e-7,
    )
    page.show("dense2.dbiases = sum_n step.dinputs[n]", run.dense2.dbiases, dbiases, limit=1e-7, absolute=True)
    largest_two = np.sort(run.output, axis=1)[:, -2:]
    differing = run.predictions != precise.predictions
    ties = np.count_nonzero(differing & (largest_two[:, 0] == largest_two[:, 1]))
    if ties:
        page.say("whole.tie", accuracy=precise.accuracy, ties=ties)


class WholePass:
    """Cell 33, forward and backward: everything random from one RandomState(39), in this order."""

    def __init__(self, dtype: Any):
        generator = np.random.RandomState(39)
        X, self.y = datasets.spiral(100, 3, random_state=generator, dtype=dtype)
        self.dense1 = Dense(2, 3, initializer="small_normal", random_state=generator, dtype=dtype)
        self.dense2 = Dense(3, 3, initializer="small_normal", random_state=generator, dtype=dtype)
        self.relu, self.step = ReLU(), SoftmaxCrossentropy()

        logits = self.dense2.forward(self.relu.forward(self.dense1.forward(X)))
        self.loss = self.step.forward(logits, self.y)
        self.output: np.ndarray = self.step.output  # type: ignore[assignment]
        self.predictions = np.argmax(self.output, axis=1)
        self.accuracy = np.mean(self.predictions == self.y)

        self.dlogits = self.step.backward(self.output, self.y)
        self.dense1.backward(self.relu.backward(self.dense2.backward(self.dlogits)))


def speed(page: Page) -> None:
    printed = {"combined": 0.07109954100451432, "separate": 0.2592502910119947}  # seconds for 10000 calls
    case = "backward", "3x3"
    times = measure({case: backward_routes(PROBABILITIES, LABELS)}, rounds=9, seconds=0.002)[case]
    here = {name: float(np.min(values)) for name, values in times.items()}  # rounds too short for a median to be calm
    page.say("speed.printed", rounds=9, **printed)
    page.console.print()
    table = Table()
    table.add_column(page.text("speed.route"))
    columns = {
        "speed.ours": {route: here[f"our {route}"] for route in printed},
        "speed.plain": {route: here[f"notebook {route}"] for route in printed},
        "speed.notebook": {route: seconds / 10000 * 1e6 for route, seconds in printed.items()},
    }
    for key in columns:
        table.add_column(page.text(key), justify="right")
    for route in printed:
        table.add_row(page.text(f"speed.{route}"), *(f"{column[route]:.2f}" for column in columns.values()))
    ratios = [column["separate"] / column["combined"] for column in columns.values()]
    table.add_section()
    table.add_row(page.text("speed.ratio"), *(f"{ratio:.2f}" for ratio in ratios))
    page.console.print(Padding(table, (0, 0, 0, 2), expand=False))
    page.say("speed.more" if min(ratios) > 1 else "speed.less")


STOPS: tuple[tuple[Callable[[Page], None], int], ...] = (
    (single, 2),
    (batch, 3),
    (dense, 4),
    (relu, 5),
    (softmax, 6),
    (loss, 7),
    (crossentropy, 29),
    (combined, 30),
    (whole, 33),
    (speed, 35),
)
