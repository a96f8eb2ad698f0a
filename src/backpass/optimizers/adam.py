"""Adam: steps of about the learning rate in every direction, whatever the size of the gradients.

    first_moment  = beta_1 * first_moment  + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients ** 2
    parameters   -= learning_rate * (first_moment / (1 - beta_1 ** t))
                    / (sqrt(second_moment / (1 - beta_2 ** t)) + epsilon)

t counts the steps from 1: both moments start at 0 and are too small by these factors.
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, helper, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, first_moment, second_moment, t, learning_rate, beta_1, beta_2, epsilon):
    first_moment = beta_1 * first_moment + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients**2
    denominator = np.sqrt(second_moment / (1 - beta_2**t)) + epsilon
    return parameters - learning_rate * (first_moment / (1 - beta_1**t)) / denominator, first_moment, second_moment


@helper
def move(parameters, gradients, first_moment, second_moment, settings, t, keep):
    """One step of Adam on `keep * parameters`, in one pass."""
    real = parameters.dtype.type
    learning_rate, beta_1, beta_2, epsilon = settings[0], settings[1], settings[2], real(settings[3])
    rate = real(learning_rate / (1 - beta_1**t))
    root = real(1 / math.sqrt(1 - beta_2**t))
    keep_1, take_1, keep_2, take_2 = real(beta_1), real(1 - beta_1), real(beta_2), real(1 - beta_2)
    for i in range(parameters.size):
        gradient = gradients[i]
        first = keep_1 * first_moment[i] + take_1 * gradient
        second = keep_2 * second_moment[i] + take_2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        parameters[i] = keep * parameters[i] - rate * first / (math.sqrt(second) * root + epsilon)


@elementwise
@kernel
def step_kernel(parameters, gradients, first_moment: Vector, second_moment: Vector, settings, counters):
    move(parameters, gradients, first_moment, second_moment, settings, counters[0], parameters.dtype.type(1))


class Adam(Optimizer):
    """Adaptive moment estimation.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    beta_1, beta_2 : float in [0, 1)
        How much the running means of the gradients and of their squares keep at each step.
    epsilon : float above 0
        Added to the denominator.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    >>> Adam(learning_rate=0.01).learning_rate
    0.01
    """

    kernel = step_kernel
    state_names = ("first_moment", "second_moment")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **common: Any,
    ):
        super().__init__(
            learning_rate=learning_rate,
            beta_1=checks.real(beta_1, "beta_1", low=0, high=1),
            beta_2=checks.real(beta_2, "beta_2", low=0, high=1),
            epsilon=checks.real(epsilon, "epsilon", low=0, open_low=True),
            **common,
        )
