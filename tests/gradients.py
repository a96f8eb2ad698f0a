"""One gradient checker for everything: complex step to 1e-12, central differences to 1e-6, in float64.

Errors are relative to max(|entry|, 1e-3 x the largest entry), or to the sum of the absolute terms where a sum cancels:
an absolute tolerance alone passes any small gradient and is not a test.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

COMPLEX_STEP, CENTRAL_STEP = 1e-30, 1e-5
COMPLEX_TOLERANCE, CENTRAL_TOLERANCE = 1e-12, 1e-6

Function = Callable[[np.ndarray], object]  # a number from an array


def scale_of(expected: np.ndarray, terms: np.ndarray | None = None) -> np.ndarray:
    """What an error of each entry is compared with."""
    size = np.abs(np.asarray(expected, np.float64))
    scale = np.maximum(size, 1e-3 * size.max(initial=0.0))
    return scale if terms is None else np.maximum(scale, terms)


def assert_close(
    actual: np.ndarray, expected: np.ndarray, tolerance: float, terms: np.ndarray | None = None, what: str = "entry"
) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    error = np.abs(actual.astype(np.float64) - expected)
    wrong = ~(error <= tolerance * scale_of(expected, terms))  # so that NaN is wrong
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        message = f"{what} {place} is {actual[place]!r}, expected {expected[place]!r}; {wrong.sum()} of {wrong.size}"
        raise AssertionError(message)


def complex_step(function: Function, at: np.ndarray) -> np.ndarray:
    """Gradient of an analytic function without cancellation: Im f(x + ih) / h.

    Source: Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 1998.
    """
    gradient = np.empty(at.shape)
    point = at.astype(np.complex128)
    for place in np.ndindex(at.shape):
        point[place] += 1j * COMPLEX_STEP
        gradient[place] = np.imag(function(point)) / COMPLEX_STEP  # type: ignore[arg-type]
        point[place] = at[place]
    return gradient


def central_differences(
    function: Function, at: np.ndarray, side: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient, and where it cannot be had: where `side`, the mask of a kink, is not the same at +h and -h."""
    gradient, kinked = np.empty(at.shape), np.zeros(at.shape, bool)
    point = at.copy()
    for place in np.ndindex(at.shape):
        values, sides = [], []
        for sign in (1, -1):
            point[place] = at[place] + sign * CENTRAL_STEP
            values.append(float(function(point)))  # type: ignore[arg-type]
            sides.append(None if side is None else side(point))
        gradient[place] = (values[0] - values[1]) / (2 * CENTRAL_STEP)
        kinked[place] = side is not None and bool((sides[0] != sides[1]).any())
        point[place] = at[place]
    return gradient, kinked


def assert_gradient(
    function: Function,
    at: np.ndarray,
    claimed: np.ndarray,
    *,
    side: Callable[[np.ndarray], np.ndarray] | None = None,
    terms: np.ndarray | None = None,
    what: str = "gradient",
) -> int:
    """Hold a claimed gradient against both estimates; returns how many coordinates a kink left out of the second."""
    assert claimed.dtype == np.float64
    assert_close(claimed, complex_step(function, at), COMPLEX_TOLERANCE, terms, f"{what} by complex step")
    numeric, kinked = central_differences(function, at, side)
    assert_close(
        np.where(kinked, 0, claimed),
        np.where(kinked, 0, numeric),
        CENTRAL_TOLERANCE,
        terms,
        f"{what} by central differences",
    )
    return int(kinked.sum())
