"""Dense and Sigmoid as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = 1 / (1 + exp(-(inputs @ weights + biases)))

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues * output * (1 - output)
    dweights = inputs.T @ dsums,   dbiases = sum_n dsums[n],   dinputs = dsums @ weights.T
"""

from backpass.engine.kernels import apart, back_through, bias_and, helper, kernel, multiply, scratch
from backpass.fusions.dense_activation import DenseActivation, multiply_back
from backpass.layers import dense, sigmoid
from backpass.layers.dense import Dense
from backpass.layers.sigmoid import Sigmoid
from backpass.layers.sigmoid import sigmoid as sigmoid_of


def forward(inputs, weights, biases):
    return sigmoid.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, sigmoid.backward(output, dvalues))


@helper
def derivative(output, dvalue, one):
    return dvalue * output * (one - output)


finish, go_back = bias_and(sigmoid_of), back_through(derivative)


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
