"""RAdam: Adam that does not divide by its second moment before that is worth something.

    first_moment  = beta_1 * first_moment  + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients ** 2
    most          = 2 / (1 - beta_2) - 1                         how many gradients the second moment is made of at last
    length        = most - 2 * t * beta_2 ** t / (1 - beta_2 ** t)                                          and by now
    rectification = sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    adaptive      = rectification * sqrt(1 - beta_2 ** t) / (sqrt(second_moment) + epsilon)  where length > 5, else 1
    parameters   -= learning_rate * first_moment / (1 - beta_1 ** t) * adaptive

t counts the steps from 1. epsilon is added before the second moment's correction, as in PyTorch.
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, helper, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


@helper
def rectification(t, beta_2):
    """0 as long as the second moment is not to be used."""
    most = 2 / (1 - beta_2) - 1
    length = most - 2 * t * beta_2**t / (1 - beta_2**t)
    if length <= 5:
        return 0.0
    return math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))


def step(parameters, gradients, first_moment, second_moment, t, learning_rate, beta_1, beta_2, epsilon):
    first_moment = beta_1 * first_moment + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients**2
    rectified = rectification(t, beta_2)
    adaptive = rectified * math.sqrt(1 - beta_2**t) / (np.sqrt(second_moment) + epsilon) if rectified else 1
    return parameters - learning_rate * first_moment / (1 - beta_1**t) * adaptive, first_moment, second_moment


@elementwise
@kernel
def step_kernel(parameters, gradients, first_moment: Vector, second_moment: Vector, settings, counters):
    real, t = parameters.dtype.type, counters[0]
    learning_rate, beta_1, beta_2, epsilon = settings[0], settings[1], settings[2], real(settings[3])
    rectified = rectification(t, beta_2)
    rate = learning_rate / (1 - beta_1**t)
    plain_rate = real(rate)
    adaptive_rate = real(rate * rectified * math.sqrt(1 - beta_2**t))
    keep_1, take_1, keep_2, take_2 = real(beta_1), real(1 - beta_1), real(beta_2), real(1 - beta_2)
    for i in range(parameters.size):
        gradient = gradients[i]
        first = keep_1 * first_moment[i] + take_1 * gradient
        second = keep_2 * second_moment[i] + take_2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        adaptive = adaptive_rate / (math.sqrt(second) + epsilon)
        parameters[i] -= first * (adaptive if rectified > 0 else plain_rate)


class RAdam(Optimizer):
    """Rectified Adam: its first steps are those of momentum, so that it needs no warm-up.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    beta_1, beta_2 : float in [0, 1)
        How much the running means of the gradients and of their squares keep at each step.
    epsilon : float above 0
        Added to the denominator.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2.

    >>> RAdam(learning_rate=0.01).beta_2
    0.999
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
