"""Schedules: the learning rate of every step.

A step is counted from 0, over all fits of an optimizer. `total` is the count of steps at the end of the present fit:
where a schedule is given no number of steps of its own, it is stretched to that. Beyond its end a schedule keeps its
last rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from backpass import checks


class Schedule:
    """What may stand in the place of a learning rate."""

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        """Learning rate (float64) of each of these steps (int64)."""
        raise NotImplementedError(f"{type(self).__name__} has to define rates(steps, total)")

    def reset(self) -> None:
        """Forget what was learnt from figures: an optimizer begins anew."""

    def config(self) -> dict[str, Any]:
        """The arguments that make this schedule anew."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}  # type: ignore[arg-type]


def rate(value: Any, name: str) -> float:
    return checks.real(value, name, low=0, open_low=True)


def share(value: Any, name: str) -> float:
    return checks.real(value, name, low=0, high=1, open_low=True)


def length(steps: Any) -> int | None:
    return None if steps is None else checks.positive_integer(steps, "steps")


def half_cosine(first: float, last: float, done: np.ndarray) -> np.ndarray:
    """From first (done = 0) to last (done = 1), flat at both ends."""
    return last + (first - last) * (1 + np.cos(math.pi * done)) / 2


@dataclass
class InverseDecay(Schedule):
    """start / (1 + decay * step)

    Parameters
    ----------
    start : float above 0
    decay : float, at least 0
        After 1 / decay steps the rate is half of what it was.

    Source: Kinsley and Kukieła, "Neural Networks from Scratch in Python", 2020, chapter 10.

    >>> InverseDecay(1.0, decay=0.1).rates(np.array([0, 10, 30]), total=100)
    array([1.  , 0.5 , 0.25])
    """

    start: float
    decay: float

    def __post_init__(self) -> None:
        self.start = rate(self.start, "start")
        self.decay = checks.real(self.decay, "decay", low=0)

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        return self.start / (1 + self.decay * steps)


@dataclass
class StepDecay(Schedule):
    """start * factor ** (step // every)

    Parameters
    ----------
    start : float above 0
    factor : float between 0 and 1
    every : int
        Steps from one drop to the next.

    >>> StepDecay(1.0, factor=0.5, every=10).rates(np.array([0, 9, 10, 25]), total=100)
    array([1.  , 1.  , 0.5 , 0.25])
    """

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        self.start, self.factor = rate(self.start, "start"), share(self.factor, "factor")
        self.every = checks.positive_integer(self.every, "every")

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        return self.start * self.factor ** (steps // self.every)


@dataclass
class ExponentialDecay(Schedule):
    """start * factor ** (step / every)

    Parameters
    ----------
    start : float above 0
    factor : float between 0 and 1
    every : int
        Steps in which the rate falls by the factor.

    >>> ExponentialDecay(1.0, factor=0.25, every=10).rates(np.array([0, 5, 10]), total=100)
    array([1.  , 0.5 , 0.25])
    """

    start: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        self.start, self.factor = rate(self.start, "start"), share(self.factor, "factor")
        self.every = checks.positive_integer(self.every, "every")

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        return self.start * self.factor ** (steps / self.every)


@dataclass
class Cosine(Schedule):
    """From start to end along half a cosine.

    Parameters
    ----------
    start : float above 0
    end : float, at least 0
    steps : int, optional
        When the end is reached. None: when the fit ends.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5,
    without the restarts.

    >>> Cosine(1.0).rates(np.array([0, 50, 100, 200]), total=100)
    array([1. , 0.5, 0. , 0. ])
    """

    start: float
    end: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        self.start, self.steps = rate(self.start, "start"), length(self.steps)
        self.end = checks.real(self.end, "end", low=0)

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        return half_cosine(self.start, self.end, np.minimum(steps / max(self.steps or total, 1), 1))


@dataclass
class Warmup(Schedule):
    """A straight rise to the first rate of another schedule, which begins when this is over.

    Parameters
    ----------
    then : float or Schedule
        It counts its steps from the end of the warm-up; a float is a rate that stays.
    steps : int
        Of the warm-up.
    start : float, at least 0
        Rate of step 0. With 0 that step changes nothing.

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2.

    >>> Warmup(0.5, steps=4).rates(np.array([0, 1, 2, 4, 9]), total=100)
    array([0.   , 0.125, 0.25 , 0.5  , 0.5  ])
    >>> Warmup(Cosine(1.0), steps=20).rates(np.array([10, 20, 60, 100]), total=100)
    array([0.5, 1. , 0.5, 0. ])
    """

    then: float | Schedule
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.then, Schedule):
            self.then = rate(self.then, "then")
        elif hasattr(self.then, "on_epoch_end"):
            self.on_epoch_end = self.then.on_epoch_end
            self.watch = getattr(self.then, "watch", "loss")
        self.steps = checks.positive_integer(self.steps, "steps")
        self.start = checks.real(self.start, "start", low=0)

    def reset(self) -> None:
        if isinstance(self.then, Schedule):
            self.then.reset()

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        later = np.append(np.maximum(steps - self.steps, 0), 0)
        if isinstance(self.then, Schedule):
            rates = self.then.rates(later, max(total - self.steps, 1))
        else:
            rates = np.full(len(later), self.then)
        rise = self.start + (rates[-1] - self.start) * (steps / self.steps)
        return np.where(steps < self.steps, rise, rates[:-1])


@dataclass
class OneCycle(Schedule):
    """Up from first to highest, then down to last, both along half a cosine.

    Parameters
    ----------
    highest : float above 0
        The largest rate at which training does not diverge.
    steps : int, optional
        Of the whole cycle. None: those of the fit.
    rise : float between 0 and 1
        Share of the steps that go up.
    first, last : float, optional
        None: highest / 25 and highest / 10000.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2019; half cosines in place of straight lines as in PyTorch.

    >>> OneCycle(1.0, rise=0.5, first=0.2, last=0.1).rates(np.array([0, 4, 9, 20]), total=10)
    array([0.2, 1. , 0.1, 0.1])
    """

    highest: float
    steps: int | None = None
    rise: float = 0.3
    first: float | None = None
    last: float | None = None

    def __post_init__(self) -> None:
        self.highest, self.steps, self.rise = (
            rate(self.highest, "highest"),
            length(self.steps),
            share(self.rise, "rise"),
        )
        self.first = self.highest / 25 if self.first is None else rate(self.first, "first")
        self.last = self.highest / 1e4 if self.last is None else checks.real(self.last, "last", low=0)

    def rates(self, steps: np.ndarray, total: int) -> np.ndarray:
        end = max(self.steps or total, 1) - 1  # the last step, at which `last` is reached
        top = max(self.rise * (end + 1) - 1, 0.0)
        step = np.minimum(steps, end)
        up = half_cosine(self.first, self.highest, step / max(top, 1))  # type: ignore[arg-type]
        down = half_cosine(self.highest, self.last, (step - top) / (end - top or 1))  # type: ignore[arg-type]
        return np.where(step <= top, up, down)
