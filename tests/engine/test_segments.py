"""Segments: what is done to several short rows at once is what would be done to each."""

import numpy as np
import pytest

from backpass.engine.kernels import flat, kernel, scratch
from backpass.engine.kernels.calls import SCRATCH
from backpass.engine.kernels.segments import SEGMENT, add_segment, begin_sums, end_sums, repeated, segment

SHAPES = [(1, 1), (5, 1), (7, 2), (300, 3), (300, 4), (129, 7), (9, 63), (9, 64), (5, 65), (3, 127), (2, 200)]


@kernel
def add_row_kernel(inputs, biases, output):
    numbers, result, length = flat(inputs), flat(output), segment(inputs.shape[1])
    bias = repeated(flat(biases), scratch(biases))
    for begin in range(0, numbers.size, length):
        part, summed = numbers[begin : begin + length], result[begin : begin + length]
        for i in range(part.size):
            summed[i] = part[i] + bias[i]


@kernel
def column_sums_kernel(inputs, sums):
    numbers, length = flat(inputs), segment(inputs.shape[1])
    of_segment = begin_sums(flat(sums), scratch(sums))
    for begin in range(0, numbers.size, length):
        add_segment(numbers[begin : begin + length], of_segment)
    end_sums(of_segment, flat(sums))


@pytest.mark.parametrize("columns", [columns for _, columns in SHAPES])
def test_a_segment_is_made_of_whole_rows_and_fits_into_the_scratch(columns):
    assert segment(columns) % columns == 0
    assert segment(columns) >= SEGMENT
    assert segment(columns) == columns or segment(columns) < 2 * SEGMENT <= SCRATCH


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_is_repeated_for_each_row(shape, dtype):
    rng = np.random.RandomState(0)
    inputs, biases = rng.standard_normal(shape).astype(dtype), rng.standard_normal((1, shape[1])).astype(dtype)
    output = np.zeros_like(inputs)
    add_row_kernel(inputs, biases, output)
    np.testing.assert_array_equal(output, inputs + biases)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_column_sums_are_added_to_what_is_there(shape, dtype):
    rng = np.random.RandomState(0)
    inputs, sums = rng.standard_normal(shape).astype(dtype), rng.standard_normal((1, shape[1])).astype(dtype)
    expected = sums + inputs.sum(axis=0, dtype=np.float64)
    column_sums_kernel(inputs, sums)
    tolerance = shape[0] * np.finfo(dtype).eps
    np.testing.assert_allclose(sums, expected, rtol=0, atol=tolerance * np.abs(inputs).sum(axis=0).max())
