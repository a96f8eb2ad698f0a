"""RMSprop: gradients divided by the root of their running mean square.

cache       = rho * cache + (1 - rho) * gradients ** 2
parameters -= learning_rate * gradients / (sqrt(cache) + epsilon)
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, cache, learning_rate, rho, epsilon):
    cache = rho * cache + (1 - rho) * gradients**2
    return parameters - learning_rate * gradients / (np.sqrt(cache) + epsilon), cache


@elementwise
@kernel
def step_kernel(parameters, gradients, cache: Vector, settings):
    real = parameters.dtype.type
    learning_rate, keep, take, epsilon = real(settings[0]), real(settings[1]), real(1 - settings[1]), real(settings[2])
    for i in range(parameters.size):
        gradient = gradients[i]
        mean = keep * cache[i] + take * gradient * gradient
        cache[i] = mean
        parameters[i] -= learning_rate * gradient / (math.sqrt(mean) + epsilon)


class RMSprop(Optimizer):
    """Root mean square propagation.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    rho : float in [0, 1)
        How much the running mean of the squared gradients keeps at each step.
    epsilon : float above 0
        Added to the denominator.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Tieleman and Hinton, "Neural networks for machine learning", Coursera 2012, lecture 6.5.

    >>> RMSprop(rho=0.99)
    RMSprop(learning_rate=0.001, rho=0.99, epsilon=1e-07)
    """

    kernel = step_kernel
    state_names = ("cache",)

    def __init__(self, learning_rate: float | Schedule = 0.001, rho: float = 0.9, epsilon: float = 1e-7, **common: Any):
        super().__init__(
            learning_rate=learning_rate,
            rho=checks.real(rho, "rho", low=0, high=1),
            epsilon=checks.real(epsilon, "epsilon", low=0, open_low=True),
            **common,
        )
