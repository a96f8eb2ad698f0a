"""What a trained network says of rows, and which row it cannot say anything of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from backpass.cli.run_folder import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame


def answers(trained: RunFolder, X: np.ndarray, frame: DataFrame, row: Callable[[int], str]) -> np.ndarray:
    """(N, C) probabilities of a classification, (N,) values of a regression. ValueError naming a row that is too large.

    Each row is asked alone. In a matrix product of many rows the last bits of a row depend on how many there are and
    where it stands (OpenBLAS; padding to blocks of one size does not help, as it has other loops for the last rows of a
    block), and what is predicted for a row must not.
    """
    network = trained.network
    inputs = np.ascontiguousarray(X, network.dtype)
    ask = network.predict_proba if trained.target.classifies else network.predict
    outputs = []
    for place in range(len(inputs)):
        try:
            output = ask(inputs[place : place + 1])
        except ValueError:
            output = np.array([np.nan])
        if not np.isfinite(output).all():
            raise trained.features.too_far(frame, place, int(np.abs(inputs[place]).argmax()), row)
        outputs.append(output)
    return np.concatenate(outputs)
