"""Batch normalisation: each column is brought to mean 0 and variance 1 over the batch, then scaled and shifted.

Forward, training                           inputs (N, M) -> output (N, M), gamma and beta (1, M)
    normal        = (inputs - mean_n inputs) / sqrt(variance_n inputs + epsilon)
    output        = normal * gamma + beta
    running_mean     = momentum * running_mean     + (1 - momentum) * mean_n inputs
    running_variance = momentum * running_variance + (1 - momentum) * variance_n inputs * N / (N - 1)
Forward, predicting
    the running statistics take the place of the batch's

Backward, training                          dvalues = dL/d output, (N, M)
    dgamma        = sum_n dvalues[n] * normal[n]
    dbeta         = sum_n dvalues[n]
    dinputs       = gamma / sqrt(variance + epsilon) * (dvalues - dbeta / N - normal * dgamma / N)

The last two terms are what the batch's own mean and variance contribute: they depend on every sample, which is why a
batch that passes this layer must stay in one piece (`couples_samples`). Predicting, they are absent.
"""

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import helper, kernel
from backpass.engine.kernels.compiler import COUNT_LEARNING, COUNT_TRAINING
from backpass.layers.layer import Layer
from backpass.layers.view import Setting, View

ROWS_AT_ONCE = 64  # summed up before they join the total: in float32 a sum over 10,000 rows one by one loses 3 digits


def normalised(inputs, epsilon):
    centred = inputs - np.mean(inputs, axis=0)
    deviation = np.sqrt(np.mean(centred**2, axis=0) + epsilon)
    return centred / deviation, deviation


def forward(inputs, gamma, beta, epsilon):
    return normalised(inputs, epsilon)[0] * gamma + beta


def backward(inputs, gamma, dvalues, epsilon):
    normal, deviation = normalised(inputs, epsilon)
    dgamma = np.sum(dvalues * normal, axis=0, keepdims=True)
    dbeta = np.sum(dvalues, axis=0, keepdims=True)
    dinputs = gamma / deviation * (dvalues - dbeta / len(inputs) - normal * dgamma / len(inputs))
    return dgamma, dbeta, dinputs


@helper
def column_means(inputs, mean, squared, part, total):
    """total = the mean of (inputs - mean), or of its square, over the rows. `part` is scratch. All of them (M,)."""
    real = inputs.dtype.type
    N, M = inputs.shape
    total[:] = real(0)
    for first in range(0, N, ROWS_AT_ONCE):
        part[:] = real(0)
        for n in range(first, min(first + ROWS_AT_ONCE, N)):
            for m in range(M):
                centred = inputs[n, m] - mean[m]
                part[m] += centred * centred if squared else centred
        for m in range(M):
            total[m] += part[m]
    for m in range(M):
        total[m] /= real(N)


@kernel
def forward_kernel(inputs, gamma, beta, output, saved, running_mean, running_variance, settings, counters):
    """saved[0] = mean and 1 / deviation of each column; what is behind is scratch"""
    real = inputs.dtype.type
    N, M = inputs.shape
    epsilon, momentum, unbiased = real(settings[0]), settings[1], N / max(N - 1, 1)
    mean, inverse, part, centre = saved[0, :M], saved[0, M : 2 * M], saved[0, 2 * M : 3 * M], saved[0, 3 * M : 4 * M]
    if counters[COUNT_TRAINING] == 1:
        for m in range(M):
            centre[m] = inputs[0, m]  # columns far from 0 lose no digits
        column_means(inputs, centre, False, part, mean)
        for m in range(M):
            mean[m] += centre[m]
        column_means(inputs, mean, True, part, inverse)
        if counters[COUNT_LEARNING] == 1 and N > 1:  # one sample says nothing of a variance
            keep, take = real(momentum), real(1 - momentum)
            for m in range(M):
                running_mean[0, m] = keep * running_mean[0, m] + take * mean[m]
                running_variance[0, m] = keep * running_variance[0, m] + take * inverse[m] * real(unbiased)
    else:
        for m in range(M):
            mean[m], inverse[m] = running_mean[0, m], running_variance[0, m]
    for m in range(M):
        inverse[m] = real(1) / math.sqrt(inverse[m] + epsilon)
    for n in range(N):
        for m in range(M):
            output[n, m] = (inputs[n, m] - mean[m]) * inverse[m] * gamma[0, m] + beta[0, m]


