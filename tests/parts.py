"""All parts of the package, found by being there, and random arguments for them: a new part is tested at once."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

import backpass  # noqa: F401  fills the three tables
from backpass.fusions.fusion import FUSIONS
from backpass.layers.layer import LAYERS, Layer
from backpass.losses.loss import LOSSES, Loss

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}
DTYPES = st.sampled_from([np.float32, np.float64])
SIZES = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def ours(classes: Any) -> list[Any]:
    return [part for part in classes if part.__module__.startswith("backpass.")]  # tests define parts of their own


ALL_LAYERS: list[type[Layer]] = ours(LAYERS.values())
ALL_FUSIONS = ours(FUSIONS.values())
ALL_LOSSES: list[type[Loss]] = [
    loss for loss in ours(LOSSES.values()) if loss not in ALL_FUSIONS and hasattr(loss, "forward_kernel")
]


def formula(part: type) -> ModuleType:
    """The module of a part, whose `forward` and `backward` are its formula."""
    return sys.modules[part.__module__]


def arguments_of(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def made(part: type[Layer], D: int, M: int, dtype: Any) -> Layer:
    """A layer of D inputs; of M outputs, where it has a say."""
    names = arguments_of(part.__init__)
    if "n_inputs" not in names:
        return part()
    return part(D, M, dtype=dtype, random_state=0)  # type: ignore[call-arg]


def randomise(layer: Layer, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Give all parameters random values (biases too, which start at 0); returns them."""
    for name, shape in layer.parameter_shapes().items():
        setattr(layer, name, rng.normal(size=shape))
    return {name: getattr(layer, name) for name in layer.parameter_shapes()}


def run_formula(part: type[Layer], which: str, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`forward` or `backward` of a layer's formula, what it returns by name."""
    function = getattr(formula(part), which)
    result = function(*(values[name] for name in arguments_of(function)))
    if which == "forward":
        return {"output": result}
    names = [*(f"d{name}" for name in values if name in ("weights", "biases")), "dinputs"]
    return dict(zip(names, result if isinstance(result, tuple) else (result,), strict=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def predictions(loss: type[Loss], rng: np.random.Generator, N: int, C: int) -> np.ndarray:
    """What the loss takes: logits of a fusion, probabilities of a classification, else numbers."""
    logits = rng.normal(size=(N, C)) * 2
    if loss in ALL_FUSIONS or not loss.classifies:
        return logits
    return softmax(logits) if loss.labels_forward_kernel is not None else 1 / (1 + np.exp(-logits))


def kinds_of_targets(loss: type[Loss], rng: np.random.Generator, N: int, C: int) -> Iterator[tuple[str, Any]]:
    """(name, y_true) of everything that the loss may be trained on."""
    if loss.labels_forward_kernel is not None:
        labels = rng.integers(0, C, N)
        yield "labels", labels
        yield "one-hot", np.eye(C)[labels]
        yield "soft", softmax(rng.normal(size=(N, C)))
        yield "soft, some 0", np.where(rng.random((N, C)) < 0.5, 0, rng.random((N, C)))
    elif loss.classifies:
        yield "yes or no", rng.integers(0, 2, (N, C)).astype(np.float64)
        yield "soft", rng.random((N, C))
    else:
        yield "numbers", rng.normal(size=(N, C))


def as_rows(y_true: np.ndarray, C: int) -> np.ndarray:
    """Labels as one-hot rows: the formulas know rows only."""
    return np.eye(C)[y_true] if y_true.ndim == 1 else y_true
