"""exp, log, tanh, erf and their kin, written so that the compiler can do 8 or 16 of them at once.

The library's exp and tanh are calls of 5 to 20 ns each and keep the loop around them from being vectorised; these
cost 0.3 to 2 ns (erf 5 in float64). Each takes float32 or float64 and is right to 3 units in the last place (exp to 1,
normal_tail_ratio to 6), measured against mpmath in tests/engine/test_arithmetic.py. NaN stays NaN. What would be near
or below the smallest normal number is 0.

exp:   x = n ln 2 + r with |r| <= 0.35, so exp(x) = 2^n exp(r), exp(r) by its Taylor series.
expm1: the same with exp(r) - 1, so 2^n (exp(r) - 1) + (2^n - 1) without cancellation.
log:   x = 2^n m with m around 1; log(m) = 2 atanh(s), s = (m - 1)/(m + 1), by the series of atanh.
tanh:  e = expm1(2|x|), then e / (e + 2) with the sign of x. In float32 1 - 2 / (exp(2|x|) + 1), and below 0.55, where
    that would cancel, x + x^3 P(x^2): half the error in the same time (6,000 numbers: 1.5 units, 2.9 us; 2.9, 2.7).
gaussian and normal_tail_ratio: the two factors of what a standard normal variable has above x,
    P(X > x) = gaussian(x) * normal_tail_ratio(x), the first of which falls to 0 while the second stays near 0.4 / x.
    (1 + x) * ratio is smooth in t = (x - 4) / (x + 4), so one polynomial will do for all x from 0 up. Source of the
    form: Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf",
    Mathematics of Computation 36, 1981; the coefficients interpolate mpmath's values at Chebyshev nodes.
erf:   x times a polynomial in x^2 up to 1, from there on 1 - 2 P(X > sqrt(2) |x|).
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
TANH_SMALL_32 = np.float32(0.55)
SQRT2_32, SQRT2_64 = np.float32(math.sqrt(2)), math.sqrt(2)
SPLIT_32, SPLIT_64 = np.float32(0.42), 0.42
LN2_32, LN2_64 = np.float32(math.log(2)), math.log(2)
A2, A3, A4, A5, A6, A7, A9 = (np.float32(1 / k) for k in (2, 3, 4, 5, 6, 7, 9))
MINUS_ONE_32, MINUS_ONE_64 = np.float32(-20), -40.0  # from here down expm1 rounds to -1
FOUR_32, GAUSSIAN_ZERO_32, GAUSSIAN_ZERO_64 = np.float32(4), np.float32(14), 40.0  # from here on gaussian is 0
GRID_32, GRID_64 = np.float32(1.5 * 2**15), 1.5 * 2.0**32  # adding these rounds to multiples of 2^-8, of 2^-20
# Powers from 0 up. Horner's rule is written out below: a loop over an array of coefficients is not unrolled.
# Largest relative error: tail 4.6e-8 and 4e-16, erf 1.3e-9 and 8e-18, tanh(x) = x + x^3 P(x^2) up to 0.55 3.6e-9,
# exp(r) = 1 + r P(r) up to 0.35 5.1e-9.
# fmt: off
TAIL_64 = (
    0.47205320650984467, -0.09670347732653004, 0.013999634724425405, 0.028600364053922668, -0.0321978374281112,
    0.017936097469979716, -0.005002378590232965, -0.00028562298101303336, 0.0006948970947707169,
    -9.443103978255524e-05, -8.785312372562884e-05, 2.125328162943444e-05, 1.3626662814015744e-05,
    -3.440746153315607e-06, -2.6124967333130103e-06, 4.1929772331445373e-07, 5.515560739470104e-07,
    -1.5237426411594127e-08, -1.1080625850528999e-07, -8.145158452517461e-09, 1.7688155162543822e-08,
    1.5735251488430456e-09, -1.590306022889017e-09,
)
ERF_64 = (
    1.1283791670955126, -0.37612638903183543, 0.11283791670945006, -0.02686617064323777, 0.0052239776071164225,
    -0.0008548325975389692, 0.00012055294904839707, -1.492473690741966e-05, 1.6447424703317362e-06,
    -1.6208483801871705e-07, 1.3720064546777686e-08, -7.795898827002142e-10,
)
TAIL_32, ERF_32, TANH_32, EXP_32 = (tuple(np.float32(value) for value in values) for values in (
    (0.4720532065, -0.0967033307, 0.01399972575, 0.02859740577, -0.03219967422, 0.01795303938, -0.004991853786,
     -0.0003261252947, 0.0006696953079, -4.986023737e-05, -5.996640515e-05),
    (1.128379166, -0.3761262667, 0.1128359472, -0.02685421201, 0.005189087423, -0.0008016864287, 7.875875063e-05),
    (-0.3333333200797698, 0.1333311372902087, -0.05390942882746055, 0.021309388664443474, -0.006610227831114735),
    (1.0000000107765001, 0.5000000013463886, 0.1666650521114506, 0.041666464944505696, 0.00836915395971191,
     0.0013933647862928863),
))
# fmt: on


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


def expm1(x):  # type: ignore[no-untyped-def]
    """exp(x) - 1, without cancellation where x is small."""
    return np.expm1(x)


def gaussian(x):  # type: ignore[no-untyped-def]
    """exp(-x^2 / 2), right to a few units of the last place in the tails too, where x^2 rounded would be too coarse."""
    return np.exp(-x * x / 2)


def normal_tail_ratio(x):  # type: ignore[no-untyped-def]
    """P(X > x) / gaussian(x) for a standard normal X and x of at least 0 (from where gaussian is 0 on: a constant)."""
    from scipy.special import erfcx  # importing it takes 0.26 s

    return erfcx(np.minimum(x, GAUSSIAN_ZERO_64) / SQRT2_64) / 2


def erf(x):  # type: ignore[no-untyped-def]
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    from scipy.special import erf as error_function

    return error_function(x)


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
    return power_times_exp_float32(rounded, x - n * LN2_HIGH_32 - n * LN2_LOW_32)


@exact_helper
def power_times_exp_float32(rounded, r):  # type: ignore[no-untyped-def]
    """2^n exp(r); n is in the lowest bits of `rounded`."""
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
    return power_times_exp_float64(rounded, x - n * LN2_HIGH_64 - n * LN2_LOW_64)


@exact_helper
def power_times_exp_float64(rounded, r):  # type: ignore[no-untyped-def]
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
def bounded_expm1_float32(x):  # type: ignore[no-untyped-def]
    """expm1 for x from -20 to 89."""
    rounded = x * LOG2_E_32 + ROUND_32
    n = rounded - ROUND_32
    r = x - n * LN2_HIGH_32 - n * LN2_LOW_32
    series = ONE_32 + r * A4 * (ONE_32 + r * A5 * (ONE_32 + r * A6 * (ONE_32 + r * A7)))
    series = r * (ONE_32 + r * A2 * (ONE_32 + r * A3 * series))
    half = float_of(np.int32((bits_of(rounded) + 126) << 23))  # of the power: 2^128 does not exist
    e = half * series + (half - HALF_32)
    return e + e


@exact_helper
def bounded_expm1_float64(x):  # type: ignore[no-untyped-def]
    rounded = x * LOG2_E_64 + ROUND_64
    n = rounded - ROUND_64
    r = x - n * LN2_HIGH_64 - n * LN2_LOW_64
    series = 1 + r * (1 / 10) * (1 + r * (1 / 11) * (1 + r * (1 / 12) * (1 + r * (1 / 13))))
    series = 1 + r * (1 / 6) * (1 + r * (1 / 7) * (1 + r * (1 / 8) * (1 + r * (1 / 9) * series)))
    series = r * (1 + r * (1 / 2) * (1 + r * (1 / 3) * (1 + r * (1 / 4) * (1 + r * (1 / 5) * series))))
    half = float_of((bits_of(rounded) + 1022) << 52)
    e = half * series + (half - 0.5)
    return e + e


@exact_helper
def expm1_float32(x):  # type: ignore[no-untyped-def]
    x = MINUS_ONE_32 if x < MINUS_ONE_32 else x
    x = HIGH_32 if x > HIGH_32 else x
    return bounded_expm1_float32(x)


@exact_helper
def expm1_float64(x):  # type: ignore[no-untyped-def]
    x = MINUS_ONE_64 if x < MINUS_ONE_64 else x
    x = HIGH_64 if x > HIGH_64 else x
    return bounded_expm1_float64(x)


@exact_helper
def tanh_float32(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = TANH_ONE_32 if size > TANH_ONE_32 else size
    t = size * size
    series = TANH_32[1] + t * (TANH_32[2] + t * (TANH_32[3] + t * TANH_32[4]))
    small = size + size * t * (TANH_32[0] + t * series)
    twice = size + size
    rounded = twice * LOG2_E_32 + ROUND_32
    n = rounded - ROUND_32
    r = twice - n * LN2_HIGH_32 - n * LN2_LOW_32
    series = EXP_32[1] + r * (EXP_32[2] + r * (EXP_32[3] + r * (EXP_32[4] + r * EXP_32[5])))
    power = float_of(np.int32((bits_of(rounded) + 127) << 23))
    large = ONE_32 - TWO_32 / ((ONE_32 + r * (EXP_32[0] + r * series)) * power + ONE_32)
    return math.copysign(small if size < TANH_SMALL_32 else large, x)


@exact_helper
def tanh_float64(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = TANH_ONE_64 if size > TANH_ONE_64 else size
    e = bounded_expm1_float64(size + size)
    return math.copysign(e / (e + 2), x)


@exact_helper
def tail_polynomial_float32(t):  # type: ignore[no-untyped-def]
    """(1 + x) * normal_tail_ratio(x), t = (x - 4) / (x + 4)."""
    value = TAIL_32[9] + t * TAIL_32[10]
    value = TAIL_32[5] + t * (TAIL_32[6] + t * (TAIL_32[7] + t * (TAIL_32[8] + t * value)))
    value = TAIL_32[1] + t * (TAIL_32[2] + t * (TAIL_32[3] + t * (TAIL_32[4] + t * value)))
    return TAIL_32[0] + t * value


@exact_helper
def tail_polynomial_float64(t):  # type: ignore[no-untyped-def]
    value = TAIL_64[21] + t * TAIL_64[22]
    value = TAIL_64[17] + t * (TAIL_64[18] + t * (TAIL_64[19] + t * (TAIL_64[20] + t * value)))
    value = TAIL_64[13] + t * (TAIL_64[14] + t * (TAIL_64[15] + t * (TAIL_64[16] + t * value)))
    value = TAIL_64[9] + t * (TAIL_64[10] + t * (TAIL_64[11] + t * (TAIL_64[12] + t * value)))
    value = TAIL_64[5] + t * (TAIL_64[6] + t * (TAIL_64[7] + t * (TAIL_64[8] + t * value)))
    value = TAIL_64[1] + t * (TAIL_64[2] + t * (TAIL_64[3] + t * (TAIL_64[4] + t * value)))
    return TAIL_64[0] + t * value


@exact_helper
def erf_polynomial_float32(t):  # type: ignore[no-untyped-def]
    """erf(x) / x, t = x^2 up to 1."""
    value = ERF_32[5] + t * ERF_32[6]
    value = ERF_32[1] + t * (ERF_32[2] + t * (ERF_32[3] + t * (ERF_32[4] + t * value)))
    return ERF_32[0] + t * value


@exact_helper
def erf_polynomial_float64(t):  # type: ignore[no-untyped-def]
    value = ERF_64[10] + t * ERF_64[11]
    value = ERF_64[6] + t * (ERF_64[7] + t * (ERF_64[8] + t * (ERF_64[9] + t * value)))
    value = ERF_64[2] + t * (ERF_64[3] + t * (ERF_64[4] + t * (ERF_64[5] + t * value)))
    return ERF_64[0] + t * (ERF_64[1] + t * value)


# x^2 / 2 of a big x has too few digits behind the point, so x = coarse + rest, with coarse^2 / 2 exact and the
# remainder of the square, at most 0.06, joining what is left after the multiples of ln 2.
@exact_helper
def gaussian_float32(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = GAUSSIAN_ZERO_32 if size > GAUSSIAN_ZERO_32 else size
    coarse = (size + GRID_32) - GRID_32
    exponent = -HALF_32 * coarse * coarse
    exponent = LOW_32 if exponent < LOW_32 else exponent
    rounded = exponent * LOG2_E_32 + ROUND_32
    n = rounded - ROUND_32
    r = exponent - n * LN2_HIGH_32 - n * LN2_LOW_32
    return power_times_exp_float32(rounded, r - HALF_32 * (size - coarse) * (size + coarse))


@exact_helper
def gaussian_float64(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = GAUSSIAN_ZERO_64 if size > GAUSSIAN_ZERO_64 else size
    coarse = (size + GRID_64) - GRID_64
    exponent = -0.5 * coarse * coarse
    exponent = LOW_64 if exponent < LOW_64 else exponent
    rounded = exponent * LOG2_E_64 + ROUND_64
    n = rounded - ROUND_64
    r = exponent - n * LN2_HIGH_64 - n * LN2_LOW_64
    return power_times_exp_float64(rounded, r - 0.5 * (size - coarse) * (size + coarse))


@exact_helper
def normal_tail_ratio_float32(x):  # type: ignore[no-untyped-def]
    x = GAUSSIAN_ZERO_32 if x > GAUSSIAN_ZERO_32 else x
    return tail_polynomial_float32((x - FOUR_32) / (x + FOUR_32)) / (x + ONE_32)


@exact_helper
def normal_tail_ratio_float64(x):  # type: ignore[no-untyped-def]
    x = GAUSSIAN_ZERO_64 if x > GAUSSIAN_ZERO_64 else x
    return tail_polynomial_float64((x - 4) / (x + 4)) / (x + 1)


@exact_helper
def erf_float32(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    scaled = size * SQRT2_32
    big = ONE_32 - TWO_32 * gaussian_float32(scaled) * normal_tail_ratio_float32(scaled)
    small = size * erf_polynomial_float32(size * size)
    return math.copysign(small if size < ONE_32 else big, x)


@exact_helper
def erf_float64(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    scaled = size * SQRT2_64
    big = 1 - 2 * gaussian_float64(scaled) * normal_tail_ratio_float64(scaled)
    small = size * erf_polynomial_float64(size * size)
    return math.copysign(small if size < 1 else big, x)


# Stub: its versions for float32 and float64.
BY_DTYPE = {
    exp: (exp_float32, exp_float64),
    log: (log_float32, log_float64),
    log1p_of_unit: (log1p_float32, log1p_float64),
    tanh: (tanh_float32, tanh_float64),
    expm1: (expm1_float32, expm1_float64),
    gaussian: (gaussian_float32, gaussian_float64),
    normal_tail_ratio: (normal_tail_ratio_float32, normal_tail_ratio_float64),
    erf: (erf_float32, erf_float64),
}
