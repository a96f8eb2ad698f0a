"""All parts of the package, found by being there, and random arguments for them: a new part is tested at once."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import strategies as st

import backpass
from backpass.audit.formulas import call
from backpass.fusions.fusion import FUSIONS
from backpass.layers.layer import LAYERS, Layer
from backpass.losses.loss import LOSSES, Loss

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}
DTYPES = st.sampled_from([np.float32, np.float64])
SIZES = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def ours(classes: Any) -> list[Any]:
    return [part for part in classes if part.__module__.startswith("backpass.")]  # tests define parts of their own


# Layers whose inputs, modes or rows are of a special kind have test files of their own (tests/layers).
SPECIAL = ("BatchNorm", "Dropout", "Embedding", "LayerNorm")
ALL_LAYERS: list[type[Layer]] = [part for part in ours(LAYERS.values()) if part.__name__ not in SPECIAL]
# Options other than the defaults under which a layer is tested too.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "LeakyReLU": [{"negative_slope": 0.3}],
    "ELU": [{"alpha": 0.7}],
    "GELU": [{"approximate": "tanh"}],
}
LAYER_CASES = [(part, options) for part in ALL_LAYERS for options in ({}, *OPTIONS.get(part.__name__, []))]
KINKED = ("ReLU", "LeakyReLU", "ELU", "SELU")  # at 0
ALL_FUSIONS = ours(FUSIONS.values())
ALL_LOSSES: list[type[Loss]] = [
    loss for loss in ours(LOSSES.values()) if loss not in ALL_FUSIONS and hasattr(loss, "forward_kernel")
]


def formula(part: type) -> ModuleType:
    """The module of a part, whose `forward` and `backward` are its formula."""
    return sys.modules[part.__module__]


def arguments_of(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def case_name(part_or_options: Any) -> str:
    """For the ids of parametrized tests."""
    if isinstance(part_or_options, type):
        return part_or_options.__name__
    return " ".join(f"{name}={value}" for name, value in part_or_options.items()) or "default"


def made(part: type[Layer], D: int, M: int, dtype: Any, **options: Any) -> Layer:
    """A layer of D inputs; of M outputs, where it has a say."""
    names = arguments_of(part.__init__)
    if "n_inputs" not in names:
        return part(**options)
    return part(D, M, dtype=dtype, random_state=0, **options)  # type: ignore[call-arg]


def randomise(layer: Layer, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Give all parameters random values (biases too, which start at 0); returns them."""
    for name, shape in layer.parameter_shapes().items():
        setattr(layer, name, rng.normal(size=shape))
    return {name: getattr(layer, name) for name in layer.parameter_shapes()}


