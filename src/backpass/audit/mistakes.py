"""Mistakes by name: each is a hypothesis of what a wrong gradient would be, and is named if the claim is just that.

`HYPOTHESES` is the table: functions that make, of what is known of a gradient, (slug, array, evidence). A claim that is a
constant times such an array is two mistakes at once. The order matters only for what several hypotheses would explain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backpass.audit.numeric import Estimate
from backpass.audit.report import Finding

Hypothesis = tuple[str, np.ndarray, str]
CLOSE, CLOSE_SINGLE = 1e-4, 3e-2  # how near a claim has to be to a hypothesis, relative to its largest entry
FEWEST = 3  # entries that have to agree on a factor that means nothing


@dataclass
class Suspect:
    """A gradient that is wrong, and all that is known of it.

    `derivative_at` gives the derivative of each output by its own input, with other inputs; `ratio_at` the ratio of
    claim and truth for so many rows.
    """

    name: str
    claimed: np.ndarray
    estimate: Estimate
    dvalues: np.ndarray
    output: np.ndarray
    values: dict[str, np.ndarray]
    penalty: np.ndarray | None
    loss: bool
    single: bool
    estimates: dict[str, Estimate] = field(default_factory=dict)
    derivative_at: Callable[[np.ndarray], np.ndarray | None] = lambda inputs: None
    ratio_at: Callable[[int], float | None] = lambda rows: None

    @property
    def where(self) -> str:
        layer, dot, name = self.name.rpartition(".")
        return f"{layer}{dot}d{name}"

    @cached_property
    def truth(self) -> np.ndarray:
        return np.where(self.estimate.left_out, np.nan, self.estimate.gradient)

    @property
    def inputs(self) -> np.ndarray:
        return self.values["inputs"]

    @property
    def samples(self) -> int:
        return len(self.inputs)

    def full(self, entries: np.ndarray) -> np.ndarray:
        """An array like the variable from what is known of each entry that was asked for: (entries, ...)."""
        array = np.full((self.truth.size, *entries.shape[1:]), np.nan)
        array[self.estimate.places] = entries
        return array.reshape(*self.truth.shape, *entries.shape[1:])

    def by_sample(self, estimate: Estimate) -> np.ndarray | None:
        """What each sample adds to a gradient: (N, *shape), if terms belong to samples."""
        if self.output.ndim == 0 or len(self.output) != self.samples or len(estimate.places) < estimate.gradient.size:
            return None
        weighted = (self.dvalues * estimate.by_term).reshape(len(estimate.places), self.samples, -1).sum(axis=2)
        return weighted.T.reshape(self.samples, *estimate.gradient.shape)

    @cached_property
    def jacobian(self) -> np.ndarray | None:
        """d output[n, m] / d inputs[n, d] as (N, D, M), of inputs that all were asked for."""
        whole = self.name == "inputs" and self.output.ndim == 2 and self.inputs.ndim == 2
        if not whole or len(self.output) != self.samples or len(self.estimate.places) < self.truth.size:
            return None
        every = self.estimate.by_term.reshape(self.samples, -1, *self.output.shape)
        return np.stack([every[n, :, n] for n in range(self.samples)])

    @cached_property
    def own(self) -> np.ndarray | None:
        """d output[n, m] / d inputs[n, m], where outputs are as many as inputs."""
        if self.jacobian is None or self.output.shape != self.inputs.shape:
            return None
        return np.einsum("nmm->nm", self.jacobian)

    @cached_property
    def elementwise(self) -> bool:
        if self.own is None:
            return False
        total = np.abs(self.estimate.by_term).sum()
        return bool(total - np.abs(self.own).sum() <= 1e-9 * total)


def ratio(claimed: np.ndarray, hypothesis: np.ndarray, single: bool = False) -> float | None:
    """The constant that makes a hypothesis the claim; None where there is none."""
    if claimed.shape != hypothesis.shape:
        return None
    known = np.isfinite(claimed) & np.isfinite(hypothesis)
    if known.sum() < max(1, 0.5 * known.size):
        known &= False
    ours, theirs = claimed[known], hypothesis[known]
    size = np.abs(theirs).max(initial=0.0)
    if size == 0 or np.abs(ours).max(initial=0.0) == 0:
        return None
    constant = float(np.sum(ours / size * (theirs / size)) / np.sum((theirs / size) ** 2))
    if not np.allclose(ours, constant * theirs, rtol=0, atol=(CLOSE_SINGLE if single else CLOSE) * np.abs(ours).max()):
        return None
    telling = int((np.abs(theirs) > 1e-3 * size).sum())
    simple = any(abs(round(x) - x) < 1e-4 * x and round(x) > 0 for x in (abs(constant), 1 / max(abs(constant), 1e-300)))
    return constant if telling >= FEWEST or simple else None


def near(first: float, second: float, single: bool) -> bool:
    return abs(first - second) <= (CLOSE_SINGLE if single else CLOSE) * abs(second)


def scaled(suspect: Suspect, constant: float) -> Iterator[tuple[str, str, str]]:
    """Which mistakes a constant factor is, and what undoes it: a sign, the number of samples, another constant."""
    left, N, gradient = abs(constant), suspect.samples, suspect.where.rpartition(".")[2]
    if constant < 0:
        yield "wrong-sign", f"claimed / true = {constant:.6g} in every entry", ""
    if near(left, 1, suspect.single):
        return
    if N > 1:
        fewer = suspect.ratio_at(N - 1)
        if fewer is None:
            power = next((p for p in (1, -1) if near(left, N**p, suspect.single)), 0)
        else:
            power = round(math.log(left / abs(fewer)) / math.log(N / (N - 1)))
        if power:
            known = "" if fewer is None else f", {abs(fewer):.6g} with {N - 1}"
            what = "the mean's 1/N is missing" if power > 0 else "1/N is there once too often"
            fix = f"{gradient} = {gradient} {'/' if power > 0 else '*'} len(inputs)  # 1/N belongs into the loss, once"
            yield "scaled-by-samples", f"claimed / true = {left:.6g} with N = {N} samples{known}: {what}", fix
            left /= N**power
    if not near(left, 1, suspect.single):
        inverse = f" = 1/{round(1 / left)}" if left < 1 and near(1 / left, round(1 / left), suspect.single) else ""
        fix = f"{gradient} = {gradient} / {left:.6g}"
        yield "scaled-by-constant", f"claimed / true = {left:.6g}{inverse} in every entry", fix


# ------------------------------------------------------------------------------------------------- the hypotheses


def missing_incoming_gradient(suspect: Suspect) -> Iterator[Hypothesis]:
    if suspect.loss:
        return
    alone = suspect.estimate.by_term.reshape(len(suspect.estimate.places), -1).sum(axis=1)
    yield "missing-incoming-gradient", suspect.full(alone), "it is what dvalues of 1 everywhere would give"
    if suspect.own is not None and not suspect.elementwise:
        yield "missing-incoming-gradient", suspect.own, "it is the derivative alone"


def batch_sums(suspect: Suspect) -> Iterator[Hypothesis]:
    each = suspect.by_sample(suspect.estimate)
    if each is None or suspect.name == "inputs" or suspect.samples < 2:
        return
    for n in (0, suspect.samples - 1, *range(1, suspect.samples - 1)):
        yield "missing-batch-sum", each[n], f"it is the share of sample {n} alone"
    flat = each.reshape(suspect.samples, -1)
    for axis, what in ((1, "axis 1"), (None, "both axes")):
        other = flat.sum(axis=axis)
        with np.errstate(all="ignore"):
            if other.size == suspect.truth.size or other.size == 1:
                yield (
                    "wrong-axis-sum",
                    np.broadcast_to(other, flat.shape[1:]).reshape(suspect.truth.shape),
                    f"it is the sum over {what}",
                )


def transposed(suspect: Suspect) -> Iterator[Hypothesis]:
    truth = suspect.truth
    if truth.ndim == 2 and truth.shape[0] == truth.shape[1] > 1 and suspect.name != "inputs":
        yield "transposed", truth.T, "its transpose matches: dvalues.T @ inputs in the place of inputs.T @ dvalues"
    if suspect.jacobian is not None and suspect.jacobian.shape[1] == suspect.jacobian.shape[2] > 1:
        product = np.einsum("nmd,nm->nd", np.swapaxes(suspect.jacobian, 1, 2), suspect.dvalues)
        yield "transposed", product, "dvalues @ weights matches; dvalues @ weights.T is right"


def masks(suspect: Suspect) -> Iterator[Hypothesis]:
    """Derivatives that are 0 here and the same everywhere else, or that know two values only."""
    if suspect.own is None or not suspect.elementwise or suspect.loss:
        return
    dvalues, own = suspect.dvalues, suspect.own
    levels = np.unique(own.round(6 if not suspect.single else 2))
    if len(levels) == 2:
        yield "mask-missing", dvalues, "it is dvalues, as if every entry had passed alike"
        yield (
            "mask-inverted",
            dvalues * (levels.sum() - own),
            "it passes what forward blocks, and blocks what it passes",
        )
        yield "mask-from-gradient", dvalues * np.where(dvalues > 0, levels[1], levels[0]), "it passes where dvalues > 0"
        yield "mask-from-gradient", dvalues * (dvalues > 0), "it passes where dvalues > 0"
        yield "mask-from-gradient", suspect.truth * (dvalues > 0), "it passes where dvalues > 0"
        yield "mask-from-gradient", dvalues * (dvalues < 0), "it passes where dvalues < 0"
    at_dvalues = suspect.derivative_at(dvalues)
    if at_dvalues is not None and len(levels) == 2:
        yield "mask-from-gradient", dvalues * at_dvalues, "it is the derivative at dvalues"


def hidden_masks(suspect: Suspect) -> Iterator[Hypothesis]:
    """Behind a mask inside of a part: its gradient follows from the biases' and the weights behind it."""
    arriving: list[np.ndarray] = [suspect.dvalues] if suspect.dvalues.ndim == 2 else []
    shares = {name: suspect.by_sample(estimate) for name, estimate in suspect.estimates.items() if name != "inputs"}
    shares = {name: each.reshape(len(each), -1) for name, each in shares.items() if each is not None}
    matrices = [value for name, value in suspect.values.items() if name != "inputs" and value.ndim == 2]
    for each in shares.values():
        arriving += [each @ matrix.T for matrix in matrices if matrix.shape[1] == each.shape[1] and len(matrix) > 1]
    for gradient in arriving:
        blocked = next(
            (each == 0 for each in shares.values() if each.shape == gradient.shape and (each == 0).any()), None
        )
        if blocked is None:
            continue
        kinds = {
            "mask-missing": gradient,
            "mask-inverted": gradient * blocked,
            "mask-from-gradient": gradient * (gradient > 0),
        }
        for slug, passing in kinds.items():
            made = [
                passing.sum(axis=0).reshape(-1),
                *([suspect.inputs.T @ passing] if suspect.inputs.ndim == 2 else []),
            ]
            made += [passing @ matrix.T for matrix in matrices if matrix.shape[1] == passing.shape[1]]
            for array in made:
                if array.size == suspect.truth.size:
                    yield (
                        slug,
                        array.reshape(suspect.truth.shape),
                        "so it is with the gradient that arrives at the mask inside",
                    )


