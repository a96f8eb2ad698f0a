"""The book's losses. As there, the `dvalues` that `backward` takes are the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backpass import checks
from backpass.nnfs.activations import Activation_Softmax, fits
from backpass.nnfs.kernels import combined_backward_kernel, confidences_kernel
from backpass.nnfs.layers import Layer_Dense

SMALLEST, LARGEST = 1e-7, 1 - 1e-7  # probabilities are clipped to these, as in the book
LIMITS = np.array([SMALLEST, LARGEST])
INT64 = checks.INT64


def labels_of(y_true: Any, y_pred: Any) -> np.ndarray | None:
    """Labels as a kernel takes them, or None if y_true holds rows or y_pred does not suit a kernel."""
    if y_true.__class__ is not np.ndarray or y_true.ndim != 1 or y_true.dtype.kind not in "iu" or not fits(y_pred):
        return None
    if len(y_true) != len(y_pred):
        checks.same_length(y_pred, "y_pred", y_true, "y_true")
    return y_true.astype(INT64)


def rows_of(y_true: Any, y_pred: np.ndarray) -> np.ndarray:
    """Labels (N,) as one-hot rows; rows as they are."""
    y_true = checks.numbers(y_true, "y_true")
    checks.same_length(y_pred, "y_pred", y_true, "y_true")
    if y_true.ndim == 2 and y_true.shape != y_pred.shape:
        raise ValueError(f"y_true has shape {y_true.shape}; pass labels ({len(y_pred)},) or rows {y_pred.shape}")
    if y_true.ndim == 2:
        return y_true
    rows = np.zeros(y_pred.shape, y_pred.real.dtype)
    rows[np.arange(len(rows)), checks.labels(y_true, "y_true", y_pred.shape[1])] = 1
    return rows


def hard(y_true: Any) -> Any:
    """One-hot rows as labels; anything else, soft rows too, as it is."""
    if y_true.__class__ is np.ndarray and y_true.ndim == 2:
        ones = y_true == 1
        if (ones | (y_true == 0)).all() and (ones.sum(axis=1) == 1).all():
            return ones.argmax(axis=1)
    return y_true


class Loss:
    """What the losses share. A loss of one's own defines `forward(y_pred, y_true)`, (N,), and `backward`.

    Attributes
    ----------
    trainable_layers : list of Layer_Dense
        Whose regularisation counts; a Model sets it.
    accumulated_sum, accumulated_count : float, int
        Of the sample losses since the last `new_pass`.
    dinputs : ndarray
        Set by `backward`.
    """

    trainable_layers: Sequence[Layer_Dense] = ()
    accumulated_sum: Any = 0
    accumulated_count = 0

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} has no forward(y_pred, y_true)")

    def regularization_loss(self, layer: Layer_Dense | None = None) -> Any:
        """What the regularisers add to the loss: of one layer (chapters 14 to 17), else of `trainable_layers`."""
        total: Any = 0
        for each in self.trainable_layers if layer is None else (layer,):
            if each.weight_regularizer_l1 > 0:
                total += each.weight_regularizer_l1 * np.sum(np.abs(each.weights))
            if each.weight_regularizer_l2 > 0:
                total += each.weight_regularizer_l2 * np.sum(each.weights * each.weights)
            if each.bias_regularizer_l1 > 0:
                total += each.bias_regularizer_l1 * np.sum(np.abs(each.biases))
            if each.bias_regularizer_l2 > 0:
                total += each.bias_regularizer_l2 * np.sum(each.biases * each.biases)
        return total

    def remember_trainable_layers(self, trainable_layers: Sequence[Layer_Dense]) -> None:
        self.trainable_layers = trainable_layers

    def calculate(self, output: Any, y: Any, *, include_regularization: bool = False) -> Any:
        """Mean loss of the samples; with `include_regularization` a pair of it and the regularisers' loss."""
        sample_losses = self.forward(output, y)
        total = np.add.reduce(sample_losses, axis=None)
        self.accumulated_sum += total
        self.accumulated_count += len(sample_losses)
        data_loss = total / sample_losses.size
        return (data_loss, self.regularization_loss()) if include_regularization else data_loss

    def calculate_accumulated(self, *, include_regularization: bool = False) -> Any:
        """The same over everything since the last `new_pass`."""
        data_loss = self.accumulated_sum / self.accumulated_count
        return (data_loss, self.regularization_loss()) if include_regularization else data_loss

    def new_pass(self) -> None:
        self.accumulated_sum = 0
        self.accumulated_count = 0


