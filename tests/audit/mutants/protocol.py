"""Parts that break the protocol: stale, accumulated or missing gradients, and wrong shapes."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, D, M, N, mutant, numbers
from tests.audit.plain_parts import (
    Affine,
    BatchNorm,
    Dense,
    LayerNorm,
    ReLU,
    SoftmaxCrossentropy,
    Tanh,
    TwoLayers,
)

dense = partial(mutant, inputs=numbers(N, D), arguments=(D, M))
activation = partial(mutant, inputs=3 * numbers(N, D))
norm = partial(mutant, inputs=numbers(N, D), arguments=(D,))
step = partial(mutant, inputs=numbers(N, C), y_true=LABELS)
two_layers = partial(mutant, inputs=numbers(N, D), y_true=LABELS, arguments=(D, M, C))
float64 = {"dtype": "float64", "random_state": 0}

# ------------------------------------------------------------------------------------------------------------- stale


@activation("stale-forward", where="dinputs")
class ReLUKeepsItsFirstMask(ReLU):
    mask = None

    def forward(self, inputs):
        self.output = np.maximum(0, inputs)
        if self.mask is None:
            self.mask = inputs > 0

    def backward(self, dvalues):
        self.dinputs = dvalues * self.mask


@dense("stale-forward", where="dweights")
class DenseRemembersFirstInputs(Dense):
    def forward(self, inputs):
        if not hasattr(self, "inputs"):
            self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases


@activation("stale-forward", where="dinputs")
class CompiledSigmoidCachesItsDerivative(bp.Sigmoid, listed=False):
    derivative = None

    def backward(self, dvalues):
        if self.derivative is None:
            self.derivative = self.output * (1 - self.output)
        return dvalues * self.derivative


@norm("stale-forward", where="dgamma")
class NormalsOfTheFirstBatch(LayerNorm):
    def backward(self, dvalues):
        self.first = getattr(self, "first", self.normal)
        super().backward(dvalues)
        self.dgamma = np.sum(dvalues * self.first, axis=0, keepdims=True)


@dense("stale-forward", where="dW")
class AffineIsOneBatchBehind(Affine):
    before = None

    def forward(self, x):
        self.before, self.x = getattr(self, "x", x), x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.before.T @ dout
        return dx


@dense("stale-forward", where="dinputs")
class DenseTransposesOnce(Dense):
    """Right until the weights have moved."""

    def __init__(self, n_inputs, n_neurons):
        super().__init__(n_inputs, n_neurons)
        self.transposed = self.weights.T.copy()

    def backward(self, dvalues):
        super().backward(dvalues)
        self.dinputs = np.dot(dvalues, self.transposed)


@step("stale-forward", where="dinputs")
class StepRemembersItsFirstOutput(SoftmaxCrossentropy):
    first = None

    def backward(self, dvalues, y_true):
        self.first = self.output if self.first is None else self.first
        super().backward(self.first, y_true)


# ------------------------------------------------------------------------------------------------------- accumulated


@dense("accumulated", where="dweights")
class DenseNeverResets(Dense):
    def __init__(self, n_inputs, n_neurons):
        super().__init__(n_inputs, n_neurons)
        self.dweights, self.dbiases = np.zeros_like(self.weights), np.zeros_like(self.biases)

    def backward(self, dvalues):
        self.dweights += np.dot(self.inputs.T, dvalues)
        self.dbiases += np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


@dense("accumulated", where="dweights", **float64)
class CompiledDenseNeverResets(bp.Dense, listed=False):
    def backward(self, dvalues):
        before = self.dweights.copy()
        dinputs = super().backward(dvalues)
        self.dweights += before
        return dinputs


@norm("accumulated", where="dbeta")
class BetaNeverResets(BatchNorm):
    def backward(self, dvalues):
        before = getattr(self, "dbeta", 0)
        super().backward(dvalues)
        self.dbeta = self.dbeta + before


@two_layers("accumulated", where="dweights2")
class NetworkNeverResets(TwoLayers):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.total = np.zeros_like(self.weights2)

    def backward(self, output, y_true):
        super().backward(output, y_true)
        self.total += self.dweights2
        self.dweights2 = self.total.copy()


# ------------------------------------------------------------------------------------------------------ not computed


@dense("not-computed", where="dbiases")
class DenseWithoutBiases(Dense):
    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dinputs = np.dot(dvalues, self.weights.T)


@dense("not-computed", where="dW")
class AffineLeavesZeros(Affine):
    def __init__(self, n_inputs, n_neurons):
        super().__init__(n_inputs, n_neurons)
        self.dW = np.zeros_like(self.W)

    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


@dense("not-computed", where="dinputs")
class DenseWithoutInputs(Dense):
    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)


@dense("not-computed", where="dweights", **float64)
class CompiledDenseReturnsInputsAlone(bp.Dense, listed=False):
    def backward(self, dvalues):
        return dvalues @ self.weights.T


@two_layers("not-computed", where="dweights1")
class NetworkTrainsItsLastLayer(TwoLayers):
    parameter_names = ("weights1", "biases1", "weights2", "biases2")

    def backward(self, output, y_true):
        dz2 = self.through_loss(output, y_true)
        self.dweights2, self.dbiases2 = self.a1.T @ dz2, np.sum(dz2, axis=0, keepdims=True)
        self.dinputs = self.through_relu(dz2 @ self.weights2.T) @ self.weights1.T


# ------------------------------------------------------------------------------------------------------- wrong shape


@dense("wrong-shape", where="dbiases")
class BiasesWithoutKeepdims(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = np.sum(dvalues, axis=0)


@dense("wrong-shape", where="db")
class BiasesInAColumn(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = self.db.reshape(-1, 1)
        return dx


@activation("wrong-shape", where="dinputs")
class TanhFlattens(Tanh):
    def backward(self, dvalues):
        self.dinputs = (dvalues * (1 - self.output**2)).ravel()


@step("wrong-shape", where="dinputs")
class StepOfTheTrueClassAlone(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues[range(len(dvalues)), y_true] - 1) / len(dvalues)


@norm("wrong-shape", where="dgamma")
class GammaWithoutKeepdims(BatchNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dgamma = np.sum(dvalues * self.normal, axis=0)
