"""Parts that do not answer the same question alike: chance, the clock, a counter, memory that nobody has filled."""

import time
from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import D, M, N, mutant, numbers
from tests.audit.plain_parts import Dense, Dropout, ReLU, Sigmoid

broken = partial(mutant, "not-deterministic", inputs=numbers(N, D))


@broken("not-computed", where="dinputs")
class ReLUFillsHalf(ReLU):
    """Where nothing is written there is what the memory held before."""

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        self.dinputs[self.inputs > 0] = dvalues[self.inputs > 0]


@broken("not-computed", where="dweights", arguments=(D, M))
class DenseFillsAllButTheLast(Dense):
    def backward(self, dvalues):
        self.dweights = np.empty_like(self.weights)
        for d in range(len(self.weights) - 1):
            self.dweights[d] = np.dot(self.inputs[:, d], dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


@broken(where="dinputs")
class SigmoidAddsNoise(Sigmoid):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dinputs += 0.01 * np.random.normal(size=dvalues.shape)


@broken(where="dweights", arguments=(D, M))
class DenseDecaysWithEachCall(Dense):
    calls = 0

    def backward(self, dvalues):
        super().backward(dvalues)
        self.calls += 1
        self.dweights = self.dweights / self.calls


@broken(where="dinputs")
class CompiledSigmoidByTheClock(bp.Sigmoid, listed=False):
    def backward(self, dvalues):
        return super().backward(dvalues) * (1 + time.perf_counter() % 1)


@broken(where="dinputs", arguments=(0.4,))
class DropoutDrawsAgain(Dropout):
    def backward(self, dvalues):
        self.dinputs = dvalues * np.random.binomial(1, self.keep, size=dvalues.shape) / self.keep


@broken(where="dinputs", rate=0.4, random_state=0)
class CompiledDropoutDrawsAgain(bp.Dropout, listed=False):
    def backward(self, dvalues):
        self.forward(self.inputs)
        return dvalues * self.saved
