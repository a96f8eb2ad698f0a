"""Somebody's objects and functions, as the audit handles them: copied, in float64, their arguments looked at."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from backpass.layers.layer import Layer

TRUTHS = ("y_true", "y", "target", "targets", "label", "labels", "y_true_labels")
Values = dict[str, np.ndarray]


def as_float64(inputs: Any) -> np.ndarray:
    array = np.array(inputs, np.float64)
    if array.ndim == 0 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"inputs has shape {array.shape}; pass finite numbers, one row a sample, such as (7, 4)")
    return array


def with_parameters(part: Any, values: Values) -> Any:
    for name, value in values.items():
        if name != "inputs":
            setattr(part, name, value.copy())
    return part


def is_floating(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.size > 0


def vars_of(part: Any) -> dict[str, Any]:
    return getattr(part, "__dict__", {})


def doubled(part: Any) -> Any:
    """A copy of somebody's object in which float32 arrays are float64."""
    try:
        double = copy.deepcopy(part)
    except Exception as error:
        raise TypeError(f"{type(part).__name__} cannot be copied, which an audit needs: {error}") from None
    for name, value in vars_of(double).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            setattr(double, name, value.astype(np.float64))
    return double


def penalties_of(part: Any) -> dict[str, tuple[float, float]]:
    """L1 and L2 factors by parameter: our layers', and those that the book's Layer_Dense keeps."""
    if isinstance(part, Layer):
        return dict(part.penalties)
    found = {}
    for name, prefix in (("weights", "weight"), ("biases", "bias")):
        factors = tuple(float(getattr(part, f"{prefix}_regularizer_l{order}", 0) or 0) for order in (1, 2))
        if any(factors):
            found[name] = factors
    return found  # type: ignore[return-value]


def takes_truth(method: Any) -> bool:
    """Whether a forward has a second argument that is the truth: one so called, or one that it cannot do without."""
    names = arguments_of(method)
    if len(names) < 2:
        return False
    needed = inspect.signature(method).parameters[names[1]].default is inspect.Parameter.empty
    return names[1] in TRUTHS or (needed and names[1] not in ("training", "train", "step"))


def arguments_of(method: Any) -> list[str]:
    """Names of the arguments that may be given by place."""
    parameters = inspect.signature(method).parameters.values()
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


class Functions:
    """A pair of NumPy functions as an object: arguments by name, such as inputs, output and dvalues, else by place."""

    def __init__(self, forward: Any, backward: Any, parameters: Values):
        self.functions, self.parameter_names = (forward, backward), list(parameters)
        for name, value in parameters.items():
            setattr(self, name, np.array(value))

    def _call(self, function: Any, **known: Any) -> Any:
        known |= {name: getattr(self, name) for name in self.parameter_names}
        wanted = list(inspect.signature(function).parameters)
        if set(wanted) <= known.keys():
            return function(**{name: known[name] for name in wanted})
        by_place = [value for name, value in known.items() if name != "output" or "output" in wanted]
        return function(*by_place[: len(wanted)])

    def forward(self, inputs: np.ndarray) -> Any:
        self.inputs = inputs
        self.output = self._call(self.functions[0], inputs=inputs)
        return self.output

    def backward(self, dvalues: np.ndarray) -> Any:
        result = self._call(self.functions[1], inputs=self.inputs, output=self.output, dvalues=dvalues)
        if not isinstance(result, tuple):
            return result
        for name, gradient in zip(self.parameter_names, result, strict=False):
            setattr(self, f"d{name}", gradient)
        return result[-1]


class LossFunctions(Functions):
    """A loss as a pair of functions."""

    def forward(self, y_pred: np.ndarray, y_true: Any) -> Any:  # type: ignore[override]
        return self.functions[0](y_pred, y_true)

    def backward(self, y_pred: np.ndarray, y_true: Any) -> Any:  # type: ignore[override]
        return self.functions[1](y_pred, y_true)
