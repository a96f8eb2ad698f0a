"""`health`: what it finds in data, in training and as a whole, and that it finds nothing where nothing is wrong."""

import copy
import io
import json

import numpy as np
import pytest

import backpass as bp
from backpass.audit import health
from tests.audit.sick import OwnReLU, OwnTanh, classifier, digits, kinds, only
from tests.networks import ARCHITECTURES, problem


@pytest.mark.parametrize(
    "activation", [bp.ReLU, bp.Tanh, bp.Sigmoid, bp.ELU, bp.GELU, OwnTanh], ids=lambda a: a.__name__
)
def test_nothing_is_found_in_a_network_that_has_learnt_the_digits(activation):
    X, y = digits()
    network, adam = classifier(64, 10, activation), bp.Adam(0.003)
    history = network.fit(X, y, optimizer=adam, epochs=12, batch_size=32)
    assert network.evaluate(X, y)["accuracy"] > 0.98
    assert health(network, X, y, optimizer=adam, history=history).findings == []


def test_nothing_is_found_in_a_regression_through_layers_that_are_special():
    rng = np.random.default_rng(0)
    X = np.c_[rng.integers(0, 200, 1200), rng.normal(size=(1200, 3))]
    y = X[:, 1] * X[:, 2] + np.sin(X[:, 0]) + 0.1 * rng.normal(size=1200)
    layers = [
        *(bp.Embedding(4, {0: 200}, 8), bp.Dense(11, 64), bp.BatchNorm(64), bp.ReLU(), bp.Dropout(0.1)),
        *(bp.Dense(64, 32), bp.LayerNorm(32), bp.SiLU(), bp.Dense(32, 1), bp.Linear()),
    ]
    network, adam = bp.Network(layers, bp.MeanSquaredError(), random_state=0), bp.Adam(0.003)
    history = network.fit(X, y, optimizer=adam, epochs=40, batch_size=64)
    assert network.evaluate(X, y)["r2"] > 0.8
    assert health(network, X, y, optimizer=adam, history=history).findings == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("samples", [1, 40])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_is_found_in_a_network_that_was_just_made(name, samples, dtype):
    network, X, y = problem(name, samples, dtype)
    found = health(network, X, y, learning_rate=0.001)
    assert found.findings == []
    assert [each.units for each in found.figures] == network.widths[1:]
    assert all(each.update > 0 for each in found.figures if each.relative_gradient)


@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [
        (bp.Huber(), [], "numbers"),
        (bp.LogCosh(), [], "numbers"),
        (bp.Pinball([0.1, 0.9]), [], "numbers"),
        (bp.Hinge(), [], "answers"),
        (bp.SigmoidCrossentropy(), [], "answers"),
        (bp.Poisson(), [bp.Exponential()], "counts"),
        (bp.ExponentialPoisson(), [], "counts"),
        (bp.Gamma(), [bp.Exponential()], "amounts"),
        (bp.ExponentialGamma(), [], "amounts"),
        (bp.SoftmaxCrossentropy(), [], "shares"),
    ],
    ids=repr,
)
def test_every_loss_is_looked_at(loss, last, y):
    rng = np.random.default_rng(1)
    targets = {"numbers": rng.normal(size=(50, 2)), "answers": rng.integers(0, 2, (50, 2))}
    targets |= {"counts": rng.poisson(300, (50, 2)), "shares": np.full((50, 2), 0.5)}
    targets |= {"amounts": rng.gamma(2, 100, (50, 2))}
    network = bp.Network([bp.Dense(3, 8), bp.Tanh(), bp.Dense(8, 2), *last], loss, random_state=0)
    assert health(network, rng.normal(size=(50, 3)), targets[y], learning_rate=0.01).findings == []


def test_inputs_that_are_not_scaled_are_found_and_the_column_named():
    network, X, y = problem("softmax", 60)
    assert "unscaled-inputs" not in kinds(health(network, X, y))
    X[:, 3] += 2000  # a year, say
    finding = only(health(network, X, y), "unscaled-inputs")
    assert finding.where == "X"
    assert finding.figure == pytest.approx(2000, rel=0.01)
    assert "column 3" in finding.text
    assert only(health(network, np.full_like(X, 1e-4), y), "unscaled-inputs").figure < 0.001
    assert "unscaled-inputs" not in kinds(health(network, np.zeros_like(X), y))
    layers = [bp.BatchNorm(5), bp.Dense(5, 4), bp.Softmax()]
    assert "unscaled-inputs" not in kinds(health(bp.Network(layers, network.loss, random_state=0), X, y))


