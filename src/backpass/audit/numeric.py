"""Derivatives of a function that is only called: central differences, and the complex step where it is analytic.

Central differences         (f(x + h) - f(x - h)) / 2h,  h = 1e-5 (times |x| where that is larger)
Complex step                Im f(x + ih) / h,            h = 1e-30, without cancellation

Where a difference and the claim disagree, smaller steps tell curvature (differences of slopes fall with h) from a kink
(they do not). Beside a kink the derivative of the side that x is on is known; on it there is none.

Source of the complex step: Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 1998; of the extrapolation: Richardson 1911.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CENTRAL_STEP, COMPLEX_STEP = 1e-5, 1e-30
CENTRAL_TOLERANCE = 1e-6
SINGLE_STEP, SINGLE_TOLERANCE = 5e-3, 1e-2  # for what computes in float32
SMALLER = 8.0  # each step of a closer look, than the one before
LOOKS = 4
FLOOR = 1e5  # units in the last place of dvalues: what cancels to 0 in a normalisation leaves so much
SMALL = 1e-3  # an entry's error is compared with at least this share of the tensor's largest

Values = dict[str, np.ndarray]
Function = Callable[[Values], np.ndarray]  # what is weighted and summed, from all variables by name


@dataclass
class Precision:
    """Steps and tolerance for float64, or for a function whose last digits are float32's."""

    step: float = CENTRAL_STEP
    tolerance: float = CENTRAL_TOLERANCE
    rounding: float = float(np.finfo(np.float64).eps)

    @property
    def single(self) -> bool:
        return self.step == SINGLE_STEP

    @classmethod
    def of(cls, function: Function, values: Values, weights: np.ndarray, rng: np.random.Generator) -> Precision:
        """Told by what a function makes of inputs beside these: float32 does not notice 1e-9 of a number, and its
        rounding leaves noise where float64 goes in a straight line."""
        directions = {name: np.abs(value) * rng.uniform(0.5, 1, value.shape) for name, value in values.items()}

        def at(step: float, *names: str) -> np.ndarray:
            far = {name: np.minimum(step * directions[name], 1e3 * step) for name in names}
            return np.asarray(function(values | {name: values[name] + far[name] for name in names}), np.float64)

        try:
            at(1e-7, "inputs")
        except Exception:  # categories
            directions["inputs"] = np.zeros_like(values["inputs"])
        base, near, far = (at(step, "inputs") for step in (0.0, 1e-9, 1e-4))
        results = np.array([at(1e-7 * k, *values) for k in range(7)])
        with np.errstate(all="ignore"):
            unnoticed = (near != base).sum() <= 0.3 * (far != base).sum()
            noise = np.sqrt(np.mean(np.diff(results, n=5, axis=0) ** 2, axis=0) / 252)
            size = np.maximum(np.abs(far), np.abs(base))
            noisy = (noise > 1e-9 * np.maximum(size, SMALL * np.max(size, initial=0.0))).mean() > 0.2
        if not noisy and not (unnoticed and (far != base).any()):
            return cls()
        return cls(SINGLE_STEP, SINGLE_TOLERANCE, float(np.finfo(np.float32).eps))


@dataclass
class Estimate:
    """Derivative of sum(weights * function) by one variable, entry by entry; NaN where it is not known.

    by_term     derivative of each summed term by each entry, (entries asked, *shape of the terms)
    """

    gradient: np.ndarray
    uncertainty: np.ndarray
    left_out: np.ndarray
    places: np.ndarray  # flat indices of the entries that were asked for
    by_term: np.ndarray
    central: np.ndarray | None = None  # the gradient by differences, where `gradient` is by complex step

    def scale(self) -> np.ndarray:
        """What an error of each entry is compared with."""
        size = np.abs(self.gradient)
        return np.maximum(size, SMALL * np.nanmax(size, initial=0.0))


