"""Unfolding: which terms a number has, what they are called, what is refused."""

import numpy as np
import pytest

import backpass as bp
from backpass.audit import unfold
from backpass.audit.terms import Factor, Terms, group
from tests.audit.unfoldings import C, D, M, N, assert_adds_up, some_entries, through
from tests.networks import problem
from tests.test_own_parts import Fills, OwnReLU, SquaredError, Surprise


def test_terms_of_a_weight_are_inputs_times_dvalues_sample_by_sample():
    network, X, y = through(bp.ReLU())
    network.layers[0].penalties = {}
    unfolding = unfold(network, X, y, "dense1.dweights[1, 2]")
    network.forward(X)
    network.backward(y)
    dvalues = network.layers[0].dvalues[:, 2]
    assert np.array_equal(unfolding.terms.factors, np.column_stack([X[:, 1], dvalues]))
    assert np.array_equal(unfolding.terms.products, X[:, 1] * dvalues)
    assert np.array_equal(unfolding.terms.running, np.cumsum(X[:, 1] * dvalues))
    assert unfolding.terms.names(3) == ["dense1.inputs[3, 1]", "dense1.dvalues[3, 2]"]
    assert unfolding.value == network.layers[0].dweights[1, 2]
    assert unfolding.numpy == "np.sum(dense1.inputs[:, 1] * dense1.dvalues[:, 2])"


def test_a_penalty_is_the_last_term():
    network, X, y = through(bp.ReLU())
    unfolding = unfold(network, X, y, "dense1.dweights[1, 2]")
    assert len(unfolding.terms) == N + 1
    assert unfolding.terms.products[-1] == 0.1 * np.sign(network.layers[0].weights[1, 2])
    assert "penalty" in str(unfolding.outline(1, most=99))


def test_a_gradient_enters_at_the_loss_with_its_share_of_the_mean():
    network, X, y = problem("softmax", 6)
    unfolding = unfold(network, X, y, f"loss.dinputs[2, {y[2]}]")
    assert unfolding.terms.names(0) == [f"-loss.y_true[2, {y[2]}] / loss.y_pred[2, {y[2]}]", "1/N (which enters here)"]
    assert unfolding.terms.factors[0, 1] == 1 / 6


def test_a_blocked_relu_is_one_term_of_0_even_of_nan():
    network, X, y = through(bp.ReLU())
    network.layers[0].biases = np.full(M, -1000.0)
    network.layers[2].weights[:] = np.nan
    unfolding = unfold(network, X, y, "relu1.dinputs[0, 0]")
    assert unfolding.terms.factors[0, 1] == 0
    assert np.isnan(unfolding.terms.factors[0, 0])
    assert unfolding.value == unfolding.terms.products[0] == unfolding.residual == 0
    assert eval(unfolding.numpy, {"np": np, **unfolding.names}) == 0


def test_a_probability_of_0_is_unfolded_in_the_one_step_that_the_engine_takes():
    dense = bp.Dense(1, C, dtype="float64")
    dense.weights = [[0.0, 900.0, 1.0]]
    network = bp.Network([dense, bp.Softmax()], bp.CategoricalCrossentropy())
    unfolding = unfold(network, [[1.0], [2.0]], [0, 1], "softmax1.dinputs[0, 0]")
    assert unfolding.value == -1 / 2
    assert unfolding.terms.products.tolist() == [0, -1 / 2]
    assert unfolding.entry("loss.dinputs[0, 0]").value == -np.inf
    assert_adds_up(unfolding)
    assert_adds_up(unfolding.entry("loss.dinputs[0, 2]"))  # 0 / 0, of a class that is not meant
    way_through = unfolding.entry("softmax1.dinputs[1, 1]")
    assert way_through.terms.names(0) == ["softmax1.output[1, 1]", "softmax1.dvalues[1, 1]"]


