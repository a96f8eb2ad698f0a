"""Kernels that round as NumPy does, step by step, so that a program prints the figures that it printed before.

The spiral is chaotic: with one float32 product rounded differently, the book's own chapter 10 prints other digits at
epoch 100. So nothing here is reordered or contracted, and a matrix product of float32 numbers is summed in float64 and
rounded once, which is what `np.dot` does after the PyPI package's `nnfs.init()`.
"""

from __future__ import annotations

import math

import numpy as np

from backpass.engine.kernels import Vector, flat, helper, kernel
from backpass.engine.kernels.compiler import FLAGS, HELPERS, F, exact_helper
from backpass.engine.kernels.matrix import gemm

# `exact_helper` may contract a product and a sum: the product of two float32 is exact in float64, so nothing changes.
FEW = 4  # a product over so few terms is a loop of its own: BLAS needs longer


def rounded(function: F) -> F:
    """A helper that is compiled as it is written: every operation rounds on its own, as in NumPy."""
    HELPERS.append((function, {**FLAGS, "fastmath": set()}))  # type: ignore[arg-type]
    return function


@rounded
def widen(source, target):
    """target = source as float64."""
    numbers, wide = flat(source), flat(target)
    for i in range(numbers.size):
        wide[i] = numbers[i]


@rounded
def narrow(source, target):
    """target = source, rounded to the target's dtype."""
    wide, numbers = flat(source), flat(target)
    for i in range(numbers.size):
        numbers[i] = target.dtype.type(wide[i])


@rounded
def few(matrix, n):
    """Row n of a matrix of at most 4 columns as float64; 0 for those that it has not."""
    columns = matrix.shape[1]
    return (
        np.float64(matrix[n, 0]),
        np.float64(matrix[n, 1]) if columns > 1 else 0.0,
        np.float64(matrix[n, 2]) if columns > 2 else 0.0,
        np.float64(matrix[n, 3]) if columns > 3 else 0.0,
    )


@rounded
def widen_few(source, wide_few):
    """wide_few (4, columns) = source, the rows that it has not are 0."""
    for row in range(FEW):
        for column in range(source.shape[1]):
            wide_few[row, column] = source[row, column] if row < source.shape[0] else 0.0


@exact_helper
def sum_of_few(factors, wide_few, column, terms):
    """The first so many of four factors times those rows of wide_few. `terms` is the same for a whole loop, of which
    the compiler makes one version for each."""
    total = factors[0] * wide_few[0, column]
    if terms > 1:
        total = total + factors[1] * wide_few[1, column]
    if terms > 2:
        total = total + factors[2] * wide_few[2, column]
    if terms > 3:
        total = total + factors[3] * wide_few[3, column]
    return total


@exact_helper
def multiply_few(left, wide_few, out):
    """out (N, columns) = left (N, at most 4) @ wide_few"""
    for n in range(out.shape[0]):
        factors = few(left, n)
        for column in range(out.shape[1]):
            out[n, column] = out.dtype.type(sum_of_few(factors, wide_few, column, left.shape[1]))


@exact_helper
def multiply_few_and_add(left, wide_few, biases, out):
    """out (N, columns) = left (N, at most 4) @ wide_few, rounded, + biases"""
    for n in range(out.shape[0]):
        factors = few(left, n)
        for column in range(out.shape[1]):
            out[n, column] = out.dtype.type(sum_of_few(factors, wide_few, column, left.shape[1])) + biases[0, column]


@helper
def multiply_by_few(left, wide_few, out):
    """out (N, at most 4) = left (N, columns) @ wide_few.T, each sum in the order that suits the processor.

    In float64 another order moves the last of 53 bits; it shows in one of 10^8 numbers rounded to 24.
    """
    if out.shape[1] == 3:  # a spiral has three arms: 4.4 us instead of 5.9 for 300 x 64
        for n in range(out.shape[0]):
            a, b, c = 0.0, 0.0, 0.0
            for column in range(left.shape[1]):
                value = np.float64(left[n, column])
                a += value * wide_few[0, column]
                b += value * wide_few[1, column]
                c += value * wide_few[2, column]
            out[n, 0] = out.dtype.type(a)
            out[n, 1] = out.dtype.type(b)
            out[n, 2] = out.dtype.type(c)
        return
    for pair in range(0, out.shape[1], 2):
        for n in range(out.shape[0]):
            a, b = 0.0, 0.0
            for column in range(left.shape[1]):
                value = np.float64(left[n, column])
                a += value * wide_few[pair, column]
                b += value * wide_few[pair + 1, column]
            out[n, pair] = out.dtype.type(a)
            if pair + 1 < out.shape[1]:
                out[n, pair + 1] = out.dtype.type(b)


@exact_helper
def add_four(total, factors, values):
    """total + the sum of four products, one after the other."""
    total = total + factors[0] * values[0]
    total = total + factors[1] * values[1]
    total = total + factors[2] * values[2]
    return total + factors[3] * values[3]


