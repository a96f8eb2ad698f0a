"""A run folder: what one training leaves behind.

model.safetensors     weights and configuration (Network.save)
preprocessor.safetensors what was learnt of the columns
history.csv           one row an epoch
curves.png            the losses, epoch by epoch; regions.png where there are two numeric features
run.json              data, options, versions, figures: a folder that holds it is whole
"""

from __future__ import annotations

import json
import math
import os
import reprlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from backpass.cli.columns.kinds import from_json
from backpass.cli.columns.numbers import Boolean, Number
from backpass.cli.features import Features
from backpass.cli.targets import TASKS, Target
from backpass.datasets.readers import Reading, Table, read
from backpass.files.model import layer_names
from backpass.network import Network

MODEL, PREPROCESSOR, RUN = "model.safetensors", "preprocessor.safetensors", "run.json"
HISTORY, CURVES, REGIONS = "history.csv", "curves.png", "regions.png"
ALL = (MODEL, PREPROCESSOR, HISTORY, CURVES, REGIONS, RUN)  # run.json last: it says that the others are there
KEYS = ("data", "options", "versions", "figures")  # what run.json holds
RUNS = Path("runs")


def is_run(path: Path) -> bool:
    """Whether a folder is one of ours."""
    try:
        read_record(path / RUN)
    except (OSError, ValueError):
        return False
    return True


