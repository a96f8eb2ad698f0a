"""What a step may cost besides time, and how a batch is cut."""

import ctypes
import platform
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
import threadpoolctl

import backpass as bp
import backpass.network as network_module
from backpass.engine import chain, loop
from backpass.engine.kernels import compiler
from backpass.engine.plan import Plan
from backpass.engine.threads import Helpers, available_cores
from backpass.optimizers.optimizer import OPTIMIZERS
from backpass.stepping import CompiledSteps


class MallocInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keep",
        )
    ]


def blas_threads() -> list[int]:
    return [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]


def bytes_in_use() -> int:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallocInfo
    info = mallinfo2()
    return info.uordblks + info.hblkhd


def classifier(*sizes: int, dtype: str = "float32", seed: int = 0) -> bp.Network:
    layers = []
    for D, M in pairwise(sizes):
        layers += [bp.Dense(D, M, dtype=dtype), bp.ReLU()]
    return bp.Network([*layers[:-1], bp.Softmax()], bp.CategoricalCrossentropy(), random_state=seed)


def test_ten_thousand_steps_allocate_nothing():
    X, y = bp.datasets.spiral(40, 3, random_state=0)
    network = classifier(2, 16, 3)
    inputs, labels = network.samples(X), network.targets(y, X)
    steps = CompiledSteps(network, inputs, labels, bp.Adam(), epochs=4000, batch=50, weights=np.ones(120))
    plan = steps.plan
    plan.set(last_step=10)
    plan.run(plan.address, 0)
    plan.set(last_step=10_010)
    tracemalloc.start()
    python_before, before = tracemalloc.get_traced_memory()[0], bytes_in_use()
    plan.run(plan.address, 0)
    after, python_after = bytes_in_use(), tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert plan.words[loop.STEP] == 10_010
    assert after - before < 10_000  # the few numbers that this test makes itself: a byte a step would be more
    assert python_after - python_before < 10_000


@pytest.mark.parametrize("rows", [1, 31, 64, 300, 10_000])
def test_how_a_batch_is_cut_does_not_depend_on_threads(rows):
    chain = classifier(20, 64, 3).chain(labels=True)
    plans = [Plan(chain, rows, "train", workers=workers) for workers in (1, 2, 5)]
    assert len({(plan.words[loop.PARTITIONS], plan.words[loop.BLOCK]) for plan in plans}) == 1
    assert 1 <= plans[0].words[loop.BLOCK] <= rows


def test_long_batches_are_cut_and_short_ones_are_not():
    chain = classifier(64, 128, 10).chain(labels=True)
    assert chain.partitions(32) == 1
    assert chain.partitions(256) == 2
    assert chain.partitions(100_000) > 2


def test_the_memory_of_a_plan_does_not_grow_with_the_batch():
    chain = classifier(50, 128, 128, 2).chain(labels=True)
    sizes = [sum(b.nbytes for b in Plan(chain, rows, "gradient").keep) for rows in (10_000, 1_000_000)]
    assert sizes[1] < sizes[0] + 4_000_000


def test_numbers_too_small_to_be_normal_are_taken_for_zero_by_the_engine():
    network = classifier(3, 8, 2)
    network.parameters[:] = 1e-42
    loss, gradient = network.gradient(np.full((4, 3), 1e-3), [0, 1, 0, 1])
    assert np.isfinite(loss)
    small = np.abs(gradient[gradient != 0])
    assert (small >= np.finfo(np.float32).tiny).all()


def test_the_mode_of_the_processor_is_what_it_was_after_a_run():
    classifier(3, 8, 2).predict(np.ones((2, 3)))
    assert np.float32(1e-42) * np.float32(0.5) > 0


