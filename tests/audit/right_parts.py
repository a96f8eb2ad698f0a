"""Right parts of random sizes: every part of backpass, networks of them, and plain NumPy in several styles.

The auditor has to find nothing in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import backpass as bp
from tests.audit import plain_parts as plain
from tests.parts import ALL_FUSIONS, ALL_LOSSES, LAYER_CASES, kinds_of_targets, made, made_loss, predictions, randomise

Part = tuple[str, Any, np.ndarray, np.ndarray | None]  # name, part, inputs, y_true
DTYPES = ("float32", "float64")
ACTIVATIONS = (bp.ReLU, bp.LeakyReLU, bp.ELU, bp.GELU, bp.Sigmoid, bp.SiLU, bp.Softplus, bp.Tanh)


def right_parts(seed: int) -> Iterator[Part]:
    """(name, part, inputs, y_true) of every kind, with sizes from 1 to 9."""
    rng = np.random.default_rng(seed)
    yield from layers(rng)
    yield from losses(rng)
    yield from networks(rng)
    yield from plain_layers(rng)
    yield from plain_losses(rng)


def sizes(rng: np.random.Generator, count: int) -> list[int]:
    return rng.integers(1, 10, count).tolist()


# ---------------------------------------------------------------------------------------------------------- backpass


def layers(rng: np.random.Generator) -> Iterator[Part]:
    for dtype in DTYPES:
        for part, options in LAYER_CASES:
            N, D, M = sizes(rng, 3)
            layer = made(part, D, M, dtype, **options)
            randomise(layer, rng)
            yield f"{layer!r} in {dtype}", layer, rng.normal(size=(N, D)).astype(dtype), None
        for part in (bp.BatchNorm, bp.LayerNorm):
            N, D = sizes(rng, 2)
            layer = part(D, dtype=dtype)
            randomise(layer, rng)
            yield f"{part.__name__} in {dtype}", layer, rng.normal(size=(N, D)).astype(dtype), None
        N, D, categories = sizes(rng, 3)
        dropout = bp.Dropout(rng.uniform(0, 0.8), random_state=0)
        yield f"Dropout in {dtype}", dropout, rng.normal(size=(N, D)).astype(dtype), None
        inputs = rng.normal(size=(N, D)).astype(dtype)
        inputs[:, -1] = rng.integers(0, categories, N)
        embedding = bp.Embedding(D, {D - 1: categories}, dimensions=2, random_state=0, dtype=dtype)
        yield f"Embedding in {dtype}", embedding, inputs, None


def losses(rng: np.random.Generator) -> Iterator[Part]:
    for part in [*ALL_LOSSES, *ALL_FUSIONS]:
        N, C = sizes(rng, 2)
        loss = made_loss(part, rng, C)
        for kind, y_true in kinds_of_targets(loss, rng, N, C):
            for dtype in DTYPES:
                y_pred = predictions(part, rng, N, C).astype(dtype)
                yield f"{loss!r}, {kind}, in {dtype}", loss, y_pred, y_true


def hidden(rng: np.random.Generator, D: int, dtype: str) -> tuple[list[Any], int]:
    """Up to three Dense with what may stand behind them, and the columns that come out."""
    stack: list[Any] = []
    for _ in range(rng.integers(4)):
        D, before = *sizes(rng, 1), D
        penalties = {"weights_l2": 0.02, "biases_l1": 0.01} if rng.random() < 0.3 else {}
        stack.append(bp.Dense(before, D, dtype=dtype, **penalties))
        if rng.random() < 0.3:
            stack.append(bp.BatchNorm(D, dtype=dtype) if rng.random() < 0.7 else bp.LayerNorm(D, dtype=dtype))
        stack.append(ACTIVATIONS[rng.integers(len(ACTIVATIONS))]())
        if rng.random() < 0.3:
            stack.append(bp.Dropout(0.3))
    return stack, D


def networks(rng: np.random.Generator) -> Iterator[Part]:
    for dtype in DTYPES:
        for last, loss in (
            ([bp.Softmax()], bp.CategoricalCrossentropy(label_smoothing=0.1)),
            ([], bp.SoftmaxCrossentropy()),
            ([bp.Sigmoid()], bp.BinaryCrossentropy()),
            ([], bp.SigmoidCrossentropy()),
            ([], bp.MeanSquaredError()),
            ([bp.Tanh()], bp.Huber(delta=0.5)),
        ):
            N, D, C = sizes(rng, 3)
            C = max(C, 2)
            stack, width = hidden(rng, D, dtype)
            network = bp.Network([*stack, bp.Dense(width, C, dtype=dtype), *last], loss, random_state=int(D))
            _, y_true = next(kinds_of_targets(loss, rng, N, C))
            yield f"{network!r} in {dtype}", network, rng.normal(size=(N, D)).astype(dtype), y_true


# ------------------------------------------------------------------------------------------------------- plain NumPy


class KeepsItsArrays(plain.Dense):
    """Fills arrays that it made once, and hands out the same ones each time."""

    def forward(self, inputs):
        if not hasattr(self, "output") or len(self.output) != len(inputs):
            self.output, self.dinputs = np.empty((len(inputs), self.weights.shape[1])), np.empty(inputs.shape)
            self.dweights, self.dbiases = np.empty_like(self.weights), np.empty_like(self.biases)
        self.inputs = inputs.copy()
        np.matmul(inputs, self.weights, out=self.output)
        self.output += self.biases

    def backward(self, dvalues):
        np.matmul(self.inputs.T, dvalues, out=self.dweights)
        np.sum(dvalues, axis=0, keepdims=True, out=self.dbiases)
        np.matmul(dvalues, self.weights.T, out=self.dinputs)


class AddsUpFromZero(plain.Dense):
    """Sample by sample, into gradients that it sets to 0 first."""

    def backward(self, dvalues):
        self.dweights, self.dbiases = np.zeros_like(self.weights), np.zeros_like(self.biases)
        for sample, dvalue in zip(self.inputs, dvalues, strict=True):
            self.dweights += np.outer(sample, dvalue)
            self.dbiases += dvalue
        self.dinputs = dvalues @ self.weights.T


class AddsNoise(plain.Tanh):
    """Its random numbers are its own: what is drawn once is differentiated."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, inputs):
        super().forward(inputs + 0.1 * self.rng.normal(size=inputs.shape))