def other_place(suspect: Suspect) -> Iterator[Hypothesis]:
    """A derivative that is a function of the output and was given the input, or the reverse."""
    slug, dvalues, inputs, output = (
        "derivative-of-input-instead-of-output",
        suspect.dvalues,
        suspect.inputs,
        suspect.output,
    )
    if suspect.own is not None and suspect.elementwise and not suspect.loss:
        at_output = suspect.derivative_at(output)
        if at_output is not None:
            yield slug, dvalues * at_output, "it is the derivative at the output, in the place of the input"
        powers = [np.ones_like(output), output, output**2]
        names = [np.ones_like(inputs), inputs, inputs**2]
        if (np.abs(output) > 1e-9).all() and (np.abs(inputs) > 1e-9).all():
            powers, names = [*powers, 1 / output], [*names, 1 / inputs]
        system = np.stack([power.ravel() for power in powers], axis=1)
        if len(system) > len(powers):
            solved = np.linalg.lstsq(system, suspect.own.ravel(), rcond=None)[0]
            if np.abs(system @ solved - suspect.own.ravel()).max() < 1e-5 * np.abs(suspect.own).max():
                array = dvalues * sum(c * name for c, name in zip(solved, names, strict=True))
                yield slug, array, "it is a formula in terms of the output, given the input"
    if (
        suspect.jacobian is not None
        and output.shape == inputs.shape
        and np.allclose(output.sum(axis=1), 1)
        and (output > 0).all()
    ):
        array = inputs * (dvalues - np.sum(inputs * dvalues, axis=1, keepdims=True))
        yield slug, array, "it is softmax's formula with the inputs in the place of the output"


