"""The estimators inside scikit-learn's own tools."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import backpass as bp

X, Y = load_iris(return_X_y=True)
FAST = {"hidden_layer_sizes": (8,), "max_iter": 40, "learning_rate_init": 0.03, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def piped():
    return make_pipeline(StandardScaler(), bp.MLPClassifier(**FAST))


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_grid_search_finds_the_same_in_threads_and_processes(backend):
    grid = {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__activation": ["relu", "tanh"]}
    alone = GridSearchCV(piped(), grid, cv=3).fit(X, Y)
    with parallel_config(backend=backend):
        search = GridSearchCV(piped(), grid, cv=3, n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.9


@pytest.mark.parametrize(
    "made",
    [
        lambda: CalibratedClassifierCV(piped(), cv=3),
        lambda: BaggingClassifier(piped(), n_estimators=3, random_state=0),
        lambda: StackingClassifier([("mlp", piped())], LogisticRegression(), cv=3),
    ],
    ids=["calibrated", "bagging", "stacking"],
)
def test_a_classifier_that_is_part_of_another_learns_iris(made):
    assert made().fit(X, Y).score(X, Y) > 0.9


def test_a_regressor_that_is_part_of_another_learns_diabetes():
    features, y = load_diabetes(return_X_y=True)
    mlp = make_pipeline(StandardScaler(), bp.MLPRegressor(**{**FAST, "max_iter": 100}))
    together = VotingRegressor([("mlp", mlp), ("ridge", Ridge())])
    assert cross_val_score(together, features, y, cv=3).mean() > 0.4


def test_sample_weights_are_routed_by_metadata():
    import sklearn

    weights = np.where(Y == 2, 1e-9, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        mlp = bp.MLPClassifier(**FAST).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, mlp).fit(X, Y, sample_weight=weights)
    assert not (pipe.predict(X) == 2).any()


def test_a_clone_has_the_parameters_and_nothing_that_was_learned():
    model = bp.MLPClassifier(**FAST).fit(X, Y)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not [name for name in vars(again) if name.endswith("_")]


def test_the_output_is_a_frame_where_that_is_asked_for_and_names_of_features_are_minded():
    frame = pd.DataFrame(X, columns=list("abcd"))
    pipe = make_pipeline(StandardScaler(), bp.MLPClassifier(**FAST)).set_output(transform="pandas").fit(frame, Y)
    np.testing.assert_array_equal(pipe[-1].feature_names_in_, list("abcd"))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        pipe[-1].predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        pipe[-1].predict(frame.rename(columns={"a": "z"}))


def test_a_notebook_shows_it_as_html_with_its_parameters():
    html = bp.MLPClassifier(alpha=0.125)._repr_html_()
    assert "MLPClassifier" in html
    assert "0.125" in html
