"""`health`: the figures of layers, where they are from, and what is found by them."""

import numpy as np
import pytest

import backpass as bp
from backpass.audit import examination, health
from tests.audit.sick import (
    Noise,
    OwnReLU,
    OwnTanh,
    Scale,
    SquaredErrors,
    classifier,
    figure,
    kinds,
    only,
    relu_of_four,
)
from tests.networks import problem


@pytest.mark.parametrize("activation", [bp.ReLU, OwnReLU])
def test_a_unit_is_dead_that_is_0_for_all_samples_and_not_if_one_in_a_later_block_wakes_it(activation):
    network = relu_of_four(activation)
    X = np.random.default_rng(0).uniform(-1, 1, (3 * examination.BLOCK, 1))
    y = np.zeros(len(X))
    name = health(network, X, y).figures[1].name
    assert figure(health(network, X, y), name).dead == 0.5
    assert "dead-units" not in kinds(health(network, X, y))  # half of them may be
    network.layers[0].biases[0, 1] = -2
    finding = only(health(network, X, y), "dead-units")
    assert (finding.where, finding.figure) == (name, 0.75)
    assert f"{name}: 3 of 4 units are 0 for all 3000 samples" in finding.text
    assert "learning rate" in finding.remedy
    X[-2] = 2.5
    assert figure(health(network, X, y), name).dead == 0


def test_a_fused_layer_has_dead_units_and_a_dense_one_with_an_output_of_0_has_not():
    network = bp.Network([bp.DenseReLU(1, 4), bp.Dense(4, 1)], bp.MeanSquaredError(), random_state=0)
    network.layers[0].weights[:], network.layers[0].biases[:] = 1, [[-2, -2, -2, 5]]
    network.layers[1].weights[:] = 0
    found = health(network, [[0.5], [-0.5]], [0.0, 1.0])
    assert [each.dead for each in found.figures] == [0.75, None]


FLAT_AT_BOTH_ENDS = (bp.Tanh, bp.Sigmoid, OwnTanh)


@pytest.mark.parametrize(
    "activation", [*FLAT_AT_BOTH_ENDS, bp.ReLU, bp.Softplus, bp.ELU, bp.SiLU], ids=lambda a: a.__name__
)
def test_units_are_saturated_where_a_layer_is_flat_at_both_ends(activation):
    flat = activation in FLAT_AT_BOTH_ENDS
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(300, 5)), rng.integers(0, 3, 300)
    network = classifier(5, 3, activation)
    assert "saturated" not in kinds(health(network, X, y))
    network.layers[2].weights *= 1000
    found = health(network, X, y)
    second = found.figures[3].name
    assert ("saturated" in kinds(found)) == flat
    if flat:
        assert only(found, "saturated").where == second
        assert only(found, "saturated").figure == figure(found, second).saturated > 0.9
        assert figure(found, second).dead == 0  # though a sigmoid rounds to 0
    else:
        assert figure(found, second).saturated is None


def test_nothing_is_said_of_the_units_of_a_layer_that_couples_them():
    layers = [bp.Dense(3, 4), bp.Softmax(), bp.Dense(4, 1)]
    network = bp.Network(layers, bp.MeanSquaredError(), random_state=0)
    network.layers[0].weights *= 1000
    X = np.random.default_rng(9).normal(size=(50, 3))
    assert figure(health(network, X, X[:, 0]), "softmax1").dead is None


def test_the_last_layer_may_be_as_sure_as_its_targets():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(100, 3))
    for last, y in ((bp.Tanh(), np.sign(X[:, :1])), (bp.Sigmoid(), X[:, :1] > 0)):
        network = bp.Network([bp.Dense(3, 1), last], bp.MeanSquaredError(), random_state=0)
        network.layers[0].weights[:], network.layers[0].biases[:] = [[2000], [0], [0]], 0
        assert health(network, X, y).findings == []


def test_gradients_are_those_of_the_walk_whatever_the_blocks(monkeypatch):
    network, X, y = problem("deep", 50)
    _, gradient = network.gradient(X, y)
    network.forward(X)
    network.backward(y)
    # dvalues are those of the mean of 50 losses
    expected = [np.sqrt((np.square(50 * layer.dvalues).sum(axis=1)).mean()) for layer in network.layers[:-1]]
    by_layer = [layer.parameters.size for layer in network.layers]
    pieces = np.split(gradient, np.cumsum(by_layer)[:-1])
    for block in (50, 7):
        monkeypatch.setattr(examination, "BLOCK", block)
        figures = health(network, X, y).figures
        np.testing.assert_allclose([each.gradient for each in figures[:-1]], expected, rtol=1e-12)
        ratios = [each.ratio for each in figures[:-2]]
        np.testing.assert_allclose(ratios, np.array(expected[:-1]) / expected[1:], rtol=1e-12)
        for each, piece, layer in zip(figures, pieces, network.layers, strict=True):
            if piece.size:
                relative = np.linalg.norm(piece) / np.linalg.norm(layer.parameters)
                assert each.relative_gradient == pytest.approx(relative, rel=1e-12)


def deep(activation, factor: float) -> tuple[bp.Network, np.ndarray, np.ndarray]:
    layers = [layer for _ in range(8) for layer in (bp.Dense(6, 6), activation())]
    network = bp.Network([*layers, bp.Dense(6, 1)], bp.MeanSquaredError(), random_state=0)
    network.parameters *= factor
    rng = np.random.default_rng(3)
    return network, rng.normal(size=(40, 6)), rng.normal(size=40)


