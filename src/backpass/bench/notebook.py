"""The notebook's arithmetic in plain NumPy, as the peer that `backpass bench fusion` measures against.

Only the backward steps that cell 35 times: softmax, cross-entropy, and the two in one. What a call costs is kept as it
is there: objects made anew, labels turned into rows of an identity matrix, a Jacobian built for every sample, a copy
before writing, indexing with `range`, one-hot rows turned back into labels by argmax. That last one is wrong for soft
labels, and is kept for `backpass tour` to show. One thing is left out: the notebook's `nnfs.init()` makes every
`np.dot` cast to float32; here float64 stays float64, so that the routes can be compared to the last digits.
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

    def backward(self, dvalues: np.ndarray, y_true: np.ndarray) -> None:
        N, C = len(dvalues), len(dvalues[0])
        if len(y_true.shape) == 1:
            y_true = np.eye(C)[y_true]
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / N


class PlainSoftmaxCrossentropy:
    """Both in one; like the notebook's it makes an object of each, which backward does not need."""

    dinputs: np.ndarray

    def __init__(self) -> None:
        self.activation = PlainSoftmax()
        self.loss = PlainCrossentropy()

    def backward(self, dvalues: np.ndarray, y_true: np.ndarray) -> None:
        N = len(dvalues)
        if len(y_true.shape) == 2:
            y_true = np.argmax(y_true, axis=1)
        self.dinputs = dvalues.copy()
        self.dinputs[range(N), y_true] -= 1
        self.dinputs = self.dinputs / N
