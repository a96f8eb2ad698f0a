"""The order of an epoch's samples: a function of the seed and the epoch, whatever was drawn before."""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels import helper, random_bits
from backpass.engine.kernels.calls import integers_at
from backpass.engine.kernels.compiler import NATIVE, raw_kernel


@helper
def shuffle(order, seed, epoch):  # type: ignore[no-untyped-def]
    """Order of an epoch's rows (Fisher and Yates), a function of seed and epoch alone."""
    key = random_bits(seed, epoch)
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        # the upper 32 bits times (i + 1) over 2^32: a number from 0 to i without a division
        j = np.int64(((random_bits(key, i) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]


@raw_kernel
def shuffle_kernel(order: int, wanted: int) -> None:
    """`shuffle` for Python: address of the order, address of its size, the seed and the epoch."""
    given = integers_at(wanted, 3)
    shuffle(integers_at(order, given[0]), given[1], given[2])


def order_of(samples: int, seed: int, epoch: int) -> np.ndarray:
    """Rows (samples,) in the order in which the compiled loop takes them in this epoch."""
    order, wanted = np.empty(samples, np.int64), np.array([samples, seed, epoch])
    NATIVE(shuffle_kernel.address())(order.ctypes.data, wanted.ctypes.data)
    return order
