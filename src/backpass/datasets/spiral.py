"""The spiral: arms that wind around each other, which no straight line separates.

radius r from 0 to 1, angle from 4 c to 4 (c + 1) for arm c, both in even steps, the angle with noise of 0.2:
X = (r sin(2.5 angle), r cos(2.5 angle))
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks


def spiral(
    samples: int = 100, classes: int = 3, *, random_state: Any = None, dtype: Any = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Points on spiral arms, and which arm each is on.

    Parameters
    ----------
    samples : int
        Points an arm.
    classes : int
        Arms, C.
    random_state : int, RandomState, Generator, optional
        Draws the noise, `samples` standard normal numbers an arm, arm after arm.
    dtype : float32 or float64

    Returns
    -------
    X : ndarray (samples * classes, 2)
    y : ndarray (samples * classes,), int64
        0 to classes - 1, arm after arm.

    Source: Karpathy's notes for Stanford CS231n; the constants are those of "Neural Networks from Scratch".

    >>> X, y = spiral(samples=5, classes=3, random_state=0)
    >>> X.shape, y.tolist()
    ((15, 2), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    """
    samples = checks.positive_integer(samples, "samples")
    classes = checks.positive_integer(classes, "classes")
    dtype = checks.float_dtype(dtype)
    generator = checks.generator(random_state)
    radius = np.linspace(0.0, 1, samples)
    X = np.empty((samples * classes, 2), dtype)
    for arm in range(classes):
        angle = np.linspace(arm * 4, (arm + 1) * 4, samples) + 0.2 * generator.standard_normal(samples)
        X[arm * samples : (arm + 1) * samples] = np.c_[radius * np.sin(angle * 2.5), radius * np.cos(angle * 2.5)]
    return X, np.repeat(np.arange(classes), samples)
