"""What the notebook shows, held by the library: its numbers to the printed digits, and what it gets wrong.

A number printed in the notebook is written here as it was printed. The notebook computes in float32.
"""

import math

import numpy as np
import pytest

from backpass import CategoricalCrossentropy, Dense, ReLU, Softmax, SoftmaxCrossentropy, datasets
from backpass.bench.notebook import PlainSoftmaxCrossentropy

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
TINY = {"float32": 1e-6, "float64": 1e-12}  # of the largest entry

# Cells 2 and 3. One column of weights a neuron: (D, M) = (4, 3).
WEIGHTS = np.array([[0.2, 0.8, -0.5, 1], [0.5, -0.91, 0.26, -0.5], [-0.26, -0.27, 0.17, 0.87]]).T
BIASES = np.array([[2, 3, 0.5]])
INPUTS = np.array([[1, 2, 3, 2.5], [2.0, 5.0, -1.0, 2.0], [-1.5, 2.7, 3.3, -0.8]])
DVALUES = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
SINGLE_DINPUTS = np.array([[0.44, -0.38, -0.07, 1.37]])

# Cell 35.
PROBABILITIES = np.array([[0.7, 0.1, 0.2], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]])
LABELS = np.array([0, 1, 1])


def assert_close(found, expected, of_largest):
    assert found.shape == np.shape(expected)
    assert np.max(np.abs(found - expected)) <= of_largest * np.max(np.abs(expected))


def notebook_dense(dtype):
    dense = Dense(4, 3, dtype=dtype)
    dense.weights, dense.biases = WEIGHTS, BIASES
    return dense


def random_case(N=7, C=5, seed=0):
    """Logits, labels, and soft targets whose rows add up to 1; N and C differ."""
    generator = np.random.RandomState(seed)
    soft = generator.uniform(size=(N, C))
    return 3 * generator.standard_normal((N, C)), generator.randint(0, C, N), soft / soft.sum(axis=1, keepdims=True)


def complex_step_gradient(mean_loss, inputs):
    """d mean_loss / d inputs, exact to the last digits: no difference of nearby numbers is taken."""
    gradient = np.empty_like(inputs)
    for place in np.ndindex(inputs.shape):
        moved = inputs.astype(complex)
        moved[place] += 1e-30j
        gradient[place] = mean_loss(moved).imag / 1e-30
    return gradient


def mathematical_loss(y_true):
    """Mean cross-entropy of softmax, as on paper, of complex logits too."""
    return lambda logits: (
        -np.mean(np.sum(y_true * (logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))), axis=1))
    )


# ------------------------------------------------------------------------------------------------- cells 2 and 3


@both_dtypes
def test_single_gradient_is_what_cell_2_prints(dtype):
    dense = notebook_dense(dtype)
    dense.forward(INPUTS[:1])
    assert_close(dense.backward([[1.0, 1.0, 1.0]]), SINGLE_DINPUTS, TINY[dtype])


@both_dtypes
def test_batch_gradients_are_what_cell_3_prints(dtype):
    dense = notebook_dense(dtype)
    dense.forward(INPUTS)
    dense.backward(DVALUES)
    assert_close(dense.dweights, [[0.5] * 3, [20.1] * 3, [10.9] * 3, [4.1] * 3], TINY[dtype])
    assert_close(dense.dbiases, [[6.0, 6.0, 6.0]], TINY[dtype])


@both_dtypes
def test_batch_dinputs_have_a_row_for_each_sample(dtype):
    dense = notebook_dense(dtype)
    dense.forward(INPUTS)
    assert_close(dense.backward(DVALUES), np.array([[1], [2], [3]]) * SINGLE_DINPUTS, TINY[dtype])


def test_dinputs_printed_by_cell_3_contract_neurons_with_samples():
    printed = np.array([[0.42] * 3, [-1.83] * 3, [0.53] * 3, [2.61] * 3])
    assert_close(WEIGHTS @ DVALUES, printed, 1e-12)  # (D, M) @ (N, M), which only N == M allows
    with pytest.raises(ValueError, match="matmul"):
        WEIGHTS @ DVALUES[:2]
    dense = notebook_dense("float64")
    dense.forward(INPUTS[:2])
    assert_close(dense.backward(DVALUES[:2]), np.array([[1], [2]]) * SINGLE_DINPUTS, 1e-12)


def test_dense_gradients_match_complex_step():
    generator = np.random.RandomState(1)
    N, D, M = 5, 4, 3
    inputs, weights, dvalues = (generator.standard_normal(shape) for shape in ((N, D), (D, M), (N, M)))
    dense = Dense(D, M, dtype="float64")
    dense.weights, dense.biases = weights, generator.standard_normal((1, M))
    dense.forward(inputs)
    dinputs = dense.backward(dvalues)
    assert_close(dinputs, complex_step_gradient(lambda x: np.sum(dvalues * (x @ weights)), inputs), 1e-12)
    assert_close(dense.dweights, complex_step_gradient(lambda w: np.sum(dvalues * (inputs @ w)), weights), 1e-12)
    assert_close(dense.dbiases, complex_step_gradient(lambda b: np.sum(dvalues * b), dense.biases), 1e-12)


