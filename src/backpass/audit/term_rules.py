"""Which terms an entry is the sum of: for each kind of layer and attribute, as its file's docstring states them.

    dparameter = sum over n, m of dvalues[n, m] * d output[n, m] / d parameter
    dinputs    = sum over n, m of dvalues[n, m] * d output[n, m] / d inputs

The derivative of Dense, of norms and of some activations is written down here, in the factors that their kernels
multiply: where these cancel (1 - output of a Sigmoid that is nearly 1) another form would have other digits. That of
every other layer is had from its formula by a complex step, f(x + ih).imag / h, which is exact to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.audit.formulas import has_formula
from backpass.audit.loss_rules import fused_instead, loss_gradient, mean_loss, penalty_gradient, sample_loss
from backpass.audit.terms import Factor, Group, Index, entry_name, group
from backpass.audit.traced import Step, kind_of, step_size

ALL = slice(None)
# What an activation's output is of its input, and what its derivative is a product of. Of Tanh 1 - output ** 2, in two
# factors that have all their digits near 1, as the kernel's fused multiply-add has. Of Mish because NumPy's log1p of
# a complex number has none below 1e-16: at -10 a complex step is off by 2e-12.
OUTPUTS = {
    "Linear": "{0}",
    "ReLU": "np.maximum({0}, 0)",
    "Exponential": "np.exp({0})",
    "Sigmoid": "1 / (1 + np.exp(-{0}))",
    "Tanh": "np.tanh({0})",
}
DENSE = {"Dense": "Linear", "DenseReLU": "ReLU", "DenseSigmoid": "Sigmoid", "DenseTanh": "Tanh"}
NORMS = "BatchNorm", "LayerNorm"
T = "np.tanh(np.logaddexp(0, {0}))"
SLOPES: dict[str, tuple[tuple[str, str], ...]] = {
    "Linear": (),
    "ReLU": (("inputs", "({0} > 0)"),),
    "Exponential": (("output", "{0}"),),
    "Sigmoid": (("output", "{0}"), ("output", "(1 - {0})")),
    "Tanh": (("output", "(1 - {0})"), ("output", "(1 + {0})")),
    "Dropout": (("saved", "{0}"),),
    "Mish": (("inputs", f"({T} + {{0}} * (1 - {T} ** 2) / (1 + np.exp(-{{0}})))"),),
}


def groups_of(step: Step, array: str, index: tuple[int, ...]) -> list[Group]:
    """The terms of an entry of an array that is no other's second name."""
    if array in step.leaves:
        return [group(step.factor(array, *index))]
    part, _, attribute = array.partition(".")
    if part == "loss":
        if not attribute:
            return mean_loss(step)
        return sample_loss(step, *index) if attribute == "output" else loss_gradient(step, *index)
    kind = kind_of(step.layers[part])
    if attribute == "dinputs":
        groups = inputs_gradient(step, part, kind, *index)
        return fused_instead(step, part, index, groups) if step.fusion and part == step.last else groups
    if array in step.gradients:
        parameter = attribute[1:]
        return parameter_gradient(step, part, kind, parameter, index) + penalty_gradient(step, part, parameter, index)
    if attribute == "normal":
        return normal(step, part, *index)
    return output(step, part, kind, *index)


# ------------------------------------------------------------------------------------------------------------- forward


def output(step: Step, part: str, kind: str, n: int, m: int) -> list[Group]:
    inputs = f"{part}.inputs"
    if kind == "Dense":
        products = group(step.factor(inputs, n, ALL), step.factor(f"{part}.weights", ALL, m))
        return [products, group(step.factor(f"{part}.biases", 0, m), note="bias")]
    if kind in OUTPUTS:
        return [group(step.factor(inputs, n, m, form=OUTPUTS[kind]))]
    if kind == "Dropout":
        return [group(step.factor(inputs, n, m), step.factor(f"{part}.saved", n, m))]
    if kind in NORMS:
        scaled = group(step.factor(f"{part}.normal", n, m), step.factor(f"{part}.gamma", 0, m))
        return [scaled, group(step.factor(f"{part}.beta", 0, m), note="shift")]
    if kind == "Softmax":
        shifted = f"np.exp({{0}} - np.max({inputs}[{n}]))"
        total = f"np.sum(np.exp({inputs}[{n}] - np.max({inputs}[{n}])))"
        return [group(step.factor(inputs, n, m, form=shifted), step.number(f"1 / {total}", "1 / sum of the row's"))]
    if kind == "Embedding":
        return [group(step.factor(*looked_up(step, part, n, m)))]
    return [formula_output(step, part, n, m)]


