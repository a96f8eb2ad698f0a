"""What an estimator learns: the last activation, the loss, and how scikit-learn weighs that loss.

A Network's loss is a mean over the M outputs, too, and so is its gradient. In scikit-learn

                       loss of a sample                 gradient
    squared_error      mean_m (output - y) ** 2 / 2     of the sum over m
    log_loss           sum_m                            of the sum over m
    poisson            sum_m, half of the deviance      of the sum over m

So for several outputs its gradient of squared_error is M times that of its own loss: kept, since alpha and the
learning rate are tuned to it. Losses that it does not have are a Network's, but that gamma is half of the deviance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp, xlogy

from backpass.estimators.grouped import GroupedCrossentropy, groups
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


class FunctionLoss:
    """A function (y_true, y_pred) -> (loss of each sample, gradient of each by its prediction), as a part of one's own.

    It gets arrays (N,) where there is one output, else (N, M).
    """

    def __init__(self, function: Callable[[Any, Any], Any]):
        self.function = function
        self.last: Any = None, None, None

    def both(self, y_pred: np.ndarray, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Losses (N,) and their gradients (N, M)."""
        shape = y_pred.shape if y_pred.shape[1] > 1 else y_pred.shape[:1]
        answer = self.function(y_true.reshape(shape).copy(), y_pred.reshape(shape).copy())
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ValueError(f"{self!r} returned {type(answer).__name__}; a pair is needed: losses and gradient")
        losses, gradient = (np.asarray(each, np.float64) for each in answer)
        if losses.shape != shape[:1] or gradient.shape != shape:
            raise ValueError(
                f"{self!r} returned losses of shape {losses.shape} and a gradient of shape {gradient.shape}; for "
                f"y_pred of shape {shape} these are {shape[:1]}, one loss a sample, and {shape}"
            )
        return losses, gradient.reshape(y_pred.shape)

    def forward(self, y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        losses, gradient = self.both(y_pred, y_true)
        self.last = y_pred, y_true, gradient
        return losses

    def backward(self, dvalues: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        predicted, wanted, gradient = self.last
        if not (np.array_equal(predicted, dvalues) and np.array_equal(wanted, y_true)):  # else it was called just now
            gradient = self.both(dvalues, y_true)[1]
        return (gradient / len(dvalues)).astype(dvalues.dtype)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


@dataclass(frozen=True)
class Task:
    """What the outputs are for.

    Parameters
    ----------
    out_activation : "softmax", "logistic", "identity" or "exp"
    loss : str, Loss or function
        As the regressor was given it, else "log_loss".
    quantiles : tuple of float
        Of loss="quantile".
    classes : tuple of int
        How many each output has, if several outputs are one of several classes each.
    """

    out_activation: str
    loss: Any
    quantiles: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()

    def ending(self) -> tuple[list[Layer], Loss]:
        """The layers behind the last Dense, and the loss."""
        if self.out_activation == "logistic":
            return [Sigmoid()], BinaryCrossentropy()
        if self.out_activation == "softmax":
            if not self.classes:
                return [Softmax()], CategoricalCrossentropy()
            return [], GroupedCrossentropy(self.classes)
        last: Layer = Exponential() if self.out_activation == "exp" else Linear()
        if self.loss == "quantile":
            one = len(self.quantiles) == 1
            return [last], Pinball(self.quantiles[0] if one else list(self.quantiles))
        if isinstance(self.loss, str):
            return [last], REGRESSIONS[self.loss]()
        if isinstance(self.loss, type):
            raise TypeError(f"loss is the class {self.loss.__name__}; pass one that is made, {self.loss.__name__}()")
        loss = as_loss(self.loss)
        if not isinstance(loss, Loss):
            return [last], OwnLoss(FunctionLoss(self.loss))
        if isinstance(loss, Fusion):
            raise ValueError(f"loss is {loss!r}, which takes no predictions; pass {loss.loss()!r}")
        return [last], loss

    def log_likelihoods(self, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Logarithm (N, O) of the probability of what each output should be, y as 0 and 1."""
        logits = logits.astype(np.float64)
        if self.out_activation == "logistic":
            return y * logits - np.logaddexp(0, logits)
        pairs = zip(groups(logits, self.classes), groups(y, self.classes), strict=True)
        return np.column_stack([(z * of_group).sum(axis=1) - logsumexp(z, axis=1) for z, of_group in pairs])

    def factors(self, outputs: int) -> tuple[float, float]:
        """What a Network's loss and its gradient are multiplied with, for M outputs."""
        if self.out_activation == "softmax":
            return 1.0, 1.0  # of groups, it is the sum
        if self.loss in ("log_loss", "poisson"):
            return outputs, outputs
        return (0.5, 0.5 * outputs) if self.loss == "squared_error" else (1.0, 1.0)

    def constant(self, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
        """What a Network's loss leaves out of half of the deviance, being the same whatever the output."""
        if self.loss not in ("poisson", "gamma") or (weights is not None and not weights.any()):
            return 0.0
        y = targets.astype(np.float64)
        rest = xlogy(y, y) - y if self.loss == "poisson" else -np.log(y) - 1
        of_outputs = np.average(rest, axis=0, weights=weights)
        return float(of_outputs.sum() if self.loss == "poisson" else of_outputs.mean())
