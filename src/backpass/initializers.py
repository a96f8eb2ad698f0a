"""How the weights of a Dense layer start: a function of a generator and the layer's sizes D, M for each name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard normal numbers (D, M), drawn row after row."""
    return generator.standard_normal((D, M))


def uniform(generator: Any, D: int, M: int, scale: float) -> np.ndarray:
    """Uniform numbers (D, M) around 0 of this standard deviation, drawn row after row."""
    limit = np.sqrt(3) * scale
    return generator.uniform(-limit, limit, (D, M))


def he_scale(D: int, M: int) -> float:
    return float(np.sqrt(2 / D))


def glorot_scale(D: int, M: int) -> float:
    return float(np.sqrt(2 / (D + M)))


def lecun_scale(D: int, M: int) -> float:
    return float(np.sqrt(1 / D))


def small_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """The notebook's: 0.01 times a standard normal number."""
    return 0.01 * normal(generator, D, M)


def he_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard deviation sqrt(2 / D), which keeps the size of what passes a ReLU.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.
    """
    return he_scale(D, M) * normal(generator, D, M)


def he_uniform(generator: Any, D: int, M: int) -> np.ndarray:
    """Uniform with the standard deviation of `he_normal`: between -sqrt(6 / D) and sqrt(6 / D)."""
    return uniform(generator, D, M, he_scale(D, M))


def glorot_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard deviation sqrt(2 / (D + M)), between what suits the way forward and the way backward.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 12.
    """
    return glorot_scale(D, M) * normal(generator, D, M)


def glorot_uniform(generator: Any, D: int, M: int) -> np.ndarray:
    """Uniform with the standard deviation of `glorot_normal`: between -sqrt(6 / (D + M)) and sqrt(6 / (D + M)).

    Source: as there, equation 16.
    """
    return uniform(generator, D, M, glorot_scale(D, M))


def lecun_normal(generator: Any, D: int, M: int) -> np.ndarray:
    """Standard deviation sqrt(1 / D): the sum of D inputs of variance 1 has variance 1, which SELU builds on.

    Source: LeCun, Bottou, Orr, Müller, "Efficient backprop", 1998, equation 16; Klambauer et al., "Self-normalizing
    neural networks", NIPS 2017.
    """
    return lecun_scale(D, M) * normal(generator, D, M)


def lecun_uniform(generator: Any, D: int, M: int) -> np.ndarray:
    """Uniform with the standard deviation of `lecun_normal`: between -sqrt(3 / D) and sqrt(3 / D)."""
    return uniform(generator, D, M, lecun_scale(D, M))


def orthogonal(generator: Any, D: int, M: int) -> np.ndarray:
    """Orthonormal columns, or rows where D < M, each such matrix as likely as any other: lengths are kept.

    The Q of the QR decomposition of a normal matrix; only with R's diagonal made positive is Q uniform.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014; the signs: Mezzadri, "How to generate random matrices from the classical compact groups",
    Notices of the AMS 54, 2007, section 5.
    """
    Q, R = np.linalg.qr(normal(generator, max(D, M), min(D, M)))
    Q *= np.where(np.diagonal(R) < 0, -1, 1)
    return Q if D >= M else np.ascontiguousarray(Q.T)


def zeros(generator: Any, D: int, M: int) -> np.ndarray:
    """All 0. Alike neurons stay alike: only for the last layer."""
    return np.zeros((D, M))


INITIALIZERS: dict[str, Callable[[Any, int, int], np.ndarray]] = {
    function.__name__: function
    for function in (
        small_normal,
        he_normal,
        he_uniform,
        glorot_normal,
        glorot_uniform,
        lecun_normal,
        lecun_uniform,
        orthogonal,
        zeros,
    )
}

# Standard deviation of those that differ by nothing else: what was drawn by one may be scaled to another.
SCALES: dict[str, Callable[[int, int], float]] = {
    "he_normal": he_scale,
    "glorot_normal": glorot_scale,
    "lecun_normal": lecun_scale,
}
