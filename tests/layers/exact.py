"""Activations in mpmath: every function, and its derivative as the terms that add up to it.

Where terms of opposite sign meet, near the minimum of a GELU for example, an error is compared with their absolute sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
from mpmath import exp, expm1, log1p, ncdf, npdf, pi, sqrt, tanh

ALPHA = mpmath.mpf("1.6732632423543772848170429916717")
SCALE = mpmath.mpf("1.0507009873554804934193349852946")


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def gelu_argument(x: Any) -> Any:
    return sqrt(2 / pi) * (x + mpmath.mpf("0.044715") * x**3)


def gelu_argument_slope(x: Any) -> Any:
    return sqrt(2 / pi) * (1 + 3 * mpmath.mpf("0.044715") * x**2)


def mish_terms(x: Any) -> list[Any]:
    t = tanh(log1p(exp(x)))
    return [t, x * (1 - t**2) * sigmoid(x)]


def gelu_tanh_terms(x: Any) -> list[Any]:
    P = sigmoid(2 * gelu_argument(x))
    return [P, x * P * (1 - P) * 2 * gelu_argument_slope(x)]


# class, options: function, terms of its derivative
EXACT: list[tuple[str, dict[str, Any], Callable[[Any], Any], Callable[[Any], list[Any]]]] = [
    ("Linear", {}, lambda x: x, lambda x: [1]),
    ("ReLU", {}, lambda x: max(x, 0), lambda x: [int(x > 0)]),
    ("LeakyReLU", {"negative_slope": 0.25}, lambda x: x if x > 0 else x / 4, lambda x: [1 if x > 0 else 0.25]),
    ("ELU", {"alpha": 0.5}, lambda x: x if x > 0 else expm1(x) / 2, lambda x: [1 if x > 0 else exp(x) / 2]),
    (
        "SELU",
        {},
        lambda x: SCALE * (x if x > 0 else ALPHA * expm1(x)),
        lambda x: [SCALE * (1 if x > 0 else ALPHA * exp(x))],
    ),
    ("GELU", {}, lambda x: x * ncdf(x), lambda x: [ncdf(x), x * npdf(x)]),
    ("GELU", {"approximate": "tanh"}, lambda x: x * sigmoid(2 * gelu_argument(x)), gelu_tanh_terms),
    ("SiLU", {}, lambda x: x * sigmoid(x), lambda x: [sigmoid(x), x * sigmoid(x) * sigmoid(-x)]),
    ("Mish", {}, lambda x: x * tanh(log1p(exp(x))), mish_terms),
    ("Softplus", {}, lambda x: log1p(exp(x)), lambda x: [sigmoid(x)]),
    ("Sigmoid", {}, sigmoid, lambda x: [sigmoid(x) * sigmoid(-x)]),
    ("Tanh", {}, tanh, lambda x: [1 - tanh(x) ** 2]),
]
