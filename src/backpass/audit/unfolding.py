"""Unfolding: the exact terms whose sum is one number of a training step, and theirs in turn, down to the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backpass.audit.loss_rules import remark
from backpass.audit.outline import Outline
from backpass.audit.report import plain
from backpass.audit.term_rules import groups_of
from backpass.audit.terms import Terms, entry_name
from backpass.audit.traced import Step

if TYPE_CHECKING:
    from rich.tree import Tree

    from backpass.network import Network


def unfold(network: Network, X: Any, y: Any, entry: str) -> Unfolding:
    """Any number of a training step as the sum of what it comes from.

    Parameters
    ----------
    network : Network
        Left as it is; one textbook step of a copy is looked at, in training mode, with the random numbers of step 1.
    X, y : array-like (N, D), (N,) or (N, M)
        What `Network.fit` takes; all of it is one batch.
    entry : str
        An array of a layer and an index, as in "dense1.dweights[0, 1]". Layers are called as in model files: dense1,
        relu1, dense2 ... They have inputs, output, dvalues, dinputs, their parameters and, with a d in front, their
        gradients. There are also "loss", "loss.output[n]", "loss.dinputs[n, c]", "X[n, d]" and "y[n]".

    Returns
    -------
    Unfolding

    Raises
    ------
    ValueError, TypeError
        An entry that there is not; data that do not fit; a layer or loss of somebody's own on the way whose forward
        does not take complex numbers.

    Source of the derivatives that are not written down: Squire and Trapp, "Using complex variables to estimate
    derivatives of real functions", SIAM Review 40, 1998.

    >>> from backpass import Dense, MeanSquaredError, Network, ReLU
    >>> dense = Dense(1, 2, dtype="float64")
    >>> dense.weights, second = [[1.0, -1.0]], Dense(2, 1, dtype="float64")
    >>> second.weights = [[2.0], [3.0]]
    >>> network = Network([dense, ReLU(), second], MeanSquaredError())
    >>> print(unfold(network, [[1.0], [2.0]], [3.0, 3.0], "dense1.dweights[0, 0]"))
    dense1.dweights[0, 0] = 2, the sum of 2 terms
    = np.sum(dense1.inputs[:, 0] * dense1.dvalues[:, 0])
    sum of the terms less this float64: 0, 0 of the absolute terms' sum, 6
    term, sum so far, share of the absolute terms' sum
    ├── 4             4              66.7%  dense1.inputs[1, 0] 2 * dense1.dvalues[1, 0] 2
    │   └── dense1.dvalues[1, 0] = relu1.dinputs[1, 0] = 2 = relu1.dvalues[1, 0] 2 * (relu1.inputs[1, 0] > 0) 1
    └── -2            2              33.3%  dense1.inputs[0, 0] 1 * dense1.dvalues[0, 0] -2
        └── dense1.dvalues[0, 0] = relu1.dinputs[0, 0] = -2 = relu1.dvalues[0, 0] -2 * (relu1.inputs[0, 0] > 0) 1
    """
    step = Step(network, X, y)
    return Unfolding(step, *step.place(entry))


class Unfolding:
    """One number and the terms whose sum it is.

    Attributes
    ----------
    name, source : str
        "dense1.dvalues[3, 1]", and where these terms are written into: "relu1.dinputs[3, 1]". Often the same.
    value : float
        What the kernel computed.
    terms : Terms
        `factors` (K, F), `products` (K,), `running` (K,), `names(k)`; in float64.
    residual, absolute : float
        Sum of the terms less the value, and the sum of the absolute terms: in float64 the first is at most 1e-12 of
        the second. More says that the kernel computes something else.
    numpy : str
        One line that computes the number: `eval(unfolding.numpy, {"np": np, **unfolding.names})`.
    names : dict
        dense1, relu1 ..., loss, X, y with their arrays, and `forward`, their formula.
    note : str
        What else has to be said.
    """

    def __init__(self, step: Step, array: str, index: tuple[int, ...]):
        self._step, self.array, self.index, self._array = step, array, index, step.source(array)

    @property
    def name(self) -> str:
        return entry_name(self.array, self.index)

    @property
    def source(self) -> str:
        return entry_name(self._array, self.index)

    @property
    def value(self) -> float:
        return float(self._step.arrays[self._array][self.index])

    @property
    def leaf(self) -> bool:
        """Whether it comes from nothing else: a parameter, data, a mask."""
        return self._array in self._step.leaves

    @cached_property
    def terms(self) -> Terms:
        return Terms(groups_of(self._step, self._array, self.index))

    @property
    def absolute(self) -> float:
        return self.terms.absolute

    @property
    def residual(self) -> float:
        total, value = self.terms.total, self.value
        return 0.0 if total == value or (math.isnan(total) and math.isnan(value)) else total - value

    @property
    def numpy(self) -> str:
        return self.terms.numpy

    @property
    def names(self) -> dict[str, Any]:
        return self._step.names

    @property
    def note(self) -> str:
        return remark(self._step, self._array)

    # ------------------------------------------------------------------------------------------------- what is below

    def entry(self, entry: str) -> Unfolding:
        """Another number of the same step."""
        return Unfolding(self._step, *self._step.place(entry))

    def children(self, sort: bool = True) -> list[Unfolding]:
        """What can be unfolded in turn: of a gradient its factors that are gradients, else those that are none.

        From the term that contributes most to that which contributes least, or (`sort=False`) in the terms' order.
        """
        return [child for k in self._order(sort) for _, child in self._of_term(k)]

    def _order(self, sort: bool = True) -> list[int]:
        return self.terms.order.tolist() if sort else list(range(len(self.terms)))

    def _of_term(self, k: int) -> Iterator[tuple[int, Unfolding]]:
        """The factors of a term that can be unfolded, with their column in `terms.factors`."""
        if self.leaf:
            return
        members, at = self.terms.place(k)
        backward = self._array in self._step.gradients
        for column, factor in enumerate(members.factors):
            if factor.array and (factor.array in self._step.gradients) == backward:
                child = Unfolding(self._step, factor.array, factor.place(at))
                if not child.leaf:
                    yield column, child

    # ------------------------------------------------------------------------------------------------------ to be read

    def outline(self, depth: int = 2, most: int = 8) -> Outline:
        """The tree of lines that the other forms show."""
        lines = [f"{self._headline()}{self._count()}", *([self.note] if self.note else [])]
        if not self.leaf:
            residual, absolute = self.residual, self.absolute
            share = abs(residual) / absolute if absolute else 0.0
            lines += [
                f"= {self.numpy}",
                f"sum of the terms less this {self._step.network.dtype}: {residual:.3g}, {share:.2g} of the absolute "
                f"terms' sum, {absolute:.6g}",
                "term, sum so far, share of the absolute terms' sum",
            ]
        return Outline("\n".join(lines), self._branches(depth, most))

    def _headline(self) -> str:
        source = f" = {self.source}" if self._array != self.array else ""
        return f"{self.name}{source} = {self.value:.6g}"

    def _count(self) -> str:
        return f", the sum of {len(self.terms)} terms" if len(self.terms) > 1 else ""

    def _branches(self, depth: int, most: int) -> list[Outline]:
        terms, order = self.terms, self._order()
        if depth < 1 or self.leaf:
            return []
        branches, so_far, absolute = [], 0.0, self.absolute
        shown = [k for k in order[:most] if terms.products[k] != 0] or order[:1]
        for k in shown:
            product = float(terms.products[k])
            so_far += product
            share = f"{abs(product) / absolute:.1%}" if absolute and math.isfinite(absolute) else "-"
            text = f"{product:<12.6g}  {so_far:<12.6g}  {share:>6}  {self._product(k)}"
            below = [child._as_branch(depth - 1, most) for _, child in self._of_term(k)] if depth > 1 else []
            branches.append(Outline(text, below))
        if rest := order[len(shown) :]:
            together = sum(terms.products[rest].tolist())
            branches.append(Outline(f"{together:<12.6g}  {so_far + together:<12.6g}  {len(rest)} more terms", []))
        return branches

    def _product(self, k: int) -> str:
        """dense1.inputs[3, 0] 0.5 * dense1.dvalues[3, 1] -0.02"""
        note = self.terms.place(k)[0].note
        pairs = zip(self.terms.names(k), (f"{value:.6g}" for value in self.terms.factors[k]), strict=False)
        return " * ".join(name if name == value else f"{name} {value}" for name, value in pairs) + f"  ({note})" * (
            note > ""
        )

    def _as_branch(self, depth: int, most: int) -> Outline:
        """A single term needs no line of its own."""
        if len(self.terms) > 1:
            return Outline(f"{self._headline()}{self._count()}", self._branches(depth, most))
        below = [child._as_branch(depth - 1, most) for _, child in self._of_term(0)] if depth > 1 else []
        return Outline(f"{self._headline()} = {self._product(0)}", below)

    def tree(self, depth: int = 2, most: int = 8) -> Tree:
        """For rich to print: the `most` largest terms, theirs below them, `depth` levels."""
        return self.outline(depth, most).rich()

    def __str__(self) -> str:
        return str(self.outline())

    def __repr__(self) -> str:
        return f"<Unfolding of {self._headline()}{self._count()}>"

    def _repr_html_(self) -> str:
        return self.outline(depth=3).html()

    def to_dict(self, depth: int = 1, most: int | None = None) -> dict[str, Any]:
        """For JSON: the `most` largest terms (None: all, in their order), theirs as children, `depth` levels.

        NaN and infinity are the strings that JavaScript's Number takes: "NaN", "Infinity", "-Infinity".
        """
        terms = self.terms
        shown = self._order(sort=most is not None)[:most]
        children = [
            {"term": k, "factor": column} | child.to_dict(depth - 1, most)
            for k in shown
            for column, child in (self._of_term(k) if depth > 1 else ())
        ]
        arrays = {self.array, self._array, *(f.array for g in terms.groups for f in g.factors if f.array)}
        return {
            "name": self.name,
            "source": self.source,
            "value": number(self.value),
            "numpy": self.numpy,
            "note": self.note,
            "residual": number(self.residual),
            "absolute": number(self.absolute),
            "arrays": {
                array: {"shape": list(self._step.arrays[array].shape), "axes": self._step.axes(array)}
                for array in sorted(arrays)
            },
            "count": len(terms),
            "terms": [
                {
                    "term": k,
                    "note": terms.place(k)[0].note,
                    "factors": [
                        {"name": name, "value": number(value)}
                        for name, value in zip(terms.names(k), terms.factors[k], strict=False)
                    ],
                    "product": number(terms.products[k]),
                    "running": number(terms.running[k]),
                }
                for k in shown
            ],
            "children": children,
        }


def number(value: Any) -> float | str:
    """A float as JSON can hold it."""
    return plain(float(value))