@kernel
def backward_kernel(inputs, gamma, saved, dvalues, dgamma, dbeta, dinputs, counters):
    real = inputs.dtype.type
    N, M = inputs.shape
    mean, inverse, of_gamma, of_beta = (
        saved[0, :M],
        saved[0, M : 2 * M],
        saved[0, 2 * M : 3 * M],
        saved[0, 3 * M : 4 * M],
    )
    part_gamma, part_beta = saved[0, 4 * M : 5 * M], saved[0, 5 * M :]
    of_gamma[:] = real(0)
    of_beta[:] = real(0)
    for first in range(0, N, ROWS_AT_ONCE):
        part_gamma[:] = real(0)
        part_beta[:] = real(0)
        for n in range(first, min(first + ROWS_AT_ONCE, N)):
            for m in range(M):
                dvalue = dvalues[n, m]
                part_gamma[m] += dvalue * (inputs[n, m] - mean[m]) * inverse[m]
                part_beta[m] += dvalue
        for m in range(M):
            of_gamma[m] += part_gamma[m]
            of_beta[m] += part_beta[m]
    for m in range(M):
        dgamma[0, m] += of_gamma[m]
        dbeta[0, m] += of_beta[m]
    coupled = real(1) / real(N) if counters[COUNT_TRAINING] == 1 else real(0)
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            normal = (inputs[n, m] - mean[m]) * inverse[m]
            pull = (of_beta[m] + normal * of_gamma[m]) * coupled
            dinputs[n, m] = gamma[0, m] * inverse[m] * (dvalues[n, m] - pull)


class BatchNorm(Layer):
    """Normalise each column over the batch while training, by running statistics afterwards.

    Parameters
    ----------
    n_neurons : int
        M, the columns of inputs and output.
    momentum : float in [0, 1)
        How much the running statistics keep at each step (PyTorch calls 1 minus this momentum).
    epsilon : float above 0
        Added to the variance.
    dtype : float32 or float64

    Attributes
    ----------
    gamma, beta : ndarray (1, M)
        Scale and shift, 1 and 0 at first. Assigning copies the values in.
    dgamma, dbeta : ndarray (1, M)
        Set by `backward`.
    running_mean, running_variance : ndarray (1, M)
        0 and 1 at first; moved by training, and by `forward` with `training=True`.

    The whole batch passes in one piece, so a step is computed by one thread, and a batch of a million rows needs room
    for a million rows. A batch of one sample has no variance: its output is beta, and running statistics stay.
    With an optimizer's weight_average they are those of the weights themselves, not of the average.

    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015, algorithms 1 and 2.

    >>> norm = BatchNorm(1, dtype="float64")
    >>> norm.forward([[1.0], [3.0]]).round(3)
    array([[-1.],
           [ 1.]])
    >>> norm.running_mean.round(3), norm.running_variance.round(3)
    (array([[0.2]]), array([[1.1]]))
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    suits = None
    couples_samples = True
    state_names = ("running_mean", "running_variance")
    gamma, beta, dgamma, dbeta = View(), View(), View(), View()
    running_mean, running_variance = View(), View()
    epsilon, momentum = Setting(0, low=0, open_low=True), Setting(1, low=0, high=1)

    def __init__(self, n_neurons: int, *, momentum: float = 0.9, epsilon: float = 1e-5, dtype: Any = np.float32):
        self.n_neurons = checks.positive_integer(n_neurons, "n_neurons")
        self.settings = np.zeros(2, np.float64)
        self.epsilon, self.momentum = epsilon, momentum  # type: ignore[assignment]
        self.allocate(dtype)
        self.gamma[:] = 1
        self._running_mean = np.zeros((1, self.n_neurons), self.dtype)
        self._running_variance = np.ones((1, self.n_neurons), self.dtype)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"gamma": (1, self.n_neurons), "beta": (1, self.n_neurons)}

    def saved_width(self, input_width: int) -> int:
        return 6 * input_width  # only the first row of it is ever touched

    @property
    def input_width(self) -> int:
        return self.n_neurons

    def config(self) -> dict[str, Any]:
        return {"n_neurons": self.n_neurons, "momentum": self.momentum, "epsilon": self.epsilon}
