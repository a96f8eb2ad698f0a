"""What a gradient would be by each mistake: a claim that is just that, or a constant times it, is the mistake.

`HYPOTHESES` is the table: functions that make `Hypothesis` of all that is known of a gradient. Their order matters only
for what several would explain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from backpass.audit.suspect import Suspect, near, ratio


class Hypothesis(NamedTuple):
    """What a gradient would be by a mistake, how that shows, and a line of NumPy that fits better than the usual."""

    mistake: str
    array: np.ndarray
    evidence: str
    fix: str = ""


L2 = "dweights += l1 * np.sign(weights) + 2 * l2 * weights  # once"


def penalty_factors(suspect: Suspect) -> Iterator[Hypothesis]:
    apart, value = suspect.claimed - suspect.truth, suspect.values[suspect.name]
    if suspect.penalty is None and suspect.name != "inputs":
        constant = ratio(apart, value, suspect.close)
        if constant is not None:
            evidence = f"it differs by {constant:.6g} times the parameter: the gradient of an L2 penalty is another"
            yield Hypothesis("scaled-by-constant", suspect.truth + constant * value, evidence, L2)
    if suspect.penalty is None:
        return
    constant = ratio(apart, suspect.penalty, suspect.close)
    if constant is not None:
        mistake = "not-computed" if near(constant, -1, suspect.close) else "scaled-by-constant"
        evidence = f"the penalty's gradient is there {max(0.0, 1 + constant):.6g} times"
        yield Hypothesis(mistake, suspect.truth + constant * suspect.penalty, evidence, L2)


def missing_incoming_gradient(suspect: Suspect) -> Iterator[Hypothesis]:
    if suspect.loss:
        return
    alone = suspect.estimate.by_term.reshape(len(suspect.estimate.places), -1).sum(axis=1)
    yield Hypothesis("missing-incoming-gradient", suspect.full(alone), "it is what dvalues of 1 everywhere would give")
    if suspect.own is not None and not suspect.elementwise:
        yield Hypothesis("missing-incoming-gradient", suspect.own, "it is the derivative alone")


def batch_sums(suspect: Suspect) -> Iterator[Hypothesis]:
    each = suspect.by_sample(suspect.estimate)
    if each is None or suspect.name == "inputs" or suspect.samples < 2:
        return
    flat = each.reshape(suspect.samples, -1)
    fix = sum_over_samples(suspect, flat)
    for n in (0, suspect.samples - 1, *range(1, suspect.samples - 1)):
        yield Hypothesis("missing-batch-sum", each[n], f"it is the share of sample {n} alone", fix)
    for axis, what in ((1, "axis 1"), (None, "both axes")):
        total = flat.sum(axis=axis)
        if total.size in (1, suspect.truth.size):
            array = np.broadcast_to(total, flat.shape[1:]).reshape(suspect.truth.shape)
            yield Hypothesis("wrong-axis-sum", array, f"it is the sum over {what}", fix)


def sum_over_samples(suspect: Suspect, shares: np.ndarray) -> str:
    """The line that sums a parameter's gradient; `shares` (N, P) is what each sample adds. "" where it is a product."""
    truth, gradient = suspect.truth, suspect.where.rpartition(".")[2]
    if truth.ndim == 2 and truth.shape[0] > 1:
        return ""
    same = shares.shape == suspect.dvalues.shape and np.allclose(
        shares, suspect.dvalues, atol=1e-6 * np.abs(suspect.dvalues).max()
    )
    keep = ", keepdims=True" if truth.ndim == 2 else ""
    return f"{gradient} = np.sum({'dvalues' if same else 'share_of_each_sample'}, axis=0{keep})"


def transposed(suspect: Suspect) -> Iterator[Hypothesis]:
    truth, jacobian = suspect.truth, suspect.jacobian
    if truth.ndim == 2 and truth.shape[0] == truth.shape[1] > 1 and suspect.name != "inputs":
        yield Hypothesis("transposed", truth.T, "dvalues.T @ inputs matches; inputs.T @ dvalues is right")
    if jacobian is None or jacobian.shape[1] != jacobian.shape[2]:
        return
    turned = np.swapaxes(jacobian, 1, 2)
    if not np.allclose(jacobian, turned, rtol=0, atol=1e-6 * np.abs(jacobian).max()):
        product = np.einsum("nmd,nm->nd", jacobian, suspect.dvalues)  # that of right order is "ndm,nm->nd"
        yield Hypothesis("transposed", product, "dvalues @ weights matches; dvalues @ weights.T is right")


