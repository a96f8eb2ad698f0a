"""The network behind an estimator: made from `coefs_` and `intercepts_`, which are then views of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from backpass.estimators.members import MembersDense
from backpass.estimators.recipe import Recipe, arrays_beside
from backpass.layers.dense import Dense

Arrays = Sequence[Sequence[Any]]  # weights, biases, and what normalisation has learned, if anything


class Kept:
    """A network, and its weights and biases as scikit-learn shows them; of K members, arrays (K, D, M) and (K, M).

    Somebody may put other arrays into `coefs_` at any time. What is no view of the network is copied in whenever the
    network is used, so that it counts even if it is changed in place.
    """

    def __init__(self, recipe: Recipe, arrays: Arrays, dtype: Any, seed: int):
        self.recipe = recipe
        self.network = recipe.network([np.shape(weights)[-2:] for weights in arrays[0]], dtype, seed)
        layers: list[Any] = [layer for layer in self.network.layers if isinstance(layer, Dense | MembersDense)]
        self.coefs, self.intercepts = [each.weights for each in layers], [each.biases[0] for each in layers]
        if (members := recipe.task.members) > 1:
            self.coefs = [each.reshape(len(each), members, -1).swapaxes(0, 1) for each in self.coefs]
            self.intercepts = [each.reshape(members, -1) for each in self.intercepts]
        self.norms = arrays_beside(self.network)
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
        """Whether the network is one for these, whatever their numbers."""
        if self.recipe != recipe or len(arrays[0]) != len(self.coefs):
            return False
        for mine, given in self.pairs(arrays):
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
