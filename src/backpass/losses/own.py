"""A loss of somebody's own: any object with `forward(y_pred, y_true)` and `backward(dvalues, y_true)` in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks
from backpass.losses.loss import Loss


class OwnLoss(Loss, listed=False):
    """An object with the notebook's protocol, as the loss of a Network, which then trains by the textbook walk.

    `forward(y_pred, y_true)` returns one loss a sample; `backward(dvalues, y_true)`, whose dvalues are the predictions,
    returns the gradient of their mean or sets `.dinputs`. `.classifies = True` says that predictions are classes;
    with `.takes_labels = False` each is a yes where it is above `.threshold`, 1/2 unless said otherwise;
    `.probabilistic = False` says that they are no probabilities. It gets copies, which it may write into.
    """

    def __init__(self, part: Any):
        self.part = part
        self.classifies = bool(getattr(part, "classifies", False))  # type: ignore[misc]
        self.takes_labels = bool(getattr(part, "takes_labels", self.classifies))  # type: ignore[misc]
        self.probabilistic = bool(getattr(part, "probabilistic", True))  # type: ignore[misc]
        self.threshold = float(getattr(part, "threshold", 0.5))  # type: ignore[misc]

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        losses = np.array(self.part.forward(np.array(y_pred), np.array(y_true)))
        if losses.ndim != 1 or len(losses) != len(y_pred):
            raise ValueError(
                f"{self!r}.forward gives shape {losses.shape}; one loss a sample, ({len(y_pred)},), is needed"
            )
        return losses

    def backward(self, dvalues: Any, y_true: Any, sample_weight: Any = None) -> np.ndarray:
        dinputs = self.part.backward(np.array(dvalues), np.array(y_true))
        dinputs = getattr(self.part, "dinputs", None) if dinputs is None else dinputs
        if dinputs is None:
            raise ValueError(f"{self!r}.backward has to set .dinputs or return it")
        dinputs = checks.matrix(dinputs, f"the dinputs of {self!r}")
        if sample_weight is None:
            return dinputs
        # a row is 1/N of its sample's own gradient, and is to be that sample's share of all weights
        weights = checks.weights(sample_weight, "sample_weight", dvalues, "dvalues")
        shares = (weights * (len(weights) / weights.sum())).astype(dinputs.dtype)
        return np.where(shares[:, None] > 0, dinputs * shares[:, None], 0).astype(dinputs.dtype)

    def __repr__(self) -> str:
        return f"{type(self.part).__name__}()"


def as_loss(part: Any) -> Any:
    """The part itself if it is a Loss with kernels; wrapped, if it has forward and backward."""
    if (isinstance(part, Loss) and part.compiled) or isinstance(part, OwnLoss | type):
        return part
    return OwnLoss(part) if callable(getattr(part, "forward", None)) and hasattr(part, "backward") else part
