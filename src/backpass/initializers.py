"""How the weights of a Dense layer start: a function of a generator and the layer's sizes D, M for each name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard normal numbers (D, M), drawn row after row."""
    return generator.standard_normal((D, M))


def small_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """The notebook's: 0.01 times a standard normal number."""
    return 0.01 * normal(generator, D, M)


def he_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard deviation sqrt(2 / D), which keeps the size of what passes a ReLU.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.
    """
    return np.sqrt(2 / D) * normal(generator, D, M)


def glorot_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard deviation sqrt(2 / (D + M)), between what suits the way forward and the way backward.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 12.
    """
    return np.sqrt(2 / (D + M)) * normal(generator, D, M)


def zeros(generator: Any, D: int, M: int) -> np.ndarray:
    """All 0. Alike neurons stay alike: only for the last layer."""
    return np.zeros((D, M))


INITIALIZERS: dict[str, Callable[[Any, int, int], np.ndarray]] = {
    function.__name__: function for function in (small_normal, he_normal, glorot_normal, zeros)
}
