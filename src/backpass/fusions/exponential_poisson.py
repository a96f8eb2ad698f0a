"""Exponential and Poisson loss as one step, on log rates.

Forward                                     inputs (N, M) are log rates -> output (N, M), sample losses (N,)
    output        = exp(inputs)
    loss[n]       = mean_m( output - y_true * inputs )

Backward                                    of the mean over N samples, by the log rates; dvalues = output
    dinputs       = (dvalues - y_true) / M / N

The division by a rate in the loss and the multiplication by it in the exponential's derivative cancel: a rate that
rounds to 0 neither costs infinitely much nor stops the training.
"""

import numpy as np

from backpass.engine.kernels import exp, kernel
from backpass.fusions.fusion import Fusion
from backpass.layers.exponential import Exponential
from backpass.losses.poisson import Poisson, check_counts


def forward(inputs, y_true):
    output = np.exp(inputs)
    return np.mean(output - y_true * inputs, axis=1), output


def backward(dvalues, y_true):
    return (dvalues - y_true) / dvalues.shape[1] / len(dvalues)


@kernel
def forward_kernel(inputs, y_true, output, sample_losses):
    for n in range(inputs.shape[0]):
        total = inputs.dtype.type(0)
        for m in range(inputs.shape[1]):
            rate = exp(inputs[n, m])
            output[n, m] = rate
            total += rate - y_true[n, m] * inputs[n, m]
        sample_losses[n] = total / inputs.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = (dvalues[n, m] - y_true[n, m]) * scale


class ExponentialPoisson(Fusion):
    """Exponential and Poisson loss in one: takes log rates (N, M), against counts (N, M) or (N,) where M is 1.

    `forward(inputs, y_true)` returns the mean loss and sets `output`, the rates; `backward(dvalues, y_true)` takes
    those as `dvalues`. Both look only at their arguments.

    >>> step = ExponentialPoisson()
    >>> step.forward([[0.0], [-800.0]], [3, 1])  # (1 - 0 + 0 + 800) / 2
    400.5
    >>> step.backward(step.output, [3, 1])
    array([[-1. ],
           [-0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layer, loss = Exponential, Poisson

    def check_last_layer(self, layer, width):
        if layer.positive:
            raise ValueError(
                f"ExponentialPoisson takes log rates, but the last layer is {layer!r}; "
                f"end with Dense(...), or keep {layer!r} and use Poisson()"
            )

    def check_targets(self, y_true, name="y_true"):
        check_counts(y_true, name)
