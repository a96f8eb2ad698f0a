"""With how many digits a forward pass computes, and what its rounding does to what it gives.

Neither is told by the size of a number. The type is what forward returns, or, where it returns float64, whether it
notices a change that float64 has to notice. The noise is what is left of differences of third order between points that
lie so near to each other that every smooth function is a straight line there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Values = dict[str, np.ndarray]
Function = Callable[[Values], np.ndarray]  # what is weighted and summed, from all variables by name

LEAST, LEAST_COARSE = 16, 2  # units in the last place that the rounding of any number is taken for
MEASURED = 8  # times the standard deviation, where that is more
NOTICED = 64  # units in the last place that a float64 forward has to notice
POINTS, APART = 6, 64  # of a measurement of noise; units in the last place from one to the next


@dataclass(frozen=True)
class Precision:
    """A type of numbers, the first step of a difference, and the tolerance that they allow, relative to their sizes."""

    name: str = "float64"
    step: float = 1e-5
    tolerance: float = 1e-6
    close: float = 1e-4  # how near a claim has to be to a hypothesis

    @property
    def least(self) -> int:
        return LEAST if self.exact else LEAST_COARSE

    @property
    def eps(self) -> float:
        return float(np.finfo(self.name).eps)

    @property
    def exact(self) -> bool:
        return self.name == "float64"

    @classmethod
    def of(cls, function: Function, values: Values, rng: np.random.Generator) -> Precision:
        """That of a forward pass: of what it returns, and of what it does with its variables before."""
        returned = np.asarray(function(values)).dtype.name
        if returned in COARSE:
            return COARSE[returned]
        for name, value in values.items():
            line = directions({name: value}, rng)
            for coarse, near, far in (("float16", 1e-6, 1e-2), ("float32", 1e-10, 1e-6)):
                if unnoticed(function, values, line, near, far):
                    return COARSE[coarse]
        return cls()


COARSE = {
    "float32": Precision("float32", 5e-3, 1e-2, 3e-2),
    "float16": Precision("float16", 1e-1, 1e-1, 2e-1),
}


def directions(values: Values, rng: np.random.Generator) -> Values:
    """A random direction in which every number moves by a share of itself."""
    spans = {name: typical(value) for name, value in values.items()}
    return {
        name: np.where(value == 0, spans[name], np.abs(value)) * rng.uniform(0.5, 1, value.shape)
        for name, value in values.items()
    }


def along(function: Function, values: Values, line: Values, step: float) -> np.ndarray:
    return np.asarray(function(values | {name: values[name] + step * each for name, each in line.items()}), np.float64)


def unnoticed(function: Function, values: Values, line: Values, near: float, far: float) -> bool:
    """Whether most numbers stay what they are after a step that float64 would notice, going by a larger step."""
    try:
        at, beside, half, beyond = (along(function, values, line, step) for step in (0.0, near, far / 2, far))
    except Exception:  # categories
        return False
    if not at.shape == beside.shape == half.shape == beyond.shape:
        return False
    expected = np.abs(beyond - at) * (near / far)
    telling = np.abs(half - beyond / 2 - at / 2) <= np.abs(beyond - at) / 4  # on a slope, and not on a stair
    telling &= expected > NOTICED * np.finfo(np.float64).eps * np.maximum(np.abs(at), np.abs(beyond))
    return bool(telling.any()) and bool((beside == at)[telling].mean() >= 0.7)


def noise_of(
    function: Callable[[Values], list[np.ndarray]], values: Values, line: Values, apart: float
) -> list[np.ndarray]:
    """Standard deviation of the rounding of each number of some arrays, by third differences along a line."""
    results = [
        function(values | {name: values[name] + k * apart * each for name, each in line.items()})
        for k in range(1, POINTS + 1)
    ]
    return [
        np.sqrt(np.mean(np.diff(np.array(each), n=3, axis=0) ** 2, axis=0) / 20) for each in zip(*results, strict=True)
    ]


def typical(array: np.ndarray) -> float:
    """Root mean square of the numbers that are not 0; 1 where all are."""
    size = np.abs(array[array != 0])
    largest = size.max(initial=0.0)
    return float(largest * np.sqrt(np.mean((size / largest) ** 2))) if size.size else 1.0


def spans(name: str, value: np.ndarray) -> np.ndarray:
    """What a step is measured by, entry by entry: of inputs, each column has a size of its own."""
    whole = typical(value)
    span = np.full(value.shape, whole)
    if name == "inputs" and value.ndim == 2 and len(value) > 2:
        span[:] = [typical(column) if column.any() else whole for column in value.T]
    return span * np.sqrt(np.maximum(1.0, np.abs(value) / span))
