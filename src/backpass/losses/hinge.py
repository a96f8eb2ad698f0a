"""Hinge loss: the loss of a support vector machine; what is right by a margin of 1 costs nothing.

Forward                                     y_pred (N, M) are scores, y_true (N, M) is -1 or +1 -> sample losses (N,)
    loss[n] = mean_m( weight * max(0, 1 - y_true[n, m] * y_pred[n, m]) )

    The weight is that of the answer, no (-1) or yes (+1): `settings`; both are 1 unless asked otherwise.

Backward                                    of the mean over N samples, by y_pred
    dinputs = -weight * y_true / M / N  where 1 - y_true * y_pred > 0, else 0

At a margin of exactly 1 the derivative does not exist; as for ReLU we take 0.
"""

from typing import Any

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss
from backpass.losses.targets import weights_of_answers


def forward(y_pred, y_true, settings=(1, 1)):
    missing, weight = 1 - y_true * y_pred, np.where(y_true > 0, settings[1], settings[0])
    return np.mean(np.where(missing.real > 0, weight * missing, 0), axis=1)


def backward(y_pred, y_true, settings=(1, 1)):
    weight = np.where(y_true > 0, settings[1], settings[0])
    return np.where((1 - y_true * y_pred).real > 0, -weight * y_true, 0) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses, settings):
    real = y_pred.dtype.type
    zero, one, weight_no, weight_yes = real(0), real(1), real(settings[0]), real(settings[1])
    for n in range(y_pred.shape[0]):
        total = zero
        for m in range(y_pred.shape[1]):
            missing = one - y_true[n, m] * y_pred[n, m]
            weight = weight_yes if y_true[n, m] > zero else weight_no
            total += zero if missing <= zero else weight * missing  # NaN has to pass
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs, settings):
    real = dvalues.dtype.type
    zero, one, weight_no, weight_yes = real(0), real(1), real(settings[0]), real(settings[1])
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            true = y_true[n, m]
            slope = -(weight_yes if true > zero else weight_no) * true * scale
            dinputs[n, m] = slope if one - true * dvalues[n, m] > zero else zero


class Hinge(Loss):
    """Hinge loss of M yes-or-no outputs (N, M), against targets of 0 and 1 or -1 and +1, (N, M) or (N,) where M is 1.

    0 is taken as -1. An output is a score, no probability: above 0 it says yes.

    Parameters
    ----------
    class_weight : sequence or dict of 2 floats, optional
        What a no (0 or -1) and a yes (1) count. The mean is still over N and M.

    Source: Cortes and Vapnik, "Support-vector networks", Machine Learning 1995, equation 15: the slack of a sample.

    >>> Hinge().calculate([[2.0], [-0.5]], [1, 0])  # (0 + 0.5) / 2
    0.25
    >>> Hinge().backward([[2.0], [-0.5]], [1, 0])
    array([[0. ],
           [0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    classifies = True
    probabilistic = False
    threshold = 0.0

    def __init__(self, *, class_weight: Any = None):
        self.settings = weights_of_answers(class_weight)

    def config(self) -> dict[str, Any]:
        return {} if (self.settings == 1).all() else {"class_weight": self.settings.tolist()}

    def check_last_layer(self, layer, width):
        if layer.probabilities:
            raise ValueError(
                f"Hinge takes scores of any size, but the last layer is {layer!r}, which gives probabilities; "
                "end with Dense(...), or use a cross-entropy"
            )

    def check_targets(self, y_true, name="y_true"):
        wrong = (y_true != 0) & (y_true != 1) & (y_true != -1)
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=1)))
            raise ValueError(f"{name} holds {y_true[row][wrong[row]][0]} in row {row}; pass 0 and 1, or -1 and 1")

    def targets(self, y_true: Any, width: int, dtype: Any, name: str = "y_true") -> np.ndarray:
        """Targets (N, width), each -1 or +1."""
        array = super().targets(y_true, width, dtype, name)
        return np.where(array > 0, array.dtype.type(1), array.dtype.type(-1))
