"""The terms of every number add up to what the kernel computed, down to the loss, through every part."""

import numpy as np
import pytest

import backpass as bp
from backpass.audit import unfold
from tests import parts
from tests.audit.coupled import Coupled
from tests.audit.unfoldings import C, D, M, N, assert_all_add_up, through
from tests.networks import ARCHITECTURES, problem
from tests.test_own_parts import OwnReLU, Returns, SquaredError, Surprise, WithoutKernels

NORMS = [bp.BatchNorm, bp.LayerNorm, Coupled]
SPECIAL = [bp.Dropout(0.4, random_state=1), *(norm(M, dtype="float64") for norm in NORMS)]


def middle(part, options):
    """A layer of M inputs, with M + 2 outputs if it has a say."""
    return parts.made(part, M, M + 2, "float64", **options)


@pytest.mark.parametrize("scale", [1.0, 12.0], ids=["random", "saturated"])
@pytest.mark.parametrize(("part", "options"), parts.LAYER_CASES, ids=parts.case_name)
def test_terms_of_every_entry_add_up_through_every_layer(part, options, scale):
    layer = middle(part, options)
    scale = min(scale, 2) if part is bp.Exponential else scale
    assert_all_add_up(*through(layer, scale=scale))


@pytest.mark.parametrize("layer", SPECIAL, ids=repr)
def test_terms_add_up_through_layers_with_modes_and_rows_of_their_own(layer):
    assert_all_add_up(*through(layer))


def test_terms_add_up_through_tables_of_categories():
    rng = np.random.default_rng(2)
    embedding = bp.Embedding(3, {1: 4, 2: 2}, dimensions=2, dtype="float64")
    network = bp.Network([embedding, bp.Tanh(), bp.Dense(5, 1, dtype="float64")], bp.MeanSquaredError())
    X = np.column_stack([rng.normal(size=N), rng.integers(0, 4, N), rng.integers(0, 2, N)])
    assert_all_add_up(network, X, rng.normal(size=N))


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("layer", NORMS[:2])
def test_terms_of_norms_add_up_where_the_derivative_cancels(layer, rows):
    network, _, _ = through(bp.ReLU(), layer(M, dtype="float64"))
    X = np.zeros((rows, D))
    X[0] = 1000.0  # one row alone is off: its normal number is as good as fixed
    assert_all_add_up(network, X, np.ones((rows, C)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_terms_add_up_at_every_end_of_a_network(name):
    assert_all_add_up(*problem(name, 6))


ENDS = {
    bp.CategoricalCrossentropy: [bp.Softmax()],
    bp.BinaryCrossentropy: [bp.Sigmoid()],
    bp.Poisson: [bp.Softplus(), bp.Exponential()],
    bp.Gamma: [bp.Softplus(), bp.Exponential()],
}
LOSS_CASES = [(loss, last) for loss in [*parts.ALL_LOSSES, *parts.ALL_FUSIONS] for last in ENDS.get(loss, [None])]


def ending_in(loss, last, rng):
    layers = [bp.Dense(D, C, dtype="float64"), *([] if last is None else [last])]
    return bp.Network(layers, parts.made_loss(loss, rng, C), random_state=0), rng.normal(size=(N, D))


@pytest.mark.parametrize(("loss", "last"), LOSS_CASES)
def test_terms_add_up_for_every_loss_and_kind_of_target(loss, last):
    rng = np.random.default_rng(3)
    network, X = ending_in(loss, last, rng)
    for _, y in parts.kinds_of_targets(network.loss, rng, N, C):
        assert_all_add_up(network, X, y)


@pytest.mark.parametrize(("loss", "last"), [case for case in LOSS_CASES if case[0] is not bp.Hinge])
@pytest.mark.parametrize("off", [1e-9, 0])
def test_terms_add_up_where_predictions_are_nearly_right(loss, last, off):
    rng = np.random.default_rng(6)
    network, X = ending_in(loss, last, rng)
    exact = unfold(network, X, next(parts.kinds_of_targets(network.loss, rng, N, C))[1], "loss").names["loss"].y_pred
    assert_all_add_up(network, X, exact[:, 0] if network.loss.settings.size > 2 else exact * (1 - off))


@pytest.mark.parametrize("loss", [bp.CategoricalCrossentropy, bp.BinaryCrossentropy])
def test_terms_add_up_with_smoothed_and_weighted_targets(loss):
    softmax = loss is bp.CategoricalCrossentropy
    made = loss(label_smoothing=0.1, class_weight=[0.5, 1.0, 3.0] if softmax else [0.5, 3.0])
    layers = [bp.Dense(D, C, dtype="float64"), bp.Softmax() if softmax else bp.Sigmoid()]
    rng = np.random.default_rng(4)
    y = rng.integers(0, C, N) if softmax else rng.integers(0, 2, (N, C))
    assert_all_add_up(bp.Network(layers, made, random_state=0), rng.normal(size=(N, D)), y)


@pytest.mark.parametrize("layer", [Returns(M, M), OwnReLU(), WithoutKernels()], ids=lambda part: type(part).__name__)
def test_terms_add_up_through_layers_of_ones_own(layer):
    _, X, y = through(bp.Tanh())
    layers = [bp.Dense(D, M, dtype="float64"), layer, bp.Dense(M, C, dtype="float64")]
    assert_all_add_up(bp.Network(layers, bp.MeanSquaredError(), random_state=0), X, y)


@pytest.mark.parametrize(
    ("loss", "last"), [(SquaredError(), bp.Tanh), (Surprise(), bp.Softmax)], ids=["rows", "labels"]
)
def test_terms_add_up_with_a_loss_of_ones_own(loss, last):
    _, X, y = through(bp.Tanh(), loss=bp.SoftmaxCrossentropy() if last is bp.Softmax else None)
    network = bp.Network([bp.Dense(D, C, dtype="float64"), last()], loss, random_state=0)
    assert_all_add_up(network, X, y)


def test_layers_that_work_in_place_leave_the_numbers_before_them():
    class Doubles:
        def forward(self, inputs):
            inputs *= 2
            return inputs

        def backward(self, dvalues):
            dvalues *= 2
            return dvalues

    _, X, y = through(bp.Tanh())
    layers = [bp.Dense(D, M, dtype="float64"), Doubles(), bp.Dense(M, C, dtype="float64")]
    assert_all_add_up(bp.Network(layers, bp.MeanSquaredError(), random_state=0), X, y)


def multiplied_out(unfolding):
    """The number from its leaves alone: sums of products of what cannot be unfolded further."""
    if unfolding.leaf:
        return unfolding.value
    total = 0.0
    for k, factors in enumerate(unfolding.terms.factors):
        factors = factors.copy()
        for column, child in unfolding._of_term(k):
            factors[column] = multiplied_out(child)
        total += np.prod(factors)
    return total


@pytest.mark.parametrize("end", ["softmax", "logits", "regression"])
def test_the_whole_tree_of_a_gradient_multiplied_out_is_the_gradient(end):
    network, X, y = problem(end, 3)
    expected = network.gradient(X, y)[1]
    dense = unfold(network, X, y, "dense1.dweights[0, 0]")
    shape = network.layers[0].weights.shape
    computed = [multiplied_out(dense.entry(f"dense1.dweights[{d}, {m}]")) for d, m in np.ndindex(*shape)]
    assert np.abs(computed - expected[: len(computed)]).max() <= 1e-13 * np.abs(expected).max()
