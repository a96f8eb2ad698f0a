"""The book's activations. `predictions(outputs)` is what a Model compares with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks
from backpass.layers import relu, softmax
from backpass.nnfs.kernels import divide_by_sums_kernel, subtract_largest_kernel

ndarray, FLOAT32, FLOAT64 = np.ndarray, checks.FLOAT32, checks.FLOAT64
PAIRWISE = 8  # from so many columns on NumPy adds up a row in another order


def fits(array: Any) -> bool:
    """Whether a kernel may be given this."""
    if array.__class__ is not ndarray or array.ndim != 2 or array.size == 0:
        return False
    return array.dtype is FLOAT32 or array.dtype is FLOAT64


def fit_together(first: Any, second: Any) -> bool:
    return fits(first) and second.__class__ is ndarray and first.dtype is second.dtype and first.shape == second.shape


class Activation_ReLU:
    """max(0, inputs).

    >>> activation = Activation_ReLU()
    >>> activation.forward(np.array([[-1.0, 2.0]]))
    >>> activation.output
    array([[0., 2.]])
    """

    def forward(self, inputs: Any, training: bool = False) -> None:
        self.inputs = inputs
        if fits(inputs):
            output = np.empty(inputs.shape, inputs.dtype)
            try:
                relu.forward_kernel.call((inputs, output))
                self.output = output
                return
            except ValueError:  # not contiguous
                pass
        inputs = np.asarray(inputs)
        self.output = np.where(inputs.real <= 0, 0, inputs)

    def backward(self, dvalues: Any) -> None:
        if fit_together(self.inputs, dvalues):
            dinputs = np.empty(dvalues.shape, dvalues.dtype)
            try:
                relu.backward_kernel.call((self.inputs, dvalues, dinputs))
                self.dinputs = dinputs
                return
            except ValueError:
                pass
        self.dinputs = np.where(np.asarray(self.inputs) <= 0, 0, dvalues)

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        return outputs


class Activation_Softmax:
    """A row of numbers as a row of probabilities.

    >>> activation = Activation_Softmax()
    >>> activation.forward(np.array([[1.0, 1.0]]))
    >>> activation.output
    array([[0.5, 0.5]])
    """

    def forward(self, inputs: Any, training: bool = False) -> None:
        self.inputs = inputs
        if fits(inputs) and inputs.shape[1] < PAIRWISE:
            output = np.empty(inputs.shape, inputs.dtype)
            try:
                subtract_largest_kernel.call((inputs, output))
                np.exp(output, out=output)  # NumPy's own: its last bits differ from those of ours
                divide_by_sums_kernel.call((output,))
                self.output = output
                return
            except ValueError:  # not contiguous
                pass
        inputs = np.asarray(inputs)
        exponentials = np.exp(inputs - np.max(inputs.real, axis=1, keepdims=True))
        self.output = exponentials / np.sum(exponentials, axis=1, keepdims=True)

    def backward(self, dvalues: Any) -> None:
        if fit_together(self.output, dvalues):
            dinputs = np.empty(dvalues.shape, dvalues.dtype)
            try:
                softmax.backward_kernel(self.output, dvalues, dinputs)
                self.dinputs = dinputs
                return
            except ValueError:
                pass
        self.dinputs = self.output * (dvalues - np.sum(self.output * dvalues, axis=1, keepdims=True))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        return np.argmax(outputs, axis=1)


class Activation_Sigmoid:
    """1 / (1 + exp(-inputs)).

    >>> activation = Activation_Sigmoid()
    >>> activation.forward(np.array([[0.0, -1000.0]]))
    >>> activation.output
    array([[0.5, 0. ]])
    """

    def forward(self, inputs: np.ndarray, training: bool = False) -> None:
        self.inputs = inputs
        with np.errstate(over="ignore"):  # 1 / infinity is 0, as it should be
            self.output = 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues: np.ndarray) -> None:
        self.dinputs = dvalues * (1 - self.output) * self.output

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        return (outputs > 0.5) * 1


class Activation_Linear:
    """What comes in goes out: the last layer of a regression."""

    def forward(self, inputs: np.ndarray, training: bool = False) -> None:
        self.inputs = inputs
        self.output = inputs

    def backward(self, dvalues: np.ndarray) -> None:
        self.dinputs = dvalues.copy()

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        return outputs