@pytest.mark.parametrize(("gap", "expected"), [(900, -np.inf), (92, -np.exp(92))])
def test_a_loss_of_ones_own_is_unfolded_at_and_near_a_pole(gap, expected):
    dense = bp.Dense(1, 2, dtype="float64")
    dense.weights = [[0.0, gap]]
    unfolding = unfold(bp.Network([dense, bp.Softmax()], Surprise()), [[1.0]], [0], "loss.dinputs[0, 0]")
    assert unfolding.value == pytest.approx(expected)
    assert unfolding.terms.products[0] == pytest.approx(unfolding.value, rel=1e-12)
    assert eval(unfolding.numpy, {"np": np, **unfolding.names}) == pytest.approx(unfolding.value, rel=1e-12)


def test_labels_and_one_hot_targets_have_the_same_terms():
    network, X, y = problem("softmax", 6)
    entries = "dense1.dweights[0, 1]", "loss.dinputs[3, 2]", "softmax1.dinputs[1, 0]", "loss"
    for entry in entries:
        labels, rows = unfold(network, X, y, entry), unfold(network, X, np.eye(4)[y], entry)
        assert np.array_equal(labels.terms.factors, rows.terms.factors)
        assert labels.numpy == rows.numpy


def test_children_come_in_the_order_of_their_contribution():
    network, X, y = through(bp.Tanh())
    unfolding = unfold(network, X, y, "dense2.dinputs[2, 1]")
    sizes = np.abs(unfolding.terms.products)
    names = [child.name for child in unfolding.children()]
    assert names == [f"dense2.dvalues[2, {m}]" for m in np.argsort(-sizes)]
    assert [child.name for child in unfolding.children(sort=False)] == [f"dense2.dvalues[2, {m}]" for m in range(C)]
    assert unfolding.terms.products[unfolding.terms.order[0]] in (sizes.max(), -sizes.max())


def test_what_is_not_finite_is_the_largest_contribution():
    terms = Terms([group(Factor("a[:]", "{0}", np.array([1, np.nan, -3, np.inf, -2]), "a", (slice(None),)))])
    assert terms.order.tolist() == [1, 3, 2, 4, 0]


def test_an_output_leads_to_the_inputs_that_it_depends_on():
    network, X, y = through(bp.ELU(), bp.DenseReLU(M, 2, dtype="float64"))
    alone = unfold(network, X, y, "elu1.output[2, 1]")
    assert alone.terms.names(0) == ["ELU of elu1.inputs[2, 1]"]
    assert [child.name for child in alone.children()] == ["elu1.inputs[2, 1]"]
    mixed = alone.entry("denserelu1.output[2, 1]")
    assert mixed.terms.names(0) == ["DenseReLU of denserelu1.inputs[2, :]"]
    assert mixed.children() == []


def test_another_name_of_an_array_is_passed_through():
    network, X, y = through(bp.ReLU())
    unfolding = unfold(network, X, y, "dense1.dvalues[-1, 2]")
    assert (unfolding.name, unfolding.source) == (f"dense1.dvalues[{N - 1}, 2]", f"relu1.dinputs[{N - 1}, 2]")
    assert unfolding.entry("relu1.inputs[0, 1]").source == "dense1.output[0, 1]"
    assert unfolding.entry("dense1.inputs[0, 1]").leaf
    assert unfolding.entry("dense2.dvalues[0, 0]").source == "loss.dinputs[0, 0]"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_is_left_as_it_was(dtype):
    network = bp.Network([bp.Dense(D, M, dtype=dtype), bp.BatchNorm(M, dtype=dtype)], bp.MeanSquaredError())
    network.gradients[:] = 7
    before = [array.copy() for array in (network.parameters, network.layers[1].running_mean)]
    unfolding = unfold(network, np.ones((N, D)), np.ones((N, M)), "dense1.dweights[0, 1]")
    unfolding.names["dense1"].dweights[:] = 3
    assert np.all(network.gradients == 7)
    after = network.parameters, network.layers[1].running_mean
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    assert network.layers[0].inputs is None


