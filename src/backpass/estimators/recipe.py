"""What an estimator's parameters say of its network: the activation, normalisation and dropout behind each Dense."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

import backpass.layers  # noqa: F401  it fills LAYERS
from backpass import checks
from backpass.layers.batch_norm import BatchNorm
from backpass.layers.dense import Dense
from backpass.layers.dropout import Dropout
from backpass.layers.exponential import Exponential
from backpass.layers.layer import LAYERS, Layer
from backpass.layers.layer_norm import LayerNorm
from backpass.layers.linear import Linear
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.softmax import Softmax
from backpass.losses.binary_crossentropy import BinaryCrossentropy
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.losses.mean_squared_error import MeanSquaredError
from backpass.losses.poisson import Poisson
from backpass.network import Network

THEIRS = {"identity": "Linear", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}
OURS = ("ELU", "GELU", "LeakyReLU", "Mish", "SELU", "SiLU", "Softplus")
ACTIVATIONS = THEIRS | {name.lower(): name for name in OURS}
ENDINGS: dict[str, Any] = {
    "softmax": (Softmax, CategoricalCrossentropy),
    "logistic": (Sigmoid, BinaryCrossentropy),
    "identity": (Linear, MeanSquaredError),
    "exp": (Exponential, Poisson),
}


def one_each(value: Any, name: str, layers: int) -> tuple[Any, ...]:
    """One for each hidden layer. ValueError for a list of another length."""
    if not isinstance(value, list | tuple):
        return (value,) * layers
    if len(value) != layers:
        raise ValueError(f"{name} has {len(value)} entries for {layers} hidden layers; pass one each, or one for all")
    return tuple(value)


def activation_of(given: Any) -> Layer:
    """A layer of its own for a name or a layer without parameters. ValueError, TypeError for anything else."""
    if isinstance(given, Layer):
        if given.parameter_shapes() or not given.compiled:
            raise TypeError(f"activation is {given!r}; pass one without parameters that has kernels")
        return copy.deepcopy(given)
    return LAYERS[ACTIVATIONS[checks.one_of(given, "activation", ACTIVATIONS)]]()


@dataclass(frozen=True)
class Recipe:
    """Everything but sizes and numbers."""

    activations: tuple[Any, ...]
    dropout: tuple[float, ...]
    batch_norm: bool
    layer_norm: bool
    out_activation: str

    @classmethod
    def of(cls, model: Any) -> Recipe:
        """What the parameters of a fitted estimator say."""
        hidden = len(model.coefs_) - 1
        return cls(
            one_each(model.activation, "activation", hidden),
            one_each(model.dropout, "dropout", hidden),
            model.batch_norm,
            model.layer_norm,
            model.out_activation_,
        )

    def network(self, shapes: list[tuple[int, int]], dtype: Any, seed: int) -> Network:
        """A network whose weights are all 0."""
        layers: list[Layer] = []
        for place, (activation, rate) in enumerate(zip(self.activations, self.dropout, strict=True)):
            layers.append(Dense(*shapes[place], initializer="zeros", dtype=dtype))
            if self.batch_norm:
                layers.append(BatchNorm(shapes[place][1], dtype=dtype))
            if self.layer_norm:
                layers.append(LayerNorm(shapes[place][1], dtype=dtype))
            layers.append(activation_of(activation))
            if rate:
                layers.append(Dropout(rate, random_state=(seed + place) % 2**32))
        ending, loss = ENDINGS[self.out_activation]
        return Network([*layers, Dense(*shapes[-1], initializer="zeros", dtype=dtype), ending()], loss())


def arrays_beside(network: Network) -> list[np.ndarray]:
    """What normalisation has learned, layer by layer: parameters, then running statistics."""
    return [
        getattr(layer, name)
        for layer in network.layers
        if not isinstance(layer, Dense)
        for name in (*layer.parameter_shapes(), *layer.state_names)
    ]
