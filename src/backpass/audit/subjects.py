"""What can be audited, behind one face: a layer, a loss, a combined step, a pair of functions, a whole network.

A subject has variables by name (`inputs` and its parameters), a forward pass from them to an array of terms, and a
backward pass that claims the gradient of sum(dvalues * terms) by each variable. Everything runs on copies, in float64,
from the same random state each time: the object that was handed in stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from backpass.audit import formulas
from backpass.audit.own_parts import (
    TRUTHS,
    Functions,
    LossFunctions,
    Values,
    arguments_of,
    as_float64,
    doubled,
    is_floating,
    penalties_of,
    takes_truth,
    vars_of,
    with_parameters,
)
from backpass.files.model import layer_names
from backpass.layers.layer import Layer, told
from backpass.layers.own import own_part, parameters_of
from backpass.layers.penalty import penalty_gradient
from backpass.losses.loss import Loss
from backpass.network import Network

DIGITS = "0123456789"
MOST_APART = 32  # samples whose losses are asked for one by one
NO_PARAMETERS = ("inputs", "output", "values", "y_pred", "y_true")  # though their gradients are called d + name

Claims = dict[str, Any]  # gradient by variable; None where backward has left none


class Subject:
    """A part with its variables."""

    takes_truth = False

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        self.part, self.y_true = part, y_true
        self.name = type(part).__name__
        self.values: Values = {"inputs": as_float64(inputs)}
        self.factors: dict[str, tuple[float, float]] = {}  # L1 and L2 of the parameters that have a penalty

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

    def paired(self) -> Values:
        """Arrays that have a d + name beside them when backward has run, such as W and dW, and those called alike."""
        trial = self.fresh(self.values)
        try:
            output = self.forward(trial, self.values["inputs"].copy())
            self.backward(trial, np.ones(output.shape))
        except Exception:  # what it is will be told of later
            pass
        arrays = {name: array for name, array in vars_of(self.part).items() if is_floating(array)}
        stems = {name.rstrip(DIGITS) for name in arrays if f"d{name}" in vars_of(trial)} | {"weights", "biases"}
        stems -= {*NO_PARAMETERS, ""}  # weights2 is a parameter where weights1 is one, though nothing may set dweights2
        new = {name: array for name, array in arrays.items() if name.rstrip(DIGITS) in stems - self.values.keys()}
        return {name: array.astype(np.float64) for name, array in new.items()}

    def penalty(self, name: str, value: Any) -> np.ndarray | None:
        """What penalties add to the gradient of a parameter; None if it has none."""
        return penalty_gradient(value, *self.factors[name]) if name in self.factors else None

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
            penalty = self.penalty(name, getattr(part, name, None))
            if found[name] is not None and penalty is not None and found[name].shape == penalty.shape:
                found[name] = found[name] - penalty
        return found


class LayerSubject(Subject):
    """forward(inputs), backward(dvalues)."""

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(formulas.in_float64(part) if isinstance(part, Layer) else doubled(part), inputs, y_true)
        if isinstance(self.part, Layer) and self.part.parameter_shapes():
            self.values |= {name: getattr(self.part, name).copy() for name in self.part.parameter_shapes()}
        else:
            self.values |= {name: array.astype(np.float64) for name, array in parameters_of(self.part).items()}
            self.values |= self.paired()
        self.factors = {name: pair for name, pair in penalties_of(self.part).items() if name in self.values}

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
    """forward(y_pred, y_true) and backward(y_pred, y_true), or backward(output, y_true) of a combined step."""

    takes_truth = True

    def __init__(self, part: Any, inputs: Any, y_true: Any):
        super().__init__(doubled(part), inputs, y_true)
        self.values |= self.paired()  # a network in one class has parameters
        self.apart = False
        if 1 < len(self.values["inputs"]) <= MOST_APART:  # then it is known what each sample adds to a gradient
            with suppress(Exception):
                mean, each = self.terms(self.values), self.losses_apart(self.values)
                self.apart = (
                    mean.ndim == 0 and len(each) == len(self.values["inputs"]) and np.isclose(each.mean(), mean)
                )

    def forward(self, part: Any, inputs: np.ndarray, y_true: Any = None) -> np.ndarray:
        self.inputs, y_true = inputs, self.y_true if y_true is None else y_true
        if isinstance(part, Loss) and hasattr(part, "sample_losses"):
            return part.sample_losses(inputs, y_true)
        losses = part.forward(inputs, y_true)
        if losses is None:
            raise ValueError(f"{self.name}.forward has to return one loss a sample, or their mean")
        return np.asarray(losses)

    def terms(self, values: Values) -> np.ndarray:
        return self.losses_apart(values) if self.apart else super().terms(values)

    def losses_apart(self, values: Values) -> np.ndarray:
        """Loss of each sample (N,), of a forward that gives only their mean."""
        inputs, y_true = values["inputs"], np.asarray(self.y_true)
        each = [
            self.forward(self.fresh(values), inputs[n : n + 1].copy(), y_true[n : n + 1]) for n in range(len(inputs))
        ]
        return np.array(each).reshape(-1)

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
                self.values[f"{name}.{parameter}"] = layer.__dict__[f"_{parameter}"].copy()
                if parameter in layer.penalties:
                    self.factors[f"{name}.{parameter}"] = layer.penalties[parameter]

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
                penalty = self.penalty(key, layer.__dict__[f"_{parameter}"])
                found[key] = layer.__dict__[f"_d{parameter}"] - (0 if penalty is None else penalty)
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
