"""Softmax and categorical cross-entropy as one step: the notebook's own lesson.

Forward                                     inputs (N, C) are logits -> output (N, C), sample losses (N,)
    output        = softmax(inputs)
    loss[n]       = sum_c y_true[n, c] * (log sum_k exp(inputs[n, k]) - inputs[n, c])

    The same as -log(output) for the true class, but never the logarithm of a number that was rounded to 0.

Backward                                    of the mean over N samples, by the logits; dvalues = output
    dinputs[n, c] = (dvalues[n, c] * sum_k y_true[n, k] - y_true[n, c]) / N

    The division by a probability in the loss and the multiplication by it in softmax's Jacobian cancel. Soft labels
    stay soft, where an argmax over y_true (the notebook's) makes them hard; targets of a row usually add up to 1.
"""

import numpy as np

from backpass.engine.kernels import exp, flat, helper, kernel, log
from backpass.fusions.fusion import Fusion
from backpass.layers.softmax import Softmax, divide_by_sum, subtract_largest, take_exponentials
from backpass.layers.softmax import forward as softmax
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.losses.targets import ClassTargets


def forward(inputs, y_true):
    shifted = inputs - np.max(inputs.real, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.sum(y_true * log_probabilities, axis=1), softmax(inputs)


def backward(dvalues, y_true):
    return (dvalues * np.sum(y_true, axis=1, keepdims=True) - y_true) / len(dvalues)


@kernel
def forward_kernel(inputs, y_true, output, sample_losses):
    subtract_largest(inputs, output)
    for n in range(output.shape[0]):
        sample_losses[n] = 0
        for c in range(output.shape[1]):
            sample_losses[n] -= y_true[n, c] * output[n, c] if y_true[n, c] != 0 else 0
    take_exponentials(output)
    for n in range(output.shape[0]):
        share = 0.0
        for c in range(output.shape[1]):
            share += y_true[n, c]
        sample_losses[n] += share * log(divide_by_sum(output, n))


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n])
        total = dvalues.dtype.type(0)
        for c in range(dinputs.shape[1]):
            total += y_true[n, c]
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = (dvalues[n, c] * total - y_true[n, c]) * scale


THREE = 3


@helper
def forward_of_three(inputs, labels, output, sample_losses):
    """`labels_forward_kernel` for three classes, a number that is known when it is compiled.

    The loops over classes are then written out and that over samples fills the processor's vectors: 150 x 3 numbers
    take 1.0 us instead of 2.0, and 128 x 2 would take 0.5 instead of 1.5. But each number of classes costs 0.3 s when a
    machine compiles for the first time, so only the notebook's three have it: there it is a tenth of the step.
    """
    logits, probabilities = flat(inputs), flat(output)
    one = logits.dtype.type(1)
    for n in range(labels.size):
        first = THREE * n
        largest = logits[first]
        for c in range(1, THREE):
            largest = logits[first + c] if logits[first + c] > largest else largest
        total = chosen = one - one
        for c in range(THREE):
            shifted = logits[first + c] - largest
            chosen = shifted if labels[n] == c else chosen
            probabilities[first + c] = exp(shifted)
            total += probabilities[first + c]
        factor = one / total
        for c in range(THREE):
            probabilities[first + c] *= factor
        sample_losses[n] = log(total) - chosen


@kernel
def labels_forward_kernel(inputs, labels, output, sample_losses):
    beyond = False
    for n in range(labels.size):
        beyond |= labels[n] < 0 or labels[n] >= output.shape[1]
    if beyond:
        raise IndexError("label beyond the classes")
    if output.shape[1] == THREE:
        forward_of_three(inputs, labels, output, sample_losses)
        return
    subtract_largest(inputs, output)
    for n in range(output.shape[0]):
        sample_losses[n] = -output[n, labels[n]]
    take_exponentials(output)
    for n in range(output.shape[0]):
        sample_losses[n] += log(divide_by_sum(output, n))


@helper
def multiply_by(source, scale, target):
    """target = source * scale, over the whole memory at once."""
    numbers, products = flat(source), flat(target)
    for i in range(numbers.size):
        products[i] = numbers[i] * scale


@kernel
def labels_backward_kernel(dvalues, labels, scales, dinputs):
    alike = True
    for n in range(dinputs.shape[0]):
        alike &= scales[n] == scales[0]
    if alike:
        multiply_by(dvalues, dvalues.dtype.type(scales[0]), dinputs)
    for n in range(dinputs.shape[0]):
        if labels[n] < 0 or labels[n] >= dinputs.shape[1]:
            raise IndexError("label beyond the classes")
        scale = dvalues.dtype.type(scales[n])
        if not alike:
            for c in range(dinputs.shape[1]):
                dinputs[n, c] = dvalues[n, c] * scale
        dinputs[n, labels[n]] -= scale


class SoftmaxCrossentropy(ClassTargets, Fusion):
    """Softmax and categorical cross-entropy in one: takes logits, is right for labels, one-hot and soft targets.

    `forward(inputs, y_true)` returns the mean loss, as the notebook's combined class does, and sets `output`, the
    probabilities (N, C); `backward(dvalues, y_true)` takes those as `dvalues`. Both look only at their arguments.

    Parameters: those of CategoricalCrossentropy.

    Source: Bishop, "Pattern recognition and machine learning", 2006, equation 4.109.

    >>> step = SoftmaxCrossentropy()
    >>> step.forward([[0.0, 800.0, 1.0]], [0])
    800.0
    >>> step.backward(step.output, [0])
    array([[-1.,  1.,  0.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    labels_forward_kernel = labels_forward_kernel
    labels_backward_kernel = labels_backward_kernel
    classifies = True
    layer, loss = Softmax, CategoricalCrossentropy

    def check_last_layer(self, layer, width):
        if layer.probabilities or width < 2:
            raise ValueError(
                f"SoftmaxCrossentropy takes the logits of at least 2 classes, but the last layer is {layer!r} with "
                f"{width} outputs; end with Dense(...), or keep Softmax() and use CategoricalCrossentropy()"
            )
        self.check_width(width)

    check_targets = CategoricalCrossentropy.check_targets
