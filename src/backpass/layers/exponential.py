"""Exponential: every number becomes a positive one. It marks the output of a regression on counts or amounts.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = exp(inputs[n, m])

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * output[n, m]

Nothing is clipped: from 88.73 on in float32, and 709.79 in float64, the output is infinite.
"""

import numpy as np

from backpass.engine.kernels import exp, kernel
from backpass.layers.layer import Layer


def forward(inputs):
    return np.exp(inputs)


def backward(output, dvalues):
    return dvalues * output


@kernel
def forward_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = exp(inputs[n, m])


@kernel
def backward_kernel(output, dvalues, dinputs):
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m] * output[n, m]


class Exponential(Layer):
    """exp(inputs): positive outputs, such as the rates that Poisson takes and the means that Gamma takes.

    Before either a Network trains both as one step (`fusions/exponential_poisson.py`, `fusions/exponential_gamma.py`).

    >>> Exponential().forward([[0.0, -1000.0]])
    array([[1., 0.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    positive = True
