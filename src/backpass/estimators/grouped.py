"""Several softmaxes side by side, one for each output that is one of several classes.

Forward                                     inputs (N, C_1 + ... + C_G) -> output of the same shape
    output[:, g]  = softmax(inputs[:, g])
    loss[n]       = -sum_g log output[n, g, y_true[n, g]]          y_true (N, G) holds the number of each one's class

Backward                                    of the mean over N samples, by the logits; dvalues = output
    dinputs[:, g] = (dvalues[:, g] - one_hot(y_true[:, g])) / N

output[:, g] are the columns of group g.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass.engine.kernels import helper, kernel, log
from backpass.fusions.fusion import Fusion
from backpass.layers.layer import Layer
from backpass.layers.softmax import take_exponentials


def groups(matrix: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """The columns of each group, of so many columns each."""
    return np.split(matrix, np.cumsum(sizes)[:-1], axis=1)


@helper
def subtract_largest(inputs, output, settings):  # type: ignore[no-untyped-def]
    """output = inputs - the largest of the group."""
    for n in range(inputs.shape[0]):
        for group in range(settings.size - 1):
            first, end = int(settings[group]), int(settings[group + 1])
            largest = inputs[n, first]
            for c in range(first + 1, end):
                largest = inputs[n, c] if inputs[n, c] > largest else largest
            for c in range(first, end):
                output[n, c] = inputs[n, c] - largest


@helper
def divide_by_sum(output, n, first, end):  # type: ignore[no-untyped-def]
    """Make columns [first, end) of row n add up to 1; returns what they added up to."""
    total = output.dtype.type(0)
    for c in range(first, end):
        total += output[n, c]
    factor = output.dtype.type(1) / total
    for c in range(first, end):
        output[n, c] *= factor
    return total


@kernel
def softmax_forward_kernel(inputs, output, settings):  # type: ignore[no-untyped-def]
    subtract_largest(inputs, output, settings)
    take_exponentials(output)
    for n in range(inputs.shape[0]):
        for group in range(settings.size - 1):
            divide_by_sum(output, n, int(settings[group]), int(settings[group + 1]))


@kernel
def softmax_backward_kernel(output, dvalues, settings, dinputs):  # type: ignore[no-untyped-def]
    for n in range(dinputs.shape[0]):
        for group in range(settings.size - 1):
            inner = output.dtype.type(0)
            for c in range(int(settings[group]), int(settings[group + 1])):
                inner += output[n, c] * dvalues[n, c]
            for c in range(int(settings[group]), int(settings[group + 1])):
                dinputs[n, c] = output[n, c] * (dvalues[n, c] - inner)


@kernel
def forward_kernel(inputs, y_true, settings, output, sample_losses):  # type: ignore[no-untyped-def]
    subtract_largest(inputs, output, settings)
    for n in range(inputs.shape[0]):
        sample_losses[n] = 0
        for group in range(settings.size - 1):
            sample_losses[n] -= output[n, int(settings[group]) + int(y_true[n, group])]
    take_exponentials(output)
    for n in range(inputs.shape[0]):
        for group in range(settings.size - 1):
            sample_losses[n] += log(divide_by_sum(output, n, int(settings[group]), int(settings[group + 1])))


@kernel
def backward_kernel(dvalues, y_true, settings, scales, dinputs):  # type: ignore[no-untyped-def]
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n])
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = dvalues[n, c] * scale
        for group in range(settings.size - 1):
            dinputs[n, int(settings[group]) + int(y_true[n, group])] -= scale


class GroupedSoftmax(Layer, listed=False):
    """A softmax of each group of columns; `settings` are the columns where groups begin, and where the last ends."""

    forward_kernel = softmax_forward_kernel
    backward_kernel = softmax_backward_kernel

    def __init__(self, settings: np.ndarray):
        self.settings = settings


class GroupedCrossentropy(Fusion, listed=False):
    """Softmax and cross-entropy of each group of logits in one; their sum over the groups is a sample's loss.

    Parameters
    ----------
    classes : tuple of int
        How many each of the G outputs has.
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    classifies = True

    def __init__(self, classes: tuple[int, ...]):
        self.classes = classes
        self.settings = np.cumsum([0, *classes], dtype=np.float64)

    def layer(self) -> GroupedSoftmax:  # type: ignore[override]
        return GroupedSoftmax(self.settings)

    def target_width(self, width: int) -> int:
        return len(self.classes)

    def targets(self, y_true: Any, width: int, dtype: Any, name: str = "y_true") -> np.ndarray:
        return super().targets(y_true, len(self.classes), dtype, name)

    def check_targets(self, y_true: np.ndarray, name: str = "y_true") -> None:
        if not ((y_true >= 0) & (y_true < self.classes)).all():
            raise ValueError(f"{name} holds classes beyond those of its column, {self.classes}")