def test_targets_that_are_not_scaled_are_found():
    network, X, _ = problem("no last activation", 60)
    prices = np.random.default_rng(5).uniform(1e5, 5e5, (60, 2))
    assert only(health(network, X, prices), "unscaled-targets").figure > 1e5


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_that_are_not_balanced_are_found(one_hot):
    network, X, _ = problem("softmax", 200)
    y = np.arange(200) % 4
    y[y == 2] = np.where(np.arange(50) < 3, 2, 1)
    targets = np.eye(4)[y] if one_hot else y
    finding = only(health(network, X, targets), "imbalanced-labels")
    assert (finding.where, finding.figure) == ("y", 3 / 200)
    assert "class 2 is 1.50% of the labels" in finding.text
    assert "imbalanced-labels" not in kinds(health(network, X[:60], targets[:60]))  # too few to say
    weighted = bp.Network(copy.deepcopy(network).layers, bp.CategoricalCrossentropy(class_weight=[1, 1, 30, 1]))
    assert "imbalanced-labels" not in kinds(health(weighted, X, targets))


def test_answers_that_are_not_balanced_are_found_and_the_column_named():
    network, X, y = problem("sigmoid", 200)
    assert "imbalanced-labels" not in kinds(health(network, X, y))
    y[:, 1] = np.arange(200) > 1
    finding = only(health(network, X, y), "imbalanced-labels")
    assert finding.figure == pytest.approx(0.01)
    assert "no is 1.00% of the answers in column 1" in finding.text


@pytest.mark.parametrize(
    ("activation", "optimizer", "what"),
    [
        (bp.ReLU, bp.Adam(1e-6), "learning-rate-too-low"),
        (bp.ReLU, bp.SGD(1e-4), "learning-rate-too-low"),
        (bp.Tanh, bp.Adam(1e-5), "learning-rate-too-low"),
        (bp.Tanh, bp.SGD(1e-5), "learning-rate-too-low"),
        (bp.ReLU, bp.Adam(0.001), None),
        (bp.ReLU, bp.Adam(0.01), None),
        (bp.ReLU, bp.SGD(0.003), None),
        (bp.ReLU, bp.SGD(0.3), None),
        (bp.Tanh, bp.Adam(0.01), None),
        (bp.Tanh, bp.SGD(1.0), None),
        (bp.ReLU, bp.Adam(0.1), "learning-rate-too-high"),
        (bp.ReLU, bp.SGD(1.0), "learning-rate-too-high"),
        (bp.Tanh, bp.Adam(0.3), "learning-rate-too-high"),
        (bp.Tanh, bp.Adam(10.0), "learning-rate-too-high"),
    ],
    ids=repr,
)
def test_the_learning_rate_of_the_digits_is_judged(activation, optimizer, what):
    X, y = digits()
    network = classifier(64, 10, activation)
    history = network.fit(X, y, optimizer=optimizer, epochs=20, batch_size=32)
    found = health(network, X, y, optimizer=optimizer, history=history)
    assert [kind for kind in kinds(found) if "learning-rate" in kind] == ([what] if what else [])
    if what:
        assert only(found, what).where == "learning_rate"
        assert ("lower" if "high" in what else "raise") in only(found, what).remedy


def test_losses_alone_are_judged_with_more_care():
    network, X, y = problem("softmax", 40)
    steps = np.arange(30)
    for losses, what in [
        (2.0 - 0.001 * steps, ["learning-rate-too-low"]),
        (2.0 - 0.015 * steps, []),  # by a fifth: that may be all there is to learn
        (2.0 + 0.3 * (-1.0) ** steps, ["learning-rate-too-high"]),
        (2.0 + 0.05 * (-1.0) ** steps, []),
        (1.0 + 0.1 * steps, ["learning-rate-too-high"]),
        (np.exp(-0.3 * steps), []),
        (0.01 + np.exp(-steps) + 0.005 * (-1.0) ** steps, []),  # near the floor
        (np.full(30, 2.0), []),
        (2.0 - 0.001 * steps[:9], []),  # too few
        (2.0 * 0.88 ** np.maximum(steps - 14, 0), []),  # large changes, but downwards
        (2.0 * np.cumprod(np.where(steps < 15, 1, np.where(steps % 2, 0.8, 1.02))), []),  # two forth, one back
        (2.0 * 0.86 ** (steps % 4), []),  # a leap now and then
        (2.0 - 0.1 * (1 - np.exp(-steps / 4)), []),  # fast at first: it has arrived
    ]:
        assert kinds(health(network, X, y, history=losses)) == what, losses


