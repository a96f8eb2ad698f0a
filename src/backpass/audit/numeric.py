"""Derivatives of a function that is only called: central differences, and the complex step where it is analytic.

Central differences         (f(x + h) - f(x - h)) / 2h,  h = 1e-5 times the size of the column, or of the parameter
Complex step                Im f(x + ih) / h,            h = 1e-18 times that, without cancellation

Where a difference and the claim disagree, smaller steps tell curvature (differences of slopes fall with h) from a kink
(they do not). Beside a kink the derivative of the side that x is on is known; on it there is none. Where rounding hides
the difference, larger steps show it, as far as the function is smooth.

Source of the complex step: Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 1998; of the extrapolation: Richardson 1911.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backpass.audit.precision import LEAST, MEASURED, Function, Precision, Values, spans

COMPLEX_STEP = 1e-18
SMALLER = 8.0  # each step of a closer look, than the one before
LOOKS = 4
BENT = 1e-5  # how much slopes may differ, as a share of them, where a step is 1e-8 of the inputs
MUCH_CLOSER = 16
LARGER_LOOKS = 16  # up to 3e14 times the first step
HIDDEN = 0.1  # of a difference from the claim; if rounding may hide more, larger steps are tried
LARGEST = 3  # entries of a gradient that is 0 throughout which are looked at from farther away
QUANTA = 8 * SMALLER  # times rounding: what a step of so much more than one that shows nothing may show of a slope
UNSEEN = 1e-3  # share of an entry that a formula is believed to; NumPy's log1p of a complex number may lose as much
SMALL = 1e-3  # an entry's error is compared with at least this share of the tensor's largest
TOLD, TOLD_OF_LARGEST = 0.25, 0.05  # how uncertain an entry may be, as a share of itself, or of the largest


@dataclass
class Estimate:
    """Derivative of sum(weights * function) by one variable, entry by entry; NaN where it is not known.

    by_term     derivative of each summed term by each entry, (entries asked, *shape of the terms)
    spans       what the steps were measured by
    """

    gradient: np.ndarray
    uncertainty: np.ndarray
    left_out: np.ndarray
    places: np.ndarray  # flat indices of the entries that were asked for
    by_term: np.ndarray
    spans: np.ndarray
    central: np.ndarray | None = None  # the gradient by differences, where `gradient` is by complex step

    def scale(self) -> np.ndarray:
        """What an error of each entry is compared with."""
        size = np.abs(self.gradient)
        return np.maximum(size, SMALL * np.nanmax(size, initial=0.0))

    @property
    def known(self) -> np.ndarray:
        return np.isfinite(self.gradient) & ~self.left_out

    @property
    def sure(self) -> np.ndarray:
        """Entries of which a factor of 0, -1 or 3 would show."""
        return self.known & (self.uncertainty <= TOLD * np.abs(self.gradient)) & (self.gradient != 0)

    def vague(self) -> np.ndarray:
        """Entries that rounding hides: neither sure, nor known to be small beside the largest of those that are."""
        largest = np.max(np.abs(self.gradient), where=self.sure, initial=0.0)
        return self.known & (self.uncertainty > np.maximum(TOLD * np.abs(self.gradient), TOLD_OF_LARGEST * largest))


class Look(NamedTuple):
    """What is seen of an entry by one step.

    by_term     derivative of each term
    slopes      how much the slopes to both sides differ
    rounding    what rounding may have added to each term's
    of_place    and what that of the entry itself may have added to their sum
    """

    by_term: np.ndarray
    slopes: float
    rounding: np.ndarray
    of_place: float

    def noise(self, larger: Look | None = None) -> float:
        """What rounding may have added to the sum: of a layer's outputs, by those that a larger step changes.

        Most have nothing to do with the entry; of a loss, all have.
        """
        seen = (larger or self).by_term != 0 if self.rounding.ndim > 1 else True
        return float(np.sum(self.rounding, where=seen)) + self.of_place


class Differences:
    """Evaluates a function beside a point, one coordinate at a time.

    `noise` is what was measured of each term's rounding; it is never taken for less than some units in the last place.
    """

    def __init__(
        self,
        function: Function,
        values: Values,
        weights: np.ndarray,
        precision: Precision,
        noise: np.ndarray | float = 0.0,
    ):
        self.function, self.values, self.weights, self.precision = function, values, weights, precision
        self.base, self.noise = np.asarray(function(values), np.float64), noise
        self.spans = {name: spans(name, value) for name, value in values.items()}
        self.waves: set[tuple[str, int]] = set()  # entries by which it goes in waves that larger steps do not see

    def beside(self, name: str, place: int, offset: complex) -> np.ndarray:
        value = self.values[name]
        moved = value.astype(np.complex128 if isinstance(offset, complex) else np.float64)
        moved.flat[place] += offset
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = np.asarray(self.function({**self.values, name: moved}))
            return result if result.dtype.kind == "c" else result.astype(np.float64)

    def span(self, name: str, place: int) -> float:
        return float(self.spans[name].flat[place])

    def rounding(self, *terms: np.ndarray) -> np.ndarray:
        """What rounding may have done to each term."""
        size = np.maximum.reduce([np.abs(each) for each in terms])
        return np.maximum(self.precision.least * self.precision.eps * size, MEASURED * self.noise)

    def at(self, name: str, place: int, step: float) -> Look:
        """What is seen of one entry by one step."""
        x, eps = float(self.values[name].flat[place]), float(np.finfo(np.float64).eps)
        width = ((x + step) - (x - step)) / 2  # what is left of the step beside a large number
        try:
            above, below = self.beside(name, place, step), self.beside(name, place, -step)
        except Exception:  # beyond what the function takes, such as 1.00001 for a category
            return Look(np.full(self.base.shape, np.nan), np.nan, np.full(self.base.shape, np.nan), np.nan)
        with np.errstate(all="ignore"):
            by_term = (above - below) / (2 * width)
            slopes = float(np.sum(np.abs(self.weights * (above - 2.0 * self.base + below)))) / step
            rounding = np.abs(self.weights) * self.rounding(above, self.base) / step
            of_place = 4 * eps * abs(x) / step * (float(np.sum(np.abs(self.weights * by_term))) + slopes)
        return Look(by_term, slopes, rounding, of_place)

    def sum(self, by_term: np.ndarray) -> float:
        return float(np.sum(self.weights * by_term))

    def first(self, name: str, place: int) -> tuple[float, Look]:
        """The largest step whose ends the function can take, and what is seen by it."""
        step = self.precision.step * self.span(name, place)
        for _ in range(LOOKS):
            look = self.at(name, place, step)
            if np.isfinite(look.by_term).all():
                break
            step /= SMALLER**3
        return step, look

    def closer(self, name: str, place: int, step: float, claimed: float) -> tuple[np.ndarray, float, bool]:
        """Derivative of each term, uncertainty of the sum, and whether to leave the entry out, by smaller steps."""
        looks = [self.at(name, place, step / SMALLER**k) for k in range(LOOKS)]
        by_term = np.array([look.by_term for look in looks])
        slopes, noises = np.array([look.slopes for look in looks]), np.array([look.noise(looks[0]) for look in looks])
        values = np.array([self.sum(each) for each in by_term])
        bent = slopes[-1] > BENT * float(np.sum(np.abs(self.weights * by_term[-1]))) + 8 * noises[-1]
        if all(falling(slopes[k - 1 : k + 1], noises[k - 1 : k + 1]) for k in range(1, LOOKS)):
            better = (SMALLER**2 * by_term[1:] - by_term[:-1]) / (SMALLER**2 - 1)
            sums = np.array([self.sum(each) for each in better])
            errors = np.maximum(np.abs(sums - values[1:]), np.abs(values[1:] - values[:-1]) / SMALLER) + 2 * noises[1:]
            best = int(np.argmin(errors))
            if bent and abs(claimed - sums[best]) > errors[best] and (found := self.much_closer(name, place, step)):
                return *found, False
            return better[best], float(errors[best]), False
        finest, noise = values[-1], noises[-1]
        clean = slopes[-1] <= 1e-2 * slopes.max() + 8 * noise
        if bent and (found := self.much_closer(name, place, step / SMALLER ** (LOOKS - 1))):
            return *found, False
        agrees = abs(claimed - finest) <= 1e-3 * max(abs(claimed), abs(finest)) + 2 * noise
        return by_term[-1], 2 * noise, bool(not clean or agrees or not np.isfinite(finest))

    def much_closer(self, name: str, place: int, step: float) -> tuple[np.ndarray, float] | None:
        """Derivative of each term and its uncertainty where a function goes in waves much shorter than its inputs.

        None where no step shows it smooth: at a kink.
        """
        before, largest, agreed = self.at(name, place, step), 0.0, False
        for _ in range(MUCH_CLOSER):
            step /= SMALLER
            now = self.at(name, place, step)
            apart = abs(self.sum(now.by_term - before.by_term))
            noise = 2 * (now.noise(before) if before.by_term.any() else float(np.sum(now.rounding)))
            size = abs(self.sum(now.by_term))
            largest = max(largest, size)
            if noise > TOLD * largest:
                return None
            error = apart / SMALLER + noise
            straight = now.slopes <= TOLD * float(np.sum(np.abs(self.weights * now.by_term))) + 8 * noise
            smooth = straight and error <= TOLD * size and now.slopes <= 2 * before.slopes / SMALLER + 8 * noise
            if smooth and agreed:  # twice, for one such step may be chance
                self.waves.add((name, place))
                return (SMALLER**2 * now.by_term - before.by_term) / (SMALLER**2 - 1), error
            before, agreed = now, smooth
        return None

    def farther(self, name: str, place: int, step: float) -> tuple[np.ndarray, float]:
        """Derivative of each term and uncertainty of the sum by larger steps, up to the first kink."""
        before = self.at(name, place, step)
        best, least, flat = before.by_term, np.inf, not before.by_term.any()
        for _ in range(LARGER_LOOKS):
            step *= SMALLER
            if flat and self.jumps(name, place, step):  # flat, and then it is not
                return before.by_term, 0.0
            now = self.at(name, place, step)
            noise = before.noise(now)
            if not np.isfinite(now.by_term).all():
                break
            flat = flat and not now.by_term.any()
            if flat or not before.by_term.any():
                before = now
                continue
            if not falling(np.array([now.slopes, before.slopes]), np.array([now.noise(now), noise])):
                break
            better = (SMALLER**2 * before.by_term - now.by_term) / (SMALLER**2 - 1)
            value, apart = self.sum(better), self.sum(now.by_term - before.by_term)
            error = abs(apart) / 2 + 2 * noise
            size = float(np.sum(np.abs(self.weights * now.by_term)))
            alike = abs(apart) <= TOLD_OF_LARGEST * abs(value) and now.slopes <= TOLD * size + 8 * noise
            if error < least and alike:
                best, least = better, error
            if (alike and error <= self.precision.tolerance * abs(value)) or error > SMALLER**3 * least:
                break
            before = now
        else:
            if flat:  # as far as there is to see
                return before.by_term, float(np.sum(before.rounding))
        return best, least

    def jumps(self, name: str, place: int, step: float) -> bool:
        """Whether terms change by more than a slope could that a step of an eighth does not show."""
        try:
            ends = [self.beside(name, place, sign * step) for sign in (1, -1)]
        except Exception:
            return True
        with np.errstate(all="ignore"):
            return any(bool((np.abs(end - self.base) > QUANTA * self.rounding(end, self.base)).any()) for end in ends)


def falling(slopes: np.ndarray, noises: np.ndarray) -> bool:
    """Whether the difference of slopes falls with the step, as it does where a function is smooth."""
    before, after = slopes
    if before <= 8 * noises[0]:  # no more than what rounding makes of a straight line
        return True
    return bool(before / (2 * SMALLER) <= after + 8 * noises[1] and after <= 2 * before / SMALLER + 8 * noises[1])


def estimate(
    differences: Differences,
    name: str,
    claimed: np.ndarray | None,
    places: np.ndarray,
    analytic: Function | None,
    rounding: np.ndarray | float = 0.0,
    trusted: bool = False,
) -> Estimate:
    """Derivative by one variable at some of its entries. `claimed`, if it is there, says where to look closer.

    `rounding` is what was measured of the claim's own; an `analytic` function is `trusted` where differences see
    nothing.
    """
    value = differences.values[name]
    gradient, uncertainty = np.full(value.shape, np.nan), np.zeros(value.shape)
    left_out = np.zeros(value.shape, bool)
    by_term = np.zeros((len(places), *differences.base.shape))
    steps = np.zeros(value.shape)
    hidden = np.zeros(value.shape)  # what rounding may have hidden of terms that no step has changed
    for k, place in enumerate(places):
        steps.flat[place], look = differences.first(name, place)
        by_term[k], uncertainty.flat[place] = look.by_term, look.noise()
        hidden.flat[place], gradient.flat[place] = np.sum(look.rounding), differences.sum(by_term[k])
    result = Estimate(gradient, uncertainty, left_out, places, by_term, differences.spans[name])
    unknown = ~np.isfinite(gradient.flat[places])
    left_out.flat[places[unknown]] = True
    if claimed is None and name == "inputs":
        claimed = np.zeros(value.shape)  # of categories: what jumps there is no derivative
    if claimed is not None and claimed.shape == value.shape:
        scale, tolerance = result.scale(), differences.precision.tolerance
        with np.errstate(invalid="ignore"):
            apart = ~(np.abs(claimed - gradient) <= tolerance * scale + uncertainty)
        for k, place in enumerate(places):
            if apart.flat[place] and not left_out.flat[place]:
                by_term[k], uncertainty.flat[place], left_out.flat[place] = differences.closer(
                    name, place, steps.flat[place], float(claimed.flat[place])
                )
                gradient.flat[place] = differences.sum(by_term[k])
    unsure = result.vague()
    if claimed is not None and claimed.shape == value.shape:
        unsure |= (claimed != gradient) & (hidden > HIDDEN * np.abs(claimed - gradient))
    if not np.any(gradient, where=result.known) and places.size:  # of what is 0 throughout, some entries
        unsure.flat[places[:: -(-len(places) // LARGEST)]] = True
    for k, place in enumerate(places):
        if unsure.flat[place] and not left_out.flat[place] and (name, place) not in differences.waves:
            found = differences.farther(name, place, steps.flat[place])
            if found[1] < max(uncertainty.flat[place], hidden.flat[place]):
                by_term[k], uncertainty.flat[place] = found
                gradient.flat[place] = differences.sum(by_term[k])
                if not found[0].any() and claimed is not None and not np.any(claimed.flat[place : place + 1]):
                    uncertainty.flat[place] = 0.0  # both say that nothing depends on it
            elif not by_term[k].any():  # nothing was seen
                uncertainty.flat[place] = max(uncertainty.flat[place], hidden.flat[place])
    exact = None if analytic is None else complex_step(differences, name, places, analytic)
    if exact is not None:
        settle(result, exact, trusted)
    result.uncertainty = result.uncertainty + LEAST * rounding
    return result


def settle(result: Estimate, exact: np.ndarray, trusted: bool) -> None:
    """Where both methods agree, the complex step decides: it loses no digits."""
    known = result.known
    apart = np.abs(exact - result.gradient) > 1e-4 * result.scale() + 2 * result.uncertainty
    seen = result.sure.any() or not (
        result.gradient[known].any() or result.uncertainty[known].any()
    )  # else anything would agree
    if known.any() and (seen or trusted) and not apart[known].any() and np.isfinite(exact[known]).all():
        result.central = result.gradient
        result.gradient = np.where(known, exact, result.gradient)
        unseen = 0.0 if seen else UNSEEN * result.scale()
        result.uncertainty = np.where(known, unseen, result.uncertainty)


def complex_step(differences: Differences, name: str, places: np.ndarray, analytic: Function) -> np.ndarray | None:
    """The gradient at these entries by complex step; None where the function does not take complex numbers."""
    twin = Differences.__new__(Differences)
    twin.__dict__.update(differences.__dict__, function=analytic)
    gradient = np.full(differences.values[name].shape, np.nan)
    for place in places:
        step = COMPLEX_STEP * twin.span(name, place)
        try:
            result = twin.beside(name, place, 1j * step)
        except Exception:  # whatever it is that the function says of complex numbers
            return None
        if result.shape != differences.base.shape or not np.iscomplexobj(result):
            return None
        gradient.flat[place] = float(np.sum(differences.weights * (result.imag / step)))
    return gradient
