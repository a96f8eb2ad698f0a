"""Binary cross-entropy: each output is a yes or no of its own.

Forward                                     y_pred (N, M), y_true (N, M) in [0, 1] -> sample losses (N,)
    loss[n] = -mean_m( yes * y_true * log(y_pred) + no * (1 - y_true) * log(1 - y_pred) )

    `no` and `yes` are the weights of the two answers, `settings`; both are 1 unless asked otherwise.

Backward                                    of the mean over N samples, by y_pred
    dinputs = (no * (1 - y_true) / (1 - y_pred) - yes * y_true / y_pred) / M / N

Nothing is clipped; training goes through `fusions/sigmoid_crossentropy.py`, which never divides by a probability.
"""

import math

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss
from backpass.losses.targets import YesNoTargets


def forward(y_pred, y_true, settings=(1, 1)):
    no, yes = settings
    of_yes = np.where(y_true != 0, y_true * np.log(np.where(y_true != 0, y_pred, 1)), 0)
    of_no = np.where(y_true != 1, (1 - y_true) * np.log(np.where(y_true != 1, 1 - y_pred, 1)), 0)
    return -np.mean(yes * of_yes + no * of_no, axis=1)


def backward(y_pred, y_true, settings=(1, 1)):
    no, yes = settings
    return (no * (1 - y_true) / (1 - y_pred) - yes * y_true / y_pred) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses, settings):
    one = y_pred.dtype.type(1)
    for n in range(y_pred.shape[0]):
        total = 0.0
        for m in range(y_pred.shape[1]):
            if y_true[n, m] > 0:
                total -= settings[1] * y_true[n, m] * math.log(y_pred[n, m])
            if y_true[n, m] < 1:
                total -= settings[0] * (one - y_true[n, m]) * math.log(one - y_pred[n, m])
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs, settings):
    real = dvalues.dtype.type
    one, zero, weight_no, weight_yes = real(1), real(0), real(settings[0]), real(settings[1])
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            no = (one - y_true[n, m]) / (one - dvalues[n, m]) if y_true[n, m] < one else zero
            yes = y_true[n, m] / dvalues[n, m] if y_true[n, m] > zero else zero
            dinputs[n, m] = (weight_no * no - weight_yes * yes) * scale


def check_unit_interval(y_true, name):
    outside = (y_true < 0) | (y_true > 1)
    if outside.any():
        row = int(np.argmax(outside.any(axis=1)))
        raise ValueError(
            f"{name} holds {y_true[row][outside[row]][0]} in row {row}; binary targets are between 0 and 1"
        )


class BinaryCrossentropy(YesNoTargets, Loss):
    """Cross-entropy of M independent probabilities (N, M) against targets in [0, 1], (N, M) or (N,) where M is 1.

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        How far targets are moved towards 1/2.
    class_weight : sequence or dict of 2 floats, optional
        What a no (0) and a yes (1) count. The mean is still over N and M.

    After a Sigmoid layer a Network trains the two as one step, SigmoidCrossentropy.

    >>> round(BinaryCrossentropy().calculate([[0.5], [0.5]], [0, 1]), 6)  # log 2
    0.693147
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    classifies = True

    def check_last_layer(self, layer, width):
        if not layer.probabilities or layer.distribution:
            raise ValueError(
                f"BinaryCrossentropy needs probabilities of their own, but the last layer is {layer!r}; "
                "end with Sigmoid(), or use the loss SigmoidCrossentropy() on the logits"
            )

    def check_targets(self, y_true, name="y_true"):
        check_unit_interval(y_true, name)
