"""Mean squared error: the loss of a regression.

Forward                                     y_pred (N, M), y_true (N, M) -> sample losses (N,)
    loss[n] = mean_m( (y_pred[n, m] - y_true[n, m]) ** 2 )

Backward                                    of the mean over N samples, by y_pred
    dinputs = 2 * (y_pred - y_true) / M / N
"""

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss


def forward(y_pred, y_true):
    return np.mean((y_pred - y_true) ** 2, axis=1)


def backward(y_pred, y_true):
    return 2 * (y_pred - y_true) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    for n in range(y_pred.shape[0]):
        total = y_pred.dtype.type(0)
        for m in range(y_pred.shape[1]):
            difference = y_pred[n, m] - y_true[n, m]
            total += difference * difference
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(2 * scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = (dvalues[n, m] - y_true[n, m]) * scale


class MeanSquaredError(Loss):
    """Squared error, averaged over the M outputs of a sample and over the samples.

    >>> MeanSquaredError().calculate([[1.0, 2.0]], [[1.0, 4.0]])
    2.0
    >>> MeanSquaredError().backward([[1.0, 2.0]], [[1.0, 4.0]])
    array([[ 0., -2.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
