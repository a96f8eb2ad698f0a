"""Same seed, same machine: the same bits."""

from tests.engine.fresh import TRAIN, printed


def test_twenty_fresh_processes_with_one_thread_or_two_give_the_same_bits():
    digests = [printed(TRAIN + f"print(digest_of_a_fit(threads={1 + run % 2}))") for run in range(20)]
    assert len(set(digests)) == 1
    assert len(digests[0]) == 64


def test_another_seed_gives_other_bits():
    script = TRAIN.replace("random_state=7", "random_state=8") + "print(digest_of_a_fit())"
    assert printed(script) != printed(TRAIN + "print(digest_of_a_fit())")


def test_the_batch_of_this_test_is_shared_by_two_threads():
    script = TRAIN + (
        "chain = bp.Network([bp.Dense(2, 96), bp.ReLU(), bp.Dense(96, 32), bp.Tanh(), bp.Dense(32, 3), bp.Softmax()],"
        "bp.CategoricalCrossentropy()).chain(labels=True)\n"
        "print(chain.partitions(250))"
    )
    assert int(printed(script)) >= 2


def test_a_helper_takes_partitions():
    script = (
        TRAIN
        + """
from backpass.engine import loop
from backpass.engine.kernels import kernel
import threading, backpass.engine.threads as threads
seen = []
original = threads.Helpers.allow
def allow(self, running):
    original(self, running)
    # worker 1 counts its steps in its own counters: they move only if it walked a block
    table = self.plan.words[loop.TABLE] + self.plan.words[loop.TABLE_BYTES] * (self.plan.workers - 1)
    import ctypes
    counters = ctypes.cast(int(table), ctypes.POINTER(ctypes.c_int64))[loop.COUNTERS]
    seen.append(ctypes.cast(counters, ctypes.POINTER(ctypes.c_int64))[0])
threads.Helpers.allow = allow
threads.available_cores = lambda: 2
class UntilItHelped:
    def on_epoch_end(self, epoch, figures):
        return max(seen, default=0) > 100
X, y = bp.datasets.spiral(200, 3, random_state=1)
layers = [bp.Dense(2, 96), bp.ReLU(), bp.Dense(96, 32), bp.Tanh(), bp.Dense(32, 3), bp.Softmax()]
network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=7)
network.fit(X, y, optimizer=bp.Adam(0.01), epochs=10**5, batch_size=250, threads=2, callbacks=[UntilItHelped()])
print(max(seen) > 100)
"""
    )
    assert printed(script) == "True"
