"""What `backpass train` does between the table and the run folder: split, fit, keep the best epoch."""

from __future__ import annotations

import math
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np

import backpass
from backpass.audit import Health, HealthCallback
from backpass.cli.columns.column import Column
from backpass.cli.features import Features, Row
from backpass.cli.splitting import split
from backpass.cli.targets import Target, listed, read_off
from backpass.datasets.readers import Table
from backpass.layers.layer import LAYERS
from backpass.optimizers.optimizer import OPTIMIZERS

VALIDATION_SHARE = 0.2  # of the training part; it only chooses the epoch that is kept
FEWEST_VALIDATION_ROWS = 10  # fewer say nothing: the last epoch is kept


class Part:
    """Some rows of the table: as a picture shows them, and as the network takes them."""

    def __init__(self, frame: Any, X: np.ndarray, y: np.ndarray, encoded: np.ndarray):
        self.frame, self.X, self.y, self.encoded = frame, X, y, encoded

    def __len__(self) -> int:
        return len(self.frame)


def prepare(
    table: Table, wanted: str, task: str, test_size: float, seed: int, strict: bool = False
) -> tuple[Features, Target, dict[str, Part]]:
    """Split the rows, learn from the training part what to do with the columns and the target, and do it to all.

    What was decided is added to the table's notes. Rows without a target are left out; ValueError if `strict`.
    """
    if wanted not in table.frame:
        raise ValueError(f"{table.name} has no column {wanted!r}; it has {listed(table.frame.columns, most=30)}")
    decimal = table.reading.decimal or "."
    target, notes = read_off(Column(table.frame[wanted], table.row), task, decimal)
    table.notes += notes
    frame, row = with_target(table, target, wanted, strict)
    encoded = target.encode(Column(frame[wanted], row))
    samples = frame.drop(columns=[wanted])
    learning, test = split(encoded, max(1, round(len(frame) * test_size)), target, seed)
    features, X = Features.of(samples, learning, seed, decimal, row)
    table.notes += features.notes
    target.standardise(encoded[learning])
    y = target.for_network(encoded)
    samples = features.plane(samples)
    return (
        features,
        target,
        {
            name: Part(samples.iloc[rows], X[rows], y[rows], encoded[rows])
            for name, rows in (("train", learning), ("test", test))
        },
    )


def with_target(table: Table, target: Target, name: str, strict: bool) -> tuple[Any, Row]:
    """The rows that have a target, and how they are called. ValueError if there are none; for any other if `strict`."""
    column = Column(table.frame[name], table.row)
    absent = target.absent(column)
    if not absent.any():
        return table.frame, table.row
    first, count = table.row(int(absent.argmax())), int(absent.sum())
    if strict or absent.all():
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise ValueError(f"{name} has no value in {first}{more}; drop such rows, or leave --strict out")
    table.notes.append(
        f"{counted(count, 'row')} without {name} {'is' if count == 1 else 'are'} left out, the first: {first}"
    )
    kept = np.flatnonzero(~absent)
    return table.frame.iloc[kept], lambda place: table.row(int(kept[place]))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
    """Remembers the weights of the epoch with the least validation loss; without one, the last weights are kept."""

    def __init__(self, network: backpass.Network):
        self.network = network
        self.epoch, self.least = 0, math.inf
        self.weights: np.ndarray | None = None

    def on_epoch_end(self, epoch: int, figures: dict[str, float]) -> None:
        if "validation_loss" not in figures:
            self.epoch = epoch
        elif figures["validation_loss"] < self.least:
            self.epoch, self.least = epoch, figures["validation_loss"]
            self.weights = self.network.parameters.copy()

    def restore(self) -> None:
        if self.weights is not None:
            self.network.parameters[:] = self.weights


class Interrupt:
    """Ctrl-C inside a `with`: the first ends training after the present steps, the second ends everything.

    Python calls a handler once for all signals that came while compiled code ran. A socket has a byte for each.
    """

    def __init__(self) -> None:
        self.times = 0

    @property
    def asked(self) -> bool:
        return self.times > 0

    def __enter__(self) -> Interrupt:
        self.sockets = self.reading, writing = socket.socketpair()
        for each in self.sockets:
            each.setblocking(False)
        self.wakeup_before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self.before = signal.signal(signal.SIGINT, self.on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self.before)
        signal.set_wakeup_fd(self.wakeup_before)
        for each in self.sockets:
            each.close()

    def on_signal(self, number: int, frame: object) -> None:
        with suppress(BlockingIOError):  # a test calls this without a signal
            self.times += self.reading.recv(64).count(number) - 1
        self.times += 1
        if self.times > 1:
            raise KeyboardInterrupt

    def on_epoch_end(self, *told: object) -> bool:
        return self.asked

    on_progress = on_epoch_end  # within an epoch, too


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
