"""A Model as a backpass model file (`files/model.py`): safetensors, with the configuration as JSON. Nothing in it runs.

`layers` and `loss` are those of a Network, so `backpass.Network.load` reads the file too, where it knows all parts.
What only a Model has stands under `nnfs`: regularisers, the accuracy, the optimizer, whose state is among the tensors.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.files.model import VERSION, in_order, write_whole
from backpass.nnfs import accuracies, activations, layers, losses, optimizers

if TYPE_CHECKING:
    from backpass.nnfs.model import Model

LAYERS: dict[str, type] = {
    "Dense": layers.Layer_Dense,
    "Dropout": layers.Layer_Dropout,
    "ReLU": activations.Activation_ReLU,
    "Softmax": activations.Activation_Softmax,
    "Sigmoid": activations.Activation_Sigmoid,
    "Linear": activations.Activation_Linear,
}
LOSSES: dict[str, type] = {
    "CategoricalCrossentropy": losses.Loss_CategoricalCrossentropy,
    "BinaryCrossentropy": losses.Loss_BinaryCrossentropy,
    "MeanSquaredError": losses.Loss_MeanSquaredError,
    "MeanAbsoluteError": losses.Loss_MeanAbsoluteError,
}
OPTIMIZERS: dict[str, type] = {
    "SGD": optimizers.Optimizer_SGD,
    "Adagrad": optimizers.Optimizer_Adagrad,
    "RMSprop": optimizers.Optimizer_RMSprop,
    "Adam": optimizers.Optimizer_Adam,
}
ACCURACIES: dict[str, type] = {
    "Categorical": accuracies.Accuracy_Categorical,
    "Regression": accuracies.Accuracy_Regression,
}
REGULARIZERS = ("weight_regularizer_l1", "weight_regularizer_l2", "bias_regularizer_l1", "bias_regularizer_l2")
STATE = ("weight_momentums", "bias_momentums", "weight_cache", "bias_cache")


def name_of(part: Any, classes: dict[str, type]) -> str:
    for name, each in classes.items():
        if type(part) is each:
            return name
    raise ValueError(f"a model with {type(part).__name__} cannot be saved; save_parameters keeps its weights")


def describe_layer(layer: Any) -> dict[str, Any]:
    kind = name_of(layer, LAYERS)
    if kind == "Dense":
        D, M = layer.weights.shape
        if layer.biases.shape != (1, M):
            raise ValueError(f"biases have shape {layer.biases.shape}; a layer of {M} neurons is saved with (1, {M})")
        return {"class": kind, "n_inputs": D, "n_neurons": M, "initializer": None}
    return {"class": kind, "rate": 1 - layer.rate} if kind == "Dropout" else {"class": kind}


def write(path: str | Path, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> None:
    from safetensors.numpy import save as to_bytes

    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {"format": "backpass", "version": VERSION, "config": json.dumps(config)}
    write_whole(path, in_order(to_bytes(contiguous, metadata)))


def save_parameters(path: str | Path, parameters: list[tuple[np.ndarray, np.ndarray]]) -> None:
    tensors: dict[str, np.ndarray] = {}
    for number, (weights, biases) in enumerate(parameters, 1):
        tensors |= {f"dense{number}.weights": weights, f"dense{number}.biases": biases}
    write(path, tensors, {"parameters": len(parameters)})


def load_parameters(path: str | Path) -> list[tuple[np.ndarray, np.ndarray]]:
    tensors, _ = read(path)
    numbers = range(1, 1 + sum(name.endswith(".weights") for name in tensors))
    return [(tensors[f"dense{number}.weights"], tensors[f"dense{number}.biases"]) for number in numbers]


def save(path: str | Path, model: Model) -> None:
    counts: Counter[str] = Counter()
    described: list[dict[str, Any]] = []
    own: list[dict[str, float]] = []
    tensors: dict[str, np.ndarray] = {}
    for layer in model.layers:
        described.append(describe_layer(layer))
        kind = described[-1]["class"].lower()
        counts[kind] += 1
        arrays = ("weights", "biases", *STATE) if kind == "dense" else ()
        tensors |= {f"{kind}{counts[kind]}.{name}": getattr(layer, name) for name in arrays if hasattr(layer, name)}
        own.append({name: float(getattr(layer, name)) for name in REGULARIZERS} if kind == "dense" else {})
    nnfs: dict[str, Any] = {"regularizers": own}
    if (optimizer := model.optimizer) is not None:
        kind, progress = name_of(optimizer, OPTIMIZERS), [optimizer.iterations, float(optimizer.current_learning_rate)]
        nnfs["optimizer"] = {"class": kind, **optimizer._config(), "progress": progress}
    if (accuracy := model.accuracy) is not None:
        kind = name_of(accuracy, ACCURACIES)
        nnfs["accuracy"] = {"class": kind, "binary": accuracy.binary} if kind == "Categorical" else {"class": kind}
        if kind == "Regression" and accuracy.precision is not None:
            nnfs["accuracy"]["precision"] = float(accuracy.precision)
    dtypes = [layer.weights.dtype for layer in model.layers if hasattr(layer, "weights")]
    config: dict[str, Any] = {"dtype": str(dtypes[0]) if dtypes else "float32", "layers": described, "nnfs": nnfs}
    config["loss"] = None if model.loss is None else {"class": name_of(model.loss, LOSSES)}
    write(path, tensors, config)


def load(path: str | Path, model: Model) -> None:
    tensors, config = read(path)
    try:
        counts: Counter[str] = Counter()
        for described, regularizers in zip(config["layers"], config["nnfs"]["regularizers"], strict=True):
            kind = described["class"]
            counts[kind] += 1
            model.add(made_layer(described, regularizers, tensors, f"{kind.lower()}{counts[kind]}."))
        parts: dict[str, Any] = {}
        if config["loss"] is not None:
            parts["loss"] = LOSSES[config["loss"]["class"]]()
        if arguments := dict(config["nnfs"].get("optimizer", {})):
            made, progress = OPTIMIZERS[arguments.pop("class")], arguments.pop("progress")
            parts["optimizer"] = made(**arguments)
            parts["optimizer"].iterations, parts["optimizer"].current_learning_rate = progress
        if arguments := dict(config["nnfs"].get("accuracy", {})):
            made, precision = ACCURACIES[arguments.pop("class")], arguments.pop("precision", None)
            parts["accuracy"] = made(**arguments)
            if precision is not None:
                parts["accuracy"].precision = precision
        model.set(**parts)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold a model of backpass.nnfs: {error}") from None
    model.finalize()


def made_layer(
    described: dict[str, Any], regularizers: dict[str, float], tensors: dict[str, np.ndarray], prefix: str
) -> Any:
    kind = described["class"]
    if kind == "Dropout":
        return layers.Layer_Dropout(described["rate"])
    if kind != "Dense":
        return LAYERS[kind]()
    layer: Any = layers.Layer_Dense.__new__(layers.Layer_Dense)  # drawing weights would move the global generator
    layer.set_parameters(tensors[f"{prefix}weights"], tensors[f"{prefix}biases"])
    shapes = {"weights": (described["n_inputs"], described["n_neurons"]), "biases": (1, described["n_neurons"])}
    for name, shape in shapes.items():
        if getattr(layer, name).shape != shape:
            raise ValueError(f"{prefix}{name} has shape {getattr(layer, name).shape}; {shape} is expected")
    for name in REGULARIZERS:
        setattr(layer, name, regularizers[name])
    for name in STATE:
        if prefix + name in tensors:
            setattr(layer, name, tensors[prefix + name])
    return layer


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the configuration. FileNotFoundError, ValueError for what is no such file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; pass the file that save wrote")
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; save writes such a file")
    content = path.read_bytes()
    if content[8:9] != b"{" and (content[:1] == b"\x80" or content[-1:] == b"."):
        raise ValueError(
            f"{path} is a pickle, which can run any code when it is read; "
            "train again and save, or read its arrays where you trust it and pass them to set_parameters"
        )
    try:
        tensors = from_bytes(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is no backpass model, or is cut off ({error})") from None
    if metadata.get("format") != "backpass" or metadata.get("version") != VERSION:
        raise ValueError(f"{path} is no backpass model of version {VERSION}; save writes such a file")
    return tensors, json.loads(metadata["config"])
