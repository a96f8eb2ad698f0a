"""The Hessian: against what is known by hand, and against differences of the gradient, coordinate by coordinate."""

import copy
import math

import numpy as np
import pytest

import backpass as bp
from backpass.audit.second_order import Curvature, curvature
from tests.networks import ARCHITECTURES, problem

STEP = 1e-5


def of_differences(network: bp.Network, X, y) -> tuple[np.ndarray, np.ndarray]:
    """Hessian (P, P), and which of its rows no kink of an activation spoils."""
    network = copy.deepcopy(network)
    P = network.parameters.size
    hessian, smooth = np.empty((P, P)), np.ones(P, bool)
    for index in range(P):
        gradients, sides = [], []
        start = network.parameters[index]
        for sign in (1, -1):
            network.parameters[index] = start + sign * STEP
            gradients.append(network.gradient(X, y)[1])
            network.forward(X)
            sides.append([layer.inputs > 0 for layer in network.layers])
        network.parameters[index] = start
        hessian[index] = (gradients[0] - gradients[1]) / (2 * STEP)
        smooth[index] = all(np.array_equal(*pair) for pair in zip(*sides, strict=True))
    return hessian, smooth


def assert_hessian(network: bp.Network, X, y) -> None:
    found = curvature(network, X, y, k=1).hessian()
    expected, smooth = of_differences(network, X, y)
    assert smooth.mean() > 0.5
    largest = np.abs(np.linalg.eigvalsh(found)).max()
    assert largest > 0
    assert np.abs(found - expected)[smooth].max() < 1e-6 * largest


def linear(D: int, M: int, loss: bp.Loss, **options) -> bp.Network:
    return bp.Network([bp.Dense(D, M, dtype="float64", **options)], loss, random_state=0)


def ones_beside(X: np.ndarray) -> np.ndarray:
    return np.c_[X, np.ones(len(X))]


def test_hessian_of_linear_regression_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(11, 3)), rng.normal(size=(11, 1))
    network = linear(3, 1, bp.MeanSquaredError(), weights_l2=0.3, weights_l1=0.2, biases_l2=0.7)
    by_hand = 2 / 11 * ones_beside(X).T @ ones_beside(X) + np.diag([0.6, 0.6, 0.6, 1.4])
    np.testing.assert_allclose(curvature(network, X, y, k=4).hessian(), by_hand, rtol=1e-13, atol=1e-14)


def test_hessian_of_logistic_regression_is_the_textbooks():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(9, 4)), rng.integers(0, 2, 9)
    network = linear(4, 1, bp.SigmoidCrossentropy())
    p = network.predict_proba(X)
    by_hand = ones_beside(X).T @ (p * (1 - p) * ones_beside(X)) / 9
    np.testing.assert_allclose(curvature(network, X, y, k=2).hessian(), by_hand, rtol=1e-12, atol=1e-15)


def test_hessian_of_softmax_regression_is_the_textbooks():
    rng = np.random.default_rng(2)
    X, y, C = rng.normal(size=(9, 2)), rng.integers(0, 3, 9), 3
    network = linear(2, C, bp.SoftmaxCrossentropy())
    by_hand = np.zeros((9, 9))
    for x, p in zip(ones_beside(X), network.predict_proba(X), strict=True):
        by_hand += np.kron(np.outer(x, x), np.diag(p) - np.outer(p, p)) / 9
    np.testing.assert_allclose(curvature(network, X, y, k=2).hessian(), by_hand, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_hessian_matches_differences_of_the_gradient(name):
    assert_hessian(*problem(name, samples=13))


@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        ([bp.Linear()], bp.Huber(0.5), "numbers"),
        ([], bp.LogCosh(), "numbers"),
        ([], bp.MeanAbsoluteError(), "numbers"),
        ([], bp.Pinball(0.3), "numbers"),
        ([bp.Exponential()], bp.Poisson(), "counts"),
        ([bp.Softplus()], bp.Poisson(), "counts"),
        ([bp.Exponential()], bp.Gamma(), "amounts"),
        ([bp.Softplus()], bp.Gamma(), "amounts"),
        ([], bp.ExponentialGamma(), "amounts"),
        ([], bp.Hinge(class_weight=[1.0, 3.0]), "yes or no"),
        ([], bp.SigmoidCrossentropy(class_weight=[1.0, 3.0], label_smoothing=0.1), "yes or no"),
        ([bp.Sigmoid()], bp.MeanSquaredError(), "yes or no"),
        ([], bp.SoftmaxCrossentropy(class_weight=[1.0, 2.0], label_smoothing=0.1), "labels"),
    ],
    ids=repr,
)
def test_hessian_matches_differences_of_the_gradient_under_every_loss(last, loss, y):
    rng = np.random.default_rng(3)
    targets = {"numbers": rng.normal(size=(7, 2)), "counts": rng.poisson(1.5, (7, 2))}
    targets |= {"yes or no": rng.integers(0, 2, (7, 2)), "labels": rng.integers(0, 2, 7)}
    targets |= {"amounts": rng.gamma(1.5, 2.0, (7, 2))}
    layers = [bp.Dense(3, 5, dtype="float64"), bp.Tanh(), bp.Dense(5, 2, dtype="float64"), *last]
    assert_hessian(bp.Network(layers, loss, random_state=0), rng.normal(size=(7, 3)), targets[y])


