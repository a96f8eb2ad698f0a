"""Every number of one training step, by name: dense1.inputs, dense1.dweights, loss.dinputs, X ..."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.audit.formulas import has_formula, losses_of, output_of, rows_of
from backpass.audit.terms import Factor, Index, entry_name
from backpass.files.model import layer_names
from backpass.fusions.fusion import Fusion
from backpass.layers.layer import Layer, told
from backpass.layers.own import OwnLayer, own_part
from backpass.losses.own import OwnLoss

if TYPE_CHECKING:
    from backpass.network import Network

ENTRY = re.compile(r"\s*(\w+(?:\.\w+)?)\s*(?:\[([-\d\s,]*)\])?\s*")
EXAMPLE = "'dense1.dweights[0, 1]'"


class Step:
    """One textbook step of a copy of a network, from X to the gradients; nothing is trained.

    Attributes
    ----------
    arrays : dict of ndarray
        By name. A layer has inputs, output, dvalues, dinputs, its parameters and their gradients; Dropout `saved`, its
        mask; BatchNorm and LayerNorm `normal`, `mean` and `deviation`. The loss has y_pred and y_true as it sees them,
        output (a number a sample) and dinputs, and is itself the mean with the penalties.
    same : dict of str
        Which array is but another name of one: a layer's inputs are the output of the one before.
    gradients, leaves : set of str
        The arrays of the backward pass; those that come from nothing else.
    names : dict
        The same arrays as attributes of dense1, relu1 ..., for an expression. `dense1.forward(inputs, **parameters)`
        and `loss.forward(y_pred, y_true)` are the formulas, which take complex numbers.
    """

    def __init__(self, network: Network, X: Any, y: Any):
        network._check_layers()
        self.network = network = copy.deepcopy(network)  # the gradients of the one that was passed stay as they are
        self.X, self.y = network.samples(X), network.targets(y, X)
        self.layers: dict[str, Layer] = dict(zip(layer_names(network.layers), network.layers, strict=True))
        self.last = list(self.layers)[-1]
        self.fusion = network._fusion()
        self.arrays: dict[str, np.ndarray] = {}
        self.same: dict[str, str] = {}
        self.gradients: set[str] = set()
        self.leaves = {"X", "y", "loss.y_true", "loss.y_pred"}
        with np.errstate(all="ignore"):
            self._walk()
        self.names: dict[str, Any] = {"X": self.X, "y": self.y}
        for name in (*self.layers, "loss"):
            held = {key.partition(".")[2]: array for key, array in self.arrays.items() if key.startswith(f"{name}.")}
            forward = loss_forward(network.loss) if name == "loss" else layer_forward(self.layers[name])
            self.names[name] = SimpleNamespace(**held, forward=forward)

    def _walk(self) -> None:
        """Forward and backward as Network does them; every layer is handed a copy, for some work in place."""
        loss, y = self.network.loss, self.y
        outputs = [self.X]
        for layer in self.network.layers:
            outputs.append(layer.walk(outputs[-1].copy(), True, 1))
        y_pred = self.network._predictions(outputs[-1])
        gradients = [loss.backward(y_pred, y)]
        *before, last = self.network.layers
        if self.fusion is None:
            gradients.append(last.walk_back(gradients[0].copy()))
        else:
            gradients.append(self.fusion.backward(outputs[-1], y))
        for layer in reversed(before):
            gradients.append(layer.walk_back(gradients[-1].copy()))
        gradients.reverse()

        self.arrays["X"], self.arrays["y"] = self.X, self.y
        names = list(self.layers)
        for index, (name, layer) in enumerate(self.layers.items()):
            self._add(name, "inputs", outputs[index], same=f"{names[index - 1]}.output" if index else "X")
            self._add(name, "output", outputs[index + 1])
            for kept, array in kept_by(layer, outputs[index]).items():
                self._add(name, kept, array, leaf=kept != "normal")
            for parameter in layer.parameter_shapes():
                self._add(name, parameter, parameter_of(layer, parameter), leaf=True)
            after = "loss.dinputs" if name == self.last else f"{names[index + 1]}.dinputs"
            self._add(name, "dvalues", gradients[index + 1], gradient=True, same=after)
            self._add(name, "dinputs", gradients[index], gradient=True)
            for parameter in layer.parameter_shapes():
                self._add(name, f"d{parameter}", parameter_of(layer, f"d{parameter}"), gradient=True)

        losses = self.network.sample_losses(y)
        self.arrays["loss"] = np.array(np.mean(losses) + self.network.penalty())
        self._add("loss", "y_pred", y_pred, same="" if isinstance(loss, Fusion) else f"{self.last}.output")
        self._add("loss", "y_true", rows_of(loss, y, outputs[-1].shape[1]))
        self._add("loss", "output", losses)
        self._add("loss", "dinputs", gradients[-1], gradient=True)

    def _add(
        self, part: str, name: str, array: np.ndarray, same: str = "", gradient: bool = False, leaf: bool = False
    ) -> None:
        key = f"{part}.{name}"
        self.arrays[key] = array
        if same:
            self.same[key] = same
        if gradient:
            self.gradients.add(key)
        if leaf:
            self.leaves.add(key)

    # ------------------------------------------------------------------------------------- names, and what they mean

    def place(self, entry: Any) -> tuple[str, tuple[int, ...]]:
        """Array and index that a text such as 'dense1.dweights[0, 1]' means; TypeError, ValueError if it means none."""
        if not isinstance(entry, str):
            raise TypeError(f"entry is {entry!r}; pass a text such as {EXAMPLE}")
        match = ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"entry is {entry!r}; write a name and an index, as in {EXAMPLE}")
        array, (part, _, attribute) = match[1], match[1].partition(".")
        if array not in self.arrays:
            if part not in (*self.layers, "loss", "X", "y"):
                raise ValueError(f"there is no {part}; there are {', '.join((*self.layers, 'loss', 'X', 'y'))}")
            has = ", ".join(key.partition(".")[2] for key in self.arrays if key.startswith(f"{part}."))
            what = f"has no {attribute}" if attribute else "is no number"
            raise ValueError(f"{part} {what}; it has {has or 'no attributes'}")
        shape = self.arrays[array].shape
        try:
            index = tuple(int(number) for number in match[2].split(",")) if match[2] else ()
        except ValueError:
            index = ()
        if len(index) != len(shape):
            example = entry_name(array, [0] * len(shape))
            raise ValueError(f"{array} has shape {shape}; one entry of it is written as in {example}")
        for axis, (number, size) in enumerate(zip(index, shape, strict=True)):
            if not -size <= number < size:
                raise ValueError(f"{array} has shape {shape}; index {number} is outside axis {axis}")
        return array, tuple(number % size for number, size in zip(index, shape, strict=True))

    def source(self, array: str) -> str:
        """The array of which this is but another name, or itself."""
        while array in self.same:
            array = self.same[array]
        return array

    def axes(self, array: str) -> list[str]:
        """What each axis counts."""
        part, _, attribute = array.partition(".")
        shape = self.arrays[array].shape
        if part in ("X", "y", "loss"):
            last = "feature" if part == "X" else "class" if self.network.loss.takes_labels else "output"
            return ["sample", last][: len(shape)]
        inputs, output = self.arrays[f"{part}.inputs"], self.arrays[f"{part}.output"]
        if attribute in ("inputs", "dinputs"):
            return ["sample", "input"]
        if attribute in ("output", "dvalues", "saved", "normal"):
            return ["sample", "neuron"]
        if shape == (inputs.shape[1], output.shape[1]):
            return ["input", "neuron"]
        if attribute in ("mean", "deviation"):
            return ["one", "neuron"] if shape[0] == 1 else ["sample", "one"]
        known = {output.shape[1]: "neuron", 1: "one"}
        return [known.get(size, f"axis {axis}") for axis, size in enumerate(shape)]

    # ------------------------------------------------------------------------------------------------------- factors

    def evaluate(self, text: str, **more: np.ndarray) -> np.ndarray:
        """What a NumPy expression says: float64, or bool for a condition."""
        with np.errstate(all="ignore"):
            values = np.asarray(eval(text, {"np": np, **self.names, **more}))
        return values if values.dtype == bool else values.astype(np.float64)

    def factor(self, array: str, *index: int | slice, form: str = "{0}", shown: str = "") -> Factor:
        """An entry, or what `form` makes of it ("{0}" stands for it); a slice for each axis that is summed over."""
        values = np.asarray(self.arrays[array][index], np.float64)
        if form != "{0}":
            values = self.evaluate(form.format("entry"), entry=values)
        return Factor(form.format(entry_name(array, index)), shown or form, values, array, index)

    def number(self, text: str, shown: str = "", of: str = "", index: Index = ()) -> Factor:
        """What is no entry: its text says how it comes about, `shown` how it reads ("{0}" is the entry `of[index]`)."""
        return Factor(text, shown or text, self.evaluate(text), of, index)


def kept_by(layer: Layer, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What a layer's kernel keeps for its backward, as its formula calls it."""
    kind, saved = kind_of(layer), layer.saved
    if saved is None or kind not in ("Dropout", "BatchNorm", "LayerNorm"):
        return {}
    if kind == "Dropout":
        return {"saved": saved}
    M = inputs.shape[1]
    mean, inverse = (saved[:1, :M], saved[:1, M : 2 * M]) if kind == "BatchNorm" else (saved[:, :1], saved[:, 1:2])
    return {"normal": (inputs - mean) * inverse, "mean": mean, "deviation": 1 / inverse}


