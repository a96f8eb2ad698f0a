"""The mistake of a wrong gradient by name: a constant factor, a shape, or one of the hypotheses."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backpass.audit.hypotheses import HYPOTHESES, batch_sums
from backpass.audit.report import Finding
from backpass.audit.suspect import Suspect, near, ratio


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
    constant = ratio(claimed, truth, suspect.close)
    if constant is not None and not near(constant, 1, suspect.close):
        return [Finding(slug, where, evidence, fix) for slug, evidence, fix in scaled(suspect, constant)]
    if (blocked := of_blocked(suspect)) is not None:
        return [blocked]
    twice: list[Finding] = []
    for hypothesis in HYPOTHESES:
        for slug, array, evidence, fix in hypothesis(suspect):
            array = np.where(suspect.estimate.left_out, np.nan, array)
            if ratio(array, truth, suspect.close) is not None:
                continue  # it would be right
            constant = ratio(claimed, array, suspect.close)
            if constant is None:
                continue
            if near(constant, 1, suspect.close) or slug == "mask-missing":
                return [Finding(slug, where, evidence, fix)]
            if not twice:
                twice = [Finding(slug, where, f"{evidence}, times {constant:.6g}")]
                twice += [Finding(other, where, words) for other, words in scaled_again(suspect, constant)]
    if twice:
        return twice
    worst = np.nanargmax(np.abs(claimed - truth))
    place = tuple(int(i) for i in np.unravel_index(worst, truth.shape))
    return [
        Finding("unexplained", where, f"entry {list(place)} {compared(float(claimed[place]), float(truth[place]))}")
    ]


def compared(claimed: float, truth: float) -> str:
    """What an entry is and should be, in so many digits that it shows; of a small difference the quotient too.

    >>> compared(-2.0549462, -2.0549441)
    'is -2.0549462 and should be -2.0549441: claimed / true = 1 + 1.02e-06'
    """
    share = claimed / truth - 1 if truth else np.inf
    if abs(share) >= 1e-4:
        return f"is {claimed:.6g} and should be {truth:.6g}"
    digits = 2 + next((digits for digits in range(6, 15) if f"{claimed:.{digits}g}" != f"{truth:.{digits}g}"), 15)
    text = f"is {claimed:.{digits}g} and should be {truth:.{digits}g}"
    return f"{text}: claimed / true = 1 {'-' if share < 0 else '+'} {abs(share):.3g}"


def scaled(suspect: Suspect, constant: float) -> Iterator[tuple[str, str, str]]:
    """Which mistakes a constant factor is, and what undoes it: a sign, the number of samples, another constant."""
    left, N, gradient = abs(constant), suspect.samples, suspect.where.rpartition(".")[2]
    if constant < 0:
        yield "wrong-sign", f"claimed / true = {constant:.6g} in every entry", ""
    if near(left, 1, suspect.close):
        return
    if N > 1:
        fewer = suspect.ratio_at(N - 1)
        if fewer is None:
            power = next((p for p in (1, -1) if near(left, N**p, suspect.close)), 0)
        else:
            power = round(math.log(left / abs(fewer)) / math.log(N / (N - 1)))
        if power:
            known = "" if fewer is None else f", {abs(fewer):.6g} with {N - 1}"
            what = "the mean's 1/N is missing" if power > 0 else "1/N is there once too often"
            fix = f"{gradient} = {gradient} {'/' if power > 0 else '*'} len(inputs)  # 1/N belongs into the loss, once"
            yield "scaled-by-samples", f"claimed / true = {left:.6g} with N = {N} samples{known}: {what}", fix
            left /= N**power
    if not near(left, 1, suspect.close):
        inverse = f" = 1/{round(1 / left)}" if left < 1 and near(1 / left, round(1 / left), suspect.close) else ""
        fix = f"{gradient} = {gradient} / {left:.6g}"
        yield "scaled-by-constant", f"claimed / true = {left:.6g}{inverse} in every entry", fix


def scaled_again(suspect: Suspect, constant: float) -> Iterator[tuple[str, str]]:
    """`scaled` for a factor that comes with another mistake, of which other numbers of rows tell nothing."""
    if constant < 0:
        yield "wrong-sign", f"and the factor is {constant:.6g}"
    size = abs(constant)
    if any(near(size, suspect.samples**power, suspect.close) for power in (1, -1)) and suspect.samples > 1:
        yield "scaled-by-samples", f"and the factor is {constant:.6g} with N = {suspect.samples} samples"
    elif not near(size, 1, suspect.close):
        yield "scaled-by-constant", f"and the factor is {constant:.6g}"


def of_blocked(suspect: Suspect) -> Finding | None:
    """Right where the derivative is not 0 (but for a constant), and wrong where it is."""
    claimed, truth = suspect.claimed, suspect.truth
    largest = np.nanmax(np.abs(truth), initial=0.0)
    known = np.isfinite(truth) & ~suspect.estimate.vague()
    zero = known & (np.abs(truth) <= 1e-9 * largest + suspect.estimate.uncertainty)
    passing = known & ~zero
    false, lost = (
        zero & (np.abs(claimed) > 1e-6 * largest + suspect.estimate.uncertainty),
        passing & (np.abs(claimed) <= 1e-9 * largest),
    )
    if suspect.name != "inputs" or not false.any():
        return None
    if passing.any() and lost[passing].all():
        return Finding(
            "mask-inverted",
            suspect.where,
            f"{false.sum()} entries pass that should be 0, and {lost.sum()} are 0 that should pass",
        )
    constant = ratio(claimed[passing], truth[passing], suspect.close) if passing.any() else 1.0
    if constant is None or constant <= 0:
        return None
    says = f"{false.sum()} of {known.sum()} entries should be 0 and are not"
    if is_clip(suspect, false, passing):
        return Finding("clipped-forward-only", suspect.where, f"{says}: forward is constant there")
    return Finding("mask-missing", suspect.where, says)


def is_clip(suspect: Suspect, false: np.ndarray, passing: np.ndarray) -> bool:
    """Whether it is beyond limits, and not behind a mask, that the derivative is 0."""
    inputs, claimed = suspect.inputs, suspect.claimed
    if suspect.output.shape == inputs.shape and not suspect.loss and not suspect.output[false].any():
        return False  # what is set to 0 is masked
    if not passing.any():
        return True
    lowest, highest = inputs[passing].min(), inputs[passing].max()
    if not ((inputs[false] < lowest) | (inputs[false] > highest)).all():
        return False
    largest = np.abs(claimed).max()
    slopes = {float(slope) for slope in np.abs(claimed[passing] / largest).round(6)}
    return not (suspect.loss and all(float(slope) in slopes for slope in np.abs(claimed[false] / largest).round(6)))


def of_shape(suspect: Suspect) -> Finding:
    """A gradient whose shape is not the variable's."""
    claimed, truth, where = suspect.claimed, suspect.truth, suspect.where
    shapes = f"its shape is {claimed.shape}, that of {suspect.name.rpartition('.')[2]} is {truth.shape}"
    if claimed.size == truth.size and ratio(claimed.reshape(truth.shape), truth, suspect.close) is not None:
        return Finding("wrong-shape", where, f"{shapes}; the numbers are right")
    if claimed.ndim == 2 and claimed.T.shape == truth.shape and ratio(claimed.T, truth, suspect.close) is not None:
        return Finding("transposed", where, f"{shapes}; its transpose matches")
    flat = truth.reshape(-1)
    if flat.size == 1 and claimed.size > 1 and ratio(claimed.sum().reshape(1), flat, suspect.close) is not None:
        fix = f"{where.rpartition('.')[2]} = np.sum(share_of_each_entry)"
        return Finding("missing-batch-sum", where, f"{shapes}; summed over everything it matches", fix)
    for axis in range(claimed.ndim):
        total = claimed.sum(axis=axis).reshape(-1)
        if claimed.shape[axis] > 1 and total.shape == flat.shape and ratio(total, flat, suspect.close) is not None:
            keep = ", keepdims=True" if truth.ndim == 2 else ""
            gradient = where.rpartition(".")[2]
            fix = f"{gradient} = np.sum({gradient}, axis={axis}{keep})"
            return Finding("missing-batch-sum", where, f"{shapes}; summed over axis {axis} it matches", fix)
    for slug, array, evidence, _ in batch_sums(suspect):
        if claimed.size == array.size and ratio(claimed.reshape(array.shape), array, suspect.close) is not None:
            return Finding(slug, where, f"{shapes}; {evidence}")
    each = suspect.by_sample(suspect.estimate)
    if each is not None:
        flat_each = each.reshape(len(each), -1)
        for other in (flat_each.sum(axis=1), flat_each.sum().reshape(1), suspect.dvalues.sum(axis=0).ravel()):
            if claimed.size == other.size and ratio(claimed.ravel(), other, suspect.close) is not None:
                return Finding("wrong-axis-sum", where, f"{shapes}; it is summed over another axis")
    return Finding("wrong-shape", where, shapes)
