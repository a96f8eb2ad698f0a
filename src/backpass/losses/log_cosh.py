"""Log-cosh: a squared error near the target that becomes an absolute error far away, smooth everywhere.

Forward                                     y_pred (N, M), y_true (N, M) -> sample losses (N,)
    d       = y_pred - y_true
    loss[n] = mean_m( log(cosh(d[n, m])) )

    cosh overflows from 711 on, and rounds to 1 below 1e-8, so it is never taken:
    log(cosh(d)) = |d| + log(1 + exp(-2 |d|)) - log(2)            where |d| >= 1
                 = log(1 + 2 sinh(d / 2) ** 2)                    where |d| < 1

Backward                                    of the mean over N samples, by y_pred
    dinputs = tanh(d) / M / N
"""

import math

import numpy as np

from backpass.engine.kernels import exp, kernel, log1p_of_unit, tanh
from backpass.losses.loss import Loss


def forward(y_pred, y_true):
    difference = y_pred - y_true
    size = np.where(difference.real > 0, difference, -difference)
    near = np.log1p(2 * np.sinh(np.where(size.real < 1, size, 0) / 2) ** 2)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(2)
    return np.mean(np.where(size.real < 1, near, far), axis=1)


def backward(y_pred, y_true):
    return np.tanh(y_pred - y_true) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    zero, half, one = y_pred.dtype.type(0), y_pred.dtype.type(0.5), y_pred.dtype.type(1)
    minus_two, log_2 = y_pred.dtype.type(-2), y_pred.dtype.type(math.log(2))
    for n in range(y_pred.shape[0]):
        total = zero
        for m in range(y_pred.shape[1]):
            size = abs(y_pred[n, m] - y_true[n, m])
            t = tanh(half * size)
            near = (t * t + t * t) / (one - t * t)  # 2 sinh(d / 2) ** 2, and at most 0.55 where it is wanted
            logarithm = log1p_of_unit(near if size < one else exp(minus_two * size))
            total += logarithm + (zero if size < one else size - log_2)
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = tanh(dvalues[n, m] - y_true[n, m]) * scale


class LogCosh(Loss):
    """log(cosh(error)), averaged over the M outputs of a sample and over the samples.

    Errors well below 1 count by half their square, errors well above it by their size: like Huber(1.0), but with a
    second derivative everywhere.

    >>> round(LogCosh().calculate([[0.0, 1000.0]], [[0.0, 0.0]]), 6)  # (0 + 1000 - log 2) / 2
    499.653426
    >>> LogCosh().backward([[0.0, 1000.0]], [[0.0, 0.0]])
    array([[0. , 0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
