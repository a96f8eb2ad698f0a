"""The parameters of a custom part: numbers with a gradient beside them, wherever in the part they are.

Numbers are arrays, floats, and nested lists of numbers. They may be attributes, or in dicts, lists, tuples, layers
and other objects. The gradient of `weights` is `dweights` and the like; that of `params[0]` is `grads[0]`, that of
`W.data` is `W.grad`: the same path, in which one name is that of a gradient.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from backpass.audit import formulas
from backpass.layers.layer import Layer
from backpass.layers.own import own_part

Values = dict[str, np.ndarray]
DIGITS = "0123456789"
NO_PARAMETERS = ("inputs", "output", "values", "y_pred", "y_true")  # though their gradients are called d + name
GRADIENTS = (
    "d{0}",
    "d_{0}",
    "grad_{0}",
    "{0}_grad",
    "grads_{0}",
    "{0}_grads",
    "{0}_gradient",
    "gradient_{0}",
    "nabla_{0}",
)
HELD = {"params": ("grads", "gradients", "dparams"), "parameters": ("grads", "gradients", "dparameters")}
TOGETHER = HELD | {
    "data": ("grad", "gradient"),
    "value": ("grad", "gradient"),
    "weights": ("nabla_w",),
    "biases": ("nabla_b",),
}
ALL_GRADIENTS = ("grads", "gradients")  # a dict or an object that holds the gradients of what stands beside it
DEEPEST = 12
OPAQUE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    np.random.Generator,
    np.random.RandomState,
    str,
    bytes,
)

Path = tuple[Any, ...]


class Variable(NamedTuple):
    """Where a parameter is, and its gradient: keys and indices from the part on."""

    path: Path
    gradient: Path


def items_of(holder: Any) -> dict[Any, Any]:
    """What an object, a dict or a list holds, by key; of a layer of backpass the parameters."""
    if isinstance(holder, (*OPAQUE, np.ndarray)):
        return {}
    if isinstance(holder, Layer) and (own_part(holder) is not holder or holder.parameter_shapes()):
        own = own_part(holder)
        return (
            {"part": own} if own is not holder else {name: getattr(holder, name) for name in holder.parameter_shapes()}
        )
    if isinstance(holder, Mapping):
        return dict(holder)
    if isinstance(holder, Sequence):
        return dict(enumerate(holder))
    slots = [name for kind in type(holder).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(holder, name) for name in slots if hasattr(holder, name)} | getattr(holder, "__dict__", {})


def holders(part: Any, path: Path = (), met: set[int] | None = None) -> Iterator[tuple[Path, Any]]:
    """The part and what it is made of, each object once."""
    met = set() if met is None else met
    if id(part) in met:
        return
    met.add(id(part))
    yield path, part
    if len(path) < DEEPEST:
        for key, value in items_of(part).items():
            if not is_number(value) and items_of(value):
                yield from holders(value, (*path, key), met)


def numbers_of(part: Any) -> dict[Path, Any]:
    """Every number of a part by its path; an array that has several names under the first."""
    found: dict[Path, Any] = {}
    met: set[int] = set()
    for path, holder in holders(part):
        for key, value in items_of(holder).items():
            if is_number(value) and (isinstance(value, float) or id(value) not in met):
                met.add(id(value))
                found[(*path, key)] = value
    return found


def read(part: Any, path: Path) -> Any:
    """What is at a path; None where nothing is."""
    for key in path:
        held = items_of(part)
        part = held[key] if key in held else getattr(part, str(key), None)
    return part


def write(part: Any, path: Path, value: Any) -> None:
    """Put numbers there: into the array that is there, which may have other names too, if it can hold them."""
    there = read(part, path)
    if isinstance(there, float):
        value = value.item()
    elif isinstance(there, list | tuple):
        value = nested(value, type(there))
    elif isinstance(there, np.ndarray) and there.dtype == value.dtype and there.shape == value.shape:
        try:
            there[...] = value
            return
        except ValueError:  # it may not be written to
            pass
    put(part, path, value)


def put(part: Any, path: Path, value: Any) -> None:
    """Put any object there; a tuple is made anew."""
    holder, key = read(part, path[:-1]), path[-1]
    if isinstance(holder, tuple):
        items = [value if place == key else each for place, each in enumerate(holder)]
        put(part, path[:-1], type(holder)(*items) if hasattr(holder, "_fields") else tuple(items))
    elif isinstance(holder, Mapping | Sequence):
        holder[key] = value  # type: ignore[index]  # one that cannot be changed says so
    else:
        try:
            setattr(holder, key, value)
        except AttributeError:  # a frozen dataclass
            object.__setattr__(holder, key, value)


def nested(value: np.ndarray, kind: type) -> Any:
    """An array as nested lists, or tuples."""
    return kind(nested(each, kind) for each in value) if value.ndim else value.item()


def spelt(path: Path) -> str:
    """layers[0].weights; what is called data in an object of its own goes by the object's name."""
    path = path[:-1] if len(path) > 1 and path[-1] in ("data", "value") else path
    words = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in path]
    return "".join(words).removeprefix(".")


