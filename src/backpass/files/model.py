"""The model file: safetensors, with the configuration as JSON in its metadata. Nothing in it can run.

tensors   dense1.weights (D, M), dense1.biases (1, M), dense2.weights ...
metadata  format "backpass", version "1", config {"dtype": ..., "layers": [{"class": "Dense", ...}, ...], "loss": {...}}
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import backpass.fusions
import backpass.layers
import backpass.losses  # noqa: F401  the three packages fill LAYERS and LOSSES
from backpass.layers.layer import LAYERS, Layer
from backpass.layers.own import own_part
from backpass.losses.loss import LOSSES, Loss

VERSION = "1"


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file beside and rename it: a reader finds the old one or the new one, never half of it.

    What is there and no regular file, a device or a pipe, is written into. Links are followed.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file")
    beside = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        end = Path(os.path.realpath(path))  # where links lead: a link stays a link
        beside = end.with_name(f".{end.name}.{os.getpid()}.{threading.get_ident()}")
        beside.write_bytes(content)
        if end.exists():
            shutil.copymode(end, beside)
        os.replace(beside, end)
    except OSError as error:
        if beside is not None:
            with suppress(OSError):
                beside.unlink()
        raise type(error)(f"{path} cannot be written: {error.strerror}") from None


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """dense1, relu1, dense2 ..."""
    counts: Counter[str] = Counter()
    names = []
    for layer in layers:
        kind = type(own_part(layer)).__name__.lower()
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def save(path: str | Path, layers: Sequence[Layer], loss: Loss) -> None:
    from safetensors.numpy import save as to_bytes

    unknown = [part for part in (*layers, loss) if type(part).__name__ not in {*LAYERS, *LOSSES}]
    if unknown:
        raise TypeError(
            f"{unknown[0]!r} is an object of your own, which a model file cannot name; write it with kernels, or keep "
            "network.parameters"
        )
    part: Any
    for part in (*layers, loss):
        wanted = inspect.signature(type(part).__init__).parameters.values()
        named = {each.name for each in wanted if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
        named -= {"self", "dtype", "random_state"}
        if named and type(part).config in (Layer.config, Loss.config):  # the empty one
            raise TypeError(f"{part!r} cannot be saved: define config(), a dict of {', '.join(sorted(named))}")
    tensors = {
        f"{name}.{parameter}": np.ascontiguousarray(getattr(layer, parameter))
        for name, layer in zip(layer_names(layers), layers, strict=True)
        for parameter in (*layer.parameter_shapes(), *layer.state_names)
    }
    config = {
        "dtype": str(next((layer.dtype for layer in layers if layer.dtype is not None), np.dtype(np.float32))),
        "layers": [{"class": type(layer).__name__, **layer.config()} for layer in layers],
        "loss": {"class": type(loss).__name__, **loss.config()},
    }
    metadata = {"format": "backpass", "version": VERSION, "config": json.dumps(config)}
    write_whole(path, in_order(to_bytes(tensors, metadata)))


def in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: in safetensors' own order, equal models make files that differ."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def load(path: str | Path) -> tuple[list[Layer], Loss]:
    """Layers with their weights, and the loss. FileNotFoundError, ValueError for what `save` did not write."""
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder; pass the file that Network.save wrote")
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist; Network.save writes such a file")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no backpass model, or is cut off ({error})") from None
    if metadata.get("format") != "backpass":
        raise ValueError(f"{path} is a safetensors file that backpass did not write; it has no configuration")
    if metadata.get("version") != VERSION:
        raise ValueError(f"{path} has format version {metadata.get('version')}; this backpass reads version {VERSION}")
    try:
        config = json.loads(metadata["config"])
        layers = [made(LAYERS, described, config["dtype"]) for described in config["layers"]]
        for name, layer in zip(layer_names(layers), layers, strict=True):
            for parameter in (*layer.parameter_shapes(), *layer.state_names):
                setattr(layer, parameter, tensors[f"{name}.{parameter}"])
        return layers, made(LOSSES, config["loss"], None)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold a network that this backpass knows: {error}") from None


def made(classes: dict[str, Any], described: dict[str, Any], dtype: str | None) -> Any:
    """The part that a configuration describes."""
    arguments = dict(described)
    name = arguments.pop("class")
    if name not in classes or name == "Fusion":
        raise ValueError(f"there is no {name}; import the module that defines it first")
    if dtype is not None and "dtype" in inspect.signature(classes[name]).parameters:
        arguments["dtype"] = dtype
    return classes[name](**arguments)
