"""BatchNorm: training and predicting, the running statistics, the formula against numeric derivatives and PyTorch."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.layers import batch_norm
from tests.gradients import assert_close, assert_gradient
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE

FIGURES = json.loads((Path(__file__).parent / "torch_figures.json").read_text())["batch norm"]
CLONES = [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))]


def made(M, dtype=np.float64, seed=0, **options):
    layer, rng = bp.BatchNorm(M, dtype=dtype, **options), np.random.default_rng(seed)
    layer.gamma, layer.beta = rng.normal(size=(1, M)), rng.normal(size=(1, M))
    layer.running_mean, layer.running_variance = rng.normal(size=(1, M)), 0.1 + rng.random((1, M))
    return layer


def absolute_terms(inputs, gamma, beta, dvalues, epsilon):
    """Sums of the absolute terms: of the output, dgamma, dbeta, dinputs."""
    deviation, size, N = batch_norm.normalised(inputs, epsilon)[1], np.abs(inputs), len(inputs)
    normal = (size + size.mean(axis=0)) / deviation
    spread = np.maximum(1, size.max(axis=0) / deviation)  # errors of the mean and the variance, once more
    dgamma = np.sum(np.abs(dvalues) * normal, axis=0, keepdims=True)
    dbeta = np.sum(np.abs(dvalues), axis=0, keepdims=True)
    dinputs = np.abs(gamma) / deviation * (np.abs(dvalues) + dbeta / N + normal * dgamma / N) * spread
    return normal * np.abs(gamma) + np.abs(beta), dgamma, dbeta, dinputs


def predicting(inputs, gamma, beta, mean, variance, epsilon):
    return (inputs - mean) / np.sqrt(variance + epsilon) * gamma + beta


@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(seed, epsilon):
    rng = np.random.default_rng(seed)
    values = {"inputs": rng.normal(size=(6, 5)), "gamma": rng.normal(size=(1, 5)), "beta": rng.normal(size=(1, 5))}
    dvalues = rng.normal(size=(6, 5))
    claimed = batch_norm.backward(values["inputs"], values["gamma"], dvalues, epsilon)
    for name, gradient in zip(("gamma", "beta", "inputs"), claimed, strict=True):
        assert_gradient(
            lambda at, name=name: np.sum(dvalues * batch_norm.forward(**(values | {name: at}), epsilon=epsilon)),
            values[name],
            gradient,
            what=f"d{name}",
        )


@pytest.mark.parametrize("seed", range(3))
def test_backward_of_a_prediction_matches_complex_step_and_central_differences(seed):
    rng = np.random.default_rng(seed)
    layer, dvalues = made(5, seed=seed), rng.normal(size=(6, 5))
    values = {"inputs": rng.normal(size=(6, 5)), "gamma": layer.gamma, "beta": layer.beta}
    given = {"mean": layer.running_mean, "variance": layer.running_variance, "epsilon": layer.epsilon}
    assert_close(layer.forward(values["inputs"], training=False), predicting(**values, **given), 1e-12, 1.0)
    claimed = {"inputs": layer.backward(dvalues), "gamma": layer.dgamma, "beta": layer.dbeta}
    for name, gradient in claimed.items():
        assert_gradient(
            lambda at, name=name: np.sum(dvalues * predicting(**(values | {name: at}), **given)),
            np.array(values[name]),
            gradient,
            terms=np.abs(gradient).max(),
            what=f"d{name}",
        )


@settings(max_examples=300)
@given(N=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(N, M, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    epsilon, momentum = float(rng.choice([1e-5, 1e-2])), float(rng.choice([0, 0.9]))
    layer = made(M, dtype, seed, epsilon=epsilon, momentum=momentum)
    before = layer.running_mean.astype(np.float64), layer.running_variance.astype(np.float64)
    inputs = (rng.normal(size=(N, M)) * rng.choice([0.1, 1, 10]) + rng.choice([0, 3])).astype(dtype)
    dvalues = rng.normal(size=(N, M)).astype(dtype)
    output, dinputs = layer.forward(inputs), layer.backward(dvalues)
    assert output.dtype == dinputs.dtype == layer.dgamma.dtype == layer.running_mean.dtype == dtype
    exact, gamma, beta, dexact = (each.astype(np.float64) for each in (inputs, layer.gamma, layer.beta, dvalues))
    terms = absolute_terms(exact, gamma, beta, dexact, epsilon)
    expected = batch_norm.forward(exact, gamma, beta, epsilon), *batch_norm.backward(exact, gamma, dexact, epsilon)
    for name, actual, wanted, size in zip(
        ("output", "dgamma", "dbeta", "dinputs"),
        (output, layer.dgamma, layer.dbeta, dinputs),
        expected,
        terms,
        strict=True,
    ):
        assert_close(actual, wanted, tolerance, size, name)
    mean, variance = exact.mean(axis=0, keepdims=True), exact.var(axis=0, ddof=min(1, N - 1), keepdims=True)
    size = np.abs(exact).max(axis=0, keepdims=True)
    momentum = 1 if N == 1 else momentum  # one sample says nothing of a variance
    wanted = momentum * before[0] + (1 - momentum) * mean
    assert_close(layer.running_mean, wanted, tolerance, np.abs(before[0]) + size, "running_mean")
    wanted = momentum * before[1] + (1 - momentum) * variance
    assert_close(layer.running_variance, wanted, tolerance, before[1] + size**2, "running_variance")


@settings(max_examples=300)
@given(N=SIZES, M=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_predict_by_the_running_statistics_and_leave_them_alone(N, M, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    layer = made(M, dtype, seed)
    statistics = layer.running_mean.copy(), layer.running_variance.copy()
    inputs, dvalues = rng.normal(size=(N, M)).astype(dtype), rng.normal(size=(N, M)).astype(dtype)
    output, dinputs = layer.forward(inputs, training=False), layer.backward(dvalues)
    exact, gamma, beta = (each.astype(np.float64) for each in (inputs, layer.gamma, layer.beta))
    mean, variance = (each.astype(np.float64) for each in statistics)
    deviation = np.sqrt(variance + layer.epsilon)
    size = (np.abs(exact) + np.abs(mean)) / deviation
    wanted = predicting(exact, gamma, beta, mean, variance, layer.epsilon)
    assert_close(output, wanted, tolerance, size * np.abs(gamma) + np.abs(beta), "output")
    assert_close(dinputs, gamma / deviation * dvalues, tolerance, what="dinputs")
    wanted = np.sum(dvalues * (exact - mean) / deviation, axis=0, keepdims=True)
    assert_close(layer.dgamma, wanted, tolerance, np.sum(np.abs(dvalues) * size, axis=0), "dgamma")
    assert_close(layer.dbeta, dvalues.sum(axis=0, keepdims=True, dtype=np.float64), tolerance, np.abs(dvalues).sum(0))
    assert np.array_equal(layer.running_mean, statistics[0])
    assert np.array_equal(layer.running_variance, statistics[1])


@pytest.mark.parametrize("case", FIGURES, ids=lambda case: f"momentum {case['momentum']}")
def test_agrees_with_pytorch_in_both_modes_and_about_the_running_statistics(case):
    layer = bp.BatchNorm(5, momentum=case["momentum"], dtype="float64")
    for figures, training in ((case, True), (case["predicting"], False)):
        layer.gamma, layer.beta = figures["gamma"], figures["beta"]
        output = layer.forward(figures["inputs"], training=training)
        assert_close(output, np.array(figures["output"]), 1e-12, np.abs(figures["output"]).max())
        dinputs = np.array(figures["dinputs"])
        assert_close(layer.backward(figures["dvalues"]), dinputs, 1e-12, np.abs(dinputs).max())
        assert_close(layer.dgamma[0], np.array(figures["dgamma"]), 1e-12, np.abs(figures["dgamma"]).max())
        assert_close(layer.dbeta[0], np.array(figures["dbeta"]), 1e-12)
        if training:
            layer.forward(figures["dvalues"])  # a second step of the statistics
    assert_close(layer.running_mean[0], np.array(case["running_mean"]), 1e-12)
    assert_close(layer.running_variance[0], np.array(case["running_variance"]), 1e-12)


def test_a_column_has_mean_0_and_variance_1_over_the_batch():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, 20)) * 10.0 ** rng.integers(-1, 4, 20) + rng.normal(size=20) * 100
    output = bp.BatchNorm(20, dtype="float64", epsilon=1e-12).forward(inputs)
    np.testing.assert_allclose(output.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(output.var(axis=0), 1, rtol=1e-9)


def test_one_sample_and_equal_samples_give_beta_and_no_gradient():
    layer = made(3)
    assert np.array_equal(layer.forward([[3.0, -7.0, 1e4]]), layer.beta)
    assert layer.backward([[1.0, 2.0, 3.0]]).tolist() == [[0, 0, 0]]
    assert layer.dgamma.tolist() == [[0, 0, 0]]
    assert np.isfinite(layer.running_variance).all()
    assert np.array_equal(layer.forward([[3.0, -7.0, 1e4]] * 4), np.tile(layer.beta, (4, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_rows_far_from_0_lose_no_digits(dtype):
    rng = np.random.default_rng(0)
    inputs = (1000 + rng.normal(size=(100_000, 2))).astype(dtype)
    layer = bp.BatchNorm(2, dtype=dtype, momentum=0)
    layer.forward(inputs)
    exact = inputs.astype(np.float64)
    np.testing.assert_allclose(layer.running_mean[0], exact.mean(axis=0), rtol=2e-7)
    np.testing.assert_allclose(layer.running_variance[0], exact.var(axis=0, ddof=1), rtol=1e-5)
    dvalues = np.full(inputs.shape, 0.1, dtype)
    layer.backward(dvalues)
    np.testing.assert_allclose(layer.dbeta[0], dvalues.sum(axis=0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_big_inputs_do_not_overflow_and_nan_stays_in_its_column(training, dtype):
    rng = np.random.default_rng(0)
    inputs = (rng.choice([-1e4, 0, 1e4], (30, 6)) + rng.normal(size=(30, 6))).astype(dtype)
    layer = made(6, dtype)
    output = layer.forward(inputs, training=training)
    assert np.isfinite(output).all()
    assert np.isfinite(layer.backward(np.ones((30, 6), dtype))).all()
    inputs[1, 2] = np.nan
    output = layer.forward(inputs, training=training)
    assert np.isnan(output[:, 2]).sum() == (30 if training else 1)
    assert not np.isnan(np.delete(output, 2, axis=1)).any()


@pytest.mark.parametrize("clone", CLONES)
def test_copies_keep_the_running_statistics_and_move_their_own(clone):
    layer, inputs = made(4, epsilon=0.5), np.random.default_rng(0).normal(size=(3, 4))
    layer.forward(inputs)
    other = clone(layer)
    assert np.array_equal(other.forward(inputs, training=False), layer.forward(inputs, training=False))
    kept = layer.running_mean.copy(), layer.running_variance.copy()
    other.forward(inputs + 1)
    assert np.array_equal(layer.running_mean, kept[0])
    assert np.array_equal(layer.running_variance, kept[1])
    assert not np.array_equal(other.running_mean, kept[0])


def test_config_makes_the_layer_anew():
    config = bp.BatchNorm(3, epsilon=0.25, momentum=0.5).config()
    assert config == {"n_neurons": 3, "epsilon": 0.25, "momentum": 0.5}
    assert bp.BatchNorm(**config).settings.tolist() == [0.25, 0.5]


def test_what_it_cannot_be_made_of_or_take_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^n_neurons is 0; it must be at least 1$"):
        bp.BatchNorm(0)
    with pytest.raises(ValueError, match=r"^momentum is 1; it must be at least 0 and below 1$"):
        bp.BatchNorm(3, momentum=1)
    with pytest.raises(ValueError, match=r"^epsilon is 0; it must be above 0$"):
        bp.BatchNorm(3, epsilon=0)
    with pytest.raises(ValueError, match=r"^inputs has 4 columns; 3 are expected$"):
        bp.BatchNorm(3).forward(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"^running_mean has shape \(2,\); \(1, 3\) is expected$"):
        bp.BatchNorm(3).running_mean = [1, 2]


def network(dtype="float64", seed=0):
    layers = [bp.Dense(3, 8, dtype=dtype), bp.BatchNorm(8, dtype=dtype), bp.ReLU(), bp.Dense(8, 2, dtype=dtype)]
    return bp.Network([*layers, bp.Softmax()], bp.CategoricalCrossentropy(), random_state=seed)


def test_fit_moves_the_running_statistics_as_pytorch_would_and_nothing_else_does(tmp_path):
    rng = np.random.default_rng(0)
    X, y, net = rng.normal(size=(70, 3)), rng.integers(0, 2, 70), network()
    norm = net.layers[1]
    mean, variance = np.zeros((1, 8)), np.ones((1, 8))
    weights, biases = net.layers[0].weights.copy(), net.layers[0].biases.copy()
    net.fit(X, y, optimizer=bp.SGD(1e-300), epochs=3, batch_size=32, shuffle=False)  # the weights stay where they are
    for start in [0, 32, 64] * 3:
        inputs = X[start : start + 32] @ weights + biases
        mean = 0.9 * mean + 0.1 * inputs.mean(axis=0)
        variance = 0.9 * variance + 0.1 * inputs.var(axis=0, ddof=1)
    assert_close(norm.running_mean, mean, 1e-11, np.abs(mean).max())
    assert_close(norm.running_variance, variance, 1e-12)
    kept = norm.running_mean.copy(), norm.running_variance.copy()
    net.gradient(X, y)
    net.evaluate(X, y)
    net.predict(X)
    net.save(tmp_path / "model")
    assert np.array_equal(norm.running_mean, kept[0])
    assert np.array_equal(norm.running_variance, kept[1])
    loaded = bp.Network.load(tmp_path / "model")
    assert np.array_equal(loaded.layers[1].running_mean, kept[0])
    assert np.array_equal(loaded.layers[1].running_variance, kept[1])
    assert np.array_equal(loaded.predict_proba(X), net.predict_proba(X))


def test_running_statistics_stay_where_they_are_when_a_network_that_walks_is_asked_for_its_gradient():
    rng = np.random.default_rng(0)
    X, y, net = rng.normal(size=(20, 3)), rng.integers(0, 2, 20), network()
    walking = bp.Network([*net.layers[:2], type("Own", (bp.ReLU,), OWN)(), *net.layers[3:]], net.loss)
    assert not walking.compiled
    kept = walking.layers[1].running_mean.copy()
    walking.gradient(X, y)
    walking.evaluate(X, y)
    assert np.array_equal(walking.layers[1].running_mean, kept)


OWN = {"forward": lambda self, inputs: bp.ReLU.forward(self, inputs), "__module__": __name__}


def test_predictions_of_one_row_and_of_many_are_the_same():
    rng = np.random.default_rng(0)
    X, y, net = rng.normal(size=(700, 3)), rng.integers(0, 2, 700), network()
    net.fit(X, y, epochs=2, batch_size=64)
    whole = net.predict_proba(X)
    for row in (0, 99, 699):
        np.testing.assert_allclose(net.predict_proba(X[[row]])[0], whole[row], rtol=1e-13)


def test_trains_where_the_scale_of_the_inputs_would_keep_a_network_from_it():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1e4, 1, 1e-2] + [0, 5, 0]
    y = (X[:, 0] / 1e4 + X[:, 1] - 5 + X[:, 2] * 100 > 0).astype(int)
    layers = [bp.BatchNorm(3), bp.Dense(3, 8), bp.BatchNorm(8), bp.Tanh(), bp.Dense(8, 2), bp.Softmax()]
    net = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    net.fit(X, y, optimizer=bp.Adam(0.02), epochs=40, batch_size=50)
    assert net.evaluate(X, y)["accuracy"] > 0.95


def test_a_last_batch_of_one_sample_does_not_move_the_running_statistics():
    """PyTorch refuses it; a variance of 0 would draw the running one towards 0, once an epoch."""
    X = np.random.default_rng(0).normal(size=(65, 3)) * 5
    networks = []
    for rows in (64, 65):
        network = bp.Network([bp.BatchNorm(3, dtype="float64"), bp.Dense(3, 1, dtype="float64")], bp.MeanSquaredError())
        network.fit(X[:rows], X[:rows, 0], optimizer=bp.SGD(1e-300), epochs=5, batch_size=64, shuffle=False)
        networks.append(network)
    for name in ("running_mean", "running_variance"):
        assert np.array_equal(*(getattr(network.layers[0], name) for network in networks))