def run_formula(layer: Layer, which: str, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`forward` or `backward` of a layer's formula, what it returns by name."""
    result = call(layer, which, values)
    if which == "forward":
        return {"output": result}
    names = [*(f"d{name}" for name in layer.parameter_shapes()), "dinputs"]
    return dict(zip(names, result if isinstance(result, tuple) else (result,), strict=True))


def absolute_terms(
    layer: Layer, values: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Sum of the absolute terms of every result: what its error is compared with.

    A layer that is not named works on each number alone, and its derivative is at most about 1.
    """
    kind = type(layer).__name__
    absolute = {name: np.abs(value).astype(np.float64) for name, value in values.items()}
    if isinstance(layer, backpass.Dense):  # with an activation: its derivative is at most 1
        return run_formula(backpass.Dense(1, 1), "forward" if "output" in expected else "backward", absolute)
    if "output" in expected:
        # far below 0 the tanh of its formula and 1 cancel; in float32 the kernel has 5 digits left there, not 7
        return {"output": absolute["inputs"] if layer.config() == {"approximate": "tanh"} else abs(expected["output"])}
    if kind == "Softmax":
        inner = (absolute["output"] * absolute["dvalues"]).sum(axis=1, keepdims=True)
        return {"dinputs": absolute["output"] * (absolute["dvalues"] + inner)}
    return {"dinputs": absolute["dvalues"]}


def side_of_kink(layer: Layer) -> Callable[[np.ndarray], np.ndarray] | None:
    """On which side of its kink every input is, for layers that have one."""
    return (lambda inputs: inputs > 0) if type(layer).__name__ in KINKED else None


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def made_loss(part: type[Loss], rng: np.random.Generator, C: int) -> Loss:
    """A loss for C outputs, with arguments of some kind where it has any."""
    if part is backpass.Huber:
        return backpass.Huber(delta=float(rng.choice([0.3, 1.0, 2.5])))
    if part is backpass.Pinball:
        listed = rng.uniform(0.01, 0.99, C).tolist()
        return backpass.Pinball(listed if C > 1 and rng.random() < 0.5 else listed[0])
    if part is backpass.Hinge and rng.random() < 0.5:
        return backpass.Hinge(class_weight=rng.uniform(0.1, 3, 2))
    return part()


def loss_formula(loss: Loss, which: str, y_pred: np.ndarray, rows: np.ndarray) -> Any:
    """`forward` or `backward` of a loss's formula; it is given the loss's own arguments that it names."""
    first, second = arguments_of(getattr(formula(type(loss)), which))[:2]
    return call(loss, which, {first: y_pred, second: rows})


def predictions(part: type[Loss], rng: np.random.Generator, N: int, C: int) -> np.ndarray:
    """What the loss takes: logits of a fusion, probabilities of a classification, rates, means, else numbers."""
    logits = rng.normal(size=(N, C)) * 2
    if part in (backpass.ExponentialPoisson, backpass.ExponentialGamma):
        return np.clip(logits, -8, 8)  # ten times as much, which a test takes, still has an exponential in float32
    if part is backpass.Poisson:
        return np.exp(logits)
    if part is backpass.Gamma:  # central differences of 1e-5 need means well above that
        return np.exp(logits / 2)
    if part in ALL_FUSIONS or part is backpass.Hinge or not part.classifies:
        return logits
    return softmax(logits) if part.labels_forward_kernel is not None else 1 / (1 + np.exp(-logits))


def kinds_of_targets(loss: type[Loss] | Loss, rng: np.random.Generator, N: int, C: int) -> Iterator[tuple[str, Any]]:
    """(name, y_true) of everything that the loss may be trained on."""
    part = loss if isinstance(loss, type) else type(loss)
    if part.labels_forward_kernel is not None:
        labels = rng.integers(0, C, N)
        yield "labels", labels
        yield "one-hot", np.eye(C)[labels]
        yield "soft", softmax(rng.normal(size=(N, C)))
        yield "soft, some 0", np.where(rng.random((N, C)) < 0.5, 0, rng.random((N, C)))
    elif part is backpass.Hinge:
        yield "yes or no", rng.integers(0, 2, (N, C)).astype(np.float64)
        yield "-1 or +1", rng.choice([-1.0, 1.0], (N, C))
    elif part.classifies:
        yield "yes or no", rng.integers(0, 2, (N, C)).astype(np.float64)
        yield "soft", rng.random((N, C))
    elif part in (backpass.Poisson, backpass.ExponentialPoisson):
        yield "counts", rng.poisson(1.5, (N, C)).astype(np.float64)
        yield "rates", rng.random((N, C))
    elif part in (backpass.Gamma, backpass.ExponentialGamma):
        yield "amounts", rng.gamma(1.5, 2.0, (N, C))
    elif part is backpass.Pinball and not isinstance(loss, type) and loss.settings.size > 1:
        yield "one target for all outputs", rng.normal(size=N)
    else:
        yield "numbers", rng.normal(size=(N, C))


def rows_for(loss: Loss, y_true: np.ndarray, C: int, dtype: Any = np.float64) -> np.ndarray:
    """Targets (N, C) as the formulas know them, in float64, rounded to what a network of this dtype is given."""
    targets = loss.targets(y_true, C, dtype)
    return as_rows(targets, C).astype(np.float64)


def as_rows(y_true: np.ndarray, C: int) -> np.ndarray:
    """Labels as one-hot rows: the formulas know rows only."""
    return np.eye(C)[y_true] if y_true.ndim == 1 else y_true
