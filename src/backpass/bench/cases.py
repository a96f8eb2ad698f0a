"""The networks, data and first weights that every peer gets alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backpass import datasets


@dataclass(frozen=True)
class Case:
    """A network of Dense and ReLU layers with softmax and cross-entropy at its end, trained by Adam in float32.

    `checked`: after so many steps every peer has to have the same loss.
    """

    name: str
    sizes: tuple[int, ...]
    X: np.ndarray  # (N, D) float32, N a multiple of the batch
    y: np.ndarray  # (N,) int64
    batch: int
    learning_rate: float = 0.002
    checked: int = 200

    @property
    def steps_per_epoch(self) -> int:
        return len(self.X) // self.batch

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


CASES = {case.__name__: case for case in (spiral, digits, table, images, wide)}
