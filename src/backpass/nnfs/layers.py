"""The book's layers with parameters, with dropout, and the one that holds a Model's input."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass import checks
from backpass.layers import dense
from backpass.nnfs import start
from backpass.nnfs.kernels import FEW, dense_backward_kernel, dense_forward_kernel

ndarray, FLOAT32, FLOAT64 = np.ndarray, checks.FLOAT32, checks.FLOAT64


def product(a: Any, b: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """a @ b, summed in float64 and rounded once to the dtype: `np.dot` after the PyPI package's `nnfs.init()`.

    Where the dtype, that of the weights, is not a real number's it is NumPy's own product: weights typed as whole
    numbers, complex steps.
    """
    a, b = np.asarray(a), np.asarray(b)
    if np.dtype(dtype).kind != "f" or np.iscomplexobj(a) or np.iscomplexobj(b):
        return a @ b
    return (a.astype(np.float64, copy=False) @ b.astype(np.float64, copy=False)).astype(dtype, copy=False)


class Layer_Dense:
    """`inputs @ weights + biases`.

    Parameters
    ----------
    n_inputs, n_neurons : int
    weight_regularizer_l1, weight_regularizer_l2, bias_regularizer_l1, bias_regularizer_l2 : float, at least 0
        How much of the sum of absolute values, or of squares, is added to the loss. As in the book, the derivative of
        an absolute value at 0 is 1.

    Attributes
    ----------
    weights, biases : ndarray (D, M), (1, M)
        Drawn by `np.random.randn`, times the `weight_scale` of `init`; biases are 0.
    inputs, output, dweights, dbiases, dinputs : ndarray
        Set by `forward` and `backward`.

    >>> layer = Layer_Dense(2, 1)
    >>> layer.weights, layer.biases = np.array([[1.0], [10.0]]), np.array([[0.5]])
    >>> layer.forward(np.array([[1.0, 2.0]]))
    >>> layer.output
    array([[21.5]])
    """

    _room: tuple[tuple[int, ...], tuple[np.ndarray, ...]] = (), ()

    def __init__(
        self,
        n_inputs: int,
        n_neurons: int,
        weight_regularizer_l1: float = 0,
        weight_regularizer_l2: float = 0,
        bias_regularizer_l1: float = 0,
        bias_regularizer_l2: float = 0,
    ):
        D, M = checks.positive_integer(n_inputs, "n_inputs"), checks.positive_integer(n_neurons, "n_neurons")
        self.weights = start.weights(D, M)
        self.biases = np.zeros((1, M), self.weights.dtype)
        self.weight_regularizer_l1 = weight_regularizer_l1
        self.weight_regularizer_l2 = weight_regularizer_l2
        self.bias_regularizer_l1 = bias_regularizer_l1
        self.bias_regularizer_l2 = bias_regularizer_l2

    def forward(self, inputs: Any, training: bool = False) -> None:
        """Set `output`. `training` changes nothing here."""
        self.inputs = inputs
        weights, biases = self.weights, self.biases
        if self._fits(inputs, weights):
            dtype, (N, D), M = weights.dtype, inputs.shape, weights.shape[1]
            if weights.shape[0] == D and biases.dtype is dtype and biases.shape == (1, M):
                output = np.empty((N, M), dtype)
                try:
                    if dtype is FLOAT32:
                        dense_forward_kernel.call((inputs, weights, biases, output, *self._wide(N, D, M)))
                    else:
                        dense.forward_kernel(inputs, weights, biases, output)
                    self.output = output
                    return
                except ValueError:  # not contiguous
                    pass
        self.output = product(inputs, weights, np.asarray(weights).dtype) + biases

    def backward(self, dvalues: Any) -> None:
        """Set `dweights`, `dbiases` and `dinputs` from dvalues (N, M) = dL/d output."""
        if not self._backward_by_kernel(dvalues):
            dtype = np.asarray(self.weights).dtype
            self.dweights = product(np.asarray(self.inputs).T, dvalues, dtype)
            self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
            self.dinputs = product(dvalues, self.weights.T, dtype)
        if self.weight_regularizer_l1 > 0:
            self.dweights += self.weight_regularizer_l1 * signs(self.weights)
        if self.weight_regularizer_l2 > 0:
            self.dweights += 2 * self.weight_regularizer_l2 * self.weights
        if self.bias_regularizer_l1 > 0:
            self.dbiases += self.bias_regularizer_l1 * signs(self.biases)
        if self.bias_regularizer_l2 > 0:
            self.dbiases += 2 * self.bias_regularizer_l2 * self.biases

    def _backward_by_kernel(self, dvalues: Any) -> bool:
        inputs, weights = self.inputs, self.weights
        if not (self._fits(inputs, weights) and dvalues.__class__ is ndarray and dvalues.dtype is weights.dtype):
            return False
        (N, D), M, dtype = inputs.shape, weights.shape[1], weights.dtype
        if weights.shape[0] != D or dvalues.shape != (N, M):
            return False
        dweights, dbiases, dinputs = np.empty((D, M), dtype), np.empty((1, M), dtype), np.empty((N, D), dtype)
        try:
            if dtype is FLOAT32:
                wide = self._wide(N, D, M)
                dense_backward_kernel.call((inputs, weights, dvalues, dweights, dbiases, dinputs, *wide))
            else:
                dweights[...] = dbiases[...] = 0  # the kernel adds to them
                dense.backward_kernel(inputs, weights, dvalues, dweights, dbiases, dinputs)
        except ValueError:
            return False
        if M == 1:  # NumPy adds up a single column in pairs
            dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dweights, self.dbiases, self.dinputs = dweights, dbiases, dinputs
        return True

    @staticmethod
    def _fits(inputs: Any, weights: Any) -> bool:
        """Whether a kernel may be given these: it believes their dtype and shape."""
        return (
            inputs.__class__ is ndarray
            and weights.__class__ is ndarray
            and (weights.dtype is FLOAT32 or weights.dtype is FLOAT64)
            and inputs.dtype is weights.dtype
            and inputs.ndim == 2
            and weights.ndim == 2
            and inputs.size > 0
        )

    def _wide(self, N: int, D: int, M: int) -> tuple[np.ndarray, ...]:
        """Room for the float64 copies that the kernels make, kept for the next call."""
        if self._room[0] != (N, D, M):
            self._room = (N, D, M), tuple(np.empty(shape) for shape in ((N, D), (D, M), (FEW, max(D, M)), (N, M)))
        return self._room[1]

    def get_parameters(self) -> tuple[np.ndarray, np.ndarray]:
        return self.weights, self.biases

    def set_parameters(self, weights: np.ndarray, biases: np.ndarray) -> None:
        self.weights = weights
        self.biases = biases

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_room"}


def signs(parameters: np.ndarray) -> np.ndarray:
    """-1 below 0, else 1."""
    return np.where(parameters < 0, -1, 1).astype(parameters.dtype)


class Layer_Dropout:
    """Set a share `rate` of the inputs to 0 and scale the others up, while training.

    `rate` is kept as the share that stays, as in the book. The mask is drawn by `np.random.binomial`.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    def __init__(self, rate: float):
        self.rate = 1 - checks.real(rate, "rate", low=0, high=1)

    def forward(self, inputs: np.ndarray, training: bool = True) -> None:
        self.inputs = inputs
        if not training:
            self.output = inputs.copy()
            return
        self.binary_mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate
        self.output = inputs * self.binary_mask

    def backward(self, dvalues: np.ndarray) -> None:
        self.dinputs = dvalues * self.binary_mask


class Layer_Input:
    """Where a Model's samples enter."""

    def forward(self, inputs: np.ndarray, training: bool = False) -> None:
        self.output = inputs
