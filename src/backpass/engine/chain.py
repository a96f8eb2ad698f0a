"""What the engine runs, and how it cuts a batch: by sizes alone, so that the number of threads changes no bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

MOST_PARTITIONS = 16
CACHE_BYTES = 768 * 1024  # what the activations of a block may take: they stay in a core's second-level cache of 1 MB
SMALLEST_BLOCK, LARGEST_BLOCK = 64, 256
WORTH_A_THREAD = 250_000  # multiplications: about 5 us, where handing them to another thread and back takes 2
ROWS_OF_TWO = 32  # smaller pieces lose more than a thread brings: weights and gradients cross from core to core
ROWS_OF_MANY = 256
# Where a step takes many milliseconds, a thread that has half a core is worth having, if the pieces are so small that
# the other need not wait long for the last one: beside a busy process 20-512-512-512-1 with 1,024 rows takes 56 ms a
# step in 8 pieces, and 61 in 4. On a quiet machine 8 cost it 1 %; pieces of 64 rows cost 10 to 19 %, and a net of a
# quarter of the work 2 to 8 %.
HEAVY, HEAVY_PARTITIONS, ROWS_OF_HEAVY = 250_000, 8, 128
# Parameters of a slice: Adam takes 1 us for them, in float64 3; sharing out takes 2. With 32,768, so that most nets
# were one slice, 8-208-208-1 with 256 rows took 610 us a step against 492, 50-128-128-2 240 against 225.
SLICE, MOST_SLICES = 2048, 16
# Weights from which BLAS's own threads beat splitting the batch: 784-1024-1024-10 with 256 rows took 13.8 ms a step
# against 21.0, 784-512-10 with 128 rows 2.2 ms against 1.9 (two cores).
WIDE = 1_000_000
WIDE_BLOCK = 2048
# So many weights are cut by their rows instead of the batch, if these rows are so many times the samples.
# 256-256-256-10 with 32 samples takes 186 us a step instead of 338, 784-512-10 with 128 takes 1,300 instead of 1,390;
# 512-512-512-10 with 512 would take 11.4 ms instead of 9.8.
LARGE, ROWS_OF_LARGE = 4_000, 2
# Multiplications of a partition for which threads meet four times a step. 64-128-10 with 32 samples, half of that,
# would take 17 us instead of 19, but 50 where two virtual cores share no cache, and 22 on one thread.
WORTH_STAGES = 1_000_000


@dataclass(frozen=True)
class Chain:
    """What a plan is made of: layers in order, then the loss, if there is one."""

    layers: Sequence[Any]
    widths: Sequence[int]  # of the inputs of each layer, and of the last one's output
    dtype: np.dtype[Any]
    loss: Any = None
    labels: bool = False  # y holds one class index a sample instead of a row
    parameters: np.ndarray | None = None
    gradients: np.ndarray | None = None

    @property
    def multiplications(self) -> int:
        """Of matrix products, for one sample, forward."""
        return sum(layer.multiplications for layer in self.layers)

    @property
    def offsets(self) -> list[int]:
        """Where each layer's parameters begin among all; last, how many these are."""
        sizes = (sum(map(math.prod, layer.parameter_shapes().values())) for layer in self.layers)
        return list(accumulate(sizes, initial=0))

    @property
    def wide(self) -> bool:
        return self.multiplications >= WIDE

    @property
    def couples_samples(self) -> bool:
        return any(layer.couples_samples for layer in self.layers)

    def large(self, rows: int) -> list[int]:
        """The layers whose weights are cut by their rows for a batch of this many; none if they are the lesser part."""
        found = [
            index
            for index, layer in enumerate(self.layers)
            if layer.forward_kernel.factors is not None
            and layer.backward_kernel.factors is not None
            and layer.multiplications >= max(LARGE, self.multiplications // 8)  # for less, threads do not meet twice
            and self.widths[index] >= ROWS_OF_LARGE * rows
        ]
        their = sum(self.layers[index].multiplications for index in found)
        return found if 2 * their >= self.multiplications and not self.wide else []

    def partitions(self, rows: int, large: Sequence[int] = ()) -> int:
        """How many pieces a batch of this many rows is cut into: a power of two that depends on sizes only.

        large: the layers whose weights are cut instead, into as many pieces.
        """
        if self.wide:
            return 1
        work = 3 * rows * (self.multiplications + 8 * sum(self.widths))
        worth, short = (WORTH_STAGES, rows) if large else (WORTH_A_THREAD, rows // ROWS_OF_TWO)
        # Each partition clears and adds up gradients of its own, but for large weights, which costs about as much as 7
        # rows do: more than two only where they are long.
        many = max(2, rows // ROWS_OF_MANY)
        if self.multiplications >= HEAVY:
            many = max(many, min(HEAVY_PARTITIONS, rows // ROWS_OF_HEAVY))
        most = min(work // worth, many, short, MOST_PARTITIONS)
        return 1 << max(0, most.bit_length() - 1)

    @property
    def slices(self) -> int:
        """In how many pieces an optimizer moves the parameters: a power of two, so that two threads do the same."""
        size = 0 if self.parameters is None else self.parameters.size
        return 1 << (max(1, min(MOST_SLICES, size // SLICE)).bit_length() - 1)

    def block(self, rows: int) -> int:
        """Rows of a block."""
        if self.wide:
            return min(rows, WIDE_BLOCK)
        fitting = CACHE_BYTES // (2 * self.dtype.itemsize * sum(self.widths))
        return min(rows, max(SMALLEST_BLOCK, min(LARGEST_BLOCK, fitting)))
