"""Sigmoid and binary cross-entropy as one step.

Forward                                     inputs (N, M) are logits -> output (N, M), sample losses (N,)
    output        = sigmoid(inputs)
    loss[n]       = mean_m( max(inputs, 0) - inputs * y_true + log(1 + exp(-|inputs|)) )

Backward                                    of the mean over N samples, by the logits; dvalues = output
    dinputs       = (dvalues - y_true) / M / N
"""

import numpy as np

from backpass.engine.kernels import exp, kernel, log1p_of_unit
from backpass.fusions.fusion import Fusion
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.sigmoid import forward as sigmoid
from backpass.losses.binary_crossentropy import BinaryCrossentropy, check_unit_interval


def forward(inputs, y_true):
    positive = np.where(inputs.real > 0, inputs, 0)
    size = np.where(inputs.real > 0, inputs, -inputs)
    return np.mean(positive - inputs * y_true + np.log1p(np.exp(-size)), axis=1), sigmoid(inputs)


def backward(dvalues, y_true):
    return (dvalues - y_true) / dvalues.shape[1] / len(dvalues)


@kernel
def forward_kernel(inputs, y_true, output, sample_losses):
    one, zero = inputs.dtype.type(1), inputs.dtype.type(0)
    for n in range(inputs.shape[0]):
        total = zero
        for m in range(inputs.shape[1]):
            logit = inputs[n, m]
            e = exp(-abs(logit))
            output[n, m] = (e if logit < zero else one) / (one + e)
            # max(0, logit) - logit * y_true as one product: a sum of terms that are never below 0 may be reordered
            total += logit * ((zero if logit < zero else one) - y_true[n, m]) + log1p_of_unit(e)
        sample_losses[n] = total / inputs.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = (dvalues[n, m] - y_true[n, m]) * scale


class SigmoidCrossentropy(Fusion):
    """Sigmoid and binary cross-entropy in one: takes logits (N, M), never overflows.

    `forward(inputs, y_true)` returns the mean loss and sets `output`, the probabilities; `backward(dvalues, y_true)`
    takes those as `dvalues`. Both look only at their arguments.

    >>> step = SigmoidCrossentropy()
    >>> round(step.forward([[0.0], [-800.0]], [1, 1]), 6)  # (log 2 + 800) / 2
    400.346574
    >>> step.backward(step.output, [1, 1])
    array([[-0.25],
           [-0.5 ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    classifies = True
    layer, loss = Sigmoid, BinaryCrossentropy

    def check_last_layer(self, layer, width):
        if layer.probabilities:
            raise ValueError(
                f"SigmoidCrossentropy takes logits, but the last layer is {layer!r}; "
                "end with Dense(...), or keep Sigmoid() and use BinaryCrossentropy()"
            )

    def check_targets(self, y_true, name="y_true"):
        check_unit_interval(y_true, name)
