"""In float64 the numbers are scikit-learn's, to rounding."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array

from backpass.estimators import epochs
from tests.estimators.pairs import apart, data, fit, pair

KINDS = ("binary", "multiclass", "multilabel", "one", "several", "poisson")
ALIKE = 1e-6


def check_alike(theirs, ours, X):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=ALIKE)
    assert apart(theirs, ours) < ALIKE
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "t_"):
        mine, wanted = getattr(ours, name, None), getattr(theirs, name, None)
        assert (mine is None) == (wanted is None), name
        if wanted is not None:
            np.testing.assert_allclose(mine, wanted, rtol=ALIKE, err_msg=name)
    predicted, wanted = ours.predict(X), theirs.predict(X)
    assert predicted.dtype == wanted.dtype
    assert predicted.shape == wanted.shape
    if predicted.dtype.kind == "f":
        np.testing.assert_allclose(predicted, wanted, rtol=ALIKE, atol=ALIKE)
    else:
        np.testing.assert_array_equal(predicted, wanted)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=ALIKE, atol=ALIKE)


def check_fits_alike(kind, arrays=None, sample_weight=None, **parameters):
    X, y = data(kind) if arrays is None else arrays
    theirs, ours = pair(kind, **parameters)
    for model in (theirs, ours):
        fit(model, X, y, sample_weight=sample_weight)
    check_alike(theirs, ours, X)
    return ours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_fit_gives_scikit_learns_numbers(solver, activation, kind):
    few = {"max_iter": 8} if solver == "lbfgs" else {}  # each line search makes rounding count some times more
    check_fits_alike(kind, solver=solver, activation=activation, alpha=0.03, learning_rate_init=0.01, **few)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_weights_of_samples_count_as_in_scikit_learn(solver, kind):
    weights = np.random.RandomState(0).randint(1, 4, len(data(kind)[0])) * 0.7
    check_fits_alike(kind, sample_weight=weights, solver=solver, alpha=0.5, learning_rate_init=0.01)


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 0},
        {"batch_size": "auto"},
        {"batch_size": 1000},
        {"batch_size": 1, "max_iter": 2},
        {"shuffle": False},
        {"hidden_layer_sizes": 4},
        {"hidden_layer_sizes": ()},
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1, "max_iter": 40},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0},
        {"solver": "sgd", "momentum": 1, "learning_rate_init": 1e-4},
        {"solver": "adam", "epsilon": 0.1, "beta_1": 0.5, "beta_2": 0.9},
        {"early_stopping": True, "max_iter": 60, "n_iter_no_change": 3, "learning_rate_init": 0.02},
        {"tol": 0.01, "n_iter_no_change": 2, "max_iter": 200, "learning_rate_init": 0.02},
        {"solver": "lbfgs", "max_fun": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["multiclass", "several"])
def test_a_parameter_means_what_it_means_in_scikit_learn(kind, parameters):
    check_fits_alike(kind, **parameters)


@pytest.mark.parametrize("kind", ["binary", "several"])
def test_early_stopping_with_weights_of_samples_is_scikit_learns(kind):
    weights = np.random.RandomState(1).uniform(0.1, 2, len(data(kind)[0]))
    check_fits_alike(kind, sample_weight=weights, early_stopping=True, max_iter=30, learning_rate_init=0.02)


@pytest.mark.parametrize("most", [256 * 1024 * 1024, 0], ids=["made dense", "block by block"])
@pytest.mark.parametrize("made", [csr_array, csc_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_samples_give_the_numbers_of_dense_ones(solver, made, most, monkeypatch):
    monkeypatch.setattr(epochs, "DENSE_BYTES", most)
    X, y = data("multilabel")
    X = np.where(X > 0.3, X, 0)
    ours = check_fits_alike("multilabel", (made(X), y), solver=solver, max_iter=6)
    np.testing.assert_allclose(ours.predict_proba(made(X)), ours.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "several"])
def test_partial_fit_goes_on_as_in_scikit_learn(kind, solver):
    X, y = data(kind)
    models = theirs, ours = pair(kind, solver=solver)
    for model in models:
        first = (
            {"classes": np.unique(y)} if kind == "multiclass" else {"classes": range(4)} if kind == "multilabel" else {}
        )
        model.partial_fit(X[:50], y[:50], **first)
        for part in (slice(50, 90), slice(90, None), slice(0, 77)):
            model.partial_fit(X[part], y[part])
    check_alike(theirs, ours, X)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_warm_start_goes_on_as_in_scikit_learn(solver):
    X, y = data("multiclass")
    models = theirs, ours = pair("multiclass", solver=solver, warm_start=True, max_iter=5)
    for model in models:
        fit(fit(fit(model, X, y).set_params(max_iter=9), X, y), X[::2], y[::2])
    check_alike(theirs, ours, X)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_samples_train_in_float32_close_to_scikit_learn(kind):
    X, y = data(kind)
    theirs, ours = pair(kind)
    for model in (theirs, ours):
        fit(model, X.astype(np.float32), y)
    assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    assert apart(theirs, ours) < 1e-3


def test_the_penalty_of_a_network_that_is_moved_in_slices_is_whole():
    check_fits_alike("several", hidden_layer_sizes=(300, 300), alpha=30, max_iter=2)


def test_lbfgs_computes_in_float64_whatever_the_samples_are_as_in_scikit_learn():
    X, y = data("multiclass")
    check_fits_alike("multiclass", (X.astype(np.float32), y), solver="lbfgs", max_iter=5)


def test_what_is_said_is_what_scikit_learn_says(capsys):
    X, y = data("multiclass")
    said, warned = [], []
    for parameters in ({"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive", "tol": 1}):
        for model in pair("multiclass", verbose=True, max_iter=14, n_iter_no_change=2, **parameters):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(X, y)
            said.append(capsys.readouterr().out)
            warned.append([(each.category, str(each.message)) for each in caught])
    assert said[0] == said[1] != ""
    assert said[2] == said[3] != ""
    assert warned[0] == warned[1]
    assert warned[2] == warned[3]
    assert len(warned[2]) == 1
