"""What the fusions of an activation and a loss share: a loss that takes the activation's inputs.

The table of rules is `FUSIONS`: a last layer and a loss on the left, the one step that replaces both on the right.
A Network looks it up when it trains; a test holds each rule equal to its pair, `backpass bench fusion` times it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.layers.layer import Layer
from backpass.losses.loss import Loss

FUSIONS: dict[tuple[type[Layer], type[Loss]], type[Fusion]] = {}


class Fusion(Loss):
    """A last activation and a loss as one step.

    Attributes
    ----------
    output : ndarray (N, C)
        What the activation alone would return, set by `forward`.
    """

    layer: ClassVar[type[Layer]]
    loss: ClassVar[type[Loss]]
    output: np.ndarray | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "layer" in cls.__dict__:  # a rule of its own, not a variation of one
            FUSIONS[cls.layer, cls.loss] = cls

    def forward(self, inputs: Any, y_true: Any) -> float:  # type: ignore[override]
        """Mean loss of logits (N, C); sets `output`. Raises ValueError, TypeError for targets that do not fit."""
        return float(np.mean(self.sample_losses(inputs, y_true)))

    calculate = forward  # type: ignore[assignment]

    def sample_losses(self, inputs: Any, y_true: Any) -> np.ndarray:
        """Loss of each sample (N,), float64; sets `output`."""
        inputs = checks.samples(checks.matrix(inputs, "inputs"), "inputs")
        output = np.empty_like(inputs)
        losses = self._forward(inputs, y_true, output=output)
        self.output = output
        return losses
