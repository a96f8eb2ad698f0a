"""Mean absolute error: the loss of a median; an outlier counts by its distance, not by its square.

Forward                                     y_pred (N, M), y_true (N, M) -> sample losses (N,)
    loss[n] = mean_m( |y_pred[n, m] - y_true[n, m]| )

Backward                                    of the mean over N samples, by y_pred
    dinputs = sign(y_pred - y_true) / M / N

Where a prediction is met exactly the derivative does not exist; we take 0, which lies between -1 and 1.
"""

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss


def forward(y_pred, y_true):
    difference = y_pred - y_true
    return np.mean(np.where(difference.real > 0, difference, -difference), axis=1)


def backward(y_pred, y_true):
    return np.sign((y_pred - y_true).real) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    for n in range(y_pred.shape[0]):
        total = y_pred.dtype.type(0)
        for m in range(y_pred.shape[1]):
            total += abs(y_pred[n, m] - y_true[n, m])
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    zero, one = dvalues.dtype.type(0), dvalues.dtype.type(1)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            difference = dvalues[n, m] - y_true[n, m]
            below = -one if difference < zero else difference  # 0 and NaN stay what they are
            dinputs[n, m] = (one if difference > zero else below) * scale


class MeanAbsoluteError(Loss):
    """Absolute error, averaged over the M outputs of a sample and over the samples.

    The best constant is the median of the targets. The gradient keeps its size however near the prediction is, so
    that a learning rate that is never lowered leaves the outputs trembling around it.

    >>> MeanAbsoluteError().calculate([[1.0, 2.0]], [[1.0, 6.0]])
    2.0
    >>> MeanAbsoluteError().backward([[1.0, 2.0]], [[1.0, 6.0]])
    array([[ 0. , -0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
