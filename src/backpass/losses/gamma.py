"""Gamma loss: how far a mean is from a positive amount, by their ratio.

Forward                                     y_pred (N, M) > 0 are means, y_true (N, M) > 0 -> sample losses (N,)
    loss[n] = mean_m( y_true[n, m] / y_pred[n, m] + log(y_pred[n, m]) )

    The negative logarithm of the gamma density with mean y_pred and a fixed shape, divided by the shape, without what
    no prediction changes: the loss may be below 0, and is smallest where y_pred = y_true.

Backward                                    of the mean over N samples, by y_pred
    dinputs = (1 - y_true / y_pred) / y_pred / M / N

Nothing is clipped: a mean that rounds to 0 costs infinitely much. After an Exponential layer training goes through
`fusions/exponential_gamma.py`, which takes no logarithm of a mean.
"""

import math

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss


def forward(y_pred, y_true):
    return np.mean(y_true / y_pred + np.log(np.where(y_pred != 0, y_pred, 1)), axis=1)


def backward(y_pred, y_true):
    return (1 - y_true / y_pred) / y_pred / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    for n in range(y_pred.shape[0]):
        total = 0.0
        for m in range(y_pred.shape[1]):
            total += y_true[n, m] / y_pred[n, m]
            if y_pred[n, m] != 0:  # infinity + log(0) would be NaN
                total += math.log(y_pred[n, m])
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    one = dvalues.dtype.type(1)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = (one - y_true[n, m] / dvalues[n, m]) / dvalues[n, m] * scale


def check_amounts(y_true, name):
    if (y_true <= 0).any():
        row = int(np.argmax((y_true <= 0).any(axis=1)))
        raise ValueError(f"{name} holds {y_true[row].min()} in row {row}; amounts are above 0")


class Gamma(Loss):
    """Negative log-likelihood of amounts (N, M) > 0, or (N,) where M is 1, under predicted means (N, M).

    For amounts that scatter in proportion to their mean: costs, durations. The shape of the distribution is taken as
    fixed and left out. After an Exponential layer a Network trains the two as one step, ExponentialGamma.

    Source: McCullagh and Nelder, "Generalized linear models", 1989, chapter 8.

    >>> Gamma().calculate([[1.0], [1.0]], [3, 1])  # (3 / 1 + log 1 + 1 / 1 + log 1) / 2
    2.0
    >>> Gamma().backward([[1.0], [2.0]], [3, 1])
    array([[-1.   ],
           [ 0.125]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel

    def check_last_layer(self, layer, width):
        if not layer.positive:
            raise ValueError(
                f"Gamma needs means, which are above 0, but the last layer is {layer!r}; "
                "end with Exponential(), or use the loss ExponentialGamma() on the log means"
            )

    def check_targets(self, y_true, name="y_true"):
        check_amounts(y_true, name)
