"""Layer normalisation: each sample is brought to mean 0 and variance 1 over its own columns, then scaled and shifted.

Forward                                     inputs (N, M) -> output (N, M), gamma and beta (1, M)
    normal[n]     = (inputs[n] - mean_m inputs[n]) / sqrt(variance_m inputs[n] + epsilon)
    output        = normal * gamma + beta

Backward                                    dvalues = dL/d output, (N, M)
    dgamma        = sum_n dvalues[n] * normal[n]
    dbeta         = sum_n dvalues[n]
    dnormal       = dvalues * gamma
    dinputs[n]    = (dnormal[n] - mean_m dnormal[n] - normal[n] * mean_m(dnormal[n] * normal[n]))
                    / sqrt(variance_m inputs[n] + epsilon)

The two means are what a row's own mean and variance contribute: they depend on every input of the row.
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import kernel
from backpass.layers.layer import Layer
from backpass.layers.view import Setting, View


def normalised(inputs, epsilon):
    centred = inputs - np.mean(inputs, axis=1, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + epsilon)
    return centred / deviation, deviation


def forward(inputs, gamma, beta, epsilon):
    return normalised(inputs, epsilon)[0] * gamma + beta


def backward(inputs, gamma, dvalues, epsilon):
    normal, deviation = normalised(inputs, epsilon)
    dgamma = np.sum(dvalues * normal, axis=0, keepdims=True)
    dbeta = np.sum(dvalues, axis=0, keepdims=True)
    dnormal = dvalues * gamma
    inner = np.mean(dnormal * normal, axis=1, keepdims=True)
    dinputs = (dnormal - np.mean(dnormal, axis=1, keepdims=True) - normal * inner) / deviation
    return dgamma, dbeta, dinputs


@kernel
def forward_kernel(inputs, gamma, beta, output, saved, settings):
    """saved[n] = mean and 1 / deviation of row n"""
    real = inputs.dtype.type
    zero, one, epsilon, M = real(0), real(1), real(settings[0]), real(inputs.shape[1])
    for n in range(inputs.shape[0]):
        total = zero
        for m in range(inputs.shape[1]):
            total += inputs[n, m]
        mean = total / M
        squares = zero
        for m in range(inputs.shape[1]):
            centred = inputs[n, m] - mean
            squares += centred * centred
        inverse = one / math.sqrt(squares / M + epsilon)
        saved[n, 0], saved[n, 1] = mean, inverse
        for m in range(inputs.shape[1]):
            output[n, m] = (inputs[n, m] - mean) * inverse * gamma[0, m] + beta[0, m]


@kernel
def backward_kernel(inputs, gamma, saved, dvalues, dgamma, dbeta, dinputs):
    real = inputs.dtype.type
    zero, M = real(0), real(inputs.shape[1])
    for n in range(inputs.shape[0]):
        mean, inverse = saved[n, 0], saved[n, 1]
        total, inner = zero, zero
        for m in range(inputs.shape[1]):
            dvalue, normal = dvalues[n, m], (inputs[n, m] - mean) * inverse
            dgamma[0, m] += dvalue * normal
            dbeta[0, m] += dvalue
            total += dvalue * gamma[0, m]
            inner += dvalue * gamma[0, m] * normal
        total, inner = total / M, inner / M
        for m in range(dinputs.shape[1]):
            normal = (inputs[n, m] - mean) * inverse
            dinputs[n, m] = (dvalues[n, m] * gamma[0, m] - total - normal * inner) * inverse


class LayerNorm(Layer):
    """Normalise each sample over its columns; training and prediction are the same.

    Parameters
    ----------
    n_neurons : int
        M, the columns of inputs and output.
    epsilon : float above 0
        Added to the variance.
    dtype : float32 or float64

    Attributes
    ----------
    gamma, beta : ndarray (1, M)
        Scale and shift, 1 and 0 at first. Assigning copies the values in.
    dgamma, dbeta : ndarray (1, M)
        Set by `backward`.

    Source: Ba, Kiros, Hinton, "Layer normalization", 2016, equation 4.

    >>> LayerNorm(2, dtype="float64").forward([[1.0, 3.0], [0.0, 100.0]]).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = None
    gamma, beta, dgamma, dbeta = View(), View(), View(), View()
    epsilon = Setting(0, low=0, open_low=True)

    def __init__(self, n_neurons: int, *, epsilon: float = 1e-5, dtype: Any = np.float32):
        self.n_neurons = checks.positive_integer(n_neurons, "n_neurons")
        self.settings = np.zeros(1, np.float64)
        self.epsilon = epsilon  # type: ignore[assignment]
        self.allocate(dtype)
        self.gamma[:] = 1

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"gamma": (1, self.n_neurons), "beta": (1, self.n_neurons)}

    def saved_width(self, input_width: int) -> int:
        return 2

    @property
    def input_width(self) -> int:
        return self.n_neurons

    def config(self) -> dict[str, Any]:
        return {"n_neurons": self.n_neurons, "epsilon": self.epsilon}
