"""Dense and Sigmoid as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = 1 / (1 + exp(-(inputs @ weights + biases)))

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues * output * (1 - output)
    dweights = inputs.T @ dsums,   dbiases = sum_n dsums[n],   dinputs = dsums @ weights.T
"""

from backpass.engine.kernels import (
    add_segment,
    begin_sums,
    end_sums,
    flat,
    kernel,
    multiply,
    repeated,
    scratch,
    segment,
)
from backpass.fusions.dense_activation import DenseActivation, multiply_back
from backpass.layers import dense, sigmoid
from backpass.layers.dense import Dense
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.sigmoid import sigmoid as sigmoid_of


def forward(inputs, weights, biases):
    return sigmoid.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, sigmoid.backward(output, dvalues))


@kernel
def forward_kernel(inputs, weights, biases, output):
    one = output.dtype.type(1)
    multiply(inputs, weights, output, False)
    numbers, length = flat(output), segment(output.shape[1])
    bias = repeated(flat(biases), scratch(biases))
    for begin in range(0, numbers.size, length):
        part = numbers[begin : begin + length]
        for i in range(part.size):
            part[i] = sigmoid_of(part[i] + bias[i], one)


@kernel
def backward_kernel(inputs, output, weights, dvalues, saved, dweights, dbiases, dinputs):
    one = output.dtype.type(1)
    outputs, incoming, dsums, length = flat(output), flat(dvalues), flat(saved), segment(saved.shape[1])
    sums = begin_sums(flat(dbiases), scratch(dbiases))
    for begin in range(0, dsums.size, length):
        part, y, dy = dsums[begin : begin + length], outputs[begin : begin + length], incoming[begin : begin + length]
        for i in range(part.size):
            part[i] = dy[i] * y[i] * (one - y[i])
        add_segment(part, sums)
    end_sums(sums, flat(dbiases))
    multiply_back(inputs, weights, saved, dweights, dinputs)


class DenseSigmoid(DenseActivation, Dense):
    """Dense and Sigmoid in one layer, with Dense's parameters and attributes.

    >>> layer = DenseSigmoid(2, 2, dtype="float64")
    >>> layer.weights = [[1, 0], [0, 1000]]
    >>> layer.forward([[0.0, 1.0]])
    array([[0.5, 1. ]])
    >>> layer.backward([[4.0, 4.0]])
    array([[1., 0.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layers = Dense, Sigmoid
    probabilities = True
