"""Leaky ReLU: pass what is positive, and a small share of the rest, so that no neuron is ever dead.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = inputs[n, m] where inputs[n, m] > 0, else negative_slope * inputs[n, m]

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] where inputs[n, m] > 0, else negative_slope * dvalues[n, m]

At exactly 0 the derivative does not exist; like PyTorch we take negative_slope.
"""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels import kernel
from backpass.layers.layer import Layer
from backpass.layers.view import Setting


def forward(inputs, negative_slope):
    return np.where(inputs.real > 0, inputs, negative_slope * inputs)


def backward(inputs, dvalues, negative_slope):
    return np.where(inputs.real > 0, dvalues, negative_slope * dvalues)


@kernel
def forward_kernel(inputs, settings, output):
    slope = inputs.dtype.type(settings[0])
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            output[n, m] = value if value > 0 else slope * value


@kernel
def backward_kernel(inputs, settings, dvalues, dinputs):
    slope = inputs.dtype.type(settings[0])
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dvalue = dvalues[n, m]
            dinputs[n, m] = dvalue if inputs[n, m] > 0 else slope * dvalue


class LeakyReLU(Layer):
    """Leaky rectified linear unit.

    Parameters
    ----------
    negative_slope : float of at least 0
        What numbers below 0 are multiplied by.

    Raises
    ------
    ValueError, TypeError
        A slope below 0, or that is not a finite number.

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013, equation 2.

    >>> leaky = LeakyReLU()
    >>> leaky.forward([[-1.0, 0.0, 2.0]])
    array([[-0.01,  0.  ,  2.  ]])
    >>> leaky.backward([[5.0, 5.0, 5.0]])
    array([[0.05, 0.05, 5.  ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"
    negative_slope = Setting(0, low=0)

    def __init__(self, negative_slope: float = 0.01):
        self.settings = np.zeros(1, np.float64)
        self.negative_slope = negative_slope  # type: ignore[assignment]

    def config(self) -> dict[str, float]:
        return {"negative_slope": self.negative_slope}