class Loss_CategoricalCrossentropy(Loss):
    """-log of the probability of the true class, which is clipped to 1e-7 ... 1 - 1e-7.

    `backward` divides by the probability clipped from below, so it is finite; the book's is not.

    >>> loss = Loss_CategoricalCrossentropy()
    >>> round(float(loss.calculate(np.array([[0.5, 0.5]]), np.array([0]))), 6)
    0.693147
    """

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        labels = labels_of(y_true, y_pred)
        if labels is not None:
            confidences = np.empty(len(y_pred), y_pred.dtype)
            try:
                confidences_kernel.call((y_pred, labels, confidences, LIMITS))
                return -np.log(confidences)
            except (ValueError, IndexError):  # not contiguous; a label that is no class, which rows_of names
                pass
        y_pred = np.asarray(y_pred)
        return -np.log(np.sum(np.clip(y_pred, SMALLEST, LARGEST) * rows_of(y_true, y_pred), axis=1))

    def backward(self, dvalues: Any, y_true: Any) -> None:
        dvalues = np.asarray(dvalues)
        self.dinputs = -rows_of(y_true, dvalues) / np.maximum(dvalues, SMALLEST) / len(dvalues)


class Activation_Softmax_Loss_CategoricalCrossentropy:
    """Softmax and cross-entropy as one step: `backward` is (probabilities - targets) / N, soft targets included.

    >>> step = Activation_Softmax_Loss_CategoricalCrossentropy()
    >>> round(float(step.forward(np.array([[0.0, 0.0]]), np.array([0]))), 6)
    0.693147
    >>> step.backward(step.output, np.array([0]))
    >>> step.dinputs
    array([[-0.5,  0.5]])
    """

    def __init__(self) -> None:
        self.activation = Activation_Softmax()
        self.loss = Loss_CategoricalCrossentropy()

    def forward(self, inputs: Any, y_true: Any) -> Any:
        self.activation.forward(inputs)
        self.output = self.activation.output
        return self.loss.calculate(self.output, y_true)

    def backward(self, dvalues: Any, y_true: Any) -> None:
        labels = labels_of(hard(y_true), dvalues)
        if labels is not None:
            dinputs = np.empty(dvalues.shape, dvalues.dtype)
            try:
                combined_backward_kernel.call((dvalues, labels, dinputs))
                self.dinputs = dinputs
                return
            except (ValueError, IndexError):
                pass
        dvalues = np.asarray(dvalues)
        rows = rows_of(y_true, dvalues)
        self.dinputs = (dvalues * np.sum(rows, axis=1, keepdims=True) - rows) / len(dvalues)


class Loss_BinaryCrossentropy(Loss):
    """Cross-entropy of yes-or-no outputs, mean over the outputs of a sample; probabilities are clipped."""

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        clipped = np.clip(y_pred, SMALLEST, LARGEST)
        return np.mean(-(y_true * np.log(clipped) + (1 - y_true) * np.log(1 - clipped)), axis=-1)

    def backward(self, dvalues: Any, y_true: Any) -> None:
        clipped = np.clip(dvalues, SMALLEST, LARGEST)
        dinputs = -(y_true / clipped - (1 - y_true) / (1 - clipped)) / len(dvalues[0])
        self.dinputs = dinputs / len(dvalues)


class Loss_MeanSquaredError(Loss):
    """Mean of the squared errors of a sample's outputs."""

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues: Any, y_true: Any) -> None:
        self.dinputs = -2 * (y_true - dvalues) / len(dvalues[0]) / len(dvalues)


class Loss_MeanAbsoluteError(Loss):
    """Mean of the absolute errors of a sample's outputs.

    `backward` points up where the prediction is too high; the book's has the opposite sign and climbs.

    >>> loss = Loss_MeanAbsoluteError()
    >>> loss.backward(np.array([[3.0], [1.0]]), np.array([[2.0], [2.0]]))
    >>> loss.dinputs
    array([[ 0.5],
           [-0.5]])
    """

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        error = np.subtract(y_pred, y_true)
        return np.mean(np.where(error.real < 0, -error, error), axis=-1)

    def backward(self, dvalues: Any, y_true: Any) -> None:
        self.dinputs = np.sign(np.subtract(dvalues, y_true)) / len(dvalues[0]) / len(dvalues)
