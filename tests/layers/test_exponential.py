"""Exponential: right from numbers that vanish to those that overflow."""

import mpmath
import numpy as np
import pytest

import backpass as bp


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_are_right_to_1e_6_as_far_as_they_are_numbers(dtype):
    largest = {np.float32: 88.5, np.float64: 709.5}[dtype]
    inputs = np.array([[0.0, -0.0, 1.0, -1.0, largest, -largest + 2, 1e-9, 17.25]], dtype)
    exact = [float(mpmath.exp(float(x))) for x in inputs[0]]
    np.testing.assert_allclose(bp.Exponential().forward(inputs)[0], exact, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_overflows_is_infinite_what_underflows_is_0_and_nan_stays_nan(dtype):
    layer = bp.Exponential()
    output = layer.forward(np.array([[1e4, -1e4, np.inf, -np.inf, np.nan]], dtype))
    np.testing.assert_array_equal(output, [[np.inf, 0, np.inf, 0, np.nan]])
    np.testing.assert_array_equal(layer.backward(np.ones((1, 5), dtype)), output)
