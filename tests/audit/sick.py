"""What the tests of `health` share: parts of somebody's own, right and wrong, and a look at what was found."""

from __future__ import annotations

import numpy as np

import backpass as bp
from backpass.audit import Health


def kinds(found: Health) -> list[str]:
    return [finding.what for finding in found.findings]


def only(found: Health, what: str):
    """The one finding of a kind."""
    (finding,) = [each for each in found.findings if each.what == what]
    return finding


def figure(found: Health, name: str):
    (each,) = [each for each in found.figures if each.name == name]
    return each


def classifier(D: int, C: int, activation, width: int = 64, **options) -> bp.Network:
    layers = [bp.Dense(D, width, **options), activation(), bp.Dense(width, width, **options), activation()]
    layers += [bp.Dense(width, C, **options), bp.Softmax()]
    return bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)


def relu_of_four(activation=bp.ReLU) -> bp.Network:
    """One input, four units, of which 0 and 2 see nothing above 0 between -1 and 1."""
    network = bp.Network([bp.Dense(1, 4), activation(), bp.Dense(4, 1)], bp.MeanSquaredError(), random_state=0)
    network.layers[0].weights[:] = 1
    network.layers[0].biases[:] = [[-2, 0, -2, 5]]
    return network


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return (loaded.data - loaded.data.mean(axis=0)) / (loaded.data.std(axis=0) + 1e-9), loaded.target


class OwnTanh:
    """A layer of somebody's own."""

    def forward(self, inputs):
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output**2)


class OwnReLU:
    """A layer of somebody's own, which works in place."""

    def forward(self, inputs):
        self.passes = inputs > 0
        inputs *= self.passes
        return inputs

    def backward(self, dvalues):
        dvalues *= self.passes
        return dvalues


class SquaredErrors:
    """A loss of somebody's own: whether it takes the mean over the samples is up to `divided`."""

    def __init__(self, divided: bool):
        self.divided = divided

    def forward(self, y_pred, y_true):
        return ((y_pred - y_true) ** 2).mean(axis=1)

    def backward(self, dvalues, y_true):
        return 2 * (dvalues - y_true) / y_true.shape[1] / (len(y_true) if self.divided else 1)


class Scale:
    """A layer of somebody's own: one factor a column, whose gradient may be the mean instead of the sum."""

    def __init__(self, width: int, divided: bool):
        self.weights, self.divided = np.ones((1, width)), divided

    def forward(self, inputs):
        self.inputs = inputs
        return inputs * self.weights

    def backward(self, dvalues):
        self.dweights = (dvalues * self.inputs).sum(axis=0, keepdims=True) / (len(dvalues) if self.divided else 1)
        return dvalues * self.weights


class Noise:
    """A layer of somebody's own that leaves out others at each call."""

    random = np.random.default_rng(0)

    def forward(self, inputs, training):
        self.mask = self.random.random(inputs.shape) < (0.5 if training else 2)
        return inputs * self.mask

    def backward(self, dvalues):
        return dvalues * self.mask
