"""Softplus: a ReLU with its corner rounded off.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = log(1 + exp(inputs[n, m]))
                  = max(inputs[n, m], 0) + log(1 + exp(-|inputs[n, m]|))

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * sigmoid(inputs[n, m])

In the second form exp is only taken of numbers below 0, so that it never overflows; log(1 + small) is one function,
log1p, so that exp(-80) is not lost in the sum with 1. Above 20
PyTorch goes over to the identity, which is off by up to 2e-9; we do not.
"""

import numpy as np

from backpass.engine.kernels import exp, kernel, log1p_of_unit
from backpass.layers.layer import Layer
from backpass.layers.sigmoid import forward as sigmoid_formula
from backpass.layers.sigmoid import sigmoid


def forward(inputs):
    negative = np.where(inputs.real > 0, -inputs, inputs)
    return np.where(inputs.real > 0, inputs, 0) + np.log1p(np.exp(negative))


def backward(inputs, dvalues):
    return dvalues * sigmoid_formula(inputs)


@kernel
def forward_kernel(inputs, output):
    zero = inputs.dtype.type(0)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            output[n, m] = (value if value > zero else zero) + log1p_of_unit(exp(-abs(value)))


@kernel
def backward_kernel(inputs, dvalues, dinputs):
    one = inputs.dtype.type(1)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m] * sigmoid(inputs[n, m], one)


class Softplus(Layer):
    """log(1 + exp(inputs)), above 0 everywhere: for outputs that have to be, such as a variance.

    Source: Dugas, Bengio, Belisle, Nadeau, Garcia, "Incorporating second-order functional knowledge for better option
    pricing", NIPS 2000, equation 1.

    >>> Softplus().forward([[0.0, 20.0]]).round(4)
    array([[ 0.6931, 20.    ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    positive = True
    suits = "he_normal"
