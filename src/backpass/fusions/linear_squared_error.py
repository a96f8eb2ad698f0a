"""Linear and mean squared error as one step: the regression's output is written while its error is summed up.

Forward                                     inputs (N, M) -> output (N, M), sample losses (N,)
    output        = inputs
    loss[n]       = mean_m( (inputs[n, m] - y_true[n, m]) ** 2 )

Backward                                    of the mean over N samples, by the inputs; dvalues = output
    dinputs       = 2 * (dvalues - y_true) / M / N
"""

from backpass.engine.kernels import kernel
from backpass.fusions.fusion import Fusion
from backpass.layers.linear import Linear
from backpass.losses.mean_squared_error import MeanSquaredError, backward, backward_kernel  # noqa: F401  the same here
from backpass.losses.mean_squared_error import forward as squared_error


def forward(inputs, y_true):
    return squared_error(inputs, y_true), inputs


@kernel
def forward_kernel(inputs, y_true, output, sample_losses):
    for n in range(inputs.shape[0]):
        total = inputs.dtype.type(0)
        for m in range(inputs.shape[1]):
            difference = inputs[n, m] - y_true[n, m]
            output[n, m] = inputs[n, m]
            total += difference * difference
        sample_losses[n] = total / inputs.shape[1]


class LinearSquaredError(Fusion):
    """Linear and squared error in one: takes numbers (N, M) against targets (N, M), or (N,) where M is 1.

    `forward(inputs, y_true)` returns the mean loss and sets `output`, the predictions; `backward(dvalues, y_true)`
    takes those as `dvalues`. Both look only at their arguments.

    >>> step = LinearSquaredError()
    >>> step.forward([[1.0], [2.0]], [1, 4])
    2.0
    >>> step.backward(step.output, [1, 4])
    array([[ 0.],
           [-2.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    layer, loss = Linear, MeanSquaredError
