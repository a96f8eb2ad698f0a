"""Threads: helpers that walk partitions beside the main thread, and how many threads BLAS may use meanwhile.

Helpers live for one fit, so that a forked child has none to miss, and no OpenMP library is needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backpass.engine import loop
from backpass.engine.kernels.blas import cython_blas
from backpass.engine.plan import Plan


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Fits:
    """The fits that run in this process now. BLAS's threads are set when the first begins, set back after the last.

    Overlapping limits of threadpoolctl would leave a process at one thread for good: hence one guard, counted.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.limit: Any = None
        self.blas: Any = None

    @contextmanager
    def one_more(self, blas_threads: int) -> Iterator[None]:
        with self.lock:
            self.running += 1
            if self.running == 1:
                if self.blas is None:
                    import threadpoolctl

                    cython_blas()  # threadpoolctl finds only libraries that are loaded
                    self.blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
                self.limit = self.blas.limit(limits=blas_threads)
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1
                if self.running == 0:
                    self.limit.restore_original_limits()


fits = Fits()
if hasattr(os, "register_at_fork"):  # a child has none of its parent's fits, and maybe a lock that nobody will open
    os.register_at_fork(after_in_child=fits.__init__)  # type: ignore[misc]


class Helpers:
    """Threads that help with a plan, from `start` to the end of the `with`."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        self.plan.set(stop=0)
        for worker in range(1, self.plan.workers):
            self.threads.append(threading.Thread(target=self.plan.run, args=(self.plan.address, worker), daemon=True))
            self.threads[-1].start()

    def allow(self, running_fits: int) -> None:
        """Ask helpers only where there is a core for them: fits that run side by side are serial."""
        wanted = self.plan.workers - 1 if self.threads and running_fits * 2 <= available_cores() else 0
        self.plan.set(helpers=wanted)

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *error: object) -> None:
        self.plan.words[loop.STOP] = 1
        for thread in self.threads:
            thread.join()
