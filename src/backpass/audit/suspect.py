"""A gradient that is wrong, and all that is known of it: what hypotheses are made of and held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backpass.audit.numeric import Estimate

CLOSE, CLOSE_SINGLE = 1e-4, 3e-2  # how near a claim has to be to a hypothesis, relative to its largest entry
FEWEST = 3  # entries that have to agree on a factor that means nothing


@dataclass
class Suspect:
    """A gradient that is wrong, and all that is known of it.

    `derivative_at` gives the derivative of each output by its own input, with other inputs; `ratio_at` the ratio of
    claim and truth for so many rows.
    """

    name: str
    claimed: np.ndarray
    estimate: Estimate
    dvalues: np.ndarray
    output: np.ndarray
    values: dict[str, np.ndarray]
    penalty: np.ndarray | None
    loss: bool
    single: bool
    stored: np.ndarray | None = None  # what forward left in `.output`
    estimates: dict[str, Estimate] = field(default_factory=dict)
    derivative_at: Callable[[np.ndarray], np.ndarray | None] = lambda inputs: None
    ratio_at: Callable[[int], float | None] = lambda rows: None

    @property
    def where(self) -> str:
        layer, dot, name = self.name.rpartition(".")
        return f"{layer}{dot}d{name}"

    @cached_property
    def truth(self) -> np.ndarray:
        return np.where(self.estimate.left_out, np.nan, self.estimate.gradient)

    @property
    def inputs(self) -> np.ndarray:
        return self.values["inputs"]

    @property
    def samples(self) -> int:
        return len(self.inputs)

    def full(self, entries: np.ndarray) -> np.ndarray:
        """An array like the variable from what is known of each entry that was asked for: (entries, ...)."""
        array = np.full((self.truth.size, *entries.shape[1:]), np.nan)
        array[self.estimate.places] = entries
        return array.reshape(*self.truth.shape, *entries.shape[1:])

    def by_sample(self, estimate: Estimate) -> np.ndarray | None:
        """What each sample adds to a gradient: (N, *shape), if terms belong to samples."""
        if self.output.ndim == 0 or len(self.output) != self.samples or len(estimate.places) < estimate.gradient.size:
            return None
        weighted = (self.dvalues * estimate.by_term).reshape(len(estimate.places), self.samples, -1).sum(axis=2)
        return weighted.T.reshape(self.samples, *estimate.gradient.shape)

    @cached_property
    def jacobian(self) -> np.ndarray | None:
        """d output[n, m] / d inputs[n, d] as (N, D, M), of inputs that all were asked for."""
        whole = self.name == "inputs" and self.output.ndim == 2 and self.inputs.ndim == 2
        if not whole or len(self.output) != self.samples or len(self.estimate.places) < self.truth.size:
            return None
        every = self.estimate.by_term.reshape(self.samples, -1, *self.output.shape)
        return np.stack([every[n, :, n] for n in range(self.samples)])

    @cached_property
    def own(self) -> np.ndarray | None:
        """d output[n, m] / d inputs[n, m], where outputs are as many as inputs."""
        if self.jacobian is None or self.output.shape != self.inputs.shape:
            return None
        return np.einsum("nmm->nm", self.jacobian)

    @cached_property
    def elementwise(self) -> bool:
        if self.own is None:
            return False
        total = np.abs(self.estimate.by_term).sum()
        return bool(total - np.abs(self.own).sum() <= 1e-9 * total)


def ratio(claimed: np.ndarray, hypothesis: np.ndarray, single: bool = False) -> float | None:
    """The constant that makes a hypothesis the claim; None where there is none."""
    if claimed.shape != hypothesis.shape:
        return None
    known = np.isfinite(claimed) & np.isfinite(hypothesis)
    if known.sum() < max(1, 0.5 * known.size):
        known &= False
    ours, theirs = claimed[known], hypothesis[known]
    size = np.abs(theirs).max(initial=0.0)
    if size == 0 or np.abs(ours).max(initial=0.0) == 0:
        return None
    constant = float(np.sum(ours / size * (theirs / size)) / np.sum((theirs / size) ** 2))
    if not np.allclose(ours, constant * theirs, rtol=0, atol=(CLOSE_SINGLE if single else CLOSE) * np.abs(ours).max()):
        return None
    telling = int((np.abs(theirs) > 1e-3 * size).sum())
    simple = any(abs(round(x) - x) < 1e-4 * x and round(x) > 0 for x in (abs(constant), 1 / max(abs(constant), 1e-300)))
    return constant if telling >= FEWEST or simple else None


def near(first: float, second: float, single: bool) -> bool:
    return abs(first - second) <= (CLOSE_SINGLE if single else CLOSE) * abs(second)
