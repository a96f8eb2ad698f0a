"""Which rows are held out: scikit-learn's own split, to the row, without the second that importing it takes."""

from __future__ import annotations

import numpy as np

from backpass.cli.targets import Target


def split(encoded: np.ndarray, held_out: int, target: Target, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows held out, every class in both where there are enough of it.

    As `sklearn.model_selection.train_test_split` with this `random_state` and, where it can be, `stratify`.
    """
    rows = len(encoded)
    held_out = min(held_out, rows - 1)
    random = np.random.RandomState(seed)
    counts = np.unique(encoded, return_counts=True)[1]
    if not (target.classifies and counts.min() >= 2 and len(counts) <= min(held_out, rows - held_out)):
        order = random.permutation(rows)
        return order[held_out:], order[:held_out]
    learning = shared_out(counts, rows - held_out, random)
    other = shared_out(counts - learning, held_out, random)
    parts: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    by_class = np.split(np.argsort(encoded, kind="stable"), np.cumsum(counts)[:-1])
    for places, first, second in zip(by_class, learning, other, strict=True):
        places = places[random.permutation(len(places))]
        parts[0].append(places[:first])
        parts[1].append(places[first : first + second])
    return random.permutation(np.concatenate(parts[0])), random.permutation(np.concatenate(parts[1]))


def shared_out(counts: np.ndarray, wanted: int, random: np.random.RandomState) -> np.ndarray:
    """So many rows of each class that they are `wanted` in all and keep the classes' shares; ties by lot."""
    exact = counts / counts.sum() * wanted
    given = np.floor(exact)
    rest = exact - given
    left = int(wanted - given.sum())
    for value in np.unique(rest)[::-1]:
        if left <= 0:
            break
        tied = np.flatnonzero(rest == value)
        drawn = random.choice(tied, size=min(len(tied), left), replace=False)
        given[drawn] += 1
        left -= len(drawn)
    return given.astype(np.int64)
