"""Memory that begins on a cache line, and where in it an argument of a kernel lies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes


def empty(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """Uninitialised memory that begins on a cache line."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


@dataclass(frozen=True)
class Place:
    """Where an argument of a kernel lies; `follows` names what moves it from block to block."""

    address: int
    rows: int
    columns: int
    follows: int | None = None

    def from_byte(self, more: int) -> Place:
        return replace(self, address=self.address + more)

    @staticmethod
    def of(array: np.ndarray) -> Place:
        return Place(array.ctypes.data, array.shape[0], array.shape[1] if array.ndim == 2 else 1)