def test_hessian_matches_differences_of_the_gradient_through_layers_that_are_special():
    rng = np.random.default_rng(4)
    layers = [
        *(bp.Embedding(3, {1: 4}, 2, dtype="float64"), bp.Dense(4, 6, dtype="float64")),
        *(bp.LayerNorm(6, dtype="float64"), bp.SiLU(), bp.Dropout(0.4)),
        *(bp.Dense(6, 5, dtype="float64"), bp.BatchNorm(5, dtype="float64"), bp.Tanh()),
        *(bp.Dense(5, 3, dtype="float64"), bp.Softmax()),
    ]  # fmt: skip
    X = np.c_[rng.normal(size=17), rng.integers(0, 4, 17), rng.normal(size=17)]
    assert_hessian(bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0), X, rng.integers(0, 3, 17))


@pytest.mark.parametrize(("width", "activation"), [(20, bp.Tanh), (200, bp.Tanh), (60, bp.ReLU)])
def test_eigenvalues_equal_those_of_the_dense_hessian(width, activation):
    X, y = bp.datasets.spiral(samples=20, classes=3, random_state=0, dtype="float64")
    layers = [bp.Dense(2, width, dtype="float64"), activation(), bp.Dense(width, 3, dtype="float64"), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    network.fit(X, y, optimizer=bp.Adam(0.02), epochs=100)
    assert 100 < network.parameters.size <= 2000
    found = curvature(network, X, y, k=6)
    values = np.linalg.eigvalsh(found.hessian())
    order = np.argsort(-np.abs(values))[:6]
    scale = np.abs(values).max()
    assert np.abs(found.eigenvalues - values[order]).max() < 1e-6 * scale
    np.testing.assert_allclose(np.linalg.norm(found.eigenvectors, axis=0), 1)
    for value, vector in zip(found.eigenvalues, found.eigenvectors.T, strict=True):
        assert np.abs(found.hessian_vector_product(vector) - value * vector).max() < 1e-6 * scale
    assert found.sharpness == pytest.approx(values.max(), rel=1e-6)
    again = curvature(network, X, y, k=6)
    np.testing.assert_array_equal(again.eigenvalues, found.eigenvalues)


def test_gradient_descent_converges_below_the_stable_learning_rate_and_not_above():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    limit = curvature(linear(3, 1, bp.MeanSquaredError()), X, y).stable_learning_rate
    for factor, falls in ((0.98, True), (1.02, False)):
        network = linear(3, 1, bp.MeanSquaredError())
        loss = network.fit(X, y, optimizer=bp.SGD(limit * factor), epochs=400).loss
        assert (loss[-1] < loss[0]) == falls


class Arctan:
    """A layer of somebody's own."""

    def forward(self, inputs):
        self.inputs = inputs
        return np.arctan(inputs)

    def backward(self, dvalues):
        return dvalues / (1 + self.inputs**2)


class NegativeSquares:
    """A loss of somebody's own that curves downwards only."""

    def forward(self, y_pred, y_true):
        return -((y_pred - y_true) ** 2).mean(axis=1)

    def backward(self, dvalues, y_true):
        return -2 * (dvalues - y_true) / dvalues.size


def test_a_network_with_a_layer_of_ones_own_is_differentiated_too():
    rng = np.random.default_rng(6)
    layers = [bp.Dense(3, 5, dtype="float64", weights_l2=0.2), Arctan(), bp.Dense(5, 2, dtype="float64")]
    network = bp.Network(layers, bp.MeanSquaredError(), random_state=0)
    assert not network.compiled
    assert_hessian(network, rng.normal(size=(9, 3)), rng.normal(size=(9, 2)))


@pytest.mark.parametrize("D", [3, 120])  # dense, and by Lanczos's method
def test_a_loss_that_curves_downwards_everywhere_has_no_least_stable_rate(D):
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(500, D)), rng.normal(size=(500, 1))
    found = curvature(linear(D, 1, NegativeSquares()), X, y, k=2)
    values = -np.linalg.eigvalsh(2 / 500 * ones_beside(X).T @ ones_beside(X))
    np.testing.assert_allclose(found.eigenvalues, np.sort(values)[:2], rtol=1e-6)
    assert found.sharpness == pytest.approx(values.max(), rel=1e-5)
    assert found.stable_learning_rate == math.inf


