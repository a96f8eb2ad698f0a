"""A schedule that looks at how training goes: lower the learning rate when it goes no further."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from backpass import checks
from backpass.optimizers.schedules import Schedule, rate, share


@dataclass
class ReduceOnPlateau(Schedule):
    """Lower the rate whenever an epoch's figure has stopped getting better.

    Parameters
    ----------
    start : float above 0
    factor : float between 0 and 1
        What the rate is multiplied by.
    patience : int, at least 0
        Epochs in a row without an improvement that are put up with; after one more the rate falls.
    threshold : float, at least 0
        Share of the best figure by which it has to be beaten.
    lowest : float, at least 0
        The rate never falls below this.
    watch : str
        A figure of the epoch. Less is better if its name ends in "loss", else more. Where there is no
        "validation_loss", it is the "loss" of training that is watched.

    Attributes
    ----------
    present : float
        Rate of the next steps.
    best : float or None
        Best figure so far.
    waiting : int
        Epochs without an improvement so far.

    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for epoch, loss in enumerate([3.0, 2.0, 2.0, 2.0], start=1):
    ...     schedule.on_epoch_end(epoch, {"loss": loss})
    >>> schedule.rates(np.array([40]), total=100)
    array([0.5])
    """

    start: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    lowest: float = 0.0
    watch: str = "validation_loss"
    present: float = field(init=False, repr=False)
    best: float | None = field(init=False, repr=False, default=None)
    waiting: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self.start, self.factor = rate(self.start, "start"), share(self.factor, "factor")
        self.patience = checks.scalar(self.patience)
        if isinstance(self.patience, bool) or not isinstance(self.patience, int | np.integer) or self.patience < 0:
            raise ValueError(f"patience is {self.patience!r}; pass a whole number of at least 0")
        self.threshold = checks.real(self.threshold, "threshold", low=0)
        self.lowest = checks.real(self.lowest, "lowest", low=0)
        if not isinstance(self.watch, str):
            raise TypeError(f"watch is {self.watch!r}; pass the name of a figure such as 'validation_loss'")
        self.reset()

    def reset(self) -> None:
        self.present, self.best, self.waiting, self._watched = self.start, None, 0, ""

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        return np.full(len(steps), self.present)

    def on_epoch_end(self, epoch: int, figures: dict[str, float]) -> None:
        """Look at the figures of an epoch. ValueError if the one that is watched is not among them."""
        name = "loss" if self.watch == "validation_loss" and self.watch not in figures else self.watch
        if name not in figures:
            raise ValueError(f"watch is {self.watch!r}; the figures of an epoch are {', '.join(figures)}")
        if name != self._watched:  # another figure: what was best of the last one says nothing about it
            self._watched, self.best, self.waiting = name, None, 0
        figure = figures[name]
        if self.best is None:
            gain = math.inf - figure  # NaN and infinity are no improvement on nothing either
        else:
            gain = self.best - figure if name.endswith("loss") else figure - self.best
        if gain > self.threshold * abs(self.best or 0.0):
            self.best, self.waiting = figure, 0
            return
        self.waiting += 1
        if self.waiting > self.patience:
            self.present = max(self.present * self.factor, min(self.lowest, self.present))
            self.waiting = 0
