"""The networks, data and first weights that every peer gets alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backpass import datasets
from backpass.checks import one_of

ACTIVATIONS = ("relu", "tanh")
LOSSES = ("cross_entropy", "squared_error")


@dataclass(frozen=True)
class Case:
    """A network of Dense layers, what it learns from, and how: everything in float32, by Adam or AdamW.

    `checked`: after so many steps, whole epochs, every peer has to have the same loss.
    """

    name: str
    sizes: tuple[int, ...]
    X: np.ndarray  # (N, D) float32, N a multiple of the batch
    y: np.ndarray  # labels (N,) int64, or targets (N, M) float32
    batch: int
    learning_rate: float = 0.002
    checked: int = 200
    activation: str = "relu"  # of the hidden layers
    loss: str = "cross_entropy"  # of the softmax; or squared_error, the mean over everything
    dropout: float = 0.0  # rate, after every hidden activation
    weight_decay: float = 0.0  # of AdamW, biases too; at 0 it is Adam
    clip_norm: float | None = None  # of all gradients together
    note: str = ""  # for the caption; {core_microseconds} are ours, times threads

    def __post_init__(self) -> None:
        one_of(self.activation, "activation", ACTIVATIONS)
        one_of(self.loss, "loss", LOSSES)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.X) // self.batch

    @property
    def optimizer(self) -> str:
        return "AdamW" if self.weight_decay else "Adam"

    @property
    def described(self) -> str:
        """In one line, with sizes and batch first, and then whatever is not the same in most cases."""
        parts = [f"{'-'.join(map(str, self.sizes))}, batch {self.batch}", self.optimizer]
        parts += ["tanh"] if self.activation == "tanh" else []
        parts += [f"dropout {self.dropout:g}"] if self.dropout else []
        parts += [f"clipped to {self.clip_norm:g}"] if self.clip_norm else []
        return ", ".join(parts)

    def weights(self) -> list[np.ndarray]:
        """First weights of each layer, He's."""
        generator = np.random.RandomState(0)
        shapes = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return [(np.sqrt(2 / D) * generator.standard_normal((D, M))).astype(np.float32) for D, M in shapes]


def spiral() -> Case:
    X, y = datasets.spiral(100, 3, random_state=0)
    return Case("spiral", (2, 64, 3), X, y, batch=300)


def digits() -> Case:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Case("digits", (64, 128, 10), (X[:1600] / 16).astype(np.float32), y[:1600].astype(np.int64), batch=32)


def table() -> Case:
    generator = np.random.RandomState(1)
    X = generator.standard_normal((12_800, 50)).astype(np.float32)
    y = (X[:, :3].prod(axis=1) + 0.3 * generator.standard_normal(len(X)) > 0).astype(np.int64)
    return Case("table", (50, 128, 128, 2), X, y, batch=256)


def drawn(name: str, sizes: tuple[int, ...], rows: int, batch: int, checked: int = 200) -> Case:
    """Clouds around a centre for each class: what a wide net is fed with does not matter to its speed."""
    generator = np.random.RandomState(2)
    y = generator.permutation(np.arange(rows) % sizes[-1])  # every class is there
    centres = generator.standard_normal((sizes[-1], sizes[0]))
    X = (0.05 * centres[y] + generator.standard_normal((rows, sizes[0]))).astype(np.float32)
    return Case(name, sizes, X, y.astype(np.int64), batch, checked=checked)


def images() -> Case:
    return drawn("images", (784, 512, 10), rows=12_800, batch=128, checked=100)


def wide() -> Case:
    return drawn("wide", (1024, 2048, 2048, 1000), rows=2048, batch=1024, checked=6)


def matrix_exponential() -> Case:
    """The workload of SimpleChains.jl's record: 10,000 epochs in 0.41 s on 18 cores, 740 core-microseconds each.

    Random matrices, and what exp makes of them: entries up to some hundreds, which float32 and Adam bear unscaled.
    """
    from scipy.linalg import expm

    X = np.random.RandomState(3).standard_normal((10_000, 2, 2))
    return Case(
        "matrix_exponential",
        (4, 32, 16, 4),
        X.reshape(-1, 4).astype(np.float32),
        expm(X).reshape(-1, 4).astype(np.float32),
        batch=10_000,
        activation="tanh",
        loss="squared_error",
        note="Core-microseconds: {core_microseconds}; goal 950, SimpleChains.jl 740.",
    )


def california() -> Case:
    """As large as the housing data, with made-up targets: nothing is downloaded."""
    generator = np.random.RandomState(4)
    X = generator.standard_normal((20_480, 8)).astype(np.float32)
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2] + np.tanh(X[:, 3:].sum(axis=1))
    y = (y + 0.3 * generator.standard_normal(len(X)))[:, None].astype(np.float32)
    return Case(
        "california",
        (8, 208, 208, 1),
        X,
        y,
        batch=256,
        learning_rate=0.0005,
        checked=80,
        loss="squared_error",
        dropout=0.172,
        weight_decay=0.01,
        clip_norm=1.0,
        note="The TabM study's net: 1.9 ms a step on an A100. The loss is without dropout.",
    )


CASES = {case.__name__: case for case in (spiral, digits, table, images, wide, matrix_exponential, california)}
