"""Random numbers by counter: functions of a key and an index, so that any of them can be had anew."""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels.compiler import helper

GOLDEN, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
GOLDEN_32, MIX_32_1, MIX_32_2 = np.uint32(0x9E3779B9), np.uint32(0x7FEB352D), np.uint32(0x846CA68B)


@helper
def random_bits(seed, index):  # type: ignore[no-untyped-def]
    """64 random bits for each pair of numbers: SplitMix64 (Steele, Lea, Flood 2014), read by its counter."""
    z = np.uint64(seed) + np.uint64(index + 1) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@helper
def random_bits_32(key, index):  # type: ignore[no-untyped-def]
    """32 random bits for each pair of 32-bit numbers: two rounds of multiply and shift, which fill whole vectors.

    Constants: C. Wellons, "Prospecting for hash functions", 2018 (lowbias32).
    """
    z = np.uint32(key + np.uint32(np.uint32(index) * GOLDEN_32))
    z = np.uint32((z ^ (z >> np.uint32(16))) * MIX_32_1)
    z = np.uint32((z ^ (z >> np.uint32(15))) * MIX_32_2)
    return np.uint32(z ^ (z >> np.uint32(16)))
