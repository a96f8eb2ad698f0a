"""One audit of one part: the protocol, the numbers, and what else may be wrong where these are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backpass.audit.mistakes import named
from backpass.audit.network_subject import NetworkSubject
from backpass.audit.numeric import LEAST, Differences, Estimate, estimate
from backpass.audit.other_points import OtherPoints
from backpass.audit.precision import APART, Precision, directions, noise_of, typical
from backpass.audit.protocol import protocol
from backpass.audit.report import Entry, Finding, Report
from backpass.audit.runs import BackwardFailed, Runs
from backpass.audit.subjects import Claims, Subject
from backpass.audit.suspect import Suspect
from backpass.audit.variables import Values, gradient_of

MOST_ENTRIES = 600  # of an array that are checked one by one; of a larger one as many are drawn
MOST_NUMBERS = 2_000_000  # kept of an array's derivative, term by term
NO_INFLUENCE = 1e-3  # of the largest of a variable's: that of another which cancels to rounding may be
RESCALED = 200, 600  # powers of ten beyond which dvalues are scaled, and of two by which those that overflow are
JITTER, JITTER_STEP = (
    1e-2,
    1e-5,
)  # relative errors that backward's own rounding may make, which shows from point to point
MOST_AT_KINKS = 0.05  # of an array's entries; then another point is drawn
POINTS = 4
SINGLE_CLAIM = 2e-5  # what a gradient that is kept in float32 may be off
DOUBLE = 1e-9  # what a gradient in float64 may be off, by complex step
PROTOCOL = ("stale-forward", "accumulated", "not-deterministic")


class Audit(OtherPoints):
    """One check of one subject."""

    def __init__(self, subject: Subject, rng: np.random.Generator):
        self.subject, self.rng = subject, rng
        self.runs, self.result = Runs(subject), Report(subject.name)
        self.hidden = False  # whether rounding of forward hides some entries

    def report(self) -> Report:
        self.dvalues = self.subject.weights(self.first_terms(), self.rng)
        try:
            self.look()
        except BackwardFailed as failed:
            self.result.findings.append(of_exception(failed.__cause__))
        if not self.result.passed and isinstance(self.subject, NetworkSubject):
            self.ask_parts(self.subject)
        return self.result

    def look(self) -> None:
        """The protocol first: numbers of a part that gives others each time say nothing."""
        subject, result = self.subject, self.result
        findings, claims = protocol(self.runs, subject.values, self.others(), self.dvalues)
        result.findings += findings
        if any(finding.mistake == "not-deterministic" for finding in findings):
            return
        claims = self.rescaled(claims)
        if self.not_finite(claims):
            return
        self.precision = Precision.of(self.runs.terms, subject.values, self.rng)
        if not self.precision.exact:
            share = f"1 in {1 / self.precision.tolerance:.0f}"
            result.notes.append(f"forward computes in {self.precision.name}: gradients are compared to {share} only")
        self.noise = self.measured(claims, APART * self.precision.eps)
        estimates = self.estimates(claims)
        self.hidden = any(each.vague().any() for each in estimates.values())
        for name, claim in claims.items():
            self.judge(name, claim, estimates)
        if not result.findings:
            self.with_other_dvalues(claims, estimates)
        if (
            not result.findings
            and len(subject.values) > 1
            and not (self.hidden and isinstance(subject, NetworkSubject))
        ):
            self.with_other_parameters()
        for name in subject.unseen:
            self.note(f"{name} is used by forward and has no gradient beside it: it was not looked at")

    # ------------------------------------------------------------------------------------------------ the numbers

    def first_terms(self) -> np.ndarray:
        name, inputs = self.subject.name, self.subject.values["inputs"]
        try:
            terms = self.runs.terms(self.subject.values)
        except Exception as error:
            what = f"{name}.forward does not take inputs of shape {inputs.shape}"
            if not isinstance(error, ValueError | IndexError | TypeError):
                what = f"{name}.forward fails with {type(error).__name__}"
            raise ValueError(f"{what}: {' '.join(str(error).split())}") from error
        if terms.dtype.kind not in "fiu":
            raise TypeError(f"{name}.forward gives {terms.dtype}; numbers are needed")
        if not np.isfinite(terms).all():
            wrong = terms[~np.isfinite(terms)].flat[0]
            raise ValueError(f"{name}.forward gives {wrong}; pass inputs where it is finite")
        return terms

    def rescaled(self, claims: Claims) -> Claims:
        """A layer's claims, of dvalues times a power of two where they are near the ends of what float64 can hold."""
        sizes = [np.abs(claim).max(initial=0.0) for claim in claims.values() if claim is not None]
        largest = max(sizes, default=0.0)
        if self.subject.takes_truth or not largest or abs(np.log10(largest)) < RESCALED[0]:
            return claims
        power = -RESCALED[1] if not np.isfinite(largest) else -round(np.log2(largest))
        self.dvalues = self.dvalues * 2.0**power
        return self.runs.claims(self.runs.forward(self.subject.values), self.dvalues.copy())

    def measured(self, claims: Claims, apart: float) -> dict[str, np.ndarray | float]:
        """What rounding does to the terms, called "", and to each claim."""
        names = [name for name, claim in claims.items() if claim is not None]
        values = {**self.subject.values, "dvalues": self.dvalues}

        def both(values: Values) -> list[np.ndarray]:
            values, dvalues = {name: values[name] for name in self.subject.values}, values["dvalues"]
            claimed = self.runs.claims(self.runs.forward(values), dvalues.copy())
            return [self.runs.terms(values), *(claimed[name] for name in names)]

        for moving in (values, {name: value for name, value in values.items() if name != "inputs"}):
            try:
                noise = noise_of(both, values, directions(moving, self.rng), apart)
            except Exception:  # categories have nothing beside them
                continue
            return {
                name: np.maximum(each, np.median(each)) if np.isfinite(each).all() else 0.0
                for name, each in zip(["", *names], noise, strict=True)
            }
        return dict.fromkeys(["", *names], 0.0)

    def not_finite(self, claims: Claims) -> bool:
        """Whether backward gives NaN or infinity, though forward does not."""
        wrong = [name for name, claim in claims.items() if claim is not None and not np.isfinite(claim).all()]
        for name in wrong:
            claim = claims[name]
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(claim))[0])
            evidence = f"entry {list(place)} is {claim[place]}, where forward is finite"
            beside = Differences(self.runs.terms, self.subject.values, self.dvalues, Precision())
            flat, index = 1e-12 * typical(self.subject.values[name]), int(np.ravel_multi_index(place, claim.shape))
            same = any((beside.beside(name, index, step) == beside.base).all() for step in (flat, -flat))
            mistake = "clipped-forward-only" if self.subject.takes_truth and same else "unexplained"
            self.result.findings.append(Finding(mistake, gradient_of(name), evidence))
        return bool(wrong)

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

    def places(self, name: str, value: np.ndarray) -> np.ndarray:
        if name == "inputs" and self.subject.whole:
            return np.zeros(0, int)
        most = min(MOST_ENTRIES, max(50, MOST_NUMBERS // max(self.dvalues.size, 1)))
        if value.size <= most:
            return np.arange(value.size)
        return np.sort(self.rng.choice(value.size, most, replace=False))

    def estimates(self, claims: Claims) -> dict[str, Estimate]:
        """The derivative by every variable; at another point if too many entries lie at kinks."""
        subject = self.subject
        for attempt in range(POINTS):
            differences = Differences(self.runs.terms, subject.values, self.dvalues, self.precision, self.noise[""])
            analytic = self.runs.complex_terms() if self.precision.exact else None
            found = {
                name: estimate(
                    differences,
                    name,
                    claims[name],
                    self.places(name, value),
                    analytic,
                    self.rounding_of(name, claims[name]),
                    subject.has_formula,
                )
                for name, value in subject.values.items()
            }
            self.output = differences.base
            crowded = [name for name, each in found.items() if each.left_out.sum() > MOST_AT_KINKS * len(each.places)]
            already = any(self.wrong(claims[name], each).any() for name, each in found.items())
            if not crowded or already or attempt == POINTS - 1:
                return found
            moved = {**subject.values, "inputs": self.moved()}
            try:
                self.runs.terms(moved)
            except Exception:  # categories have nothing beside them
                return found
            self.note(f"more than {MOST_AT_KINKS:.0%} of {crowded[0]} lay at kinks: the inputs were moved a little")
            subject.values = moved
            claims.update(self.runs.claims(self.runs.forward(subject.values), self.dvalues.copy()))
        raise AssertionError

    def wrong(self, claim: np.ndarray | None, found: Estimate) -> np.ndarray:
        """Entries whose error is neither within the tolerance nor what rounding may have done."""
        if claim is None or claim.shape != found.gradient.shape:
            return np.zeros(0, bool)
        allowed = self.precision.tolerance * found.scale() + found.uncertainty
        return ~(np.abs(claim - found.gradient) <= allowed) & found.known

    def rounding_of(self, name: str, claim: np.ndarray | None) -> np.ndarray | float:
        """What was measured of a claim's rounding; at least that of the penalty which was taken off it."""
        value = self.subject.values[name]
        if claim is None or claim.shape != value.shape:
            return 0.0
        penalty = self.subject.penalty(name, value)
        return np.maximum(self.noise[name], 0.0 if penalty is None else np.finfo(np.float64).eps * np.abs(penalty))

    def unchecked(self, name: str, claim: np.ndarray, estimates: dict[str, Estimate]) -> np.ndarray:
        """Entries of which nothing can be said: rounding hides them, and they are not what cancels to rounding."""
        found = estimates[name]
        influence = max(
            float(np.max(np.abs(each.gradient) * each.spans, where=each.sure, initial=0.0))
            for each in estimates.values()
        )
        nothing = np.abs(claim) <= LEAST * self.noise[name]
        return found.vague() & ~(nothing & (found.uncertainty * found.spans <= NO_INFLUENCE * influence))

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
        where, unchecked = gradient_of(name), ""
        if claim is None or claim.shape != value.shape:
            passed, central, by_complex, of_tensor = False, np.nan, None, np.nan
            if claim is None:
                norm = length(truth)
                passed = norm == 0 and name == "inputs"
                if not passed:
                    evidence = f"backward neither sets nor returns it; its norm should be {norm:.4g}"
                    result.findings.append(Finding("not-computed", where, evidence))
        else:
            passed, central, by_complex, of_tensor = self.held_to(name, claim, value, found)
            unchecked = self.why_unchecked(name, claim, estimates) if passed else ""
        figures = length(claim), of_tensor, central, by_complex
        counts = int(known.sum()), int((~known).sum())
        result.entries.append(Entry(where, value.shape, *figures, *counts, passed and not unchecked, unchecked))
        if claim is not None and not passed:
            told = any(
                each.mistake == "writes-over-its-input" or (each.mistake in PROTOCOL and each.where == where)
                for each in result.findings
            )
            suspect = Suspect(name, claim, estimates, self.dvalues, self.output, self.runs, self.precision)
            if claim.shape != value.shape or self.wrong(claim, found).any():
                findings = named(suspect)
            else:
                findings = [Finding("unexplained", where, ELSEWHERE if known.any() else UNPROVEN)]
            result.findings += [each for each in findings if not told or each.mistake != "unexplained"]

    def why_unchecked(self, name: str, claim: np.ndarray, estimates: dict[str, Estimate]) -> str:
        """Why an array that is not wrong cannot be called right either; "" if it can."""
        found = estimates[name]
        hidden = self.unchecked(name, claim, estimates)
        if hidden.any():
            place = tuple(int(i) for i in np.unravel_index(np.argmax(found.uncertainty * hidden), hidden.shape))
            others = f" (and {hidden.sum() - 1} more)" if hidden.sum() > 1 else ""
            hides = f"rounding of forward hides what is below {found.uncertainty[place]:.1g}"
            return f"entry {list(place)}{others} is {claim[place]:.4g}, and {hides}"
        if found.left_out.any() and not found.known.any():
            return "all of its entries lie at kinks"
        if len(found.places) < claim.size and self.follows(name, claim, self.subject.values) is None:
            return "rounding of forward hides the entries that were not looked at one by one"
        return ""

    def held_to(
        self, name: str, claim: np.ndarray, value: np.ndarray, found: Estimate
    ) -> tuple[bool, float, float | None, float]:
        """Whether a claim is right; its largest error by differences and by complex step, and that of the tensor."""
        where, tolerance, exact = gradient_of(name), self.precision.tolerance, self.precision.exact
        known = found.known
        if (l1 := self.subject.factors.get(name, (0.0, 0.0))[0]) > 0:
            at_zero = known & (value == 0) & (np.abs(np.abs(claim - found.gradient) - l1) <= 1e-6 * l1)
            found.left_out |= at_zero  # of |w| any slope from -1 to 1 is one
            known &= ~at_zero
        wrong = self.wrong(claim, found)
        if exact and wrong.any() and (np.abs(claim - found.gradient) <= JITTER * found.scale())[wrong].all():
            found.uncertainty += LEAST * self.measured({name: claim}, JITTER_STEP)[name]
        passed = not self.wrong(claim, found).any()
        if len(found.places) < value.size:
            looked = f"{len(found.places)} of {value.size} entries were looked at one by one"
            self.note(f"{where}: {looked}, and all together along a random direction")
            passed = passed and self.follows(name, claim, self.subject.values) is not False
        if not known.any():
            unproven = claim.any() and np.isnan(found.gradient).all() and len(found.places) > 0
            return passed and not unproven, np.nan, None, np.nan
        error, truth, scale = np.abs(claim - found.gradient)[known], found.gradient[known], found.scale()[known]
        if found.central is None:
            if exact:
                self.note(NOT_ANALYTIC)
            apart = relative(error, np.maximum(scale, found.uncertainty[known] / tolerance))
            central, by_complex = apart, None
        else:
            of_rounding = np.abs(found.central - found.gradient)[known] / tolerance  # what differences lose
            central = relative(np.abs(claim - found.central)[known], np.maximum(scale, of_rounding))
            apart = by_complex = relative(error, np.maximum(scale, found.uncertainty[known]))
        if not passed and apart < SINGLE_CLAIM and is_single(claim):
            passed = True
        if passed and is_single(claim) and apart > (tolerance if by_complex is None else DOUBLE) and exact:
            self.note(f"{where} is right to {apart:.0e}: it is kept in float32")
        elif passed and by_complex is not None and by_complex > DOUBLE:
            self.note(f"{where} is right to {apart:.0e} only, by complex step")
        size = length(truth)
        return passed, central, by_complex, length(error) / size if size else 0.0

    def note(self, line: str) -> None:
        if line not in self.result.notes:
            self.result.notes.append(line)

    def ask_parts(self, subject: NetworkSubject) -> None:
        """Where a network is wrong or hides, its parts are looked at one by one, as they are met in it."""
        found: list[Finding] = []
        unchecked: list[str] = []
        for where, part in subject.parts():
            try:
                report = Audit(part, self.rng).report()
            except (ValueError, TypeError):  # it does not take these inputs by itself
                unchecked.append(f"{where} does not take by itself what it is given in the network")
                continue
            found += [
                Finding(each.mistake, f"{where}.{each.where}", each.evidence, each.known_fix)
                for each in report.findings
            ]
            unchecked += [f"{where}.{line}" for line in report.unchecked]
        if found:
            self.result.findings = found
        elif not self.hidden:  # kinks of several layers at one point, where the chain rule holds for none of the slopes
            self.again_elsewhere()
        else:
            self.judge_by_parts(unchecked)

    def judge_by_parts(self, unchecked: list[str]) -> None:
        """By the chain rule a network is right if its parts are; where some hide too, nothing is known of it."""
        result = self.result
        doubtful = [entry.name for entry in result.entries if not entry.passed]
        result.findings = []
        what = "rounding of the loss hides it"
        if not unchecked:
            self.note(f"{', '.join(doubtful)}: {what}; each part was held to what it is given, and is right")
        why = f"{what}, and {unchecked[0]}" if unchecked else ""
        result.entries = [
            each if each.passed else replace(each, passed=not unchecked, unchecked=why) for each in result.entries
        ]

    def again_elsewhere(self) -> None:
        """The whole network once more, with parameters a little off, which are as good to tell right from wrong."""
        before, self.result = self.result, Report(self.subject.name)
        here = self.subject.values
        self.subject.values = {name: self.nudged(value) for name, value in here.items()} | {"inputs": here["inputs"]}
        self.look()
        if not self.result.findings:
            self.note("its parts are right, but several kinks met at one point: the parameters were moved a little")
        else:
            self.result, self.subject.values = before, here


ELSEWHERE = "it is right in the entries that were looked at, and wrong in others: along a random direction it fails"
UNPROVEN = "none of its entries can be checked: forward takes no inputs beside these"
NOT_ANALYTIC = "complex step does not apply here: forward is not analytic; central differences decide"


def length(array: np.ndarray | None) -> float:
    """Root of the sum of squares of what is no NaN, whatever the size of the numbers."""
    size = np.abs(np.zeros(1) if array is None else array)
    largest = float(np.nanmax(size, initial=0.0))
    return largest * float(np.sqrt(np.nansum((size / largest) ** 2))) if largest else 0.0


def relative(error: np.ndarray, size: np.ndarray) -> float:
    """The largest error as a share of a size; of no error 0, whatever the size."""
    return float(np.max(error[error > 0] / size[error > 0], initial=0.0))


def is_single(claim: np.ndarray) -> bool:
    """Whether an array's numbers are float32's."""
    return bool((claim == claim.astype(np.float32)).all())


def of_exception(error: BaseException | None) -> Finding:
    """backward has failed: where the factors of a product do not meet, they stand in the wrong order."""
    text = " ".join(str(error).split())
    mistake = "not-computed"
    if isinstance(error, ValueError) and ("not aligned" in text or text.startswith("matmul:")):
        mistake = "transposed"
    elif isinstance(error, ValueError) and "could not be broadcast" in text:
        mistake = "wrong-shape"
    return Finding(mistake, "backward", f"it fails with {type(error).__name__}: {text}")
