"""What an estimator's parameters say of its network: what stands behind each Dense, and what it learns."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

import backpass.layers  # noqa: F401  it fills LAYERS
from backpass import checks
from backpass.estimators.tasks import Task
from backpass.layers.batch_norm import BatchNorm
from backpass.layers.dense import Dense
from backpass.layers.dropout import Dropout
from backpass.layers.layer import LAYERS, Layer
from backpass.layers.layer_norm import LayerNorm
from backpass.layers.own import OwnLayer, as_layer
from backpass.network import Network

THEIRS = {"identity": "Linear", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}
OURS = ("ELU", "GELU", "LeakyReLU", "Mish", "SELU", "SiLU", "Softplus")
ACTIVATIONS = THEIRS | {name.lower(): name for name in OURS}

UNUSED = np.random.RandomState(0)  # nothing is drawn from it, and to seed another takes 0.1 ms


def one_each(value: Any, name: str, layers: int) -> tuple[Any, ...]:
    """One for each hidden layer. ValueError for a list of another length."""
    if not isinstance(value, list | tuple):
        return (value,) * layers
    if len(value) != layers:
        raise ValueError(f"{name} has {len(value)} entries for {layers} hidden layers; pass one each, or one for all")
    return tuple(value)


def activation_of(given: Any) -> Layer:
    """A layer of its own for a name, a layer or an object with forward and backward, without parameters.

    ValueError, TypeError for anything else.
    """
    layer = as_layer(given)
    if not isinstance(layer, Layer):
        return LAYERS[ACTIVATIONS[checks.one_of(given, "activation", ACTIVATIONS)]]()
    if layer.parameter_shapes():
        raise TypeError(f"activation is {given!r}; pass one without parameters")
    return as_layer(copy.deepcopy(given))


@dataclass(frozen=True)
class Recipe:
    """Everything but sizes and numbers."""

    activations: tuple[Any, ...]
    dropout: tuple[float, ...]
    batch_norm: bool
    layer_norm: bool
    task: Task

    @classmethod
    def of(cls, model: Any) -> Recipe:
        """What the parameters of a fitted estimator say."""
        hidden = len(model.coefs_) - 1
        return cls(
            one_each(model.activation, "activation", hidden),
            one_each(model.dropout, "dropout", hidden),
            model.batch_norm,
            model.layer_norm,
            model._task(),
        )

    def network(self, shapes: list[tuple[int, int]], dtype: Any, seed: int) -> Network:
        """A network whose weights are all 0."""
        layers: list[Layer] = []

        def dense(place: int) -> Dense:
            return Dense(*shapes[place], initializer="zeros", random_state=UNUSED, dtype=dtype)

        for place, (activation, rate) in enumerate(zip(self.activations, self.dropout, strict=True)):
            layers.append(dense(place))
            if self.batch_norm:
                layers.append(BatchNorm(shapes[place][1], dtype=dtype))
            if self.layer_norm:
                layers.append(LayerNorm(shapes[place][1], dtype=dtype))
            layers.append(activation_of(activation))
            if rate:
                layers.append(Dropout(rate, random_state=(seed + place) % 2**32))
        ending, loss = self.task.ending()
        return Network([*layers, dense(len(shapes) - 1), *ending], loss, UNUSED)


def arrays_beside(network: Network) -> list[np.ndarray]:
    """What normalisation has learned, layer by layer: parameters, then running statistics."""
    return [
        getattr(layer, name)
        for layer in network.layers
        if not isinstance(layer, Dense | OwnLayer)
        for name in (*layer.parameter_shapes(), *layer.state_names)
    ]
