"""Where activations are not smooth, not small, or are given their output instead of computing it."""

import mpmath
import numpy as np
import pandas as pd
import pytest

import backpass as bp

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ACTIVATIONS = [bp.ReLU, bp.Sigmoid, bp.Tanh, bp.Linear, bp.Softmax]


@DTYPES
def test_derivative_of_relu_at_exactly_zero_is_zero(dtype):
    relu = bp.ReLU()
    assert relu.forward(np.array([[0.0, -0.0, 1e-30, -1e-30]], dtype)).tolist() == [[0, 0, dtype(1e-30), 0]]
    assert relu.backward(np.full((1, 4), 5, dtype)).tolist() == [[0, 0, 5, 0]]


@DTYPES
def test_softmax_of_big_logits_is_a_distribution_right_to_1e_6(dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, 1e4 - 1, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    output = bp.Softmax().forward(logits)
    with mpmath.workprec(200):
        for row, got in zip(logits, output, strict=True):
            powers = [mpmath.exp(mpmath.mpf(float(x)) - 10000) for x in row]
            expected = [float(power / sum(powers)) for power in powers]
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-37)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("part", [bp.Sigmoid, bp.Tanh])
def test_squashing_functions_saturate_without_nan(part, dtype):
    layer = part()
    output = layer.forward(np.array([[1e4, -1e4, np.inf, -np.inf]], dtype))
    low = 0 if part is bp.Sigmoid else -1
    assert output.tolist() == [[1, low, 1, low]]
    assert layer.backward(np.ones((1, 4), dtype)).tolist() == [[0, 0, 0, 0]]


def test_softmax_backward_is_right_for_any_incoming_gradient_of_an_assigned_output():
    """As in cell 35 of the notebook: output assigned, forward never called."""
    softmax = bp.Softmax()
    softmax.output = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    dvalues = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]])
    jacobians = [np.diag(p) - np.outer(p, p) for p in softmax.output]
    expected = [jacobian @ dvalue for jacobian, dvalue in zip(jacobians, dvalues, strict=True)]
    np.testing.assert_allclose(softmax.backward(dvalues), expected, rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 2, 50_000])  # fewer than forward saw, and so many that a stray write would crash
@pytest.mark.parametrize("part", [bp.Sigmoid, bp.Tanh, bp.Softmax])
def test_output_assigned_after_a_forward_of_another_shape_and_dtype_is_what_counts(part, rows):
    used, fresh = part(), part()
    used.forward(np.ones((7, 2), np.float32))
    used.output = fresh.output = np.full((rows, 3), 1 / 3)
    dvalues = np.tile([1.0, 2.0, 4.0], (rows, 1))
    dinputs = used.backward(dvalues)
    assert dinputs.shape == (rows, 3)
    assert dinputs.dtype == np.float64
    assert np.array_equal(dinputs, fresh.backward(dvalues))


@pytest.mark.parametrize(
    "output",
    [[[0.25, 0.75]], pd.DataFrame([[0.25, 0.75]]), np.array([[0.25, 0.75]], ">f8"), np.array([[0.75, 0.25]])[:, ::-1]],
    ids=["list", "pandas", "big-endian", "not contiguous"],
)
def test_softmax_output_may_be_assigned_in_any_form(output):
    softmax = bp.Softmax()
    softmax.output = output
    assert softmax.backward([[1.0, 0.0]]).tolist() == [[0.1875, -0.1875]]


def test_output_that_does_not_belong_to_the_stored_inputs_is_refused():
    for layer in (bp.ReLU(), bp.Dense(3, 3)):
        layer.forward(np.ones((4, 3), np.float32))
        layer.output = np.ones((9, 3), np.float32)
        with pytest.raises(ValueError, match=r"inputs has shape \(4, 3\) and .output \(9, 3\)"):
            layer.backward(np.ones((9, 3), np.float32))


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_parts_without_parameters_compute_in_the_dtype_of_their_input(part):
    for given, computed in [("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("i4", "f8"), ("?", "f8"), (">f4", "f4")]:
        layer = part()
        assert layer.forward(np.ones((2, 3), given)).dtype == computed
        assert layer.backward(np.ones((2, 3))).dtype == computed


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_backward_before_forward_is_refused(part):
    with pytest.raises(ValueError, match=f"{part.__name__}.backward needs .* call forward first"):
        part().backward(np.ones((2, 3)))


@pytest.mark.parametrize("part", ACTIVATIONS)
def test_dvalues_of_another_shape_are_refused_naming_both(part):
    layer = part()
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dvalues has shape \(3, 2\); the output has shape \(2, 3\)"):
        layer.backward(np.ones((3, 2)))
