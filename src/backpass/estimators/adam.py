"""Adam as scikit-learn has it: epsilon is added before the second moment's bias is corrected.

    first_moment  = beta_1 * first_moment  + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients ** 2
    parameters   -= learning_rate * sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t)
                    * first_moment / (sqrt(second_moment) + epsilon)

In `backpass.Adam` epsilon is added afterwards: early steps on small gradients differ, and with them all that follows.
Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, end of section 2.
"""

import math

import numpy as np

from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.optimizers.adam import Adam


def step(parameters, gradients, first_moment, second_moment, t, learning_rate, beta_1, beta_2, epsilon):
    first_moment = beta_1 * first_moment + (1 - beta_1) * gradients
    second_moment = beta_2 * second_moment + (1 - beta_2) * gradients**2
    rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return parameters - rate * first_moment / (np.sqrt(second_moment) + epsilon), first_moment, second_moment


@elementwise
@kernel
def step_kernel(parameters, gradients, first_moment: Vector, second_moment: Vector, settings, counters):
    real, t = parameters.dtype.type, counters[0]
    learning_rate, beta_1, beta_2, epsilon = settings[0], settings[1], settings[2], real(settings[3])
    rate = real(learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t))
    keep_1, take_1, keep_2, take_2 = real(beta_1), real(1 - beta_1), real(beta_2), real(1 - beta_2)
    for i in range(parameters.size):
        gradient = gradients[i]
        first = keep_1 * first_moment[i] + take_1 * gradient
        second = keep_2 * second_moment[i] + take_2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        parameters[i] -= rate * first / (math.sqrt(second) + epsilon)


class EarlyEpsilonAdam(Adam):
    """Adaptive moment estimation with epsilon inside of the bias correction; arguments as of Adam."""

    kernel = step_kernel