def looked_up(step: Step, part: str, n: int, m: int) -> tuple[Any, ...]:
    """The entry that column m of an Embedding's output is a copy of: of the inputs, or of the tables."""
    layer: Any = step.layers[part]
    passing = [column for column in range(layer.n_inputs) if column not in layer.places]
    if m < len(passing):
        return f"{part}.inputs", n, passing[m]
    numbered = np.arange(layer.weights.size, dtype=np.float64)[None]
    inputs = step.arrays[f"{part}.inputs"]
    return f"{part}.weights", 0, int(step.names[part].forward(inputs[n : n + 1], weights=numbered)[0, m])


def formula_output(step: Step, part: str, n: int, m: int) -> Group:
    """What the formula makes of the inputs; an entry of its own where no other matters to it."""
    layer, inputs = step.layers[part], step.arrays[f"{part}.inputs"]
    name = type(layer).__name__ if has_formula(layer) else repr(layer)
    if not has_formula(layer) or layer.couples_samples:
        return group(step.number(f"{part}.forward({part}.inputs)[{n}, {m}]", f"{name} of {part}.inputs"))
    text = f"{part}.forward({part}.inputs[{n}:{n + 1}])[0, {m}]"
    others = 1e-30j * (np.arange(inputs.shape[1]) != m)
    alone = m < inputs.shape[1] and not layer.parameter_shapes()
    if alone and step.names[part].forward(inputs[n : n + 1] + others)[0, m].imag == 0:
        return group(step.number(text, f"{name} of {{0}}", f"{part}.inputs", (n, m)))
    return group(step.number(text, f"{name} of {part}.inputs[{n}, :]"))


def normal(step: Step, part: str, n: int, m: int) -> list[Group]:
    """(inputs - mean) / deviation"""
    mean = entry_name(f"{part}.mean", place_in_row(step, part, n, m))
    return [group(step.factor(f"{part}.inputs", n, m, form=f"({{0}} - {mean})"), inverse_deviation(step, part, n, m))]


def along_samples(step: Step, part: str) -> bool:
    return kind_of(step.layers[part]) == "BatchNorm"


def place_in_row(step: Step, part: str, n: int, m: int) -> tuple[int, int]:
    """Of the mean and the deviation of inputs[n, m]: BatchNorm has one a column, LayerNorm one a sample."""
    return (0, m) if along_samples(step, part) else (n, 0)


def inverse_deviation(step: Step, part: str, n: int, m: int) -> Factor:
    return step.factor(f"{part}.deviation", *place_in_row(step, part, n, m), form="(1 / {0})")


# ------------------------------------------------------------------------------------------------------------ backward


