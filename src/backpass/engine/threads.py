"""Threads: helpers that do pieces of a step beside the main thread, and how many threads BLAS may use meanwhile.

Helpers live for one fit, so that a forked child has none to miss, and no OpenMP library is needed.
"""

from __future__ import annotations

import math
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
    """The fits that run in this process now, and BLAS's threads: the fewest that any of them wants.

    Overlapping limits of threadpoolctl would leave a process at one thread for good: hence one guard for all.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: dict[object, int] = {}  # BLAS's threads as each fit wants them
        self.blas: Any = None
        self.before: Any = None  # the limit that knows how many threads there were before the first fit
        self.had: list[int] = []  # how many these were
        self.limited: list[int] = []  # and how many this limit has left

    def apply(self) -> None:
        import threadpoolctl

        # From 3.8 on it lets one thread alone set limits and ignores the others: two fits in two threads took 3 to 6
        # times as long as one. They have this lock, so each may have its say, and nobody stays in charge.
        in_charge = getattr(threadpoolctl, "OpenBLASController", None)
        yield_charge = getattr(in_charge, "clear_controlling_thread", lambda force: None)
        yield_charge(force=True)
        if self.blas is None:
            cython_blas()  # threadpoolctl finds only libraries that are loaded
            self.blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
        if self.running:
            self.had = self.had if self.before else self.now()
            limit = self.blas.limit(limits=min(self.running.values()))
            self.before, self.limited = self.before or limit, self.now()
        elif self.before:
            if self.now() == self.limited:  # else somebody else has set or lifted a limit meanwhile
                self.before.restore_original_limits()
            self.before = None
        yield_charge(force=True)

    def now(self) -> list[int]:
        return [library["num_threads"] for library in self.blas.info()]

    def allowed(self) -> int:
        """Threads that BLAS has, or had before the fits that run: what the user, joblib or the environment leave."""
        with self.lock:
            if not self.before:
                self.apply()
            return min([available_cores(), *(self.had if self.before else self.now())])

    @contextmanager
    def one_more(self, blas_threads: int) -> Iterator[None]:
        token = object()
        try:
            with self.lock:
                self.running[token] = blas_threads
                self.apply()
            yield
        finally:
            with self.lock:
                self.running.pop(token, None)
                self.apply()

    def forget(self) -> None:
        """In a forked child, which has none of its parent's fits, and maybe a lock that nobody will open."""
        self.lock, self.running = threading.Lock(), {}
        self.apply()


fits = Fits()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: fits.forget() if fits.before else fits.__init__())  # type: ignore[misc]


VERDICT_SECONDS, TRIAL_SECONDS = 0.05, 0.02  # of steps that are judged together
FIRST_TRIAL, LAST_TRIAL = 8, 128  # verdicts between two trials, at first and at most
SLOWER = 1.3  # than before, twice: high time for a trial
STALL_COUNTS = 4  # as many verdicts: where helpers lose their core, a trial comes soon


class Quicker:
    """Whether help is worth asking for. It is, until a trial without was quicker.

    Two virtual cores may for seconds share no cache, or one be somebody else's: then 300-32-5 with 64 samples takes 50
    us a step on two threads and 30 on one. The other way is tried after a while, later each time that it loses, and at
    once where steps have become slower.
    """

    def __init__(self) -> None:
        self.helped, self.trying = True, False  # how steps are made now, and whether that is a trial
        self.interval = self.left = FIRST_TRIAL
        self.usual = self.last = math.inf  # seconds a sample of the way that is in use: the better of two verdicts
        self.seconds, self.samples, self.stalls = 0.0, 0, 0  # since the last verdict

    def note(self, seconds: float, samples: int, stalls: int = 0) -> None:
        """Told how long so many samples took, and how often a helper was waited for too long."""
        self.seconds, self.samples = self.seconds + seconds, self.samples + samples
        self.stalls += stalls
        if self.seconds < (TRIAL_SECONDS if self.trying else VERDICT_SECONDS):
            return
        took, stalled = self.seconds / self.samples, self.stalls > 0
        self.seconds, self.samples, self.stalls = 0.0, 0, 0
        if self.trying:
            won = took < self.usual
            self.trying = False
            self.left = self.interval = FIRST_TRIAL if won else min(2 * self.interval, LAST_TRIAL)
            if won:
                self.usual = self.last = took
            else:
                self.helped = not self.helped
        else:
            better, self.last = min(took, self.last), took
            self.left -= STALL_COUNTS if stalled else 1
            if self.left <= 0 or better > SLOWER * self.usual:
                self.trying, self.helped = True, not self.helped
            self.usual = better


class Helpers:
    """Threads that help with a plan, from `start` to the end of the `with`."""

    def __init__(self, plan: Plan, most: int | None = None):
        self.plan = plan
        self.workers = min(plan.workers, most or plan.workers)
        self.threads: list[threading.Thread] = []
        self.quicker = Quicker()
        self.may_be_asked = False

    def start(self) -> None:
        self.plan.set(stop=0)
        plan = self.plan  # each thread holds on to it: the memory that it reads outlives it

        def help_out(worker: int) -> None:
            plan.run(plan.address, worker)

        for worker in range(1, self.workers):
            thread = threading.Thread(target=help_out, args=(worker,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def allow(self, running_fits: int) -> None:
        """Ask helpers only where that is quicker, and while there are two cores for each fit that runs."""
        self.may_be_asked = bool(self.threads) and running_fits * 2 <= available_cores()
        self.plan.set(helpers=len(self.threads) if self.may_be_asked and self.quicker.helped else 0)

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *error: object) -> None:
        self.plan.words[loop.STOP] = 1
        for thread in self.threads:
            thread.join()


def run_on(plan: Plan, arrays: int, threads: int | None) -> int:
    """Run a plan that is not for training, once, with at most so many threads. None: as many as BLAS has."""
    helpers = Helpers(plan, threads or fits.allowed())
    if helpers.workers < 2:
        return plan.run_on(plan.address, arrays)
    others = max(1, len(fits.running))  # this fit, maybe, or somebody's beside it
    with fits.one_more(1), helpers:
        helpers.start()
        helpers.allow(others)
        return plan.run_on(plan.address, arrays)
