"""`backpass train`: from a table to a trained network, in a folder with all that belongs to it."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

import backpass
from backpass.cli import run_folder
from backpass.cli.features import Features
from backpass.cli.run_folder import NewRunFolder, RunFolder
from backpass.cli.targets import TASKS, Target, listed, read_off
from backpass.datasets.builtin import BUILTIN
from backpass.datasets.readers import Table, read
from backpass.layers.layer import LAYERS
from backpass.optimizers.optimizer import OPTIMIZERS

if TYPE_CHECKING:
    from backpass.training import History

VALIDATION_SHARE = 0.15  # of the training part; it only chooses the epoch that is kept
FEWEST_VALIDATION_ROWS = 10  # fewer say nothing: the last epoch is kept


def activations() -> dict[str, type]:
    """The layers that can stand between two Dense by their name alone."""
    found = {}
    for name, layer in LAYERS.items():
        try:
            made = layer()
        except TypeError:  # it needs arguments
            continue
        if not made.parameter_shapes() and layer.__module__.startswith("backpass."):
            found[name.lower()] = layer
    return dict(sorted(found.items()))


def widths_of(hidden: str) -> list[int]:
    try:
        widths = [int(width) for width in hidden.split(",")] if hidden.strip() else []
    except ValueError:
        widths = [0]
    if any(width < 1 for width in widths):
        raise typer.BadParameter(f"{hidden!r} is no list of layer widths; write for example 64,64")
    return widths


def choice(value: str, choices: Any) -> str:
    if value.lower() not in choices:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}")
    return value.lower()


def positive(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{value} is not a number above 0")
    return value


def share(value: float) -> float:
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not between 0 and 1")
    return value


def train(
    data: str = typer.Argument(help=f"One of {', '.join(BUILTIN)}; or a .csv, .parquet or .npz (X, y) file."),
    target: str | None = typer.Option(None, help="The column to predict. Built-in data and .npz files know theirs."),
    task: str = typer.Option("auto", callback=lambda value: choice(value, TASKS), help=f"One of {', '.join(TASKS)}."),
    hidden: str = typer.Option("64,64", help="Widths of the hidden layers; an empty string for none."),
    activation: str = typer.Option(
        "relu", callback=lambda value: choice(value, activations()), help=f"One of {', '.join(activations())}."
    ),
    epochs: int = typer.Option(200, min=1, help="Passes over the training part. The best one's weights are kept."),
    batch_size: int = typer.Option(32, min=1, help="Samples a step."),
    learning_rate: float = typer.Option(0.003, callback=positive, help="Size of the steps, above 0."),
    optimizer: str = typer.Option(
        "adam", callback=lambda value: choice(value, sorted(OPTIMIZERS)), help=f"One of {', '.join(sorted(OPTIMIZERS))}."
    ),
    test_size: float = typer.Option(0.2, callback=share, help="Share of the rows that is held out for the figures."),
    seed: int = typer.Option(0, min=0, max=2**32 - 1, help="The same seed gives the same model, to the bit."),
    threads: int | None = typer.Option(None, min=1, help="Most threads to use; all cores where there is work for them."),
    out: Path | None = typer.Option(None, help="The run folder; a new one in runs/ if not given."),
) -> None:
    """Train a network on a table, and leave a run folder.

    Classification or regression is read off the target. A sixth or so of the training part only chooses the epoch that
    is kept. A regression's loss is of the standardised target; r2 is the same on any scale.
    Ctrl-C ends training after the current epoch and keeps what was learnt.
    """
    widths = widths_of(hidden)
    table = read(data)
    wanted = target or table.target
    if wanted is None:
        raise typer.BadParameter(f"{data} needs it; the columns are {listed(table.frame.columns)}", param_hint="--target")
    features, kind, parts = prepare(table, wanted, task, test_size, seed)
    options = {
        "task": task,
        "hidden": widths,
        "activation": activation,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "test_size": test_size,
        "seed": seed,
        "threads": threads,
    }
    with Interrupt() as interrupt, NewRunFolder(out, table.name) as folder:
        try:
            history, run = learn(features, kind, parts, options, interrupt)
        except MemoryError:
            raise ValueError(f"--hidden {hidden} needs more memory than there is") from None
        run.record = record(data, table, run, parts, options, history, interrupt.kept)
        write(folder, run, parts, history, interrupt.kept, table.name)
        run.path = folder.finish()
    report(run, data, history, epochs, interrupt)


class Part:
    """Some rows of the table."""

    def __init__(self, frame: Any, encoded: np.ndarray):
        self.frame, self.encoded = frame, encoded
        self.X = self.y = np.empty(0)

    def __len__(self) -> int:
        return len(self.frame)


def prepare(
    table: Table, wanted: str, task: str, test_size: float, seed: int
) -> tuple[Features, Target, dict[str, Part]]:
    """Split the rows, learn from the training part what to do with columns and target, and do it to all parts."""
    frame = table.frame
    if wanted not in frame:
        raise ValueError(f"{table.name} has no column {wanted!r}; it has {listed(frame.columns, most=30)}")
    kind = read_off(frame[wanted], choice(task, TASKS))
    encoded = kind.encode(frame[wanted])
    if len(frame) < 2:
        raise ValueError(f"{table.name} has 1 row; at least 2 are needed, to train on and to test on")
    samples = frame.drop(columns=[wanted])
    learning, test = split(encoded, max(1, round(len(frame) * test_size)), kind, seed)
    parts = {"train": Part(samples.iloc[learning], encoded[learning]), "test": Part(samples.iloc[test], encoded[test])}
    features = Features.of(parts["train"].frame)
    kind.standardise(parts["train"].encoded)
    for name, part in parts.items():
        part.X = features.fit(part.frame, seed) if name == "train" else features.transform(part.frame)
        part.y = kind.for_network(part.encoded)
    return features, kind, parts


def split(encoded: np.ndarray, held_out: int, kind: Target, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows held out, every class in both where there are enough of it."""
    from sklearn.model_selection import train_test_split

    rows = len(encoded)
    held_out = min(held_out, rows - 1)
    counts = np.unique(encoded, return_counts=True)[1] if kind.classifies else np.zeros(1)
    stratified = counts.min() >= 2 and len(counts) <= min(held_out, rows - held_out)
    learning, other = train_test_split(
        np.arange(rows), test_size=held_out, random_state=seed, stratify=encoded if stratified else None
    )
    return learning, other


