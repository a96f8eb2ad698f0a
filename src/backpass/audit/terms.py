"""The terms of a sum: which factors each has, and the same sum as one line of NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Index = tuple[int | slice, ...]


def entry_name(array: str, index: Sequence[int | slice]) -> str:
    """dense1.inputs[3, 0], or dense1.inputs[:, 0] for a column."""
    return f"{array}[{', '.join(':' if isinstance(i, slice) else str(i) for i in index)}]" if index else array


@dataclass(frozen=True)
class Factor:
    """One factor of every term of a group.

    Attributes
    ----------
    text : str
        NumPy for all terms at once: "dense1.inputs[:, 0]", "1 / 300".
    shown : str
        The same for one term; "{0}" stands for the name of the entry.
    values : ndarray
        Along the axes over which the group sums; () where all terms share it. Of a condition: bool.
    array, index
        The entry that it is, or comes from; a slice for every axis over which the group sums. "" for a number.
    """

    text: str
    shown: str
    values: np.ndarray
    array: str = ""
    index: Index = ()

    def place(self, at: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        """Index of the entry in the term that is `at` this place along the axes over which the group sums."""
        running = iter(at)
        return tuple(int(next(running)) if isinstance(i, slice) else i for i in self.index)

    def name(self, at: Sequence[int] | np.ndarray) -> str:
        return self.shown.format(entry_name(self.array, self.place(at))) if self.array else self.shown


@dataclass(frozen=True)
class Group:
    """Terms of one kind; `places` (K, axes) says where each is along the axes over which the group sums."""

    factors: tuple[Factor, ...]
    places: np.ndarray
    note: str

    @property
    def numpy(self) -> str:
        """The sum of the terms, in NumPy."""
        product = " * ".join(factor.text for factor in self.factors if factor.values.dtype != bool)
        for factor in self.factors:
            if factor.values.dtype == bool:
                product = f"np.where({factor.text}, {product}, 0)"
        return f"np.sum({product})" if self.places.shape[1] else product


def group(*factors: Factor, note: str = "", kept: Any = None, least: Sequence[int] = ()) -> Group:
    """All products of the factors, or those where `kept` is not 0; the one at `least` if there is no other."""
    shape = np.broadcast_shapes(*(factor.values.shape for factor in factors))
    places = np.argwhere(np.ones(shape, bool) if kept is None else kept)
    return Group(factors, places if len(places) else np.array([least]), note)


class Terms:
    """What is summed: K terms of up to F factors.

    Attributes
    ----------
    factors : ndarray (K, F)
        1 where a term has fewer.
    products, running : ndarray (K,)
        The terms, and their sums from the first on. All in float64.
    total, absolute : float
        Sum of the terms, and of the absolute terms.

    >>> import numpy as np
    >>> a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    >>> factors = [Factor(f"{name}[:]", "{0}", values, name, (slice(None),)) for name, values in [("a", a), ("b", b)]]
    >>> terms = Terms([group(*factors)])
    >>> terms.products, terms.total, terms.names(1), terms.numpy
    (array([ 3., 10.]), 13.0, ['a[1]', 'b[1]'], 'np.sum(a[:] * b[:])')
    """

    def __init__(self, groups: Sequence[Group]):
        self.groups = tuple(groups)
        sizes = [len(each.places) for each in groups]
        self._ends = np.cumsum(sizes)
        self.factors = np.ones((sum(sizes), max(len(each.factors) for each in groups)))
        self.products = np.ones(sum(sizes))
        with np.errstate(all="ignore"):
            for each, end, size in zip(groups, self._ends, sizes, strict=True):
                at = tuple(each.places.T)
                rows = slice(end - size, end)
                shape = np.broadcast_shapes(*(factor.values.shape for factor in each.factors))
                for column, factor in enumerate(each.factors):
                    values = np.broadcast_to(factor.values, shape)[at]
                    self.factors[rows, column] = values
                    if values.dtype == bool:  # what is blocked is 0, be it NaN: a kernel does not multiply by a mask
                        self.products[rows] = np.where(values, self.products[rows], 0)
                    else:
                        self.products[rows] *= values
            self.running = np.cumsum(self.products)
            self.total = float(np.sum(self.products))
            self.absolute = float(np.sum(np.abs(self.products)))

    def __len__(self) -> int:
        return len(self.products)

    def place(self, k: int) -> tuple[Group, np.ndarray]:
        """The group of term k, and where it is along the axes over which the group sums."""
        which = int(np.searchsorted(self._ends, k, side="right"))
        members = self.groups[which]
        return members, members.places[k - self._ends[which]]

    def names(self, k: int) -> list[str]:
        """What the factors of term k are."""
        members, at = self.place(k)
        return [factor.name(at) for factor in members.factors]

    @cached_property
    def order(self) -> np.ndarray:
        """Places of the terms (K,) from the largest to the smallest, by absolute value; NaN is as large as infinity."""
        return np.argsort(-np.nan_to_num(np.abs(self.products), nan=np.inf), kind="stable")

    @property
    def numpy(self) -> str:
        return " + ".join(each.numpy for each in self.groups)
