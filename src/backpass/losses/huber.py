"""Huber's loss: squared error near the target, absolute error beyond `delta`.

Forward                                     y_pred (N, M), y_true (N, M) -> sample losses (N,)
    difference = y_pred - y_true
    clipped    = difference, cut off at -delta and +delta
    loss[n]    = mean_m( clipped * (difference - clipped / 2) )

    That is difference ** 2 / 2 up to delta, and delta * (|difference| - delta / 2) from there on.

Backward                                    of the mean over N samples, by y_pred
    dinputs = clipped / M / N

At +-delta both halves have the same value and the same derivative, delta: there is no kink, only a bend of the slope.
"""

from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import helper, kernel
from backpass.losses.loss import Loss


def clip(difference, delta):
    return np.where(difference.real > delta, delta, np.where(difference.real < -delta, -delta, difference))


def forward(y_pred, y_true, delta):
    difference = y_pred - y_true
    clipped = clip(difference, delta)
    return np.mean(clipped * (difference - clipped / 2), axis=1)


def backward(y_pred, y_true, delta):
    return clip(y_pred - y_true, delta) / y_pred.shape[1] / len(y_pred)


@helper
def cut_off(difference, delta):
    not_above = delta if difference > delta else difference  # NaN is neither above nor below, and passes
    return -delta if difference < -delta else not_above


@kernel
def forward_kernel(y_pred, y_true, settings, sample_losses):
    delta, half = y_pred.dtype.type(settings[0]), y_pred.dtype.type(0.5)
    for n in range(y_pred.shape[0]):
        total = y_pred.dtype.type(0)
        for m in range(y_pred.shape[1]):
            difference = y_pred[n, m] - y_true[n, m]
            clipped = cut_off(difference, delta)
            total += clipped * (difference - half * clipped)
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, settings, scales, dinputs):
    delta = dvalues.dtype.type(settings[0])
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = cut_off(dvalues[n, m] - y_true[n, m], delta) * scale


class Huber(Loss):
    """Huber's loss, averaged over the M outputs of a sample and over the samples.

    Parameters
    ----------
    delta : float
        Distance, in the targets' unit, from which an error counts as an outlier and pulls no harder. Above 0.

    Raises ValueError, TypeError for another delta.

    Source: Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 1964, example (iii);
    PyTorch's HuberLoss. Its SmoothL1Loss is the same divided by delta.

    >>> Huber(delta=1.0).calculate([[0.5], [3.0]], [[0.0], [0.0]])  # (0.125 + 2.5) / 2
    1.3125
    >>> Huber(delta=1.0).backward([[0.5], [3.0]], [[0.0], [0.0]])
    array([[0.25],
           [0.5 ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel

    def __init__(self, delta: float = 1.0):
        self.settings = np.array([checks.real(delta, "delta", low=0, open_low=True)])

    def config(self) -> dict[str, Any]:
        return {"delta": float(self.settings[0])}
