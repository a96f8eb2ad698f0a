"""`health` while a network trains, at a price that is known."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from backpass.audit.diagnosis import health, of_layers
from backpass.audit.examination import BLOCK, LayerFigures, examine
from backpass.audit.health_report import Health
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer
from backpass.training import History

SHARE = 0.01  # of the time that the training took so far: what else it does to the caches is not on the clock
FIRST = 0.004  # seconds: what a look costs at least, before one was taken; small networks need half of it
WALKED = 4  # times what training takes for as many samples
ROWS_AT_THE_END = 10 * BLOCK


class HealthCallback:
    """Looks at a network's layers from time to time while it trains: `network.fit(callbacks=[...])`.

    Parameters
    ----------
    network : Network
        The one that is trained. Its results are the same with and without being looked at.
    X : array-like (N, D)
    y : array-like
        What it is trained on; at most 1,000 samples are looked at, evenly spread.
    optimizer : Optimizer, optional
        The one that trains it, of which one step more is tried on a copy.

    Attributes
    ----------
    looks : list of (int, list of LayerFigures)
        Epoch, and the figures of every layer after it.

    The clock decides when: looks take at most 1 % of the time that has passed, so that a fit of less than 0.4 seconds
    is looked at only by `health`. It is woken by `on_progress`, for `on_epoch_end` would nearly double the time of the
    smallest epochs (the spiral's: 28 us without, 48 to 54 with it).

    >>> from backpass import Adam, Dense, MeanSquaredError, Network, ReLU
    >>> network = Network([Dense(1, 8), ReLU(), Dense(8, 1)], MeanSquaredError(), random_state=0)
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> adam = Adam(0.01)
    >>> watch = HealthCallback(network, X, X**2, adam)
    >>> history = network.fit(X, X**2, optimizer=adam, epochs=200, callbacks=[watch])
    >>> watch.health(history).lines()
    ['nothing to remark']
    """

    def __init__(self, network: Network, X: Any, y: Any, optimizer: Optimizer | None = None):
        self.network, self.optimizer = network, optimizer
        self._X = network.samples(X)
        self._targets = network.targets(y, self._X)
        self._rows = spread(len(self._X), BLOCK)
        self.looks: list[tuple[int, list[LayerFigures]]] = []
        self._done, self._began, self._spent, self._cost = np.inf, 0.0, 0.0, 0.0

    def on_progress(self, done: float, epoch: int, epochs: int, loss: float) -> None:
        now = time.perf_counter()
        if done < self._done:  # another fit begins
            self._began, self._spent = now, 0.0
        self._done = done
        passed = now - self._began
        if not epoch or not passed:
            return
        as_trained = passed / (done * epochs * len(self._X)) * len(self._rows)
        cost = self._cost or FIRST + WALKED * as_trained
        if self._spent + cost > SHARE * passed:
            return
        rows = self._rows
        figures = examine(self.network, self._X[rows], self._targets[rows], self.optimizer)
        self.looks.append((self.network.trained[0], figures))
        self._cost = time.perf_counter() - now
        self._spent += self._cost

    def health(self, history: History | None = None) -> Health:
        """`health` of the network as it is now, of at most 10,000 samples, told when a finding was first seen.

        `history` is what `fit` returned, for what it says of the learning rate.
        """
        rows = spread(len(self._X), ROWS_AT_THE_END)
        now = health(self.network, self._X[rows], self._targets[rows], optimizer=self.optimizer, history=history)
        first: dict[tuple[str, str], int] = {}
        for epoch, figures in self.looks:
            for seen in of_layers(figures, len(self._rows)):
                first.setdefault((seen.what, seen.where), epoch)
        known = [
            replace(each, text=f"{each.text}, first seen after epoch {first[each.what, each.where]}")
            if (each.what, each.where) in first
            else each
            for each in now.findings
        ]
        return Health(known, now.figures)


def spread(rows: int, most: int) -> np.ndarray:
    """Indices of all rows, or of as many of them as are wanted, evenly spread."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)
