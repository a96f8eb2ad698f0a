"""Dense and Tanh as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = tanh(inputs @ weights + biases)

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues * (1 - output ** 2)
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
from backpass.engine.kernels import tanh as tanh_of
from backpass.fusions.dense_activation import DenseActivation, multiply_back
from backpass.layers import dense, tanh
from backpass.layers.dense import Dense
from backpass.layers.tanh import Tanh


def forward(inputs, weights, biases):
    return tanh.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, tanh.backward(output, dvalues))


@kernel
def forward_kernel(inputs, weights, biases, output):
    multiply(inputs, weights, output, False)
    numbers, length = flat(output), segment(output.shape[1])
    bias = repeated(flat(biases), scratch(biases))
    for begin in range(0, numbers.size, length):
        part = numbers[begin : begin + length]
        for i in range(part.size):
            part[i] = tanh_of(part[i] + bias[i])


@kernel
def backward_kernel(inputs, output, weights, dvalues, saved, dweights, dbiases, dinputs):
    one = output.dtype.type(1)
    outputs, incoming, dsums, length = flat(output), flat(dvalues), flat(saved), segment(saved.shape[1])
    sums = begin_sums(flat(dbiases), scratch(dbiases))
    for begin in range(0, dsums.size, length):
        part, y, dy = dsums[begin : begin + length], outputs[begin : begin + length], incoming[begin : begin + length]
        for i in range(part.size):
            part[i] = dy[i] * (one - y[i] * y[i])
        add_segment(part, sums)
    end_sums(sums, flat(dbiases))
    multiply_back(inputs, weights, saved, dweights, dinputs)


class DenseTanh(DenseActivation, Dense):
    """Dense and Tanh in one layer, with Dense's parameters and attributes.

    >>> layer = DenseTanh(2, 2, dtype="float64")
    >>> layer.weights = [[1, 0], [0, 50]]
    >>> layer.forward([[0.0, 1.0]])
    array([[0., 1.]])
    >>> layer.backward([[3.0, 3.0]])
    array([[3., 0.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layers = Dense, Tanh
