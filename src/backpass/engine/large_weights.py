"""Large weights, cut by their rows: a piece of them takes its columns of the inputs, and makes its rows of dweights and
its columns of dinputs (docs/decisions/0014).

Forward                                     inputs (N, D), rows [first, end) of weights (D, M)
    output   = sum over the pieces of inputs[:, first:end] @ weights[first:end]

Backward                                    dsums = dL/d output, (N, M)
    dweights[first:end]   = inputs[:, first:end].T @ dsums
    dinputs[:, first:end] = dsums @ weights[first:end].T
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from backpass.engine.chain import Chain
from backpass.engine.kernels import flat, kernel, multiply, multiply_left_transposed, multiply_right_transposed
from backpass.engine.kernels.compiler import COUNT_ROW, Kernel
from backpass.engine.memory import Place

Call = tuple[Kernel, dict[str, Place]]


# What these are given of `inputs` and `dinputs` begins inside their rows.


@kernel
def part_kernel(inputs, weights, output):  # type: ignore[no-untyped-def]
    multiply(inputs, weights, output, False)


@kernel
def add_rows_kernel(inputs, output):  # type: ignore[no-untyped-def]
    """output += inputs"""
    numbers, sums = flat(inputs), flat(output)
    for i in range(sums.size):
        sums[i] += numbers[i]


@kernel
def dweights_kernel(counters, inputs, dvalues, dweights):  # type: ignore[no-untyped-def]
    """Of the first rows of a batch, or added."""
    multiply_left_transposed(inputs, dvalues, dweights, counters[COUNT_ROW] > 0)


@kernel
def dinputs_kernel(dvalues, weights, dinputs):  # type: ignore[no-untyped-def]
    multiply_right_transposed(dvalues, weights, dinputs, False)


class LargeWeights:
    """The layers of a chain, by their index, whose weights are cut by rows into so many pieces."""

    def __init__(self, chain: Chain, layers: Sequence[int], pieces: int):
        self.chain, self.layers, self.pieces = chain, layers, pieces

    def cuts(self, index: int) -> list[tuple[int, int]]:
        """First row of each piece and the one behind its last."""
        D = self.chain.widths[index]
        return list(pairwise(D * piece // self.pieces for piece in range(self.pieces + 1)))

    def place(self, index: int) -> slice:
        """Where a layer's weights lie among all parameters."""
        begin = self.chain.offsets[index]
        for name, shape in self.chain.layers[index].parameter_shapes().items():
            if name == "weights":
                break
            begin += math.prod(shape)
        return slice(begin, begin + math.prod(shape))

    def rest(self) -> list[slice]:
        """All other parameters."""
        places = [self.place(index) for index in self.layers]
        begins, ends = [0, *(place.stop for place in places)], [place.start for place in places]
        ends.append(self.chain.offsets[-1])
        return [slice(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]

    def forward(self, index: int, inputs: Place, sums: Sequence[Place]) -> list[list[Call]]:
        """For each piece of a layer's weights its part of inputs @ weights."""
        weights, pieces = self.chain.layers[index].weights, []
        for (first, end), output in zip(self.cuts(index), sums, strict=True):
            columns, rows = inputs.from_byte(first * weights.itemsize), Place.of(weights[first:end])
            pieces.append([(part_kernel, {"inputs": columns, "weights": rows, "output": output})])
        return pieces

    def backward(self, index: int, places: Mapping[str, Place]) -> list[list[Call]]:
        """For each piece of a layer's weights its rows of dweights, and its columns of dinputs."""
        layer, pieces = self.chain.layers[index], []
        inputs, dsums = (places[name] for name in layer.backward_kernel.factors)
        weights: np.ndarray = layer.weights
        assert self.chain.gradients is not None
        dweights = self.chain.gradients[self.place(index)].reshape(weights.shape)
        for first, end in self.cuts(index):
            columns, rows = inputs.from_byte(first * weights.itemsize), Place.of(dweights[first:end])
            pieces.append([(dweights_kernel, {"inputs": columns, "dvalues": dsums, "dweights": rows})])
            if index > 0:
                columns, rows = places["dinputs"].from_byte(first * weights.itemsize), Place.of(weights[first:end])
                pieces[-1].append((dinputs_kernel, {"dvalues": dsums, "weights": rows, "dinputs": columns}))
        return pieces
