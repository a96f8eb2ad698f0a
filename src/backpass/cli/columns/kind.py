"""What a kind of column can do. One file has one or two kinds; `kinds.py` chooses.

`learn` looks at a whole column once, at training. From then on a value becomes a number by itself: `parse` reads values
one by one, `encode` gives the columns that the network is fed with, by what `fit` took from the training part.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from backpass.cli.columns.column import Column


class Kind:
    """A kind of column: a dataclass whose fields are all that its values' meaning depends on.

    Attributes
    ----------
    width : int
        Columns that `encode` makes.
    notes : list of str
        What `learn` decided and a user should know.
    """

    word: ClassVar[str]  # in the plural, for the line of output
    state: ClassVar[tuple[str, ...]] = ()  # arrays that `fit` leaves, stored beside the fields
    width = 1
    notes: tuple[str, ...] = ()

    def parse(self, column: Column, decimal: str | None = None) -> np.ndarray:
        """(N,) values, missing ones as NaN, NaT or None. ValueError naming what this kind cannot read."""
        raise NotImplementedError

    def fit(self, values: np.ndarray, seed: int) -> None:
        """Take from the training part what `encode` needs."""

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(N, width) float64; NaN in all of a row where a value is missing."""
        raise NotImplementedError

    def as_json(self) -> dict[str, Any]:
        return {"kind": type(self).__name__.lower(), **asdict(self)}  # type: ignore[call-overload]

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in self.state}

    def adopt(self, arrays: dict[str, np.ndarray]) -> None:
        """Take what `arrays` gave. ValueError where the arrays do not belong together."""


def missing_in(values: np.ndarray) -> np.ndarray:
    """(N,) bool: the missing ones among parsed values."""
    return values == np.array(None) if values.dtype == object else np.isnan(values)


def of_type(value: Any, kind: Any, name: str) -> Any:
    """The value of a stored field; TypeError for what `as_json` never wrote."""
    if type(value) is not kind:
        raise TypeError(f"{name} is {value!r:.60}")
    return value


def texts_of(value: Any, name: str) -> list[str]:
    """A stored list of texts that differ."""
    if not isinstance(value, list) or any(type(each) is not str for each in value) or len(set(value)) < len(value):
        raise TypeError(f"{name} is {value!r:.60}")
    return value
