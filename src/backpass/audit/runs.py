"""Runs of a subject that all draw the same random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getclosurevars, isfunction
from typing import Any

import numpy as np

from backpass.audit.subjects import Claims, Subject
from backpass.audit.variables import Values, read


class BackwardFailed(Exception):
    """Raised from what somebody's backward raised."""


class Runs:
    """Calls a subject's passes on copies, each time from the same random state; leaves all generators as they were."""

    def __init__(self, subject: Subject):
        self.subject = subject
        methods = [getattr(getattr(subject.part, name), "__func__", None) for name in ("forward", "backward")]
        methods += getattr(subject.part, "functions", ())
        scopes = [getattr(method, "__globals__", {}) for method in methods]
        scopes += [getclosurevars(method).nonlocals for method in methods if isfunction(method)]
        scopes += [vars(kind) for kind in type(subject.part).__mro__]
        kinds = np.random.Generator | np.random.RandomState
        found = {id(value): value for scope in scopes for value in scope.values() if isinstance(value, kinds)}
        self.generators = list(found.values())
        self.start = self.state()

    def state(self) -> Any:
        states = [
            each.bit_generator.state if isinstance(each, np.random.Generator) else each.get_state()
            for each in self.generators
        ]
        return np.random.get_state(), random.getstate(), states

    def rewind(self) -> None:
        shared, plain, states = self.start
        np.random.set_state(shared)
        random.setstate(plain)
        for each, state in zip(self.generators, states, strict=True):
            if isinstance(each, np.random.Generator):
                each.bit_generator.state = state
            else:
                each.set_state(state)

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.rewind()

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
