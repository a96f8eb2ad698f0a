"""L-BFGS: full batches, and steps that know the curvature from the last gradients.

No kernel of ours: `scipy.optimize.minimize(method="L-BFGS-B")` on the flat parameters, with the engine's gradient.
Source: Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical Programming 45,
1989.
"""

from typing import Any

from backpass import checks
from backpass.optimizers.optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS. In `fit`, `epochs` is the most iterations; a batch is always the whole data.

    Parameters
    ----------
    memory : int
        How many of the last steps the curvature is estimated from.
    tolerance : float at least 0
        Ends the fit when the largest entry of the gradient is below it.
    evaluations : int, optional
        Most computations of loss and gradient; an iteration needs one or a few. None: 20 for each iteration.

    The network must have the same loss each time it is asked: no Dropout, no BatchNorm.

    >>> LBFGS(memory=20)
    LBFGS(memory=20, tolerance=1e-07)
    """

    def __init__(self, memory: int = 10, tolerance: float = 1e-7, evaluations: int | None = None):
        super().__init__(learning_rate=1.0)
        self.memory = checks.positive_integer(memory, "memory")
        self.tolerance = checks.real(tolerance, "tolerance", low=0)
        self.evaluations = None if evaluations is None else checks.positive_integer(evaluations, "evaluations")

    def config(self) -> dict[str, Any]:
        limit = {} if self.evaluations is None else {"evaluations": self.evaluations}
        return {"memory": self.memory, "tolerance": self.tolerance, **limit}