def test_the_hessian_is_finite_where_a_probability_rounds_to_0():
    rng = np.random.default_rng(9)
    for layers, loss in (([bp.Softmax()], bp.CategoricalCrossentropy()), ([bp.Sigmoid()], bp.BinaryCrossentropy())):
        network = bp.Network([bp.Dense(3, 2, dtype="float64"), *layers], loss, random_state=0)
        network.parameters *= 5000
        y = np.eye(2)[rng.integers(0, 2, 9)]
        assert np.isfinite(curvature(network, rng.normal(size=(9, 3)), y).eigenvalues).all()


def test_a_loss_without_curvature_has_eigenvalues_of_0():
    rng = np.random.default_rng(8)
    found = curvature(linear(150, 1, bp.MeanAbsoluteError()), rng.normal(size=(9, 150)), rng.normal(size=9), k=3)
    np.testing.assert_array_equal(found.eigenvalues, [0, 0, 0])
    assert found.stable_learning_rate == math.inf


def test_a_network_in_float32_curves_as_its_twin_in_float64():
    single, X, y = problem("softmax", samples=13, dtype=np.float32)
    double, _, _ = problem("softmax", samples=13)
    double.parameters = single.parameters.astype(np.float64)
    found = curvature(single, X, y).hessian()
    np.testing.assert_array_equal(found, curvature(double, X.astype(np.float64), y).hessian())
    assert np.linalg.norm(found) > 0


def test_the_network_is_left_as_it_was():
    network, X, y = problem("deep", samples=8)
    network.forward(X)
    network.backward(y)
    before = [array.copy() for array in (network.parameters, network.gradients, network.layers[0].output)]
    found = curvature(network, X, y, k=2)
    for array, now in zip(before, (network.parameters, network.gradients, network.layers[0].output), strict=True):
        np.testing.assert_array_equal(now, array)
    direction = np.random.default_rng(0).normal(size=network.parameters.size)
    product = found.hessian_vector_product(direction)
    np.testing.assert_allclose(product, found.hessian() @ direction, rtol=1e-9, atol=1e-12)
    at_once = found.hessian_vector_product(found.eigenvectors[:, 0])
    network.parameters[:] = 0  # it is the curvature of the parameters as they were
    np.testing.assert_array_equal(found.hessian_vector_product(found.eigenvectors[:, 0]), at_once)


def test_what_does_not_fit_is_refused():
    network, X, y = problem("width 1", samples=5)
    P = network.parameters.size
    with pytest.raises(TypeError, match=r"k is 2\.0"):
        curvature(network, X, y, k=2.0)
    with pytest.raises(ValueError, match="X has 5 rows and y has 4"):
        curvature(network, X, y[:4])
    found = curvature(network, X, y, k=P + 7)
    assert isinstance(found, Curvature)
    assert found.eigenvectors.shape == (P, P)
    with pytest.raises(ValueError, match=rf"direction has shape \(3,\); pass \({P},\)"):
        found.hessian_vector_product([1, 2, 3])
    with pytest.raises(ValueError, match="direction holds nan"):
        found.hessian_vector_product([np.nan] * P)
