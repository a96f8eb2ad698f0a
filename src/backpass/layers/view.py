"""Arrays that lie in a flat buffer: assigning to one copies the values in."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks


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
