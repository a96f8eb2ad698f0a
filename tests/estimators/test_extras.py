"""What scikit-learn's MLPs do not have: each against a Network put together by hand, or against its definition."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.utils import compute_sample_weight

import backpass as bp
from backpass.estimators import mlp
from tests.estimators.pairs import apart, data, fit, pair

KINDS = ("binary", "multiclass", "multilabel", "one", "several", "poisson")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = data("multiclass")
PLAIN = {"solver": "sgd", "alpha": 0, "momentum": 0, "shuffle": False, "learning_rate_init": 0.1}
LABELS = np.asarray(Y)


class OwnTanh:
    """An activation of somebody's own, without kernels and base."""

    def forward(self, inputs):
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output**2)


def beginning(**parameters):
    """An estimator that has its first weights."""
    model = pair("multiclass", **PLAIN, **parameters)[1]
    model._random_state = np.random.RandomState(model.random_state)
    model._validate_input(X, Y, False, True)
    model._initialize(np.eye(3)[Y], [4, 7, 5, 3], np.float64)
    return model


def plain_network():
    """A Network with the beginning of 7 and 5 neurons."""
    start, layers = beginning(), []
    for weights, biases in zip(start.coefs_, start.intercepts_, strict=True):
        layers += [bp.Dense(*weights.shape, dtype="float64"), bp.ReLU()]
        layers[-2].weights, layers[-2].biases = weights, biases
    return bp.Network([*layers[:-1], bp.Softmax()], bp.CategoricalCrossentropy())


@pytest.mark.parametrize(
    ("parameters", "between"),
    [
        ({"activation": "gelu"}, lambda seed: [bp.GELU()]),
        ({"activation": bp.LeakyReLU(0.3)}, lambda seed: [bp.LeakyReLU(0.3)]),
        ({"batch_norm": True}, lambda seed: [bp.BatchNorm(5 if seed == 4 else 7, dtype="float64"), bp.ReLU()]),
        ({"layer_norm": True}, lambda seed: [bp.LayerNorm(5 if seed == 4 else 7, dtype="float64"), bp.ReLU()]),
    ],
    ids=["gelu", "leaky relu", "batch norm", "layer norm"],
)
def test_what_stands_between_the_layers_trains_as_in_a_network(parameters, between):
    model = fit(pair("multiclass", **PLAIN, **parameters)[1], X, Y)
    start, layers = beginning(**parameters), []
    for place, (weights, biases) in enumerate(zip(start.coefs_, start.intercepts_, strict=True)):
        layers.append(bp.Dense(*weights.shape, dtype="float64"))
        layers[-1].weights, layers[-1].biases = weights, biases
        layers += between(4 if place == 1 else 0) if place < 2 else [bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy())
    network.fit(X, LABELS, optimizer=bp.SGD(0.1), epochs=12, batch_size=32, shuffle=False)
    np.testing.assert_allclose(model.predict_proba(X), network.predict_proba(X), rtol=1e-9, atol=1e-12)


def test_dropout_draws_by_the_random_state_and_otherwise_in_each_layer():
    models = [fit(pair("multiclass", dropout=0.4, random_state=seed, max_iter=1)[1], X, Y) for seed in (3, 4)]
    layers = [
        layer for model in models for layer in model._network_kept.network.layers if isinstance(layer, bp.Dropout)
    ]
    assert len({layer.seed for layer in layers}) == len(layers) == 4


def test_every_hidden_layer_may_have_an_activation_of_its_own():
    model = fit(pair("multiclass", activation=["tanh", "relu"])[1], X, Y)
    hidden = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    hidden = np.maximum(hidden @ model.coefs_[1] + model.intercepts_[1], 0)
    logits = hidden @ model.coefs_[2] + model.intercepts_[2]
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), wanted, rtol=1e-9)


