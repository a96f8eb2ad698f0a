"""What a classification may do to its targets: smooth them, and let one class weigh more than another.

Both change the targets and leave the losses' formulas as they are. With s = label_smoothing and C classes,
    one class of C        y_true -> ((1 - s) * y_true + s / C) * class_weight
    yes or no             y_true -> (1 - s) * y_true + s / 2, and each term of the loss has the weight of its answer

Source of the smoothing: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the inception architecture for computer
vision", CVPR 2016, section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass import checks


def weights_of_classes(class_weight: Any) -> np.ndarray | None:
    """One number at least 0 for each class, from a sequence or a dict of class to number."""
    if class_weight is None:
        return None
    if isinstance(class_weight, Mapping):
        if sorted(map(str, class_weight)) != sorted(map(str, range(len(class_weight)))):
            raise ValueError(f"class_weight is {class_weight!r}; name every class from 0, as in {{0: 1.0, 1: 5.0}}")
        by_number = {int(label): weight for label, weight in class_weight.items()}
        class_weight = [by_number[label] for label in range(len(by_number))]
    if not hasattr(class_weight, "__len__"):
        raise TypeError(f"class_weight is {class_weight!r}; pass one number a class, as in [1.0, 5.0]")
    checks.weights(class_weight, "class_weight", class_weight, "class_weight")
    return np.array(class_weight, np.float64)  # not divided by the largest: a file keeps the bits


def weights_of_answers(class_weight: Any) -> np.ndarray:
    """What a no and a yes count, as kernels take it: `settings` (2,)."""
    weights = weights_of_classes(class_weight)
    if weights is not None and len(weights) != 2:
        raise ValueError(f"class_weight has {len(weights)} numbers; pass two, for no and for yes")
    return np.ones(2) if weights is None else weights


class ClassTargets:
    """One class of C: labels (N,), or a share of each class (N, C)."""

    alters_targets = False
    _label_smoothing = 0.0
    _class_weight: np.ndarray | None = None

    def __init__(self, *, label_smoothing: float = 0.0, class_weight: Any = None):
        if class_weight is None and label_smoothing == 0:  # the notebook makes a step anew for each call: 1.5 us
            return
        self._label_smoothing = checks.real(label_smoothing, "label_smoothing", low=0, high=1)
        self._class_weight = weights_of_classes(class_weight)
        self.alters_targets = self.label_smoothing > 0 or self.class_weight is not None
        if self.alters_targets:
            self.labels_as_they_are = False

    @property
    def label_smoothing(self) -> float:
        """As given. It cannot be changed, nor can the weights: what was made of a loss is kept for the next call."""
        return self._label_smoothing

    @property
    def class_weight(self) -> np.ndarray | None:
        return None if self._class_weight is None else self._class_weight.copy()

    def effective(self, targets: np.ndarray, width: int, dtype: Any) -> np.ndarray:
        if not self.alters_targets:
            return targets
        self.check_width(width)
        weights = np.ones(width) if self.class_weight is None else self.class_weight
        rows = np.eye(width)[targets] if targets.ndim == 1 else targets
        smooth = (1 - self.label_smoothing) * rows + self.label_smoothing / width
        return np.ascontiguousarray(smooth * weights, dtype)

    def check_width(self, width: int) -> None:
        """ValueError unless there is a weight for each of the classes, if there are weights."""
        if self._class_weight is not None and len(self._class_weight) != width:
            raise ValueError(f"class_weight has {len(self._class_weight)} numbers; there are {width} classes")

    def config(self) -> dict[str, Any]:
        given: dict[str, Any] = {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}
        return given | ({} if self.class_weight is None else {"class_weight": self.class_weight.tolist()})


class YesNoTargets(ClassTargets):
    """M answers of their own, each between 0 (no) and 1 (yes); class_weight is that of a no and of a yes.

    The kernels take `settings`, the two weights.
    """

    settings = np.ones(2, np.float64)

    def __init__(self, *, label_smoothing: float = 0.0, class_weight: Any = None):
        super().__init__(label_smoothing=label_smoothing, class_weight=class_weight)
        if class_weight is not None:
            self.settings = weights_of_answers(class_weight)
        self.alters_targets = self.label_smoothing > 0

    def effective(self, targets: np.ndarray, width: int, dtype: Any) -> np.ndarray:
        if not self.alters_targets:
            return targets
        return np.ascontiguousarray((1 - self.label_smoothing) * targets + self.label_smoothing / 2, dtype)