def diagonal_only(suspect: Suspect) -> Iterator[Hypothesis]:
    if suspect.own is None or suspect.elementwise or suspect.loss:
        return
    dvalues = suspect.dvalues
    yield "jacobian-diagonal-only", dvalues * suspect.own, "it is dvalues times the Jacobian's diagonal"
    with np.errstate(all="ignore"):
        share = suspect.claimed / dvalues if suspect.claimed.shape == dvalues.shape else np.array([[np.nan]])
        product = (
            share[:, :1] * share[:1] / share[:1, :1]
        )  # if each entry is a factor of its row times one of its column
    if np.isfinite(product).all() and (np.sign(share) == np.sign(suspect.own)).mean() > 0.9:
        yield (
            "jacobian-diagonal-only",
            dvalues * product,
            "each entry is its own dvalue times a constant, as if statistics were given",
        )


def penalty_factors(suspect: Suspect) -> Iterator[Hypothesis]:
    if suspect.penalty is not None:
        constant = ratio(suspect.claimed - suspect.truth, suspect.penalty, suspect.single)
        if constant is not None:
            slug = "not-computed" if near(constant, -1, suspect.single) else "scaled-by-constant"
            evidence = f"the penalty's gradient is there {1 + constant:.6g} times"
            yield slug, suspect.truth + constant * suspect.penalty, evidence


