"""Sigmoid: squash every number into (0, 1).

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = 1 / (1 + exp(-inputs[n, m]))

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * output[n, m] * (1 - output[n, m])

exp is only taken of numbers below 0, so that it never overflows.
"""

import numpy as np

from backpass.engine.kernels import exact_helper, exp, kernel
from backpass.layers.layer import Layer


def forward(inputs):
    e = np.exp(np.where(inputs.real > 0, -inputs, inputs))
    return np.where(inputs.real > 0, 1, e) / (1 + e)


def backward(output, dvalues):
    return dvalues * output * (1 - output)


@exact_helper
def sigmoid(x, one):
    """Right to 2 units in the last place; (e if x < 0 else one) / (one + e) to 2.4, in three quarters of the time."""
    e = exp(-abs(x))
    total = one + e
    lost = e - (total - one)  # when it was rounded
    share = one / total
    share += share * ((one - total * share) - lost * share)
    return e * share if x < 0 else share


@kernel
def forward_kernel(inputs, output):
    one = inputs.dtype.type(1)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = sigmoid(inputs[n, m], one)


@kernel
def backward_kernel(output, dvalues, dinputs):
    one = output.dtype.type(1)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m] * output[n, m] * (one - output[n, m])


class Sigmoid(Layer):
    """The logistic function, 1 / (1 + exp(-inputs)).

    >>> Sigmoid().forward([[0.0, -1000.0]])
    array([[0.5, 0. ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    probabilities = True
