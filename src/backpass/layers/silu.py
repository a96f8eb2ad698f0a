"""SiLU, also called swish: every number times its sigmoid.

Forward                                     inputs (N, M) -> output (N, M)
    output[n, m]  = inputs[n, m] * s        s = sigmoid(inputs[n, m])

Backward                                    dvalues = dL/d output, (N, M)
    dinputs[n, m] = dvalues[n, m] * s * (1 + inputs[n, m] * (1 - s))

1 - s is taken as sigmoid(-inputs), which has all its digits where s is nearly 1.
"""

from backpass.engine.kernels import kernel
from backpass.layers.layer import Layer
from backpass.layers.sigmoid import forward as sigmoid_formula
from backpass.layers.sigmoid import sigmoid


def forward(inputs):
    return inputs * sigmoid_formula(inputs)


def backward(inputs, dvalues):
    return dvalues * sigmoid_formula(inputs) * (1 + inputs * sigmoid_formula(-inputs))


@kernel
def forward_kernel(inputs, output):
    one = inputs.dtype.type(1)
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = inputs[n, m] * sigmoid(inputs[n, m], one)


@kernel
def backward_kernel(inputs, dvalues, dinputs):
    one = inputs.dtype.type(1)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            value = inputs[n, m]
            dinputs[n, m] = dvalues[n, m] * sigmoid(value, one) * (one + value * sigmoid(-value, one))


class SiLU(Layer):
    """Sigmoid linear unit, inputs * sigmoid(inputs).

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", Neural Networks 107, 2018, equations 5 and 6.

    >>> SiLU().forward([[-1.0, 0.0, 1.0]]).round(4)
    array([[-0.2689,  0.    ,  0.7311]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = "he_normal"
