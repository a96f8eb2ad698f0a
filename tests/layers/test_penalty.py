"""L1 and L2 penalties: their gradient, the kernel, and what they do to a network's weights."""

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.layers.penalty import add_penalty_kernel, penalty, penalty_gradient
from tests.gradients import assert_close, assert_gradient, central_differences
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE

FACTORS = {"weights_l1": 0.03, "weights_l2": 0.02, "biases_l1": 0.01, "biases_l2": 0.05}


def network(**factors):
    layers = [bp.Dense(4, 6, dtype="float64", **factors), bp.Tanh(), bp.Dense(6, 3, dtype="float64", **factors)]
    net = bp.Network([*layers, bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    for layer in net.layers[::2]:
        layer.biases = np.random.default_rng(1).normal(size=layer.biases.shape)
    return net


def data(rows=30):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0), (0, 0.2), (0.3, 0.2)])
def test_gradient_matches_complex_step_and_central_differences(l1, l2):
    parameters = np.random.default_rng(0).normal(size=(4, 5))
    kinked = assert_gradient(
        lambda at: penalty(at, l1, l2), parameters, penalty_gradient(parameters, l1, l2), side=lambda at: at > 0
    )
    assert kinked == 0


def test_at_0_nothing_pulls():
    gradients = np.zeros(3)
    add_penalty_kernel(np.array([0.0, -0.0, 2.0]), gradients, np.array([0.5, 0.25]))
    assert gradients.tolist() == [0, 0, 1.5]
    assert penalty_gradient(np.array([0.0, -0.0, 2.0]), 0.5, 0.25).tolist() == [0, 0, 1.5]


@settings(max_examples=300)
@given(P=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernel_adds_the_formula(P, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    parameters, gradients = rng.normal(size=P).astype(dtype), rng.normal(size=P).astype(dtype)
    parameters[rng.random(P) < 0.2] = 0
    l1, l2 = rng.random(2)
    added = penalty_gradient(parameters.astype(np.float64), l1, l2)
    expected, terms = gradients + added, np.abs(gradients) + np.abs(added)
    add_penalty_kernel(parameters, gradients, np.array([l1, l2]))
    assert_close(gradients, expected, tolerance, terms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_passes_the_kernel(dtype):
    gradients = np.zeros(2, dtype)
    add_penalty_kernel(np.array([np.nan, 1], dtype), gradients, np.array([0.0, 1.0]))
    assert np.isnan(gradients).tolist() == [True, False]


def test_gradient_of_a_network_is_that_of_loss_and_penalty():
    net, (X, y) = network(**FACTORS), data()
    loss, gradient = net.gradient(X, y)
    plain, plain_gradient = network().gradient(X, y)
    layers = net.layers[::2]
    added = sum(
        0.03 * np.abs(d.weights).sum() + 0.02 * (d.weights**2).sum() + 0.01 * np.abs(d.biases).sum()
        + 0.05 * (d.biases**2).sum()
        for d in layers
    )  # fmt: skip
    assert loss == pytest.approx(plain + added, rel=1e-13)
    assert net.penalty() == pytest.approx(added, rel=1e-13)
    assert not np.allclose(gradient, plain_gradient)

    def whole(parameters):
        net.parameters = parameters
        return net.evaluate(X, y)["loss"] + net.penalty()

    kept = net.parameters.copy()
    numeric, kinked = central_differences(whole, kept, lambda at: at > 0)
    net.parameters = kept
    assert not kinked.any()
    assert_close(gradient, numeric, 1e-6)
    net.forward(X)
    net.backward(y)
    assert_close(net.gradients, gradient, 1e-12, np.abs(gradient).max())
    assert np.array_equal(net.layers[0].dweights.ravel(), net.gradients[:24])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_of_the_engine_is_that_of_the_gradient_and_the_history_holds_the_loss_alone(threads):
    net, (X, y) = network(**FACTORS), data(300)
    loss = net.evaluate(X, y)["loss"]
    expected = net.parameters - 0.1 * net.gradient(X, y)[1]
    history = net.fit(X, y, optimizer=bp.SGD(0.1), epochs=1, threads=threads)
    assert_close(net.parameters, expected, 1e-13, np.abs(expected).max())
    assert history.loss[0] == pytest.approx(loss, rel=1e-13)


def test_penalties_make_trained_weights_smaller_and_l1_takes_them_to_0():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10))
    X -= X.mean(axis=0)
    y = X[:, :2] @ [[1.0], [-2.0]] + 0.1 * rng.normal(size=(200, 1))
    y -= y.mean()
    weights = {}
    for name, factors in {"none": {}, "l1": {"weights_l1": 0.1}, "l2": {"weights_l2": 0.1}}.items():
        dense = bp.Dense(10, 1, dtype="float64", **factors)
        net = bp.Network([dense], bp.MeanSquaredError(), random_state=0)
        net.fit(X, y, optimizer=bp.SGD(0.01), epochs=3000)
        weights[name] = np.abs(dense.weights[:, 0])
    assert max(weights["l1"].sum(), weights["l2"].sum()) < weights["none"].sum()
    assert weights["l1"][2:].max() < 2e-3 < 3e-3 < weights["none"][2:].max()  # a step jumps over 0 by this much
    exact = np.linalg.solve(X.T @ X / 100 + 2 * 0.1 * np.eye(10), X.T @ y / 100)[:, 0]  # the ridge regression
    np.testing.assert_allclose(weights["l2"], np.abs(exact), rtol=1e-9)


def test_config_repeats_the_factors_and_a_saved_network_has_them(tmp_path):
    net = network(weights_l1=0.25, biases_l2=0.5)
    config = net.layers[0].config()
    assert {name: value for name, value in config.items() if "_l" in name} == {"weights_l1": 0.25, "biases_l2": 0.5}
    net.save(tmp_path / "model")
    assert bp.Network.load(tmp_path / "model").penalty() == net.penalty() > 0


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), (np.inf, ValueError), ("a", TypeError)])
def test_a_factor_that_is_no_number_at_least_0_is_refused_in_one_line(name, value, error):
    with pytest.raises(error, match=rf"^{name} is [^\n]*$"):
        bp.Dense(2, 3, **{name: value})
