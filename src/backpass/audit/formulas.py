"""The formula of a part: the two NumPy functions that stand beside its kernels, called by the names of their arguments.

Formulas take complex numbers, which kernels do not; the derivatives that the audit believes come from there.
"""

from __future__ import annotations

import copy
import inspect
import sys
from typing import Any

import numpy as np

from backpass.layers.layer import Layer
from backpass.losses.loss import Loss


def has_formula(part: Any) -> bool:
    """Whether a layer or a loss has kernels, and its module a formula that says the same."""
    function = formula(part, "forward")
    if function is None or not part.compiled:
        return False
    return next(iter(inspect.signature(function).parameters), None) in ("inputs", "y_pred")


def formula(part: Any, which: str) -> Any:
    """`forward` or `backward` of a part's module; None where there is none."""
    return getattr(sys.modules.get(type(part).__module__), which, None)


def call(part: Any, which: str, known: dict[str, Any]) -> Any:
    """Call a formula: what `known` does not hold is an attribute of the part or an argument that made it."""
    function, arguments = formula(part, which), {}
    config = part.config()
    for name, parameter in inspect.signature(function).parameters.items():
        if name in known:
            arguments[name] = known[name]
        elif name == "settings" or (name not in config and hasattr(part, name)):
            arguments[name] = getattr(part, name)
        elif name in config or parameter.default is parameter.empty:
            arguments[name] = config[name]
    return function(**arguments)


def output_of(layer: Layer, inputs: np.ndarray, **parameters: np.ndarray) -> np.ndarray:
    """What a layer's formula makes of inputs (N, D), as in training; `parameters` take the place of the layer's own."""
    return call(layer, "forward", {"inputs": inputs, **parameters})


def losses_of(loss: Loss, y_pred: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Loss of each sample (N,) by the formula; `rows` (N, C) are targets as `rows_of` gives them."""
    function = formula(loss, "forward")
    first, second = list(inspect.signature(function).parameters)[:2]
    losses = call(loss, "forward", {first: y_pred, second: rows})
    return losses[0] if isinstance(losses, tuple) else losses  # a fusion's returns the output too


def rows_of(loss: Loss, y_true: Any, width: int) -> np.ndarray:
    """Targets as formulas know them: rows (N, width), smoothed or weighted where the loss does that."""
    targets = loss.effective(loss.targets(y_true, width, np.float64), width, np.float64)
    return np.eye(width)[targets] if targets.ndim == 1 else targets


def in_float64(layer: Layer) -> Layer:
    """A copy of a layer that computes in float64, with the same parameters and running statistics."""
    double = copy.deepcopy(layer)
    if double.dtype not in (None, np.float64):
        double.allocate(np.float64)
        double.parameters[:] = layer.parameters
        for name in layer.state_names:
            double.__dict__[f"_{name}"] = getattr(layer, name).astype(np.float64)
    return double
