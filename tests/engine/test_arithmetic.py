"""exp, expm1, log, log1p, tanh, erf, its two factors in the tail, and sigmoid of compiled code, against mpmath.

Measured over a million numbers each, in units of the last place (float32, float64): exp 0.7, 0.8; tanh 1.6, 2.4;
log 2.8, 2.6; log1p 2.6, 2.6; sigmoid 1.9, 1.9. Over 30000 each: expm1 2.0, 2.1; erf 2.2, 1.8; gaussian 1.0, 0.9;
normal_tail_ratio 2.6, 6.0, which is worst near 0, where 1 - 2 tail or 1 - tail has no use for its last digits.
"""

import mpmath
import numpy as np
import pytest

from backpass.engine.kernels import erf, exp, expm1, gaussian, kernel, log, log1p_of_unit, normal_tail_ratio, tanh
from backpass.layers import sigmoid as sigmoid_module


@kernel
def exp_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = exp(inputs[n, 0])


@kernel
def log_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = log(inputs[n, 0])


@kernel
def log1p_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = log1p_of_unit(inputs[n, 0])


@kernel
def tanh_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = tanh(inputs[n, 0])


@kernel
def expm1_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = expm1(inputs[n, 0])


@kernel
def erf_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = erf(inputs[n, 0])


@kernel
def gaussian_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = gaussian(inputs[n, 0])


@kernel
def normal_tail_ratio_kernel(inputs, output):
    for n in range(inputs.shape[0]):
        output[n, 0] = normal_tail_ratio(inputs[n, 0])


def run(made, x, dtype=None):
    x = np.array(x, dtype).reshape(-1, 1)
    output = np.empty_like(x)
    made(x, output)
    return output[:, 0]


def powers(low, high):
    return lambda rng, size: 10 ** rng.uniform(low, high, size)


def uniform(low, high):
    return lambda rng, size: rng.uniform(low, high, size)


def around(middle, spread):
    return lambda rng, size: middle + spread * rng.normal(size=size)


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def gauss(x):
    return mpmath.exp(-x * x / 2)


def tail_ratio(x):
    return mpmath.erfc(x / mpmath.sqrt(2)) / 2 / gauss(x)


# kernel, exact function, (draws for both dtypes), most units of the last place in float32 and in float64
FUNCTIONS = {
    "exp": (exp_kernel, mpmath.exp, [uniform(-86.9, 88.7), around(0, 1), around(0, 1e-3)], 1, 1),
    "tanh": (
        tanh_kernel,
        mpmath.tanh,
        [uniform(-10, 10), around(0, 1), around(0, 0.01), around(0.55, 0.01), powers(-30, 0)],
        2,
        3,
    ),
    "log": (log_kernel, mpmath.log, [powers(-37, 38), uniform(1, 20), uniform(0.9, 1.1), around(1, 1e-4)], 3, 4),
    "log1p": (log1p_kernel, mpmath.log1p, [uniform(0, 1), uniform(0.1, 0.5), powers(-37, 0)], 3, 4),
    "expm1": (
        expm1_kernel,
        mpmath.expm1,
        [uniform(-86.9, 88.7), uniform(-1, 1), around(0, 3), around(0, 1e-3), powers(-30, 0)],
        3,
        4,
    ),
    "erf": (
        erf_kernel,
        mpmath.erf,
        [uniform(-6, 6), around(0, 1), around(1, 1e-3), around(0, 0.01), powers(-30, 4)],
        3,
        4,
    ),
    "gaussian": (gaussian_kernel, gauss, [uniform(-13, 13), around(0, 1), powers(-20, 1)], 3, 4),
    "normal_tail_ratio": (
        normal_tail_ratio_kernel,
        tail_ratio,
        [uniform(0, 13.9), uniform(0, 1), powers(-20, 1)],
        4,
        8,
    ),
    "sigmoid": (sigmoid_module.forward_kernel, sigmoid, [uniform(-86.9, 88), around(0, 3)], 2, 2),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_to_a_few_units_of_the_last_place(name, dtype):
    made, function, draws, most_32, most_64 = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([draw(rng, 2000) for draw in draws]).astype(dtype)
    got = run(made, x)
    with mpmath.workprec(100):
        errors = [abs(mpmath.mpf(float(g)) - function(mpmath.mpf(float(v)))) for g, v in zip(got, x, strict=True)]
    units = np.array([float(error) for error in errors]) / np.spacing(np.abs(got)).astype(np.float64)
    worst = units.argmax()
    assert units[worst] <= (most_32 if dtype == np.float32 else most_64), f"{name}({x[worst]!r}) = {got[worst]!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinities_and_nan_pass_as_they_should(dtype):
    special = [np.nan, np.inf, -np.inf, 0.0]
    np.testing.assert_array_equal(run(exp_kernel, special, dtype), [np.nan, np.inf, 0, 1])
    np.testing.assert_array_equal(run(tanh_kernel, special, dtype), [np.nan, 1, -1, 0])
    np.testing.assert_array_equal(run(sigmoid_module.forward_kernel, special, dtype), [np.nan, 1, 0, 0.5])
    np.testing.assert_array_equal(run(expm1_kernel, [*special, -1e4, 1e4], dtype), [np.nan, np.inf, -1, 0, -1, np.inf])
    np.testing.assert_array_equal(run(erf_kernel, [*special, 1e4, -1e4], dtype), [np.nan, 1, -1, 0, 1, -1])
    np.testing.assert_array_equal(run(gaussian_kernel, [*special, 1e4], dtype), [np.nan, 0, 0, 1, 0])
    np.testing.assert_array_equal(np.isnan(run(normal_tail_ratio_kernel, special[:2], dtype)), [True, False])
    np.testing.assert_array_equal(run(log_kernel, [np.nan, 1.0], dtype), [np.nan, 0])
    np.testing.assert_array_equal(run(log1p_kernel, [np.nan, 0.0], dtype), [np.nan, 0])


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 88.72283), (np.float64, 709.782712)])
def test_exp_overflows_and_underflows_where_the_dtype_ends(dtype, largest):
    assert np.isfinite(run(exp_kernel, [largest], dtype)).all()
    assert run(exp_kernel, [largest + 0.01, 1e4], dtype).tolist() == [np.inf, np.inf]
    smallest = np.finfo(dtype).smallest_normal
    below = run(exp_kernel, [np.log(smallest) - 0.01, -1e4], dtype)
    assert below.tolist() == [0, 0]
    assert run(exp_kernel, [np.log(smallest) + 0.5], dtype)[0] > smallest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_and_sigmoid_are_symmetric_and_stay_in_range(dtype):
    x = np.random.default_rng(0).normal(size=5000).astype(dtype) * 8
    assert np.array_equal(run(tanh_kernel, -x), -run(tanh_kernel, x))
    assert np.abs(run(tanh_kernel, x)).max() <= 1
    probabilities = run(sigmoid_module.forward_kernel, x)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    assert np.signbit(run(tanh_kernel, [-0.0], dtype)).all()