@exact_helper
def four_rows(matrix, n, column):
    """A column's numbers in rows n to n + 3, as float64."""
    a, b = np.float64(matrix[n, column]), np.float64(matrix[n + 1, column])
    return a, b, np.float64(matrix[n + 2, column]), np.float64(matrix[n + 3, column])


@exact_helper
def multiply_few_transposed(left, right, wide_few):
    """wide_few = left.T (at most 4, N) @ right (N, columns), four rows at a time: one store instead of four."""
    N, terms = left.shape
    whole = N - N % 4
    for k in range(FEW):
        for column in range(right.shape[1]):
            wide_few[k, column] = 0
    for n in range(0, whole, 4):
        first, second, third, fourth = few(left, n), few(left, n + 1), few(left, n + 2), few(left, n + 3)
        of_0, of_1 = (first[0], second[0], third[0], fourth[0]), (first[1], second[1], third[1], fourth[1])
        of_2, of_3 = (first[2], second[2], third[2], fourth[2]), (first[3], second[3], third[3], fourth[3])
        if terms <= 2:  # the points of a plane
            for column in range(right.shape[1]):
                values = four_rows(right, n, column)
                wide_few[0, column] = add_four(wide_few[0, column], of_0, values)
                wide_few[1, column] = add_four(wide_few[1, column], of_1, values)
        else:
            for column in range(right.shape[1]):
                values = four_rows(right, n, column)
                wide_few[0, column] = add_four(wide_few[0, column], of_0, values)
                wide_few[1, column] = add_four(wide_few[1, column], of_1, values)
                wide_few[2, column] = add_four(wide_few[2, column], of_2, values)
                wide_few[3, column] = add_four(wide_few[3, column], of_3, values)
    for n in range(whole, N):
        for k in range(terms):
            a = np.float64(left[n, k])
            for column in range(right.shape[1]):
                wide_few[k, column] += a * right[n, column]


@rounded
def widen_few_transposed(source, wide_few):
    """wide_few (4, rows) = source.T, the columns that it has not are 0."""
    for k in range(FEW):
        for row in range(source.shape[0]):
            wide_few[k, row] = source[row, k] if k < source.shape[1] else 0.0


@rounded
def dense_forward(inputs, weights, biases, output, wide_inputs, wide_weights, wide_few, wide_output):
    N, D, M = inputs.shape[0], inputs.shape[1], weights.shape[1]
    if D <= FEW:
        widen_few(weights, wide_few)
        multiply_few_and_add(inputs, wide_few, biases, output)
        return
    if M <= FEW:
        widen_few_transposed(weights, wide_few)
        multiply_by_few(inputs, wide_few, output)
        for n in range(N):
            for m in range(M):
                output[n, m] += biases[0, m]
        return
    widen(weights, wide_weights)
    widen(inputs, wide_inputs)
    gemm(False, False, M, N, D, wide_weights, M, wide_inputs, D, False, wide_output, M)
    for n in range(N):
        for m in range(M):
            output[n, m] = output.dtype.type(wide_output[n, m]) + biases[0, m]


@rounded
def dense_backward(inputs, weights, dvalues, dweights, dinputs, wide_inputs, wide_weights, wide_few, wide_output):
    N, D, M = inputs.shape[0], inputs.shape[1], weights.shape[1]
    if D <= FEW:
        multiply_few_transposed(inputs, dvalues, wide_few)
        for d in range(D):
            for m in range(M):
                dweights[d, m] = dweights.dtype.type(wide_few[d, m])
    elif M <= FEW:
        multiply_few_transposed(dvalues, inputs, wide_few)
        for d in range(D):
            for m in range(M):
                dweights[d, m] = dweights.dtype.type(wide_few[m, d])
    else:
        widen(inputs, wide_inputs)
        widen(dvalues, wide_output)
        gemm(False, True, M, D, N, wide_output, M, wide_inputs, D, False, wide_weights, M)
        narrow(wide_weights, dweights)
    if M <= FEW:
        widen_few_transposed(weights, wide_few)
        multiply_few(dvalues, wide_few, dinputs)
    elif D <= FEW:
        widen_few(weights, wide_few)
        multiply_by_few(dvalues, wide_few, dinputs)
    else:
        widen(weights, wide_weights)
        gemm(True, False, D, N, M, wide_weights, M, wide_output, M, False, wide_inputs, D)
        narrow(wide_inputs, dinputs)


@rounded
def column_sums(dvalues, dbiases):
    """Row after row, which is NumPy's order for more than one column; four of them for one store."""
    N = dvalues.shape[0]
    whole = N - N % 4
    for m in range(dvalues.shape[1]):
        dbiases[0, m] = 0
    for n in range(0, whole, 4):
        for m in range(dvalues.shape[1]):
            two = dbiases[0, m] + dvalues[n, m] + dvalues[n + 1, m]
            dbiases[0, m] = two + dvalues[n + 2, m] + dvalues[n + 3, m]
    for n in range(whole, N):
        for m in range(dvalues.shape[1]):
            dbiases[0, m] += dvalues[n, m]


@kernel
def dense_forward_kernel(inputs, weights, biases, output, wide_inputs, wide_weights, wide_few, wide_output):
    dense_forward(inputs, weights, biases, output, wide_inputs, wide_weights, wide_few, wide_output)


