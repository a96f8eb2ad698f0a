"""exp, log and tanh, written so that the compiler can do 8 or 16 of them at once.

The library's exp and tanh are calls of 5 to 20 ns each and keep the loop around them from being vectorised; these
cost 0.3 to 1 ns. Each takes float32 or float64 and is right to 3 units in the last place (exp to 1), measured against
mpmath in tests/engine/test_arithmetic.py. NaN stays NaN. What would be near or below the smallest normal number is 0.

exp:  x = n ln 2 + r with |r| <= 0.35, so exp(x) = 2^n exp(r), exp(r) by its Taylor series.
log:  x = 2^n m with m around 1; log(m) = 2 atanh(s), s = (m - 1)/(m + 1), by the series of atanh.
tanh: e = exp(2|x|) - 1 without cancellation, then e / (e + 2) with the sign of x.
"""

from __future__ import annotations

import math

import numpy as np

from backpass.engine.kernels.compiler import exact_helper

LOG2_E_32, LN2_HIGH_32, LN2_LOW_32 = np.float32(math.log2(math.e)), np.float32(0.693359375), np.float32(-2.12194440e-4)
LOG2_E_64, LN2_HIGH_64, LN2_LOW_64 = math.log2(math.e), 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Adding 1.5 * 2^(bits of the fraction) rounds to an integer and leaves it in the lowest bits.
ROUND_32, ROUND_64 = np.float32(1.5 * 2**23), 1.5 * 2.0**52
ZERO_32, ONE_32, TWO_32, THREE_32, HALF_32 = (np.float32(value) for value in (0, 1, 2, 3, 0.5))
LOW_32, HIGH_32, LOW_64, HIGH_64 = np.float32(-87.4), np.float32(89), -708.5, 709.9
TANH_ONE_32, TANH_ONE_64 = np.float32(9.1), 19.1  # from here on tanh rounds to 1
SQRT2_32, SQRT2_64 = np.float32(math.sqrt(2)), math.sqrt(2)
SPLIT_32, SPLIT_64 = np.float32(0.42), 0.42
LN2_32, LN2_64 = np.float32(math.log(2)), math.log(2)
A2, A3, A4, A5, A6, A7, A9 = (np.float32(1 / k) for k in (2, 3, 4, 5, 6, 7, 9))


def exp(x):  # type: ignore[no-untyped-def]
    """e to the x."""
    return np.exp(x)


def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive, normal number."""
    return np.log(x)


def log1p_of_unit(x):  # type: ignore[no-untyped-def]
    """log(1 + x) for x in [0, 1]."""
    return np.log1p(x)


def tanh(x):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent."""
    return np.tanh(x)


def bits_of(x):  # type: ignore[no-untyped-def]
    """A float's bits as an integer of its size."""
    return x.view(np.int32 if x.dtype == np.float32 else np.int64)


def float_of(bits):  # type: ignore[no-untyped-def]
    """The float that has these bits."""
    return bits.view(np.float32 if bits.dtype == np.int32 else np.float64)


@exact_helper
def exp_float32(x):  # type: ignore[no-untyped-def]
    x = LOW_32 if x < LOW_32 else x
    x = HIGH_32 if x > HIGH_32 else x
    rounded = x * LOG2_E_32 + ROUND_32
    n = rounded - ROUND_32
    r = x - n * LN2_HIGH_32 - n * LN2_LOW_32
    series = ONE_32 + r * A5 * (ONE_32 + r * A6 * (ONE_32 + r * A7))
    series = ONE_32 + r * (ONE_32 + r * A2 * (ONE_32 + r * A3 * (ONE_32 + r * A4 * series)))
    # 2 * 2^(n-1), for 2^128 does not exist and 2^-127 would not be normal
    return (series + series) * float_of(np.int32((bits_of(rounded) + 126) << 23))


@exact_helper
def exp_float64(x):  # type: ignore[no-untyped-def]
    x = LOW_64 if x < LOW_64 else x
    x = HIGH_64 if x > HIGH_64 else x
    rounded = x * LOG2_E_64 + ROUND_64
    n = rounded - ROUND_64
    r = x - n * LN2_HIGH_64 - n * LN2_LOW_64
    series = 1 + r * (1 / 10) * (1 + r * (1 / 11) * (1 + r * (1 / 12) * (1 + r * (1 / 13))))
    series = 1 + r * (1 / 6) * (1 + r * (1 / 7) * (1 + r * (1 / 8) * (1 + r * (1 / 9) * series)))
    series = 1 + r * (1 + r * (1 / 2) * (1 + r * (1 / 3) * (1 + r * (1 / 4) * (1 + r * (1 / 5) * series))))
    return (series + series) * float_of((bits_of(rounded) + 1022) << 52)


