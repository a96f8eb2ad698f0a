"""How scikit-learn weighs loss, gradient and penalty of a batch, where a Network does it otherwise (`tasks.py`).

penalty of a batch     alpha * sum(weights ** 2) / 2 / W, W the weight of its samples; no biases
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.engine.kernels import Vector, elementwise, kernel
from backpass.engine.loop import ROWS, STEP, STEPS_PER_EPOCH
from backpass.engine.plan import LINE
from backpass.estimators.tasks import Task
from backpass.layers.dense import Dense
from backpass.network import Network


@elementwise
@kernel
def penalise_kernel(parameters, gradients, decay: Vector, tally: Vector, settings, counters):
    """gradients = factor * gradients + decay * parameters / weight, and what that costs into the epoch's tally.

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
    tally[counters[STEP] // counters[STEPS_PER_EPOCH]] += cost


class Penalty:
    """What is done with the gradients of a batch before the optimizer gets them.

    Parameters
    ----------
    task : Task
    alpha : float
    """

    def __init__(self, network: Network, task: Task, alpha: float):
        self.loss_factor, gradient_factor = task.factors(network.widths[-1])
        self.alpha = alpha
        self.settings = np.array([gradient_factor, 0.0])
        self.nothing = gradient_factor == 1 and not alpha  # is to do
        self.decay, self.tally = np.zeros_like(network.parameters), np.zeros_like(network.parameters)
        start = 0
        for layer in network.layers:
            if isinstance(layer, Dense):  # its weights lie in front of its biases
                self.decay[start : start + layer.weights.size] = alpha
            start += layer.parameters.size

    def calls(self, network: Network, counters: np.ndarray) -> list[Any]:
        """The kernel with its arrays by name, or nothing, where nothing is to do; `counters` are the plan's words."""
        if self.nothing:
            return []
        own = {"decay": self.decay, "tally": self.tally, "settings": self.settings, "counters": counters}
        return [(penalise_kernel, {"parameters": network.parameters, "gradients": network.gradients, **own})]

    def weigh(self, weight: float) -> None:
        """Told the weight of all samples of the next batch, where it is not their number."""
        self.settings[1] = weight

    def cost(self, epoch: int = 0) -> float:
        """alpha * sum(weights ** 2) / 2 of an epoch's steps since the last call, each before it moved the weights.

        Slices begin at multiples of LINE, so each tally of an epoch lies as far behind one.
        """
        if self.nothing:
            return 0.0
        of_slices = self.tally[epoch::LINE]
        cost = 0.5 * float(of_slices.sum(dtype=np.float64))
        of_slices[:] = 0
        return cost

    def whole(self, network: Network, loss: float, gradient: np.ndarray, weight: float) -> tuple[float, np.ndarray]:
        """Loss and gradient of all samples as scikit-learn has them, from a Network's."""
        pull = self.decay * network.parameters
        cost = 0.5 * float(pull @ network.parameters)
        return self.loss_factor * loss + cost / weight, self.settings[0] * gradient + pull / weight
