"""The networks behind an estimator: made from `coefs_` and `intercepts_`, which are then views of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from backpass.engine.memory import ALIGNMENT, empty
from backpass.estimators.recipe import Recipe, arrays_beside
from backpass.layers.dense import Dense
from backpass.network import Network

Arrays = Sequence[Sequence[Any]]  # weights, biases, and what normalisation has learned, if anything


def settled(networks: list[Network]) -> np.ndarray:
    """Parameters of all networks, one a row."""
    if len(networks) == 1:
        return networks[0].parameters[None]
    size, line = networks[0].parameters.size, ALIGNMENT // networks[0].dtype.itemsize
    memory = empty((len(networks), -(-size // line) * line), networks[0].dtype)
    for network, row in zip(networks, memory, strict=True):
        network.settle(row[:size])
    return memory


class Kept:
    """Networks, K of them, and their weights and biases as scikit-learn shows them: (K, D, M) and (K, M), or without K
    where it is one.

    Somebody may put other arrays into `coefs_` at any time. What is no view of a network is copied in whenever the
    networks are used, so that it counts even if it is changed in place.
    """

    def __init__(self, recipe: Recipe, arrays: Arrays, dtype: Any, seed: int):
        self.recipe, members = recipe, members_of(arrays)
        shapes = [np.shape(weights)[-2:] for weights in arrays[0]]
        self.networks = [recipe.network(shapes, dtype, seed + k * len(shapes)) for k in range(members)]
        self.network = self.networks[0]
        self.coefs: list[np.ndarray] = []
        self.intercepts: list[np.ndarray] = []
        memory, start = settled(self.networks), 0
        for layer in self.network.layers:
            if isinstance(layer, Dense):
                shape = layer.weights.shape
                middle, end = start + layer.weights.size, start + layer.parameters.size
                self.coefs.append(memory[:, start:middle].reshape(members, *shape)[() if members > 1 else 0])
                self.intercepts.append(memory[:, middle:end][() if members > 1 else 0])
            start += layer.parameters.size
        self.norms = [array for network in self.networks for array in arrays_beside(network)]
        if arrays[2] and len(arrays[2]) != len(self.norms):
            raise ValueError(
                f"norms_ holds {len(arrays[2])} arrays, but batch_norm, layer_norm and the weights ask for "
                f"{len(self.norms)}; set them as they were, or fit again"
            )
        self.take(arrays)

    def take(self, arrays: Arrays) -> None:
        """Copy in what is not there already."""
        for mine, given in self.pairs(arrays):
            if mine is not given:
                mine[...] = given

    def pairs(self, arrays: Arrays) -> Any:
        # norms_ is empty before the first fit: then they are as they were made
        return zip(chain(self.coefs, self.intercepts, self.norms), chain(*arrays), strict=bool(arrays[2]))

    def fits(self, recipe: Recipe, arrays: Arrays) -> bool:
        """Whether the networks are right for these, whatever their numbers."""
        if self.recipe != recipe or len(arrays[0]) != len(self.coefs):
            return False
        for mine, given in self.pairs(arrays):
            if mine is not given and (mine.shape != np.shape(given) or mine.dtype != np.asarray(given).dtype):
                return False
        return True

    def pack(self, flat: np.ndarray) -> np.ndarray:
        """Numbers in one network's order (weights, biases, weights ...) in scikit-learn's: all weights, all biases."""
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


def members_of(arrays: Arrays) -> int:
    """How many networks these belong to."""
    return len(arrays[0][0]) if np.ndim(arrays[0][0]) == 3 else 1