@exact_helper
def atanh_series_float32(s):  # type: ignore[no-untyped-def]
    """2 atanh(s) for |s| <= 0.18."""
    t = s * s
    return (s + s) * (ONE_32 + t * (A3 + t * (A5 + t * (A7 + t * A9))))


@exact_helper
def atanh_series_float64(s):  # type: ignore[no-untyped-def]
    t = s * s
    tail = 1 / 13 + t * (1 / 15 + t * (1 / 17 + t * (1 / 19 + t * (1 / 21))))
    return (s + s) * (1 + t * (1 / 3 + t * (1 / 5 + t * (1 / 7 + t * (1 / 9 + t * (1 / 11 + t * tail))))))


@exact_helper
def log_float32(x):  # type: ignore[no-untyped-def]
    bits = bits_of(x)
    n = np.int32((bits >> 23) - 127)
    m = float_of(np.int32((bits & 0x007FFFFF) | 0x3F800000))
    above = m > SQRT2_32
    m = m * HALF_32 if above else m
    n = np.float32(n) + (ONE_32 if above else ZERO_32)
    series = atanh_series_float32((m - ONE_32) / (m + ONE_32))
    return n * LN2_HIGH_32 + (series + n * LN2_LOW_32) + (x - x)  # x - x: NaN stays, and what is not finite becomes it


@exact_helper
def log_float64(x):  # type: ignore[no-untyped-def]
    bits = bits_of(x)
    n = (bits >> 52) - 1023
    m = float_of((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000)
    above = m > SQRT2_64
    m = m * 0.5 if above else m
    n = np.float64(n) + (1.0 if above else 0.0)
    series = atanh_series_float64((m - 1) / (m + 1))
    return n * LN2_HIGH_64 + (series + n * LN2_LOW_64) + (x - x)


# log1p of x in [0, 1] in two ranges, so that |s| stays small: around 0, and around 1 (log 2 is added).
@exact_helper
def log1p_float32(x):  # type: ignore[no-untyped-def]
    above = x > SPLIT_32
    s = (x - ONE_32) / (x + THREE_32) if above else x / (x + TWO_32)
    return atanh_series_float32(s) + (LN2_32 if above else ZERO_32)


@exact_helper
def log1p_float64(x):  # type: ignore[no-untyped-def]
    above = x > SPLIT_64
    s = (x - 1) / (x + 3) if above else x / (x + 2)
    return atanh_series_float64(s) + (LN2_64 if above else 0.0)


@exact_helper
def tanh_float32(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = TANH_ONE_32 if size > TANH_ONE_32 else size
    twice = size + size
    rounded = twice * LOG2_E_32 + ROUND_32
    n = rounded - ROUND_32
    r = twice - n * LN2_HIGH_32 - n * LN2_LOW_32
    series = ONE_32 + r * A4 * (ONE_32 + r * A5 * (ONE_32 + r * A6 * (ONE_32 + r * A7)))
    series = r * (ONE_32 + r * A2 * (ONE_32 + r * A3 * series))
    power = float_of(np.int32((bits_of(rounded) + 127) << 23))
    e = power * series + (power - ONE_32)
    return math.copysign(e / (e + TWO_32), x)


@exact_helper
def tanh_float64(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = TANH_ONE_64 if size > TANH_ONE_64 else size
    twice = size + size
    rounded = twice * LOG2_E_64 + ROUND_64
    n = rounded - ROUND_64
    r = twice - n * LN2_HIGH_64 - n * LN2_LOW_64
    series = 1 + r * (1 / 10) * (1 + r * (1 / 11) * (1 + r * (1 / 12) * (1 + r * (1 / 13))))
    series = 1 + r * (1 / 6) * (1 + r * (1 / 7) * (1 + r * (1 / 8) * (1 + r * (1 / 9) * series)))
    series = r * (1 + r * (1 / 2) * (1 + r * (1 / 3) * (1 + r * (1 / 4) * (1 + r * (1 / 5) * series))))
    power = float_of((bits_of(rounded) + 1023) << 52)
    e = power * series + (power - 1)
    return math.copysign(e / (e + 2), x)


# Stub: its versions for float32 and float64.
BY_DTYPE = {
    exp: (exp_float32, exp_float64),
    log: (log_float32, log_float64),
    log1p_of_unit: (log1p_float32, log1p_float64),
    tanh: (tanh_float32, tanh_float64),
}
