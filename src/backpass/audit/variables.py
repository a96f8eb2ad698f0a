"""The parameters of somebody's part: found by the gradients beside them, also in its layers, lists and dicts."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

Values = dict[str, np.ndarray]
DIGITS = "0123456789"
NO_PARAMETERS = ("inputs", "output", "values", "y_pred", "y_true")  # though their gradients are called d + name
GRADIENTS = ("d{0}", "d_{0}", "grad_{0}", "{0}_grad")  # what a gradient is called
DICTS = {"params": ("grads", "gradients"), "parameters": ("grads", "gradients")}  # and where it is, if not beside
DEEPEST = 3
OPAQUE = (type, types.ModuleType, types.FunctionType, types.MethodType, np.random.Generator, np.random.RandomState)

Path = tuple[Any, ...]


class Variable(NamedTuple):
    """Where a parameter is, and its gradient: keys and indices from the part on."""

    path: Path
    gradient: Path


def items_of(holder: Any) -> dict[Any, Any]:
    """What an object, a dict or a list holds, by key."""
    if isinstance(holder, dict):
        return holder
    if isinstance(holder, list | tuple):
        return dict(enumerate(holder))
    if isinstance(holder, (*OPAQUE, np.ndarray)):
        return {}
    slots = [name for kind in type(holder).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(holder, name) for name in slots if hasattr(holder, name)} | getattr(holder, "__dict__", {})


def holders(part: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The part and what it is made of."""
    yield path, part
    if len(path) < DEEPEST:
        for key, value in items_of(part).items():
            if items_of(value):
                yield from holders(value, (*path, key))


def read(part: Any, path: Path) -> Any:
    """What is at a path; None where nothing is."""
    for key in path:
        held = items_of(part)
        part = held[key] if key in held else getattr(part, str(key), None)
    return part


def write(part: Any, path: Path, value: Any) -> None:
    """Put numbers there: into the array that is there, which may have other names too, if it can hold them."""
    holder, key, there = read(part, path[:-1]), path[-1], read(part, path)
    if isinstance(there, float):
        value = value.item()
    elif isinstance(there, np.ndarray) and there.dtype == value.dtype and there.shape == value.shape:
        try:
            there[...] = value
            return
        except ValueError:  # it may not be written to
            pass
    if isinstance(holder, dict | list):
        holder[key] = value
    else:
        setattr(holder, key, value)


def spelt(path: Path) -> str:
    """layers[0].weights"""
    words = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in path]
    return "".join(words).removeprefix(".")


def gradient_of(variable: str) -> str:
    layer, dot, name = variable.rpartition(".")
    return f"{layer}{dot}d{name}"


def is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0)


def gradient_path(part: Any, path: Path) -> Path | None:
    """Where the gradient of what is at `path` is, if it is anywhere."""
    *before, key = path
    if not isinstance(key, str):
        return None
    places: list[Path] = [(*before, name.format(key)) for name in GRADIENTS]
    if before and before[-1] in DICTS:
        places += [(*before[:-1], name, wanted) for name in DICTS[before[-1]] for wanted in (key, f"d{key}")]
    return next((place for place in places if read(part, place) is not None), None)


def found_beside(part: Any, trial: Any, outlasts: Callable[[Path], bool]) -> dict[str, Variable]:
    """Numbers of a part that have a gradient beside them in the trial, a copy in which backward has run.

    `outlasts` says of a path whether forward leaves what somebody puts there: else it is a result, not a parameter.
    """
    paths = [
        (*path, key) for path, holder in holders(part) for key, value in items_of(holder).items() if is_number(value)
    ]
    found = {}
    for path in paths:
        gradient = gradient_path(trial, path)
        if gradient is not None and path[-1] not in NO_PARAMETERS and outlasts(path):
            found[spelt(path)] = Variable(path, gradient)
    stems = {name.rstrip(DIGITS) for name in found} - {""}
    for path in paths:  # weights2 is a parameter where weights1 is one, though nothing may set dweights2
        name = spelt(path)
        if (
            len(path) == 1
            and name not in found
            and name[-1] in DIGITS
            and name.rstrip(DIGITS) in stems
            and outlasts(path)
        ):
            found[name] = Variable(path, (f"d{name}",))
    return found


def doubled(part: Any, path: Path = (), made: dict[int, np.ndarray] | None = None) -> None:
    """Make float32 arrays float64, in place of the part; an array with two names keeps both."""
    made = {} if made is None else made
    for key, value in list(items_of(part).items()):
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype != np.float64:
            double = made.setdefault(id(value), value.astype(np.float64))
            if isinstance(part, dict | list):
                part[key] = double
            elif not isinstance(part, tuple):
                setattr(part, key, double)
        elif len(path) < DEEPEST and items_of(value):
            doubled(value, (*path, key), made)
