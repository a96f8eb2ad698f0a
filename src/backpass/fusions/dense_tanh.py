"""Dense and Tanh as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = tanh(inputs @ weights + biases)

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues * (1 - output ** 2)
    dweights = inputs.T @ dsums,   dbiases = sum_n dsums[n],   dinputs = dsums @ weights.T
"""

from backpass.engine.kernels import apart, back_through, bias_and, helper, kernel, multiply, scratch
from backpass.engine.kernels import tanh as tanh_of
from backpass.fusions.dense_activation import DenseActivation, multiply_back
from backpass.layers import dense, tanh
from backpass.layers.dense import Dense
from backpass.layers.tanh import Tanh


def forward(inputs, weights, biases):
    return tanh.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, tanh.backward(output, dvalues))


@helper
def activation(value, one):
    return tanh_of(value)


@helper
def derivative(output, dvalue, one):
    return dvalue * (one - output * output)


finish, go_back = bias_and(activation), back_through(derivative)


@apart()
@kernel
def forward_kernel(inputs, weights, biases, output):
    multiply(inputs, weights, output, False)
    finish(output, biases, scratch(biases))


@apart("inputs", "saved")
@kernel
def backward_kernel(inputs, output, weights, dvalues, saved, dweights, dbiases, dinputs):
    go_back(output, dvalues, saved, dbiases, scratch(dbiases))
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
