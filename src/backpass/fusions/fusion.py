"""The table of rules: two steps on the left, the one that replaces both on the right.

`FUSIONS` holds those of a last activation and a loss, each a loss that takes the activation's inputs; `LAYER_FUSIONS`
those of two layers that follow each other, each a layer. A Network looks them up when it trains; a test holds each rule
equal to its pair, `backpass bench fusion` times it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.layers.layer import Layer
from backpass.losses.loss import Loss

FUSIONS: dict[tuple[type[Layer], type[Loss]], type[Fusion]] = {}
LAYER_FUSIONS: dict[tuple[type[Layer], type[Layer]], Any] = {}


def fused(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with every pair for which there is a rule as one."""
    result: list[Layer] = []
    for layer in layers:
        rule = LAYER_FUSIONS.get((type(result[-1]), type(layer))) if result else None
        if rule is None:
            result.append(layer)
        else:
            result[-1] = rule.of(result[-1], layer)
    return result


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
        if isinstance(cls.__dict__.get("layer"), type):  # a rule of its own, not a variation of one
            FUSIONS[cls.layer, cls.loss] = cls

    @classmethod
    def of(cls, loss: Loss) -> Fusion:
        """The step that takes this loss's place."""
        return cls(**loss.config())

    def forward(self, inputs: Any, y_true: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Mean loss of logits (N, C); sets `output`. Raises ValueError, TypeError for targets that do not fit."""
        return self._mean(self.sample_losses(inputs, y_true), sample_weight)

    calculate = forward  # type: ignore[assignment]

    def sample_losses(self, inputs: Any, y_true: Any) -> np.ndarray:
        """Loss of each sample (N,), float64; sets `output`."""
        inputs = checks.samples(checks.matrix(inputs, "inputs"), "inputs")
        output = np.empty_like(inputs)
        losses = self._forward(inputs, y_true, output=output)
        self.output = output
        return losses
