"""A run folder: what one training leaves behind.

model.safetensors     weights and configuration (Network.save)
preprocessor.skops    the fitted preprocessor
history.csv           one row an epoch
curves.png            the losses, epoch by epoch; regions.png where there are two numeric features
run.json              data, options, versions, figures: a folder that holds it is whole
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from backpass.cli.features import Features
from backpass.cli.targets import Target
from backpass.network import Network

MODEL, PREPROCESSOR, RUN = "model.safetensors", "preprocessor.skops", "run.json"
HISTORY, CURVES, REGIONS = "history.csv", "curves.png", "regions.png"
ALL = (MODEL, PREPROCESSOR, HISTORY, CURVES, REGIONS, RUN)  # run.json last: it says that the others are there
RUNS = Path("runs")


class RunFolder:
    """A trained network, with what leads into it and out of it."""

    def __init__(self, path: Path, network: Network, features: Features, target: Target, record: dict[str, Any]):
        self.path, self.network, self.features, self.target, self.record = path, network, features, target, record

    @classmethod
    def load(cls, path: str | Path) -> RunFolder:
        """Read a run folder. FileNotFoundError, ValueError for what is none, or was changed."""
        path = Path(path)
        if not (path / RUN).is_file():
            what = "is no run folder: it holds no run.json" if path.exists() else "does not exist"
            raise FileNotFoundError(f"{path} {what}; backpass train makes run folders")
        try:
            record = json.loads((path / RUN).read_text(encoding="utf-8"))
            data = record["data"]
            record["options"], record["versions"], record["figures"]["train"], record["figures"]["test"]
            features = Features(list(data["features"]), list(data["numbers"]))
            target = Target(**data["target"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path / RUN} is not what backpass train writes: {error!r}") from None
        network = Network.load(path / MODEL)
        outputs = len(target.classes) if target.classifies else 1
        if network.widths[-1] != outputs or network.loss.classifies != target.classifies:
            raise ValueError(f"{path / MODEL} does not fit {RUN}: it has {network.widths[-1]} outputs for {outputs}")
        return cls(path, network, features, target, record)

    def load_features(self) -> None:
        """Read the preprocessor too, which takes a second."""
        self.features.load(self.path / PREPROCESSOR)
        if self.features.pipeline.n_features_in_ != len(self.features.columns):
            raise ValueError(f"{self.path / PREPROCESSOR} does not fit {RUN}: its columns are others")


class NewRunFolder:
    """A folder that is filled apart, and put in its place when it is whole.

    Used in a `with`: what is unfinished at its end is removed.
    """

    def __init__(self, out: Path | None, name: str):
        self.wanted, self.name = out, name
        if out is not None and (out.exists() or out.is_symlink()):
            if not out.is_dir():
                raise FileExistsError(f"{out} is a file; name a folder")
            if any(out.iterdir()) and not (out / RUN).is_file():
                raise FileExistsError(f"{out} is not empty and no run folder; name another")
        self.beside: Path | None = None

    def __enter__(self) -> NewRunFolder:
        if self.wanted is None:
            parent = RUNS
        else:  # a folder that is there may be all that may be written to, or a disk of its own
            parent = self.wanted if self.wanted.is_dir() else Path(os.path.abspath(self.wanted)).parent
        self.beside = parent / f".{self.name}.unfinished.{os.getpid()}"
        try:
            self.beside.mkdir(parents=True)
        except OSError as error:
            raise OSError(f"{parent} cannot hold a run folder: {error.strerror}") from None
        return self

    def __exit__(self, *error: object) -> None:
        assert self.beside is not None
        shutil.rmtree(self.beside, ignore_errors=True)

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
