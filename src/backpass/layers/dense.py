"""Dense: every neuron sees every input.

Forward                                     inputs (N, D) -> output (N, M)
    output = inputs @ weights + biases          weights (D, M), biases (1, M)

Backward                                    dvalues = dL/d output, (N, M)
    dweights = inputs.T @ dvalues               (D, M), summed over the samples
    dbiases  = sum_n dvalues[n]                 (1, M): what was broadcast forward is summed backward
    dinputs  = dvalues @ weights.T              (N, D)
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import (
    add_column_sums,
    apart,
    bias_and,
    helper,
    kernel,
    multiply,
    multiply_left_transposed,
    multiply_right_transposed,
    scratch,
)
from backpass.initializers import INITIALIZERS, SCALES
from backpass.layers.layer import Layer
from backpass.layers.view import View


def forward(inputs, weights, biases):
    return inputs @ weights + biases


def backward(inputs, weights, dvalues):
    dweights = inputs.T @ dvalues
    dbiases = np.sum(dvalues, axis=0, keepdims=True)
    dinputs = dvalues @ weights.T
    return dweights, dbiases, dinputs


@helper
def unchanged(value, one):
    return value


add_biases = bias_and(unchanged)


@apart()
@kernel
def forward_kernel(inputs, weights, biases, output):
    multiply(inputs, weights, output, False)
    add_biases(output, biases, scratch(biases))


@apart("inputs", "dvalues")
@kernel
def backward_kernel(inputs, weights, dvalues, dweights, dbiases, dinputs):
    multiply_left_transposed(inputs, dvalues, dweights, True)
    add_column_sums(dvalues, dbiases)
    if dinputs.shape[1] > 0:  # the first layer's are wanted by nobody: the engine hands over no columns
        multiply_right_transposed(dvalues, weights, dinputs, False)


class Dense(Layer):
    """A fully connected layer, `inputs @ weights + biases`.

    Parameters
    ----------
    n_inputs, n_neurons : int
        D and M.
    initializer : str, optional
        How the weights are drawn: a name in `backpass.initializers`, such as "small_normal" (the notebook's 0.01 times
        a standard normal number, in C order). None: what suits the activation that follows in a Network, He before
        ReLU, else Glorot. Biases start at 0.
    random_state : int, RandomState, Generator, optional
        Where the weights are drawn from. A layer that was given none is drawn anew by `Network(random_state=...)`.
    dtype : float32 or float64
        Of the parameters, the output and the gradients.
    weights_l1, weights_l2, biases_l1, biases_l2 : float
        Factors of the penalties on large parameters, `l1 * sum |w| + l2 * sum w ** 2` (`penalty.py`). `dweights` and
        `dbiases` hold their gradient too.

    Attributes
    ----------
    weights, biases : ndarray (D, M), (1, M)
        Assigning copies the values in.
    dweights, dbiases : ndarray (D, M), (1, M)
        Set by `backward`. Assigning copies the values in.

    Raises
    ------
    ValueError, TypeError
        A size below 1, an unknown initializer, a dtype that is neither float32 nor float64, a penalty below 0.

    >>> dense = Dense(2, 3, dtype="float64")
    >>> dense.weights = [[1, 2, 3], [4, 5, 6]]
    >>> dense.forward([[1.0, 10.0]])
    array([[41., 52., 63.]])
    >>> dense.backward([[1.0, 1.0, 1.0]])
    array([[ 6., 15.]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    weights, biases, dweights, dbiases = View(), View(), View(), View()

    def __init__(
        self,
        n_inputs: int,
        n_neurons: int,
        *,
        initializer: str | None = None,
        random_state: Any = None,
        dtype: Any = np.float32,
        weights_l1: float = 0.0,
        weights_l2: float = 0.0,
        biases_l1: float = 0.0,
        biases_l2: float = 0.0,
    ):
        self.n_inputs = checks.positive_integer(n_inputs, "n_inputs")
        self.n_neurons = checks.positive_integer(n_neurons, "n_neurons")
        self.multiplications = self.n_inputs * self.n_neurons
        self.initializer = initializer
        if initializer is not None:
            checks.one_of(initializer, "initializer", INITIALIZERS)
        factors = {
            "weights": (checks.real(weights_l1, "weights_l1", low=0), checks.real(weights_l2, "weights_l2", low=0)),
            "biases": (checks.real(biases_l1, "biases_l1", low=0), checks.real(biases_l2, "biases_l2", low=0)),
        }
        self.penalties = {name: pair for name, pair in factors.items() if any(pair)}
        self.random_state = random_state
        self.allocate(dtype)
        self.draw(checks.generator(random_state), initializer or "glorot_normal")

    def draw(self, generator: Any, initializer: str) -> None:
        """Draw the weights anew; float64 numbers are drawn whatever the dtype, so that both dtypes start alike."""
        self.weights = INITIALIZERS[initializer](generator, self.n_inputs, self.n_neurons)
        self._drawn_by, self._drawn = initializer, self._checksum()

    def prepare(self, following: Layer | None, generator: Any) -> None:
        """Draw anew from the network's generator, or scale what was drawn to what suits the layer that follows."""
        wanted = self.initializer or (following.suits if following else None) or "glorot_normal"
        if not self.as_drawn:
            return
        if generator is not None and self.random_state is None:
            self.draw(generator, wanted)
        elif wanted != self._drawn_by and {wanted, self._drawn_by} <= SCALES.keys():
            sizes = self.n_inputs, self.n_neurons
            self.weights *= SCALES[wanted](*sizes) / SCALES[self._drawn_by](*sizes)
            self._drawn_by, self._drawn = wanted, self._checksum()

    @property
    def as_drawn(self) -> bool:
        """Whether nobody has changed the weights since they were drawn."""
        return self._drawn == self._checksum()

    def _checksum(self) -> int:
        return zlib.crc32(self.weights)  # type: ignore[arg-type]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weights": (self.n_inputs, self.n_neurons), "biases": (1, self.n_neurons)}

    def output_width(self, input_width: int) -> int:
        if input_width != self.n_inputs:
            raise ValueError(f"{self!r} takes {self.n_inputs} inputs but gets {input_width}")
        return self.n_neurons

    @property
    def input_width(self) -> int:
        return self.n_inputs

    def config(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "n_inputs": self.n_inputs,
            "n_neurons": self.n_neurons,
            "initializer": self.initializer,
        }
        for name, factors in self.penalties.items():
            given |= {f"{name}_l{order}": factor for order, factor in zip((1, 2), factors, strict=True) if factor}
        return given

    def __repr__(self) -> str:
        return f"Dense({self.n_inputs}, {self.n_neurons})"
