"""One audit of one part: the protocol, the numbers, and what else may be wrong where these are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backpass.audit.mistakes import named
from backpass.audit.network_subject import NetworkSubject
from backpass.audit.numeric import SMALL, Differences, Estimate, Precision, estimate
from backpass.audit.protocol import alike, protocol, restart_generators
from backpass.audit.protocol import named as gradient_of
from backpass.audit.report import Entry, Finding, Report
from backpass.audit.runs import BackwardFailed, Runs
from backpass.audit.subjects import Claims, Subject
from backpass.audit.suspect import Suspect
from backpass.audit.variables import Values

MOST_ENTRIES = 600  # of an array that are checked one by one; of a larger one as many are drawn
MOST_NUMBERS = 2_000_000  # kept of an array's derivative, term by term
MOST_AT_KINKS = 0.05  # of an array's entries; then another point is drawn
POINTS = 4
SINGLE_CLAIM = 1e-4  # what a gradient that is kept in float32 may be off
DOUBLE = 1e-9  # what a gradient in float64 may be off, by complex step
PROTOCOL = ("stale-forward", "accumulated", "not-deterministic")


class Audit:
    """One check of one subject."""

    def __init__(self, subject: Subject, rng: np.random.Generator):
        self.subject, self.rng = subject, rng
        self.runs, self.result = Runs(subject), Report(subject.name)

    def report(self) -> Report:
        with self.runs.kept(), np.errstate(all="ignore"):
            self.dvalues = self.subject.weights(self.first_terms(), self.rng)
            try:
                self.look()
            except BackwardFailed as failed:
                self.result.findings.append(of_exception(failed.__cause__))
            if self.result.findings and isinstance(self.subject, NetworkSubject):
                self.ask_parts(self.subject)
        return self.result

    def look(self) -> None:
        """The protocol first: numbers of a part that gives others each time say nothing."""
        subject, result = self.subject, self.result
        findings, claims = protocol(self.runs, subject.values, self.others(), self.dvalues)
        result.findings += findings
        if any(finding.mistake == "not-deterministic" for finding in findings) or self.not_finite(claims):
            return
        self.precision = Precision.of(self.runs.terms, subject.values, self.dvalues, self.rng)
        if self.precision.single:
            result.notes.append("forward computes in float32: gradients are compared to 1 in 100 only")
        estimates = self.estimates(claims)
        for name, claim in claims.items():
            self.judge(name, claim, estimates)
        if not result.findings:
            self.with_other_dvalues(claims, estimates)
        if not result.findings and len(subject.values) > 1:
            self.with_other_parameters()
        for name in subject.unseen:
            self.note(f"{name} is used by forward and has no gradient beside it: it was not looked at")

    # ------------------------------------------------------------------------------------------------ the numbers

    def first_terms(self) -> np.ndarray:
        name, inputs = self.subject.name, self.subject.values["inputs"]
        try:
            terms = self.runs.terms(self.subject.values)
        except Exception as error:
            raise ValueError(f"{name}.forward does not take inputs of shape {inputs.shape}: {error}") from error
        if terms.dtype.kind not in "fiu":
            raise TypeError(f"{name}.forward gives {terms.dtype}; numbers are needed")
        if not np.isfinite(terms).all():
            wrong = terms[~np.isfinite(terms)].flat[0]
            raise ValueError(f"{name}.forward gives {wrong}; pass inputs where it is finite")
        return terms

    def not_finite(self, claims: Claims) -> bool:
        """Whether backward gives NaN or infinity, though forward does not."""
        for name, claim in claims.items():
            if claim is not None and not np.isfinite(claim).all():
                place = tuple(int(i) for i in np.argwhere(~np.isfinite(claim))[0])
                evidence = f"entry {list(place)} is {claim[place]}, where forward is finite"
                self.result.findings.append(Finding("unexplained", gradient_of(name), evidence))
        return any(claim is not None and not np.isfinite(claim).all() for claim in claims.values())

    def others(self) -> Values:
        """The same variables with different inputs; of a loss each sample is a mixture of two, which stays a target."""
        inputs = self.subject.values["inputs"]
        rolled = np.roll(inputs, 1, axis=0) if len(inputs) > 1 else inputs
        candidates = (
            []
            if self.subject.takes_truth
            else [-0.7 * rolled + 0.3 * (inputs.std() or 1) * self.rng.normal(size=inputs.shape)]
        )
        candidates += [0.6 * inputs + 0.4 * rolled if (rolled != inputs).any() else 0.9 * inputs, rolled]
        for candidate in candidates:
            values = {**self.subject.values, "inputs": candidate}
            try:
                if np.isfinite(self.runs.terms(values)).all():
                    return values
            except Exception:  # outside of what forward takes
                continue
        return self.subject.values

    def places(self, value: np.ndarray) -> np.ndarray:
        most = min(MOST_ENTRIES, max(50, MOST_NUMBERS // max(self.dvalues.size, 1)))
        if value.size <= most:
            return np.arange(value.size)
        return np.sort(self.rng.choice(value.size, most, replace=False))

    def estimates(self, claims: Claims) -> dict[str, Estimate]:
        """The derivative by every variable; at another point if too many entries lie at kinks."""
        subject = self.subject
        for attempt in range(POINTS):
            differences = Differences(self.runs.terms, subject.values, self.dvalues, self.precision)
            analytic = None if self.precision.single else self.runs.complex_terms()
            found = {
                name: estimate(differences, name, claims[name], self.places(value), analytic)
                for name, value in subject.values.items()
            }
            self.output = differences.base
            crowded = [
                name
                for name, each in found.items()
                if (each.left_out & (each.curved > 0)).sum() > MOST_AT_KINKS * len(each.places)
            ]
            already = any(self.wrong(claims[name], each).any() for name, each in found.items())
            if not crowded or already or attempt == POINTS - 1:
                return found
            if attempt == 0:
                self.result.notes.append(
                    f"more than {MOST_AT_KINKS:.0%} of {crowded[0]} lay at kinks: the inputs were moved a little"
                )
            subject.values["inputs"] = self.moved()
            claims.update(self.runs.claims(self.runs.forward(subject.values), self.dvalues.copy()))
        raise AssertionError

    def wrong(self, claim: np.ndarray | None, found: Estimate) -> np.ndarray:
        """Entries whose error is neither within the tolerance nor what rounding may have done."""
        if claim is None or claim.shape != found.gradient.shape:
            return np.zeros(0, bool)
        allowed = self.precision.tolerance * found.scale() + found.uncertainty
        return ~(np.abs(claim - found.gradient) <= allowed) & np.isfinite(found.gradient) & ~found.left_out

    def moved(self) -> np.ndarray:
        """Inputs beside these: towards their mean, each by a share of its own, so that probabilities stay some."""
        inputs = self.subject.values["inputs"]
        spread = inputs.std() or 1.0
        share = self.rng.uniform(1e-3, 2e-2, inputs.shape)
        near = (1 - share) * inputs + share * inputs.mean()
        return near if (near != inputs).all() else near + 0.1 * spread * self.rng.normal(size=inputs.shape)

    # ------------------------------------------------------------------------------------------------ the verdict

    def judge(self, name: str, claim: np.ndarray | None, estimates: dict[str, Estimate]) -> None:
        """An entry of the report; findings if it is wrong."""
        value, found, result = self.subject.values[name], estimates[name], self.result
        truth = np.where(found.left_out, np.nan, found.gradient)
        known = ~found.left_out.flat[found.places]
        where = gradient_of(name)
        if claim is None or claim.shape != value.shape:
            passed, central, by_complex = False, np.nan, None
            if claim is None:
                norm = float(np.sqrt(np.nansum(truth**2)))
                passed = norm == 0 and name == "inputs"
                if not passed:
                    evidence = f"backward neither sets nor returns it; its norm should be {norm:.4g}"
                    result.findings.append(Finding("not-computed", where, evidence))
        else:
            tolerance = self.precision.tolerance
            scale = found.scale()
            error = np.abs(claim - truth)
            wrong = self.wrong(claim, found)
            relative = error / np.maximum(scale, found.uncertainty / tolerance)
            central = float(np.nanmax(np.where(np.isfinite(truth) & (error > 0), relative, 0.0), initial=0.0))
            by_complex = self.complex_error(claim, found)
            passed = not wrong.any()
            if len(found.places) < value.size:
                self.note(
                    f"{where} has {value.size} entries; {len(found.places)} were looked at, and all in one direction"
                )
                if passed and not self.follows(name, claim, self.subject.values):
                    passed = False
            if not passed and central < SINGLE_CLAIM and is_single(claim):
                passed = True
            apart, exact = (central, tolerance) if by_complex is None else (by_complex, DOUBLE)
            if passed and apart > exact and not self.precision.single:
                result.notes.append(f"{where} is right to {apart:.0e}: something in backward computes in float32")
        norm = 0.0 if claim is None else float(np.sqrt(np.sum(claim**2)))
        result.entries.append(
            Entry(where, value.shape, norm, central, by_complex, int(known.sum()), int((~known).sum()), passed)
        )
        if claim is not None and not passed:
            told = any(each.where == where and each.mistake in PROTOCOL for each in result.findings)
            suspect = Suspect(name, claim, estimates, self.dvalues, self.output, self.runs, self.precision)
            hidden = claim.shape == value.shape and not self.wrong(claim, found).any()
            findings = [Finding("unexplained", where, ELSEWHERE)] if hidden else named(suspect)
            result.findings += [each for each in findings if not told or each.mistake != "unexplained"]

    def note(self, line: str) -> None:
        if line not in self.result.notes:
            self.result.notes.append(line)

    def complex_error(self, claim: np.ndarray, found: Estimate) -> float | None:
        """Largest relative error by complex step; None where the two numerical methods disagree."""
        if found.complex_gradient is None:
            if not self.precision.single:
                self.note(NOT_ANALYTIC)
            return None
        known = np.isfinite(found.gradient) & ~found.left_out
        scale = found.scale()
        apart = np.abs(found.complex_gradient - found.gradient) > 1e-4 * scale + 2 * found.uncertainty
        if not known.any() or apart[known].any() or not np.isfinite(found.complex_gradient[known]).all():
            self.note(NOT_ANALYTIC)
            return None
        size = np.abs(found.complex_gradient)
        scale = np.maximum(size, SMALL * np.nanmax(size, initial=0.0))
        error = np.abs(claim - found.complex_gradient)[known]
        floor = found.uncertainty[known] / self.precision.tolerance
        return float(np.max(error / np.maximum(scale[known], floor + 1e-300), initial=0.0)) if error.any() else 0.0

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
            turned = replace(found, gradient=-found.gradient, by_term=found.by_term)
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
            if not alike(claim, later[name]) or not self.follows(name, claim, values):
                evidence = "it is right, but not after the parameters have been changed"
                fix = f"{gradient_of(name)} = ...  # of the parameters as they are now, not of a copy made earlier"
                self.result.findings.append(Finding("stale-forward", gradient_of(name), evidence, fix))

    def nudged(self, value: np.ndarray) -> np.ndarray:
        """A tenth more or less; positive numbers stay positive."""
        return value * (1 + 0.1 * self.rng.normal(size=value.shape).clip(-3, 3)) + 0.1 * (value == 0) * self.rng.normal(
            size=value.shape
        )

    def follows(self, name: str, claim: np.ndarray, values: Values) -> bool:
        """Whether a gradient is that of the terms in one random direction, as far as steps of five sizes agree."""
        value = values[name]
        spread = np.minimum(np.abs(value), value.std() or 1.0)  # so that no step leads over a kink at 0
        direction = self.rng.normal(size=claim.shape) * np.where(value == 0, 1.0, spread)
        expected, size = np.sum(claim * direction), np.sum(np.abs(claim * direction))
        slopes, noises = [], []
        for step in self.precision.step / np.array([1, 2, 4, 16, 64]):
            try:
                above, below = (self.runs.terms({**values, name: value + sign * step * direction}) for sign in (1, -1))
            except Exception:  # categories
                return True
            slopes.append(np.sum(self.dvalues * (above - below)) / (2 * step))
            noises.append(64 * self.precision.rounding * np.sum(np.abs(self.dvalues * above)) / step)
        apart = np.abs(np.array(slopes) - expected)
        allowed = (
            np.abs(np.diff(slopes, append=slopes[-2])) * 4 + self.precision.tolerance / 10 * size + np.array(noises)
        )
        return not np.isfinite(apart).all() or bool((apart <= allowed).any())

    def ask_parts(self, subject: NetworkSubject) -> None:
        """Where a network is wrong, its parts are looked at one by one, as they are met in it."""
        found: list[Finding] = []
        for where, part in subject.parts():
            try:
                report = Audit(part, self.rng).report()
            except (ValueError, TypeError):  # it does not take these inputs by itself
                continue
            found += [
                Finding(each.mistake, f"{where}.{each.where}", each.evidence, each.known_fix)
                for each in report.findings
            ]
        if found:
            self.result.findings = found


ELSEWHERE = "it is right in the entries that were looked at, and wrong in others: along a random direction it fails"
NOT_ANALYTIC = "complex step does not apply here: forward is not analytic; central differences decide"


def is_single(claim: np.ndarray) -> bool:
    """Whether an array's numbers are float32's."""
    return bool((claim == claim.astype(np.float32)).all())


def of_exception(error: BaseException | None) -> Finding:
    """backward has failed: where the factors of a product do not meet, they stand in the wrong order."""
    text = " ".join(str(error).split())
    mistake = "unexplained"
    if isinstance(error, ValueError):
        product = "not aligned" in text or "matmul" in text
        shapes = any(word in text for word in ("broadcast", "shape", "dimension"))
        mistake = "transposed" if product else "wrong-shape" if shapes else mistake
    return Finding(mistake, "backward", f"it fails with {type(error).__name__}: {text}")
