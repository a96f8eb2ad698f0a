"""What an estimator learns: the last activation, the loss, and how scikit-learn weighs that loss.

A Network's loss is a mean over the M outputs, too, and so is its gradient. In scikit-learn

                       loss of a sample                 gradient
    squared_error      mean_m (output - y) ** 2 / 2     of the sum over m
    log_loss           sum_m                            of the sum over m
    poisson            sum_m, half of the deviance      of the sum over m

So for several outputs its gradient of squared_error is M times that of its own loss: kept, since alpha and the
learning rate are tuned to it. Losses that it does not have are a Network's, but that gamma is half of the deviance.
With K members the loss is the mean of theirs, and each has the gradient of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy

from backpass.estimators.grouped import GroupedCrossentropy, GroupedSoftmax
from backpass.fusions.fusion import Fusion
from backpass.layers.exponential import Exponential
from backpass.layers.layer import Layer
from backpass.layers.linear import Linear
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.softmax import Softmax
from backpass.losses.binary_crossentropy import BinaryCrossentropy
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.losses.gamma import Gamma
from backpass.losses.huber import Huber
from backpass.losses.log_cosh import LogCosh
from backpass.losses.loss import Loss
from backpass.losses.mean_absolute_error import MeanAbsoluteError
from backpass.losses.mean_squared_error import MeanSquaredError
from backpass.losses.own import OwnLoss, as_loss
from backpass.losses.pinball import Pinball
from backpass.losses.poisson import Poisson

REGRESSIONS: dict[str, Callable[[], Loss]] = {
    "squared_error": MeanSquaredError,
    "poisson": Poisson,
    "absolute_error": MeanAbsoluteError,
    "huber": Huber,
    "gamma": Gamma,
}
BY_OUTPUT = (MeanSquaredError, Poisson, MeanAbsoluteError, Huber, LogCosh, Gamma, OwnLoss)  # a mean over the outputs


class FunctionLoss:
    """A function (y_true, y_pred) -> (loss of each sample, gradient of each by its prediction), as a part of one's own.

    It is called for each member, with arrays (N,) where that has one output, else (N, M).
    """

    def __init__(self, function: Callable[[Any, Any], Any], members: int):
        self.function, self.members = function, members
        self.last: Any = None, None, None

    def both(self, y_pred: np.ndarray, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Losses (N,), the mean of the members', and its gradient (N, K M)."""
        losses, gradients = np.zeros(len(y_pred)), []
        for predicted, wanted in zip(*(np.split(each, self.members, axis=1) for each in (y_pred, y_true)), strict=True):
            shape = predicted.shape if predicted.shape[1] > 1 else predicted.shape[:1]
            answer = self.function(wanted.reshape(shape).copy(), predicted.reshape(shape).copy())
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise ValueError(f"{self!r} returned {type(answer).__name__}; a pair is needed: losses and gradient")
            value, gradient = (np.asarray(each, np.float64) for each in answer)
            if value.shape != shape[:1] or gradient.shape != shape:
                raise ValueError(
                    f"{self!r} returned losses of shape {value.shape} and a gradient of shape {gradient.shape}; for "
                    f"y_pred of shape {shape} these are {shape[:1]}, one loss a sample, and {shape}"
                )
            losses += value / self.members
            gradients.append(gradient.reshape(predicted.shape) / self.members)
        return losses, np.hstack(gradients)

    def forward(self, y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        losses, gradient = self.both(y_pred, y_true)
        self.last = y_pred, y_true, gradient
        return losses

    def backward(self, dvalues: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        predicted, wanted, gradient = self.last
        if predicted is not dvalues or wanted is not y_true:  # else it was called for them just now
            gradient = self.both(dvalues, y_true)[1]
        return (gradient / len(dvalues)).astype(dvalues.dtype)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


@dataclass(frozen=True)
class Task:
    """What the outputs of all members are for.

    Parameters
    ----------
    out_activation : "softmax", "logistic", "identity" or "exp"
    loss : str, Loss or function
        As the regressor was given it, else "log_loss".
    quantiles : tuple of float
        Of loss="quantile".
    classes : tuple of int
        How many each output has, if several outputs are one of several classes each.
    members : int
        How many networks are trained together.
    """

    out_activation: str
    loss: Any
    quantiles: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()
    members: int = 1

    def ending(self) -> tuple[list[Layer], Loss]:
        """The layers behind the last Dense, and the loss."""
        if self.out_activation == "logistic":
            return [Sigmoid()], BinaryCrossentropy()
        if self.out_activation == "softmax":
            if self.members == 1 and len(self.classes) == 1:
                return [Softmax()], CategoricalCrossentropy()
            return [], GroupedCrossentropy(self.classes, self.members)
        last: Layer = Exponential() if self.out_activation == "exp" else Linear()
        if self.loss == "quantile":
            one = len(self.quantiles) == 1
            return [last], Pinball(self.quantiles[0] if one else list(self.quantiles) * self.members)
        if isinstance(self.loss, str):
            return [last], REGRESSIONS[self.loss]()
        if isinstance(self.loss, type):
            raise TypeError(f"loss is the class {self.loss.__name__}; pass one that is made, {self.loss.__name__}()")
        loss = as_loss(self.loss)
        if not isinstance(loss, Loss):
            return [last], OwnLoss(FunctionLoss(self.loss, self.members))
        if isinstance(loss, Fusion):
            raise ValueError(f"loss is {loss!r}, which takes no predictions; pass {loss.loss()!r}")
        if self.members > 1 and not (isinstance(loss, BY_OUTPUT) and loss.compiled):
            raise ValueError(f"n_ensemble is {self.members}, for which {self.loss!r} has to be a name or a function")
        return [last], loss

    def factors(self, outputs: int) -> tuple[float, float]:
        """What a Network's loss and its gradient are multiplied with, for M outputs of each member."""
        M, K = outputs, self.members
        if self.out_activation == "softmax":
            return 1 / K, 1.0  # of groups, it is the sum
        if self.loss in ("log_loss", "poisson"):
            return M, M * K
        return (0.5, 0.5 * M * K) if self.loss == "squared_error" else (1.0, K)

    def constant(self, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
        """What a Network's loss leaves out of half of the deviance, being the same whatever the output."""
        if self.loss not in ("poisson", "gamma") or (weights is not None and not weights.any()):
            return 0.0
        y = targets[:, : targets.shape[1] // self.members].astype(np.float64)
        rest = xlogy(y, y) - y if self.loss == "poisson" else -np.log(y) - 1
        of_outputs = np.average(rest, axis=0, weights=weights)
        return float(of_outputs.sum() if self.loss == "poisson" else of_outputs.mean())


def softmax_layer(loss: Loss) -> list[Layer]:
    """What stands behind the layers of a network whose loss takes logits."""
    return [GroupedSoftmax(loss.settings)] if isinstance(loss, GroupedCrossentropy) else []