def test_shuffled_epochs_see_every_sample_once():
    """With weights of 0 but for one sample, the epoch's loss is that sample's, wherever the order puts it."""
    X = np.arange(23.0).reshape(23, 1)
    network = bp.Network([bp.Dense(1, 1, dtype="float64")], bp.MeanSquaredError(), random_state=0)
    network.layers[0].weights, network.layers[0].biases = [[1.0]], [0.0]
    weights = np.zeros(23)
    weights[7] = 2.0
    history = network.fit(X, np.zeros(23), optimizer=bp.SGD(1e-12), epochs=5, batch_size=4, sample_weight=weights)
    np.testing.assert_allclose(history.loss, 49.0, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", [bp.Adam, bp.NAdam])  # NAdam's kernel does not treat every place by itself
def test_moving_the_parameters_in_slices_changes_no_bit(monkeypatch, optimizer, threads):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((96, 301)), rng.randint(0, 3, 96)

    def trained():
        network = classifier(301, 299, 3)
        assert network.parameters.size > 2 * chain.SLICE or chain.SLICE > 10**6
        common = {"clip_norm": 0.5, "weight_average": 0.9}
        network.fit(X, y, optimizer=optimizer(0.01, **common), epochs=4, batch_size=32, threads=threads)
        return network.parameters.copy()

    sliced = trained()
    monkeypatch.setattr(chain, "SLICE", 10**9)
    np.testing.assert_array_equal(sliced, trained())


@pytest.mark.parametrize("threads", [1, 2])
def test_adding_up_the_partitions_in_slices_changes_no_bit(threads):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((1100, 60)), rng.randint(0, 3, 1100)

    def trained(**common):
        network = classifier(60, 80, 3)
        assert network.chain(labels=True).partitions(1024) == 4
        network.fit(X, y, optimizer=bp.Adam(0.01, **common), epochs=3, batch_size=1024, threads=threads)
        return network.parameters.copy()

    np.testing.assert_array_equal(trained(), trained(clip_norm=1e9))  # which is done to all gradients, added up


def test_helpers_of_a_large_prediction_or_gradient_change_no_bit_and_leave_nothing_behind(monkeypatch):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((3000, 40)).astype(np.float32), rng.randint(0, 3, 3000)
    asked = []
    for worth in (10**12, 1000):
        # BLAS's own threads would change bits on processors where the edges of its blocks are added up otherwise
        with threadpoolctl.threadpool_limits(1) if worth > 1000 else nullcontext():
            monkeypatch.setattr(network_module, "WORTH_HELPERS", worth)
            network = classifier(40, 100, 3)
            before = threading.active_count(), blas_threads()
            asked.append([network.predict_proba(X), *network.gradient(X, y), network.evaluate(X, y)["loss"]])
            workers = {plan.workers for free in network._plans.free.values() for plan in free}
            assert workers == (
                {1} if worth > 1000 else {min(available_cores(), network.chain(labels=True).partitions(3000))}
            )
            assert (threading.active_count(), blas_threads()) == before
            with ThreadPoolExecutor(3) as pool:
                for probabilities in pool.map(network.predict_proba, [X] * 6):
                    np.testing.assert_array_equal(probabilities, asked[0][0])
            with pytest.raises(ValueError, match="nan in row 2900"):
                network.predict(np.where(np.arange(3000)[:, None] == 2900, np.nan, X))
    for one, two in zip(*asked, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_helper_moves_slices_too():
    network = classifier(301, 299, 3)
    plan = Plan(network.chain(labels=True), 128, "train", workers=2)
    assert plan.workers == 2
    moved = [np.zeros(network.parameters.size, np.float32) for _ in range(4)]
    arrays = dict(zip(("parameters", "gradients", "first_moment", "second_moment"), moved, strict=True))
    moved[1][:] = 1
    settings, counters = np.array([0.1, 0.9, 0.999, 1e-8]), np.ones(4, np.int64)
    plan.finish_with([(bp.Adam.kernel, {**arrays, "settings": settings, "counters": counters})])
    slices = int(plan.words[loop.SLICES])
    plan.set(work=loop.MOVE, pieces=slices, claim=slices << loop.PIECE_BITS)
    with Helpers(plan) as helpers:  # nobody else is there to do it
        helpers.start()
        until = time.monotonic() + 30
        while plan.words[loop.DONE] < slices and time.monotonic() < until:
            time.sleep(0.001)
    np.testing.assert_allclose(moved[0], -0.1, rtol=1e-6)


def test_a_helper_does_nothing_that_was_not_shared_out():
    network = classifier(301, 599, 3)
    plan = Plan(network.chain(labels=True), 128, "train", workers=2)
    partitions, slices = int(plan.words[loop.PARTITIONS]), plan.chain.slices
    assert partitions != slices
    assert min(partitions, slices) > 1
    with Helpers(plan) as helpers:
        helpers.start()
        for work, pieces in ((loop.WALK, partitions), (loop.MOVE, slices), (loop.WALK, 16)):
            plan.set(work=work, pieces=pieces)  # by a thread that works alone
            time.sleep(0.01)
    assert plan.words[loop.DONE] == 0
    assert plan.words[loop.CLAIM] == 0


def test_partitions_and_slices_of_one_step_leave_the_same_bits_with_one_thread_and_two():
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((256, 301)), rng.randint(0, 3, 256)

    def trained(threads):
        network = classifier(301, 599, 3)
        network.fit(X, y, optimizer=bp.Adam(0.001), epochs=200, batch_size=128, threads=threads)
        return network.parameters.copy()

    one = trained(1)
    for _ in range(3):
        np.testing.assert_array_equal(trained(2), one)


# without the estimators' penalty, which has a tally for each part: tests/estimators/test_parity.py
ELEMENTWISE = [made for made in compiler.ALL if made.elementwise and "penalise" not in made.name]


@pytest.mark.parametrize("made", ELEMENTWISE, ids=lambda made: made.name)
def test_an_elementwise_kernel_does_the_whole_as_it_does_its_parts(made):
    rng = np.random.RandomState(0)
    arrays = {name: rng.uniform(0.1, 1, 301).astype(np.float32) for name in made.vectors}
    settings, counters = np.array([0.01, 0.9, 0.999, 1e-8, 0.1]), np.array([7, 1, 0, 1])
    whole, parts = ({name: array.copy() for name, array in arrays.items()} for _ in range(2))

    def run(of):
        given = {"settings": settings, "counters": counters, **of}
        made(*(given[name] for name in made.arguments))

    run(whole)
    for part in (slice(0, 64), slice(64, 301)):
        run({name: array[part] for name, array in parts.items()})
    changed = [name for name in made.vectors if not np.array_equal(whole[name], arrays[name])]
    assert changed
    for name in made.vectors:
        np.testing.assert_array_equal(parts[name], whole[name])


def test_every_optimizer_of_ours_but_nadam_is_moved_in_slices():
    ours = {name: kind for name, kind in OPTIMIZERS.items() if kind.__module__.startswith("backpass.optimizers")}
    kernels = {name for name, kind in ours.items() if hasattr(kind, "kernel") and kind.kernel in ELEMENTWISE}
    assert kernels == {"adam", "adamw", "sgd", "rmsprop", "adagrad", "lion", "radam"}


def test_a_network_driven_to_1e_40_is_one_of_zeros():
    """A denormal number makes an operation take a hundred times as long; the engine takes it for 0, on x86."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((300, 20)).astype(np.float32), rng.randint(0, 3, 300)
    network, smallest = classifier(20, 64, 64, 3), np.finfo(np.float32).tiny
    network.parameters = np.full(network.parameters.size, 1e-40, np.float32)
    assert 0 < network.parameters[0] < smallest
    if platform.machine() not in ("x86_64", "AMD64"):
        return  # no such mode there: see `flush_denormals`
    np.testing.assert_array_equal(network.predict_proba(X), np.full((300, 3), np.float32(1) / np.float32(3)))
    loss, gradient = network.gradient(X, y)
    assert loss == pytest.approx(np.log(3))
    assert not gradient[:-3].any()
    assert np.abs(gradient[-3:]).min() > smallest
    network.fit(X, y, optimizer=bp.SGD(0.1), epochs=3, threads=2)
    assert not np.any((network.parameters != 0) & (np.abs(network.parameters) < smallest))
    assert np.float32(1e-40) * np.float32(1) > 0  # Python has its own mode back