def inputs_gradient(step: Step, part: str, kind: str, n: int, d: int) -> list[Group]:
    dvalues = f"{part}.dvalues"
    if kind in DENSE:
        slopes = dense_slopes(step, part, kind, n, ALL)
        return [group(step.factor(dvalues, n, ALL), *slopes, step.factor(f"{part}.weights", d, ALL))]
    if kind in SLOPES:
        slopes = [step.factor(f"{part}.{of}", n, d, form=form) for of, form in SLOPES[kind]]
        return [group(step.factor(dvalues, n, d), *slopes)]
    if kind == "Softmax":
        own = step.factor(f"{part}.output", n, d)
        row = step.factor(f"{part}.output", n, ALL), step.factor(dvalues, n, ALL)
        diagonal = group(own, step.factor(dvalues, n, d), note="the Jacobian's diagonal")
        return [diagonal, group(step.number("-1"), own, *row, note="the Jacobian's row")]
    if kind in NORMS:
        return norm_gradient(step, part, n, d)
    x = step.arrays[f"{part}.inputs"]
    h = step_size(x[n, d])
    if has_formula(step.layers[part]) and not step.layers[part].couples_samples:
        nudged = f"{part}.inputs[{n}:{n + 1}] + {h}j * (np.arange({x.shape[1]}) == {d})"
        text = f"{part}.forward({nudged})[0].imag / {h}"
        return [through_formula(step, part, text, f"inputs[{n}, {d}]", (n, ALL), (d,))]
    text = f"{part}.forward({part}.inputs + {one_entry(x, (n, d), h)}).imag / {h}"
    return [through_formula(step, part, text, f"inputs[{n}, {d}]", (ALL, ALL), (n, d))]


def parameter_gradient(step: Step, part: str, kind: str, parameter: str, index: tuple[int, ...]) -> list[Group]:
    dvalues = f"{part}.dvalues"
    if kind in DENSE or kind in NORMS:
        column = [step.factor(dvalues, ALL, index[1]), *dense_slopes(step, part, kind, ALL, index[1])]
        if parameter == "weights":
            column.insert(0, step.factor(f"{part}.inputs", ALL, index[0]))
        if parameter == "gamma":
            column.append(step.factor(f"{part}.normal", ALL, index[1]))
        return [group(*column)]
    values = step.arrays[f"{part}.{parameter}"]
    h = step_size(values[index])
    nudged = f"{part}.{parameter} + {one_entry(values, index, h)}"
    text = f"{part}.forward({part}.inputs, {parameter}={nudged}).imag / {h}"
    name = f"{parameter}[{', '.join(map(str, index))}]"
    return [through_formula(step, part, text, name, (ALL, ALL), (0, 0))]


def dense_slopes(step: Step, part: str, kind: str, *index: int | slice) -> list[Factor]:
    """The derivative of the activation that is one with a Dense, as its kernel has it from the output alone."""
    return [step.factor(f"{part}.output", *index, form=form) for _, form in SLOPES[DENSE.get(kind, "Linear")]]


def through_formula(step: Step, part: str, text: str, name: str, index: Index, least: Sequence[int]) -> Group:
    """dvalues times the derivative that `text` computes, where that is not 0; if it is 0 everywhere, one such term."""
    dvalues = step.factor(f"{part}.dvalues", *index)
    slopes = step.number(f"({text})", f"d {{0}} / d {part}.{name}", f"{part}.output", index)
    last = np.array(dvalues.values.shape) - 1
    return group(dvalues, slopes, kept=slopes.values != 0, least=np.minimum(least, last).tolist())


def norm_gradient(step: Step, part: str, n: int, m: int) -> list[Group]:
    """Straight, and through the mean and the variance, which depend on every entry of the column, or of the row."""
    along = (ALL, m) if along_samples(step, part) else (n, ALL)
    scale = inverse_deviation(step, part, n, m)
    share = step.number(f"-1 / {step.arrays[f'{part}.inputs'].shape[0 if along[0] is ALL else 1]}")

    def gained(*place: int | slice) -> tuple[Factor, Factor]:
        return step.factor(f"{part}.dvalues", *place), step.factor(f"{part}.gamma", 0, place[1])

    normals = step.factor(f"{part}.normal", n, m), step.factor(f"{part}.normal", *along)
    return [
        group(*gained(n, m), scale, note="straight"),
        group(*gained(*along), share, scale, note="through the mean"),
        group(*gained(*along), *normals, share, scale, note="through the variance"),
    ]


def one_entry(array: np.ndarray, index: tuple[int, ...], h: float) -> str:
    flat = np.ravel_multi_index(index, array.shape) if index else 0
    return f"{h}j * (np.arange({array.size}) == {flat}).reshape({array.shape})"
