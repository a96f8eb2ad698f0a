"""What warm_start, partial_fit and batches without a class ask for: trained rightly, or refused in one line."""

import numpy as np
import pytest

import backpass as bp
from backpass import MLPClassifier, MLPRegressor

X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
NAN = np.where(np.arange(60) == 3, np.nan, y)
INTEGERS = [np.dtype(code).type for code in "bhilBHIL"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("model", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize(
    ("given", "change", "words"),
    [
        (
            {},
            {"hidden_layer_sizes": (50, 50)},
            r"hidden_layer_sizes is \(50, 50\), but \[5\] are gone on with; fit a new",
        ),
        ({}, {"hidden_layer_sizes": 7}, "hidden_layer_sizes is 7"),
        ({}, {"n_ensemble": 3}, "n_ensemble is 3"),
        ({}, {"batch_norm": True}, "batch_norm or layer_norm is True"),
        ({"layer_norm": True}, {"layer_norm": False}, "batch_norm or layer_norm is False"),
        ({"batch_norm": True}, {"batch_norm": False, "layer_norm": True}, "norms_ holds"),
        ({}, {"dropout": [0.1, 0.2]}, "dropout has 2 entries for 1 hidden layers"),
        ({}, {"activation": ["tanh", "relu"]}, "activation has 2 entries for 1 hidden layers"),
    ],
)
def test_another_network_cannot_be_gone_on_with(model, members, given, change, words):
    fitted = model(hidden_layer_sizes=(5,), n_ensemble=members, warm_start=True, max_iter=2, **given).fit(X, y)
    before = [each.copy() for each in fitted.coefs_]
    fitted.set_params(**change)
    for go_on in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match=words):
            go_on(X, y)
    assert all(map(np.array_equal, before, fitted.coefs_))
    fitted.set_params(warm_start=False).fit(X, y) if "entries" not in words else None


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({}, {"loss": "poisson"}),
        ({"loss": "gamma"}, {"loss": "squared_error"}),
        ({"loss": "quantile", "quantile": [0.1, 0.9]}, {"quantile": [0.1, 0.5, 0.9]}),
    ],
)
def test_another_kind_of_output_cannot_be_gone_on_with(given, change):
    fitted = MLPRegressor(warm_start=True, max_iter=2, **given).fit(X, y + 1)
    fitted.set_params(**change)
    with pytest.raises(ValueError, match="gone on with; fit a new estimator"):
        fitted.fit(X, y + 1)
    plain = MLPRegressor(warm_start=True, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="ask for 2 outputs, but 1 are gone on with"):
        plain.partial_fit(X, np.column_stack([y, y]))
    assert plain.predict(X).shape == (60,)


def test_a_batch_may_lack_a_class_that_has_a_weight():
    both = []
    for weight in ({0: 5.0}, {0: 5.0, 1: 1.0, 2: 1.0}):
        model = MLPClassifier(class_weight=weight, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
        both.append(model.partial_fit(X[y > 0], y[y > 0]).coefs_[0])
        early = MLPClassifier(class_weight=weight, early_stopping=True, scoring="loss", max_iter=3, random_state=0)
        early.fit(X, y, X_val=X[y > 0], y_val=y[y > 0])
    assert np.array_equal(*both)
    with pytest.raises(ValueError, match=r"^class_weight names 7; the classes are \[0, 1, 2\]$"):
        MLPClassifier(class_weight={7: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"^y_val holds 3; the classes are"):
        early.fit(X, y, X_val=X, y_val=y + 1)


@pytest.mark.parametrize("weight", [None, "balanced", {0: 2.0}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_nan_in_y_is_named_whatever_the_class_weight(weight, solver):
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        MLPClassifier(class_weight=weight, solver=solver).fit(X, NAN)
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        MLPClassifier(class_weight=weight).partial_fit(X, NAN, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        MLPRegressor(solver=solver).fit(X, NAN)


def test_a_score_that_is_not_defined_is_called_so():
    two = (y > 0).astype(int)
    held_out = {"X_val": X[two == 0], "y_val": two[two == 0]}
    model = MLPClassifier(early_stopping=True, scoring="roc_auc")
    words = (
        r"^scoring='roc_auc' is not defined for the 20 samples of the validation, which are all of class 0: it is nan"
    )
    with pytest.raises(ValueError, match=words):
        model.fit(X, two, **held_out)
    with pytest.raises(ValueError, match=words):
        model.partial_fit(X, two, **held_out)
    with pytest.raises(ValueError, match="is not defined for the 60 samples of the validation: it is nan"):
        MLPRegressor(early_stopping=True, scoring=lambda *_: np.nan).fit(X, y, X_val=X, y_val=y)


@pytest.mark.parametrize("integer", INTEGERS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("model", [MLPClassifier, MLPRegressor])
def test_numpys_integers_are_integers(integer, solver, model):
    many, labels = np.tile(X, (10, 1)), np.tile(y, 10)

    def coefs(kind):
        numbers = {"max_iter": 4, "batch_size": 8, "n_iter_no_change": 127, "random_state": 0, "max_fun": 120}
        numbers |= {"n_threads": 2, "n_ensemble": 1}
        given = {name: kind(number) for name, number in numbers.items()}
        return model(solver=solver, hidden_layer_sizes=(kind(5),), **given).fit(many, labels).coefs_

    assert all(map(np.array_equal, coefs(integer), coefs(int)))


@pytest.mark.parametrize("kind", [*INTEGERS, lambda number: np.array(number)])
def test_numpys_integers_are_integers_everywhere(kind):
    layers = [bp.Embedding(kind(3), {2: kind(4)}, dimensions=kind(2), random_state=kind(0))]
    layers += [
        bp.Dense(kind(4), kind(5), random_state=kind(1)),
        bp.BatchNorm(kind(5)),
        bp.LayerNorm(kind(5)),
        bp.ReLU(),
    ]
    layers += [bp.Dropout(0.5, random_state=kind(2)), bp.Dense(kind(5), kind(3)), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=kind(0))
    data = np.column_stack([X[:, :2], np.arange(60) % 4])
    for optimizer in (
        bp.Adam(bp.ReduceOnPlateau(0.01, patience=kind(2))),
        bp.SGD(bp.StepDecay(0.1, every=kind(3), factor=0.5)),
    ):
        network.fit(data, y, optimizer=optimizer, epochs=kind(3), batch_size=kind(16), threads=kind(1))
    plain = bp.Network([bp.Dense(3, 3)], bp.MeanSquaredError(), random_state=kind(0))
    plain.fit(X, X, optimizer=bp.LBFGS(memory=kind(5)), epochs=kind(3))
    bp.datasets.spiral(samples=kind(10), classes=kind(3), random_state=kind(0))


def test_numpys_floats_and_words_are_floats_and_words():
    network = bp.Network(
        [bp.Dense(3, 1, initializer=np.str_("zeros")), bp.Dropout(np.float32(0.5))], bp.MeanSquaredError()
    )
    network.fit(X, y, optimizer=np.str_("sgd"), epochs=1, shuffle=np.bool_(False))
    network.fit(X, y, optimizer=bp.Adam(np.float32(0.01), np.array(0.9)), epochs=1)