@kernel
def dense_backward_kernel(
    inputs, weights, dvalues, dweights, dbiases, dinputs, wide_inputs, wide_weights, wide_few, wide_output
):
    dense_backward(inputs, weights, dvalues, dweights, dinputs, wide_inputs, wide_weights, wide_few, wide_output)
    column_sums(dvalues, dbiases)


@rounded
def subtract_largest(inputs, output):
    for n in range(inputs.shape[0]):
        largest = inputs[n, 0]
        for c in range(1, inputs.shape[1]):
            largest = inputs[n, c] if inputs[n, c] > largest else largest
        for c in range(inputs.shape[1]):
            output[n, c] = inputs[n, c] - largest


@rounded
def divide_by_sums(output):
    for n in range(output.shape[0]):
        total = output.dtype.type(0)
        for c in range(output.shape[1]):
            total += output[n, c]
        for c in range(output.shape[1]):
            output[n, c] /= total


@kernel
def subtract_largest_kernel(inputs, output):
    subtract_largest(inputs, output)


@kernel
def divide_by_sums_kernel(output):
    divide_by_sums(output)


@kernel
def confidences_kernel(y_pred, labels, confidences: Vector, settings):
    low, high = y_pred.dtype.type(settings[0]), y_pred.dtype.type(settings[1])
    for n in range(y_pred.shape[0]):
        if labels[n] < 0 or labels[n] >= y_pred.shape[1]:
            raise IndexError("label beyond the classes")
        value = y_pred[n, labels[n]]
        value = low if value < low else value
        confidences[n] = high if value > high else value  # type: ignore[index]


@rounded
def combined_backward(dvalues, labels, dinputs):
    samples = dvalues.dtype.type(dvalues.shape[0])
    for n in range(dvalues.shape[0]):
        if labels[n] < 0 or labels[n] >= dvalues.shape[1]:
            raise IndexError("label beyond the classes")
        for c in range(dvalues.shape[1]):
            dinputs[n, c] = dvalues[n, c] / samples
        dinputs[n, labels[n]] = (dvalues[n, labels[n]] - dvalues.dtype.type(1)) / samples


@kernel
def combined_backward_kernel(dvalues, labels, dinputs):
    combined_backward(dvalues, labels, dinputs)


@rounded
def sgd(weights, dweights, rate):
    for i in range(weights.size):
        weights[i] += -rate * dweights[i]


@rounded
def momentum_sgd(weights, dweights, momentums, rate, momentum):
    for i in range(weights.size):
        update = momentum * momentums[i] - rate * dweights[i]
        momentums[i] = update
        weights[i] += update


@rounded
def adagrad(weights, dweights, cache, rate, epsilon):
    for i in range(weights.size):
        gradient = dweights[i]
        squares = cache[i] + gradient * gradient
        cache[i] = squares
        weights[i] += -rate * gradient / (math.sqrt(squares) + epsilon)


@rounded
def rmsprop(weights, dweights, cache, rate, epsilon, keep, take):
    for i in range(weights.size):
        gradient = dweights[i]
        squares = keep * cache[i] + take * (gradient * gradient)
        cache[i] = squares
        weights[i] += -rate * gradient / (math.sqrt(squares) + epsilon)


@rounded
def adam(weights, dweights, momentums, cache, rate, epsilon, keep_1, take_1, keep_2, take_2, correct_1, correct_2):
    for i in range(weights.size):
        gradient = dweights[i]
        mean = keep_1 * momentums[i] + take_1 * gradient
        squares = keep_2 * cache[i] + take_2 * (gradient * gradient)
        momentums[i] = mean
        cache[i] = squares
        weights[i] += -rate * (mean / correct_1) / (math.sqrt(squares / correct_2) + epsilon)


@kernel
def sgd_kernel(weights, dweights, settings):
    sgd(flat(weights), flat(dweights), weights.dtype.type(settings[0]))


@kernel
def momentum_sgd_kernel(weights, dweights, momentums, settings):
    real = weights.dtype.type
    momentum_sgd(flat(weights), flat(dweights), flat(momentums), real(settings[0]), real(settings[1]))


@kernel
def adagrad_kernel(weights, dweights, cache, settings):
    real = weights.dtype.type
    adagrad(flat(weights), flat(dweights), flat(cache), real(settings[0]), real(settings[1]))


@kernel
def rmsprop_kernel(weights, dweights, cache, settings):
    real = weights.dtype.type
    rate, epsilon, keep, take = real(settings[0]), real(settings[1]), real(settings[2]), real(settings[3])
    rmsprop(flat(weights), flat(dweights), flat(cache), rate, epsilon, keep, take)


@kernel
def adam_kernel(weights, dweights, momentums, cache, settings):
    real = weights.dtype.type
    adam(
        flat(weights),
        flat(dweights),
        flat(momentums),
        flat(cache),
        real(settings[0]),
        real(settings[1]),
        real(settings[2]),
        real(settings[3]),
        real(settings[4]),
        real(settings[5]),
        real(settings[6]),
        real(settings[7]),
    )
