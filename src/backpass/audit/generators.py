"""Generators that a part may draw from, and that are not its own: NumPy's and Python's, its module's, its class's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getclosurevars, isfunction
from typing import Any

import numpy as np


class Generators:
    """Found when this is made; `rewind` brings all of them back to where they stood then."""

    def __init__(self, part: Any):
        methods = [getattr(part, name, None) for name in ("forward", "backward")]
        given = part if isinstance(part, tuple | list) else (*methods, *getattr(part, "functions", ()))
        functions = [getattr(each, "__func__", each) for each in given]
        scopes = [getattr(function, "__globals__", {}) for function in functions]
        scopes += [getclosurevars(function).nonlocals for function in functions if isfunction(function)]
        scopes += [vars(kind) for kind in type(part).__mro__]
        kinds = np.random.Generator | np.random.RandomState
        found = {id(value): value for scope in scopes for value in scope.values() if isinstance(value, kinds)}
        self.found = list(found.values())
        self.start = np.random.get_state(), random.getstate(), [state_of(each) for each in self.found]

    def rewind(self) -> None:
        shared, plain, states = self.start
        np.random.set_state(shared)
        random.setstate(plain)
        for each, state in zip(self.found, states, strict=True):
            if isinstance(each, np.random.Generator):
                each.bit_generator.state = state
            else:
                each.set_state(state)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever is drawn inside, they stand afterwards where they stood."""
        try:
            yield
        finally:
            self.rewind()


def state_of(generator: np.random.Generator | np.random.RandomState) -> Any:
    return generator.bit_generator.state if isinstance(generator, np.random.Generator) else generator.get_state()
