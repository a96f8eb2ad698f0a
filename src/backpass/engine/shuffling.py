"""The order of an epoch's samples: a function of the seed and the epoch, whatever was drawn before."""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels import helper

GOLDEN, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@helper
def random_bits(seed, index):  # type: ignore[no-untyped-def]
    """64 random bits for each pair of numbers: SplitMix64 (Steele, Lea, Flood 2014), read by its counter."""
    z = np.uint64(seed) + np.uint64(index + 1) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


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