# ------------------------------------------------------------------------------------------------------ the parts


def test_small_normal_weights_are_a_hundredth_of_normals_drawn_in_c_order():
    dense = Dense(2, 3, initializer="small_normal", random_state=np.random.RandomState(5), dtype="float64")
    drawn = np.random.RandomState(5).standard_normal(6)
    np.testing.assert_array_equal(dense.weights, [0.01 * drawn[:3], 0.01 * drawn[3:]])


def test_weights_are_drawn_at_construction_one_layer_after_the_other():
    generator = np.random.RandomState(5)
    layers = [Dense(2, 3, initializer="small_normal", random_state=generator, dtype="float64") for _ in range(2)]
    drawn = 0.01 * np.random.RandomState(5).standard_normal(12)
    np.testing.assert_array_equal(np.concatenate([layer.weights.ravel() for layer in layers]), drawn)


def test_both_dtypes_draw_the_same_weights():
    single, double = (Dense(4, 3, initializer="small_normal", random_state=0, dtype=t) for t in ("float32", "float64"))
    np.testing.assert_array_equal(single.weights, double.weights.astype("float32"))


def test_dense_starts_with_zero_biases_of_one_row_in_float32():
    dense = Dense(4, 3)
    np.testing.assert_array_equal(dense.biases, np.zeros((1, 3)))
    assert dense.weights.shape == (4, 3)
    assert dense.weights.dtype == dense.biases.dtype == np.float32


def test_assigning_weights_copies_in():
    dense, values = Dense(4, 3, dtype="float64"), WEIGHTS.copy()
    buffer = dense.weights
    dense.weights = values
    values[:] = 0
    assert dense.weights is buffer
    np.testing.assert_array_equal(dense.weights, WEIGHTS)


@both_dtypes
@pytest.mark.parametrize("part", [ReLU, Softmax])
def test_parts_without_parameters_compute_in_their_inputs_dtype(part, dtype):
    layer = part()
    assert layer.forward(INPUTS.astype(dtype)).dtype == dtype
    assert layer.backward(INPUTS.astype(dtype)).dtype == dtype


@both_dtypes
@pytest.mark.parametrize("make", [lambda dtype: Dense(4, 3, dtype=dtype), lambda _: ReLU(), lambda _: Softmax()])
def test_forward_returns_output_and_backward_returns_dinputs(make, dtype):
    layer = make(dtype)
    output = layer.forward(INPUTS[:2].astype(dtype))
    assert output is layer.output
    dinputs = layer.backward(np.ones_like(output))
    assert dinputs is layer.dinputs
    assert dinputs.shape == layer.inputs.shape == (2, 4)


@both_dtypes
def test_relu_blocks_what_is_zero_or_below(dtype):
    relu = ReLU()
    assert relu.forward(np.array([[-2, 0, 3]], dtype)).tolist() == [[0, 0, 3]]
    assert relu.backward(np.array([[5, 6, 7]], dtype)).tolist() == [[0, 0, 7]]


def test_relu_leaves_the_incoming_gradient_as_it_was():
    relu, dvalues = ReLU(), np.ones((1, 3))
    relu.forward(np.array([[-2.0, 0.0, 3.0]]))
    relu.backward(dvalues)
    np.testing.assert_array_equal(dvalues, np.ones((1, 3)))


@both_dtypes
def test_softmax_backward_is_the_jacobian_times_any_incoming_gradient(dtype):
    logits, _, _ = random_case()
    dvalues = np.random.RandomState(1).standard_normal(logits.shape)
    softmax = Softmax()
    output = softmax.forward(logits.astype(dtype))
    expected = np.stack([(np.diag(p) - np.outer(p, p)) @ d for p, d in zip(output, dvalues, strict=True)])
    assert_close(softmax.backward(dvalues.astype(dtype)), expected, TINY[dtype])


@both_dtypes
def test_softmax_output_may_be_assigned(dtype):
    softmax, loss = Softmax(), CategoricalCrossentropy()
    softmax.output = PROBABILITIES.astype(dtype)
    dinputs = softmax.backward(loss.backward(softmax.output, LABELS))
    assert_close(dinputs, (PROBABILITIES - np.eye(3)[LABELS]) / 3, TINY[dtype])


def test_softmax_backward_before_forward_says_so():
    with pytest.raises(ValueError, match="call forward first"):
        Softmax().backward(PROBABILITIES)


# ------------------------------------------------------------------------------------------------------- the loss


