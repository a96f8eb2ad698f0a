"""One epoch after another as scikit-learn makes them: its order of the samples, its loss, its penalty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from backpass.engine.loop import PLAN_WORDS, STEPS_PER_EPOCH
from backpass.engine.plan import LINE
from backpass.engine.threads import available_cores
from backpass.estimators.penalty import Penalty
from backpass.estimators.tasks import Task
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer
from backpass.stepping import CompiledSteps, Steps, WalkedSteps, remedy

DENSE_BYTES = 256 * 1024 * 1024  # up to here a sparse X is made dense at once, beyond it block by block
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


class Epochs(Steps):
    """The steps of one epoch, made again and again.

    Dense samples that all weigh the same are left to the compiled loop, epochs at once. Others are brought batch by
    batch: rows of a sparse X, weights, which scikit-learn averages in each batch, but not over the batches, and all
    that a network with parts without kernels is trained on.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        targets: np.ndarray,
        optimizer: Optimizer,
        penalty: Penalty,
        task: Task,
        *,
        epochs: int,
        batch: int,
        shuffle: bool,
        weights: np.ndarray | None,
        threads: int,
    ):
        self.penalty, self.task, self.shuffled = penalty, task, shuffle
        self.all = X, targets, weights
        self.samples, self.size = X.shape[0], batch
        self.at_once = weights is None and not issparse(X) and network.compiled
        self.most = max(1, min(epochs, MOST_ORDERED // self.samples, LINE, network.parameters.size))
        if not self.at_once:
            X, targets = np.zeros((batch, X.shape[1]), network.dtype), targets[:batch].copy()
            weights, shuffle, self.most = None if weights is None else weights[:batch].copy(), False, 1
        self.sequence = np.arange(self.samples)
        self.orders = np.empty((self.most, self.samples), np.int64)
        super().__init__(
            network,
            X,
            targets,
            optimizer,
            epochs=self.most,
            batch=batch,
            shuffle=shuffle,
            weights=weights,
            threads=threads,
        )
        self.constant = task.constant(self.all[1])
        self.total = epochs * -(-self.samples // batch)  # helpers are started where enough is left to do

    def run(self, generator: np.random.RandomState, most: float = 1) -> Iterator[float]:
        """Make one epoch, or as many as that at once; yields the mean loss of each, with the penalty.

        Losses are those of the batches, each before its step.
        """
        epochs = int(min(most, self.most))
        for epoch in range(epochs):
            if self.shuffled:
                permutation = np.arange(self.samples)
                generator.shuffle(permutation)
                self.orders[epoch] = self.sequence[permutation]
                self.sequence = self.orders[epoch]
        if not self.at_once:
            yield sum(map(self.one_batch, range(0, self.samples, self.size))) / self.samples
            return
        self.begin()
        done = 0
        while done < epochs:
            self.advance_a_while(epochs * self.per_epoch)
            for epoch in range(done, self.made // self.per_epoch):
                loss = self.penalty.loss_factor * float(self.losses[epoch]) + self.penalty.cost(epoch)
                yield loss / self.samples + self.constant
            done = self.made // self.per_epoch

    def one_batch(self, first: int) -> float:
        """A step on samples that are brought for it; its loss times their number."""
        rows = self.sequence[first : first + self.size]
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
        raise FloatingPointError(
            f"the loss became {loss} at step {self.optimizer.iterations + 1} of the optimizer; {remedy(self.optimizer)}"
        )

    def begin(self) -> None:
        """Count steps from 0, behind those that were made before."""
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
            self.plan.set(shuffle=0, order_stride=self.orders.strides[0])

    def hand_over(self, X, targets, weights):  # type: ignore[no-untyped-def]
        self.plan.point_at(X, targets)

    def begin(self) -> None:
        super().begin()
        self.plan.set(step=0, steps_before=self.before, steps_trained=self.trained[1])
        if self.ordered:
            self.plan.set(order=self.orders.ctypes.data)


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
