"""Somebody's objects and functions, as the audit handles them: copied, in float64, their arguments looked at."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from backpass.audit import variables
from backpass.layers.layer import Layer

TRUTHS = ("y_true", "y", "t", "target", "targets", "label", "labels", "truth")
TOLD = {"training": True, "train": True, "is_training": True, "step": 1}  # what a layer's forward may want to know
INPUTS = ("inputs", "input", "x", "X")
ARRIVING = ("dvalues", "dout", "grad", "gradient", "grad_output", "upstream", "dy", "d", "dL")
MADE = ("output", "out", "outputs", "a", "s")


def as_float64(inputs: Any) -> np.ndarray:
    array = np.array(inputs, np.float64)
    if array.ndim == 0 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"inputs has shape {array.shape}; pass finite numbers, one row a sample, such as (7, 4)")
    return array


def in_float64(part: Any) -> Any:
    """A copy of somebody's object in which float32 arrays are float64."""
    try:
        double = copy.deepcopy(part)
    except Exception as error:
        raise TypeError(f"{type(part).__name__} cannot be copied, which an audit needs: {error}") from None
    variables.doubled(double)
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
    """Whether a forward has two arguments of which one is the truth: so called, or one that it cannot do without."""
    names = arguments_of(method)
    if len(names) < 2:
        return False
    needed = inspect.signature(method).parameters[names[1]].default is inspect.Parameter.empty
    return names[1] in TRUTHS or (needed and names[1] not in (*TOLD, "mode"))


def truth_first(method: Any) -> bool:
    """Whether a loss takes (y_true, y_pred), as Keras has it."""
    names = arguments_of(method)
    return len(names) > 1 and names[0] in TRUTHS and names[1] not in TRUTHS


def arguments_of(method: Any) -> list[str]:
    """Names of the arguments that may be given by place."""
    parameters = inspect.signature(method).parameters.values()
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def assigned(returned: Any, names: list[str], values: dict[str, np.ndarray]) -> dict[str, Any]:
    """Gradients that backward returned together, by variable: inputs first where the shapes say so, else last."""
    returned = list(returned)
    others = [name for name in names if name != "inputs"]
    first = np.shape(returned[0]) == values["inputs"].shape
    if first and others and np.shape(returned[-1]) == values["inputs"].shape:
        first = np.shape(returned[0]) != values[others[0]].shape
    order = ["inputs", *others] if first or not others else [*others, "inputs"]
    return dict(zip(order, returned, strict=False))


class Functions:
    """A pair of NumPy functions as an object; arguments are known by their names.

    forward may return (output, cache), and backward take the cache; backward may return a tuple of gradients.
    """

    def __init__(self, forward: Any, backward: Any, parameters: dict[str, Any]):
        self.functions, self.parameter_names = (forward, backward), list(parameters)
        for name, value in parameters.items():
            setattr(self, name, np.array(value, np.float64))

    def _call(self, function: Any, known: dict[str, Any]) -> Any:
        known = known | {name: getattr(self, name) for name in self.parameter_names}
        arguments = {}
        for name in arguments_of(function):
            kinds = {"inputs": INPUTS, "dvalues": ARRIVING, "output": MADE}
            meant = next((kind for kind, names in kinds.items() if name in names and kind in known), name)
            if meant in known:
                arguments[name] = known[meant]
        unknown = [name for name in needed_by(function) if name not in arguments]
        rest = [value for kind, value in known.items() if kind in ("inputs", "dvalues") and not is_in(value, arguments)]
        if len(unknown) == len(rest):
            arguments |= dict(zip(unknown, rest, strict=True))
        elif unknown:
            has = ", ".join(known)
            raise TypeError(f"{function.__name__} takes {unknown[0]}, which the audit does not know; it has {has}")
        by_place = []
        for name in arguments_of(function):
            if name not in arguments:
                break
            by_place.append(arguments.pop(name))
        return function(*by_place, **arguments)

    def forward(self, inputs: np.ndarray) -> Any:
        self.inputs = inputs
        result = self._call(self.functions[0], {"inputs": inputs})
        self.output, *cache = result if isinstance(result, tuple) else (result,)
        self.cache = cache[0] if len(cache) == 1 else tuple(cache)
        return self.output

    def backward(self, dvalues: np.ndarray) -> Any:
        known = {"inputs": self.inputs, "output": self.output, "cache": self.cache, "dvalues": dvalues}
        return self._call(self.functions[1], known)


def needed_by(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters
    return [name for name in arguments_of(function) if parameters[name].default is inspect.Parameter.empty]


def is_in(value: Any, arguments: dict[str, Any]) -> bool:
    return any(each is value for each in arguments.values())


class LossFunctions(Functions):
    """A loss as a pair of functions."""

    def forward(self, y_pred: np.ndarray, y_true: Any) -> Any:  # type: ignore[override]
        first = self.functions[0]
        return first(y_true, y_pred) if truth_first(first) else first(y_pred, y_true)

    def backward(self, y_pred: np.ndarray, y_true: Any) -> Any:  # type: ignore[override]
        second = self.functions[1]
        return second(y_true, y_pred) if truth_first(second) else second(y_pred, y_true)
