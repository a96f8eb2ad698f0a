"""What is asked where the numbers are right: other incoming gradients and parameters, entries that were not drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backpass.audit.mistakes import named
from backpass.audit.numeric import TOLD, TOLD_OF_LARGEST, Estimate
from backpass.audit.precision import LEAST, Precision
from backpass.audit.protocol import alike, restart_generators
from backpass.audit.report import Finding, Report
from backpass.audit.runs import Runs
from backpass.audit.subjects import Claims, Subject
from backpass.audit.suspect import Suspect
from backpass.audit.variables import Values, gradient_of


class OtherPoints:
    """The part of an Audit that looks beside its point."""

    subject: Subject
    runs: Runs
    result: Report
    rng: np.random.Generator
    dvalues: np.ndarray
    output: np.ndarray
    precision: Precision
    rounding_of: Callable[[str, np.ndarray | None], np.ndarray | float]

    def with_other_dvalues(self, claims: Claims, estimates: dict[str, Estimate]) -> None:
        """A mask that was taken from dvalues may be right for some: backward has to be linear in them."""
        if self.subject.takes_truth:
            return
        others = -self.dvalues
        claims = self.runs.claims(self.runs.forward(self.subject.values), others.copy())
        for name, claim in claims.items():
            found = estimates[name]
            if claim is None or claim.shape != found.gradient.shape:
                continue
            turned = replace(found, gradient=-found.gradient)
            wrong = np.abs(claim - turned.gradient) > 1e-4 * turned.scale() + 2 * found.uncertainty
            if wrong[~found.left_out & np.isfinite(found.gradient)].any():
                both = {**estimates, name: turned}
                suspect = Suspect(name, claim, both, others, self.output, self.runs, self.precision)
                self.result.findings += named(suspect)

    def with_other_parameters(self) -> None:
        """A gradient that is right may have been made of parameters as they once were."""
        subject = self.subject
        values = {name: self.nudged(value) for name, value in subject.values.items()}
        values["inputs"] = subject.values["inputs"]
        claims = self.runs.claims(self.runs.forward(values), self.dvalues.copy())
        used = self.runs.forward(subject.values)  # and then the parameters change, as training changes them
        self.runs.claims(used, self.dvalues.copy())
        subject.with_parameters(used, values)
        self.runs.rewind()
        restart_generators(used, subject.part)
        subject.forward(used, values["inputs"].copy())
        later = self.runs.claims(used, self.dvalues.copy())
        for name, claim in claims.items():
            if claim is None or claim.shape != values[name].shape:
                continue
            copied = not subject.has_formula and self.follows(name, claim, values) is False  # ours copy no parameters
            if not alike(claim, later[name]) or copied:
                evidence = "it is right, but not after the parameters have been changed"
                fix = f"{gradient_of(name)} = ...  # of the parameters as they are now, not of a copy made earlier"
                self.result.findings.append(Finding("stale-forward", gradient_of(name), evidence, fix))

    def nudged(self, value: np.ndarray) -> np.ndarray:
        """A tenth more or less; positive numbers stay positive."""
        return value * (1 + 0.1 * self.rng.normal(size=value.shape).clip(-3, 3)) + 0.1 * (value == 0) * self.rng.normal(
            size=value.shape
        )

    def follows(self, name: str, claim: np.ndarray, values: Values) -> bool | None:
        """Whether a gradient is that of the terms in one random direction, as far as steps of five sizes agree.

        None if rounding hides it.
        """
        value = values[name]
        spread = np.minimum(np.abs(value), value.std() or 1.0)  # so that no step leads over a kink at 0
        direction = self.rng.normal(size=claim.shape) * np.where(value == 0, 1.0, spread)
        expected, size = np.sum(claim * direction), np.sum(np.abs(claim * direction))
        own = LEAST * float(np.sum(np.abs(self.rounding_of(name, claim) * direction)))  # rounding of the claim
        slopes, noises = [], []
        steps = self.precision.step / np.array([1, 2, 4, 16, 64])
        for step in (*steps, *(steps[0] * 8.0 ** np.arange(1, 11))):  # larger ones where rounding hides what these show
            try:
                above, below = (self.runs.terms({**values, name: value + sign * step * direction}) for sign in (1, -1))
            except Exception:  # categories
                return True
            slopes.append(np.sum(self.dvalues * (above - below)) / (2 * step))
            noises.append(64 * self.precision.eps * np.sum(np.abs(self.dvalues * above)) / step)
            if len(slopes) < len(steps):
                continue
            last = slice(0 if len(slopes) == len(steps) else -1, None)
            apart = np.abs(np.array(slopes) - expected)[last]
            curved = np.abs(np.diff(slopes, append=slopes[-2]))[last] * 4
            allowed = curved + self.precision.tolerance / 10 * size + np.array(noises)[last] + own
            if not np.isfinite(apart).all():
                return True if len(slopes) == len(steps) else None
            telling = allowed <= np.maximum(TOLD * abs(expected), TOLD_OF_LARGEST * size / np.sqrt(claim.size))
            if len(slopes) > len(steps):  # where a function is flat at its ends, slopes fall as steps grow
                telling &= curved <= np.abs(slopes[-1])
            if telling.any() or (len(slopes) == len(steps) and not (apart <= allowed).any()):
                return bool((apart <= allowed).any())
        return None
