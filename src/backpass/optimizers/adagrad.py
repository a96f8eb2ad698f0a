"""Adagrad: a parameter's steps become smaller, the more gradient it has seen.

cache      += gradients ** 2
parameters -= learning_rate * gradients / (sqrt(cache) + epsilon)
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, cache, learning_rate, epsilon):
    cache = cache + gradients**2
    return parameters - learning_rate * gradients / (np.sqrt(cache) + epsilon), cache


@elementwise
@kernel
def step_kernel(parameters, gradients, cache: Vector, settings):
    real = parameters.dtype.type
    learning_rate, epsilon = real(settings[0]), real(settings[1])
    for i in range(parameters.size):
        gradient = gradients[i]
        seen = cache[i] + gradient * gradient
        cache[i] = seen
        parameters[i] -= learning_rate * gradient / (math.sqrt(seen) + epsilon)


class Adagrad(Optimizer):
    """Adaptive gradient: every parameter has a learning rate of its own, which only falls.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    epsilon : float above 0
        Added to the denominator.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 2011, equation 1 with a diagonal matrix.

    >>> Adagrad(learning_rate=0.1)
    Adagrad(learning_rate=0.1, epsilon=1e-07)
    """

    kernel = step_kernel
    state_names = ("cache",)

    def __init__(self, learning_rate: float | Schedule = 0.01, epsilon: float = 1e-7, **common: Any):
        super().__init__(
            learning_rate=learning_rate,
            epsilon=checks.real(epsilon, "epsilon", low=0, open_low=True),
            **common,
        )
