"""The network behind an estimator: made from `coefs_` and `intercepts_`, which are then views of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from backpass.layers.dense import Dense
from backpass.layers.exponential import Exponential
from backpass.layers.layer import Layer
from backpass.layers.linear import Linear
from backpass.layers.relu import ReLU
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.softmax import Softmax
from backpass.layers.tanh import Tanh
from backpass.losses.binary_crossentropy import BinaryCrossentropy
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.losses.mean_squared_error import MeanSquaredError
from backpass.losses.poisson import Poisson
from backpass.network import Network

ACTIVATIONS: dict[str, type[Layer]] = {"identity": Linear, "logistic": Sigmoid, "tanh": Tanh, "relu": ReLU}
ENDINGS: dict[str, Any] = {
    "softmax": (Softmax, CategoricalCrossentropy),
    "logistic": (Sigmoid, BinaryCrossentropy),
    "identity": (Linear, MeanSquaredError),
    "exp": (Exponential, Poisson),
}


class Kept:
    """A network, and its weights and biases as scikit-learn shows them.

    Somebody may put other arrays into `coefs_` at any time. What is no view of the network is copied in whenever the
    network is used, so that it counts even if it is changed in place.
    """

    def __init__(
        self, activation: str, out_activation: str, coefs: Sequence[Any], intercepts: Sequence[Any], dtype: Any
    ):
        self.kind = activation, out_activation
        layers: list[Layer] = []
        for weights in coefs:
            layers += [Dense(*np.shape(weights), initializer="zeros", dtype=dtype), ACTIVATIONS[activation]()]
        ending, loss = ENDINGS[out_activation]
        self.network = Network([*layers[:-1], ending()], loss())
        dense: list[Any] = [layer for layer in layers if isinstance(layer, Dense)]
        self.coefs, self.intercepts = [each.weights for each in dense], [each.biases[0] for each in dense]
        self.take(coefs, intercepts)

    def take(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> None:
        """Copy in what is not there already."""
        for mine, given in zip(chain(self.coefs, self.intercepts), chain(coefs, intercepts), strict=True):
            if mine is not given:
                mine[...] = given

    def fits(self, activation: str, out_activation: str, coefs: Sequence[Any], intercepts: Sequence[Any]) -> bool:
        """Whether the network is one for these, whatever their numbers."""
        if self.kind != (activation, out_activation) or len(coefs) != len(self.coefs):
            return False
        for mine, given in zip(chain(self.coefs, self.intercepts), chain(coefs, intercepts), strict=True):
            if mine is not given and (mine.shape != np.shape(given) or mine.dtype != np.asarray(given).dtype):
                return False
        return True

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """Numbers in the network's order (weights, biases, weights ...) in scikit-learn's: all weights, all biases."""
        weights, biases, start = [], [], 0
        for coef, intercept in zip(self.coefs, self.intercepts, strict=True):
            middle, end = start + coef.size, start + coef.size + intercept.size
            weights.append(flat[start:middle])
            biases.append(flat[middle:end])
            start = end
        return np.concatenate([*weights, *biases])

    def unpack(self, packed: np.ndarray) -> None:
        """Take parameters from one array in scikit-learn's order."""
        start = 0
        for array in chain(self.coefs, self.intercepts):
            array[...] = packed[start : start + array.size].reshape(array.shape)
            start += array.size
