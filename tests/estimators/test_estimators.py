"""What is ours: the network behind the estimator, its pickles, threads, and where a training ends badly."""

import copy
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import backpass as bp
from backpass.estimators import mlp
from backpass.estimators.adam import EarlyEpsilonAdam, step
from backpass.estimators.epochs import threads_allowed
from tests.estimators.pairs import data, fit, pair

KINDS = ("binary", "multiclass", "multilabel", "one", "several", "poisson")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(kind="multiclass", **parameters):
    return fit(pair(kind, **parameters)[1], *data(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_prediction_is_by_the_weights_that_are_there_now(kind):
    X, y = data(kind)
    theirs, ours = (fit(model, X, y) for model in pair(kind))
    for model in (theirs, ours):
        model.coefs_[0][0] += 1.0  # in place
        model.intercepts_[-1] = model.intercepts_[-1] + 2.0  # another array
        model.coefs_ = [array.copy() for array in model.coefs_]  # and another list
        model.coefs_[1] *= -1  # in place in an array that is no view of the network
    np.testing.assert_allclose(ours._forward_pass_fast(X), theirs._forward_pass_fast(X), rtol=1e-9)
    for model in (theirs, ours):
        model.coefs_[1] *= 2
        model.activation = "tanh"
    np.testing.assert_allclose(ours._forward_pass_fast(X), theirs._forward_pass_fast(X), rtol=1e-9)


def test_prediction_takes_other_sizes_and_dtypes_of_weights():
    X, _ = data("multiclass")
    model = fitted(hidden_layer_sizes=(7,))
    wanted = model.predict_proba(X)
    model.coefs_ = [np.hstack([model.coefs_[0], np.ones((4, 2))]), np.vstack([model.coefs_[1], np.zeros((2, 3))])]
    model.intercepts_[0] = np.append(model.intercepts_[0], [0, 0])
    np.testing.assert_allclose(model.predict_proba(X), wanted)
    model.coefs_ = [array.astype(np.float32) for array in model.coefs_]
    model.intercepts_ = [array.astype(np.float32) for array in model.intercepts_]
    np.testing.assert_allclose(model.predict_proba(X.astype(np.float32)), wanted, rtol=1e-4, atol=1e-6)
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert model.predict_proba(X).dtype == np.float64


def test_float64_weights_put_into_a_float32_model_are_not_rounded():
    X, y = data("one")
    model = fit(pair("one")[1], X.astype(np.float32), y)
    model.intercepts_[-1] = np.array([1e9])
    assert np.ptp(model.predict(X)) > 0  # float32 knows 1e9 to 64
    before = model.predict(X)
    model.intercepts_[-1] = np.array([1e9 + 0.25])
    np.testing.assert_allclose(model.predict(X) - before, 0.25, atol=1e-6)


def test_a_copy_that_stopped_early_has_its_best_weights_to_go_back_to():
    X, y = data("multiclass")
    model = fitted(early_stopping=True)
    again = pickle.loads(pickle.dumps(model)).set_params(warm_start=True, max_iter=2)
    again.best_validation_score_ = 2.0  # no epoch is better
    fit(again, X, y)
    np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("saved", [pickle.loads, copy.deepcopy, "joblib"], ids=["pickle", "deepcopy", "joblib"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_predicts_the_same_bits(kind, saved, tmp_path):
    X, _ = data(kind)
    model = fitted(kind)
    if saved == "joblib":
        joblib.dump(model, tmp_path / "model")
        again = joblib.load(tmp_path / "model", mmap_mode="r")
    else:
        again = saved(pickle.dumps(model) if saved is pickle.loads else model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.coefs_[0][...] = 0  # its own memory
    assert model.coefs_[0].any()


def test_a_pickle_holds_the_weights_once_and_no_training_data():
    X = np.random.RandomState(0).standard_normal((5000, 60))
    sizes = {}
    for name, parameters in {"plain": {}, "stopping": {"early_stopping": True}, "warm": {"warm_start": True}}.items():
        model = fit(bp.MLPRegressor(hidden_layer_sizes=150, max_iter=2, random_state=0, **parameters), X, X[:, 0])
        sizes[name] = len(pickle.dumps(model)) / sum(array.nbytes for array in model.coefs_ + model.intercepts_)
    assert 1 < sizes["plain"] < 1.1
    assert 1 < sizes["stopping"] < 1.1
    assert 3 < sizes["warm"] < 3.1  # and Adam's two moments


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_of_a_copy_goes_on_where_the_original_does(solver):
    X, y = data("several")
    model = pair("several", solver=solver)[1]
    for _ in range(3):
        model.partial_fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    for each in (model, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])


def test_one_thread_or_two_train_the_same_bits(monkeypatch):
    X = np.random.RandomState(0).standard_normal((3000, 40))
    models = []
    for threads in (1, 2):
        monkeypatch.setattr(mlp, "threads_allowed", lambda threads=threads: threads)
        models.append(
            fit(bp.MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=20, batch_size=512, random_state=0), X, X[:, :3])
        )
    for one, two in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_array_equal(one, two)


def test_limits_of_threadpoolctl_and_workers_of_joblib_are_kept_to():
    with threadpool_limits(1):
        assert threads_allowed() == 1
    allowed = joblib.Parallel(2, backend="loky")(joblib.delayed(threads_allowed)() for _ in range(2))
    assert max(allowed) <= max(1, joblib.cpu_count() // 2)


def test_threads_that_predict_at_once_get_what_one_gets():
    X = np.random.RandomState(0).standard_normal((400, 4))
    model = fitted()
    wanted = model.predict_proba(X)
    model.coefs_ = [array.copy() for array in model.coefs_]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda row: model.predict_proba(X[row : row + 1])[0], list(range(400)) * 5))
    np.testing.assert_allclose(answers, np.tile(wanted, (5, 1)), rtol=1e-12)


def test_samples_that_are_not_finite_are_refused_in_scikit_learns_words():
    X, _ = data("multiclass")
    model, bad = fitted(), X.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(bad)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        model.predict(X[:, :3])


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_training_that_diverges_says_so(solver):
    X, y = data("several")
    model = bp.MLPRegressor(solver=solver, learning_rate_init=1e9, random_state=0)
    X = X * (1e200 if solver == "lbfgs" else 1)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="Solver produced non-finite") as raised:
            model.fit(X, y)
    assert {"sgd": "at step", "lbfgs": "loss of lbfgs"}[solver] in str(raised.value)


def test_early_stopping_keeps_the_best_weights_of_a_training_that_diverges():
    X, y = data("one")
    model = bp.MLPRegressor(solver="sgd", learning_rate_init=0.5, early_stopping=True, momentum=0.99, random_state=0)
    model.set_params(activation="identity", max_iter=1000, n_iter_no_change=np.inf)
    with pytest.warns(ConvergenceWarning, match="best weights"):
        model.fit(X, y)
    assert all(np.isfinite(array).all() for array in model.coefs_)
    assert np.isnan(model.validation_scores_[-1])
    assert len(model.validation_scores_) == len(model.loss_curve_)


@pytest.mark.parametrize("kind", ["one", "poisson"])
def test_a_batch_of_weightless_samples_changes_nothing(kind):
    X, y = data(kind)
    weights = np.ones(len(X))
    weights[:32] = 0
    parameters = {"solver": "sgd", "momentum": 0, "shuffle": False, "max_iter": 1, "alpha": 5}
    with_them = fit(pair(kind, **parameters)[1], X, y, sample_weight=weights)
    without = fit(pair(kind, **parameters)[1], X[32:], y[32:])
    np.testing.assert_allclose(with_them.coefs_[0], without.coefs_[0], rtol=1e-12)


def test_counts_below_0_are_refused():
    X, y = data("one")
    with pytest.raises(ValueError, match="y holds"):
        bp.MLPRegressor(loss="poisson").fit(X, y)


def test_ctrl_c_leaves_a_model_that_predicts(monkeypatch):
    X, y = data("multiclass")
    model = pair("multiclass", max_iter=50)[1]

    def interrupt(*arguments):
        if len(model.loss_curve_) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(model, "_update_no_improvement_count", interrupt)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(X, y)
    assert model.n_iter_ == 3
    assert model.predict(X).shape == y.shape


def test_early_epsilon_adam_is_its_formula():
    generator = np.random.RandomState(0)
    parameters, gradients = generator.standard_normal((2, 131)) * [[1], [1e-7]]
    optimizer = EarlyEpsilonAdam(0.1, 0.8, 0.95, 1e-6)
    optimizer.attach(bp.Network([bp.Dense(1, 1)], bp.MeanSquaredError()), parameters)
    wanted = parameters, np.zeros(131), np.zeros(131)
    for t in (1, 2, 3):
        wanted = step(wanted[0], gradients, *wanted[1:], t, 0.1, 0.8, 0.95, 1e-6)
        [(made, arrays)] = optimizer.calls(parameters, gradients, np.array([t, 0, 0, 0]))
        made(*[arrays[name] for name in made.arguments])
    np.testing.assert_allclose(parameters, wanted[0], rtol=1e-12)


def test_importing_backpass_imports_no_scikit_learn_until_an_estimator_is_asked_for():
    script = (
        "import sys, backpass; before = 'sklearn' in sys.modules; backpass.MLPClassifier; print(before, "
        "'sklearn' in sys.modules, 'MLPRegressor' in dir(backpass), 'MLPRegressor' in backpass.__all__)"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["False", "True", "True", "True"]


def test_it_is_one_of_scikit_learns_own_kind():
    assert isinstance(bp.MLPClassifier(), sklearn.neural_network.MLPClassifier)
    assert bp.MLPRegressor().get_params().items() > sklearn.neural_network.MLPRegressor().get_params().items()
    assert repr(bp.MLPClassifier(alpha=1)) == "MLPClassifier(alpha=1)"
