"""One epoch after another as scikit-learn makes them: its order of the samples, its loss, its penalty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from backpass.engine.threads import available_cores
from backpass.estimators.penalty import Penalty
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer
from backpass.stepping import CompiledSteps, remedy

DENSE_BYTES = 256 * 1024 * 1024  # up to here a sparse X is made dense at once, beyond it block by block


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


class Epochs(CompiledSteps):
    """The steps of one epoch, made again and again.

    Dense samples that all weigh the same are left to the compiled loop, an epoch at once. Others are brought batch by
    batch: rows of a sparse X, and weights, which scikit-learn averages in each batch, but not over the batches.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        targets: np.ndarray,
        optimizer: Optimizer,
        penalty: Penalty,
        *,
        epochs: int,
        batch: int,
        shuffle: bool,
        weights: np.ndarray | None,
        threads: int,
    ):
        self.penalty, self.shuffled = penalty, shuffle
        self.all = X, targets, weights
        self.samples, self.most = X.shape[0], batch
        self.order = np.arange(self.samples)
        self.at_once = weights is None and not issparse(X)
        if not self.at_once:
            X, targets = np.zeros((batch, X.shape[1]), network.dtype), targets[:batch].copy()
            weights, shuffle = None if weights is None else weights[:batch].copy(), False
        super().__init__(
            network, X, targets, optimizer, epochs=1, batch=batch, shuffle=shuffle, weights=weights, threads=threads
        )
        self.constant = penalty.constant(self.all[1])
        self.total = epochs * -(-self.samples // batch)  # helpers are started where enough is left to do

    def prepare(self, X, targets, batch, shuffle, weights, threads, out, calls):  # type: ignore[no-untyped-def]
        super().prepare(X, targets, batch, shuffle, weights, threads, out, calls)
        self.plan.finish_with([*self.penalty.calls(self.network, self.plan), *calls])
        self.brought = X, targets, weights
        if shuffle:
            self.plan.set(shuffle=0, order=self.order.ctypes.data)

    def epoch(self, generator: np.random.RandomState) -> float:
        """Make one; its mean loss with the penalty, each batch before its step."""
        if self.shuffled:
            permutation = np.arange(self.samples)
            generator.shuffle(permutation)
            self.order[:] = self.order[permutation]
        if not self.at_once:
            return sum(map(self.one_batch, range(0, self.samples, self.most))) / self.samples
        self.begin()
        while self.made < self.per_epoch:
            self.advance_a_while(self.per_epoch)
        loss = self.penalty.loss_factor * float(self.losses[0])
        return (loss + self.penalty.cost()) / self.samples + self.constant

    def one_batch(self, first: int) -> float:
        """A step on samples that are brought for it; its loss times their number."""
        rows = self.order[first : first + self.most]
        X, targets, weights = self.all
        given: list[Any] = [None if array is None else array[: len(rows)] for array in self.brought]
        given[0][...] = X[rows].toarray() if issparse(X) else X[rows]
        given[1][...] = targets[rows]
        weight = float(len(rows))
        if weights is not None:
            given[2][...] = weights[rows]
            weight = float(given[2].sum()) or np.inf  # of nothing but zeros: no penalty either
            self.penalty.weigh(weight)
        self.plan.point_at(*given[:2])
        self.begin()
        self.advance_a_while(1)
        loss = self.penalty.loss_factor * self.loss + self.penalty.cost() / weight
        return len(rows) * (loss + self.penalty.constant(given[1], given[2]))

    def refuse(self, loss: float) -> None:
        raise FloatingPointError(
            f"the loss became {loss} at step {self.optimizer.iterations + 1} of the optimizer; {remedy(self.optimizer)}"
        )

    def begin(self) -> None:
        """Count this epoch's steps from 0, behind those that were made before."""
        self.total -= self.made
        self.before, self.trained = self.optimizer.iterations, self.network.trained
        self.losses[0] = self.made = 0
        self.plan.set(step=0, steps_before=self.before, steps_trained=self.trained[1])