def test_dropout_drops_in_training_by_the_random_state_and_nothing_in_prediction():
    plain, *same, other = (
        fit(pair("multiclass", dropout=rate, random_state=seed)[1], X, Y)
        for rate, seed in ((0, 3), (0.4, 3), ([0.4, 0.4], 3), (0.4, 4))
    )
    np.testing.assert_array_equal(same[0].coefs_[0], same[1].coefs_[0])
    assert apart(plain, same[0]) > 1e-3
    assert apart(fit(clone(same[0]), X, Y), fit(same[1], X, Y)) == 0  # a second fit draws what a first one does
    assert apart(other, same[0]) > 1e-3
    np.testing.assert_array_equal(same[0].predict_proba(X), same[0].predict_proba(X))
    undropped = clone(same[0]).set_params(dropout=0)
    fit(undropped, X, Y)
    undropped.coefs_, undropped.intercepts_ = same[0].coefs_, same[0].intercepts_
    np.testing.assert_allclose(undropped.predict_proba(X), same[0].predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_what_normalisation_has_learned_is_pickled_stopped_early_with_and_made_anew(norm):
    model = pair("multiclass", early_stopping=True, max_iter=60, learning_rate_init=0.05, **{norm: True})[1]
    fit(model, X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert model.score(X[1::2], Y[1::2]) == model.best_validation_score_ > model.validation_scores_[0]
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    first = [array.copy() for array in model.norms_]
    fit(model, X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    for one, two in zip(first, model.norms_, strict=True):
        np.testing.assert_array_equal(one, two)


def test_class_weight_is_the_weight_of_a_class_samples():
    given = {0: 1.0, 1: 5.0, 2: 0.5}
    weights = np.random.RandomState(0).uniform(1, 2, len(X))
    for class_weight in (given, "balanced"):
        by_class = compute_sample_weight(class_weight, Y)
        for own, together in ((None, by_class), (weights, weights * by_class)):
            model = fit(pair("multiclass", class_weight=class_weight)[1], X, Y, sample_weight=own)
            wanted = fit(pair("multiclass")[1], X, Y, sample_weight=together)
            np.testing.assert_array_equal(model.coefs_[0], wanted.coefs_[0])
    with pytest.raises(ValueError, match="balanced"):
        bp.MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("parameters", [{}, {"batch_norm": True, "dropout": 0.2}, {"activation": "gelu"}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_input_gradients_match_central_differences(kind, parameters):
    samples, y = data(kind)
    model = fit(pair(kind, **{"activation": "tanh", **parameters})[1], samples, y)
    some = samples[:9]
    gradients = model.input_gradients(some)
    outputs = model._forward_pass_fast(some).shape[1]
    assert gradients.shape == ((9, some.shape[1]) if outputs == 1 else (9, outputs, some.shape[1]))
    gradients = gradients.reshape(9, outputs, -1)
    for feature in range(some.shape[1]):
        step = np.zeros(some.shape[1])
        step[feature] = 1e-5
        above, below = model._forward_pass_fast(some + step), model._forward_pass_fast(some - step)
        np.testing.assert_allclose(
            gradients[:, :, feature], (above - below) / 2e-5, rtol=1e-5, atol=1e-6 * np.abs(gradients).max()
        )


@pytest.mark.parametrize(
    "optimizer",
    [
        bp.AdamW(0.02),
        bp.NAdam(bp.Cosine(0.03)),
        bp.SGD(0.2, clip_norm=0.1),
        bp.Adam(0.02, weight_average=0.9),
        bp.SGD(bp.ReduceOnPlateau(3.0, patience=1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_an_optimizer_of_ours_moves_the_weights_as_in_a_network(optimizer, solver):
    model = pair("multiclass", optimizer=optimizer, solver=solver, alpha=0, shuffle=False)[1]
    for _ in range(2):  # a second fit begins anew
        fit(model, X, Y)
    network = plain_network()
    network.fit(X, LABELS, optimizer=clone(model).optimizer, epochs=12, batch_size=32, shuffle=False)
    np.testing.assert_allclose(model.predict_proba(X), network.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert optimizer.iterations == 0  # the one that was handed over is left as it was


def test_early_stopping_looks_at_the_averaged_weights():
    optimizer = bp.SGD(0.3, weight_average=0.95)
    model = pair("multiclass", optimizer=optimizer, alpha=0, shuffle=False, early_stopping=True, max_iter=9)[1]
    fit(model, X, LABELS, X_val=X[::2], y_val=Y[::2])
    history = plain_network().fit(
        X, LABELS, optimizer=optimizer, epochs=9, batch_size=32, shuffle=False, validation_data=(X[::2], LABELS[::2])
    )
    np.testing.assert_allclose(model.validation_scores_, [each["accuracy"] for each in history.validation])
    assert len(set(model.validation_scores_)) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_validates_with_what_it_is_given_and_keeps_the_best_weights(kind):
    samples, y = data(kind)
    model = pair(kind, early_stopping=True, max_iter=40, learning_rate_init=0.05, n_iter_no_change=5)[1]
    fit(model, samples[::2], y[::2], X_val=samples[1::2], y_val=y[1::2])
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_
    assert model.score(samples[1::2], y[1::2]) == pytest.approx(max(model.validation_scores_), rel=1e-12)
    assert "_given" not in vars(model)
    model.set_params(scoring="loss")
    fit(model, samples[::2], y[::2], X_val=samples[1::2], y_val=y[1::2])
    again = pair(kind, alpha=0, solver="lbfgs", max_iter=1)[1]
    fit(again, samples[::2], y[::2])
    again.coefs_, again.intercepts_ = model.coefs_, model.intercepts_
    packed = np.hstack([array.ravel() for array in model.coefs_ + model.intercepts_])
    encoded = y[1::2] if kind in ("one", "several", "poisson") else again._label_binarizer.transform(y[1::2])
    loss, _ = again._loss_grad_lbfgs(packed, samples[1::2], encoded.reshape(len(encoded), -1), None)
    assert -model.best_validation_score_ == pytest.approx(loss, rel=1e-6)


def test_early_stopping_goes_by_a_scorer_of_scikit_learn():
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = pair("multiclass", early_stopping=True, scoring="neg_log_loss", max_iter=30)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, Y, X_val=frame[::3], y_val=Y[::3])
    assert -model.best_validation_score_ == pytest.approx(log_loss(Y[::3], model.predict_proba(frame[::3])), rel=1e-9)
    samples, y = data("one")
    model = pair("one", early_stopping=True, max_iter=30)[1]
    model.set_params(scoring=lambda model, X, y: -mean_absolute_error(y, model.predict(X)))
    fit(model, samples, y, X_val=samples, y_val=y)
    assert -model.best_validation_score_ == pytest.approx(mean_absolute_error(y, model.predict(samples)), rel=1e-9)


@pytest.mark.parametrize("scoring", [None, "loss", "accuracy"])
def test_weights_of_the_validation_samples_count(scoring):
    weights = np.where(Y == 1, 0.0, 1.0)
    model = pair("multiclass", early_stopping=True, scoring=scoring)[1]
    fit(model, X, Y, X_val=X, y_val=Y, sample_weight_val=weights)
    again = fit(clone(model), X, Y, X_val=X[Y != 1], y_val=Y[Y != 1])
    np.testing.assert_allclose(model.validation_scores_, again.validation_scores_, rtol=1e-9)


def test_n_threads_is_what_a_fit_may_use(monkeypatch):
    asked = []
    monkeypatch.setattr(mlp, "threads_allowed", lambda: 7)
    monkeypatch.setattr(mlp, "CompiledEpochs", lambda *_, threads, **__: asked.append(threads) or 1 / 0)
    for count in (None, 1, 3):
        with pytest.raises(ZeroDivisionError):
            pair("one", n_threads=count)[1].fit(*data("one"))
    assert asked == [7, 1, 3]


@pytest.mark.parametrize("layer", [bp.Dense(7, 7), bp.Softmax, "relu, tanh"], ids=str)
def test_an_activation_that_is_none_is_refused(layer):
    with pytest.raises((TypeError, ValueError), match="activation"):
        fit(pair("multiclass", activation=[layer, "relu"])[1], X, Y)


def test_n_threads_changes_no_bit():
    one, two = (fit(pair("several", n_threads=count, batch_size=120)[1], *data("several")) for count in (1, 2))
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])


@pytest.mark.parametrize(
    ("parameters", "options", "message"),
    [
        ({"activation": ["relu"]}, {}, "activation has 1 entries for 2 hidden layers"),
        ({"activation": ["relu", "gauss"]}, {}, "activation is 'gauss'; choose one of"),
        ({"dropout": [0.1]}, {}, "dropout has 1 entries"),
        ({"dropout": 1.0}, {}, "'dropout' parameter of MLPClassifier must be"),
        ({"n_threads": 0}, {}, "'n_threads' parameter of MLPClassifier must be"),
        ({"dropout": 0.1, "solver": "lbfgs"}, {}, "need solver='adam' or 'sgd'"),
        ({"optimizer": bp.LBFGS()}, {}, "pass solver='lbfgs' instead"),
        ({}, {"X_val": X, "y_val": Y}, "pass early_stopping=True"),
        ({"early_stopping": True}, {"X_val": X}, "belong together"),
        ({"early_stopping": True}, {"X_val": X[:, :3], "y_val": Y}, "X has 3 features"),
    ],
)
def test_what_does_not_fit_is_refused(parameters, options, message):
    with pytest.raises(ValueError, match=message):
        fit(pair("multiclass", **parameters)[1], X, Y, **options)


def test_a_clone_keeps_our_parameters():
    model = bp.MLPClassifier(dropout=[0.1], class_weight="balanced", n_threads=1, activation=("gelu",), batch_norm=True)
    assert repr(clone(model)) == repr(model)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("kind", ["multiclass", "several"])
def test_an_activation_of_ones_own_in_plain_numpy_trains_by_the_textbook_walk(kind):
    samples, y = data(kind)
    weights = np.random.RandomState(0).uniform(0.5, 2, len(samples))
    for options in ({}, {"sample_weight": weights}):
        own, ours = pair(kind, activation=OwnTanh(), alpha=0.2)[1], pair(kind, activation="tanh", alpha=0.2)[1]
        fit(own, samples, y, **options)
        fit(ours, samples, y, **options)
        assert not own._network_kept.network.compiled
        np.testing.assert_allclose(own.coefs_[0], ours.coefs_[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own.loss_curve_, ours.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(own._forward_pass_fast(samples), ours._forward_pass_fast(samples), rtol=1e-9)
        np.testing.assert_allclose(own.input_gradients(samples), ours.input_gradients(samples), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(own.predict(samples), pickle.loads(pickle.dumps(own)).predict(samples))
    np.testing.assert_array_equal(fit(clone(own), samples, y, **options).coefs_[0], own.coefs_[0])
