"""Dense and ReLU as one layer.

Forward                                     inputs (N, D) -> output (N, M)
    output = max(0, inputs @ weights + biases)

Backward                                    dvalues = dL/d output, (N, M)
    dsums    = dvalues where output > 0, else 0     a sum is above 0 exactly where the output is
    dweights = inputs.T @ dsums,   dbiases = sum_n dsums[n],   dinputs = dsums @ weights.T
"""

from backpass.engine.kernels import apart, back_through, bias_and, helper, kernel, multiply, scratch
from backpass.fusions.dense_activation import DenseActivation, multiply_back
from backpass.layers import dense, relu
from backpass.layers.dense import Dense
from backpass.layers.relu import ReLU


def forward(inputs, weights, biases):
    return relu.forward(dense.forward(inputs, weights, biases))


def backward(inputs, weights, output, dvalues):
    return dense.backward(inputs, weights, relu.backward(output, dvalues))


@helper
def activation(value, one):
    zero = one - one
    return zero if value <= zero else value  # NaN has to pass


@helper
def derivative(output, dvalue, one):
    zero = one - one
    return dvalue if output > zero else zero


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
