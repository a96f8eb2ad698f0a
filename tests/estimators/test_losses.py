"""Losses that scikit-learn's MLP does not have: against their definitions, and in what a fit reports."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score, mean_absolute_error, mean_gamma_deviance, mean_pinball_loss

import backpass as bp
from tests.estimators.pairs import data, fit, pair

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = data("one")
SEVERAL = data("several")[1]
AMOUNTS = np.exp(Y)


def halved_square(y_true, y_pred):
    difference = y_pred - y_true
    losses = difference**2 / 2
    return (losses if losses.ndim == 1 else losses.sum(axis=1)), difference


def pseudo_huber(y_true, y_pred):
    root = np.sqrt(1 + (y_pred - y_true) ** 2)
    return root - 1, (y_pred - y_true) / root


CASES = {
    "absolute_error": ({"loss": "absolute_error"}, Y, lambda y, p: mean_absolute_error(y, p)),
    "several absolute": ({"loss": "absolute_error"}, SEVERAL, lambda y, p: mean_absolute_error(y, p)),
    "huber": ({"loss": "huber"}, Y, lambda y, p: bp.Huber(1.0).calculate(p[:, None], y)),
    "huber 0.2": ({"loss": bp.Huber(0.2)}, Y, lambda y, p: bp.Huber(0.2).calculate(p[:, None], y)),
    "quantile": ({"loss": "quantile", "quantile": 0.9}, Y, lambda y, p: mean_pinball_loss(y, p, alpha=0.9)),
    "quantiles": (
        {"loss": "quantile", "quantile": [0.1, 0.8]},
        Y,
        lambda y, p: np.mean([mean_pinball_loss(y, p[:, i], alpha=q) for i, q in enumerate((0.1, 0.8))]),
    ),
    "gamma": ({"loss": "gamma"}, AMOUNTS, lambda y, p: mean_gamma_deviance(y, p) / 2),
    "log cosh": ({"loss": bp.LogCosh()}, Y, lambda y, p: np.mean(np.log(np.cosh(p - y)))),
    "own": ({"loss": pseudo_huber}, Y, lambda y, p: np.mean(pseudo_huber(y, p)[0])),
    "several own": ({"loss": halved_square}, SEVERAL, lambda y, p: np.mean(halved_square(y, p)[0])),
}
each_loss = pytest.mark.parametrize(("parameters", "y", "of_prediction"), CASES.values(), ids=CASES)


def regressor(**parameters):
    return pair("one", **{"activation": "tanh", "alpha": 0, "learning_rate_init": 0.02, **parameters})[1]


@each_loss
@pytest.mark.parametrize("members", [1, 2])
def test_the_loss_of_a_fit_is_the_loss_of_its_predictions(parameters, y, of_prediction, members):
    model = regressor(batch_size=len(X), max_iter=60, n_ensemble=members, **parameters)
    fit(model, X, y)
    last = model.loss_
    assert last < model.loss_curve_[0]
    model.set_params(learning_rate_init=1e-12, max_iter=1, warm_start=True, tol=0)
    fit(model, X, y)
    assert model.loss_ < last * 1.01
    if members == 1:
        assert model.loss_ == pytest.approx(of_prediction(y, model.predict(X)), rel=1e-9)


@each_loss
def test_the_gradient_is_that_of_the_loss(parameters, y, of_prediction):
    model = regressor(solver="lbfgs", max_iter=3, **{**parameters, "alpha": 0.1})
    fit(model, X, y)
    encoded = model._encoded(y).reshape(len(y), -1)
    packed = np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])
    ask = model._loss_grad_lbfgs
    squares = sum((array**2).sum() for array in model.coefs_)
    assert ask(packed, X, encoded, None)[0] == pytest.approx(
        of_prediction(y, model.predict(X)) + 0.1 * squares / 2 / len(X), rel=1e-9
    )
    worst = check_grad(lambda at: ask(at, X, encoded, None)[0], lambda at: ask(at, X, encoded, None)[1], packed)
    assert worst < 1e-5 * (1 + np.abs(ask(packed, X, encoded, None)[1]).max())


@each_loss
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_of_samples_are_as_good_as_repeating_them(parameters, y, of_prediction, solver):
    weights = np.random.RandomState(0).randint(0, 3, len(X))
    often = np.repeat(np.arange(len(X)), weights)
    weighted = regressor(solver=solver, batch_size=1000, shuffle=False, max_iter=5, **parameters)
    repeated = clone(weighted)
    fit(weighted, X, y, sample_weight=weights)
    fit(repeated, X[often], y[often])
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-6, atol=1e-9)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)


@each_loss
def test_early_stopping_by_the_loss_is_by_that_of_the_validation(parameters, y, of_prediction):
    model = regressor(early_stopping=True, scoring="loss", max_iter=30, **parameters)
    fit(model, X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert -model.best_validation_score_ == pytest.approx(of_prediction(y[1::2], model.predict(X[1::2])), rel=1e-9)


def test_a_function_trains_as_the_loss_that_it_computes():
    for y in (Y, SEVERAL):
        model = fit(regressor(loss=halved_square), X, y)
        wanted = fit(regressor(), X, y)  # its gradient is that of the sum over the outputs, and its loss of their mean
        np.testing.assert_allclose(model.coefs_[0], wanted.coefs_[0], rtol=1e-9, atol=1e-12)
        assert model.loss_ == pytest.approx(wanted.loss_ * (1 if y.ndim == 1 else y.shape[1]), rel=1e-9)


def test_a_function_is_called_once_a_step_with_rows_in_the_order_of_the_batch():
    calls = []

    def counted(y_true, y_pred):
        calls.append((y_true.copy(), y_pred.shape))
        return halved_square(y_true, y_pred)

    fit(regressor(loss=counted, max_iter=1, shuffle=False), X, Y)
    assert [shape for _, shape in calls] == [(32,), (32,), (32,), (32,), (2,)]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in calls]), Y)


def test_quantiles_hold_the_share_that_they_name_and_are_scored_by_d2():
    rng = np.random.RandomState(0)
    samples = rng.uniform(-2, 2, (3000, 1))
    y = np.sin(2 * samples[:, 0]) + (0.2 + 0.3 * np.abs(samples[:, 0])) * rng.standard_normal(3000)
    quantiles = [0.05, 0.5, 0.95]
    model = bp.MLPRegressor(
        hidden_layer_sizes=(64, 64), loss="quantile", quantile=quantiles, max_iter=60, random_state=0
    )
    fit(model, samples[:2000], y[:2000])
    predicted = model.predict(samples[2000:])
    shares = (y[2000:, None] <= predicted).mean(axis=0)
    np.testing.assert_allclose(shares, quantiles, atol=0.04)
    of_each = [d2_pinball_score(y[2000:], predicted[:, i], alpha=q) for i, q in enumerate(quantiles)]
    assert model.score(samples[2000:], y[2000:]) == pytest.approx(np.mean(of_each))
    assert model.input_gradients(samples[:2]).shape == (2, 3, 1)
    one = fit(clone(model).set_params(quantile=0.95), samples, y)
    assert one.predict(samples).shape == (3000,)
    assert one.score(samples, y) == pytest.approx(d2_pinball_score(y, one.predict(samples), alpha=0.95))


def wrong_shape(y_true, y_pred):
    return ((y_pred - y_true) ** 2).mean(), y_pred - y_true


def no_pair(y_true, y_pred):
    return y_pred - y_true


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"loss": "hinge"}, Y, "'loss' parameter of MLPRegressor must be"),
        ({"loss": wrong_shape}, Y, r"wrong_shape returned losses of shape \(\) .* one loss a sample"),
        ({"loss": no_pair}, Y, "no_pair returned ndarray; a pair is needed"),
        ({"loss": bp.Huber}, Y, r"pass one that is made, Huber\(\)"),
        ({"loss": bp.ExponentialPoisson()}, Y, r"takes no predictions; pass Poisson\(\)"),
        ({"loss": "gamma"}, Y, "loss='gamma' is for, are above 0"),
        ({"loss": "poisson"}, Y, "counts are 0 or more"),
        ({"loss": "quantile", "quantile": 1.0}, Y, "'quantile' parameter of MLPRegressor must be"),
        ({"loss": "quantile", "quantile": [0.1, 1.5]}, Y, "quantile is 1.5"),
        ({"loss": "quantile", "quantile": []}, Y, "quantiles is empty"),
        ({"loss": "quantile", "quantile": [0.1, 0.9]}, SEVERAL, "several quantiles are of one target"),
        ({"loss": bp.CategoricalCrossentropy()}, Y, "CategoricalCrossentropy"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(parameters, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(regressor(**parameters), X, y)
