"""NAdam: Adam with Nesterov's momentum.

    momentum(t)     = beta_1 * (1 - 0.96 ** (t * momentum_decay) / 2)
    momentum_share  = momentum(t) * momentum_share + 1 - momentum(t)
    first_moment    = beta_1 * first_moment  + (1 - beta_1) * gradients
    second_moment   = beta_2 * second_moment + (1 - beta_2) * gradients ** 2
    direction       = (1 - momentum(t)) / momentum_share * gradients
                      + momentum(t + 1) / (1 - momentum(t + 1) * (1 - momentum_share)) * first_moment
    parameters     -= learning_rate * direction / (sqrt(second_moment / (1 - beta_2 ** t)) + epsilon)

t counts the steps from 1. 1 - momentum_share is the product of all momenta so far, by which the paper corrects the
bias. A state begins at 0, so it is the share that is kept, the same number for every parameter.
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import Vector, helper, kernel
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


@helper
def momentum(t, beta_1, momentum_decay):
    return beta_1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))


def step(
    parameters, gradients, first_moment, second_moment, momentum_share,
    t, learning_rate, beta_1, beta_2, epsilon, momentum_decay,
):  # fmt: skip
    now, following = momentum(t, beta_1, momentum_decay), momentum(t + 1, beta_1, momentum_decay)
    momentum_share = now * momentum_share + 1 - now
    first_moment = beta_1 * first_moment + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients**2
    direction = (1 - now) / momentum_share * gradients
    direction = direction + following / (1 - following * (1 - momentum_share)) * first_moment
    denominator = np.sqrt(second_moment / (1 - beta_2**t)) + epsilon
    return parameters - learning_rate * direction / denominator, first_moment, second_moment, momentum_share


@kernel
def step_kernel(
    parameters, gradients, first_moment: Vector, second_moment: Vector, momentum_share: Vector, settings, counters
):
    real, t = parameters.dtype.type, counters[0]
    learning_rate, beta_1, beta_2, epsilon = settings[0], settings[1], settings[2], real(settings[3])
    now, following = momentum(t, beta_1, settings[4]), momentum(t + 1, beta_1, settings[4])
    share = now * momentum_share[0] + 1 - now
    gradient_rate = real(learning_rate * (1 - now) / share)
    moment_rate = real(learning_rate * following / (1 - following * (1 - share)))
    root = real(1 / math.sqrt(1 - beta_2**t))
    keep_1, take_1, keep_2, take_2 = real(beta_1), real(1 - beta_1), real(beta_2), real(1 - beta_2)
    for i in range(parameters.size):
        gradient = gradients[i]
        first = keep_1 * first_moment[i] + take_1 * gradient
        second = keep_2 * second_moment[i] + take_2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        momentum_share[i] = share
        parameters[i] -= (gradient_rate * gradient + moment_rate * first) / (math.sqrt(second) * root + epsilon)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    beta_1, beta_2 : float in [0, 1)
        How much the running means of the gradients and of their squares keep at each step.
    epsilon : float above 0
        Added to the denominator.
    momentum_decay : float, at least 0
        How fast the momentum rises from about half of beta_1 to beta_1.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2, with the momenta of its
    section on schedules.

    >>> NAdam(learning_rate=0.01).momentum_decay
    0.004
    """

    kernel = step_kernel
    state_names = ("first_moment", "second_moment", "momentum_share")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        **common: Any,
    ):
        super().__init__(
            learning_rate=learning_rate,
            beta_1=checks.real(beta_1, "beta_1", low=0, high=1),
            beta_2=checks.real(beta_2, "beta_2", low=0, high=1),
            epsilon=checks.real(epsilon, "epsilon", low=0, open_low=True),
            momentum_decay=checks.real(momentum_decay, "momentum_decay", low=0),
            **common,
        )
