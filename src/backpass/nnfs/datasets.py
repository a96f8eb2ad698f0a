"""The book's data, drawn from NumPy's global generator in the book's order."""

from __future__ import annotations

import numpy as np

from backpass import checks
from backpass.nnfs.start import normal

ANGLE_NOISE, PLACE_NOISE = 0.2, 0.1


def spiral_data(samples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Arms that wind around each other: X (samples * classes, 2), labels uint8, arm after arm.

    `backpass.datasets.spiral` is the same with a generator of its own.

    >>> X, y = spiral_data(samples=2, classes=3)
    >>> X.shape, y
    ((6, 2), array([0, 0, 1, 1, 2, 2], dtype=uint8))
    """
    radius = np.linspace(0.0, 1, checks.positive_integer(samples, "samples"))
    arms = []
    for arm in range(checks.positive_integer(classes, "classes")):
        angle = np.linspace(arm * 4, (arm + 1) * 4, samples) + normal(samples) * ANGLE_NOISE
        arms.append(np.c_[radius * np.sin(angle * 2.5), radius * np.cos(angle * 2.5)])
    return _together(arms, samples)


def vertical_data(samples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Clouds side by side: X (samples * classes, 2), labels uint8.

    >>> vertical_data(samples=1, classes=2)[1]
    array([0, 1], dtype=uint8)
    """
    checks.positive_integer(samples, "samples")
    clouds = []
    for cloud in range(checks.positive_integer(classes, "classes")):
        across = normal(samples) * PLACE_NOISE + cloud / 3
        clouds.append(np.c_[across, normal(samples) * PLACE_NOISE + 0.5])
    return _together(clouds, samples)


def _together(parts: list[np.ndarray], samples: int) -> tuple[np.ndarray, np.ndarray]:
    dtype = normal(0).dtype  # draws nothing
    return np.concatenate(parts).astype(dtype), np.repeat(np.arange(len(parts), dtype=np.uint8), samples)


def sine_data(samples: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """One period of the sine: X (samples, 1) from 0 to 1, y (samples, 1), float64.

    >>> sine_data(4)[1].round(6).ravel()
    array([ 0.,  1.,  0., -1.])
    """
    X = np.arange(checks.positive_integer(samples, "samples")).reshape(-1, 1) / samples
    return X, np.sin(2 * np.pi * X)