def kind_of(layer: Layer) -> str:
    """Name of the class that the layer's kernels come from; "" where something else runs."""
    owners = (kind for kind in type(layer).__mro__ if "forward_kernel" in kind.__dict__)
    return next(owners).__name__ if layer.compiled else ""


def parameter_of(layer: Layer, name: str) -> np.ndarray:
    """A parameter or its gradient; that of somebody's own is not an attribute of the layer that holds it."""
    return layer.__dict__[f"_{name}"]


def layer_forward(layer: Layer) -> Callable[..., np.ndarray]:
    """The layer's formula, as a function of inputs and those parameters that are not to be the layer's own."""
    return partial(output_of, layer) if has_formula(layer) else partial(own_output, layer)


def loss_forward(loss: Any) -> Callable[..., np.ndarray]:
    return partial(losses_of, loss) if has_formula(loss) else partial(own_losses, loss)


def own_output(layer: Layer, inputs: np.ndarray, **parameters: np.ndarray) -> np.ndarray:
    """What a copy of somebody's own layer makes of complex inputs or parameters."""
    part = copy.deepcopy(own_part(layer))
    for name, values in parameters.items():
        setattr(part, name if isinstance(layer, OwnLayer) else f"_{name}", values)

    def forward() -> Any:
        output = told(part.forward, inputs.copy(), training=True, step=1)
        return part.output if output is None else output

    return complex_result(forward, layer, inputs, *parameters.values())


def own_losses(loss: Any, y_pred: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    part = loss.part if isinstance(loss, OwnLoss) else loss
    return complex_result(lambda: part.forward(y_pred, y_true), loss, y_pred)


def complex_result(forward: Callable[[], Any], part: Any, *arrays: np.ndarray) -> np.ndarray:
    """What a forward returns. TypeError if it was given complex numbers and loses their imaginary parts."""
    if not any(np.iscomplexobj(array) for array in arrays):
        return np.asarray(forward())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            result = np.asarray(forward())
        reason = f"it returns {result.dtype}"
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
    else:
        if np.iscomplexobj(result):
            return result
    raise TypeError(
        f"{part!r} cannot be unfolded: its forward, or the formula beside its kernels, has to take complex numbers "
        f"({reason})"
    )


def step_size(x: Any) -> float:
    """Of a complex step: far below x, for log and sqrt bend near 0. A derivative below 1e-278 loses digits."""
    return min(1e-30, 1e-20 * abs(float(x))) or 1e-30