@both_dtypes
def test_calculate_is_the_mean_of_a_loss_for_each_sample(dtype):
    loss, y_pred = CategoricalCrossentropy(), PROBABILITIES.astype(dtype)
    sample_losses = loss.forward(y_pred, LABELS)
    assert_close(sample_losses, -np.log([0.7, 0.5, 0.9]), TINY[dtype])
    assert loss.calculate(y_pred, LABELS) == pytest.approx(-math.log(0.7 * 0.5 * 0.9) / 3, rel=TINY[dtype])


@both_dtypes
@pytest.mark.parametrize("make", [CategoricalCrossentropy, SoftmaxCrossentropy])
def test_labels_and_one_hot_rows_mean_the_same(make, dtype):
    logits, labels, _ = random_case()
    one_hot = np.eye(5, dtype=dtype)[labels]
    probabilities = Softmax().forward(logits.astype(dtype))
    given = logits.astype(dtype) if make is SoftmaxCrossentropy else probabilities
    loss = make()
    assert loss.calculate(given, labels) == pytest.approx(loss.calculate(given, one_hot), rel=TINY[dtype])
    assert_close(loss.backward(probabilities, labels), loss.backward(probabilities, one_hot), TINY[dtype])


@pytest.mark.parametrize("targets", ["labels", "soft"])
@pytest.mark.parametrize("seed", range(5))
def test_separate_and_combined_route_agree(seed, targets):
    logits, labels, soft = random_case(seed=seed)
    y_true = labels if targets == "labels" else soft
    softmax, loss, combined = Softmax(), CategoricalCrossentropy(), SoftmaxCrossentropy()
    probabilities = softmax.forward(logits)
    assert combined.forward(logits, y_true) == pytest.approx(loss.calculate(probabilities, y_true), rel=1e-12)
    np.testing.assert_array_equal(combined.output, probabilities)
    separate = softmax.backward(loss.backward(probabilities, y_true))
    assert_close(combined.backward(combined.output, y_true), separate, 1e-12)


def test_combined_backward_needs_only_its_arguments():
    dinputs = SoftmaxCrossentropy().backward(PROBABILITIES, LABELS)
    assert_close(dinputs, (PROBABILITIES - np.eye(3)[LABELS]) / 3, 1e-12)


def test_combined_forward_returns_the_mean_loss_and_sets_the_probabilities():
    combined = SoftmaxCrossentropy()
    assert combined.forward(np.log(PROBABILITIES), LABELS) == pytest.approx(-math.log(0.7 * 0.5 * 0.9) / 3, rel=1e-12)
    assert_close(combined.output, PROBABILITIES, 1e-12)


def test_soft_labels_give_the_mathematical_gradient():
    logits, _, soft = random_case()
    expected = complex_step_gradient(mathematical_loss(soft), logits)
    combined = SoftmaxCrossentropy()
    combined.forward(logits, soft)
    assert_close(combined.backward(combined.output, soft), expected, 1e-12)


def test_soft_labels_go_wrong_in_the_notebooks_combined_step():
    logits, labels, soft = random_case()
    plain, probabilities = PlainSoftmaxCrossentropy(), Softmax().forward(logits)
    plain.backward(probabilities, np.eye(5)[labels])
    assert_close(plain.dinputs, complex_step_gradient(mathematical_loss(np.eye(5)[labels]), logits), 1e-12)
    plain.backward(probabilities, soft)
    expected = complex_step_gradient(mathematical_loss(soft), logits)
    assert np.max(np.abs(plain.dinputs - expected)) > 0.5 * np.max(np.abs(expected))


# --------------------------------------------------------------------------------------------- nothing is clipped


@both_dtypes
def test_a_probability_of_zero_costs_infinity(dtype):
    loss, y_pred = CategoricalCrossentropy(), np.array([[0, 1]], dtype)
    assert loss.calculate(y_pred, [0]) == math.inf
    assert loss.calculate(y_pred, [1]) == 0


@both_dtypes
def test_a_small_probability_costs_its_logarithm(dtype):
    y_pred = np.array([[1e-20, 1]], dtype)
    assert CategoricalCrossentropy().calculate(y_pred, [0]) == pytest.approx(20 * math.log(10), rel=1e-6)


@both_dtypes
def test_combined_step_is_right_where_the_separate_route_breaks_down(dtype):
    logits = np.array([[0, 800, 1]], dtype)
    softmax, loss, combined = Softmax(), CategoricalCrossentropy(), SoftmaxCrossentropy()
    assert loss.calculate(softmax.forward(logits), [0]) == math.inf
    assert np.isnan(softmax.backward(loss.backward(softmax.output, [0]))).any()
    assert combined.forward(logits, [0]) == 800
    assert combined.backward(combined.output, [0]).tolist() == [[-1, 1, 0]]


# -------------------------------------------------------------------------------------- the whole pass, cell 33

