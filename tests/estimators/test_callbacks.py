"""set_callbacks: scikit-learn's protocol, and ours."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backpass as bp
from tests.estimators.pairs import data, fit, pair

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = data("binary")  # the classes are words


class Recorder:
    """Writes down what it is told, in scikit-learn's protocol."""

    def __init__(self, stop_after=np.inf):
        self.told, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(f"{context.task_name} begins")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.told.append(f"{context.task_name} ends")
        self.metadata = metadata
        self.scores.append(accuracy_score(y, fitted_estimator.predict(X)))
        self.last = fitted_estimator
        return len(self.scores) >= self.stop_after


def test_callbacks_are_told_of_the_fit_and_of_each_epoch():
    recorder = Recorder()
    model = fit(pair("binary", max_iter=3, learning_rate_init=0.1)[1].set_callbacks(recorder), X, Y)
    epochs = ["epoch begins", "epoch ends"] * 3
    assert recorder.told == ["setup", "fit begins", *epochs, "fit ends", "teardown"]
    assert recorder.scores[-1] == model.score(X, Y)
    assert len(set(recorder.scores)) > 1
    np.testing.assert_array_equal(recorder.last.coefs_[0], model.coefs_[0])
    assert recorder.metadata is None
    fit(model, X, Y, sample_weight=np.ones(len(X)))
    assert recorder.metadata["sample_weight"].shape == (len(X),)


def test_a_callback_that_answers_true_ends_the_fit():
    recorder = Recorder(stop_after=4)
    model = fit(pair("binary", max_iter=20)[1].set_callbacks(recorder), X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 4
    assert recorder.told[-3:] == ["epoch ends", "fit ends", "teardown"]


def test_being_listened_to_changes_no_bit():
    plain = fit(pair("binary", dropout=0.2)[1], X, Y)
    heard = fit(pair("binary", dropout=0.2)[1].set_callbacks(Recorder()), X, Y)
    np.testing.assert_array_equal(plain.coefs_[0], heard.coefs_[0])


@pytest.mark.parametrize("kind", ["several", "poisson", "multilabel"])
def test_y_is_what_the_user_passed(kind):
    samples, y = data(kind)
    seen = []

    class Keeper(Recorder):
        def on_fit_task_end(self, estimator, context, *, X=None, y=None):
            seen.append((X, y))

    fit(pair(kind, max_iter=1)[1].set_callbacks(Keeper()), samples, y)
    np.testing.assert_array_equal(seen[0][0], samples)
    np.testing.assert_allclose(seen[0][1], y)


def test_scikit_learns_progress_bar_and_scoring_monitor(capsys):
    monitor = ScoringMonitor(scoring="accuracy")
    model = fit(pair("binary", max_iter=3)[1].set_callbacks(ProgressBar(), monitor), X, Y)
    shown = capsys.readouterr().out
    assert "MLPClassifier - fit" in shown
    assert "100%" in shown
    log = monitor.get_logs().data
    assert len(log) == 4  # three epochs, and the fit
    assert log[-1]["accuracy"] == model.score(X, Y)


def test_callbacks_hear_of_a_model_inside_of_others(capsys):
    inner = pair("binary", max_iter=2)[1]
    search = GridSearchCV(inner, {"alpha": [0.1, 0.2]}, cv=2).set_callbacks(ProgressBar(max_propagation_depth=None))
    fit(search, X, Y)
    assert "MLPClassifier - fit" in capsys.readouterr().out
    pipeline = make_pipeline(StandardScaler(), inner.set_callbacks(Recorder()))
    fit(pipeline, X, Y)
    assert len(clone(inner)._skl_callbacks) == 1
    pickle.loads(pickle.dumps(inner))


class Ours:
    def __init__(self, stop_after=np.inf):
        self.epochs, self.progress, self.ends, self.stop_after = [], [], 0, stop_after

    def on_epoch_end(self, epoch, figures):
        self.epochs.append((epoch, figures))
        return epoch >= self.stop_after

    def on_progress(self, done, epoch, epochs, loss):
        self.progress.append((done, epoch, epochs, loss))

    def on_fit_end(self):
        self.ends += 1


def test_our_callbacks_are_told_as_a_network_tells_them():
    told = Ours(stop_after=5)
    model = fit(pair("binary", early_stopping=True, max_iter=9)[1].set_callbacks(told), X, Y)
    assert [epoch for epoch, _ in told.epochs] == [1, 2, 3, 4, 5]
    assert [figures["loss"] for _, figures in told.epochs] == model.loss_curve_
    assert [figures["validation_score"] for _, figures in told.epochs] == model.validation_scores_
    told = Ours()
    model = fit(pair("binary", max_iter=9)[1].set_callbacks(told), X, Y)
    assert told.progress[-1] == (1.0, 9, 9, model.loss_)
    assert told.ends == 1


def test_a_callback_that_fails_ends_the_fit_with_its_error_and_is_taken_down():
    class Broken(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("broken")

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        fit(pair("binary")[1].set_callbacks(broken), X, Y)
    assert broken.told[-1] == "teardown"


def test_what_is_no_callback_is_refused_and_none_takes_all_away():
    model = pair("binary")[1]
    for wrong in (print, Recorder, object(), Ours):
        with pytest.raises(TypeError, match="callbacks must be instances"):
            model.set_callbacks(wrong)
    with pytest.raises(TypeError, match="learning_rate of the optimizer"):
        model.set_callbacks(bp.ReduceOnPlateau(0.1))
    model.set_callbacks(Recorder()).set_callbacks()
    assert not hasattr(model, "_skl_callbacks")


@pytest.mark.parametrize("method", ["lbfgs", "partial_fit"])
def test_an_lbfgs_fit_is_heard_of_as_a_whole_and_each_part_as_a_fit(method):
    recorder = Recorder()
    if method == "lbfgs":
        fit(pair("binary", solver="lbfgs", max_iter=3)[1].set_callbacks(recorder), X, Y)
        assert recorder.told == ["setup", "fit begins", "fit ends", "teardown"]
    else:
        model = pair("binary")[1].set_callbacks(recorder)
        for _ in range(2):
            model.partial_fit(X, Y, classes=["no", "yes"])
        assert recorder.told == ["setup", "fit begins", "epoch begins", "epoch ends", "fit ends", "teardown"] * 2