class Differences:
    """Evaluates a function beside a point, one coordinate at a time."""

    def __init__(self, function: Function, values: Values, weights: np.ndarray, precision: Precision):
        self.function, self.values, self.weights, self.precision = function, values, weights, precision
        self.base = function(values)
        self.floor = FLOOR * float(np.abs(weights).max(initial=0.0)) * precision.rounding

    def beside(self, name: str, place: int, offset: complex) -> np.ndarray:
        value = self.values[name]
        moved = value.astype(np.complex128 if isinstance(offset, complex) else np.float64)
        moved.flat[place] += offset
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(self.function({**self.values, name: moved}))

    def step_at(self, name: str, place: int) -> float:
        return self.precision.step * max(1.0, abs(float(self.values[name].flat[place])) ** 0.5)

    def at(self, name: str, place: int, step: float) -> tuple[np.ndarray, float, float]:
        """Derivative of each term, how much the slopes to both sides differ, and what rounding may have added."""
        x = float(self.values[name].flat[place])
        width = ((x + step) - (x - step)) / 2  # what is left of the step beside a large number
        try:
            above, below = self.beside(name, place, step), self.beside(name, place, -step)
        except Exception:  # beyond what the function takes, such as 1.00001 for a category
            return np.full(self.base.shape, np.nan), np.nan, np.nan
        with np.errstate(all="ignore"):
            by_term = (above - below) / (2 * width)
            slopes = float(np.sum(np.abs(self.weights * (above - 2 * self.base + below)))) / step
            size = np.abs(self.weights) * np.maximum(np.abs(above), np.abs(self.base))
            size *= (above != below) if size.ndim > 1 else 1  # of a layer's outputs, most have nothing to do with it
            noise = 16 * self.precision.rounding * float(np.sum(size)) / step + self.floor
            noise += 4 * self.precision.rounding * abs(x) / step * float(np.sum(np.abs(self.weights * by_term)))
        return by_term, slopes, noise

    def sum(self, by_term: np.ndarray) -> float:
        return float(np.sum(self.weights * by_term))

    def first(self, name: str, place: int) -> tuple[float, np.ndarray, float]:
        """The largest step whose ends the function can take, and of `at` by it the derivatives and the noise."""
        step = self.step_at(name, place)
        for _ in range(LOOKS):
            by_term, _, noise = self.at(name, place, step)
            if np.isfinite(by_term).all():
                break
            step /= SMALLER**3
        return step, by_term, noise

    def closer(self, name: str, place: int, step: float, claimed: float) -> tuple[np.ndarray, float, bool]:
        """Derivative of each term, uncertainty of the sum, and whether to leave the entry out, by smaller steps."""
        looks = [self.at(name, place, step / SMALLER**k) for k in range(LOOKS)]
        by_term = np.array([look[0] for look in looks])
        slopes, noises = (np.array([look[k] for look in looks]) for k in (1, 2))
        values = np.array([self.sum(each) for each in by_term])
        if all(falling(slopes[k - 1 : k + 1], noises[k - 1 : k + 1]) for k in range(1, LOOKS)):
            better = (SMALLER**2 * by_term[1:] - by_term[:-1]) / (SMALLER**2 - 1)
            sums = np.array([self.sum(each) for each in better])
            errors = np.maximum(np.abs(sums - values[1:]), np.abs(values[1:] - values[:-1]) / SMALLER) + 2 * noises[1:]
            best = int(np.argmin(errors))
            return better[best], float(errors[best]), False
        finest, noise = values[-1], noises[-1]
        clean = slopes[-1] <= 1e-2 * slopes.max() + 8 * noise
        agrees = abs(claimed - finest) <= 1e-3 * max(abs(claimed), abs(finest)) + 2 * noise
        return by_term[-1], 2 * noise, bool(not clean or agrees or not np.isfinite(finest))


def falling(slopes: np.ndarray, noises: np.ndarray) -> bool:
    """Whether the difference of slopes falls with the step, as it does where a function is smooth."""
    before, after = slopes
    if before <= 8 * noises[0]:  # no more than what rounding makes of a straight line
        return True
    return before / (2 * SMALLER) <= after + 8 * noises[1] and after <= 2 * before / SMALLER + 8 * noises[1]


def estimate(
    differences: Differences, name: str, claimed: np.ndarray | None, places: np.ndarray, analytic: Function | None
) -> Estimate:
    """Derivative by one variable at some of its entries. `claimed`, if it is there, says where to look closer."""
    value = differences.values[name]
    gradient, uncertainty = np.full(value.shape, np.nan), np.zeros(value.shape)
    left_out = np.zeros(value.shape, bool)
    by_term = np.zeros((len(places), *differences.base.shape))
    steps = np.zeros(value.shape)
    for k, place in enumerate(places):
        steps.flat[place], by_term[k], uncertainty.flat[place] = differences.first(name, place)
        gradient.flat[place] = differences.sum(by_term[k])
    result = Estimate(gradient, uncertainty, left_out, places, by_term)
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
                found = differences.closer(name, place, steps.flat[place], float(claimed.flat[place]))
                by_term[k], uncertainty.flat[place], left_out.flat[place] = found
                gradient.flat[place] = differences.sum(by_term[k])
    exact = None if analytic is None else complex_step(differences, name, places, analytic)
    if exact is not None:
        settle(result, exact, differences.floor * max(1.0, float(np.abs(differences.values["inputs"]).max())))
    return result


def settle(result: Estimate, exact: np.ndarray, floor: float) -> None:
    """Where both methods agree, the complex step decides: it loses no digits."""
    known = np.isfinite(result.gradient) & ~result.left_out
    apart = np.abs(exact - result.gradient) > 1e-4 * result.scale() + 2 * result.uncertainty
    if known.any() and not apart[known].any() and np.isfinite(exact[known]).all():
        result.central = result.gradient
        result.gradient = np.where(known, exact, result.gradient)
        result.uncertainty = np.where(known, floor, result.uncertainty)


def complex_step(differences: Differences, name: str, places: np.ndarray, analytic: Function) -> np.ndarray | None:
    """The gradient at these entries by complex step; None where the function does not take complex numbers."""
    twin = Differences.__new__(Differences)
    twin.__dict__.update(differences.__dict__, function=analytic)
    gradient = np.full(differences.values[name].shape, np.nan)
    for place in places:
        try:
            result = twin.beside(name, place, 1j * COMPLEX_STEP)
        except Exception:  # whatever it is that somebody's function says of complex numbers
            return None
        if result.shape != differences.base.shape or not np.iscomplexobj(result):
            return None
        gradient.flat[place] = float(np.sum(differences.weights * result.imag)) / COMPLEX_STEP
    return gradient