HYPOTHESES = (
    penalty_factors,
    missing_incoming_gradient,
    batch_sums,
    transposed,
    masks,
    other_place,
    diagonal_only,
    hidden_masks,
)


# ------------------------------------------------------------------------------------------------------- naming


def named(suspect: Suspect) -> list[Finding]:
    """The mistakes that explain a wrong gradient; one finding, "unexplained", if none does."""
    claimed, truth, where = suspect.claimed, suspect.truth, suspect.where
    if claimed.shape != truth.shape:
        return [of_shape(suspect)]
    if not np.isfinite(claimed).all():
        return [Finding("unexplained", where, f"it holds {claimed[~np.isfinite(claimed)][0]}")]
    if not claimed.any():
        return [
            Finding("not-computed", where, f"it is 0 everywhere; its norm should be {np.sqrt(np.nansum(truth**2)):.4g}")
        ]
    constant = ratio(claimed, truth, suspect.single)
    if constant is not None:
        return [Finding(slug, where, evidence, fix) for slug, evidence, fix in scaled(suspect, constant)]
    if (blocked := of_blocked(suspect)) is not None:
        return [blocked]
    twice: list[Finding] = []
    for hypothesis in HYPOTHESES:
        for slug, array, evidence in hypothesis(suspect):
            if ratio(array, truth, suspect.single) is not None:
                continue  # it would be right
            constant = ratio(claimed, array, suspect.single)
            if constant is None:
                continue
            if near(constant, 1, suspect.single) or slug == "mask-missing":
                return [Finding(slug, where, evidence)]
            if not twice:
                twice = [Finding(slug, where, f"{evidence}, times {constant:.6g}")]
                twice += [Finding(other, where, words) for other, words in scaled_again(suspect, constant)]
    if twice:
        return twice
    worst = np.nanargmax(np.abs(claimed - truth))
    place = tuple(int(i) for i in np.unravel_index(worst, truth.shape))
    return [
        Finding("unexplained", where, f"entry {list(place)} is {claimed[place]:.6g} and should be {truth[place]:.6g}")
    ]


