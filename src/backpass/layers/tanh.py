"""Tanh: squash every number into (-1, 1).

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = tanh(inputs[n, m])

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * (1 - output[n, m] ** 2)
"""

import numpy as np

from backpass.engine.kernels import kernel, tanh
from backpass.layers.layer import Layer


def forward(inputs):
    return np.tanh(inputs)


def backward(output, dvalues):
    return dvalues * (1 - output**2)


@kernel
def forward_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = tanh(inputs[n, m])


@kernel
def backward_kernel(output, dvalues, dinputs):
    one = output.dtype.type(1)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m] * (one - output[n, m] * output[n, m])


class Tanh(Layer):
    """Hyperbolic tangent.

    >>> Tanh().forward([[0.0, 100.0]])
    array([[0., 1.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
