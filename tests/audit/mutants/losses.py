"""Broken losses: each says one loss a sample, and sets the gradient of their mean."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, N, mutant, numbers
from tests.audit.plain_parts import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Hinge,
    MeanAbsoluteError,
    MeanSquaredError,
    sigmoid,
    softmax,
)

PROBABILITIES, YES = softmax(numbers(N, C)), sigmoid(numbers(N, C))
NEAR_ZERO = PROBABILITIES.copy()
NEAR_ZERO[np.arange(N), LABELS] = np.where(np.arange(N) % 2, PROBABILITIES[np.arange(N), LABELS], 1e-9)
ANSWERS = np.random.default_rng(2).integers(0, 2, (N, C)).astype(np.float64)
SURE_AND_WRONG = np.where(np.arange(N)[:, None] % 2, YES, np.where(ANSWERS == 1, 1e-9, 1 - 1e-9))

categorical = partial(mutant, inputs=PROBABILITIES, y_true=LABELS, where="dinputs")
one_hot = partial(mutant, inputs=PROBABILITIES, y_true=np.eye(C)[LABELS], where="dinputs")
binary = partial(mutant, inputs=YES, y_true=ANSWERS, where="dinputs")
regression = partial(mutant, inputs=numbers(N, C), y_true=numbers(N, C, 1), where="dinputs")
hinge = partial(mutant, inputs=3 * numbers(N, C), y_true=2 * ANSWERS - 1, where="dinputs")


@categorical("wrong-sign")
class CategoricalWithoutMinus(CategoricalCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = np.eye(dvalues.shape[1])[y_true] / dvalues / len(dvalues)


@regression("wrong-sign")
class TrueMinusPredicted(MeanSquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = 2 * (y_true - dvalues) / dvalues.size


@regression("wrong-sign")
class CompiledAbsoluteUpsideDown(bp.MeanAbsoluteError, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return np.sign(y_true - dvalues) / dvalues.size


@binary("wrong-sign")
class BinaryUpsideDown(BinaryCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = (y_true / dvalues - (1 - y_true) / (1 - dvalues)) / dvalues.size


@one_hot("scaled-by-samples")
class CategoricalOfTheSum(CategoricalCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = -y_true / dvalues


@categorical("scaled-by-samples")
class CompiledCategoricalMeanTwice(bp.CategoricalCrossentropy, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return super().backward(dvalues, y_true) / len(dvalues)


@regression("scaled-by-samples")
class SquaredErrorOfTheSum(MeanSquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / dvalues.shape[1]


@regression("scaled-by-constant")
class SquaredErrorLosesThe2(MeanSquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = (dvalues - y_true) / dvalues.size


@regression("scaled-by-constant")
class SquaredErrorForgetsOutputs(MeanSquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / len(dvalues)


@regression("scaled-by-constant")
class CompiledSquaredErrorTwice(bp.MeanSquaredError, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        self.dinputs = 2 * super().backward(dvalues, y_true)
        return self.dinputs


@binary("scaled-by-constant")
class BinaryForgetsOutputs(BinaryCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = ((1 - y_true) / (1 - dvalues) - y_true / dvalues) / len(dvalues)


@hinge("mask-missing")
class HingeAlwaysPulls(Hinge):
    def backward(self, dvalues, y_true):
        self.dinputs = -y_true / dvalues.size


@hinge("mask-inverted")
class HingePullsWhatIsRight(Hinge):
    def backward(self, dvalues, y_true):
        self.dinputs = np.where(y_true * dvalues > 1, -y_true, 0) / dvalues.size


@hinge("mask-missing")
class CompiledHingeAlwaysPulls(bp.Hinge, listed=False):
    def backward(self, dvalues, y_true, sample_weight=None):
        return -y_true / dvalues.size


@mutant("clipped-forward-only", inputs=NEAR_ZERO, y_true=LABELS, where="dinputs")
class CategoricalNearZero(CategoricalCrossentropy):
    """As printed: the notebook's backward divides by what its forward has clipped."""


@mutant("clipped-forward-only", inputs=NEAR_ZERO, y_true=LABELS, where="dinputs")
class CompiledCategoricalClipped(bp.CategoricalCrossentropy, listed=False):
    def forward(self, y_pred, y_true):
        return super().forward(np.clip(y_pred, 1e-7, 1 - 1e-7), y_true)


@mutant("clipped-forward-only", inputs=SURE_AND_WRONG, y_true=ANSWERS, where="dinputs")
class BinaryClipsForwardOnly(BinaryCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = ((1 - y_true) / (1 - dvalues) - y_true / dvalues) / dvalues.size


@categorical("unexplained")
class CategoricalMultiplies(CategoricalCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = -np.eye(dvalues.shape[1])[y_true] * dvalues / len(dvalues)


@categorical("mask-missing", "unexplained")
class CategoricalOfEveryClass(CategoricalCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = -1 / dvalues / len(dvalues)


@binary("unexplained")
class BinaryWithoutTheNo(BinaryCrossentropy):
    def backward(self, dvalues, y_true):
        self.dinputs = -y_true / dvalues / dvalues.size


@regression("unexplained")
class AbsoluteErrorWithSquaredGradient(MeanAbsoluteError):
    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / dvalues.size
