"""Forked and loky children, fits in several threads, no OpenMP: nothing hangs or aborts, the bits are the same."""

import threading

import numpy as np
import pytest

import backpass as bp
from backpass.engine.threads import fits
from tests.engine.fresh import TRAIN, printed


def trained(seed: int, epochs: int = 200) -> np.ndarray:
    X, y = bp.datasets.spiral(200, 3, random_state=1)
    layers = [bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=seed)
    network.fit(X, y, optimizer="adam", epochs=epochs)
    return network.parameters.copy()


FORK = (
    TRAIN
    + """
import multiprocessing, threading, time
def child(queue):
    queue.put(digest_of_a_fit(threads=2))
def digest_in_a_forked_child():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    digest = queue.get(timeout=60)
    process.join(60)
    assert process.exitcode == 0
    return digest
"""
)


def test_a_forked_child_can_fit():
    script = """
before = digest_of_a_fit(threads=2)
print(digest_in_a_forked_child() == before)
"""
    assert printed(FORK + script) == "True"


def test_a_child_forked_in_the_middle_of_a_fit_can_fit():
    script = """
# What has to be imported is: a child would wait for ever for an import of another thread's.
expected = digest_of_a_fit(threads=2)
busy = threading.Thread(target=digest_of_a_fit, kwargs={"epochs": 40000})
busy.start()
time.sleep(0.2)
in_the_middle = busy.is_alive()
digest = digest_in_a_forked_child()
busy.join()
print(digest == expected, in_the_middle)
"""
    assert printed(FORK + script) == "True True"


def test_a_pool_of_forked_children_can_fit():
    script = (
        TRAIN
        + """
import multiprocessing
def work(seed):
    return digest_of_a_fit()
before = digest_of_a_fit()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(set(pool.map(work, range(4))) == {before})
"""
    )
    assert printed(script) == "True"


def test_loky_children_can_fit():
    script = (
        TRAIN
        + """
from joblib import Parallel, delayed
before = digest_of_a_fit()
print(set(Parallel(n_jobs=2)(delayed(digest_of_a_fit)() for _ in range(4))) == {before})
"""
    )
    assert printed(script) == "True"


def test_fits_in_two_threads_give_the_bits_of_fits_in_turn():
    in_turn = [trained(seed) for seed in range(4)]
    at_once: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda seed=seed: at_once.update({seed: trained(seed)})) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for seed in range(4):
        np.testing.assert_array_equal(in_turn[seed], at_once[seed])
    assert not fits.running


def test_predictions_in_two_threads_do_not_mix():
    network = bp.Network([bp.Dense(3, 50), bp.ReLU(), bp.Dense(50, 2), bp.Softmax()], bp.CategoricalCrossentropy())
    inputs = [np.random.RandomState(seed).standard_normal((500, 3)) for seed in range(2)]
    expected = [network.predict_proba(X) for X in inputs]
    wrong = []

    def predict(index):
        for _ in range(200):
            if not np.array_equal(network.predict_proba(inputs[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=predict, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_fit_needs_no_openmp_library():
    script = (
        TRAIN
        + """
digest_of_a_fit(threads=2)
maps = open("/proc/self/maps").read()
print([name for name in ("libgomp", "libomp", "libiomp", "libtbb") if name in maps])
"""
    )
    assert printed(script) == "[]"


def test_a_fit_in_any_thread_says_how_many_threads_blas_may_use():
    import threadpoolctl

    def threads_of_blas() -> set[int]:
        return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}

    seen = []

    def fit() -> None:
        with fits.one_more(1):
            seen.append(threads_of_blas())

    trained(0, epochs=1)  # loads BLAS
    with threadpoolctl.threadpool_limits(2):  # this thread is in charge, as far as threadpoolctl is asked
        fit()
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
        assert seen == [{1}, {1}]
        assert threads_of_blas() == {2}


def test_blas_has_its_threads_back_after_a_fit_even_one_that_failed():
    import threadpoolctl

    def threads_of_blas() -> list[int]:
        return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]

    trained(0, epochs=1)
    before = threads_of_blas()
    X = np.ones((50, 2))
    network = bp.Network([bp.Dense(2, 1)], bp.MeanSquaredError())
    with pytest.raises(FloatingPointError):
        network.fit(X, 1e30 * np.ones(50), optimizer=bp.SGD(1e30), epochs=20)
    assert threads_of_blas() == before
    assert len(before) > 0


def test_an_interrupt_ends_a_fit_between_steps_and_leaves_no_thread():
    class Interrupt:
        def on_epoch_end(self, epoch, figures):
            if epoch == 3:
                raise KeyboardInterrupt

    X, y = bp.datasets.spiral(100, 3, random_state=1)
    network = bp.Network([bp.Dense(2, 300), bp.ReLU(), bp.Dense(300, 3), bp.Softmax()], bp.CategoricalCrossentropy())
    before, threads = network.parameters.copy(), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, y, optimizer="adam", epochs=1000, threads=2, callbacks=[Interrupt()])
    assert threading.active_count() == threads
    assert not np.array_equal(before, network.parameters)
