"""The notebook's arithmetic in plain NumPy, as the peer that `backpass bench fusion` measures against.

Only the backward steps that cell 35 times: softmax, cross-entropy, and the two in one. What a call costs is kept as it
is there: objects made anew, labels turned into rows of an identity matrix, a Jacobian built for every sample, a copy
before writing, indexing with `range`. Two things are left out. The notebook's `nnfs.init()` makes every `np.dot` cast to
float32; here float64 stays float64, so that the routes can be compared to the last digits. And the combined step's
argmax over one-hot rows, wrong for soft labels, is not needed for labels.

Nothing else in backpass uses this module.
"""

from __future__ import annotations

import numpy as np


class PlainSoftmax:
    """Softmax backward through the Jacobian of each sample. `output` is assigned."""

    output: np.ndarray
    dinputs: np.ndarray

    def backward(self, dvalues: np.ndarray) -> None:
        self.dinputs = np.empty_like(dvalues)
        for n, (row, row_dvalues) in enumerate(zip(self.output, dvalues, strict=True)):
            column = row.reshape(-1, 1)
            jacobian = np.diagflat(column) - np.dot(column, column.T)
            self.dinputs[n] = np.dot(jacobian, row_dvalues)


class PlainCrossentropy:
    """Cross-entropy backward over one-hot rows."""

    dinputs: np.ndarray

    def backward(self, dvalues: np.ndarray, labels: np.ndarray) -> None:
        N, C = len(dvalues), len(dvalues[0])
        one_hot = np.eye(C)[labels]
        self.dinputs = -one_hot / dvalues
        self.dinputs = self.dinputs / N


class PlainSoftmaxCrossentropy:
    """Both in one; like the notebook's it holds an object of each, used only forward."""

    dinputs: np.ndarray

    def __init__(self) -> None:
        self.activation = PlainSoftmax()
        self.loss = PlainCrossentropy()

    def backward(self, dvalues: np.ndarray, labels: np.ndarray) -> None:
        N = len(dvalues)
        gradient = dvalues.copy()
        gradient[range(N), labels] -= 1
        self.dinputs = gradient / N
