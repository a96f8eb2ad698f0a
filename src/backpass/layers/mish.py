"""Mish: every number times the tanh of its softplus.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = inputs[n, m] * t        t = tanh(softplus(inputs[n, m])), softplus(x) = log(1 + exp(x))

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * (t + inputs[n, m] * (1 - t ** 2) * sigmoid(inputs[n, m]))

tanh(log(y)) is (y^2 - 1) / (y^2 + 1), so with e = exp(x) the kernel needs no logarithm and no tanh:
    t = (e^2 + 2 e) / (e^2 + 2 e + 2),    dt/dx = 4 e (e + 1) / (e^2 + 2 e + 2)^2
For x > 0 both fractions are divided through by powers of e, so that exp is only taken of numbers below 0.
"""

import numpy as np

from backpass.engine.kernels import exp, kernel
from backpass.layers.layer import Layer
from backpass.layers.sigmoid import forward as sigmoid_formula
from backpass.layers.softplus import forward as softplus_formula


def forward(inputs):
    return inputs * np.tanh(softplus_formula(inputs))


def backward(inputs, dvalues):
    t = np.tanh(softplus_formula(inputs))
    return dvalues * (t + inputs * (1 - t**2) * sigmoid_formula(inputs))


@kernel
def forward_kernel(inputs, output):
    zero, one, two = inputs.dtype.type(0), inputs.dtype.type(1), inputs.dtype.type(2)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            e = exp(-abs(value))
            numerator = e * (e + two) if value < zero else one + two * e
            output[n, m] = value * numerator / (numerator + (two if value < zero else two * e * e))


@kernel
def backward_kernel(inputs, dvalues, dinputs):
    zero, one, two = inputs.dtype.type(0), inputs.dtype.type(1), inputs.dtype.type(2)
    four = inputs.dtype.type(4)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            value = inputs[n, m]
            e = exp(-abs(value))
            numerator = e * (e + two) if value < zero else one + two * e
            factor = one / (numerator + (two if value < zero else two * e * e))
            slope = four * (e + one) * (e if value < zero else e * e) * factor
            dinputs[n, m] = dvalues[n, m] * factor * (numerator + value * slope)


class Mish(Layer):
    """inputs * tanh(softplus(inputs)).

    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020, equations 1 to 3.

    >>> Mish().forward([[-1.0, 0.0, 1.0]]).round(4)
    array([[-0.3034,  0.    ,  0.8651]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"