def masks(suspect: Suspect) -> Iterator[Hypothesis]:
    """Derivatives that know two values only, such as 0 and 1."""
    if suspect.own is None or not suspect.elementwise or suspect.loss:
        return
    dvalues, own = suspect.dvalues, suspect.own
    largest = np.abs(own).max() or 1.0
    levels = largest * np.unique((own[~suspect.estimate.left_out] / largest).round(6 if suspect.precision.exact else 2))
    if len(levels) not in (1, 2):
        return
    low, high = (levels[0], levels[-1]) if len(levels) == 2 else (0.0, levels[0])
    fix = "" if low == 0 else f"dinputs = np.where(inputs > 0, dvalues, {low:.4g} * dvalues)"
    if len(levels) == 2:
        evidence = "it is dvalues, as if every entry had passed alike"
        yield Hypothesis("mask-missing", dvalues, evidence, fix)
        evidence = "it passes what forward blocks, and the reverse"
        yield Hypothesis("mask-inverted", dvalues * (levels.sum() - own), evidence, fix)
    up, down = "it passes where dvalues > 0", "it passes where dvalues < 0"
    yield Hypothesis("mask-from-gradient", dvalues * np.where(dvalues > 0, high, low), up, fix)
    yield Hypothesis("mask-from-gradient", dvalues * (dvalues > 0), up)
    yield Hypothesis("mask-from-gradient", suspect.truth * (dvalues > 0), up)
    yield Hypothesis("mask-from-gradient", dvalues * (dvalues < 0), down)
    at_dvalues = suspect.derivative_at(dvalues)
    if at_dvalues is not None:
        yield Hypothesis("mask-from-gradient", dvalues * at_dvalues, "it is the derivative at dvalues")


def hidden_masks(suspect: Suspect) -> Iterator[Hypothesis]:
    """A mask inside of a part: what arrives at it follows from the biases' gradient and the weights behind it."""
    evidence = "so it is with what arrives at the mask inside"
    values = suspect.values
    matrices = [value for name, value in values.items() if name != "inputs" and value.ndim == 2]
    shares = []
    for name, estimate in suspect.estimates.items():
        each = suspect.by_sample(estimate) if name != "inputs" else None
        if each is not None:
            shares.append(each.reshape(len(each), -1))
    direct = [suspect.dvalues] if suspect.dvalues.ndim == 2 else []
    arriving: list[tuple[np.ndarray, np.ndarray | None]] = [(each, None) for each in direct]  # right, and transposed
    for each in direct + shares:
        fitting = [matrix for matrix in matrices if matrix.shape[1] == each.shape[1]]
        arriving += [(each @ matrix.T, each @ matrix if len(matrix) == len(matrix.T) else None) for matrix in fitting]
    for gradient, other in arriving:
        of_biases = (each for each in shares if each.shape == gradient.shape and (each == 0).any())
        blocked = next((each == 0 for each in of_biases), None)
        if blocked is None:
            continue
        kinds = {
            "mask-missing": gradient,
            "mask-inverted": gradient * blocked,
            "mask-from-gradient": gradient * (gradient > 0),
        }
        if other is not None:
            kinds["transposed"] = other * ~blocked
        for mistake, passing in kinds.items():
            made = [passing.sum(axis=0)]
            made += [suspect.inputs.T @ passing] if suspect.inputs.ndim == 2 else []
            made += [passing @ matrix.T for matrix in matrices if matrix.shape[1] == passing.shape[1]]
            for array in made:
                if array.size == suspect.truth.size:
                    yield Hypothesis(mistake, array.reshape(suspect.truth.shape), evidence)


POWERS = ("1", "output", "output**2", "1 / output")


def in_terms_of_output(own: np.ndarray, output: np.ndarray) -> np.ndarray | None:
    """Coefficients of POWERS that make the derivative, as 0, 1, -1 for sigmoid; None if they do not."""
    with np.errstate(all="ignore"):
        system = np.stack([np.ones(output.size), output.ravel(), output.ravel() ** 2, 1 / output.ravel()], axis=1)
    powers = 4 if np.isfinite(system).all() else 3
    if output.size <= powers:
        return None
    solved = np.linalg.lstsq(system[:, :powers], own.ravel(), rcond=None)[0]
    apart = np.abs(system[:, :powers] @ solved - own.ravel()).max()
    solved[np.abs(solved) < 1e-4 * np.abs(solved).max()] = 0
    return solved if apart < 1e-5 * np.abs(own).max() else None


