"""partial_fit with early stopping, and going on from a run that was saved."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import backpass as bp
from tests.estimators.pairs import data, fit, pair

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = data("multiclass")
CLASSES = [0, 1, 2]
HELD_OUT = {"X_val": X[1::2], "y_val": Y[1::2]}


def stopping(**parameters):
    given = {"early_stopping": True, "scoring": "loss", "learning_rate_init": 0.1, "n_iter_no_change": 3, "tol": 0}
    return pair("multiclass", **{**given, **parameters})[1]


def trained(model, calls, **options):
    for _ in range(calls):
        model.partial_fit(X[::2], Y[::2], classes=CLASSES, **options)
    return model


def test_it_stops_as_fit_does_with_the_best_weights():
    whole = stopping(max_iter=300, shuffle=False)
    fit(whole, X[::2], Y[::2], **HELD_OUT)
    parts, calls = stopping(shuffle=False), 0
    while not getattr(parts, "stopped_", False):
        trained(parts, 1, **HELD_OUT)
        calls += 1
    assert 4 < calls == whole.n_iter_ < 300
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])
    assert parts.validation_scores_ == whole.validation_scores_
    assert parts.score(X, Y) == whole.score(X, Y)
    trained(parts, 1, **HELD_OUT)  # whoever goes on goes on from there
    assert not parts.stopped_
    assert len(parts.validation_scores_) == calls + 1


def test_the_best_weights_may_be_had_before_it_stops():
    model = stopping(optimizer=bp.SGD(3.0), n_iter_no_change=100)
    trained(model, 12, **HELD_OUT)
    assert model.validation_scores_[-1] < model.best_validation_score_
    assert not model.stopped_
    model.restore_best()
    assert model._score(X[1::2], Y[1::2]) == pytest.approx(model.best_validation_score_, rel=1e-12)


def test_a_batch_norms_best_statistics_come_back_too():
    model = stopping(batch_norm=True)
    while not getattr(model, "stopped_", False):
        trained(model, 1, **HELD_OUT)
    assert model._score(X[1::2], Y[1::2]) == pytest.approx(model.best_validation_score_, rel=1e-12)


def saved_by_pickle(model, path):
    return pickle.loads(pickle.dumps(model))


def saved_by_joblib(model, path):
    joblib.dump(model, path)
    return joblib.load(path)


def saved_by_skops(model, path):
    from skops import io

    io.dump(model, path)
    asked_for = io.get_untrusted_types(file=path)
    assert all(name.startswith(("backpass.", "sklearn.", "numpy.")) for name in asked_for)
    return io.load(path, trusted=asked_for)


@pytest.mark.parametrize("saved", [saved_by_pickle, saved_by_joblib, saved_by_skops])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"dropout": 0.3, "batch_norm": True},
        {"optimizer": bp.AdamW(bp.Warmup(bp.InverseDecay(0.05, 0.1), 3), clip_norm=1.0, weight_average=0.9)},
        {"n_ensemble": 2},
    ],
    ids=str,
)
def test_a_run_that_was_saved_goes_on_to_the_bit(parameters, saved, tmp_path):
    model = trained(stopping(n_iter_no_change=50, **parameters), 4, **HELD_OUT)
    again = saved(model, tmp_path / "run")
    for each in (model, again):
        trained(each, 5, **HELD_OUT)
    for name in ("coefs_", "intercepts_", "_best_coefs"):
        for one, two in zip(getattr(model, name), getattr(again, name), strict=True):
            np.testing.assert_array_equal(one, two, err_msg=name)
    assert again.validation_scores_ == model.validation_scores_
    assert again.loss_curve_ == model.loss_curve_
    np.testing.assert_array_equal(again.restore_best().predict_proba(X), model.restore_best().predict_proba(X))


def test_what_is_held_out_has_to_be_given():
    with pytest.raises(ValueError, match="early_stopping=True without X_val and y_val"):
        trained(stopping(), 1)
    with pytest.raises(ValueError, match="pass early_stopping=True"):
        trained(stopping(early_stopping=False), 1, **HELD_OUT)
    with pytest.raises(AttributeError, match="partial_fit"):
        trained(clone(stopping()).set_params(solver="lbfgs"), 1)
    regressor = bp.MLPRegressor(hidden_layer_sizes=5, early_stopping=True, random_state=0)
    regressor.partial_fit(X, Y, X_val=X, y_val=Y)
    assert len(regressor.validation_scores_) == 1