@pytest.mark.parametrize(
    ("activation", "factor", "what"),
    [
        (bp.Sigmoid, 0.5, "vanishing-gradient"),
        (bp.Linear, 8, "exploding-gradient"),
        (bp.ReLU, 1, None),
        (bp.Tanh, 1, None),
    ],
)
def test_gradients_that_vanish_or_explode_are_seen(activation, factor, what):
    network, X, y = deep(activation, factor)
    found = health(network, X, y)
    assert [kind for kind in kinds(found) if "gradient" in kind] == ([what] if what else [])
    if what:
        finding = only(found, what)
        assert finding.where == "dense1"
        assert finding.figure == pytest.approx(found.figures[0].gradient / found.figures[-1].gradient)
        assert f"{finding.figure:.2g}" in finding.text


@pytest.mark.parametrize(
    "optimizer",
    [
        bp.Adam(0.02),
        bp.SGD(0.05, momentum=0.9),
        bp.AdamW(0.01, clip_norm=0.1),
        bp.Lion(0.001),
        bp.RMSprop(0.003, weight_average=0.9),
        bp.SGD(bp.Cosine(0.1, steps=1000)),
    ],
    ids=repr,
)
def test_the_update_is_what_one_step_more_does(optimizer):
    network, X, y = problem("sigmoid", 30)
    network.layers[0].penalties = {"weights": (0.0, 0.01)}
    network.fit(X, y, optimizer=optimizer, epochs=7)
    found = health(network, X, y, optimizer=optimizer)
    own = network.parameters.copy() if optimizer._own is None else optimizer._own.copy()
    shown = [np.linalg.norm(layer.parameters) for layer in network.layers]
    network.fit(X, y, optimizer=optimizer, epochs=1)
    after = network.parameters if optimizer._own is None else optimizer._own
    start = 0
    for each, layer, size in zip(found.figures, network.layers, shown, strict=True):
        place = slice(start, start := start + layer.parameters.size)
        if size:
            exact = 1e-3 if optimizer.weight_average is None else 0.03  # the gradient is that of the average
            assert each.update == pytest.approx(np.linalg.norm(after[place] - own[place]) / size, rel=exact)


def test_the_update_goes_on_from_the_optimizers_moments_when_other_weights_were_put_in():
    network, X, y = problem("sigmoid", 30)
    adam, kept = bp.Adam(0.02), network.parameters.copy()
    network.fit(X, y, optimizer=adam, epochs=7)
    network.parameters[:] = kept  # the best epoch's, say
    update = health(network, X, y, optimizer=adam).figures[0].update
    network.fit(X, y, optimizer=adam, epochs=1)
    first = slice(0, network.layers[0].parameters.size)
    change = np.linalg.norm(network.parameters[first] - kept[first])
    assert update == pytest.approx(change / np.linalg.norm(kept[first]), rel=1e-3)
    assert health(network, X, y, learning_rate=0.02).figures[0].update != pytest.approx(update, rel=0.1)


def test_steps_that_are_too_large_or_too_small_are_seen():
    network, X, y = problem("softmax", 40)
    assert only(health(network, X, y, learning_rate=5.0), "updates-too-large").figure > 0.5
    finding = only(health(network, X, y, learning_rate=1e-7), "updates-too-small")
    assert finding.where == "learning_rate"
    assert 0 < finding.figure < 1e-5
    ending = bp.Adam(bp.Warmup(1e-7, 1000))  # a schedule may begin and end with steps as small as it likes
    assert "updates-too-small" not in kinds(health(network, X, y, optimizer=ending))


def own_network(*, loss: bool = True, layer: bool = False, before=OwnTanh) -> tuple[bp.Network, np.ndarray, np.ndarray]:
    layers = [
        bp.Dense(3, 5, dtype="float64", weights_l2=0.1),
        before(),
        Scale(5, layer),
        bp.Dense(5, 2, dtype="float64"),
    ]
    rng = np.random.default_rng(4)
    network = bp.Network(layers, SquaredErrors(loss), random_state=0)
    return network, rng.normal(size=(30, 3)), rng.normal(size=(30, 2))


def test_a_loss_that_sums_where_it_should_take_the_mean_is_found():
    for before in (OwnTanh, bp.Dropout):
        finding = only(health(*own_network(loss=False, before=before)), "loss-scale")
        assert finding.where == "loss"
        assert finding.figure == pytest.approx(2)


def test_a_layer_that_takes_the_mean_where_it_should_sum_is_named():
    network, X, y = own_network(layer=True)
    finding = only(health(network, X, y), "loss-scale")
    assert finding.where == health(network, X, y).figures[2].name
    assert finding.figure == pytest.approx(0.5)


def test_the_scale_is_right_where_it_is_or_where_something_is_random():
    assert kinds(health(*own_network())) == []
    assert kinds(health(*own_network(before=Noise))) == []


def test_the_scale_is_right_at_a_minimum_in_float32():
    X, y = bp.datasets.spiral(samples=30, classes=3, random_state=0)
    network = bp.Network([bp.Dense(2, 3), bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    network.fit(X, y, optimizer=bp.LBFGS(), epochs=200)
    assert np.abs(network.gradient(X, y)[1]).max() < 1e-5
    assert kinds(health(network, X, y, optimizer=bp.SGD(0.001))) == []  # steps are small where nothing is left to learn
