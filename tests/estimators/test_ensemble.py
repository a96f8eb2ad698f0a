"""n_ensemble=k: each member is the network that a fit of its own would have made with the same batches."""

import pickle
import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss, mean_squared_error

import backpass as bp
from backpass.estimators.epochs import shares
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
        {"layer_norm": True},
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
    ],
    ids=str,
)
def test_what_does_not_go_with_an_ensemble_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(pair("one", **{"n_ensemble": 2, **parameters})[1], *data("one"))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit_and_dropout_differs_from_member_to_member(threads):
    X, y = data("multiclass")
    given = {"n_ensemble": 3, "dropout": 0.3, "random_state": 5}
    one = fit(pair("multiclass", n_threads=1, **given)[1], X, y)
    some = fit(pair("multiclass", n_threads=threads, **given)[1], X, y)
    np.testing.assert_array_equal(one.coefs_[0], some.coefs_[0])
    seeds = [layer.seed for network in one._network_kept.networks for layer in network.layers if hasattr(layer, "seed")]
    assert len(set(seeds)) == len(seeds) == 6


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("members", [2, 3, 7])
def test_shares_are_even_whole_and_can_be_made_in_order(members, threads):
    threads, epochs = min(threads, members), 11
    parts = shares(members, epochs, threads)
    counts = [sum(end - first for _, first, end in part) for part in parts]
    assert max(counts) - min(counts) <= 1
    pieces = sorted(piece for part in parts for piece in part)
    assert [list(range(first, end)) for _, first, end in pieces] != []
    made = [(member, epoch) for member, first, end in pieces for epoch in range(first, end)]
    assert made == [(member, epoch) for member in range(members) for epoch in range(epochs)]
    for part in parts:  # whoever goes on with a member finds that another thread has begun with it
        for place, (member, first, _) in enumerate(part):
            if first:
                assert place == len(part) - 1
                assert any(other[0][:2] == (member, 0) for other in parts if other is not part)


def test_a_member_that_diverges_ends_the_fit_with_an_error_and_threads_with_it():
    X, y = data("one")
    with pytest.raises(ValueError, match="the loss became"):
        fit(pair("one", n_ensemble=4, solver="sgd", learning_rate_init=1e6)[1], X, y)
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_losses_and_activations_of_ones_own_go_into_an_ensemble():
    X, y = data("one")

    class Half:
        def forward(self, inputs):
            return inputs / 2

        def backward(self, dvalues):
            return dvalues / 2

    model = pair("one", n_ensemble=3, activation=[Half(), "tanh"], loss=lambda y, p: ((p - y) ** 2 / 2, p - y))[1]
    fit(model, X, y)
    named = fit(pair("one", n_ensemble=3, activation=[Half(), "tanh"])[1], X, y)
    np.testing.assert_allclose(model.predict(X), named.predict(X), rtol=1e-9)
    quantiles = fit(
        pair("one", n_ensemble=2, loss=bp.Pinball([0.2, 0.8]), hidden_layer_sizes=5)[1].set_params(
            loss="quantile", quantile=[0.2, 0.8]
        ),
        X,
        y,
    )
    assert quantiles.predict(X).shape == (130, 2)
