"""What can be audited, behind one face: a layer, a loss, a combined step, a pair of functions, a whole network.

A subject has variables by name (`inputs` and its parameters), a forward pass from them to an array of terms, and a
backward pass that claims the gradient of sum(dvalues * terms) by each variable. Everything runs on copies, in float64,
from the same random state each time: the object that was handed in stays as it is.
"""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backpass.audit import formulas
from backpass.files.model import layer_names
from backpass.layers.layer import Layer, told
from backpass.layers.own import own_part, parameters_of
from backpass.layers.penalty import penalty_gradient
from backpass.losses.loss import Loss
from backpass.network import Network

TRUTHS = ("y_true", "y", "target", "targets", "label", "labels", "y_true_labels")
NO_PARAMETERS = ("inputs", "output", "values", "y_pred", "y_true")  # though their gradients are called d + name

Values = dict[str, np.ndarray]
Claims = dict[str, Any]  # gradient by variable; None where backward has left none


class Subject:
    """A part with its variables."""

    takes_truth = False

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        self.part, self.y_true = part, y_true
        self.name = type(part).__name__
        self.values: Values = {"inputs": as_float64(inputs)}
        self.penalties: Values = {}  # gradients that penalties add to those of the parameters

    def fresh(self, values: Values) -> Any:
        """A copy of the part whose parameters are these."""
        return with_parameters(copy.deepcopy(self.part), values)

    def forward(self, part: Any, inputs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        """Call the part's own; what it returns."""
        raise NotImplementedError

    def terms(self, values: Values) -> np.ndarray:
        """What the forward pass makes of these variables."""
        return self.forward(self.fresh(values), values["inputs"].copy())

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        """The same for complex variables: what plain NumPy may be able to do."""
        return self.terms

    def weights(self, terms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """dvalues: by how much each term counts."""
        return np.full(terms.shape, 1 / max(terms.size, 1))

    def claims(self, part: Any, dvalues: np.ndarray) -> Claims:
        """What backward says, by variable. Gradients that penalties add are taken off again."""
        returned = self.backward(part, dvalues)
        found: Claims = {}
        for name in self.values:
            attribute = "dinputs" if name == "inputs" else f"d{name}"
            gradient = getattr(part, attribute, None)
            if name == "inputs" and returned is not None:
                gradient = returned
            found[name] = None if gradient is None else np.array(gradient, np.float64)
            if found[name] is not None and name in self.penalties and found[name].shape == self.penalties[name].shape:
                found[name] = found[name] - self.penalties[name]
        return found


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


class LayerSubject(Subject):
    """forward(inputs), backward(dvalues)."""

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(formulas.in_float64(part) if isinstance(part, Layer) else doubled(part), inputs, y_true)
        if isinstance(self.part, Layer) and self.part.parameter_shapes():
            self.values |= {name: getattr(self.part, name).copy() for name in self.part.parameter_shapes()}
        else:
            self.values |= {name: array.astype(np.float64) for name, array in parameters_of(self.part).items()}
            self.values |= self.paired()
        for name, (l1, l2) in penalties_of(self.part).items():
            if name in self.values:
                self.penalties[name] = penalty_gradient(self.values[name], l1, l2)

    def paired(self) -> Values:
        """Arrays that come to have a d + name beside them when backward has run, such as W and dW."""
        trial = self.fresh(self.values)
        try:
            output = self.forward(trial, self.values["inputs"].copy())
            self.backward(trial, np.ones(output.shape))
        except Exception:  # what it is will be told of later
            pass
        found = {}
        for name, array in vars_of(trial).items():
            known = name in self.values or name in NO_PARAMETERS or not isinstance(array, np.ndarray)
            if not known and array.dtype.kind == "f" and f"d{name}" in vars_of(trial):
                before = vars_of(self.part).get(name)
                if isinstance(before, np.ndarray):
                    found[name] = before.astype(np.float64)
        return found

    def forward(self, part: Any, inputs: np.ndarray) -> np.ndarray:
        output = told(part.forward, inputs, training=True, step=1)
        output = getattr(part, "output", None) if output is None else output
        if output is None:
            raise ValueError(f"{self.name}.forward has to set .output or return it")
        return np.asarray(output)

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        return part.backward(dvalues)

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        if not (isinstance(self.part, Layer) and formulas.has_formula(self.part)):
            return self.terms
        layer = self.fresh(self.values)
        self.forward(layer, self.values["inputs"])  # for what it saves, such as the mask of Dropout
        return lambda values: formulas.output_of(layer, **values)

    def weights(self, terms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=terms.shape)


class LossSubject(Subject):
    """forward(y_pred, y_true), backward(y_pred, y_true); or both of a combined step, whose backward takes its output."""

    takes_truth = True

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(doubled(part), inputs, y_true)
        self.values |= LayerSubject.paired(self)  # type: ignore[arg-type]  a network in one class has parameters

    def forward(self, part: Any, inputs: np.ndarray) -> np.ndarray:
        self.inputs = inputs
        if isinstance(part, Loss) and hasattr(part, "sample_losses"):
            return part.sample_losses(inputs, self.y_true)
        losses = part.forward(inputs, self.y_true)
        losses = getattr(part, "output", None) if losses is None else losses
        if losses is None:
            raise ValueError(f"{self.name}.forward has to return one loss a sample, or their mean")
        return np.asarray(losses)

    def backward(self, part: Any, dvalues: np.ndarray) -> Any:
        """Of the mean: there is nothing to the right of a loss."""
        output = getattr(part, "output", None)
        combined = isinstance(output, np.ndarray) and output.ndim == 2 and len(output) == len(self.inputs)
        first, names = output if combined else self.inputs, arguments_of(part.backward)
        if names and names[0] in TRUTHS:
            return part.backward(self.y_true)
        return part.backward(*(first, self.y_true)[: len(names)])

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        if not (isinstance(self.part, Loss) and formulas.has_formula(self.part)):
            return self.terms
        rows = formulas.rows_of(self.part, self.y_true, self.values["inputs"].shape[1])
        return lambda values: formulas.losses_of(self.part, values["inputs"], rows)


class Functions:
    """A pair of NumPy functions as an object: arguments by name (inputs, output, dvalues, parameters), else by place."""

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


class NetworkSubject(Subject):
    """A Network with its loss; parameters are called dense1.weights and so on."""

    takes_truth = True

    def __init__(self, part: Network, inputs: Any, y_true: Any):
        layers = [own_part(formulas.in_float64(layer)) for layer in part.layers]
        network = Network(
            [layer if isinstance(layer, Layer) else doubled(layer) for layer in layers], copy.deepcopy(part.loss)
        )
        network.parameters = part.parameters
        super().__init__(network, inputs, y_true)
        self.targets = network.targets(y_true, network.samples(self.values["inputs"]))
        for name, layer in zip(layer_names(network.layers), network.layers, strict=True):
            for parameter in layer.parameter_shapes():
                value = getattr(layer, parameter).copy()
                self.values[f"{name}.{parameter}"] = value
                if parameter in layer.penalties:
                    self.penalties[f"{name}.{parameter}"] = penalty_gradient(value, *layer.penalties[parameter])

    def fresh(self, values: Values) -> Network:
        network = self.part if self.part.compiled else copy.deepcopy(self.part)
        start = 0
        for name, value in values.items():
            if name != "inputs":
                network.parameters[start : start + value.size] = value.ravel()
                start += value.size
        return network

    def forward(self, part: Network, inputs: np.ndarray) -> np.ndarray:
        output = part.forward(inputs, step=1)
        if (fusion := part._fusion()) is not None:
            return fusion.sample_losses(part.layers[-1].inputs, self.targets)
        return (
            part.loss.sample_losses(output, self.targets)
            if hasattr(part.loss, "sample_losses")
            else part.loss.forward(output, self.targets)
        )

    def claims(self, part: Network, dvalues: np.ndarray) -> Claims:
        found: Claims = {"inputs": part.backward(self.targets).copy()}
        for name, layer in zip(layer_names(part.layers), part.layers, strict=True):
            for parameter in layer.parameter_shapes():
                key = f"{name}.{parameter}"
                found[key] = getattr(layer, f"d{parameter}") - self.penalties.get(key, 0)
        return found

    def parts(self) -> Iterator[tuple[str, Any, np.ndarray, Any]]:
        """Name, part, inputs and y_true of every layer and of the loss, as one forward pass meets them."""
        network = copy.deepcopy(self.part)
        output = network.forward(self.values["inputs"], step=1)
        for name, layer in zip(layer_names(network.layers), network.layers, strict=True):
            yield name, own_part(layer), np.array(layer.inputs), None
        yield "loss", getattr(network.loss, "part", network.loss), np.array(output), self.targets

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        network = self.part
        if not all(formulas.has_formula(part) for part in (*network.layers, network.loss)):
            return self.terms
        self.forward(network, self.values["inputs"])
        rows = formulas.rows_of(network.loss, self.y_true, network.widths[-1])
        names = layer_names(network.layers)

        def losses(values: Values) -> np.ndarray:
            output = values["inputs"]
            for name, layer in zip(names, network.layers, strict=True):
                mine = {parameter: values[f"{name}.{parameter}"] for parameter in layer.parameter_shapes()}
                output = formulas.output_of(layer, output, **mine)
            return formulas.losses_of(network.loss, output, rows)

        return losses


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


def subject_of(part: Any, inputs: Any, y_true: Any) -> Subject:
    """The face that fits the part. TypeError, ValueError for what is none, or lacks y_true."""
    if isinstance(part, tuple | list):
        if len(part) not in (2, 3) or not callable(part[0]) or not callable(part[1]):
            raise TypeError("pass a pair (forward, backward) of functions, or with a dict of parameters as a third")
        forward, backward, parameters = (*part, {})[:3]
        part = (Functions if y_true is None else LossFunctions)(forward, backward, parameters)
        part.__class__ = type(getattr(forward, "__name__", "forward"), (type(part),), {})
    if (
        isinstance(part, type)
        or not callable(getattr(part, "forward", None))
        or not callable(getattr(part, "backward", None))
    ):
        raise TypeError(
            f"{part!r} has no forward and backward to audit; pass an object that has both, such as Dense(4, 3)"
        )
    kind: type[Subject] = LayerSubject
    if isinstance(part, Network):
        kind = NetworkSubject
    elif isinstance(part, Loss) or takes_truth(part.forward):
        kind = LossSubject
    if kind.takes_truth and y_true is None:
        raise ValueError(f"{type(part).__name__} compares with the truth; pass y_true too")
    if not kind.takes_truth and y_true is not None:
        raise ValueError(f"{type(part).__name__}.forward takes no y_true; leave it out")
    return kind(part, inputs, y_true)


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


class Randomness:
    """Rewinds the generators that a part may draw from, so that every run draws the same; leaves them as they were."""

    def __init__(self, part: Any):
        methods = [getattr(part, name, None) for name in ("forward", "backward")]
        scopes = [getattr(getattr(method, "__func__", method), "__globals__", {}) for method in methods]
        found = {
            id(value): value
            for scope in scopes
            for value in scope.values()
            if isinstance(value, np.random.Generator | np.random.RandomState)
        }
        self.generators = list(found.values())
        self.start = self.state()

    def state(self) -> Any:
        inner = [
            each.bit_generator.state if isinstance(each, np.random.Generator) else each.get_state()
            for each in self.generators
        ]
        return np.random.get_state(), random.getstate(), inner

    def rewind(self) -> None:
        shared, plain, inner = self.start
        np.random.set_state(shared)
        random.setstate(plain)
        for each, state in zip(self.generators, inner, strict=True):
            if isinstance(each, np.random.Generator):
                each.bit_generator.state = state
            else:
                each.set_state(state)

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.rewind()
