"""L1 and L2 penalties: what large parameters cost, so that training keeps them small.

    penalty  = l1 * sum |parameter| + l2 * sum parameter ** 2
    gradient = l1 * sign(parameter) + 2 * l2 * parameter

At exactly 0 the first term has no derivative; we take 0, so that a parameter that is 0 is left there.
Source: Goodfellow, Bengio, Courville, "Deep learning", 2016, section 7.1.
"""

from __future__ import annotations

import numpy as np

from backpass.engine.kernels import kernel


def penalty(parameters, l1, l2):
    size = np.where(parameters.real < 0, -parameters, parameters)
    return l1 * np.sum(size) + l2 * np.sum(parameters**2)


def penalty_gradient(parameters, l1, l2):
    return l1 * np.sign(parameters) + 2 * l2 * parameters


@kernel
def add_penalty_kernel(parameters, gradients, settings):
    real = parameters.dtype.type
    one, zero, l1, twice_l2 = real(1), real(0), real(settings[0]), real(2 * settings[1])
    for i in range(parameters.size):
        parameter = parameters[i]
        sign = (one if parameter > zero else zero) - (one if parameter < zero else zero)
        gradients[i] += l1 * sign + twice_l2 * parameter
