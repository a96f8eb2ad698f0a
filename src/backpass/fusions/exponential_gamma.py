"""Exponential and gamma loss as one step, on log means.

Forward                                     inputs (N, M) are log means -> output (N, M), sample losses (N,)
    output        = exp(inputs)
    loss[n]       = mean_m( y_true * exp(-inputs) + inputs )

Backward                                    of the mean over N samples, by the log means; dvalues = output
    dinputs       = (1 - y_true / dvalues) / M / N

One of the two divisions by a mean and the multiplication by it in the exponential's derivative cancel, the other stays.
A mean that rounds to 0 (log means below -86.9 in float32, -708 in float64) has an infinite loss and the gradient -inf;
an infinite one has its log mean as loss and the gradient 1 / M / N.
"""

import numpy as np

from backpass.engine.kernels import exp, kernel
from backpass.fusions.fusion import Fusion
from backpass.layers.exponential import Exponential
from backpass.losses.gamma import Gamma, check_amounts


def forward(inputs, y_true):
    return np.mean(y_true * np.exp(-inputs) + inputs, axis=1), np.exp(inputs)


def backward(dvalues, y_true):
    return (1 - y_true / dvalues) / dvalues.shape[1] / len(dvalues)


@kernel
def forward_kernel(inputs, y_true, output, sample_losses):
    for n in range(inputs.shape[0]):
        total = inputs.dtype.type(0)
        for m in range(inputs.shape[1]):
            mean = exp(inputs[n, m])
            output[n, m] = mean
            total += y_true[n, m] / mean + inputs[n, m]
        sample_losses[n] = total / inputs.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    one = dvalues.dtype.type(1)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = (one - y_true[n, m] / dvalues[n, m]) * scale


class ExponentialGamma(Fusion):
    """Exponential and gamma loss in one: takes log means (N, M), against amounts (N, M) > 0 or (N,) where M is 1.

    `forward(inputs, y_true)` returns the mean loss and sets `output`, the means; `backward(dvalues, y_true)` takes
    those as `dvalues`. Both look only at their arguments: where `dvalues` is 0, the gradient is -inf.

    Source: McCullagh and Nelder, "Generalized linear models", 1989, chapter 8, with the log link.

    >>> step = ExponentialGamma()
    >>> step.forward([[0.0], [800.0]], [3, 1])  # (3 exp(0) + 0 + exp(-800) + 800) / 2
    401.5
    >>> step.backward(step.output, [3, 1])
    array([[-1. ],
           [ 0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layer, loss = Exponential, Gamma

    def check_last_layer(self, layer, width):
        if layer.positive:
            raise ValueError(
                f"ExponentialGamma takes log means, but the last layer is {layer!r}; "
                f"end with Dense(...), or keep {layer!r} and use Gamma()"
            )

    def check_targets(self, y_true, name="y_true"):
        check_amounts(y_true, name)
