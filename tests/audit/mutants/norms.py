"""Broken batch and layer normalisations."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import D, N, mutant, numbers
from tests.audit.plain_parts import BatchNorm, LayerNorm

broken = partial(mutant, inputs=2 * numbers(N, D) + 1, arguments=(D,))
float64 = {"dtype": "float64"}


@broken("jacobian-diagonal-only", where="dinputs")
class BatchStatisticsAreConstants(BatchNorm):
    def through_statistics(self, dnormal):
        return dnormal / self.deviation


@broken("jacobian-diagonal-only", where="dinputs", **float64)
class CompiledBatchStatisticsAreConstants(bp.BatchNorm, listed=False):
    def backward(self, dvalues):
        super().backward(dvalues)
        return self.gamma * dvalues / np.sqrt(self.inputs.var(axis=0) + self.epsilon)


@broken("jacobian-diagonal-only", where="dinputs")
class RowStatisticsAreConstants(LayerNorm):
    def through_statistics(self, dnormal):
        return dnormal / self.deviation


@broken("jacobian-diagonal-only", "unexplained", where="dinputs")
class VarianceIsAConstant(BatchNorm):
    def through_statistics(self, dnormal):
        return (dnormal - np.mean(dnormal, axis=0, keepdims=True)) / self.deviation


@broken("wrong-axis-sum", where="dgamma")
class GammaSumsColumns(BatchNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dgamma = np.sum(dvalues * self.normal, axis=1, keepdims=True)


@broken("wrong-axis-sum", "unexplained", where="dinputs")
class MeansOfTheOtherAxis(LayerNorm):
    axis = 0


@broken("wrong-axis-sum", where="dbeta")
class BetaSumsEverything(LayerNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbeta = np.full_like(self.beta, np.sum(dvalues))


@broken("missing-batch-sum", where="dbeta")
class BetaNotSummed(BatchNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbeta = dvalues.copy()


@broken("missing-batch-sum", where="dgamma", **float64)
class CompiledGammaOfOneSample(bp.LayerNorm, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        mean, deviation = self.inputs[0].mean(), np.sqrt(self.inputs[0].var() + self.epsilon)
        self.dgamma = dvalues[0] * (self.inputs[0] - mean) / deviation
        return dinputs


@broken("scaled-by-samples", where="dgamma", **float64)
class CompiledGammaIsAMean(bp.BatchNorm, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        self.dgamma /= len(dvalues)
        return dinputs


@broken("derivative-of-input-instead-of-output", "unexplained", where="dgamma")
class GammaOfInputs(BatchNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dgamma = np.sum(dvalues * self.inputs, axis=0, keepdims=True)


@broken("missing-incoming-gradient", where="dgamma")
class GammaWithoutDvalues(LayerNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dgamma = np.sum(self.normal, axis=0, keepdims=True)


@broken("unexplained", where="dinputs")
class ForgetsGamma(LayerNorm):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dinputs = self.through_statistics(dvalues)