class RunFolder:
    """A trained network, with what leads into it and out of it."""

    def __init__(
        self,
        path: Path,
        network: Network,
        features: Features,
        target: Target,
        record: dict[str, Any],
        reading: Reading = Reading(),  # noqa: B008  it is frozen
    ):
        self.path, self.network, self.features, self.target, self.record = path, network, features, target, record
        self.reading = reading

    @classmethod
    def load(cls, path: str | Path) -> RunFolder:
        """Read a run folder. FileNotFoundError, ValueError for what is none, or was changed."""
        path = Path(path)
        if not (path / RUN).is_file():
            what = "is no run folder: it holds no run.json" if path.exists() else "does not exist"
            raise FileNotFoundError(f"{path} {what}; backpass train makes run folders")
        try:
            record = read_record(path / RUN)
            data = record["data"]
            refuse_older(path, data)
            target = Target(**data["target"])
            refuse_odd(record, target)
            features = Features(data["features"], [from_json(kind) for kind in data["kinds"]])
            reading = Reading.from_dict(data["reading"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path / RUN} is not what backpass train writes: {error!r}") from None
        network = Network.load(path / MODEL)
        outputs = len(target.classes) if target.classifies else 1
        if network.widths[-1] != outputs or network.loss.classifies != target.classifies:
            raise ValueError(f"{path / MODEL} does not fit {RUN}: it has {network.widths[-1]} outputs for {outputs}")
        refuse_infinite(path / MODEL, network)
        features.load(path / PREPROCESSOR)
        if network.widths[0] != len(features.mean):
            raise ValueError(
                f"{path / MODEL} does not fit {RUN}: it takes {network.widths[0]} inputs for {len(features.mean)}"
            )
        return cls(path, network, features, target, record, reading)

    def read(self, data: str | Path | Sequence[str], asked: Reading = Reading()) -> Table:  # noqa: B008
        """A table, read as the run's was, where nothing else is asked for."""
        return read(data, asked, as_before=self.reading)

    def decimal_of(self, table: Table) -> str | None:
        """The mark before the decimals in a table, where it is another one than in the run's."""
        return None if table.reading.decimal == self.reading.decimal else table.reading.decimal


def refuse_infinite(path: Path, network: Network) -> None:
    """ValueError for weights, or running statistics, that are no finite numbers."""
    for name, layer in zip(layer_names(network.layers), network.layers, strict=True):
        for held in (*layer.parameter_shapes(), *layer.state_names):
            if not np.isfinite(getattr(layer, held)).all():
                raise ValueError(f"{path} is refused: {name}.{held} holds numbers that are not finite")


def refuse_older(path: Path, data: dict[str, Any]) -> None:
    """ValueError for a run whose preprocessor a later backpass does not read."""
    if "kinds" not in data and "numbers" in data:
        raise OldRun(f"{path} was made by an older backpass, whose preprocessor this one does not read; train again")


class OldRun(OSError):
    """A run folder of an older format: told as it is."""


def read_record(path: Path) -> dict[str, Any]:
    """What run.json holds. ValueError where it is none of ours."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(record, dict) or any(not isinstance(record.get(key), dict) for key in KEYS):
        raise ValueError(f"it does not hold {', '.join(KEYS)}")
    return record


def refuse_odd(record: dict[str, Any], target: Target) -> None:
    """KeyError, TypeError for a key that is missing, or whose value is not what a command may meet there."""

    def hold(holder: dict[str, Any], kinds: Any, *keys: str) -> None:
        for key in keys:
            if not isinstance(holder[key], kinds):
                raise TypeError(f"{key} is {reprlib.repr(holder[key])}")

    data, figures, number = record["data"], record["figures"], (int, float)
    hold(data, str, "source")
    hold(data, int, "rows")
    hold(data, list, "features", "kinds")
    hold(data, dict, "reading")
    features = data["features"]
    if not features or any(not isinstance(name, str) for name in features) or len(set(features)) < len(features):
        raise TypeError(f"features are {reprlib.repr(data['features'])}")
    held = vars(target)
    hold(held, str, "name", "task")
    hold(held, list, "classes")
    hold(data["target"], (dict, type(None)), "kind")
    if target.kind is not None and not isinstance(from_json(target.kind), Number | Boolean):
        raise TypeError(f"target is read as {reprlib.repr(target.kind)}")
    hold(held, number, "mean", "scale")
    if target.task not in TASKS[1:] or any(not isinstance(label, (str, *number)) for label in target.classes):
        raise TypeError(f"target is {reprlib.repr(held)}")
    if not (math.isfinite(target.mean) and math.isfinite(target.scale) and target.scale > 0):
        raise TypeError(f"mean is {target.mean} and scale is {target.scale}")
    hold(figures, int, "epochs", "kept_epoch")
    hold(figures, dict, "train", "test")
    for part in ("train", "test"):
        hold(figures[part], int, "rows")
        hold(figures[part], number, "loss", target.figure)


class NewRunFolder:
    """A folder that is filled apart, and put in its place when it is whole.

    Used in a `with`: what is unfinished at its end is removed.
    """

    def __init__(self, out: Path | None, name: str):
        self.wanted, self.name = out, name
        if out is not None and (out.exists() or out.is_symlink()):
            if not out.is_dir():
                raise FileExistsError(f"{out} is a file; name a folder")
            if any(out.iterdir()) and not is_run(out):
                raise FileExistsError(f"{out} is not empty and no run folder; name another")
            for name in ALL:
                if (out / name).is_dir():
                    raise FileExistsError(f"{out / name} is a folder, where a file is to be; name another --out")
        self.beside: Path | None = None
        self.made: list[Path] = []

    def __enter__(self) -> NewRunFolder:
        if self.wanted is None:
            parent = RUNS
        else:  # a folder that is there may be all that may be written to, or a disk of its own
            parent = self.wanted if self.wanted.is_dir() else Path(os.path.abspath(self.wanted)).parent
        self.beside = parent / f".{self.name}.unfinished.{os.getpid()}"
        self.made = [folder for folder in (parent, *parent.parents) if not os.path.lexists(folder)]
        try:
            self.beside.mkdir(parents=True)
        except OSError as error:
            self._tidy()
            raise OSError(f"{parent} cannot hold a run folder: {error.strerror}") from None
        return self

    def __exit__(self, *error: object) -> None:
        assert self.beside is not None
        shutil.rmtree(self.beside, ignore_errors=True)
        self._tidy()

    def _tidy(self) -> None:
        """Remove the folders made on the way, where nothing came to be in them."""
        for folder in self.made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()

    def __truediv__(self, name: str) -> Path:
        assert self.beside is not None
        return self.beside / name

    def finish(self) -> Path:
        """Put the folder where it belongs, and say where that is."""
        assert self.beside is not None
        if self.wanted is None:
            return self._numbered(self.beside)
        if not self.wanted.is_dir():
            self.beside.rename(self.wanted)
            return self.wanted
        # the folder itself stays, with all else that somebody keeps in it; without run.json it is no run folder,
        # so nobody reads a mixture of the old one and the new one
        (self.wanted / RUN).unlink(missing_ok=True)
        for name in ALL:
            if (self / name).exists():
                os.replace(self / name, self.wanted / name)
            else:
                (self.wanted / name).unlink(missing_ok=True)
        return self.wanted

    def _numbered(self, beside: Path) -> Path:
        number = 1
        while True:
            path = RUNS / f"{self.name}-{number}"
            if not path.exists():
                try:
                    return beside.rename(path)
                except OSError:  # another run was faster
                    if not path.exists():
                        raise
            number += 1
