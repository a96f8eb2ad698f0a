"""Runs of a subject that all draw the same random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.audit.subjects import Claims, Subject
from backpass.audit.variables import Values, read


class BackwardFailed(Exception):
    """Raised from what somebody's backward raised."""


class Runs:
    """Calls a subject's passes on copies, each time from the same random state."""

    def __init__(self, subject: Subject):
        self.subject, self.rewind = subject, subject.generators.rewind

    def terms(self, values: Values) -> np.ndarray:
        """What the forward pass makes of the variables."""
        self.rewind()
        return np.asarray(self.subject.terms(values))

    def complex_terms(self) -> Callable[[Values], np.ndarray]:
        """The same for complex variables."""
        function = self.subject.analytic

        def terms(values: Values) -> np.ndarray:
            self.rewind()
            return np.asarray(function(values))

        return terms

    def forward(self, values: Values) -> Any:
        """A copy of the part that has run forward."""
        self.rewind()
        part = self.subject.fresh(values)
        self.subject.forward(part, values["inputs"].copy())
        return part

    def held_before(self, name: str) -> bool:
        """Whether a gradient was there when the part was handed in."""
        variable = self.subject.variables.get(name)
        return variable is not None and isinstance(read(self.subject.part, variable.gradient), np.ndarray)

    def claims(self, part: Any, dvalues: np.ndarray) -> Claims:
        """What its backward says then, by variable."""
        try:
            return self.subject.claims(part, dvalues)
        except Exception as error:
            raise BackwardFailed from error
