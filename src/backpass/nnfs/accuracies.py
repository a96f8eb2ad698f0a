"""The book's accuracies: the share of predictions that are right."""

from __future__ import annotations

from typing import Any

import numpy as np


class Accuracy:
    """What the accuracies share. One of one's own defines `init(y)` and `compare(predictions, y)`."""

    accumulated_sum: Any = 0
    accumulated_count = 0

    def init(self, y: np.ndarray) -> None:
        """Called by a Model before training, with all targets."""

    def compare(self, predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} has no compare(predictions, y)")

    def calculate(self, predictions: np.ndarray, y: np.ndarray) -> Any:
        comparisons = self.compare(predictions, y)
        self.accumulated_sum += np.sum(comparisons)
        self.accumulated_count += len(comparisons)
        return np.mean(comparisons)

    def calculate_accumulated(self) -> Any:
        """The accuracy of everything since the last `new_pass`."""
        return self.accumulated_sum / self.accumulated_count

    def new_pass(self) -> None:
        self.accumulated_sum = 0
        self.accumulated_count = 0


class Accuracy_Categorical(Accuracy):
    """Of classes; `binary` for yes-or-no outputs.

    >>> float(Accuracy_Categorical().calculate(np.array([0, 1]), np.array([0, 0])))
    0.5
    """

    def __init__(self, *, binary: bool = False):
        self.binary = binary

    def compare(self, predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not self.binary and y.ndim == 2:
            y = np.argmax(y, axis=1)
        return predictions == y


class Accuracy_Regression(Accuracy):
    """Right is what comes closer than `precision`, a 250th of the targets' standard deviation."""

    def __init__(self) -> None:
        self.precision: Any = None

    def init(self, y: np.ndarray, reinit: bool = False) -> None:
        if self.precision is None or reinit:
            self.precision = np.std(y) / 250

    def compare(self, predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.absolute(predictions - y) < self.precision
