"""Lion: every parameter moves by exactly the learning rate; only the sign is asked for.

direction   = sign(beta_1 * first_moment + (1 - beta_1) * gradients)
parameters  = (1 - learning_rate * weight_decay) * parameters - learning_rate * direction
first_moment = beta_2 * first_moment + (1 - beta_2) * gradients
"""

from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, first_moment, learning_rate, beta_1, beta_2, weight_decay):
    direction = np.sign(beta_1 * first_moment + (1 - beta_1) * gradients)
    parameters = (1 - learning_rate * weight_decay) * parameters - learning_rate * direction
    return parameters, beta_2 * first_moment + (1 - beta_2) * gradients


@elementwise
@kernel
def step_kernel(parameters, gradients, first_moment: Vector, settings):
    real = parameters.dtype.type
    learning_rate, keep = real(settings[0]), real(1 - settings[0] * settings[3])
    keep_1, take_1, keep_2, take_2 = real(settings[1]), real(1 - settings[1]), real(settings[2]), real(1 - settings[2])
    one, zero = real(1), real(0)
    for i in range(parameters.size):
        gradient, first = gradients[i], first_moment[i]
        direction = keep_1 * first + take_1 * gradient
        direction = one if direction > zero else -one if direction < zero else direction  # 0 stays 0, and NaN is seen
        parameters[i] = keep * parameters[i] - learning_rate * direction
        first_moment[i] = keep_2 * first + take_2 * gradient


class Lion(Optimizer):
    """Evolved sign momentum: half of Adam's memory. Wants a learning rate 3 to 10 times smaller than Adam's.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    beta_1 : float in [0, 1)
        How much of the direction is the running mean of the gradients; the rest is the gradient itself.
    beta_2 : float in [0, 1)
        How much that running mean keeps at each step.
    weight_decay : float, at least 0
        Times the learning rate: the share by which the parameters shrink at each step. Biases shrink too.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, program 1 / algorithm 2.

    >>> Lion(learning_rate=3e-4)
    Lion(learning_rate=0.0003, beta_1=0.9, beta_2=0.99, weight_decay=0)
    """

    kernel = step_kernel
    state_names = ("first_moment",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.0001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        **common: Any,
    ):
        super().__init__(
            learning_rate=learning_rate,
            beta_1=checks.real(beta_1, "beta_1", low=0, high=1),
            beta_2=checks.real(beta_2, "beta_2", low=0, high=1),
            weight_decay=checks.real(weight_decay, "weight_decay", low=0),
            **common,
        )
