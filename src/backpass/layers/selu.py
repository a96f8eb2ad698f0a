"""SELU: an ELU scaled so that what passes many layers keeps mean 0 and variance 1.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = SCALE * inputs[n, m]                       where inputs[n, m] > 0
                    SCALE * ALPHA * (exp(inputs[n, m]) - 1)    elsewhere

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * SCALE                            where inputs[n, m] > 0
                    dvalues[n, m] * SCALE * ALPHA * exp(inputs[n, m])    elsewhere

The two numbers are those for which mean 0 and variance 1 are a fixed point. At exactly 0 the derivative does not
exist; like PyTorch we take SCALE * ALPHA.
"""

import numpy as np

from backpass.engine.kernels import exp, expm1, kernel
from backpass.layers.layer import Layer

ALPHA, SCALE = 1.6732632423543772848, 1.0507009873554804934


def forward(inputs):
    negative = np.where(inputs.real > 0, 0, inputs)
    return SCALE * np.where(inputs.real > 0, inputs, ALPHA * np.expm1(negative))


def backward(inputs, dvalues):
    negative = np.where(inputs.real > 0, 0, inputs)
    return dvalues * SCALE * np.where(inputs.real > 0, 1, ALPHA * np.exp(negative))


@kernel
def forward_kernel(inputs, output):
    scale, both = inputs.dtype.type(SCALE), inputs.dtype.type(SCALE * ALPHA)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            output[n, m] = scale * value if value > 0 else both * expm1(value)


@kernel
def backward_kernel(inputs, dvalues, dinputs):
    scale, both = inputs.dtype.type(SCALE), inputs.dtype.type(SCALE * ALPHA)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            value = inputs[n, m]
            dinputs[n, m] = dvalues[n, m] * (scale if value > 0 else both * exp(value))


class SELU(Layer):
    """Scaled exponential linear unit. The Dense before it starts from "lecun_normal", which its fixed point asks for.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", NIPS 2017, equation 2.

    >>> selu = SELU()
    >>> selu.forward([[-1000.0, 0.0, 1.0]]).round(4)
    array([[-1.7581,  0.    ,  1.0507]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "lecun_normal"
