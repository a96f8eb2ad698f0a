"""Attributes that lie in a buffer which kernels read: assigning to one copies the values in."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks


class Setting:
    """A number that kernels read from `settings[place]`; assigning checks it as `checks.real` does."""

    def __init__(self, place: int, **bounds: Any):
        self.place, self.bounds = place, bounds

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: type | None = None) -> float:
        return self if owner is None else float(owner.settings[self.place])  # type: ignore[return-value]

    def __set__(self, owner: Any, value: Any) -> None:
        owner.settings[self.place] = checks.real(value, self.name, **self.bounds)


class View:
    """An attribute that is a view of a buffer. The owner puts the view itself into `_name`.

    Assigning raises ValueError or TypeError for values of another shape or kind; a row (M,) will do for (1, M).
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: type | None = None) -> np.ndarray:
        return self if owner is None else owner.__dict__[f"_{self.name}"]  # type: ignore[return-value]

    def __set__(self, owner: Any, values: Any) -> None:
        view = owner.__dict__[f"_{self.name}"]
        array = checks.numbers(values, self.name)
        if array.shape != view.shape and (1, *array.shape) != view.shape:
            raise ValueError(f"{self.name} has shape {array.shape}; {view.shape} is expected")
        view[...] = array
