"""GELU: every number times the probability that a standard normal variable is below it.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = inputs[n, m] * P(X <= inputs[n, m])                  X standard normal

    approximate="tanh" takes sigmoid(2 u) for the probability, which is (1 + tanh(u)) / 2, with
    u = sqrt(2 / pi) * (inputs[n, m] + 0.044715 * inputs[n, m] ** 3)

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * (P + inputs[n, m] * p)               p = dP/d inputs[n, m], the density

The kernel of the exact form knows the probability only for what is left in the tail, Q = P(X > |x|), as the product of
two factors (engine/kernels/arithmetic.py): 1 + erf(x / sqrt(2)) would be garbage below -6, for there erf rounds to -1.
    output = max(x, 0) - |x| Q,    derivative = Q - |x| p for x < 0, else 1 - (Q - |x| p)
"""

from __future__ import annotations

import math

import numpy as np

from backpass import checks
from backpass.engine.kernels import gaussian, kernel, normal_tail_ratio
from backpass.layers.layer import Layer
from backpass.layers.sigmoid import forward as sigmoid_formula
from backpass.layers.sigmoid import sigmoid

DENSITY = 1 / math.sqrt(2 * math.pi)  # of a standard normal variable at 0
ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715


def forward(inputs, approximate):
    return inputs * probability(inputs, approximate)


def backward(inputs, dvalues, approximate):
    P = probability(inputs, approximate)
    if approximate == "tanh":
        p = 2 * P * probability(-inputs, approximate) * ROOT * (1 + 3 * CUBE * inputs**2)
    else:
        p = DENSITY * np.exp(-(inputs**2) / 2)
    return dvalues * (P + inputs * p)


def probability(inputs, approximate):
    if approximate == "tanh":
        return sigmoid_formula(2 * ROOT * (inputs + CUBE * inputs**3))
    from scipy.special import ndtr  # importing it takes 0.26 s, as long as all of backpass

    return ndtr(inputs)


@kernel
def forward_kernel(inputs, settings, output):
    zero, one = inputs.dtype.type(0), inputs.dtype.type(1)
    linear, cubic = inputs.dtype.type(2 * ROOT), inputs.dtype.type(2 * ROOT * CUBE)
    if settings[0] == 0:
        for n in range(inputs.shape[0]):
            for m in range(inputs.shape[1]):
                value = inputs[n, m]
                size = abs(value)
                # The ratio first: it makes about 0.4 of the size, so that the product is no sooner 0 than it has to be.
                tail = size * normal_tail_ratio(size) * gaussian(value)
                output[n, m] = (zero if value < zero else value) - tail
    else:
        for n in range(inputs.shape[0]):
            for m in range(inputs.shape[1]):
                value = inputs[n, m]
                output[n, m] = value * sigmoid(value * (linear + cubic * value * value), one)


@kernel
def backward_kernel(inputs, settings, dvalues, dinputs):
    zero, one, density = inputs.dtype.type(0), inputs.dtype.type(1), inputs.dtype.type(DENSITY)
    linear, cubic = inputs.dtype.type(2 * ROOT), inputs.dtype.type(2 * ROOT * CUBE)
    three = inputs.dtype.type(3)
    if settings[0] == 0:
        for n in range(dinputs.shape[0]):
            for m in range(dinputs.shape[1]):
                value = inputs[n, m]
                size = abs(value)
                tail = (normal_tail_ratio(size) - size * density) * gaussian(value)
                dinputs[n, m] = dvalues[n, m] * (tail if value < zero else one - tail)
    else:
        for n in range(dinputs.shape[0]):
            for m in range(dinputs.shape[1]):
                value = inputs[n, m]
                square = cubic * value * value
                argument = value * (linear + square)
                slope = value * (linear + three * square)  # value times the derivative of the argument
                P = sigmoid(argument, one)
                dinputs[n, m] = dvalues[n, m] * P * (one + slope * sigmoid(-argument, one))


FORMS = ("none", "tanh")


class GELU(Layer):
    """Gaussian error linear unit.

    Parameters
    ----------
    approximate : "none" or "tanh"
        "tanh": the approximation that GPT-2 and BERT were trained with, off by at most 5e-4.

    Raises
    ------
    ValueError
        Another word.

    Source: Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", arXiv:1606.08415, section 2.

    >>> GELU().forward([[-1.0, 0.0, 1.0]]).round(4)
    array([[-0.1587,  0.    ,  0.8413]])
    >>> GELU(approximate="tanh").forward([[-1.0, 0.0, 1.0]]).round(4)
    array([[-0.1588,  0.    ,  0.8412]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"

    def __init__(self, approximate: str = "none"):
        # read once a call, outside of the loops; a pair of kernels on the instance could not be pickled
        self.settings = np.array([checks.one_of(approximate, "approximate", FORMS) == "tanh"], np.float64)

    @property
    def approximate(self) -> str:
        return FORMS[int(self.settings[0])]

    def config(self) -> dict[str, str]:
        return {"approximate": self.approximate}
