"""Embedding: tables of categories, the columns that pass, and categories that do not exist."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.layers import embedding
from tests.gradients import assert_close, assert_gradient
from tests.parts import DTYPES, SEEDS, TOLERANCE

CLONES = [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))]


def samples(rng, N, D, categories):
    X = rng.normal(size=(N, D))
    for column, count in categories.items():
        X[:, column] = rng.integers(0, count, N)
    return X


@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(seed):
    rng, categories = np.random.default_rng(seed), {4: 3, 1: 5}
    layer = bp.Embedding(6, categories, {4: 2, 1: 3}, random_state=seed, dtype="float64")
    values = {"inputs": samples(rng, 7, 6, categories), "weights": layer.weights.copy()}
    dvalues = rng.normal(size=(7, layer.output_width(6)))
    dweights, dinputs = embedding.backward(**values, dvalues=dvalues, places=layer.places)

    def loss(at, name):
        return np.sum(dvalues * embedding.forward(**(values | {name: at}), places=layer.places))

    assert_gradient(lambda at: loss(at, "weights"), values["weights"], dweights, what="dweights")
    passing = [0, 2, 3, 5]  # a category cannot be moved a little

    def of_passing(at):
        inputs = values["inputs"].astype(at.dtype)
        inputs[:, passing] = at
        return loss(inputs, "inputs")

    assert_gradient(of_passing, values["inputs"][:, passing], dinputs[:, passing], what="dinputs")
    assert not dinputs[:, [1, 4]].any()


@settings(max_examples=300)
@given(dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    N, D = int(rng.integers(1, 41)), int(rng.integers(1, 9))
    columns = rng.permutation(D)[: rng.integers(1, D + 1)]  # sometimes all of them, in any order
    categories = {int(column): int(rng.integers(1, 9)) for column in columns}
    layer = bp.Embedding(D, categories, {column: int(rng.integers(1, 6)) for column in categories}, dtype=dtype)
    inputs = samples(rng, N, D, categories).astype(dtype)
    output = layer.forward(inputs)
    dvalues = rng.normal(size=output.shape).astype(dtype)
    dinputs = layer.backward(dvalues)
    assert output.dtype == dinputs.dtype == layer.dweights.dtype == dtype
    assert np.array_equal(output, embedding.forward(inputs, layer.weights, layer.places))  # copied, not computed
    exact = inputs.astype(np.float64), layer.weights.astype(np.float64)
    dweights, expected = embedding.backward(*exact, dvalues.astype(np.float64), layer.places)
    assert np.array_equal(dinputs, expected)
    terms = embedding.backward(*exact, np.abs(dvalues).astype(np.float64), layer.places)[0]
    assert_close(layer.dweights, dweights, tolerance, terms, "dweights")


def test_columns_that_pass_come_first_then_the_tables_in_the_order_of_the_dict():
    layer = bp.Embedding(4, {2: 3, 0: 2}, {2: 1, 0: 2}, dtype="float64")
    layer.weights = [[10, 11, 12, 1, 2, 3, 4]]
    assert layer.table(2).tolist() == [[10], [11], [12]]
    assert layer.table(0).tolist() == [[1, 2], [3, 4]]
    assert layer.forward([[1, 0.5, 2, 0.6]]).tolist() == [[0.5, 0.6, 12, 3, 4]]
    layer.table(0)[1] = [30, 40]
    assert layer.forward([[1, 0.5, 2, 0.6]])[0, -2:].tolist() == [30, 40]
    with pytest.raises(ValueError, match=r"^column 1 has no table; 2, 0 have$"):
        layer.table(1)


def test_gradients_of_a_category_add_up_over_its_samples_and_are_0_for_the_absent():
    layer = bp.Embedding(1, {0: 4}, 2, dtype="float64")
    layer.forward([[1.0], [3.0], [1.0], [1.0]])
    layer.backward([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0]])
    assert layer.dweights.reshape(4, 2).tolist() == [[0, 0], [13, 130], [0, 0], [2, 20]]
    layer.backward(np.ones((4, 2)))  # and do not add up over calls
    assert layer.dweights.reshape(4, 2).tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]


def test_sizes_that_nobody_gave_follow_the_rule_of_thumb_and_tables_start_by_it():
    layer = bp.Embedding(2, {0: 100, 1: 10_000}, random_state=0)
    assert layer.places == {0: (100, 21), 1: (10_000, 50)}
    assert layer.table(1).std() == pytest.approx(1 / np.sqrt(50), rel=0.01)
    assert np.array_equal(bp.Embedding(2, {0: 100, 1: 10_000}, random_state=0).weights, layer.weights)


def network(dtype="float64", seed=0, **options):
    layers = [bp.Embedding(3, {1: 6, 2: 4}, 2, dtype=dtype, **options), bp.Dense(5, 8, dtype=dtype), bp.Tanh()]
    return bp.Network([*layers, bp.Dense(8, 1, dtype=dtype)], bp.MeanSquaredError(), random_state=seed)


def test_a_network_draws_tables_anew_unless_somebody_chose_them():
    assert np.array_equal(network(seed=1).layers[0].weights, network(seed=1).layers[0].weights)
    assert not np.array_equal(network(seed=1).layers[0].weights, network(seed=2).layers[0].weights)
    own = network(seed=1, random_state=5).layers[0].weights
    assert np.array_equal(network(seed=2, random_state=5).layers[0].weights, own)
    chosen = bp.Embedding(1, {0: 3}, 1)
    chosen.weights = [[1, 2, 3]]
    bp.Network([chosen, bp.Dense(1, 1)], bp.MeanSquaredError(), random_state=0)
    assert chosen.weights.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(("value", "shown"), [(6, "6"), (-1, "-1"), (0.5, "0.5"), (1e9, r"1e\+09")])
def test_wrong_categories_are_named_in_one_line_wherever_they_enter(value, shown):
    rng = np.random.default_rng(0)
    X, y, net = samples(rng, 9, 3, {1: 6, 2: 4}), rng.normal(size=9), network()
    bad = X.copy()
    bad[5, 1] = value
    said = rf"holds {shown} in row 5, column 1; its categories are whole numbers from 0 to 5$"
    with pytest.raises(ValueError, match=rf"^inputs {said}"):
        net.layers[0].forward(bad)
    before = net.parameters.copy()
    for call in (net.predict, net.forward, lambda X: net.fit(X, y, epochs=1), lambda X: net.gradient(X, y)):
        with pytest.raises(ValueError, match=rf"^X {said}"):
            call(bad)
    with pytest.raises(ValueError, match=rf"^X {said}"):
        net.evaluate(bad, y)
    with pytest.raises(ValueError, match=rf"^validation_data\[0\] {said}"):
        net.fit(X, y, epochs=1, validation_data=(bad, y))
    assert np.array_equal(net.parameters, before)


def test_nobody_writes_outside_the_tables_whatever_happened_to_the_inputs():
    """A kernel believes its arrays: each of these would have changed memory that is not the table's."""
    layer = bp.Embedding(1, {0: 4}, 2, dtype="float64")
    inputs = np.array([[1.0], [3.0]])
    layer.forward(inputs)
    layer.inputs = np.array([[1.0], [2e6]])
    with pytest.raises(ValueError, match=r"^inputs holds 2e\+06 in row 1, column 0"):
        layer.backward(np.ones((2, 2)))
    layer.forward(inputs)
    for value in (4, -1, 2e6, np.nan):
        inputs[1, 0] = value
        with pytest.raises(IndexError, match="read outside"):
            layer.backward(np.ones((2, 2)))