def spelt(factors: np.ndarray) -> str:
    """The sum of POWERS with these factors, as "output - output**2"."""
    pairs = zip(factors, POWERS[: len(factors)], strict=True)
    terms = [("-" if factor < 0 else "+", abs(factor), power) for factor, power in pairs if factor]
    words = [f"{sign} {power if abs(size - 1) < 1e-4 else f'{size:.4g} * {power}'}" for sign, size, power in terms]
    return " ".join(words).removeprefix("+ ")


def other_place(suspect: Suspect) -> Iterator[Hypothesis]:
    """A derivative that is a function of the output and was given the input, or the reverse."""
    mistake, dvalues = "derivative-of-input-instead-of-output", suspect.dvalues
    inputs, output = suspect.inputs, suspect.output
    if suspect.own is not None and suspect.elementwise and not suspect.loss:
        at_output = suspect.derivative_at(output)
        if at_output is not None:
            evidence, fix = "it is the derivative at the output", "dinputs = dvalues * derivative(inputs)"
            yield Hypothesis(mistake, dvalues * at_output, evidence, fix)
        solved = in_terms_of_output(suspect.own, output)
        if solved is not None:
            powers = [np.ones_like(inputs), inputs, inputs**2, 1 / inputs][: len(solved)]
            at_inputs = np.sum([factor * power for factor, power in zip(solved, powers, strict=True)], axis=0)
            formula = spelt(solved)
            evidence = "it is a formula in terms of the output, given the input"
            yield Hypothesis(mistake, dvalues * at_inputs, evidence, f"dinputs = dvalues * ({formula})")
            yield Hypothesis(mistake, at_inputs, f"{evidence}, and not multiplied by dvalues")
    if suspect.name != "inputs" and suspect.truth.size == inputs[0].size and dvalues.shape == inputs.shape:
        array = np.sum(dvalues * inputs, axis=0).reshape(suspect.truth.shape)
        yield Hypothesis(mistake, array, "it is sum(dvalues * inputs), of inputs that were not normalised")
    if suspect.loss and suspect.stored is not None and suspect.stored.shape == inputs.shape == suspect.claimed.shape:
        constant = ratio(suspect.claimed - suspect.truth, inputs - suspect.stored, suspect.close)
        if constant is not None:
            array = suspect.truth + constant * (inputs - suspect.stored)
            yield Hypothesis(
                mistake, array, "inputs stand in the place of the output", "dinputs = (output - y_true) / N"
            )
    if suspect.jacobian is not None and output.shape == inputs.shape and suspect.distribution:
        array = inputs * (dvalues - np.sum(inputs * dvalues, axis=1, keepdims=True))
        evidence = "it is softmax's formula, given the inputs"
        fix = "dinputs = output * (dvalues - np.sum(output * dvalues, axis=1, keepdims=True))"
        yield Hypothesis(mistake, array, evidence, fix)


def diagonal_only(suspect: Suspect) -> Iterator[Hypothesis]:
    mistake, dvalues = "jacobian-diagonal-only", suspect.dvalues
    if suspect.loss and suspect.truth.ndim == 2 and ((suspect.claimed != 0).sum(axis=1) == 1).all():
        # of a combined step: its loss wants one output a sample
        array = np.where(suspect.claimed != 0, suspect.truth, 0.0)
        yield Hypothesis(mistake, array, "it is right in one entry a sample, and 0 in the others")
    if suspect.own is None or suspect.elementwise or suspect.loss:
        return
    fix = "" if suspect.distribution else "dinputs = np.einsum('nij,ni->nj', jacobian, dvalues)  # every output's share"
    yield Hypothesis(mistake, dvalues * suspect.own, "it is dvalues times the Jacobian's diagonal", fix)
    with np.errstate(all="ignore"):
        share = suspect.claimed / dvalues
        product = share[:, :1] * share[:1] / share[:1, :1]  # as if each were a factor of its row and one of its column
    if np.isfinite(product).all() and (np.sign(share) == np.sign(suspect.own)).mean() > 0.9:
        evidence = "each entry is its own dvalue times a constant, as if mean and variance were given"
        yield Hypothesis(mistake, dvalues * product, evidence, "# add what mean and variance contribute")


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
