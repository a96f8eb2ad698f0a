"""Softmax: a row of numbers becomes a row of probabilities.

Forward                                     inputs (N, C) -> output (N, C)
    output[n, c]  = exp(inputs[n, c]) / sum_k exp(inputs[n, k])

    Subtracting a row's largest entry first changes nothing and keeps exp from overflowing.

Backward                                    dvalues = dL/d output, (N, C)
    jacobian[j, k] = output[n, j] * (1 if j == k else 0) - output[n, j] * output[n, k]
    dinputs[n]     = jacobian @ dvalues[n]

    Multiplied out, the Jacobian need not be built (C operations a row, not C * C):
    dinputs[n, c]  = output[n, c] * (dvalues[n, c] - sum_k output[n, k] * dvalues[n, k])
"""

import numpy as np

from backpass.engine.kernels import exp, flat, helper, kernel
from backpass.layers.layer import Layer


def forward(inputs):
    exponentials = np.exp(inputs - np.max(inputs.real, axis=1, keepdims=True))
    return exponentials / np.sum(exponentials, axis=1, keepdims=True)


def backward(output, dvalues):
    dinputs = np.empty_like(dvalues)
    for n, probabilities in enumerate(output):
        jacobian = np.diag(probabilities) - np.outer(probabilities, probabilities)
        dinputs[n] = jacobian @ dvalues[n]
    return dinputs


@helper
def subtract_largest(inputs, output):
    """output = inputs - the row's largest: never above 0."""
    for n in range(inputs.shape[0]):
        largest = inputs[n, 0]
        for c in range(1, inputs.shape[1]):
            largest = inputs[n, c] if inputs[n, c] > largest else largest
        for c in range(inputs.shape[1]):
            output[n, c] = inputs[n, c] - largest


@helper
def take_exponentials(matrix):
    """matrix = exp(matrix), over all rows at once: rows of 3 or 10 do not fill the processor's vectors."""
    row = flat(matrix)
    for i in range(row.size):
        row[i] = exp(row[i])


@helper
def divide_by_sum(matrix, n):
    """Make row n of the matrix add up to 1; returns what it added up to."""
    total = matrix.dtype.type(0)
    for c in range(matrix.shape[1]):
        total += matrix[n, c]
    factor = matrix.dtype.type(1) / total
    for c in range(matrix.shape[1]):
        matrix[n, c] *= factor
    return total


@kernel
def forward_kernel(inputs, output):
    subtract_largest(inputs, output)
    take_exponentials(output)
    for n in range(output.shape[0]):
        divide_by_sum(output, n)


@kernel
def backward_kernel(output, dvalues, dinputs):
    for n in range(dinputs.shape[0]):
        inner = output.dtype.type(0)
        for c in range(dinputs.shape[1]):
            inner += output[n, c] * dvalues[n, c]
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = output[n, c] * (dvalues[n, c] - inner)


class Softmax(Layer):
    """Probabilities of C classes, from C numbers of any size.

    `backward` takes any incoming gradient; `output` may be assigned instead of calling `forward`.
    Before a CategoricalCrossentropy a Network trains both as one step (`fusions/softmax_crossentropy.py`).

    >>> Softmax().forward([[1.0, 1.0, 1.0, 1.0]])
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    probabilities = True
    distribution = True
