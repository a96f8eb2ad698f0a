"""Several networks of the same sizes side by side in one: each sees its own neurons of the layer before.

Forward                                     inputs (N, K D) -> output (N, K M), of K members
    output[:, k] = inputs[:, k] @ weights[:, k] + biases[:, k]          weights (D, K M), biases (1, K M)

Backward                                    as of Dense, member by member

[:, k] are the columns of member k. The first layer is a Dense(D, K M), whose inputs all members share: that product,
and the pass through the samples, is made once for all.
"""

from __future__ import annotations

from typing import Any

from backpass.engine.kernels import add_column_sums, bias_and, kernel, scratch
from backpass.engine.kernels.matrix import from_column, gemm
from backpass.layers.dense import unchanged
from backpass.layers.layer import Layer
from backpass.layers.view import View

add_biases = bias_and(unchanged)


@kernel
def forward_kernel(inputs, weights, biases, output):  # type: ignore[no-untyped-def]
    N, D, all_D, all_M = inputs.shape[0], weights.shape[0], inputs.shape[1], weights.shape[1]
    members = all_D // D
    M = all_M // members
    for k in range(members):
        w, x, out = from_column(weights, k * M), from_column(inputs, k * D), from_column(output, k * M)
        gemm(False, False, M, N, D, w, all_M, x, all_D, False, out, all_M)
    add_biases(output, biases, scratch(biases))


@kernel
def backward_kernel(inputs, weights, dvalues, dweights, dbiases, dinputs):  # type: ignore[no-untyped-def]
    N, D, all_D, all_M = inputs.shape[0], weights.shape[0], inputs.shape[1], weights.shape[1]
    members = all_D // D
    M = all_M // members
    for k in range(members):
        w, dw = from_column(weights, k * M), from_column(dweights, k * M)
        x, dx, dy = from_column(inputs, k * D), from_column(dinputs, k * D), from_column(dvalues, k * M)
        gemm(False, True, M, D, N, dy, all_M, x, all_D, True, dw, all_M)
        gemm(True, False, D, N, M, w, all_M, dy, all_M, False, dx, all_D)
    add_column_sums(dvalues, dbiases)


class MembersDense(Layer, listed=False):
    """Dense layers of `members` networks, D inputs and M neurons each; never the first layer of a Network."""

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    weights, biases, dweights, dbiases = View(), View(), View(), View()

    def __init__(self, members: int, n_inputs: int, n_neurons: int, dtype: Any):
        self.members, self.n_inputs, self.n_neurons = members, n_inputs, n_neurons
        self.multiplications = members * n_inputs * n_neurons
        self.allocate(dtype)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        all_neurons = self.members * self.n_neurons
        return {"weights": (self.n_inputs, all_neurons), "biases": (1, all_neurons)}

    def output_width(self, input_width: int) -> int:
        return self.members * self.n_neurons

    @property
    def input_width(self) -> int:
        return self.members * self.n_inputs

    def config(self) -> dict[str, Any]:
        return {"members": self.members, "n_inputs": self.n_inputs, "n_neurons": self.n_neurons}