class KeepsWhatIsNoParameter(plain.TwoLayers):
    """hidden and dhidden look like a parameter and its gradient, and are none: forward sets them."""

    def forward(self, inputs, y_true):
        loss = super().forward(inputs, y_true)
        self.hidden = self.a1
        return loss

    def through_relu(self, da1):
        self.dhidden = da1
        return super().through_relu(da1)


class Residual(plain.Dense):
    """Adds its inputs to its output; the weights are square."""

    def forward(self, inputs):
        super().forward(inputs)
        self.output = self.output + inputs

    def backward(self, dvalues):
        super().backward(dvalues)
        self.dinputs = self.dinputs + dvalues


def tanh_functions() -> Any:
    return np.tanh, lambda output, dvalues: dvalues * (1 - output**2)


def sine_functions() -> Any:
    return np.sin, lambda inputs, dvalues: dvalues * np.cos(inputs)


def double_functions() -> Any:
    return lambda inputs: 2 * inputs, lambda dvalues: 2 * dvalues


def in_float32(part: Any, *names: str) -> Any:
    for name in names:
        setattr(part, name, getattr(part, name).astype(np.float32))
    return part


def plain_layers(rng: np.random.Generator) -> Iterator[Part]:
    N, D, M = sizes(rng, 3)
    for part in (
        *(plain.Dense(D, M), plain.Affine(D, M), KeepsItsArrays(D, M), AddsUpFromZero(D, M), Residual(D, D)),
        *(plain.ReLU(), plain.LeakyReLU(), plain.Sigmoid(), plain.Tanh(), plain.Linear(), plain.Softmax(), AddsNoise()),
        *(plain.Dropout(0.4), plain.BatchNorm(D), plain.LayerNorm(D)),
    ):
        yield f"plain {type(part).__name__}", part, rng.normal(size=(N, D)), None
    inputs = rng.normal(size=(N, D)).astype(np.float32)
    yield "plain Dense in float32", in_float32(plain.Dense(D, M), "weights", "biases"), inputs, None
    yield (
        "plain Affine with weights in float32",
        in_float32(plain.Affine(D, M), "W", "b"),
        rng.normal(size=(N, D)),
        None,
    )
    yield "plain ReLU in float32", plain.ReLU(), inputs, None
    for functions in (tanh_functions, sine_functions, double_functions):
        yield functions.__name__, functions(), rng.normal(size=(N, D)), None


def plain_losses(rng: np.random.Generator) -> Iterator[Part]:
    """The book's losses clip: what goes in is well inside of 0 and 1."""
    N, D, M, C = sizes(rng, 4)
    logits, labels = rng.normal(size=(N, C)), rng.integers(0, C, N)
    answers, values = rng.integers(0, 2, (N, C)).astype(np.float64), rng.normal(size=(N, C))
    one_hot, shares = np.eye(C)[labels], 0.05 + 0.9 * plain.softmax(logits)
    for name, part, inputs, y_true in (
        ("CategoricalCrossentropy, labels", plain.CategoricalCrossentropy(), shares, labels),
        ("CategoricalCrossentropy, one-hot", plain.CategoricalCrossentropy(), shares, one_hot),
        ("BinaryCrossentropy", plain.BinaryCrossentropy(), 0.05 + 0.9 * plain.sigmoid(logits), answers),
        ("MeanSquaredError", plain.MeanSquaredError(), logits, values),
        ("MeanAbsoluteError", plain.MeanAbsoluteError(), logits, values),
        ("Hinge", plain.Hinge(), logits, 2 * answers - 1),
        ("SoftmaxCrossentropy, labels", plain.SoftmaxCrossentropy(), logits, labels),
        ("SoftmaxCrossentropy, one-hot", plain.SoftmaxCrossentropy(), logits, one_hot),
        ("SigmoidCrossentropy", plain.SigmoidCrossentropy(), logits, answers),
        ("TwoLayers", plain.TwoLayers(D, M, C), rng.normal(size=(N, D)), labels),
        ("KeepsWhatIsNoParameter", KeepsWhatIsNoParameter(D, M, C), rng.normal(size=(N, D)), labels),
    ):
        yield f"plain {name}", part, inputs, y_true
