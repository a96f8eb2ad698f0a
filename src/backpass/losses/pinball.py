"""Pinball loss: the loss of a quantile; for q = 0.9 an output that is too low costs nine times as much as one too high.

Forward                                     y_pred (N, M), y_true (N, M) -> sample losses (N,)
    d       = y_pred - y_true
    loss[n] = mean_m( (1 - q[m]) * d[n, m]  where d[n, m] > 0, else  -q[m] * d[n, m] )

Backward                                    of the mean over N samples, by y_pred
    dinputs = (1 - q  where d > 0,  -q  where d < 0,  0 where d = 0) / M / N

One quantile q is that of every output; of several, each output has its own, and all have the same target.
Where a prediction is met exactly the derivative does not exist; we take 0, which lies between -q and 1 - q.
"""

from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss


def forward(y_pred, y_true, quantiles):
    difference, q = y_pred - y_true, np.asarray(quantiles)
    return np.mean(np.where(difference.real > 0, (1 - q) * difference, -q * difference), axis=1)


def backward(y_pred, y_true, quantiles):
    difference, q = (y_pred - y_true).real, np.asarray(quantiles)
    slopes = np.where(difference > 0, 1 - q, np.where(difference < 0, -q, 0))
    return slopes / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, settings, sample_losses):
    zero = y_pred.dtype.type(0)
    for n in range(y_pred.shape[0]):
        total = zero
        for m in range(y_pred.shape[1]):
            quantile = settings[m if settings.size > 1 else 0]
            difference = y_pred[n, m] - y_true[n, m]
            above, below = y_pred.dtype.type(1 - quantile), y_pred.dtype.type(-quantile)
            total += (above if difference > zero else below) * difference
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, settings, scales, dinputs):
    zero = dvalues.dtype.type(0)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            quantile = settings[m if settings.size > 1 else 0]
            difference = dvalues[n, m] - y_true[n, m]
            above, below = dvalues.dtype.type(1 - quantile), dvalues.dtype.type(-quantile)
            not_above = below if difference < zero else difference  # 0 and NaN stay what they are
            dinputs[n, m] = (above if difference > zero else not_above) * scale


class Pinball(Loss):
    """Pinball (quantile) loss, averaged over the M outputs of a sample and over the samples.

    Parameters
    ----------
    quantiles : float or list of Q floats
        Between 0 and 1. One: every output is that quantile of its own target, (N, M). Several: the network has Q
        outputs, one for each quantile of the same target, (N,) or (N, 1). Nothing keeps them from crossing.

    Raises ValueError, TypeError for other quantiles, and for a network that does not have Q outputs.

    Source: Koenker and Bassett, "Regression quantiles", Econometrica 1978, equation 1.3.

    >>> Pinball(0.9).calculate([[1.0], [3.0]], [2, 2])  # (0.9 + 0.1) / 2
    0.5
    >>> Pinball([0.5, 0.9]).backward([[1.0, 3.0]], [2])
    array([[-0.25,  0.05]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel

    def __init__(self, quantiles: float | list[float] = 0.5):
        given = quantiles.tolist() if isinstance(quantiles, np.ndarray) else quantiles
        listed = given if isinstance(given, list | tuple) else [given]
        if not listed:
            raise ValueError("quantiles is empty; pass numbers between 0 and 1, such as [0.1, 0.5, 0.9]")
        self.settings = np.array([checks.real(each, "quantiles", low=0, high=1, open_low=True) for each in listed])

    def config(self) -> dict[str, Any]:
        quantiles = self.settings.tolist()
        return {"quantiles": quantiles if len(quantiles) > 1 else quantiles[0]}

    def _check_width(self, width: int) -> None:
        if self.settings.size not in (1, width):
            raise ValueError(
                f"Pinball has {self.settings.size} quantiles, but there are {width} outputs; "
                f"end with a Dense of {self.settings.size} neurons"
            )

    def check_last_layer(self, layer, width):
        self._check_width(width)

    def targets(self, y_true: Any, width: int, dtype: Any, name: str = "y_true") -> np.ndarray:
        """Targets (N, width); of several quantiles, the one target of each sample repeated, if it is one."""
        self._check_width(width)
        if self.settings.size == 1 or np.shape(y_true)[1:] == (width,):
            return super().targets(y_true, width, dtype, name)
        return np.repeat(super().targets(y_true, 1, dtype, name), width, axis=1)
