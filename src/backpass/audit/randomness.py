"""Random numbers that are the same in every run of a part."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Randomness:
    """Rewinds the generators that a part may draw from, so that every run draws the same; leaves them as they were."""

    def __init__(self, part: Any):
        methods = [getattr(part, name, None) for name in ("forward", "backward")]
        scopes = [getattr(getattr(method, "__func__", method), "__globals__", {}) for method in methods]
        found = {
            id(value): value
            for scope in scopes
            for value in scope.values()
            if isinstance(value, np.random.Generator | np.random.RandomState)
        }
        self.generators = list(found.values())
        self.start = self.state()

    def state(self) -> Any:
        inner = [
            each.bit_generator.state if isinstance(each, np.random.Generator) else each.get_state()
            for each in self.generators
        ]
        return np.random.get_state(), random.getstate(), inner

    def rewind(self) -> None:
        shared, plain, inner = self.start
        np.random.set_state(shared)
        random.setstate(plain)
        for each, state in zip(self.generators, inner, strict=True):
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
