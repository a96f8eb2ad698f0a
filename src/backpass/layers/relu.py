"""ReLU: pass what is positive, block the rest.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = max(0, inputs[n, m])

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m]  where inputs[n, m] > 0, else 0

At exactly 0 the derivative does not exist; like every framework we take 0.
"""

import numpy as np

from backpass.engine.kernels import kernel
from backpass.layers.layer import Layer


def forward(inputs):
    return np.where(inputs.real > 0, inputs, 0)


def backward(inputs, dvalues):
    return np.where(inputs.real > 0, dvalues, 0)


@kernel
def forward_kernel(inputs, output):
    zero = inputs.dtype.type(0)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            # not `value if value > 0`: NaN has to pass, so that a run that broke is seen
            output[n, m] = zero if value <= zero else value


@kernel
def backward_kernel(inputs, dvalues, dinputs):
    zero = inputs.dtype.type(0)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dvalue = dvalues[n, m]  # read in any case: a read behind a condition keeps the loop from being vectorised
            dinputs[n, m] = dvalue if inputs[n, m] > zero else zero


class ReLU(Layer):
    """Rectified linear unit, max(0, inputs).

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> relu = ReLU()
    >>> relu.forward([[-1.0, 0.0, 2.0]])
    array([[0., 0., 2.]])
    >>> relu.backward([[5.0, 5.0, 5.0]])
    array([[0., 0., 5.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"
