"""Which terms the loss and its gradient are the sum of, the penalties too, and where 1/N enters."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.audit.formulas import call
from backpass.audit.terms import Factor, Group, Terms, group
from backpass.audit.traced import Step, step_size
from backpass.fusions.fusion import Fusion
from backpass.losses.loss import Loss
from backpass.losses.own import OwnLoss

# Derivatives that are better read than found by a complex step: numerator and denominator of each term. Those that
# cancel where a prediction is nearly right are two terms. Where a numerator is 0 there is none: what is not meant
# costs nothing, though the prediction be 0 too. At a kink a step sees one side, and these are 0.
SLOPES = {
    "CategoricalCrossentropy": (("-{y}", "{p}"),),
    "BinaryCrossentropy": (("{no} * (1 - {y})", "(1 - {p}) / {M}"), ("-{yes} * {y}", "{p} / {M}")),
    "Poisson": (("1", "{M}"), ("-{y}", "{p} / {M}")),
    "Gamma": (("1", "{p} / {M}"), ("-{y}", "{p} / {p} / {M}")),
    "ExponentialGamma": (("1", "{M}"), ("-{y}", "{p} / {M}")),
    "MeanSquaredError": (("2 * ({p} - {y})", "{M}"),),
    "MeanAbsoluteError": (("np.sign({p} - {y})", "{M}"),),
    "Pinball": (("(1 - {q}) * ({p} > {y})", "{M}"), ("-{q} * ({p} < {y})", "{M}")),
}
ENTERS = "1/N (which enters here)"


def mean_loss(step: Step) -> list[Group]:
    groups = [group(step.factor("loss.output", slice(None)), step.number(f"1 / {len(step.X)}", "1/N"))]
    for part, layer in step.layers.items():
        for name, factors in layer.penalties.items():
            w = f"{part}.{name}"
            text = weighted(factors, f"{{factor!r}} * np.sum(np.abs({w}))", f"{{factor!r}} * np.sum({w} ** 2)")
            groups.append(group(step.number(text, f"penalty of {w}")))
    return groups


def sample_loss(step: Step, n: int) -> list[Group]:
    """What each output costs, where the loss is their sum or their mean; else the loss as one number."""
    loss, value = step.network.loss, float(step.arrays["loss.output"][n])
    alone = [group(step.number(f"loss.output[{n}]", f"{type(loss).__name__} of sample {n}"))]
    if isinstance(loss, OwnLoss | Fusion) or not math.isfinite(value):
        return alone
    C = step.arrays["loss.y_pred"].shape[1]
    entry = "loss.forward(loss.y_pred[{n}:{n} + 1, {c}:{c} + 1], loss.y_true[{n}:{n} + 1, {c}:{c} + 1])[0]"
    try:
        costs = [step.number(entry.format(n=n, c=c), "cost of {0}", "loss.y_pred", (n, c)) for c in range(C)]
    except (ValueError, IndexError):  # one that looks at all outputs together
        return alone
    shares = [[], [step.number(f"1 / {C}", "1/M")]]
    either = [[group(each, *share) for each in costs] for share in shares]
    apart = [abs(Terms(groups).total - value) / (Terms(groups).absolute or 1.0) for groups in either]
    best = int(np.argmin(apart))
    return either[best] if apart[best] <= tolerance(step) else alone


def penalty_gradient(step: Step, part: str, parameter: str, index: tuple[int, ...]) -> list[Group]:
    """l1 * sign(w) + 2 * l2 * w, where there is a penalty."""
    form = weighted(
        step.layers[part].penalties.get(parameter, ()), "{factor!r} * np.sign({{0}})", "2 * {factor!r} * {{0}}"
    )
    return [group(step.factor(f"{part}.{parameter}", *index, form=form), note="penalty")] if form else []


def weighted(factors: Sequence[float], *texts: str) -> str:
    """Those of the texts whose factor is not 0, as a sum."""
    return " + ".join(text.format(factor=factor) for factor, text in zip(factors, texts, strict=False) if factor)


def loss_gradient(step: Step, n: int, c: int) -> list[Group]:
    """(d loss[n] / d y_pred[n, c]) * 1/N"""
    loss = step.network.loss
    if isinstance(loss, Fusion):
        return fused_step(step, loss, "loss.y_pred", n, c)
    share = share_of_sample(step)
    value = float(step.arrays["loss.dinputs"][n, c]) * len(step.X)
    if not math.isfinite(value):  # a step beside a pole says nothing of it
        text = "np.nan" if math.isnan(value) else f"{np.sign(value):+.0f} * np.inf"
        return [group(step.number(text, f"d loss.output[{n}] / d loss.y_pred[{n}, {c}]"), share)]
    if type(loss).__name__ in SLOPES:
        return known_slope(step, loss, "loss.y_pred", n, c)
    y_pred = step.arrays["loss.y_pred"]
    h = step_size(y_pred[n, c])
    nudged = f"loss.y_pred[{n}:{n + 1}] + {h}j * (np.arange({y_pred.shape[1]}) == {c})"
    y = "y" if isinstance(loss, OwnLoss) else "loss.y_true"
    text = f"(loss.forward({nudged}, {y}[{n}:{n + 1}])[0].imag / {h})"
    return [group(step.number(text, f"d loss.output[{n}] / d loss.y_pred[{n}, {c}]"), share)]


def known_slope(step: Step, loss: Loss, y_pred: str, n: int, c: int) -> list[Group]:
    """The terms of SLOPES, at the predictions of this name."""
    settings = loss.settings.tolist() or [1]
    names = {"y": f"loss.y_true[{n}, {c}]", "p": f"{y_pred}[{n}, {c}]", "M": step.arrays[y_pred].shape[1]}
    names |= {"no": settings[0], "yes": settings[-1], "q": settings[c % len(settings)]}
    parts = [[text.format(**names) for text in part] for part in SLOPES[type(loss).__name__]]
    texts = [f"{above} / {below}" for above, below in parts if step.evaluate(above) != 0]
    return [group(step.number(text), share_of_sample(step)) for text in texts or ["0.0"]]


def share_of_sample(step: Step) -> Factor:
    return step.number(f"1 / {len(step.X)}", ENTERS)


def fused_step(step: Step, fusion: Fusion, y_pred: str, n: int, c: int) -> list[Group]:
    """(a * prediction + b) / N, which the derivative of an activation and a loss in one step is, or the known slope."""
    if type(fusion).__name__ in SLOPES:
        return known_slope(step, fusion, y_pred, n, c)
    rows = step.arrays["loss.y_true"][n : n + 1]

    def of_one_sample(prediction: float) -> float:
        full = np.full(rows.shape, prediction)
        return float(call(fusion, "backward", {"dvalues": full, "y_pred": full, "y_true": rows})[0, c])

    pull = of_one_sample(0)
    times = step.number(repr(of_one_sample(1) - pull), f"{of_one_sample(1) - pull:g}")
    exactly = pull == -rows[0, c]
    target = f"-loss.y_true[{n}, {c}]" if exactly else repr(pull)
    pulls = step.number(target, "" if exactly else f"pull of loss.y_true[{n}, {c}]")
    factors = [step.factor(y_pred, n, c), *([] if times.values == 1 else [times]), share_of_sample(step)]
    return [group(*factors, note="prediction"), group(pulls, share_of_sample(step), note="target")]


def fused_instead(step: Step, part: str, index: tuple[int, ...], groups: list[Group]) -> list[Group]:
    """The way through the Jacobian, or where it loses digits, or ends at 0 / 0, the one step that the engine takes."""
    terms, value = Terms(groups), float(step.arrays[f"{part}.dinputs"][index])
    if abs(terms.total - value) <= tolerance(step) * terms.absolute:
        return groups
    return fused_step(step, step.fusion, f"{part}.output", *index)  # type: ignore[arg-type]  # asked for if there is one


def tolerance(step: Step) -> float:
    """What rounding may add to the sum of the absolute terms, as a share of it: 1e-12 in float64."""
    return 1e-12 * float(np.finfo(step.network.dtype).eps / np.finfo(np.float64).eps)


def remark(step: Step, array: str) -> str:
    """What has to be said of an array beside its terms."""
    loss = step.network.loss
    if step.fusion is not None and array == f"{step.last}.dinputs":
        name = type(step.fusion).__name__
        return (
            f"computed with the loss in one step, {name}, of dvalues = output: {formula_line(step.fusion, 'dinputs')}"
        )
    if array == "loss.y_pred":
        return f"{type(loss).__name__}'s own, of {step.last}.output"
    return formula_line(loss, {"loss.output": "loss[n]", "loss.dinputs": "dinputs"}.get(array, ""))


def formula_line(part: Any, name: str) -> str:
    """The line of a part's docstring that states an array; "" where there is none."""
    text = sys.modules[type(part).__module__].__doc__ or ""
    line = re.search(rf"^ *({re.escape(name)}[^=]*=.*)$", text, re.MULTILINE) if name else None
    return re.sub(r"\s+", " ", line[1]) if line else ""
