"""How a program of the book starts: the seed, float32, the scale of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks

FLOAT32 = np.dtype(np.float32)


class _Start:
    weight_scale = 0.01
    dtype: np.dtype[Any] | None = None  # None: whatever np.random.randn gives, which the PyPI package makes float32


def init(
    weight_scale: float = 0.01,
    default_dtype: Any = "float32",
    random_seed: int | None = 0,
    *,
    dot_precision_workaround: bool = True,
) -> None:
    """Begin as the book's programs do: seed NumPy's global generator, draw weights and data as float32.

    NumPy itself is left as it is. Called after or before `nnfs.init()` of the PyPI package, the numbers are the same.

    Parameters
    ----------
    weight_scale : float above 0
        What `Layer_Dense` multiplies its standard normal numbers by: 0.01, and 0.1 in chapter 17.
    default_dtype : float32, float64 or None
        Of weights, biases and data. None: NumPy's own, float64.
    random_seed : int, optional
        For `np.random.seed`. None leaves the generator alone.
    dot_precision_workaround : bool
        Taken for programs that pass it; `Layer_Dense` sums in float64 in any case.

    >>> init()
    >>> normal(1, 2).round(2).tolist() == np.float32([[1.76, 0.4]]).tolist()
    True
    """
    _Start.weight_scale = checks.real(weight_scale, "weight_scale", low=0, open_low=True)
    _Start.dtype = None if default_dtype is None else checks.float_dtype(default_dtype, "default_dtype")
    if random_seed is not None:
        np.random.seed(random_seed)


def normal(*shape: int) -> np.ndarray:
    """The next standard normal numbers of NumPy's global generator, rounded to the dtype that `init` set."""
    drawn = np.random.randn(*shape)
    return drawn if _Start.dtype is None else drawn.astype(_Start.dtype, copy=False)


def weights(D: int, M: int) -> np.ndarray:
    return _Start.weight_scale * normal(D, M)
