"""Broken parts that the auditor has to catch and name, one module a kind: each is a right part with a mistake.

N samples, D inputs, M neurons and C classes all differ; what goes in keeps 0.1 away from 0, the kink of a ReLU.
A class called Compiled... is a variation of backpass's own part: one of its methods in Python, the other a kernel.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

N, D, M, C = 7, 5, 4, 3


@dataclass(frozen=True)
class Mutant:
    """A broken part, and what the auditor is to say of it.

    Attributes
    ----------
    name : str
        Module and class.
    mistakes : tuple of str
        Slugs that may be named; any of them counts.
    make : callable
        Makes the part anew.
    inputs, y_true : ndarray
        What shows the mistake: inputs of a layer or a network, predictions of a loss, logits of a step.
    where : str
        The gradient that is wrong, the array that is written over, or the output that differs.
    """

    name: str
    mistakes: tuple[str, ...]
    make: Callable[[], Any]
    inputs: np.ndarray
    y_true: np.ndarray | None
    where: str


MUTANTS: list[Mutant] = []


def mutant(
    *mistakes: str,
    where: str,
    inputs: np.ndarray,
    y_true: np.ndarray | None = None,
    arguments: tuple[Any, ...] = (),
    **options: Any,
) -> Callable[[Any], Any]:
    """Register the decorated class, or function that makes a part; it is called with the arguments and options."""

    def register(make: Any) -> Any:
        name = f"{make.__module__.rpartition('.')[2]}.{make.__name__}"
        own_inputs, own_targets = inputs.copy(), None if y_true is None else y_true.copy()  # some write over theirs
        MUTANTS.append(Mutant(name, mistakes, partial(make, *arguments, **options), own_inputs, own_targets, where))
        return make

    return register


def numbers(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, all at least 0.1 away from 0."""
    drawn = np.random.default_rng(seed).normal(size=(rows, columns))
    return drawn + 0.1 * np.sign(drawn)


LABELS = np.random.default_rng(1).integers(0, C, N)

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