def test_behind_another_layer_it_is_refused_in_one_line():
    """Its categories would be somebody's output, which no check can see before training."""
    with pytest.raises(ValueError, match=r"^layer 1, Embedding\([^\n]*has to be the first"):
        bp.Network([bp.Dense(2, 2), bp.Embedding(2, {0: 3}, 1), bp.Dense(2, 1)], bp.MeanSquaredError())


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((3, {}), TypeError, r"^categories is \{\}; pass a dict"),
        ((3, [4]), TypeError, r"^categories is \[4\]; pass a dict"),
        ((3, {3: 4}), ValueError, r"^categories names column 3; columns are 0 to 2$"),
        ((3, {-1: 4}), ValueError, r"^categories names column -1; columns are 0 to 2$"),
        ((3, {1: 0}), ValueError, r"^categories\[1\] is 0; it must be at least 1$"),
        ((3, {1: 4}, 0), ValueError, r"^dimensions\[1\] is 0; it must be at least 1$"),
        ((3, {1: 4}, {1: 2.5}), TypeError, r"^dimensions\[1\] is 2.5; pass a whole number"),
        ((0, {0: 4}), ValueError, r"^n_inputs is 0; it must be at least 1$"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused_in_one_line(arguments, error, said):
    with pytest.raises(error, match=said) as caught:
        bp.Embedding(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("clone", CLONES)
def test_copies_compute_the_same(clone):
    layer = bp.Embedding(3, {1: 6}, 2, random_state=0)
    X = samples(np.random.default_rng(0), 4, 3, {1: 6})
    assert np.array_equal(clone(layer).forward(X), layer.forward(X))


def test_config_makes_the_layer_anew_also_from_json(tmp_path):
    layer = bp.Embedding(3, {2: 4, 0: 6}, {2: 3, 0: 1})
    assert bp.Embedding(**layer.config()).places == layer.places == {2: (4, 3), 0: (6, 1)}
    net, X = network("float32"), samples(np.random.default_rng(0), 4, 3, {1: 6, 2: 4})
    net.save(tmp_path / "model")
    loaded = bp.Network.load(tmp_path / "model")
    assert loaded.layers[0].places == net.layers[0].places
    assert np.array_equal(loaded.predict(X), net.predict(X))


def test_learns_a_number_of_its_own_for_each_category():
    rng = np.random.default_rng(0)
    X = samples(rng, 400, 3, {1: 6, 2: 4})
    value = rng.normal(size=6)
    y = value[X[:, 1].astype(int)] * np.where(X[:, 2] == 2, -1, 1) + 0.5 * X[:, 0]  # in no order of the numbers
    net = network("float32")
    net.fit(X, y, optimizer=bp.Adam(0.02), epochs=150, batch_size=50)
    assert net.evaluate(X, y)["r2"] > 0.95


@pytest.mark.parametrize("rows", [1, 64, 300, 2000])
def test_engine_computes_the_textbook_walk(rows):
    rng = np.random.default_rng(0)
    X, y, net = samples(rng, rows, 3, {1: 6, 2: 4}), rng.normal(size=rows), network()
    net.forward(X)
    net.backward(y)
    expected = net.gradients.copy()
    assert_close(net.gradient(X, y)[1], expected, 1e-12, np.abs(expected).max())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, {1.7: 4}), r"^categories names column 1\.7; columns are 0 to 2$"),
        ((3, {"colour": 4}), r"^categories names column 'colour'; columns are 0 to 2$"),
        ((3, {True: 4}), r"^categories names column True; columns are 0 to 2$"),
        ((3, {"1": 4, 1: 5}), r"^categories names a column twice: '1', 1$"),
        ((3, {1: 4}, {2: 9}), r"^dimensions names 2, for which categories has no number$"),
        ((3, {1: 2**24 + 1}, 1), r"^float32 holds whole numbers up to 16777216; more categories need dtype='float64'$"),
    ],
)
def test_columns_that_are_meant_otherwise_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        bp.Embedding(*arguments)
