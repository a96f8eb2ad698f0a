"""Broken steps of an activation and a loss, and broken networks in one class."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, D, M, N, mutant, numbers
from tests.audit.plain_parts import SigmoidCrossentropy, SoftmaxCrossentropy, TwoLayers, softmax

ANSWERS = np.random.default_rng(2).integers(0, 2, (N, C)).astype(np.float64)
softmax_step = partial(mutant, inputs=numbers(N, C), y_true=LABELS, where="dinputs")
soft_targets = partial(mutant, inputs=numbers(N, C), y_true=softmax(numbers(N, C, 1)), where="dinputs")
sigmoid_step = partial(mutant, inputs=numbers(N, C), y_true=ANSWERS, where="dinputs")
two_layers = partial(mutant, inputs=numbers(N, D), y_true=LABELS, arguments=(D, M, C))
square_layers = partial(mutant, inputs=numbers(N, D), y_true=LABELS, arguments=(D, D, C))


@softmax_step("scaled-by-samples")
class SoftmaxStepOfTheSum(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1


@softmax_step("scaled-by-samples")
class CompiledSoftmaxStepMeanTwice(bp.SoftmaxCrossentropy, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return super().backward(dvalues, y_true) / len(dvalues)


@softmax_step("wrong-sign")
class TrueMinusProbabilities(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (np.eye(dvalues.shape[1])[y_true] - dvalues) / len(dvalues)


@softmax_step("jacobian-diagonal-only")
class SoftmaxStepLikeSigmoid(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        of_loss = -np.eye(dvalues.shape[1])[y_true] / dvalues / len(dvalues)
        self.dinputs = of_loss * dvalues * (1 - dvalues)


@softmax_step("unexplained")
class CompiledSoftmaxStepWithoutTargets(bp.SoftmaxCrossentropy, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return dvalues / len(dvalues)


@softmax_step("scaled-by-constant")
class SoftmaxStepDividesByClasses(SoftmaxCrossentropy):
    def backward(self, dvalues, y_true):
        super().backward(dvalues, y_true)
        self.dinputs = self.dinputs / dvalues.shape[1]


@soft_targets("unexplained")
class HardensSoftTargets(SoftmaxCrossentropy):
    """The notebook's, as printed: its argmax is right for one-hot rows alone."""


@sigmoid_step("scaled-by-constant")
class SigmoidStepForgetsOutputs(SigmoidCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) / len(dvalues)


@sigmoid_step("scaled-by-samples")
class CompiledSigmoidStepOfTheSum(bp.SigmoidCrossentropy, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return (dvalues - y_true) / dvalues.shape[1]


@sigmoid_step("wrong-sign")
class SigmoidStepMinus(SigmoidCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (y_true - dvalues) / dvalues.size


@sigmoid_step("unexplained")
class SigmoidsDerivativeTwice(SigmoidCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) * dvalues * (1 - dvalues) / dvalues.size


@sigmoid_step("derivative-of-input-instead-of-output", "unexplained")
class SigmoidStepAtLogits(SigmoidCrossentropy):
    def forward(self, inputs, y_true):
        self.inputs = inputs
        return super().forward(inputs, y_true)

    def backward(self, dvalues, y_true):
        self.dinputs = (self.inputs - y_true) / dvalues.size


@two_layers("scaled-by-samples", where="dweights1")
class NetworkOfTheSum(TwoLayers):
    def through_loss(self, output, y_true):
        return super().through_loss(output, y_true) * len(output)


@two_layers("mask-missing", "unexplained", where="dweights1")
class NetworkForgetsItsReLU(TwoLayers):
    def through_relu(self, da1):
        return da1


@two_layers("mask-inverted", "unexplained", where="dbiases1")
class NetworkTurnsItsMask(TwoLayers):
    def through_relu(self, da1):
        return da1 * (self.z1 < 0)


@two_layers("mask-from-gradient", "unexplained", where="dweights1")
class NetworkMasksByGradient(TwoLayers):
    def through_relu(self, da1):
        return da1 * (da1 > 0)


@two_layers("missing-batch-sum", where="dbiases2")
class NetworkKeepsOneSample(TwoLayers):
    def backward(self, output, y_true):
        super().backward(output, y_true)
        self.dbiases2 = self.through_loss(output, y_true)[:1]


@two_layers("wrong-axis-sum", "wrong-shape", where="dbiases1")
class NetworkSumsEverything(TwoLayers):
    def backward(self, output, y_true):
        super().backward(output, y_true)
        dz1 = self.through_relu(self.through_loss(output, y_true) @ self.weights2.T)
        self.dbiases1 = np.sum(dz1)


@two_layers("missing-incoming-gradient", "unexplained", where="dweights1")
class NetworkStopsAtItsReLU(TwoLayers):
    def through_relu(self, da1):
        return np.where(self.z1 > 0, 1.0, 0.0)


@square_layers("transposed", "unexplained", where="dinputs")
class NetworkForgetsTheTranspose(TwoLayers):
    def backward(self, output, y_true):
        super().backward(output, y_true)
        dz1 = self.through_relu(self.through_loss(output, y_true) @ self.weights2.T)
        self.dinputs = dz1 @ self.weights1


@two_layers("scaled-by-constant", "unexplained", where="dweights2")
class RegulariserLosesThe2(TwoLayers):
    def forward(self, inputs, y_true):
        return super().forward(inputs, y_true) + 0.01 * np.sum(self.weights2**2)

    def backward(self, output, y_true):
        super().backward(output, y_true)
        self.dweights2 += 0.01 * self.weights2


@two_layers("unexplained", where="dweights2")
class NetworkUsesTheSumsBeforeReLU(TwoLayers):
    def backward(self, output, y_true):
        super().backward(output, y_true)
        self.dweights2 = self.z1.T @ self.through_loss(output, y_true)
