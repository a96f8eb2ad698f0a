"""AdamW: Adam, and every step shrinks the parameters by the same share.

    parameters *= 1 - learning_rate * weight_decay
    and a step of Adam (adam.py)

A penalty on the squared weights would go through Adam's denominator, which takes its size away: this does not.
"""

from typing import Any

from backpass import checks
from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers import adam
from backpass.optimizers.adam import move
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.schedules import Schedule


def step(parameters, gradients, first_moment, second_moment, t, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    parameters = parameters * (1 - learning_rate * weight_decay)
    return adam.step(parameters, gradients, first_moment, second_moment, t, learning_rate, beta_1, beta_2, epsilon)


@elementwise
@kernel
def step_kernel(parameters, gradients, first_moment: Vector, second_moment: Vector, settings, counters):
    keep = parameters.dtype.type(1 - settings[0] * settings[4])
    move(parameters, gradients, first_moment, second_moment, settings, counters[0], keep)


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Parameters
    ----------
    learning_rate : float above 0, or Schedule
    beta_1, beta_2 : float in [0, 1)
        How much the running means of the gradients and of their squares keep at each step.
    epsilon : float above 0
        Added to the denominator.
    weight_decay : float, at least 0
        Times the learning rate: the share by which the parameters shrink at each step. Biases shrink too.
    **common
        clip_norm, clip_value, weight_average: see Optimizer.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; the decay is
    multiplied by the learning rate as in PyTorch.

    >>> AdamW(weight_decay=0.1).weight_decay
    0.1
    """

    kernel = step_kernel
    state_names = ("first_moment", "second_moment")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **common: Any,
    ):
        super().__init__(
            learning_rate=learning_rate,
            beta_1=checks.real(beta_1, "beta_1", low=0, high=1),
            beta_2=checks.real(beta_2, "beta_2", low=0, high=1),
            epsilon=checks.real(epsilon, "epsilon", low=0, open_low=True),
            weight_decay=checks.real(weight_decay, "weight_decay", low=0),
            **common,
        )
