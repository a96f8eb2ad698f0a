"""Large weights, cut by their rows: the numbers of the textbook walk, and the same with one thread and two."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import backpass as bp
from backpass.engine import loop, threads
from backpass.engine.plan import Plan
from backpass.engine.threads import FIRST_TRIAL, LAST_TRIAL, Quicker
from backpass.stepping import CompiledSteps

DENSE = {"ReLU": bp.ReLU, "Tanh": bp.Tanh, "Sigmoid": bp.Sigmoid, "Dropout": lambda: bp.Dropout(0.3)}


def network(*sizes, activation="ReLU", loss=None, dtype="float64", **options):
    layers = []
    for D, M in pairwise(sizes):
        layers += [bp.Dense(D, M, dtype=dtype, **options), DENSE[activation]()]
    layers.pop()
    if loss is None:
        layers, loss = [*layers, bp.Softmax()], bp.CategoricalCrossentropy()
    return bp.Network(layers, loss, random_state=3)


def data(samples, columns, classes, dtype="float64"):
    rng = np.random.RandomState(0)
    return rng.standard_normal((samples, columns)).astype(dtype), rng.randint(0, classes, samples)


def is_large(net, rows, *indices):
    chain = net.chain(labels=net.loss.takes_labels)
    assert chain.large(rows) == list(indices)
    assert chain.partitions(rows, chain.large(rows)) == 2
    return Plan(chain, rows, "train").words[loop.STAGE_COUNT] > 1


@pytest.mark.parametrize("activation", DENSE)
@pytest.mark.parametrize("samples", [64, 65, 99])
def test_gradients_are_those_of_the_textbook_walk(activation, samples):
    net = network(200, 210, 220, 5, activation=activation, weights_l2=0.01, biases_l1=0.01)
    X, y = data(samples, 200, 5)
    weights = np.random.RandomState(1).uniform(0, 2, samples)
    assert is_large(net, samples, *((0, 2) if activation == "Dropout" else (0, 1)))
    loss, gradient = net.gradient(X, y, weights, step=4)
    net.forward(X, step=4)
    net.backward(y, weights)
    assert loss == pytest.approx(net.mean_loss(y, weights) + net.penalty(), rel=1e-12)
    np.testing.assert_allclose(gradient, net.gradients, atol=1e-14 + 1e-12 * np.abs(gradient).max())


def test_a_last_layer_that_is_large_writes_the_output_where_it_belongs():
    net = network(200, 210, loss=bp.MeanSquaredError())
    X, y = data(80, 200, 5)[0], np.random.RandomState(1).standard_normal((80, 210))
    assert is_large(net, 80, 0)
    loss, gradient = net.gradient(X, y)
    net.forward(X)
    net.backward(y)
    assert loss == pytest.approx(net.mean_loss(y))
    np.testing.assert_allclose(gradient, net.gradients, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("left", [0, 1, 2, 33])
def test_one_thread_and_two_leave_the_same_bits_whatever_is_left_for_the_last_batch(left, dtype):
    X, y = data(3 * 64 + left, 200, 5, dtype)

    def trained(threads, **common):
        net = network(200, 210, 220, 5, dtype=dtype)
        assert is_large(net, 64, 0, 1)
        history = net.fit(X, y, optimizer=bp.Adam(0.003, **common), epochs=40, batch_size=64, threads=threads)
        return net.parameters.copy(), history.loss

    one, two = trained(1), trained(2)
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1]
    assert one[1][-1] < 0.1 * one[1][0]
    np.testing.assert_array_equal(one[0], trained(2, clip_norm=1e9)[0])


@pytest.mark.parametrize(
    ("sizes", "batch", "left"),
    [((200, 210, 220, 5), 64, 1), ((200, 210, 220, 5), 64, 33), ((2100, 20, 5), 1024, 2), ((2100, 20, 5), 1024, 3)],
)
def test_a_short_last_batch_gives_its_own_gradient(sizes, batch, left):
    """Of a batch that leaves a partition without samples, products must not find what the batch before has left."""
    X, y = data(batch + left, sizes[0], 5)
    net = network(*sizes)
    chain = net.chain(labels=True)
    assert chain.large(batch)
    assert chain.partitions(batch, chain.large(batch)) == (2 if batch == 64 else 4)
    walked = copy.deepcopy(net)
    net.fit(X, y, optimizer=bp.SGD(0.1), epochs=1, batch_size=batch, shuffle=False)
    for part in (slice(0, batch), slice(batch, None)):
        walked.forward(X[part])
        walked.backward(y[part])
        walked.parameters -= 0.1 * walked.gradients
    np.testing.assert_allclose(net.parameters, walked.parameters, atol=1e-13)


def test_a_samples_weight_of_zero_keeps_its_infinite_loss_out():
    net = network(200, 210, 5)
    X, y = data(64, 200, 5)
    weights = np.ones(64)
    weights[40:] = 0
    loss, gradient = net.gradient(X, y, weights)
    alone = net.gradient(X[:40], y[:40])
    assert loss == pytest.approx(alone[0], rel=1e-12)
    np.testing.assert_allclose(gradient, alone[1], atol=1e-14)


@pytest.mark.parametrize(
    ("sizes", "rows", "large"),
    [
        ((200, 210, 5), 64, [0]),
        ((200, 210, 5), 101, []),  # fewer rows of weights than twice the samples
        ((200, 10, 300, 300, 5), 64, [2]),
        ((784, 40, 250, 700), 120, [0, 2]),
        ((784, 20, 250, 700), 120, [2]),  # the first is too small a part
        ((784, 5, 100, 300, 300, 5), 120, [3]),
        ((300, 20, 100, 900, 5), 140, []),  # large ones are the lesser part
        ((1100, 1000, 5), 64, []),  # so wide that BLAS's own threads are used
    ],
)
def test_what_is_large(sizes, rows, large):
    assert network(*sizes).chain(labels=True).large(rows) == large


def used(quicker, microseconds, samples=lambda chunk: 1000):
    """Whether help was asked for in each of so many chunks, if a sample takes what `microseconds` says of that."""
    asked = []
    for chunk in range(600):
        asked.append(quicker.helped)
        quicker.note(1e-6 * microseconds(quicker.helped, chunk) * samples(chunk), samples(chunk))
    return np.array(asked)


def test_help_is_asked_for_while_it_is_quicker():
    asked = used(Quicker(), lambda helped, chunk: 60 if helped else 100)
    assert asked[: FIRST_TRIAL - 1].all()
    assert 3 < (~asked).sum() < 10  # trials, later and later
    assert np.diff(np.flatnonzero(~asked)).max() >= LAST_TRIAL


def test_help_is_not_asked_for_while_it_is_slower():
    asked = used(Quicker(), lambda helped, chunk: 180 if helped else 100)
    assert asked[:FIRST_TRIAL].all()
    assert asked[FIRST_TRIAL:].mean() < 0.05


def test_a_change_is_noticed_soon():
    asked = used(Quicker(), lambda helped, chunk: (180 if 100 <= chunk < 300 else 60) if helped else 100)
    assert asked[:100].mean() > 0.9
    assert asked[103:300].mean() < 0.1
    assert asked[300 + LAST_TRIAL :].mean() > 0.9


def test_one_slow_chunk_changes_nothing():
    asked = used(Quicker(), lambda helped, chunk: (400 if chunk % 50 == 0 else 60) if helped else 100)
    assert asked.mean() > 0.9


def test_chunks_of_a_step_are_judged_together_and_short_batches_by_their_samples():
    asked = used(Quicker(), lambda helped, chunk: 60 if helped else 100, lambda chunk: (200, 5)[chunk % 2])
    assert asked[:60].all()
    assert asked.mean() > 0.9


def test_a_fit_learns_from_its_chunks_but_not_where_helpers_may_not_be_asked(monkeypatch):
    told = []
    monkeypatch.setattr(Quicker, "note", lambda self, seconds, samples, stalls: told.append((seconds, samples)))
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    X, y = data(150, 200, 5)
    net = network(200, 210, 5)
    with CompiledSteps(net, X, y, bp.Adam(), epochs=1000, batch=64, threads=2) as steps:
        while steps.made < 600:
            steps.advance_a_while(steps.total)
        begun = steps.made
        steps.chunk = 3
        steps.advance_a_while(steps.total)
        assert steps.made == begun + 3
        assert told[-1][0] > 0
        assert told[-1][1] == 150
        known = len(told)
        monkeypatch.setattr(threads, "available_cores", lambda: 1)
        steps.advance_a_while(steps.total)
        assert len(told) == known


@pytest.mark.parametrize("half", ["forward_kernel", "backward_kernel"])
def test_a_layer_with_a_kernel_of_its_own_is_not_taken_apart(half):
    made = type("Mine", (bp.Dense,), {half: getattr(bp.ReLU, half)}, listed=False)
    net = bp.Network([made(200, 210), bp.Softmax()], bp.CategoricalCrossentropy())
    assert net.chain(labels=True).large(64) == []


def test_a_prediction_is_cut_as_if_no_weights_were_large():
    net = network(200, 210, 5)
    chain = net.chain(labels=True)
    assert Plan(chain, 48, "train").partitions == 2
    assert Plan(chain, 48, "evaluate").partitions == 1
    assert Plan(replace(chain, loss=None), 48, "predict").partitions == 1


def test_a_step_begins_its_block_once(monkeypatch):
    """Rows that are gathered, the costliest part of it, would be gathered twice."""
    net = network(200, 210, 5)
    plan = Plan(net.chain(labels=True), 64, "train")
    assert plan.stages[0][:2] == [loop.WALK, 0]
    assert [stage[0] for stage in plan.stages].count(loop.MULTIPLY) == 2
    ends = [stage[2] for stage in plan.stages if stage[0] == loop.WALK]
    assert ends == sorted(ends)
    assert ends[-1] == plan.calls


def test_gradients_of_several_threads_at_once_are_those_of_one():
    net = network(200, 210, 220, 5)
    X, y = data(64, 200, 5)
    expected = net.gradient(X, y)[1]
    with ThreadPoolExecutor(4) as pool:
        for _, gradient in pool.map(lambda _: net.gradient(X, y), range(16)):
            np.testing.assert_array_equal(gradient, expected)


def test_more_workers_than_two_leave_the_same_bits():
    X, y = data(2048, 2100, 5)
    found = []
    for workers in (1, 4):
        net = network(2100, 20, 5)
        with CompiledSteps(net, X, y, bp.Adam(), epochs=6, batch=1024, threads=workers, shuffle=False) as steps:
            assert steps.plan.workers == workers
            steps.helpers.start()
            steps.advance(steps.total)
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)
