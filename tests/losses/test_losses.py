"""Every loss: its formula against numeric derivatives, its kernels against the formula."""

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from tests.gradients import assert_close, assert_gradient
from tests.parts import (
    ALL_LOSSES,
    DTYPES,
    SEEDS,
    SIZES,
    TOLERANCE,
    kinds_of_targets,
    loss_formula,
    made_loss,
    predictions,
    rows_for,
)

each_loss = pytest.mark.parametrize("part", ALL_LOSSES, ids=lambda part: part.__name__)


def absolute_terms(part, y_pred, y_true, losses, dinputs):
    """Sums of the absolute terms of losses and gradients; of a loss that is not named, what they add up to."""
    N, M = y_pred.shape
    if part is bp.MeanSquaredError:
        size = np.abs(y_pred) + np.abs(y_true)
        return np.mean(size**2, axis=1), 2 * size / M / N
    if part is bp.BinaryCrossentropy:  # 1 - y_pred is a rounded difference
        return np.abs(losses) + 1, ((1 + y_true) * (1 + y_pred) / (1 - y_pred) ** 2 + y_true / y_pred) / M / N
    if part is bp.Poisson:
        return np.mean(y_pred + np.abs(y_true * np.log(y_pred)), axis=1), (1 + y_true / y_pred) / M / N
    if part is bp.Gamma:
        ratio = y_true / y_pred
        return np.mean(ratio + np.abs(np.log(y_pred)), axis=1), (1 + ratio) / y_pred / M / N
    return np.abs(losses), np.abs(dinputs)


@each_loss
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(part, seed):
    rng, N, C = np.random.default_rng(seed), 3, 5
    y_pred = predictions(part, rng, N, C)
    if part.classifies:  # central differences of 1e-5 need probabilities well above that
        y_pred = 0.25 + 0.5 * y_pred
    loss = made_loss(part, rng, C)
    for kind, y_true in kinds_of_targets(loss, rng, N, C):
        rows = rows_for(loss, y_true, C)
        claimed = loss_formula(loss, "backward", y_pred, rows)
        assert_gradient(
            lambda at, rows=rows: np.mean(loss_formula(loss, "forward", at, rows)), y_pred, claimed, what=kind
        )


@each_loss
@settings(max_examples=300)
@given(N=SIZES, C=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(part, N, C, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    y_pred = predictions(part, rng, N, C).astype(dtype)
    y_pred = np.minimum(y_pred, 1 - 2.0**-10).astype(dtype) if part is bp.BinaryCrossentropy else y_pred
    exact = y_pred.astype(np.float64)
    loss = made_loss(part, rng, C)
    for kind, y_true in kinds_of_targets(loss, rng, N, C):
        rows = rows_for(loss, y_true, C, dtype)
        losses, dinputs = loss.forward(y_pred, y_true), loss.backward(y_pred, y_true)
        expected = loss_formula(loss, "forward", exact, rows), loss_formula(loss, "backward", exact, rows)
        terms = absolute_terms(part, exact, rows, *expected)
        assert losses.dtype == np.float64
        assert dinputs.dtype == dtype
        assert_close(losses, expected[0], tolerance, terms[0], f"loss of {kind}")
        assert_close(dinputs, expected[1], tolerance, terms[1], f"gradient of {kind}")
        assert dinputs is loss.dinputs
        assert loss.calculate(y_pred, y_true) == np.mean(losses)


@each_loss
def test_backward_needs_no_forward_and_changes_neither_argument(part):
    rng = np.random.default_rng(0)
    y_pred = predictions(part, rng, 4, 3)
    for _, y_true in kinds_of_targets(part, rng, 4, 3):
        kept, kept_true = y_pred.copy(), y_true.copy()
        first = part().backward(y_pred, y_true)
        other = part()
        other.forward(predictions(part, rng, 2, 3), next(kinds_of_targets(part, rng, 2, 3))[1])
        assert np.array_equal(other.backward(y_pred, y_true), first)
        assert np.array_equal(y_pred, kept)
        assert np.array_equal(y_true, kept_true)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labels_and_one_hot_rows_give_the_same_bits(dtype):
    rng = np.random.default_rng(1)
    y_pred, labels = predictions(bp.CategoricalCrossentropy, rng, 50, 7).astype(dtype), rng.integers(0, 7, 50)
    loss = bp.CategoricalCrossentropy()
    assert np.array_equal(loss.forward(y_pred, labels), loss.forward(y_pred, np.eye(7)[labels]))
    np.testing.assert_array_max_ulp(loss.backward(y_pred, labels), loss.backward(y_pred, np.eye(7)[labels]), 1)


def test_a_class_that_is_not_meant_costs_nothing_and_an_impossible_one_infinitely_much():
    loss = bp.CategoricalCrossentropy()
    assert loss.forward([[1.0, 0.0]], [0]).tolist() == [0]
    assert loss.forward([[1.0, 0.0]], [[1, 0]]).tolist() == [0]
    assert loss.backward([[1.0, 0.0]], [[1, 0]]).tolist() == [[-1, 0]]
    assert loss.forward([[1.0, 0.0]], [1]).tolist() == [np.inf]
    assert loss.backward([[1.0, 0.0]], [1]).tolist() == [[0, -np.inf]]


def test_binary_targets_at_the_ends_meet_probabilities_at_the_ends():
    loss = bp.BinaryCrossentropy()
    assert loss.forward([[1.0, 0.0]], [[1, 0]]).tolist() == [0]
    assert loss.backward([[1.0, 0.0]], [[1, 0]]).tolist() == [[-0.5, 0.5]]
    assert loss.forward([[1.0, 0.0]], [[0, 0]]).tolist() == [np.inf]


def test_one_output_takes_a_plain_list_of_targets():
    for part, y_pred in [(bp.MeanSquaredError, [[1.0], [3.0]]), (bp.BinaryCrossentropy, [[0.5], [0.25]])]:
        assert np.array_equal(part().forward(y_pred, [1, 0]), part().forward(y_pred, [[1], [0]]))
        assert np.array_equal(part().backward(y_pred, [1, 0]), part().backward(y_pred, [[1], [0]]))
