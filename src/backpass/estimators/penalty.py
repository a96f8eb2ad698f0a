"""How scikit-learn weighs loss, gradient and penalty of a batch, where a Network does it otherwise.

A Network's loss is a mean over the M outputs, too, and so is its gradient. In scikit-learn

                       loss of a sample                 gradient
    squared_error      mean_m (output - y) ** 2 / 2     of the sum over m
    log_loss           sum_m                            of the sum over m
    poisson            sum_m, half of the deviance      of the sum over m
    alpha, of a batch  alpha * sum(weights ** 2) / 2 / W, W the weight of its samples; no biases

So for several outputs its gradient of squared_error is M times that of its own loss: kept, since alpha and the
learning rate are tuned to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.engine.loop import ROWS
from backpass.engine.plan import LINE, Plan
from backpass.layers.dense import Dense
from backpass.network import Network

FACTORS = {  # of loss and of gradient, as multiples of a Network's, for M outputs
    "softmax": lambda M: (1.0, 1.0),
    "logistic": lambda M: (M, M),
    "identity": lambda M: (0.5, 0.5 * M),
    "exp": lambda M: (M, M),
}


@elementwise
@kernel
def penalise_kernel(parameters, gradients, decay: Vector, tally: Vector, settings, counters):
    """gradients = factor * gradients + decay * parameters / weight, and what that costs into the slice's first tally.

    `settings`: the factor, and the weight, or 0 for as many as the plan, `counters`, has rows in this step.
    """
    real = parameters.dtype.type
    weight = settings[1] if settings[1] > 0 else float(counters[ROWS])
    factor, share = real(settings[0]), real(1 / weight)
    cost = real(0)
    for i in range(parameters.size):
        pull = decay[i] * parameters[i]
        cost += pull * parameters[i]
        gradients[i] = factor * gradients[i] + share * pull
    tally[0] += cost


class Penalty:
    """What is done with the gradients of a batch before the optimizer gets them.

    Parameters
    ----------
    out_activation : "softmax", "logistic", "identity" or "exp"
    alpha : float
    """

    def __init__(self, network: Network, out_activation: str, alpha: float):
        self.loss_factor, gradient_factor = FACTORS[out_activation](network.widths[-1])
        self.out_activation, self.alpha = out_activation, alpha
        self.settings = np.array([gradient_factor, 0.0])
        self.decay, self.tally = np.zeros_like(network.parameters), np.zeros_like(network.parameters)
        start = 0
        for layer in network.layers:
            if isinstance(layer, Dense):  # its weights lie in front of its biases
                self.decay[start : start + layer.weights.size] = alpha
            start += layer.parameters.size

    def calls(self, network: Network, plan: Plan) -> list[Any]:
        """The kernel with its arrays by name, as a plan takes it; nothing where nothing is to do."""
        if self.settings[0] == 1 and not self.alpha:
            return []
        own = {"decay": self.decay, "tally": self.tally, "settings": self.settings, "counters": plan.words}
        return [(penalise_kernel, {"parameters": network.parameters, "gradients": network.gradients, **own})]

    def weigh(self, weight: float) -> None:
        """Told the weight of all samples of the next batch, where it is not their number."""
        self.settings[1] = weight

    def cost(self) -> float:
        """sum of alpha * weights ** 2 / 2 over the steps since the last call, each before it moved the weights."""
        first_of_slices = self.tally[::LINE]
        cost = 0.5 * float(first_of_slices.sum(dtype=np.float64))
        first_of_slices[:] = 0
        return cost

    def whole(self, network: Network, loss: float, gradient: np.ndarray, weight: float) -> tuple[float, np.ndarray]:
        """Loss and gradient of all samples as scikit-learn has them, from a Network's."""
        pull = self.decay * network.parameters
        cost = 0.5 * float(pull @ network.parameters)
        return self.loss_factor * loss + cost / weight, self.settings[0] * gradient + pull / weight

    def constant(self, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
        """What a Network's Poisson loss leaves out, being the same whatever the output."""
        if self.out_activation != "exp" or (weights is not None and not weights.any()):
            return 0.0
        targets = targets.astype(np.float64)
        return float(np.average(xlogy(targets, targets) - targets, axis=0, weights=weights).sum())
