"""Sigmoid and binary cross-entropy as one step.

Forward                                     inputs (N, M) are logits -> output (N, M), sample losses (N,)
    output        = sigmoid(inputs)
    loss[n]       = mean_m( yes * y_true * softplus(-inputs) + no * (1 - y_true) * softplus(inputs) )

    softplus(x) = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)) is -log(1 - sigmoid(x)). `no` and `yes` are the
    weights of the two answers, `settings`; both are 1 unless asked otherwise.

Backward                                    of the mean over N samples, by the logits; dvalues = output
    dinputs       = (no * (1 - y_true) * dvalues - yes * y_true * (1 - dvalues)) / M / N
                  = (dvalues - y_true) / M / N        where both weights are 1
"""

import numpy as np

from backpass.engine.kernels import exp, kernel, log1p_of_unit
from backpass.fusions.fusion import Fusion
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.sigmoid import forward as sigmoid
from backpass.losses.binary_crossentropy import BinaryCrossentropy, check_unit_interval
from backpass.losses.targets import YesNoTargets


def forward(inputs, y_true, settings=(1, 1)):
    no, yes = settings[0] * (1 - y_true), settings[1] * y_true
    positive = np.where(inputs.real > 0, inputs, 0)
    size = np.where(inputs.real > 0, inputs, -inputs)
    rest = np.log1p(np.exp(-size))
    return np.mean(yes * (positive - inputs + rest) + no * (positive + rest), axis=1), sigmoid(inputs)


def backward(dvalues, y_true, settings=(1, 1)):
    no, yes = settings[0] * (1 - y_true), settings[1] * y_true
    return (no * dvalues - yes * (1 - dvalues)) / dvalues.shape[1] / len(dvalues)


@kernel
def forward_kernel(inputs, y_true, output, sample_losses, settings):
    real = inputs.dtype.type
    one, zero, weight_no, weight_yes = real(1), real(0), real(settings[0]), real(settings[1])
    for n in range(inputs.shape[0]):
        total = zero
        for m in range(inputs.shape[1]):
            logit = inputs[n, m]
            e = exp(-abs(logit))
            output[n, m] = (e if logit < zero else one) / (one + e)
            # softplus(-x) = softplus(x) - x, both as sums of terms that are never below 0: these may be reordered
            rest, no, yes = log1p_of_unit(e), weight_no * (one - y_true[n, m]), weight_yes * y_true[n, m]
            total += no * ((zero if logit < zero else logit) + rest) + yes * ((-logit if logit < zero else zero) + rest)
        sample_losses[n] = total / inputs.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs, settings):
    real = dvalues.dtype.type
    one, weight_no, weight_yes = real(1), real(settings[0]), real(settings[1])
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            no, yes = weight_no * (one - y_true[n, m]), weight_yes * y_true[n, m]
            dinputs[n, m] = (no * dvalues[n, m] - yes * (one - dvalues[n, m])) * scale


class SigmoidCrossentropy(YesNoTargets, Fusion):
    """Sigmoid and binary cross-entropy in one: takes logits (N, M), never overflows.

    `forward(inputs, y_true)` returns the mean loss and sets `output`, the probabilities; `backward(dvalues, y_true)`
    takes those as `dvalues`. Both look only at their arguments.

    Parameters: those of BinaryCrossentropy.

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
