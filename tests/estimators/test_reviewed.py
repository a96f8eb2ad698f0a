"""What readers and adversaries found: each case once."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_info, threadpool_limits

import backpass as bp
from backpass.engine import threads
from tests.estimators.pairs import data, fit, pair

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, LABELS = data("multiclass")
TARGETS = data("one")
WORDS = np.array(["a", "b", "c"])[LABELS]
COLUMNS = np.column_stack([LABELS, np.digitize(X[:, 1], [-1, 0, 1])])


class TestValidation:
    @pytest.mark.parametrize("members", [1, 3])
    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
    def test_the_loss_is_finite_where_probabilities_round_to_0(self, kind, members):
        samples, y = data(kind)
        model = pair(kind, early_stopping=True, scoring="loss", max_iter=3, n_ensemble=members)[1]
        fit(model, samples.astype(np.float32), y, X_val=1e4 * samples, y_val=y)
        assert members > 1 or (model._forward_pass_fast((1e4 * samples).astype(np.float32)) == 0).any()
        assert np.isfinite(model.validation_scores_).all()

    def test_the_loss_of_an_ensemble_is_that_of_its_mean_for_many_labels_too(self):
        samples, y = data("multilabel")
        model = pair("multilabel", early_stopping=True, scoring="loss", n_ensemble=3)[1]
        fit(model, samples, y, X_val=samples, y_val=y)
        p = model.predict_proba(samples)
        wanted = sum(log_loss(y[:, label], p[:, label]) for label in range(4))
        assert -model.best_validation_score_ == pytest.approx(wanted, rel=1e-9)

    @pytest.mark.parametrize(
        ("kind", "y_val", "message"),
        [
            ("multiclass", np.where(WORDS == "b", "typo", WORDS), "y_val holds 'typo'; the classes are"),
            ("multiclass", WORDS[:5], "inconsistent numbers of samples"),
            ("multiclass", COLUMNS, "not that of y"),
            ("columns", COLUMNS + 1, "column 0 of y holds 3; its classes are"),
            ("columns", COLUMNS[:, :1], "2 columns are expected"),
            ("columns", COLUMNS[:5], "inconsistent numbers of samples"),
            ("one", np.column_stack([TARGETS[1]] * 2), "y_val has 2 columns; y has 1"),
            ("several", TARGETS[1], "y_val has 1 columns; y has 3"),
        ],
    )
    @pytest.mark.parametrize("scoring", [None, "loss"])
    def test_y_val_is_looked_at_as_y_is(self, kind, y_val, message, scoring):
        samples, y = {"multiclass": (X, WORDS), "columns": (X, COLUMNS), "one": TARGETS, "several": data("several")}[
            kind
        ]
        model = pair(kind if kind in ("one", "several") else "multiclass", early_stopping=True, scoring=scoring)[1]
        with pytest.raises(ValueError, match=message):
            fit(model, samples, y, X_val=samples, y_val=y_val)

    def test_a_sparse_y_val_of_labels_will_do(self):
        from scipy.sparse import csr_array

        samples, y = data("multilabel")
        models = [pair("multilabel", early_stopping=True)[1] for _ in range(2)]
        for model, y_val in zip(models, (y, csr_array(y)), strict=True):
            fit(model, samples, y, X_val=samples, y_val=y_val)
        assert models[0].validation_scores_ == models[1].validation_scores_

    def test_a_score_that_is_no_number_is_an_error_and_one_sample_is_too_few(self):
        samples, y = TARGETS
        model = pair("one", early_stopping=True)[1]
        with pytest.raises(ValueError, match="X_val has 1 sample; pass at least 2"):
            fit(model, samples, y, X_val=samples[:1], y_val=y[:1])
        with pytest.raises(ValueError, match="sample_weight_val is of X_val"):
            fit(model, samples, y, sample_weight_val=[1.0, 2.0])
        model.set_params(scoring=lambda *_: np.nan)
        with pytest.raises(ValueError, match="is not defined for the 13 samples of the validation: it is nan"):
            fit(model, samples, y)
        scores = iter([0.1, 0.2, np.nan])
        model.set_params(scoring=lambda *_: next(scores))
        with pytest.warns(UserWarning, match="nan after epoch 3. The best weights so far are kept"):
            model.fit(samples, y)
        assert model.best_validation_score_ == 0.2
        assert len(model.loss_curve_) == len(model.validation_scores_) == 3

    def test_an_error_of_the_users_own_is_no_divergence(self):
        def broken(*_):
            raise FloatingPointError("mine")

        for parameters in ({"early_stopping": True, "scoring": broken}, {"loss": broken}):
            with pytest.raises(FloatingPointError, match="mine"):
                fit(pair("one", **parameters)[1], *TARGETS)

    def test_there_is_nothing_to_restore_where_nothing_was_validated(self):
        for model in (pair("one")[1], pair("one", solver="lbfgs")[1]):
            fit(model, *TARGETS)
            before = model.coefs_[0].copy()
            with pytest.raises(ValueError, match="nothing was validated yet"):
                model.restore_best()
            np.testing.assert_array_equal(model.coefs_[0], before)


class TestGoingOn:
    @pytest.mark.parametrize("optimizer", [None, bp.Adam(0.3, weight_average=0.9)], ids=str)
    def test_a_copy_of_a_run_that_has_stopped_goes_on_to_the_bit(self, optimizer):
        model = pair("one", early_stopping=True, learning_rate_init=0.3, n_iter_no_change=2, optimizer=optimizer)[1]
        held_out = {"X_val": TARGETS[0], "y_val": TARGETS[1]}
        while not getattr(model, "stopped_", False):
            model.partial_fit(*TARGETS, **held_out)
        again = copy.deepcopy(model)
        for each in (model, again):
            each.partial_fit(*TARGETS, **held_out)
        np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])

    def test_a_copy_of_a_warm_start_draws_what_the_original_draws(self):
        model = fit(pair("one", dropout=0.3, warm_start=True)[1], *TARGETS)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(fit(model, *TARGETS).coefs_[0], fit(again, *TARGETS).coefs_[0])

    @pytest.mark.parametrize(
        "parameters", [{}, {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1}], ids=str
    )
    def test_a_fit_that_has_converged_is_gone_on_with_as_in_scikit_learn(self, parameters):
        theirs, ours = pair("one", max_iter=300, tol=0.05, n_iter_no_change=2, warm_start=True, **parameters)
        for model in (theirs, ours):
            fit(fit(model, *TARGETS), *TARGETS)
            model.partial_fit(*TARGETS)
        assert ours.n_iter_ == theirs.n_iter_ == 1
        assert len(ours.loss_curve_) == len(theirs.loss_curve_)
        np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-6, atol=1e-9)

    def test_parameters_that_change_between_calls_are_taken_or_refused_in_a_line(self):
        held_out = {"X_val": TARGETS[0], "y_val": TARGETS[1]}
        model = pair("one")[1].partial_fit(*TARGETS)
        model.set_params(early_stopping=True).partial_fit(*TARGETS, **held_out)
        assert len(model.validation_scores_) == 1
        model.set_params(early_stopping=False).partial_fit(*TARGETS)
        fit(pair("one", solver="lbfgs")[1], *TARGETS).set_params(solver="adam").partial_fit(*TARGETS)
        normed = fit(pair("one", batch_norm=True)[1], *TARGETS).set_params(batch_norm=False)
        with pytest.raises(
            ValueError, match="norms_ holds 8 arrays, but batch_norm, layer_norm and the weights ask for 0"
        ):
            normed.predict(TARGETS[0])
        normed.set_params(batch_norm=True, early_stopping=True)
        fit(fit(normed, *TARGETS).set_params(batch_norm=False), *TARGETS)
        for parameters in ({}, {"solver": "lbfgs"}):
            ensemble = fit(pair("one", n_ensemble=2, warm_start=True)[1], *TARGETS).set_params(
                n_ensemble=1, **parameters
            )
            with pytest.raises(ValueError, match="n_ensemble is 1, but 2 are gone on with"):
                fit(ensemble, *TARGETS)

    def test_many_epochs_at_once_of_a_network_with_few_parameters(self):
        samples, y = TARGETS[0][:20, :1], TARGETS[1][:20]
        for parameters in ({"hidden_layer_sizes": ()}, {"hidden_layer_sizes": (30,)}):
            theirs, ours = pair("one", alpha=2.0, n_iter_no_change=200, max_iter=190, batch_size=7, **parameters)
            for model in (theirs, ours):
                fit(model, samples, y)
            np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)

    def test_a_copy_that_a_callback_makes_holds_nothing_of_the_fit(self):
        sizes = []

        class Saver:
            def on_epoch_end(self, epoch, figures):
                state = model.__getstate__()
                del state["_skl_callbacks"]  # this one
                sizes.append(len(pickle.dumps(state)))

        model = pair("one", early_stopping=True, max_iter=2)[1].set_callbacks(Saver())
        large = np.random.RandomState(0).standard_normal((20_000, 6))
        fit(model, *TARGETS, X_val=large, y_val=large[:, 0])
        assert max(sizes) < 20_000

    def test_the_end_of_the_fit_is_told_of_the_model_that_is_returned(self):
        ends = []

        class Told:
            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...
            def on_fit_task_begin(self, estimator, context): ...
            def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
                if context.task_name == "fit":
                    ends.append(fitted_estimator)

        model = pair("one", early_stopping=True, learning_rate_init=0.3, optimizer=bp.SGD(0.2, weight_average=0.9))[1]
        model.set_callbacks(Told())
        for parameters in ({}, {"early_stopping": False}):
            fit(model.set_params(**parameters), *TARGETS)
            np.testing.assert_array_equal(ends[-1].coefs_[0], model.coefs_[0])
        scores = iter([0.1, np.nan])
        fit(model.set_params(early_stopping=True, scoring=lambda *_: next(scores)), *TARGETS)  # that of a divergence
        assert model.stopped_
        assert len(ends) == 3
        np.testing.assert_array_equal(ends[-1].coefs_[0], model.coefs_[0])


class TestColumns:
    def test_classes_that_are_not_0_and_1_are_classes(self):
        for low, high in ((1, 2), (0, 2), (-1, 1)):
            y = np.where(np.column_stack([X[:, 0] > 0, X[:, 1] > 0]), high, low)
            model = fit(pair("multiclass", max_iter=200, learning_rate_init=0.02)[1], X, y)
            assert model.score(X, y) > 0.9
            assert set(np.unique(model.predict(X))) == {low, high}
        assert fit(pair("multiclass")[1], X, (y > 0).astype(int)).predict_proba(X).shape == (
            150,
            2,
        )  # labels, as before

    def test_a_class_is_never_cast_to_another(self):
        model = pair("multiclass")[1].partial_fit(
            X[:2], [["cat", "x"], ["dog", "y"]], classes=[["cat", "dog"], ["x", "y"]]
        )
        with pytest.raises(ValueError, match=r"column 0 of y holds 'catfish'; its classes are \['cat', 'dog'\]"):
            model.partial_fit(X[:1], [["catfish", "x"]])
        with pytest.raises(ValueError, match=r"column 0 of y holds 0\.7"):
            fit(fit(pair("multiclass", warm_start=True)[1], X, COLUMNS), X, COLUMNS + 0.7)

    def test_lists_of_words_and_numbers_keep_their_kinds(self):
        y = [[word, int(level)] for word, level in zip(WORDS, COLUMNS[:, 1], strict=True)]
        model = fit(
            pair("multiclass", early_stopping=True, max_iter=60, learning_rate_init=0.02)[1], X, y, X_val=X, y_val=y
        )
        assert [list(classes) for classes in model.classes_] == [["a", "b", "c"], [0, 1, 2, 3]]
        assert model.score(X, y) == model.best_validation_score_ > 0.5
        with pytest.raises(ValueError, match="2 columns are expected"):
            model.score(X, COLUMNS[:, :1])
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            model.score(X, y[:5])

    def test_columns_of_one_class_each(self):
        model = fit(pair("multiclass")[1], X, np.full((150, 2), "a"))
        assert model.predict(X).tolist() == [["a", "a"]] * 150

    def test_classes_of_a_later_call_have_to_be_those_of_the_first(self):
        model = pair("multiclass")[1]
        for wrong in ([[0, 1, 2, 3]] * 3, np.zeros((3, 2))):
            with pytest.raises(ValueError, match="3 columns are expected"):
                model.partial_fit(X, COLUMNS, classes=wrong)
        model.partial_fit(X, COLUMNS, classes=[[0, 1, 2], [0, 1, 2, 3]])
        model.partial_fit(X, COLUMNS, classes=[[2, 1, 0], [0, 1, 2, 3]])
        with pytest.raises(ValueError, match="not the same as on last call to partial_fit"):
            model.partial_fit(X, COLUMNS, classes=[[0, 1, 2], [0, 1, 2]])

    def test_weights_of_another_length_are_refused(self):
        for parameters in ({"class_weight": "balanced"}, {}):
            with pytest.raises(ValueError, match=r"inconsistent|shape"):
                fit(pair("multiclass", **parameters)[1], X, COLUMNS, sample_weight=np.ones(5))
        with pytest.raises(ValueError, match="sample_weight adds up to inf"):
            fit(pair("multiclass")[1], X, LABELS, sample_weight=np.full(150, 1e308))


class TestSecondReading:
    def test_a_column_that_holds_no_classes_is_refused(self):
        words = np.array(["x", "y"])[LABELS % 2]
        for column, message in (
            (X[:, 0], "Unknown label type: continuous"),
            (np.where(LABELS == 1, None, "z"), "column 1 of y holds words beside other kinds"),
            ([7, *["z"] * 149], "column 1 of y holds words beside other kinds"),
        ):
            y = np.column_stack([words.astype(object), np.array(column, dtype=object)])
            with pytest.raises(ValueError, match=message):
                fit(pair("multiclass")[1], X, y)

    def test_class_weights_count_in_the_validation_too(self):
        y = np.where(LABELS == 2, 2, 0)
        model = pair("multiclass", class_weight={0: 1.0, 2: 9.0}, early_stopping=True, scoring="loss", max_iter=3)[1]
        fit(model, X, y, X_val=X, y_val=y)
        wanted = log_loss(y, model.predict_proba(X), sample_weight=np.where(y == 2, 9.0, 1.0))
        assert -model.best_validation_score_ == pytest.approx(wanted, rel=1e-9)
        fit(clone(model), X, y, sample_weight=2.0)
        with pytest.raises(ValueError, match="at least one non-zero"):
            fit(
                pair("multiclass", early_stopping=True, scoring="loss")[1],
                X,
                y,
                X_val=X,
                y_val=y,
                sample_weight_val=0 * y,
            )

    def test_later_classes_are_compared_whole_and_a_column_of_classes_is_one(self):
        model = pair("multiclass")[1].partial_fit(X, COLUMNS, classes=[[0, 1, 2], [0, 1, 2, 3]])
        for wrong in ([[0, 1, 2]], [7, 8]):
            with pytest.raises(ValueError, match="not the same as on last call"):
                model.partial_fit(X, COLUMNS, classes=wrong)
        one = pair("multiclass")[1]
        for _ in range(2):
            one.partial_fit(X, LABELS, classes=np.array([[0], [1], [2]]))
        assert one.classes_.tolist() == [0, 1, 2]

    def test_limits_on_threads_hold_for_large_predictions_and_lbfgs(self, monkeypatch):
        started = []
        monkeypatch.setattr(threads.Helpers, "start", lambda self: started.append(self.plan.workers))
        monkeypatch.setattr("backpass.network.WORTH_HELPERS", 1000)
        samples = np.random.RandomState(0).standard_normal((2000, 6))
        model = bp.MLPRegressor(hidden_layer_sizes=50, max_iter=2, random_state=0)
        fit(model, samples, samples[:, 0])
        started.clear()
        with threadpool_limits(1):
            model.predict(samples)
            fit(clone(model).set_params(solver="lbfgs"), samples, samples[:, 0])
        fit(clone(model).set_params(solver="lbfgs", n_threads=1), samples, samples[:, 0])
        assert started == []
        plan = model._network_kept.network._plan("predict", 2000, False)
        assert [threads.Helpers(plan, most).workers for most in (None, 1, 99)] == [plan.workers, 1, plan.workers]
        with threadpool_limits(2, "blas"):  # whatever other tests have left
            model.predict(samples)
        assert len(started) == (threads.available_cores() > 1)

    def test_a_limit_that_somebody_lifts_during_a_fit_stays_lifted(self):
        def now():
            return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

        before = now()
        limit = threadpool_limits(1, "blas")

        class Lifting:
            def on_epoch_end(self, epoch, figures):
                limit.restore_original_limits()

        fit(pair("one", max_iter=2)[1].set_callbacks(Lifting()), *TARGETS)
        assert now() == before


class TestLosses:
    @pytest.mark.parametrize(("loss", "name"), [(bp.Gamma(), "gamma"), (bp.Poisson(), "poisson")], ids=str)
    def test_a_loss_of_rates_ends_with_an_exponential_however_it_is_named(self, loss, name):
        samples, y = TARGETS[0], np.exp(TARGETS[1])
        ours, named = (fit(pair("one", loss=each, alpha=0)[1], samples, y) for each in (loss, name))
        assert ours.out_activation_ == "exp"
        np.testing.assert_allclose(ours.coefs_[0], named.coefs_[0], rtol=1e-9)

    def test_an_object_with_forward_and_backward_is_a_loss(self):
        class Own:
            def forward(self, y_pred, y_true):
                return ((y_pred - y_true) ** 2).sum(axis=1) / 2

            def backward(self, dvalues, y_true):
                return (dvalues - y_true) / len(dvalues)

        own, named = (fit(pair("one", **given)[1], *TARGETS) for given in ({"loss": Own()}, {}))
        np.testing.assert_allclose(own.coefs_[0], named.coefs_[0], rtol=1e-9)

    def test_several_quantiles_are_of_one_target_whatever_the_number_of_columns(self):
        for columns in (2, 3):
            with pytest.raises(ValueError, match="several quantiles are of one target"):
                fit(
                    pair("one", loss="quantile", quantile=[0.1, 0.9])[1],
                    TARGETS[0],
                    np.column_stack([TARGETS[1]] * columns),
                )


class TestThreads:
    def test_parts_of_ones_own_are_trained_in_the_callers_thread(self):
        seen = set()

        class Watching:
            def forward(self, inputs):
                seen.add(threading.get_ident())
                return inputs

            def backward(self, dvalues):
                return dvalues

        fit(pair("one", n_ensemble=3, activation=Watching(), max_iter=2)[1], *TARGETS)
        assert seen == {threading.get_ident()}

    def test_ctrl_c_ends_an_ensemble_and_leaves_a_model_that_predicts(self):
        import _thread

        samples = np.random.RandomState(0).standard_normal((4000, 50))
        model = pair(
            "one", n_ensemble=4, hidden_layer_sizes=(200, 200), max_iter=100_000, tol=0, n_iter_no_change=np.inf
        )[1]
        timer = threading.Timer(1.0, _thread.interrupt_main)
        timer.start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(samples, samples[:, 0])
        timer.join()
        assert "Training interrupted by user." in {str(each.message) for each in caught}
        assert np.isfinite(model.predict(samples)).all()
        assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]

    def test_an_ensemble_is_validated_with_the_averages_of_all_its_members(self):
        given = {"early_stopping": True, "scoring": "loss", "alpha": 0, "shuffle": False, "max_iter": 3}
        optimizer = bp.SGD(0.3, weight_average=0.95)
        model = pair("one", n_ensemble=2, optimizer=optimizer, **given)[1]
        seen = []

        class Keeper:
            def on_epoch_end(self, epoch, figures):
                seen.append([each.copy() for each in model.coefs_])

        held_out = {"X_val": TARGETS[0], "y_val": TARGETS[1]}
        fit(model.set_callbacks(Keeper()), *TARGETS, **held_out)
        plain = clone(model).set_params(optimizer=bp.SGD(0.3)).set_callbacks()
        fit(plain, *TARGETS, **held_out)
        for k in range(2):
            assert np.abs(seen[-1][0][k] - plain.coefs_[0][k]).max() > 1e-6

    def test_each_member_begins_on_a_cache_line(self):
        model = fit(pair("one", n_ensemble=3)[1], *TARGETS)
        assert {array[k].ctypes.data % 64 for array in model.coefs_[:1] for k in range(3)} == {0}
