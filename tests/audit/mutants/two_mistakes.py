"""Two mistakes at once; one of them has to be named."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, D, M, N, mutant, numbers
from tests.audit.plain_parts import (
    BatchNorm,
    BinaryCrossentropy,
    Dense,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossentropy,
    TwoLayers,
    sigmoid,
)

activation = partial(mutant, inputs=numbers(N, D), where="dinputs")
dense = partial(mutant, inputs=numbers(N, D), arguments=(D, M))
dense_square = partial(mutant, inputs=numbers(N, M), arguments=(M, M))
loss = partial(mutant, inputs=numbers(N, C), y_true=numbers(N, C, 1), where="dinputs")
ANSWERS = np.random.default_rng(2).integers(0, 2, (N, C)).astype(np.float64)


@dense("wrong-sign", "missing-batch-sum", where="dbiases")
class MinusWeightsAndOneSamplesBiases(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = -self.dweights
        self.dbiases = dvalues[:1].copy()


@dense("scaled-by-samples", "wrong-shape", where="dbiases")
class AveragesWeightsAndDropsKeepdims(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = self.dweights / len(dvalues)
        self.dbiases = np.sum(dvalues, axis=0)


@dense_square("transposed", "accumulated", where="dinputs", dtype="float64", random_state=0)
class CompiledTransposedAndAccumulated(bp.Dense, listed=False):
    def backward(self, dvalues):
        before = self.dbiases.copy()
        super().backward(dvalues)
        self.dbiases += before
        return dvalues @ self.weights


@mutant("wrong-sign", "scaled-by-samples", inputs=sigmoid(numbers(N, C)), y_true=ANSWERS, where="dinputs")
class BinaryUpsideDownAndOfTheSum(BinaryCrossentropy):
    def backward(self, dvalues, y_true):
        super().backward(dvalues, y_true)
        self.dinputs = -self.dinputs * len(dvalues)


@loss("scaled-by-samples", "scaled-by-constant")
class SquaredErrorLosesThe2AndTheMean(MeanSquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) / dvalues.shape[1]


@loss("wrong-sign", "writes-over-its-input")
class CompiledSquaredErrorUpsideDownInPlace(bp.MeanSquaredError, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        dvalues -= y_true
        return -2 * dvalues / dvalues.size


@activation("jacobian-diagonal-only", "wrong-sign")
class SoftmaxDiagonalTurned(Softmax):
    def backward(self, dvalues):
        self.dinputs = dvalues * self.output * (self.output - 1)


@activation("derivative-of-input-instead-of-output", "missing-incoming-gradient", "unexplained")
class SigmoidAtInputsWithoutDvalues(Sigmoid):
    def backward(self, dvalues):
        self.dinputs = self.inputs * (1 - self.inputs)


@activation("mask-missing", "accumulated")
class ReLUPassesAllAndAddsUp(ReLU):
    def backward(self, dvalues):
        self.dinputs = getattr(self, "dinputs", 0) + dvalues


@mutant("stale-forward", "mask-inverted", inputs=numbers(N, D), where="dinputs")
class CompiledReLUInvertsItsFirstMask(bp.ReLU, listed=False):
    mask = None

    def backward(self, dvalues):
        self.mask = self.inputs <= 0 if self.mask is None else self.mask
        return dvalues * self.mask


@mutant("jacobian-diagonal-only", "missing-batch-sum", inputs=numbers(N, D), arguments=(D,), where="dinputs")
class ConstantStatisticsAndGammaOfOneSample(BatchNorm):
    def backward(self, dvalues):
        self.dgamma, self.dbeta = dvalues[:1] * self.normal[:1], np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = dvalues * self.gamma / self.deviation


@mutant("scaled-by-samples", "writes-over-its-input", inputs=numbers(N, C), y_true=LABELS, where="dinputs")
class StepForgetsTheCopyAndTheMean(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        dvalues[range(len(dvalues)), y_true] -= 1
        self.dinputs = dvalues


@mutant(
    "scaled-by-samples", "not-computed", inputs=numbers(N, D), y_true=LABELS, arguments=(D, M, C), where="dweights1"
)
class NetworkOfTheSumWithoutBiases(TwoLayers):
    def backward(self, output, y_true):
        super().backward(output, y_true)
        self.dweights1, self.dweights2 = self.dweights1 * len(output), self.dweights2 * len(output)
        self.dbiases1, self.dbiases2 = np.zeros_like(self.biases1), np.zeros_like(self.biases2)


@mutant("mask-missing", "scaled-by-samples", inputs=numbers(N, D), y_true=numbers(N, C, 1), where="dinputs")
def network_of_a_broken_relu_and_a_broken_loss():
    class PassesAll(ReLU):
        def backward(self, dvalues):
            self.dinputs = dvalues.copy()

    class OfTheSum(MeanSquaredError):
        def backward(self, dvalues, y_true):
            super().backward(dvalues, y_true)
            self.dinputs = self.dinputs * len(dvalues)

    layers = [bp.Dense(D, M, dtype="float64"), PassesAll(), bp.Dense(M, C, dtype="float64")]
    return bp.Network(layers, OfTheSum(), random_state=0)
