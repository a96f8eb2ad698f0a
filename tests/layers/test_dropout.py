"""Dropout: the share, the scaling, and masks that depend on nothing but seed, step, row and column."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from backpass.layers import dropout
from tests.gradients import assert_close, assert_gradient
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE

CLONES = [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))]


def mask(rate, shape, step=1, seed=0, dtype=np.float64):
    layer = bp.Dropout(rate, random_state=seed)
    layer.forward(np.ones(shape, dtype), step=step)
    return layer.saved


@pytest.mark.parametrize("seed", range(3))
def test_backward_matches_complex_step_and_central_differences(seed):
    rng = np.random.default_rng(seed)
    layer = bp.Dropout(0.4, random_state=seed)
    inputs, dvalues = rng.normal(size=(3, 7)), rng.normal(size=(3, 7))
    layer.forward(inputs, step=5)
    claimed = layer.backward(dvalues)
    assert 0 < (claimed == 0).sum() < claimed.size
    assert_gradient(lambda at: np.sum(dvalues * dropout.forward(at, layer.saved)), inputs, claimed)
    assert_gradient(  # the mask does not follow the inputs, so the layer itself may be asked, too
        lambda at: (
            np.sum(dvalues * (layer.forward(at.real, step=5) + 1j * layer.forward(at.imag, step=5)))
            if np.iscomplexobj(at)
            else np.sum(dvalues * layer.forward(at, step=5))
        ),
        inputs,
        claimed,
    )


@settings(max_examples=300)
@given(N=SIZES, M=SIZES, rate=st.floats(0, 0.95), dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula(N, M, rate, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    layer = bp.Dropout(rate, random_state=seed % 1000)
    inputs, dvalues = rng.normal(size=(N, M)).astype(dtype), rng.normal(size=(N, M)).astype(dtype)
    output, dinputs = layer.forward(inputs), layer.backward(dvalues)
    assert output.dtype == dinputs.dtype == layer.saved.dtype == dtype
    kept = layer.saved.astype(np.float64)
    assert_close(layer.saved, np.where(layer.saved == 0, 0, 1 / (1 - rate)), tolerance)
    assert_close(output, dropout.forward(inputs.astype(np.float64), kept), tolerance)
    assert_close(dinputs, dropout.backward(kept, dvalues.astype(np.float64)), tolerance)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1), (400, 250)])
def test_the_share_that_is_left_out_is_the_rate(rate, shape):
    count = 100_000
    left_out = (mask(rate, shape) == 0).sum()
    assert abs(left_out - count * rate) < 5 * np.sqrt(count * rate * (1 - rate))


def test_the_expected_output_is_the_input():
    inputs = np.random.default_rng(0).normal(size=(6, 5))
    layer = bp.Dropout(0.3, random_state=1)
    mean = np.mean([layer.forward(inputs, step=step) for step in range(1, 4001)], axis=0)
    assert (np.abs(mean - inputs) < 5 * np.abs(inputs) * np.sqrt(0.3 / 0.7 / 4000)).all()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_neighbouring_rows_columns_steps_seeds_and_layers_are_uncorrelated(rate):
    size = 300
    first = mask(rate, (size, size)) == 0
    beside = [
        first[1:, :].ravel(),
        first[:, 1:].ravel(),
        (mask(rate, (size, size), step=2) == 0)[: size - 1].ravel(),
        (mask(rate, (size, size), seed=1) == 0)[: size - 1].ravel(),
        first.T[: size - 1].ravel(),
    ]
    for index, other in enumerate(beside):
        own = (first[:, :-1] if index == 1 else first[:-1, :]).ravel()
        assert abs(np.corrcoef(own, other)[0, 1]) < 5 / np.sqrt(own.size)
    # nor is the sum of a row, of a column or of a mask wider or narrower than chance makes it
    for axis in (0, 1):
        assert first.sum(axis=axis).var() == pytest.approx(size * rate * (1 - rate), rel=5 * np.sqrt(2 / size))
    sums = [(mask(rate, (40, 25), step=step) == 0).sum() for step in range(1, 401)]
    assert np.var(sums) == pytest.approx(1000 * rate * (1 - rate), rel=5 * np.sqrt(2 / 400))


def test_a_mask_depends_on_seed_step_row_and_column_alone():
    whole = mask(0.5, (20, 9), step=3, seed=4)
    assert np.array_equal(mask(0.5, (7, 9), step=3, seed=4), whole[:7])
    assert np.array_equal(mask(0.5, (20, 4), step=3, seed=4), whole[:, :4])
    assert np.array_equal(mask(0.5, (20, 9), step=3, seed=4, dtype=np.float32), whole)
    # a higher rate leaves out what a lower one does, and more
    assert ((mask(0.5, (20, 9)) == 0) <= (mask(0.7, (20, 9)) == 0)).all()


def test_forward_draws_anew_and_a_step_repeats():
    layer, ones = bp.Dropout(0.5, random_state=0), np.ones((10, 10))
    first, second = layer.forward(ones), layer.forward(ones)
    assert not np.array_equal(first, second)
    assert np.array_equal(layer.forward(ones, step=1), first)
    assert np.array_equal(layer.forward(ones), second)  # 2 follows 1
    assert np.array_equal(layer.forward(ones, step=1), first)
    assert not np.array_equal(layer.forward(ones, training=True, step=10**12), first)


def test_a_prediction_between_training_steps_draws_nothing():
    layer, ones = bp.Dropout(0.5, random_state=0), np.ones((10, 10))
    layer.forward(ones)
    layer.forward(ones, training=False)
    assert np.array_equal(layer.forward(ones), mask(0.5, (10, 10), step=2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True), (0.0, False)])
def test_predicting_and_a_rate_of_0_are_the_identity(rate, training, dtype):
    rng = np.random.default_rng(0)
    inputs, dvalues = rng.normal(size=(5, 4)).astype(dtype), rng.normal(size=(5, 4)).astype(dtype)
    layer = bp.Dropout(rate)
    assert np.array_equal(layer.forward(inputs, training=training), inputs)
    assert np.array_equal(layer.backward(dvalues), dvalues)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_big_inputs_and_nan_pass(dtype):
    layer = bp.Dropout(0.5, random_state=0)
    output = layer.forward(np.full((4, 5), 1e4, dtype))
    assert set(output.ravel().tolist()) == {0, 2e4}
    assert np.isnan(layer.forward(np.full((4, 5), np.nan, dtype))).all()  # NaN times 0 is NaN, too


@pytest.mark.parametrize("clone", CLONES)
def test_copies_go_on_with_the_same_masks_and_on_their_own(clone):
    layer, ones = bp.Dropout(0.5, random_state=3), np.ones((4, 6))
    layer.forward(ones)
    other = clone(layer)
    assert other.rate == 0.5
    expected = layer.forward(ones)
    assert np.array_equal(other.forward(ones), expected)
    other.forward(ones)
    assert np.array_equal(layer.forward(ones), mask(0.5, (4, 6), step=3, seed=3))


def test_config_makes_the_layer_anew():
    assert bp.Dropout(**bp.Dropout(0.3).config()).rate == 0.3
    assert repr(bp.Dropout(0.3)) == "Dropout(rate=0.3)"


@pytest.mark.parametrize(("rate", "error"), [(1, ValueError), (-0.1, ValueError), ("a", TypeError), (None, TypeError)])
def test_a_rate_outside_0_and_1_is_refused_in_one_line(rate, error):
    with pytest.raises(error, match=r"^rate is [^\n]*$"):
        bp.Dropout(rate)


def test_backward_before_forward_and_after_assigned_arrays_of_another_size_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^Dropout.backward needs .saved: call forward first$"):
        bp.Dropout(0.5).backward(np.ones((2, 3)))
    layer = bp.Dropout(0.5)
    layer.forward(np.ones((2, 3)))
    layer.inputs = layer.output = np.ones((200, 3))  # the mask has 2 rows: nobody may read behind them
    with pytest.raises(ValueError, match=r"^Dropout[^\n]*call forward again$"):
        layer.backward(np.ones((200, 3)))


def network(rate=0.5, random_state=0, **options):
    layers = [bp.Dense(4, 8, dtype="float64"), bp.ReLU(), bp.Dropout(rate, **options)]
    layers += [bp.Dense(8, 8, dtype="float64"), bp.ReLU(), bp.Dropout(rate, **options)]
    return bp.Network([*layers, bp.Dense(8, 3, dtype="float64")], bp.SoftmaxCrossentropy(), random_state)


def test_two_dropouts_of_a_network_draw_different_masks_and_its_random_state_repeats_them():
    X = np.random.default_rng(0).normal(size=(30, 4))
    first, again, other = network(random_state=1), network(random_state=1), network(random_state=2)
    for each in (first, again, other):
        each.forward(X, step=1)
    assert not np.array_equal(first.layers[2].saved, first.layers[5].saved)
    assert np.array_equal(first.layers[2].saved, again.layers[2].saved)
    assert not np.array_equal(first.layers[2].saved, other.layers[2].saved)
    own = bp.Dropout(0.5, random_state=9)
    seed = own.seed
    bp.Network([bp.Dense(2, 2), own, bp.Dense(2, 2)], bp.MeanSquaredError(), random_state=1)
    assert own.seed == seed  # it was given a random_state of its own


@pytest.mark.parametrize("rows", [1, 50, 300, 1000])  # one block, several, several partitions
def test_engine_draws_the_masks_of_the_textbook_walk(rows):
    rng = np.random.default_rng(0)
    X, y, net = rng.normal(size=(rows, 4)), rng.integers(0, 3, rows), network()
    for step in (1, 2, 77):
        output = net.forward(X, step=step)
        loss, gradient = net.gradient(X, y, step=step)
        net.forward(X, step=step)
        net.backward(y)
        assert_close(net.gradients, gradient, 1e-11, np.abs(gradient).max())
        assert net.loss.forward(output, y) == pytest.approx(loss, rel=1e-12)


def test_dropout_keeps_a_network_from_learning_labels_by_heart():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)  # nothing but noise
    losses = []
    for rate in (0.0, 0.6):
        layers = [bp.Dense(4, 64), bp.ReLU(), bp.Dropout(rate), bp.Dense(64, 3), bp.Softmax()]
        net = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
        net.fit(X, y, optimizer=bp.Adam(0.01), epochs=400)
        losses.append(net.evaluate(X, y)["loss"])
    assert losses[0] < 0.2 < 0.4 < losses[1]


def test_save_keeps_the_rate_and_predictions(tmp_path):
    net, X = network(rate=0.25), np.random.default_rng(0).normal(size=(5, 4))
    net.save(tmp_path / "model")
    loaded = bp.Network.load(tmp_path / "model")
    assert loaded.layers[2].rate == loaded.layers[2].settings[0] == 0.25
    assert np.array_equal(loaded.predict_proba(X), net.predict_proba(X))
