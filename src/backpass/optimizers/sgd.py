"""Stochastic gradient descent, with momentum.

velocity    = momentum * velocity - learning_rate * gradients
parameters += velocity
"""

from backpass import checks
from backpass.engine.kernels import Vector, kernel
from backpass.optimizers.optimizer import Optimizer


def step(parameters, gradients, velocity, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * gradients
    return parameters + velocity, velocity


@kernel
def step_kernel(parameters, gradients, velocity: Vector, settings):
    real = parameters.dtype.type
    learning_rate, momentum = real(settings[0]), real(settings[1])
    for i in range(parameters.size):
        velocity[i] = momentum * velocity[i] - learning_rate * gradients[i]
        parameters[i] += velocity[i]


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float above 0
    momentum : float in [0, 1)
        How much of the last step is taken again.

    Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013, equation 1.

    >>> SGD(learning_rate=0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9)
    """

    kernel = step_kernel
    state_names = ("velocity",)

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0):
        super().__init__(
            learning_rate=checks.real(learning_rate, "learning_rate", low=0, open_low=True),
            momentum=checks.real(momentum, "momentum", low=0, high=1),
        )
