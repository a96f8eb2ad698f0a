"""Parts whose numbers are right, and which write them over somebody else's: dvalues, inputs, output or parameters."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, D, M, N, mutant, numbers
from tests.audit.plain_parts import (
    Affine,
    Dense,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossentropy,
    TwoLayers,
)

broken = partial(mutant, "writes-over-its-input")
activation = partial(broken, inputs=numbers(N, D))
dense = partial(broken, inputs=numbers(N, D), arguments=(D, M))


@activation(where="dvalues")
class ReLUForgetsTheCopy(ReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues
        self.dinputs[self.inputs <= 0] = 0


@activation(where="inputs")
class ReLUCutsItsInputs(ReLU):
    def forward(self, inputs):
        inputs[inputs < 0] = 0
        self.inputs = self.output = inputs


@activation(where="inputs")
class SoftmaxShiftsItsInputs(Softmax):
    def forward(self, inputs):
        inputs -= np.max(inputs, axis=1, keepdims=True)
        super().forward(inputs)


@activation(where="output")
class SigmoidTurnsOutputIntoDerivative(Sigmoid):
    def backward(self, dvalues):
        self.output *= 1 - self.output
        self.dinputs = dvalues * self.output


@activation(where="dvalues")
class CompiledTanhMultipliesDvalues(bp.Tanh, listed=False):
    def backward(self, dvalues):
        dvalues *= 1 - self.output**2
        return dvalues


@dense(where="weights")
class DenseTakesItsStep(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.weights -= 0.1 * self.dweights
        self.biases -= 0.1 * self.dbiases


@dense(where="weights", dtype="float64", random_state=0)
class CompiledDenseTakesItsStep(bp.Dense, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        self.weights -= 0.1 * self.dweights
        return dinputs


@dense(where="inputs")
class AffineStandardises(Affine):
    def forward(self, x):
        x /= np.abs(x).max()
        return super().forward(x)


@broken(inputs=numbers(N, C), y_true=LABELS, where="dvalues")
class StepForgetsTheCopy(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = dvalues
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs /= len(dvalues)


@broken(inputs=numbers(N, C), y_true=numbers(N, C, 1), where="dvalues")
class SquaredErrorSubtractsInPlace(MeanSquaredError):
    def backward(self, dvalues, y_true):
        dvalues -= y_true
        self.dinputs = 2 * dvalues / dvalues.size


@broken(inputs=numbers(N, D), y_true=LABELS, arguments=(D, M, C), where="weights2")
class NetworkStepsTooSoon(TwoLayers):
    """What goes back passes weights that have moved already."""

    def backward(self, output, y_true):
        dz2 = self.through_loss(output, y_true)
        self.dweights2, self.dbiases2 = self.a1.T @ dz2, np.sum(dz2, axis=0, keepdims=True)
        self.weights2 -= 0.1 * self.dweights2
        dz1 = self.through_relu(dz2 @ self.weights2.T)
        self.dweights1, self.dbiases1 = self.inputs.T @ dz1, np.sum(dz1, axis=0, keepdims=True)
        self.dinputs = dz1 @ self.weights1.T