def gradient_of(variable: str) -> str:
    layer, dot, name = variable.rpartition(".")
    return variable if name.partition("[")[0] in HELD and name.endswith("]") else f"{layer}{dot}d{name}"


def is_number(value: Any) -> bool:
    if isinstance(value, list | tuple) and value and isinstance(value[0], float | int | list | tuple | np.floating):
        try:
            value = np.array(value)
        except ValueError:  # of unequal lengths
            return False
    return isinstance(value, float | np.floating) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0
    )


def gradient_path(part: Any, path: Path) -> Path | None:
    """Where the gradient of what is at `path` is, if it is anywhere: a number, on a path that is named so."""
    shape = np.shape(read(part, path))
    fitting: list[Path] = []
    for place in reversed(range(len(path))):
        before, key, after = path[:place], path[place], path[place + 1 :]
        if not isinstance(key, str):
            continue
        names = [*(name.format(key) for name in GRADIENTS), *TOGETHER.get(key, ())]
        names += [f"_d{key[1:]}"] if key.startswith("_") else []
        places: list[Path] = [(*before, name, *after) for name in names]
        if key in HELD and after and isinstance(after[0], str):
            places += [(*before, name, f"d{after[0]}", *after[1:]) for name in HELD[key]]
        places += [(*before, name, each, *after) for name in ALL_GRADIENTS for each in (key, f"d{key}")]
        fitting += [place for place in places if place != path and is_gradient(read(part, place))]
    return next((place for place in fitting if np.shape(read(part, place)) == shape), next(iter(fitting), None))


def is_gradient(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return False
    try:
        return np.array(value, np.float64).size > 0
    except (TypeError, ValueError):
        return False


def found_beside(part: Any, trial: Any, outlasts: Callable[[Path], bool]) -> dict[str, Variable]:
    """Numbers of a part that have a gradient beside them in the trial, a copy in which backward has run.

    `outlasts` says of a path whether forward leaves what is put there: else it is a result, not a parameter.
    """
    paths = list(numbers_of(part))
    gradients = {path: gradient_path(trial, path) for path in paths}
    taken = set(gradients.values())
    found = {}
    for path, gradient in gradients.items():
        if gradient is not None and path not in taken and path[-1] not in NO_PARAMETERS and outlasts(path):
            found[spelt(path)] = Variable(path, gradient)
    named = [path for path in paths if isinstance(path[-1], str)]
    stems = {(*variable.path[:-1], str(variable.path[-1]).rstrip(DIGITS)) for variable in found.values()}
    for path in named:  # weights2 is a parameter where weights1 is one, though nothing may set dweights2
        stem = path[-1].rstrip(DIGITS)
        if spelt(path) not in found and stem not in ("", path[-1]) and (*path[:-1], stem) in stems and outlasts(path):
            found[spelt(path)] = Variable(path, (*path[:-1], f"d{path[-1]}"))
    return found


def doubled(part: Any) -> None:
    """Make float32 and float16 arrays float64, in place of the part; an array with two names keeps both."""
    made: dict[int, Any] = {}
    for path, holder in list(holders(part)):
        for key, value in list(items_of(holder).items()):
            if isinstance(value, Layer) and own_part(value) is value:
                double: Any = made.setdefault(id(value), formulas.in_float64(value))
            elif isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f" and value.dtype != np.float64:
                double = made.setdefault(id(value), value.astype(np.float64))
            else:
                continue
            if not (isinstance(holder, Layer) and own_part(holder) is holder):  # it is made anew as a whole
                put(part, (*path, key), double)
