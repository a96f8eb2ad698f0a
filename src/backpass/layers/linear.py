"""Linear: hand on what comes. It marks the output of a regression.

Forward                                     inputs (N, M) -> output (N, M)
    output = inputs

Backward                                    dvalues = dL/d output, (N, M)
    dinputs = dvalues
"""

from backpass.engine.kernels import kernel
from backpass.layers.layer import Layer


def forward(inputs):
    return inputs


def backward(inputs, dvalues):
    return dvalues


@kernel
def forward_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = inputs[n, m]


@kernel
def backward_kernel(dvalues, dinputs):
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m]


class Linear(Layer):
    """The identity, as an activation.

    >>> Linear().forward([[1.0, -2.0]])
    array([[ 1., -2.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
