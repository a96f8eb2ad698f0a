"""Dense and ReLU as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = max(0, inputs @ weights + biases)

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues where output > 0, else 0     a sum is above 0 exactly where the output is
    dweights = inputs.T @ dsums,   dbiases = sum_n dsums[n],   dinputs = dsums @ weights.T
"""

from backpass.engine.kernels import kernel, multiply
from backpass.fusions.dense_activation import DenseActivation, add_row, multiply_back
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
    for n in range(output.shape[0]):
        for m in range(output.shape[1]):
            value = output[n, m] + biases[0, m]
            output[n, m] = zero if value <= zero else value  # NaN has to pass


@kernel
def backward_kernel(inputs, output, weights, dvalues, saved, dweights, dbiases, dinputs):
    zero = output.dtype.type(0)
    for n in range(saved.shape[0]):
        for m in range(saved.shape[1]):
            dvalue = dvalues[n, m]  # read in any case, as in layers/relu.py
            saved[n, m] = dvalue if output[n, m] > zero else zero
        add_row(saved, n, dbiases)
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