PRINTED = {
    "dense1.dweights": [
        [3.2762854e-04, 2.5372763e-04, -3.7113682e-04],
        [-5.4703956e-05, -3.7952783e-04, 2.2306606e-04],
    ],
    "dense1.dbiases": [[-0.00032174, -0.00043721, 0.00053705]],
    "dense2.dweights": [
        [-9.95226146e-05, 3.27997783e-04, -2.28475197e-04],
        [1.01648984e-04, -2.43361646e-04, 1.41712662e-04],
        [2.35507177e-04, -3.19360319e-04, 8.38531341e-05],
    ],
    "dense2.dbiases": [[-7.707160e-06, 5.553011e-07, 6.938586e-06]],
}
PRINTED_PROBABILITIES = [
    [0.33333334, 0.33333334, 0.33333334],
    [0.3333335, 0.3333335, 0.33333305],
    [0.33333367, 0.33333358, 0.33333272],
    [0.33333355, 0.33333385, 0.33333263],
    [0.333333, 0.33333418, 0.33333278],
]


class WholePass:
    """Cell 33: spiral, dense1, dense2 drawn from one RandomState(39), in this order."""

    def __init__(self, dtype):
        generator = np.random.RandomState(39)
        X, self.y = datasets.spiral(100, 3, random_state=generator, dtype=dtype)
        dense1 = Dense(2, 3, initializer="small_normal", random_state=generator, dtype=dtype)
        dense2 = Dense(3, 3, initializer="small_normal", random_state=generator, dtype=dtype)
        relu, combined = ReLU(), SoftmaxCrossentropy()
        self.loss = combined.forward(dense2.forward(relu.forward(dense1.forward(X))), self.y)
        self.probabilities = combined.output
        self.accuracy = np.mean(self.probabilities.argmax(axis=1) == self.y)
        dense1.backward(relu.backward(dense2.backward(combined.backward(combined.output, self.y))))
        self.dlogits = combined.dinputs
        self.gradients = {
            "dense1.dweights": dense1.dweights,
            "dense1.dbiases": dense1.dbiases,
            "dense2.dweights": dense2.dweights,
            "dense2.dbiases": dense2.dbiases,
        }


@pytest.fixture(scope="module")
def whole_pass():
    return {dtype: WholePass(dtype) for dtype in ("float32", "float64")}


@both_dtypes
def test_whole_pass_has_the_printed_loss(whole_pass, dtype):
    assert whole_pass[dtype].loss == pytest.approx(1.0986123, abs=2e-7)


@both_dtypes
def test_whole_pass_has_the_printed_probabilities(whole_pass, dtype):
    np.testing.assert_allclose(whole_pass[dtype].probabilities[:5], PRINTED_PROBABILITIES, rtol=0, atol=5e-8)


@both_dtypes
@pytest.mark.parametrize("name", ["dense1.dweights", "dense1.dbiases", "dense2.dweights"])
def test_whole_pass_has_the_printed_gradient(whole_pass, name, dtype):
    gradient = whole_pass[dtype].gradients[name]
    assert gradient.dtype == dtype
    assert_close(gradient, PRINTED[name], 1e-5)


def test_whole_pass_has_the_printed_accuracy(whole_pass):
    assert whole_pass["float32"].accuracy == pytest.approx(0.32, abs=1e-9)


def test_one_sample_of_the_printed_accuracy_is_a_tie_of_float32(whole_pass):
    single, double = whole_pass["float32"], whole_pass["float64"]
    assert double.accuracy == pytest.approx(95 / 300, abs=1e-9)
    (row,) = np.flatnonzero(single.probabilities.argmax(axis=1) != double.probabilities.argmax(axis=1))
    assert single.probabilities[row, 0] == single.probabilities[row, 1]
    assert PRINTED_PROBABILITIES[row][0] == PRINTED_PROBABILITIES[row][1]


def test_dense2_dbiases_are_as_printed_to_1e_7_in_float32(whole_pass):
    gradient, printed = whole_pass["float32"].gradients["dense2.dbiases"], PRINTED["dense2.dbiases"]
    np.testing.assert_allclose(gradient, printed, rtol=0, atol=1e-7)


def test_dense2_dbiases_are_exact_in_float64_and_the_printed_sum_is_2e_7_off(whole_pass):
    """A row of dbiases adds up to 0; the printed ones miss it by the rounding of 300 float32 additions."""
    gradient, printed = whole_pass["float64"].gradients["dense2.dbiases"], np.array(PRINTED["dense2.dbiases"])
    exact = [[math.fsum(column) for column in whole_pass["float64"].dlogits.T]]
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=1e-15)
    assert abs(gradient.sum()) < 1e-15
    assert abs(printed.sum()) > 2e-7
    np.testing.assert_allclose(gradient, printed, rtol=0, atol=2e-7)
