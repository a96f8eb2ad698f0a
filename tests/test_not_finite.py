"""Samples that are finite and too large, and weights that are not finite: an error that says so, never NaN."""

import pickle

import numpy as np
import pytest

import backpass as bp
from tests.parts import ALL_LAYERS, made

HUGE = {"float32": 3e38, "float64": 1.7e308}


class Own:
    def forward(self, inputs):
        return inputs * 1

    def backward(self, dvalues):
        return dvalues * 1


def network_of(dtype, own, classes):
    between = [bp.ReLU(), *([Own()] if own else [])]
    layers = [bp.Dense(2, 8, dtype=dtype, random_state=0), *between, bp.Dense(8, 3, dtype=dtype, random_state=1)]
    loss = bp.CategoricalCrossentropy() if classes else bp.MeanSquaredError()
    network = bp.Network([*layers, bp.Softmax()] if classes else layers, loss)
    layers[0].weights = 10 * np.abs(layers[0].weights)
    return network


def questions(network, X, y):
    yield lambda: network.predict(X)
    yield lambda: network.evaluate(X, y)
    yield lambda: network.gradient(X, y)
    if network.loss.classifies:
        yield lambda: network.predict_proba(X)


@pytest.mark.parametrize("dtype", HUGE)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("classes", [False, True])
def test_a_row_that_is_too_large_is_named(dtype, own, classes):
    network = network_of(dtype, own, classes)
    X = np.random.default_rng(0).normal(size=(300, 2)).astype(dtype)
    y = np.arange(300) % 3 if classes else np.ones((300, 3))
    network.predict(X)
    X[217] = 1, HUGE[dtype]
    for ask in questions(network, X, y):
        with pytest.raises(
            ValueError, match=r"^row 217 of X, .* in column 1, overflows .*: layer 0, Dense\(2, 8\), gives"
        ):
            ask()
    with pytest.raises(FloatingPointError):
        network.predict(X)
    for ask in questions(network, X[:217], y[:217]):
        ask()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("own", [False, True])
def test_weights_that_are_not_finite_are_named(value, own, tmp_path):
    network, X, y = network_of("float32", own, True), np.ones((4, 2), np.float32), np.arange(4) % 3
    network.layers[-2].weights[1, 2] = value
    networks = [network, pickle.loads(pickle.dumps(network))]
    if not own:
        network.save(tmp_path / "network")
        networks.append(bp.Network.load(tmp_path / "network"))
    for each in networks:
        for ask in questions(each, X, y):
            with pytest.raises(ValueError, match=r"^weights\[1, 2\] of layer \d, Dense\(8, 3\), is (nan|inf)"):
                ask()


def test_weights_that_become_nan_between_two_predictions_are_named():
    network, X = network_of("float32", False, True), np.ones((1, 2), np.float32)
    network.predict(X)
    network.layers[0].weights[0, 3] = np.nan
    with pytest.raises(ValueError, match=r"^weights\[0, 3\] of layer 0, Dense\(2, 8\), is nan"):
        network.predict(X)


@pytest.mark.parametrize("part", ALL_LAYERS, ids=lambda part: part.__name__)
@pytest.mark.parametrize("dtype", HUGE)
def test_every_layer_lets_nan_pass(part, dtype):
    layer = made(part, 4, 4, dtype)
    X = np.ones((3, 4), dtype)
    X[1, 2] = np.nan
    assert np.isnan(layer.forward(X)[1]).any()


@pytest.mark.parametrize("model", [bp.MLPClassifier, bp.MLPRegressor])
@pytest.mark.parametrize("options", [{}, {"n_ensemble": 2}, {"solver": "lbfgs"}, {"activation": Own()}])
def test_an_estimator_names_the_row(model, options):
    X, y = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 3
    fitted = model(hidden_layer_sizes=(5,), max_iter=3, random_state=0, **options).fit(X, y)
    for weights in fitted.coefs_:
        weights[...] = np.abs(weights) + 1
    fitted.coefs_[-1][..., 0] += 1
    X[7] = 3e38
    questions = [name for name in ("predict", "predict_proba", "predict_log_proba") if hasattr(fitted, name)]
    if fitted.coefs_[0].dtype == np.float32:  # lbfgs computes in float64, in which these are not too large
        for name in questions:
            with pytest.raises(ValueError, match=r"^row 7 of X, whose largest number is 3e\+38"):
                getattr(fitted, name)(X)
        with pytest.raises(ValueError, match=r"^row 7 of X"):
            fitted.score(X, y)
    fitted.coefs_[0][..., 0, 0] = np.nan
    for each in (fitted, pickle.loads(pickle.dumps(fitted))):
        for name in (*questions, "input_gradients"):
            with pytest.raises(ValueError, match=r"^weights\[0, 0\] of layer 0, Dense\(4, 5\), is nan"):
                getattr(each, name)(X[:3])