def scaled_again(suspect: Suspect, constant: float) -> Iterator[tuple[str, str]]:
    """`scaled` for a factor that comes with another mistake, of which other numbers of rows tell nothing."""
    if constant < 0:
        yield "wrong-sign", f"and the factor is {constant:.6g}"
    size = abs(constant)
    if any(near(size, suspect.samples**power, suspect.single) for power in (1, -1)) and suspect.samples > 1:
        yield "scaled-by-samples", f"and the factor is {constant:.6g} with N = {suspect.samples} samples"
    elif not near(size, 1, suspect.single):
        yield "scaled-by-constant", f"and the factor is {constant:.6g}"


def of_blocked(suspect: Suspect) -> Finding | None:
    """Right where the derivative is not 0 (but for a constant), and wrong where it is."""
    claimed, truth = suspect.claimed, suspect.truth
    largest = np.nanmax(np.abs(truth), initial=0.0)
    zero = np.abs(truth) <= 1e-9 * max(largest, np.abs(claimed).max())
    passing = np.isfinite(truth) & ~zero
    false, lost = zero & (np.abs(claimed) > 1e-6 * max(largest, 1e-300)), passing & (np.abs(claimed) <= 1e-9 * largest)
    if suspect.name != "inputs" or not false.any():
        return None
    if passing.any() and lost[passing].all():
        return Finding(
            "mask-inverted",
            suspect.where,
            f"{false.sum()} entries pass that should be 0, and {lost.sum()} are 0 that should pass",
        )
    constant = ratio(claimed[passing], truth[passing], suspect.single) if passing.any() else 1.0
    if constant is None or constant <= 0:
        return None
    value = suspect.output
    if value.shape != truth.shape:  # a loss of each sample
        value = (
            np.broadcast_to(value.reshape(-1, *[1] * (truth.ndim - 1)), truth.shape)
            if value.size == len(truth)
            else np.ones_like(truth)
        )
    flat_at_zero = (np.abs(value[false]) <= 1e-12).mean() > 0.5
    slug = "mask-missing" if flat_at_zero else "clipped-forward-only"
    what = "forward gives 0 there" if flat_at_zero else "forward is constant there"
    return Finding(slug, suspect.where, f"{false.sum()} of {truth.size} entries should be 0 and are not: {what}")


def of_shape(suspect: Suspect) -> Finding:
    """A gradient whose shape is not the variable's."""
    claimed, truth, where = suspect.claimed, suspect.truth, suspect.where
    shapes = f"its shape is {claimed.shape}, that of {suspect.name.rpartition('.')[2]} is {truth.shape}"
    if claimed.size == truth.size and ratio(claimed.reshape(truth.shape), truth, suspect.single) is not None:
        return Finding("wrong-shape", where, f"{shapes}; the numbers are right")
    if claimed.ndim == 2 and claimed.T.shape == truth.shape and ratio(claimed.T, truth, suspect.single) is not None:
        return Finding("transposed", where, f"{shapes}; its transpose matches")
    flat = truth.reshape(-1)
    for axis in range(claimed.ndim):
        total = claimed.sum(axis=axis).reshape(-1)
        if claimed.shape[axis] > 1 and total.shape == flat.shape and ratio(total, flat, suspect.single) is not None:
            return Finding("missing-batch-sum", where, f"{shapes}; summed over axis {axis} it matches")
    for slug, array, evidence in batch_sums(suspect):
        if claimed.size == array.size and ratio(claimed.reshape(array.shape), array, suspect.single) is not None:
            return Finding(slug, where, f"{shapes}; {evidence}")
    each = suspect.by_sample(suspect.estimate)
    if each is not None:
        flat_each = each.reshape(len(each), -1)
        for other in (flat_each.sum(axis=1), flat_each.sum().reshape(1), suspect.dvalues.sum(axis=0).ravel()):
            if claimed.size == other.size and ratio(claimed.ravel(), other, suspect.single) is not None:
                return Finding("wrong-axis-sum", where, f"{shapes}; it is summed over another axis")
    return Finding("wrong-shape", where, shapes)
