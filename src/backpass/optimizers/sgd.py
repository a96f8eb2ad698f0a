"""Stochastic gradient descent, with momentum.

velocity    = momentum * velocity - learning_rate * gradients
parameters += velocity

or, with Nesterov's momentum, as if the velocity of the next step were known already:

parameters += momentum * velocity - learning_rate * gradients
"""

from typing import Any

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, velocity, learning_rate, momentum, nesterov):
    velocity = momentum * velocity - learning_rate * gradients
    if nesterov:
        return parameters + momentum * velocity - learning_rate * gradients, velocity
    return parameters + velocity, velocity


@elementwise
@kernel
def step_kernel(parameters, gradients, velocity: Vector, settings):
    real = parameters.dtype.type
    learning_rate, momentum, nesterov = real(settings[0]), real(settings[1]), settings[2] != 0
    for i in range(parameters.size):
        change = learning_rate * gradients[i]
        faster = momentum * velocity[i] - change
        velocity[i] = faster
        parameters[i] += momentum * faster - change if nesterov else faster


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    momentum : float in [0, 1)
        How much of the last step is taken again.
    nesterov : bool
        Whether the momentum is Nesterov's, in the form of PyTorch and Keras: the parameters stand where the velocity
        will have carried them. Needs a momentum above 0.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013, equations 1 to 4.

    >>> SGD(learning_rate=0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False)
    """

    kernel = step_kernel
    state_names = ("velocity",)

    def __init__(
        self, learning_rate: float | Schedule = 0.01, momentum: float = 0.0, nesterov: bool = False, **common: Any
    ):
        if not isinstance(nesterov, bool):
            raise TypeError(f"nesterov is {nesterov!r}; pass True or False")
        super().__init__(
            learning_rate=learning_rate,
            momentum=checks.real(momentum, "momentum", low=0, high=1),
            nesterov=float(nesterov),
            **common,
        )
        if nesterov and not momentum:
            raise ValueError("nesterov is True, but momentum is 0; pass a momentum such as 0.9")

    def config(self) -> dict[str, Any]:
        config = super().config()
        return {**config, "nesterov": bool(config["nesterov"])}