def learn(
    features: Features, kind: Target, parts: dict[str, Part], options: dict[str, Any], interrupt: Interrupt
) -> tuple[History, RunFolder]:
    """Build the network and train it; the weights of the epoch that the validation part likes best are kept."""
    X, y, seed = parts["train"].X.astype(np.float32), parts["train"].y, options["seed"]
    network = build(X.shape[1], kind, options)
    fitted, validation = np.arange(len(X)), np.arange(0)
    if (rows := round(len(X) * VALIDATION_SHARE)) >= FEWEST_VALIDATION_ROWS:
        fitted, validation = split(parts["train"].encoded, rows, kind, seed)
    interrupt.network = network
    with Progress(interrupt) as progress:
        history = network.fit(
            X[fitted],
            y[fitted],
            optimizer=OPTIMIZERS[options["optimizer"]](learning_rate=options["learning_rate"]),  # type: ignore[call-arg]
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            validation_data=(X[validation], y[validation]) if len(validation) else None,
            callbacks=[interrupt, progress],
            threads=options["threads"],
        )
    interrupt.restore()
    return history, RunFolder(Path(), network, features, kind, {})


def build(columns: int, kind: Target, options: dict[str, Any]) -> backpass.Network:
    widths = [columns, *options["hidden"]]
    layers: list[Any] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [backpass.Dense(before, after), activations()[options["activation"]]()]
    layers.append(backpass.Dense(widths[-1], len(kind.classes) if kind.classifies else 1))
    layers.append(backpass.Softmax() if kind.classifies else backpass.Linear())
    loss = backpass.CategoricalCrossentropy() if kind.classifies else backpass.MeanSquaredError()
    return backpass.Network(layers, loss, random_state=options["seed"])


class Interrupt:
    """Ctrl-C: the first ends training after its epoch, the second everything. Remembers the best epoch on the way."""

    def __init__(self) -> None:
        self.asked = False
        self.network: Any = None
        self.kept, self.least, self.weights = 0, math.inf, np.empty(0)

    def __enter__(self) -> Interrupt:
        self.before = signal.signal(signal.SIGINT, self.on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def on_signal(self, *signal_and_frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