def test_losses_are_not_blamed_on_steps_of_another_size():
    network, X, y = problem("softmax", 40)
    steps = np.arange(30)
    crawling, bouncing = 2.0 - 0.001 * steps, 2.0 + 0.3 * (-1.0) ** steps
    assert kinds(health(network, X, y, learning_rate=1e-5, history=crawling)) == ["learning-rate-too-low"]
    assert kinds(health(network, X, y, learning_rate=1e-2, history=crawling)) == []
    assert kinds(health(network, X, y, learning_rate=1e-2, history=bouncing)) == ["learning-rate-too-high"]
    assert kinds(health(network, X, y, learning_rate=1e-4, history=bouncing)) == []


def test_parameters_that_are_not_finite_are_named():
    network, X, y = problem("softmax", 20)
    network.layers[2].weights[3, 1] = np.nan
    network.layers[2].biases[0, 0] = np.inf
    finding = only(health(network, X, y, learning_rate=0.1), "not-finite")
    assert (finding.where, finding.figure) == ("dense2", 2)


def test_samples_are_left_as_they_were_by_a_layer_that_works_in_place():
    network = bp.Network([OwnReLU(), bp.Dense(4, 1, dtype="float64")], bp.MeanSquaredError(), random_state=0)
    X = np.random.default_rng(7).normal(size=(30, 4))
    before = X.copy()
    health(network, X, X[:, 0])
    np.testing.assert_array_equal(X, before)


def test_network_and_optimizer_are_left_as_they_were():
    X = np.random.default_rng(6).normal(size=(30, 4))
    y = np.arange(30) % 3
    layers = [bp.Dense(4, 6), bp.BatchNorm(6), bp.ReLU(), bp.Dropout(0.5), bp.Dense(6, 3), bp.Softmax()]
    network, adam = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0), bp.Adam(0.01)
    history = network.fit(X, y, optimizer=adam, epochs=3, batch_size=8)
    network.forward(X)
    network.backward(y)

    def everything():
        kept = [network.parameters, network.gradients, adam.first_moment, layers[1].running_mean, adam.settings]
        kept += [
            array for layer in layers for array in (layer.inputs, layer.output, layer.dinputs) if array is not None
        ]
        return [array.copy() for array in kept], adam.iterations, network.trained, layers[3].rate

    arrays, *rest = everything()
    health(network, X, y, optimizer=adam, history=history)
    after, *now = everything()
    assert now == rest
    for array, other in zip(arrays, after, strict=True):
        np.testing.assert_array_equal(array, other)


def test_findings_and_figures_can_be_printed_and_kept():
    from rich.console import Console

    network, X, y = problem("softmax", 200)
    network.layers[0].biases[:] = -500
    found = health(network, X * 30, y, learning_rate=5.0)
    assert kinds(found) == ["dead-units", "updates-too-large", "unscaled-inputs"]
    kept = json.loads(json.dumps(found.to_dict()))
    assert kept["figures"][1]["name"] == "relu1"
    assert [each["what"] for each in kept["findings"]] == kinds(found)
    file = io.StringIO()
    Console(file=file, width=300).print(found)
    for text in (str(found), file.getvalue(), found._repr_html_()):
        for each in found.figures:
            assert each.name in text
        for finding in found.findings:
            assert finding.text in text
            assert finding.remedy in text
    network, X, y = problem("softmax", 5)
    assert str(health(network, X, y)).endswith("nothing to remark")


def test_what_does_not_fit_is_refused():
    network, X, y = problem("softmax", 20)
    with pytest.raises(ValueError, match=r"learning_rate is 0\.1 beside an optimizer"):
        health(network, X, y, learning_rate=0.1, optimizer=bp.SGD(0.1))
    with pytest.raises(ValueError, match="optimizer is 'adamm'"):
        health(network, X, y, optimizer="adamm")
    with pytest.raises(ValueError, match="X has 20 rows and y has 19"):
        health(network, X, y[:-1])
    with pytest.raises(TypeError, match="history holds strings"):
        health(network, X, y, history=["a"])
