"""Poisson loss: how surprised a rate is by a count.

Forward                                     y_pred (N, M) > 0 are rates, y_true (N, M) >= 0 -> sample losses (N,)
    loss[n] = mean_m( y_pred[n, m] - y_true[n, m] * log(y_pred[n, m]) )

    The negative logarithm of the Poisson probability without log(y_true!), which no prediction changes: the loss may
    be below 0, and is smallest where y_pred = y_true.

Backward                                    of the mean over N samples, by y_pred
    dinputs = (1 - y_true / y_pred) / M / N

Nothing is clipped. After an Exponential layer training goes through `fusions/exponential_poisson.py`, which neither
takes a logarithm of a rate nor divides by one.
"""

import math

import numpy as np

from backpass.engine.kernels import kernel
from backpass.losses.loss import Loss


def forward(y_pred, y_true):
    logarithms = np.where(y_true != 0, y_true * np.log(np.where(y_true != 0, y_pred, 1)), 0)
    return np.mean(y_pred - logarithms, axis=1)


def backward(y_pred, y_true):
    return (1 - np.where(y_true != 0, y_true / y_pred, 0)) / y_pred.shape[1] / len(y_pred)


@kernel
def forward_kernel(y_pred, y_true, sample_losses):
    for n in range(y_pred.shape[0]):
        total = 0.0
        for m in range(y_pred.shape[1]):
            total += y_pred[n, m]
            if y_true[n, m] > 0:  # 0 * log(0) is 0 here: a rate that rounded to 0 is right about a count of 0
                total -= y_true[n, m] * math.log(y_pred[n, m])
        sample_losses[n] = total / y_pred.shape[1]


@kernel
def backward_kernel(dvalues, y_true, scales, dinputs):
    zero, one = dvalues.dtype.type(0), dvalues.dtype.type(1)
    for n in range(dinputs.shape[0]):
        scale = dvalues.dtype.type(scales[n] / dinputs.shape[1])
        for m in range(dinputs.shape[1]):
            share = y_true[n, m] / dvalues[n, m]
            dinputs[n, m] = (one - (share if y_true[n, m] > zero else zero)) * scale


def check_counts(y_true, name):
    if (y_true < 0).any():
        row = int(np.argmax((y_true < 0).any(axis=1)))
        raise ValueError(f"{name} holds {y_true[row].min()} in row {row}; counts are 0 or more")


class Poisson(Loss):
    """Negative log-likelihood of counts (N, M), or (N,) where M is 1, under predicted rates (N, M).

    Counts need not be whole numbers. log(y_true!) is left out, as in PyTorch's PoissonNLLLoss. After an Exponential
    layer a Network trains the two as one step, ExponentialPoisson.

    >>> Poisson().calculate([[1.0], [2.0]], [3, 0])  # (1 - 3 log 1 + 2) / 2
    1.5
    >>> Poisson().backward([[1.0], [2.0]], [3, 0])
    array([[-1. ],
           [ 0.5]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel

    def check_last_layer(self, layer, width):
        if not layer.positive:
            raise ValueError(
                f"Poisson needs rates, which are above 0, but the last layer is {layer!r}; "
                "end with Exponential(), or use the loss ExponentialPoisson() on the log rates"
            )

    def check_targets(self, y_true, name="y_true"):
        check_counts(y_true, name)
