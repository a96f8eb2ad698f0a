"""What `backpass train` does between the table and the run folder: split, fit, keep the best epoch."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

import backpass
from backpass.audit import Health, HealthCallback
from backpass.cli.features import Features
from backpass.cli.targets import Target, listed, read_off
from backpass.datasets.readers import Table
from backpass.layers.layer import LAYERS
from backpass.optimizers.optimizer import OPTIMIZERS

VALIDATION_SHARE = 0.2  # of the training part; it only chooses the epoch that is kept
FEWEST_VALIDATION_ROWS = 10  # fewer say nothing: the last epoch is kept


class Part:
    """Some rows of the table: as they are, and as the network takes them."""

    def __init__(self, frame: Any, encoded: np.ndarray):
        self.frame, self.encoded = frame, encoded
        self.X: np.ndarray = np.empty((0, 0))
        self.y: np.ndarray = np.empty(0)

    def __len__(self) -> int:
        return len(self.frame)


def prepare(
    table: Table, wanted: str, task: str, test_size: float, seed: int
) -> tuple[Features, Target, dict[str, Part]]:
    """Split the rows, learn from the training part what to do with the columns and the target, and do it to all."""
    frame = table.frame
    if wanted not in frame:
        raise ValueError(f"{table.name} has no column {wanted!r}; it has {listed(frame.columns, most=30)}")
    target = read_off(frame[wanted], task)
    values = frame[wanted]
    if target.classifies:
        values = table.labels(wanted)
        target = read_off(values, "classification")
    encoded = target.encode(values)
    samples = frame.drop(columns=[wanted])
    learning, test = split(encoded, max(1, round(len(frame) * test_size)), target, seed)
    train, held_out = Part(samples.iloc[learning], encoded[learning]), Part(samples.iloc[test], encoded[test])
    features = Features.of(train.frame)
    target.standardise(train.encoded)
    train.X, train.y = features.fit(train.frame, seed), target.for_network(train.encoded)
    held_out.X, held_out.y = features.transform(held_out.frame), target.for_network(held_out.encoded)
    return features, target, {"train": train, "test": held_out}


def split(encoded: np.ndarray, held_out: int, target: Target, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows held out, every class in both where there are enough of it."""
    from sklearn.model_selection import train_test_split

    rows = len(encoded)
    held_out = min(held_out, rows - 1)
    counts = np.unique(encoded, return_counts=True)[1]
    stratified = target.classifies and counts.min() >= 2 and len(counts) <= min(held_out, rows - held_out)
    learning, other = train_test_split(
        np.arange(rows), test_size=held_out, random_state=seed, stratify=encoded if stratified else None
    )
    return learning, other


def activations() -> dict[str, Any]:
    """The layers that can stand between two Dense by their name alone."""
    found = {}
    for name, layer in LAYERS.items():
        try:
            made = layer()
        except TypeError:  # it needs arguments
            continue
        if not made.parameter_shapes() and made.suits is not None and not made.distribution:
            found[name.lower()] = layer
    return dict(sorted(found.items()))


def build(columns: int, target: Target, options: dict[str, Any]) -> backpass.Network:
    """Dense layers with the activation between them; softmax for classes, nothing for numbers."""
    widths = [columns, *options["hidden"]]
    activation = activations()[options["activation"]]
    layers: list[Any] = []
    for before, after in pairwise(widths):
        layers += [backpass.Dense(before, after), activation()]
    if target.classifies:
        layers += [backpass.Dense(widths[-1], len(target.classes)), backpass.Softmax()]
        return backpass.Network(layers, backpass.CategoricalCrossentropy(), random_state=options["seed"])
    layers += [backpass.Dense(widths[-1], 1), backpass.Linear()]
    return backpass.Network(layers, backpass.MeanSquaredError(), random_state=options["seed"])


class BestEpoch:
    """Remembers the weights of the epoch with the least validation loss; without one, of the last epoch."""

    def __init__(self, network: backpass.Network):
        self.network = network
        self.epoch, self.least, self.weights = 0, math.inf, network.parameters.copy()

    def on_epoch_end(self, epoch: int, figures: dict[str, float]) -> None:
        loss = figures.get("validation_loss", -math.inf)
        if loss < self.least or loss == -math.inf:
            self.epoch, self.least = epoch, loss
            self.weights[:] = self.network.parameters

    def restore(self) -> None:
        self.network.parameters[:] = self.weights


class Interrupt:
    """Ctrl-C inside a `with`: the first ends training after its epoch, the second ends everything."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Interrupt:
        self.before = signal.signal(signal.SIGINT, self.on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def on_signal(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_epoch_end(self, epoch: int, figures: dict[str, float]) -> bool:
        return self.asked


def learn(
    part: Part, target: Target, options: dict[str, Any], callbacks: Iterable[Any]
) -> tuple[backpass.Network, backpass.History, int, Health]:
    """Build a network and train it. Returned with it: the history, the epoch whose weights it has, what is wrong."""
    X, y, seed = part.X.astype(np.float32), part.y, options["seed"]
    hidden = ",".join(map(str, options["hidden"]))
    try:
        network = build(X.shape[1], target, options)
    except (MemoryError, OverflowError, ValueError):  # ValueError: beyond what any array may have
        raise ValueError(f"--hidden {hidden} asks for more memory than there is") from None
    fitted, validation = np.arange(len(X)), np.arange(0)
    if (rows := round(len(X) * VALIDATION_SHARE)) >= FEWEST_VALIDATION_ROWS:
        fitted, validation = split(part.encoded, rows, target, seed)
    best = BestEpoch(network)
    optimizer = OPTIMIZERS[options["optimizer"]](learning_rate=options["learning_rate"])
    watch = HealthCallback(network, X[fitted], y[fitted], optimizer)
    try:
        history = network.fit(
            X[fitted],
            y[fitted],
            optimizer=optimizer,
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            validation_data=(X[validation], y[validation]) if len(validation) else None,
            callbacks=[best, watch, *callbacks],
            threads=options["threads"],
        )
    except MemoryError:
        longer = options["epochs"] > network.parameters.size
        asked = f"--epochs {options['epochs']}" if longer else f"--hidden {hidden}"
        raise ValueError(f"{asked} asks for more memory than there is") from None
    best.restore()
    return network, history, best.epoch, watch.health(history)
