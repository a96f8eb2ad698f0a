"""How good predictions are, in one number."""

from __future__ import annotations

import numpy as np


def accuracy(decisions: np.ndarray, targets: np.ndarray) -> float:
    """Share of decisions that are right."""
    return float((decisions == targets).mean())


def r2(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Share of the targets' variance that predictions (N, M) explain, averaged over the M outputs.

    Where a target does not vary it is, as in scikit-learn, 1 if it is met and 0 if not.
    """
    around_mean = ((targets - targets.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0, dtype=np.float64)
    left = ((targets - predictions.astype(np.float64)) ** 2).sum(axis=0)
    constant = targets.max(axis=0) == targets.min(axis=0)
    explained = np.where(constant, left == 0, 1 - left / np.where(constant, 1, around_mean))
    return float(explained.mean())
