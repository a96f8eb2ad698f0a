"""One epoch after another as scikit-learn makes them: its order of the samples, its loss, its penalty."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from threading import Event
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from backpass.engine.loop import PLAN_WORDS, STEPS_PER_EPOCH
from backpass.engine.plan import LINE
from backpass.engine.threads import available_cores, fits
from backpass.estimators.penalty import Penalty
from backpass.estimators.tasks import Task
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer
from backpass.stepping import CompiledSteps, Steps, WalkedSteps, remedy

DENSE_BYTES = 256 * 1024 * 1024  # up to here a sparse X is made dense at once, beyond it block by block
TOGETHER_SECONDS = 0.1  # that all members are trained until they are as far as each other: Ctrl-C loses no more
MOST_ORDERED = 65_536  # samples of all epochs that are made at once: more would not be noticed


def threads_allowed() -> int:
    """Cores, or what joblib, threadpoolctl or OMP_NUM_THREADS leave of them."""
    return max(1, min(available_cores(), _openmp_effective_n_threads(only_physical_cores=False)))


def dense(X: Any, dtype: np.dtype[Any]) -> Any:
    """X as rows of floats for the engine; a sparse X that would take too much memory stays one (CSR)."""
    if not issparse(X):
        return np.ascontiguousarray(X, dtype)
    if X.shape[0] * X.shape[1] * dtype.itemsize <= DENSE_BYTES:
        return np.ascontiguousarray(X.toarray(), dtype)
    return X.tocsr()


def blocks(X: Any, dtype: np.dtype[Any]) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of X and where they lie: all at once, or pieces of a sparse X that together would take too much memory."""
    rows = X.shape[0]
    if issparse(X):
        X = X.tocsr()
        rows = max(1, DENSE_BYTES // (X.shape[1] * dtype.itemsize))
    for first in range(0, X.shape[0], rows):
        piece = slice(first, min(first + rows, X.shape[0]))
        yield piece, (X[piece].toarray() if issparse(X) else X)


class Diverged(FloatingPointError):
    """The loss of a step, or the score of a validation, is no number any more."""


class Order:
    """The order of the samples in each of the epochs that are made at once."""

    def __init__(self, samples: int, shuffled: bool, most: int):
        self.samples, self.shuffled = samples, shuffled
        self.most = max(1, min(most, MOST_ORDERED // samples, LINE))
        self.epochs = np.empty((self.most if shuffled else 1, samples), np.int64)
        self.epochs[:] = self.last = np.arange(samples)

    def draw(self, generator: np.random.RandomState, epochs: int) -> None:
        """As scikit-learn does it: each epoch's is the one before, shuffled."""
        for epoch in range(epochs if self.shuffled else 0):
            permutation = np.arange(self.samples)
            generator.shuffle(permutation)
            self.epochs[epoch] = self.last[permutation]
            self.last = self.epochs[epoch]


class Epochs(Steps):
    """The steps of one network's epochs.

    Dense samples that all weigh the same are left to the compiled loop, epochs at once. Others are brought batch by
    batch: rows of a sparse X, weights, which scikit-learn averages in each batch, but not over the batches, and all
    that a network with parts without kernels is trained on.
    """

    ended = False  # another thread's word that no more steps are wanted

    def __init__(
        self,
        network: Network,
        X: Any,
        targets: np.ndarray,
        optimizer: Optimizer,
        penalty: Penalty,
        task: Task,
        order: Order,
        *,
        epochs: int,
        batch: int,
        weights: np.ndarray | None,
        threads: int,
    ):
        self.penalty, self.task, self.order_of_all = penalty, task, order
        self.all = X, targets, weights
        self.samples, self.size = X.shape[0], batch
        shuffle = order.shuffled
        self.by_engine = weights is None and not issparse(X) and network.compiled
        if not self.by_engine:
            X, targets = np.zeros((batch, X.shape[1]), network.dtype), targets[:batch].copy()
            weights, shuffle = None if weights is None else weights[:batch].copy(), False
        # `shuffle` only matters for where a batch's rows come from: the order itself is drawn by `Order`
        super().__init__(
            network,
            X,
            targets,
            optimizer,
            epochs=order.most,
            batch=batch,
            shuffle=shuffle,
            weights=weights,
            threads=threads,
        )
        self.constant = task.constant(self.all[1])
        self.total = epochs * -(-self.samples // batch)  # helpers are started where enough is left to do

    def run(self, first: int, end: int) -> Iterator[float]:
        """Make these of the epochs that were ordered; yields the mean loss of each, with the penalty.

        Losses are those of the batches, each before its step.
        """
        if not self.by_engine:
            for epoch in range(first, end):
                rows = self.order_of_all.epochs[epoch if self.order_of_all.shuffled else 0]
                batches = (rows[start : start + self.size] for start in range(0, self.samples, self.size))
                yield sum(map(self.one_batch, batches)) / self.samples
            return
        self.begin(first)
        done, epochs = 0, end - first
        while done < epochs:
            self.advance_a_while(epochs * self.per_epoch)
            for epoch in range(done, self.made // self.per_epoch):
                loss = self.penalty.loss_factor * float(self.losses[epoch]) + self.penalty.cost(epoch)
                yield loss / self.samples + self.constant
            done = self.made // self.per_epoch

    def advance_a_while(self, goal: int) -> None:
        if self.ended:
            raise InterruptedError
        super().advance_a_while(goal)

    def one_batch(self, rows: np.ndarray) -> float:
        """A step on samples that are brought for it; its loss times their number."""
        X, targets, weights = self.all
        given: list[Any] = [None if array is None else array[: len(rows)] for array in self.brought]
        given[0][...] = X[rows].toarray() if issparse(X) else X[rows]
        given[1][...] = targets[rows]
        weight = float(len(rows))
        if weights is not None:
            given[2][...] = weights[rows]
            weight = float(given[2].sum()) or np.inf  # of nothing but zeros: no penalty either
        self.penalty.weigh(weight)
        self.hand_over(*given)
        self.begin()
        self.advance_a_while(1)
        loss = self.penalty.loss_factor * self.loss + self.penalty.cost() / weight
        return len(rows) * (loss + self.task.constant(given[1], given[2]))

    def hand_over(self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> None:
        """The next step is on these."""
        raise NotImplementedError

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        super().prepare(X, targets, batch, shuffle, weights, threads, out, calls)
        self.brought = X, targets, weights

    def refuse(self, loss: float) -> None:
        raise Diverged(
            f"the loss became {loss} at step {self.optimizer.iterations + 1} of the optimizer; {remedy(self.optimizer)}"
        )

    def begin(self, epoch: int = 0) -> None:
        """Count steps from 0, behind those that were made before; the order is that of this epoch."""
        self.total -= self.made
        self.before, self.trained = self.optimizer.iterations, self.network.trained
        self.losses[:] = self.made = 0


class CompiledEpochs(Epochs, CompiledSteps):
    """In the engine."""

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        super().prepare(X, targets, batch, shuffle, weights, threads, out, calls)
        self.plan.finish_with([*self.penalty.calls(self.network, self.plan.words), *calls])
        self.ordered = shuffle
        if shuffle:
            self.plan.set(shuffle=0, order_stride=self.order_of_all.epochs.strides[0])

    def hand_over(self, X, targets, weights):  # type: ignore[no-untyped-def]
        self.plan.point_at(X, targets)

    def begin(self, epoch: int = 0) -> None:
        super().begin()
        self.plan.set(step=0, steps_before=self.before, steps_trained=self.trained[1])
        if self.ordered:
            self.plan.set(order=self.order_of_all.epochs[epoch].ctypes.data)


class WalkedEpochs(Epochs, WalkedSteps):
    """By the textbook walk, for parts without kernels."""

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        plan = np.zeros(PLAN_WORDS, np.int64)
        plan[STEPS_PER_EPOCH] = 1
        calls = [*self.penalty.calls(self.network, plan), *calls]
        super().prepare(X, targets, batch, shuffle, weights, threads, out, calls)

    def hand_over(self, X, targets, weights):  # type: ignore[no-untyped-def]
        self.X, self.targets, self.weights = X, targets, weights
        self.order = np.arange(len(X))


class Together:
    """Several networks' epochs in the same order of the samples, shared among threads; of one network, its own.

    A thread makes whole members' epochs one after the other: nobody waits for anybody within them. Where members do not
    go evenly into threads, one of them is begun by a thread and ended by another: McNaughton's rule, "Scheduling with
    deadlines and loss functions", Management Science 1959.
    """

    def __init__(self, members: Sequence[Epochs], order: Order, threads: int):
        self.members, self.order = members, order
        self.at_once = 1  # epochs of all members
        self.threads = min(threads, len(members)) if members[0].network.compiled else 1  # others may not be thread-safe

    def __enter__(self) -> Together:
        with ExitStack() as context:
            for member in self.members:
                member.alone = len(self.members) == 1
                context.enter_context(member)
            if len(self.members) > 1:
                context.enter_context(fits.one_more(1))
            if self.threads > 1:
                self.pool = context.enter_context(ThreadPoolExecutor(self.threads))
            self.context = context.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()

    def run(self, generator: np.random.RandomState, most: float = 1) -> Iterator[float]:
        """Make one epoch of all, or as many as that at once; yields the mean loss of each."""
        alone = len(self.members) == 1
        epochs = int(min(most, self.order.most, np.inf if alone else self.at_once))
        self.order.draw(generator, epochs)
        if alone:
            yield from self.members[0].run(0, epochs)
            return
        start = time.perf_counter()
        losses = np.full((len(self.members), epochs), np.nan)  # until they are known
        begun = [Event() for _ in self.members]

        def make(part: list[tuple[int, int, int]]) -> None:
            for member, first, end in part:
                try:
                    if first:
                        begun[member].wait()
                    for epoch, loss in enumerate(self.members[member].run(first, end), first):
                        losses[member, epoch] = loss
                finally:
                    begun[member].set()

        parts, made = shares(len(self.members), epochs, self.threads), []
        try:
            if self.threads == 1:
                make(parts[0])
            else:
                made += [self.pool.submit(make, part) for part in parts]
                wait(made, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:  # it reaches this thread only; what all members have made counts
            self.end(made)
            of_all = losses.mean(axis=0)
            yield from of_all[np.isfinite(of_all)].tolist()
            raise
        self.end(made)
        for error in sorted((each.exception() for each in made), key=lambda error: isinstance(error, InterruptedError)):
            if error is not None:
                raise error
        self.at_once = max(1, min(2 * epochs, int(TOGETHER_SECONDS / ((time.perf_counter() - start) / epochs))))
        yield from losses.mean(axis=0).tolist()

    def end(self, made: Sequence[Future[None]]) -> None:
        """Wait for what threads make; where one member diverged, or the training is interrupted, the others stop."""
        for member in self.members:
            member.ended = not all(each.done() for each in made)
        wait(made)


def shares(members: int, epochs: int, threads: int) -> list[list[tuple[int, int, int]]]:
    """What each thread makes, in its order: member, first epoch, end.

    >>> shares(3, 10, 2)
    [[(1, 0, 5), (0, 0, 10)], [(2, 0, 10), (1, 5, 10)]]
    """
    of_each: list[list[tuple[int, int, int]]] = []
    for thread in range(threads):
        first, end = (members * epochs * each // threads for each in (thread, thread + 1))
        part = []
        while first < end:
            member, epoch = divmod(first, epochs)
            until = min(epochs, epoch + end - first)
            part.append((member, epoch, until))
            first += until - epoch
        of_each.append(part[::-1])  # what another thread goes on with comes first
    return of_each
