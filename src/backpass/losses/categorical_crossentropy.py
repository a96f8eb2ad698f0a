"""Categorical cross-entropy: how surprised the predicted probabilities are by the true class.

Forward                                     y_pred (N, C), y_true (N, C) -> sample losses (N,)
    loss[n] = -sum_c y_true[n, c] * log(y_pred[n, c])        with a label: -log(y_pred[n, label[n]])

Backward                                    of the mean over N samples, by y_pred
    dinputs[n, c] = -y_true[n, c] / y_pred[n, c] / N

Nothing is clipped: where the true class got probability 0 the loss is infinite, and so is its gradient. Training goes
through `fusions/softmax_crossentropy.py`, where no probability is ever divided by.
"""

import math

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss
from backpass.losses.targets import ClassTargets


def forward(y_pred, y_true):
    return -np.sum(np.where(y_true != 0, y_true * np.log(np.where(y_true != 0, y_pred, 1)), 0), axis=1)


def backward(y_pred, y_true):
    return -y_true / y_pred / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    zero = y_pred.dtype.type(0)
    for n in range(y_pred.shape[0]):
        total = 0.0
        for c in range(y_pred.shape[1]):
            if y_true[n, c] != zero:  # 0 * log(0) is 0 here: a class that is not meant costs nothing
                total -= y_true[n, c] * math.log(y_pred[n, c])
        sample_losses[n] = total


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    zero = dvalues.dtype.type(0)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n])
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = -y_true[n, c] / dvalues[n, c] * scale if y_true[n, c] != zero else zero


@kernel
def labels_forward_kernel(y_pred, labels, sample_losses):
    for n in range(y_pred.shape[0]):
        if labels[n] < 0 or labels[n] >= y_pred.shape[1]:
            raise IndexError("label beyond the classes")
        sample_losses[n] = -math.log(y_pred[n, labels[n]])


@kernel
def labels_backward_kernel(dvalues, labels, scales, dinputs):
    zero = dvalues.dtype.type(0)
    for n in range(dinputs.shape[0]):
        if labels[n] < 0 or labels[n] >= dinputs.shape[1]:
            raise IndexError("label beyond the classes")
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = zero
        dinputs[n, labels[n]] = -dvalues.dtype.type(scales[n]) / dvalues[n, labels[n]]


class CategoricalCrossentropy(ClassTargets, Loss):
    """Cross-entropy of predicted probabilities (N, C) against labels (N,), one-hot or soft targets (N, C).

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        How much of the target is spread evenly over all classes.
    class_weight : sequence or dict of C floats, optional
        What a sample of each class counts. The mean is still over N.

    After a Softmax layer a Network trains the two as one step, SoftmaxCrossentropy.

    >>> loss = CategoricalCrossentropy()
    >>> round(loss.calculate([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 6)  # (log 2 + log 4/3) / 2
    0.490415
    >>> loss.backward([[0.5, 0.5], [0.25, 0.75]], [0, 0])
    array([[-1.,  0.],
           [-2.,  0.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    labels_forward_kernel = labels_forward_kernel
    labels_backward_kernel = labels_backward_kernel
    classifies = True

    def check_last_layer(self, layer, width):
        # after a Sigmoid nothing makes the outputs compete: all of them would learn to say 1
        if not layer.distribution or width < 2:
            raise ValueError(
                f"CategoricalCrossentropy needs the probabilities of at least 2 classes; the last layer is {layer!r} "
                f"with {width} outputs; end with Softmax(), or use the loss SoftmaxCrossentropy() on the logits"
            )
        self.check_width(width)

    def check_targets(self, y_true, name="y_true"):
        if (y_true < 0).any():
            row = int(np.argmax((y_true < 0).any(axis=1)))
            raise ValueError(f"{name} holds {y_true[row].min()} in row {row}; a class's share cannot be below 0")
