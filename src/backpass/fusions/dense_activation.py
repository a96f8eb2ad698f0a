"""What the fusions of a Dense and its activation share.

The bias is added and the activation taken in one pass over what the matrix product left, and the sums before the
activation are kept nowhere: each of these derivatives can be had from the output.
"""

from __future__ import annotations

from typing import Any, ClassVar

from backpass.engine.kernels import helper, multiply_left_transposed, multiply_right_transposed
from backpass.fusions.fusion import LAYER_FUSIONS
from backpass.layers.dense import Dense
from backpass.layers.layer import STORED, Layer


@helper
def multiply_back(inputs, weights, dsums, dweights, dinputs):
    """Add to dweights and set dinputs, from dL/d sums (N, M), the sums before the activation."""
    multiply_left_transposed(inputs, dsums, dweights, True)
    if dinputs.shape[1] > 0:
        multiply_right_transposed(dsums, weights, dinputs, False)


class DenseActivation:
    """Beside Dense, a base of every fusion of Dense and an activation; `layers` are the two that it replaces."""

    layers: ClassVar[tuple[type[Layer], type[Layer]]]
    n_inputs: int
    n_neurons: int

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "layers" in cls.__dict__:  # a rule of its own, not a variation of one
            LAYER_FUSIONS[cls.layers] = cls  # type: ignore[assignment]

    @classmethod
    def of(cls, dense: Dense, activation: Layer) -> Any:
        """One layer for these two. It shares the Dense's arrays, as long as no other buffers are attached to that."""
        fused = cls.__new__(cls)
        stored = (*STORED, "dvalues", "dinputs", "_computed")  # by the Dense's own last forward and backward
        fused.__dict__.update((name, value) for name, value in vars(dense).items() if name not in stored)
        return fused

    def saved_width(self, input_width: int) -> int:
        """M: backward puts dL/d sums there."""
        return self.n_neurons

    def prepare(self, following: Layer | None, generator: Any) -> None:
        """Draw the weights as they suit the activation in here."""
        super().prepare(self.layers[1](), generator)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_inputs}, {self.n_neurons})"
