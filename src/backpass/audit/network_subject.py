"""A whole network as what is audited: its parameters are called dense1.weights and so on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backpass.audit import formulas
from backpass.audit.own_parts import in_float64
from backpass.audit.subjects import Claims, LayerSubject, LossSubject, Subject
from backpass.audit.variables import Values
from backpass.files.model import layer_names
from backpass.layers.layer import Layer
from backpass.layers.own import own_part
from backpass.network import Network


def network_in_float64(network: Network) -> Network:
    """A copy of a network that computes in float64 and shares nothing with it."""
    layers = [own_part(formulas.in_float64(layer)) for layer in network.layers]
    layers = [layer if isinstance(layer, Layer) else in_float64(layer) for layer in layers]
    twin = Network(layers, copy.deepcopy(network.loss))
    twin.parameters = network.parameters
    return twin


class NetworkSubject(Subject):
    """A Network with its loss; parameters are called dense1.weights and so on."""

    takes_truth = True

    def __init__(self, part: Network, inputs: Any, y_true: Any):
        network = network_in_float64(part)
        super().__init__(network, inputs, y_true)
        self.last: Values = {}
        self.targets = network.targets(y_true, network.samples(self.values["inputs"]))
        for name, layer in zip(layer_names(network.layers), network.layers, strict=True):
            for parameter in layer.parameter_shapes():
                self.values[f"{name}.{parameter}"] = layer.__dict__[f"_{parameter}"].copy()
                if parameter in layer.penalties:
                    self.factors[f"{name}.{parameter}"] = layer.penalties[parameter]

    def fresh(self, values: Values) -> Network:
        """Itself where all parts are ours, which keep nothing; only what is another array than last time is copied."""
        if not self.part.compiled:
            return self.with_parameters(copy.deepcopy(self.part), values)
        start = 0
        for name, value in values.items():
            if name != "inputs":
                if self.last.get(name) is not value:
                    self.part.parameters[start : start + value.size] = value.ravel()
                start += value.size
        self.last = dict(values)
        return self.part

    def with_parameters(self, part: Network, values: Values) -> Network:
        part.parameters = np.concatenate([value.ravel() for name, value in values.items() if name != "inputs"])
        self.last = {}
        return part

    def forward(self, part: Network, inputs: np.ndarray) -> np.ndarray:
        part.forward(inputs, step=1)
        return part.sample_losses(self.targets)

    def claims(self, part: Network, dvalues: np.ndarray) -> Claims:
        found: Claims = {"inputs": part.backward(self.targets).copy()}
        for name, layer in zip(layer_names(part.layers), part.layers, strict=True):
            for parameter in layer.parameter_shapes():
                key = f"{name}.{parameter}"
                penalty = self.penalty(key, layer.__dict__[f"_{parameter}"])
                found[key] = layer.__dict__[f"_d{parameter}"] - (0 if penalty is None else penalty)
        return found

    def parts(self) -> Iterator[tuple[str, Subject]]:
        """Every layer and the loss, by name, as one forward pass meets them; the last two in one, if so computed."""
        network = copy.deepcopy(self.part)
        output = network.forward(self.values["inputs"], step=1)
        layers = dict(zip(layer_names(network.layers), network.layers, strict=True))
        fusion, last = network._fusion(), network.layers[-1]
        for name, layer in layers.items():
            if fusion is None or layer is not last:
                yield name, LayerSubject(own_part(layer), np.array(layer.inputs), None)
        loss, given = (network.loss, output) if fusion is None else (fusion, last.inputs)
        yield "loss", LossSubject(getattr(loss, "part", loss), np.array(given), self.targets)

    @property
    def has_formula(self) -> bool:
        return all(formulas.has_formula(part) for part in (*self.part.layers, self.part.loss))

    @property
    def analytic(self) -> Callable[[Values], np.ndarray]:
        network = self.part
        if not self.has_formula:
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
