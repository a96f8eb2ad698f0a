"""A gradient that is wrong, and all that is known of it: what hypotheses are made of and held to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backpass.audit.numeric import Differences, Estimate, estimate
from backpass.audit.precision import Precision, typical
from backpass.audit.runs import Runs
from backpass.audit.variables import gradient_of

CLOSEST = 0.2  # where the truth itself is known no better
FEWEST = 3  # entries that have to agree on a factor that means nothing


@dataclass
class Suspect:
    """A gradient that is wrong, and all that is known of it.

    name of the variable; what backward claims; the estimates of all variables; dvalues and the terms that they weight.
    """

    name: str
    claimed: np.ndarray
    estimates: dict[str, Estimate]
    dvalues: np.ndarray
    output: np.ndarray
    runs: Runs
    precision: Precision

    @property
    def estimate(self) -> Estimate:
        return self.estimates[self.name]

    @property
    def values(self) -> dict[str, np.ndarray]:
        return self.runs.subject.values

    @property
    def penalty(self) -> np.ndarray | None:
        return self.runs.subject.penalty(self.name, self.values[self.name])

    @property
    def loss(self) -> bool:
        return self.runs.subject.takes_truth

    @cached_property
    def close(self) -> float:
        """How near a claim has to be to a hypothesis, relative to its largest entry: as near as the truth is known."""
        size, unsure = np.abs(self.truth), np.where(self.estimate.sure, self.estimate.uncertainty, 0.0)
        largest = np.nanmax(size, initial=0.0)
        return (
            max(self.precision.close, min(2 * unsure.max(initial=0.0) / largest, CLOSEST))
            if largest
            else self.precision.close
        )

    @property
    def where(self) -> str:
        return gradient_of(self.name)

    @cached_property
    def truth(self) -> np.ndarray:
        return np.where(self.estimate.left_out, np.nan, self.estimate.gradient)

    @property
    def inputs(self) -> np.ndarray:
        return self.values["inputs"]

    @property
    def samples(self) -> int:
        return len(self.inputs)

    @property
    def distribution(self) -> bool:
        """Whether the outputs of a sample are above 0 and add up to 1, as softmax's do."""
        return self.output.ndim == 2 and np.allclose(self.output.sum(axis=1), 1) and bool((self.output > 0).all())

    def full(self, entries: np.ndarray) -> np.ndarray:
        """An array like the variable from what is known of each entry that was asked for: (entries, ...)."""
        array = np.full((self.truth.size, *entries.shape[1:]), np.nan)
        array[self.estimate.places] = entries
        return array.reshape(*self.truth.shape, *entries.shape[1:])

    def by_sample(self, estimate: Estimate) -> np.ndarray | None:
        """What each sample adds to a gradient: (N, *shape), if terms belong to samples."""
        if self.output.ndim == 0 or len(self.output) != self.samples:
            return None
        weighted = (self.dvalues * estimate.by_term).reshape(len(estimate.places), self.samples, -1).sum(axis=2)
        shares = np.full((self.samples, estimate.gradient.size), np.nan)
        shares[:, estimate.places] = weighted.T
        return shares.reshape(self.samples, *estimate.gradient.shape)

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

    # What is found out by asking the part once more.

    @cached_property
    def stored(self) -> np.ndarray | None:
        """What forward leaves in `.output`: of a combined step, the activation's."""
        output = getattr(self.runs.forward(self.values), "output", None)
        return output if isinstance(output, np.ndarray) else None

    def derivative_at(self, inputs: np.ndarray) -> np.ndarray | None:
        """d output[n, m] / d inputs[n, m] of an elementwise part at other inputs; None where it does not take them."""
        step = self.precision.step * typical(inputs)
        try:
            above, below = (self.runs.terms({**self.values, "inputs": inputs + sign * step}) for sign in (1, -1))
        except Exception:
            return None
        return (above - below) / (2 * step) if above.shape == inputs.shape else None

    def ratio_at(self, rows: int) -> float | None:
        """Claim / truth with the first samples only; None where the part does not take so few."""
        subject, y_true = self.runs.subject, self.runs.subject.y_true
        values = {**self.values, "inputs": self.inputs[:rows]}
        dvalues = self.dvalues[:rows] if self.dvalues.ndim else self.dvalues
        if subject.takes_truth and dvalues.ndim:
            dvalues = np.full(dvalues.shape, 1 / dvalues.size)
        try:
            subject.y_true = None if y_true is None else y_true[:rows]
            claim = self.runs.claims(self.runs.forward(values), dvalues.copy())[self.name]
            places = np.argsort(-np.abs(claim), axis=None)[:3]
            differences = Differences(self.runs.terms, values, dvalues, self.precision)
            ratios = claim.flat[places] / estimate(differences, self.name, None, places, None).gradient.flat[places]
        except Exception:
            return None
        finally:
            subject.y_true = y_true
        return float(np.median(ratios)) if np.isfinite(ratios).all() else None


def ratio(claimed: np.ndarray, hypothesis: np.ndarray, close: float) -> float | None:
    """The constant that makes a hypothesis the claim; None where there is none."""
    if claimed.shape != hypothesis.shape:
        return None
    known = np.isfinite(claimed) & np.isfinite(hypothesis)
    ours, theirs = claimed[known], hypothesis[known]
    size = np.abs(theirs).max(initial=0.0)
    if size == 0 or np.abs(ours).max(initial=0.0) == 0:
        return None
    constant = float(np.sum(ours / size * (theirs / size)) / np.sum((theirs / size) ** 2))
    if not np.allclose(ours, constant * theirs, rtol=0, atol=close * np.abs(ours).max()):
        return None
    telling = int((np.abs(theirs) > 1e-3 * size).sum())
    sizes = [abs(constant), 1 / abs(constant)] if constant and np.isfinite(1 / constant) else []
    simple = any(abs(round(size) - size) < 1e-4 * size and 0 < round(size) < 1000 for size in sizes if size < 1000)
    return constant if telling >= FEWEST or simple else None


def near(first: float, second: float, close: float) -> bool:
    return abs(first - second) <= close * abs(second)
