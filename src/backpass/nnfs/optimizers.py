"""The book's optimizers. Their state lies on the layers, under the names that it has in the book.

`pre_update_params()`, then `update_params(layer)` for each layer, then `post_update_params()`: that is one step, and
`current_learning_rate` is learning_rate / (1 + decay * iterations) in it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.engine.kernels import Kernel
from backpass.nnfs import kernels

# By kind of state: what an update needs of a layer, for its weights and for its biases.
NAMES = {
    state: [
        (names, attrgetter(*names))
        for kind, parameter in (("weight_", "weights"), ("bias_", "biases"))
        for names in [(parameter, f"d{parameter}", *(kind + name for name in state))]
    ]
    for state in [(), ("momentums",), ("cache",), ("momentums", "cache")]
}
ndarray, FLOAT32, FLOAT64 = np.ndarray, checks.FLOAT32, checks.FLOAT64


def alike(arrays: tuple[Any, ...]) -> bool:
    """Whether a kernel may be given these arrays: it believes that they have one dtype and one shape."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    if len(shape) != 2 or not (dtype is FLOAT32 or dtype is FLOAT64):
        return False
    for array in arrays:
        if array.__class__ is not ndarray or array.dtype is not dtype or array.shape != shape:
            return False
    return arrays[0].flags.writeable


class Optimizer:
    """What the optimizers share.

    Parameters
    ----------
    learning_rate : float
    decay : float
        How fast the learning rate falls.

    Attributes
    ----------
    current_learning_rate : float
    iterations : int
        Steps made so far.
    """

    _kernel: Kernel
    _state: tuple[str, ...] = ()  # kept on the layer as weight_cache, bias_cache and the like
    _config_names: ClassVar[tuple[str, ...]] = ()
    _packed: tuple[tuple[float, ...], np.ndarray] = (), np.zeros(0, np.float64)  # numbers, and the same as an array

    def __init__(self, learning_rate: float, decay: float):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.decay = decay
        self.iterations = 0

    def _numbers(self) -> tuple[float, ...]:
        """The numbers of this step, as the kernel and the formula take them."""
        raise NotImplementedError

    def _step(self, parameters: Any, gradients: Any, *state: Any) -> tuple[Any, ...]:
        """The formula: what is added to the parameters, and the new state."""
        raise NotImplementedError

    def pre_update_params(self) -> None:
        if self.decay:
            self.current_learning_rate = self.learning_rate * (1.0 / (1.0 + self.decay * self.iterations))

    def update_params(self, layer: Any) -> None:
        state = self._state
        if state and not hasattr(layer, f"weight_{state[-1]}"):
            for name in state:
                setattr(layer, f"weight_{name}", np.zeros_like(layer.weights))
                setattr(layer, f"bias_{name}", np.zeros_like(layer.biases))
        numbers, kernel = self._numbers(), self._kernel
        if numbers != self._packed[0]:  # once a step, not once a layer
            self._packed = numbers, np.array(numbers)
        settings = self._packed[1]
        for names, arrays_of in NAMES[state]:
            arrays = arrays_of(layer)
            if alike(arrays):
                try:
                    kernel.call((*arrays, settings))
                    continue
                except ValueError:  # not contiguous
                    pass
            update, *changed = self._step(*arrays)
            for name, array in zip(names[2:], changed, strict=True):
                setattr(layer, name, array)
            parameters = arrays[0]
            parameters += update  # in place: somebody may hold these weights

    def post_update_params(self) -> None:
        self.iterations += 1

    def _config(self) -> dict[str, float]:
        """The arguments that make this optimizer anew."""
        return {name: float(getattr(self, name)) for name in ("learning_rate", "decay", *self._config_names)}


class Optimizer_SGD(Optimizer):
    """Stochastic gradient descent, with momentum."""

    _config_names = ("momentum",)

    def __init__(self, learning_rate: float = 1.0, decay: float = 0.0, momentum: float = 0.0):
        super().__init__(learning_rate, decay)
        self.momentum = momentum

    @property
    def _state(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("momentums",) if self.momentum else ()

    @property
    def _kernel(self) -> Kernel:  # type: ignore[override]
        return kernels.momentum_sgd_kernel if self.momentum else kernels.sgd_kernel

    def _numbers(self) -> tuple[float, ...]:
        return self.current_learning_rate, self.momentum

    def _step(self, parameters: Any, gradients: Any, *state: Any) -> tuple[Any, ...]:
        if not state:
            return (-self.current_learning_rate * gradients,)
        update = self.momentum * state[0] - self.current_learning_rate * gradients
        return update, update


class Optimizer_Adagrad(Optimizer):
    """Steps that shrink as the squared gradients add up.

    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning", JMLR 2011.
    """

    _kernel = kernels.adagrad_kernel
    _state = ("cache",)
    _config_names = ("epsilon",)

    def __init__(self, learning_rate: float = 1.0, decay: float = 0.0, epsilon: float = 1e-7):
        super().__init__(learning_rate, decay)
        self.epsilon = epsilon

    def _numbers(self) -> tuple[float, ...]:
        return self.current_learning_rate, self.epsilon

    def _step(self, parameters: Any, gradients: Any, *state: Any) -> tuple[Any, ...]:
        cache = state[0] + gradients**2
        return -self.current_learning_rate * gradients / (np.sqrt(cache) + self.epsilon), cache


class Optimizer_RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the squared gradients."""

    _kernel = kernels.rmsprop_kernel
    _state = ("cache",)
    _config_names = ("epsilon", "rho")

    def __init__(self, learning_rate: float = 0.001, decay: float = 0.0, epsilon: float = 1e-7, rho: float = 0.9):
        super().__init__(learning_rate, decay)
        self.epsilon = epsilon
        self.rho = rho

    def _numbers(self) -> tuple[float, ...]:
        return self.current_learning_rate, self.epsilon, self.rho, 1 - self.rho

    def _step(self, parameters: Any, gradients: Any, *state: Any) -> tuple[Any, ...]:
        cache = self.rho * state[0] + (1 - self.rho) * gradients**2
        return -self.current_learning_rate * gradients / (np.sqrt(cache) + self.epsilon), cache


class Optimizer_Adam(Optimizer):
    """Running means of the gradients and of their squares, both corrected for their start at 0.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    >>> optimizer = Optimizer_Adam(learning_rate=0.02, decay=1e-2)
    >>> optimizer.post_update_params()
    >>> optimizer.pre_update_params()
    >>> round(optimizer.current_learning_rate, 6)
    0.019802
    """

    _kernel = kernels.adam_kernel
    _state = ("momentums", "cache")
    _config_names = ("epsilon", "beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: float = 0.001,
        decay: float = 0.0,
        epsilon: float = 1e-7,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
    ):
        super().__init__(learning_rate, decay)
        self.epsilon = epsilon
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def _numbers(self) -> tuple[float, ...]:
        beta_1, beta_2, t = self.beta_1, self.beta_2, self.iterations + 1
        keep_and_take = beta_1, 1 - beta_1, beta_2, 1 - beta_2
        return self.current_learning_rate, self.epsilon, *keep_and_take, 1 - beta_1**t, 1 - beta_2**t

    def _step(self, parameters: Any, gradients: Any, *state: Any) -> tuple[Any, ...]:
        rate, epsilon, keep_1, take_1, keep_2, take_2, correct_1, correct_2 = self._numbers()
        momentums = keep_1 * state[0] + take_1 * gradients
        cache = keep_2 * state[1] + take_2 * gradients**2
        return -rate * (momentums / correct_1) / (np.sqrt(cache / correct_2) + epsilon), momentums, cache
