"""n_ensemble=k: each member is the network that a fit of its own would have made with the same batches."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss, mean_squared_error

import backpass as bp
from backpass.estimators.members import MembersDense
from tests.estimators.pairs import data, fit, pair

KINDS = ("binary", "multiclass", "multilabel", "one", "several", "poisson")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def members_of(model, X, y):
    """Estimators that hold the first weights of the members of an ensemble, each trained alone."""
    alone = []
    for k in range(model.n_ensemble):
        one = clone(model).set_params(n_ensemble=1, warm_start=True, max_iter=1, learning_rate_init=1e-300)
        fit(one, X, y)
        first = clone(model)
        first._random_state = np.random.RandomState(first.random_state)
        X_checked, encoded = first._validate_input(X, y, False, True)
        encoded = encoded.reshape(len(encoded), -1)
        first._initialize(encoded, [X_checked.shape[1], *first.hidden_layer_sizes, encoded.shape[1]], np.float64)
        one.coefs_ = [array[k].copy() for array in first.coefs_]
        one.intercepts_ = [array[k].copy() for array in first.intercepts_]
        one.set_params(max_iter=model.max_iter, learning_rate_init=model.learning_rate_init)
        alone.append(fit(one, X, y))
    return alone


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_each_member_is_the_network_that_it_would_be_alone(kind, solver):
    X, y = data(kind)
    model = pair(kind, n_ensemble=3, shuffle=False, alpha=0.3, solver=solver, learning_rate_init=0.01)[1]
    alone = members_of(model, X, y)
    fit(model, X, y)
    assert [array.shape[0] for array in model.coefs_ + model.intercepts_] == [3] * 6
    for k, one in enumerate(alone):
        for mine, wanted in zip(model.coefs_ + model.intercepts_, one.coefs_ + one.intercepts_, strict=True):
            np.testing.assert_allclose(mine[k], wanted, rtol=1e-7, atol=1e-10)
    assert model.loss_ == pytest.approx(np.mean([one.loss_ for one in alone]), rel=1e-7)
    outputs = [one._forward_pass_fast(X) for one in alone]
    np.testing.assert_allclose(model._forward_pass_fast(X), np.mean(outputs, axis=0), rtol=1e-7, atol=1e-10)
    gradients = [one.input_gradients(X) for one in alone]
    np.testing.assert_allclose(model.input_gradients(X), np.mean(gradients, axis=0), rtol=1e-6, atol=1e-9)


def test_the_first_member_begins_as_a_fit_of_its_own_does_and_the_others_otherwise():
    X, y = data("one")
    model = fit(pair("one", n_ensemble=3, learning_rate_init=1e-300)[1], X, y)
    one = fit(pair("one", learning_rate_init=1e-300)[1], X, y)
    np.testing.assert_array_equal(model.coefs_[0][0], one.coefs_[0])
    assert not np.isclose(model.coefs_[0][1:], one.coefs_[0]).any()
    assert not np.isclose(model.coefs_[0][1], model.coefs_[0][2]).any()


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5, 4)], ids=str)
@pytest.mark.parametrize("kind", ["multiclass", "several"])
def test_any_number_of_hidden_layers(kind, hidden):
    X, y = data(kind)
    model = fit(pair(kind, n_ensemble=2, hidden_layer_sizes=hidden)[1], X, y)
    outputs = []
    for k in range(2):
        one = clone(model).set_params(n_ensemble=1, max_iter=1)
        fit(one, X, y)
        one.coefs_, one.intercepts_ = [each[k] for each in model.coefs_], [each[k] for each in model.intercepts_]
        outputs.append(one._forward_pass_fast(X))
    np.testing.assert_allclose(model._forward_pass_fast(X), np.mean(outputs, axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_norm": True, "dropout": 0.2},
        {"activation": ["gelu", "tanh"]},
        {"optimizer": bp.AdamW(0.01, weight_average=0.9)},
        {"early_stopping": True},
        {"n_threads": 1},
    ],
    ids=str,
)
def test_an_ensemble_goes_with_what_else_there_is_and_into_a_pickle(parameters):
    X, y = data("multiclass")
    model = fit(pair("multiclass", n_ensemble=4, max_iter=40, **parameters)[1], X, y)
    assert model.score(X, y) > 0.6
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(fit(clone(model), X, y).predict_proba(X), model.predict_proba(X))


def test_float32_samples_train_a_float32_ensemble():
    X, y = data("several")
    single = fit(pair("several", n_ensemble=2)[1], X.astype(np.float32), y)
    double = fit(pair("several", n_ensemble=2)[1], X, y)
    assert single.coefs_[0].dtype == single.predict(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single.coefs_[0], double.coefs_[0], rtol=1e-2, atol=1e-3)


def test_early_stopping_looks_at_what_the_ensemble_says():
    X, y = data("multiclass")
    model = pair("multiclass", n_ensemble=3, early_stopping=True, scoring="loss", max_iter=30)[1]
    fit(model, X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert -model.best_validation_score_ == pytest.approx(log_loss(y[1::2], model.predict_proba(X[1::2])), rel=1e-9)
    X, y = data("several")
    model = pair("several", n_ensemble=3, early_stopping=True, scoring="loss", max_iter=30)[1]
    fit(model, X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert -model.best_validation_score_ == pytest.approx(mean_squared_error(y[1::2], model.predict(X[1::2])) / 2)


def test_partial_fit_of_an_ensemble_goes_on():
    X, y = data("several")
    whole = pair("several", n_ensemble=2, shuffle=False, max_iter=3, n_iter_no_change=100)[1]
    parts = clone(whole)
    fit(whole, X, y)
    for _ in range(3):
        parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_ensemble": 0}, "'n_ensemble' parameter of MLPRegressor must be"),
        ({"solver": "lbfgs"}, "n_ensemble needs solver='adam' or 'sgd'"),
        ({"layer_norm": True}, "layer_norm is for n_ensemble=1"),
        ({"activation": bp.Softmax()}, "would mix its members' neurons"),
        ({"loss": bp.Pinball([0.5, 0.6])}, "has to be a name or a function"),
    ],
    ids=str,
)
def test_what_does_not_go_with_an_ensemble_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(pair("one", **{"n_ensemble": 2, **parameters})[1], *data("one"))


def test_the_layer_of_the_members_is_dense_member_by_member():
    rng = np.random.default_rng(0)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-4)):
        layer = MembersDense(3, 4, 5, dtype)
        layer.weights, layer.biases = rng.standard_normal((4, 15)), rng.standard_normal((1, 15))
        inputs, dvalues = rng.standard_normal((7, 12)).astype(dtype), rng.standard_normal((7, 15)).astype(dtype)
        output, dinputs = layer.forward(inputs), layer.backward(dvalues)
        for k in range(3):
            before, after = slice(4 * k, 4 * k + 4), slice(5 * k, 5 * k + 5)
            dense = bp.Dense(4, 5, dtype=dtype)
            dense.weights, dense.biases = layer.weights[:, after], layer.biases[:, after]
            np.testing.assert_allclose(
                output[:, after], dense.forward(inputs[:, before]), rtol=tolerance, atol=tolerance
            )
            wanted = dense.backward(dvalues[:, after])
            np.testing.assert_allclose(dinputs[:, before], wanted, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(layer.dweights[:, after], dense.dweights, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(layer.dbiases[:, after], dense.dbiases, rtol=tolerance, atol=tolerance)
