"""Dense and ReLU as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = max(0, inputs @ weights + biases)

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues where output > 0, else 0     a sum is above 0 exactly where the output is
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
from backpass.layers import dense, relu
from backpass.layers.dense import Dense
from backpass.layers.relu import ReLU


def forward(inputs, weights, biases):
    return relu.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, relu.backward(output, dvalues))


@kernel
def forward_kernel(inputs, weights, biases, output):
    zero = output.dtype.type(0)
    multiply(inputs, weights, output, False)
    numbers, length = flat(output), segment(output.shape[1])
    bias = repeated(flat(biases), scratch(biases))
    for begin in range(0, numbers.size, length):
        part = numbers[begin : begin + length]
        for i in range(part.size):
            value = part[i] + bias[i]
            part[i] = zero if value <= zero else value  # NaN has to pass


@kernel
def backward_kernel(inputs, output, weights, dvalues, saved, dweights, dbiases, dinputs):
    zero = output.dtype.type(0)
    outputs, incoming, dsums, length = flat(output), flat(dvalues), flat(saved), segment(saved.shape[1])
    sums = begin_sums(flat(dbiases), scratch(dbiases))
    for begin in range(0, dsums.size, length):
        part, y, dy = dsums[begin : begin + length], outputs[begin : begin + length], incoming[begin : begin + length]
        for i in range(part.size):
            dvalue = dy[i]  # read in any case, as in layers/relu.py
            part[i] = dvalue if y[i] > zero else zero
        add_segment(part, sums)
    end_sums(sums, flat(dbiases))
    multiply_back(inputs, weights, saved, dweights, dinputs)


class DenseReLU(DenseActivation, Dense):
    """Dense and ReLU in one layer, with Dense's parameters and attributes.

    >>> layer = DenseReLU(2, 3, dtype="float64")
    >>> layer.weights, layer.biases = [[1, 2, 3], [4, 5, 6]], [0, 0, -100]
    >>> layer.forward([[1.0, 10.0]])
    array([[41., 52.,  0.]])
    >>> layer.backward([[1.0, 1.0, 1.0]])
    array([[3., 9.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layers = Dense, ReLU