def test_float32_differs_by_its_own_rounding_only():
    network, X, y = problem("softmax", 50, dtype=np.float32)
    for unfolding in some_entries(unfold(network, X, y, "loss"), np.random.default_rng(0)):
        assert abs(unfolding.residual) <= 1e-5 * unfolding.absolute


ENTRIES = [
    ("dense1.dweights[2, 0]", r"dense1.dweights has shape \(2, 3\); index 2 is outside axis 0"),
    ("dense1.dweights[0, -4]", r"dense1.dweights has shape \(2, 3\); index -4 is outside axis 1"),
    (
        "dense1.dweights[0]",
        r"dense1.dweights has shape \(2, 3\); one entry of it is written as in dense1.dweights\[0, 0\]",
    ),
    ("dense1.dweights", "one entry of it is written as in"),
    ("dense1.dweights[0, ]", "one entry of it is written as in"),
    ("loss[0]", r"loss has shape \(\); one entry of it is written as in loss"),
    ("dens1.output[0, 0]", "there is no dens1; there are dense1, relu1, loss, X, y"),
    ("relu1.weights[0, 0]", "relu1 has no weights; it has inputs, output, dvalues, dinputs"),
    ("relu1", "relu1 is no number; it has inputs, output, dvalues, dinputs"),
    ("X.output[0]", "X has no output; it has no attributes"),
    ("dense1.dweights[0, 1.5]", "write a name and an index, as in 'dense1.dweights"),
    ("dense1.dweights[0, 1", "write a name and an index, as in 'dense1.dweights"),
    ("", "write a name and an index"),
]


@pytest.mark.parametrize(("entry", "message"), ENTRIES)
def test_what_is_no_entry_is_refused_with_what_there_is(entry, message):
    network = bp.Network([bp.Dense(2, 3), bp.ReLU()], bp.MeanSquaredError())
    with pytest.raises(ValueError, match=message) as error:
        unfold(network, np.ones((4, 2)), np.ones((4, 3)), entry)
    assert "\n" not in str(error.value)


def test_an_entry_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match=r"entry is 3; pass a text such as 'dense1.dweights\[0, 1\]'"):
        unfold(*problem("softmax", 2), 3)


class Absolute(OwnReLU):
    def forward(self, inputs):
        self.inputs = inputs
        return np.abs(inputs)


class WithoutFormula(bp.GELU):
    """Kernels, with no formula in this file."""


@pytest.mark.parametrize("layer", [Fills(M, M), Absolute(), WithoutFormula()], ids=lambda layer: type(layer).__name__)
def test_a_layer_that_takes_no_complex_numbers_is_named(layer):
    _, X, y = through(bp.Tanh())
    layers = [bp.Dense(D, M, dtype="float64"), layer, bp.Dense(M, C, dtype="float64")]
    unfolding = unfold(bp.Network(layers, bp.MeanSquaredError()), X, y, "dense1.dweights[0, 0]")
    assert_adds_up(unfolding)  # what does not pass the layer can be had
    assert_adds_up(unfolding.entry("dense2.inputs[0, 1]"))
    refusal = rf"{type(layer).__name__}\(.* cannot be unfolded: its forward.* complex"
    with pytest.raises(TypeError, match=refusal) as error:
        unfolding.children()[0].terms  # noqa: B018  it is computed when asked for
    assert "\n" not in str(error.value)


def test_a_loss_that_takes_no_complex_numbers_is_named():
    class Distance(SquaredError):
        def forward(self, y_pred, y_true):
            return np.abs(y_pred - y_true).mean(axis=1)

    _, X, y = through(bp.Tanh())
    network = bp.Network([bp.Dense(D, C, dtype="float64")], Distance())
    with pytest.raises(TypeError, match=r"Distance\(\) cannot be unfolded: its forward.* complex.* float64"):
        str(unfold(network, X, y, "loss.dinputs[0, 0]"))
