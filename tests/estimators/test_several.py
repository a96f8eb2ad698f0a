"""Several outputs, each one of several classes."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils import compute_sample_weight

import backpass as bp
from backpass.estimators.grouped import GroupedCrossentropy, GroupedSoftmax
from tests.estimators.pairs import data, fit, pair
from tests.gradients import central_differences

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, LABELS = data("multiclass")
Y = np.column_stack([LABELS, X[:, 0] > 0, np.digitize(X[:, 1], [-1, 0, 1])])


def classifier(**parameters):
    return pair("multiclass", **{"max_iter": 80, "learning_rate_init": 0.02, **parameters})[1]


def cost(model, samples, y):
    """Mean over the samples of the sum of the outputs' cross-entropies."""
    total = 0.0
    for column, probabilities, classes in zip(
        np.transpose(y), model.predict_proba(samples), model.classes_, strict=True
    ):
        total -= np.log((probabilities * (column[:, None] == classes)).sum(axis=1)).mean()
    return total


def test_each_output_has_its_classes_and_its_probabilities():
    model = fit(classifier(), X, Y)
    assert [list(classes) for classes in model.classes_] == [[0, 1, 2], [0, 1], [0, 1, 2, 3]]
    assert [each.shape for each in model.predict_proba(X)] == [(150, 3), (150, 2), (150, 4)]
    for probabilities, logarithms in zip(model.predict_proba(X), model.predict_log_proba(X), strict=True):
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        np.testing.assert_allclose(np.exp(logarithms), probabilities)
    predicted = model.predict(X)
    assert predicted.shape == Y.shape
    assert model.score(X, Y) == (predicted == Y).all(axis=1).mean() > 0.8
    weights = np.random.RandomState(0).uniform(0, 1, len(X))
    assert model.score(X, Y, weights) == np.average((predicted == Y).all(axis=1), weights=weights)
    assert model.input_gradients(X[:2]).shape == (2, 9, 4)


def test_columns_of_a_frame_may_hold_words_numbers_and_answers():
    frame = pd.DataFrame({"kind": np.array(["a", "b", "c"])[Y[:, 0]], "yes": Y[:, 1].astype(bool), "level": Y[:, 2]})
    model = fit(classifier(), X, frame)
    predicted = model.predict(X)
    assert predicted.dtype == object
    np.testing.assert_array_equal(predicted[:, 0], np.array(["a", "b", "c"])[fit(classifier(), X, Y).predict(X)[:, 0]])
    assert model.score(X, frame) == fit(classifier(), X, Y).score(X, Y)


def test_it_learns_as_a_network_with_that_loss_and_its_gradient_is_right():
    model = fit(classifier(solver="lbfgs", alpha=0.1, activation="tanh", max_iter=5), X, Y)
    packed = np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])
    encoded = model._label_binarizer.transform(Y)
    squares = sum((array**2).sum() for array in model.coefs_)
    loss, gradient = model._loss_grad_lbfgs(packed, X, encoded, None)
    assert loss == pytest.approx(cost(model, X, Y) + 0.1 * squares / 2 / len(X), rel=1e-9)
    ask = model._loss_grad_lbfgs
    worst = check_grad(lambda at: ask(at, X, encoded, None)[0], lambda at: ask(at, X, encoded, None)[1], packed)
    assert worst < 1e-5 * (1 + np.abs(gradient).max())


@pytest.mark.parametrize("parameters", [{}, {"scoring": "loss"}, {"n_ensemble": 2, "scoring": "loss"}], ids=str)
def test_early_stopping_and_pickles_and_ensembles(parameters):
    model = classifier(early_stopping=True, **parameters)
    fit(model, X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    wanted = -cost(model, X[1::2], Y[1::2]) if "scoring" in parameters else model.score(X[1::2], Y[1::2])
    assert model.best_validation_score_ == pytest.approx(wanted, rel=1e-9)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    fit(model, X, Y)  # with a part of X held out


def test_sample_and_class_weights_count():
    given = [{0: 1, 1: 2, 2: 3}, {0: 1, 1: 5}, {0: 1, 1: 1, 2: 2, 3: 2}]
    model = fit(classifier(class_weight=given, max_iter=3), X, Y)
    wanted = fit(classifier(max_iter=3), X, Y, sample_weight=compute_sample_weight(given, Y))
    np.testing.assert_array_equal(model.coefs_[0], wanted.coefs_[0])
    assert not np.array_equal(model.coefs_[0], fit(classifier(max_iter=3), X, Y).coefs_[0])


def test_partial_fit_is_told_the_classes_of_each_output():
    model = classifier()
    for _ in range(60):
        for part in (slice(0, 60), slice(60, 110), slice(110, 150)):  # none of them holds all classes
            model.partial_fit(X[part], Y[part], classes=[[0, 1, 2], [0, 1], [0, 1, 2, 3, 4]])
    assert [each.shape[1] for each in model.predict_proba(X)] == [3, 2, 5]
    assert model.score(X, Y) > 0.5
    with pytest.raises(ValueError, match=r"column 1 of y holds 7; its classes are \[0, 1\]"):
        model.partial_fit(X[:1], [[0, 7, 0]])
    with pytest.raises(ValueError, match="3 columns are expected"):
        model.partial_fit(X, Y[:, :2])


def test_cross_validation_takes_it():
    assert cross_val_score(classifier(), X[::-1], Y[::-1], cv=3).shape == (3,)


def test_a_warm_start_keeps_to_the_classes_that_there_were():
    model = fit(classifier(warm_start=True), X, Y)
    before = model.loss_
    assert fit(model, X, Y).loss_ < before
    with pytest.raises(ValueError, match="column 0 of y holds 9"):
        fit(model, X, np.where(Y == 2, 9, Y))
    fit(clone(model), X, LABELS)  # and another kind of target is another fit
    assert fit(model.set_params(warm_start=False), X, LABELS).predict(X).shape == (150,)


def test_formulas_of_groups_of_softmax():
    rng = np.random.default_rng(0)
    sizes, ends = (3, 2, 4), [0, 3, 5, 9]
    step = GroupedCrossentropy(sizes)
    logits = 5 * rng.standard_normal((6, 9))
    y = np.column_stack([rng.integers(0, size, 6) for size in sizes])
    total, expected = 0.0, np.empty_like(logits)
    for place, (first, end) in enumerate(pairwise(ends)):
        of_group = bp.SoftmaxCrossentropy()
        total += of_group.forward(logits[:, first:end], y[:, place])
        expected[:, first:end] = of_group.output
    assert step.forward(logits, y) == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(step.output, expected, rtol=1e-12)
    gradient = step.backward(step.output, y)
    wanted, _ = central_differences(lambda at: step.forward(at, y), logits)
    np.testing.assert_allclose(gradient, wanted, atol=1e-7)
    layer, dvalues = GroupedSoftmax(step.settings), rng.standard_normal(logits.shape)
    np.testing.assert_allclose(layer.forward(logits), expected, rtol=1e-12)
    wanted, _ = central_differences(lambda at: (layer.forward(at) * dvalues).sum(), logits)
    layer.forward(logits)
    np.testing.assert_allclose(layer.backward(dvalues), wanted, atol=1e-7)
    assert GroupedCrossentropy((2, 2)).forward([[0.0, 900.0, 0.0, 0.0]], [[0, 0]]) == pytest.approx(900 + np.log(2))
    with pytest.raises(ValueError, match="beyond those of its column"):
        step.forward(logits, y + 1)
