"""ELU: the identity above 0, below it an exponential that levels out at -alpha.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = inputs[n, m] where inputs[n, m] > 0, else alpha * (exp(inputs[n, m]) - 1)

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] where inputs[n, m] > 0, else dvalues[n, m] * alpha * exp(inputs[n, m])

At exactly 0 both sides meet if alpha is 1; for any other we take alpha, as PyTorch does.
exp(x) - 1 is one function, expm1: near 0 the difference would have no digits left. exp(x) is not output + alpha, which
would have none far below 0.
"""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels import exp, expm1, kernel
from backpass.layers.layer import Layer
from backpass.layers.view import Setting


def forward(inputs, alpha):
    negative = np.where(inputs.real > 0, 0, inputs)
    return np.where(inputs.real > 0, inputs, alpha * np.expm1(negative))


def backward(inputs, dvalues, alpha):
    negative = np.where(inputs.real > 0, 0, inputs)
    return np.where(inputs.real > 0, dvalues, dvalues * alpha * np.exp(negative))


@kernel
def forward_kernel(inputs, settings, output):
    alpha = inputs.dtype.type(settings[0])
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            value = inputs[n, m]
            output[n, m] = value if value > 0 else alpha * expm1(value)


@kernel
def backward_kernel(inputs, settings, dvalues, dinputs):
    alpha, one = inputs.dtype.type(settings[0]), inputs.dtype.type(1)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            value = inputs[n, m]
            dinputs[n, m] = dvalues[n, m] * (one if value > 0 else alpha * exp(value))


class ELU(Layer):
    """Exponential linear unit.

    Parameters
    ----------
    alpha : float above 0
        The output far below 0 is -alpha.

    Raises
    ------
    ValueError, TypeError
        An alpha that is not above 0, or not a finite number.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units
    (ELUs)", ICLR 2016, equation 15.

    >>> elu = ELU()
    >>> elu.forward([[-1000.0, 0.0, 2.0]])
    array([[-1.,  0.,  2.]])
    >>> elu.backward([[5.0, 5.0, 5.0]])
    array([[0., 5., 5.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"
    alpha = Setting(0, low=0, open_low=True)

    def __init__(self, alpha: float = 1.0):
        self.settings = np.zeros(1, np.float64)
        self.alpha = alpha  # type: ignore[assignment]

    def config(self) -> dict[str, float]:
        return {"alpha": self.alpha}
