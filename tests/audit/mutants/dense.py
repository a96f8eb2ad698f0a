"""Broken dense layers."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import D, M, N, mutant, numbers
from tests.audit.plain_parts import Affine, Dense

broken = partial(mutant, inputs=numbers(N, D), arguments=(D, M))
broken_square = partial(mutant, inputs=numbers(N, M), arguments=(M, M))  # where the wrong order is legal
float64 = {"dtype": "float64", "random_state": 0}


@broken("wrong-sign", where="dweights")
class MinusWeights(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = -np.dot(self.inputs.T, dvalues)


@broken("wrong-sign", where="dbiases", **float64)
class CompiledSubtractsBiases(bp.Dense, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        self.dbiases = -np.sum(dvalues, axis=0, keepdims=True)
        return dinputs


@broken("wrong-sign", where="db")
class ForgetsThatOutIsMinusB(Affine):
    def forward(self, x):
        self.x = x
        return x @ self.W - self.b


@broken("scaled-by-samples", where="dweights")
class AveragesWeights(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = np.dot(self.inputs.T, dvalues) / len(dvalues)


@broken("scaled-by-samples", where="dbiases")
class MeanOfBiases(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = np.mean(dvalues, axis=0, keepdims=True)


@broken("scaled-by-samples", where="dinputs", **float64)
class CompiledDividesDvaluesAgain(bp.Dense, listed=False):
    def backward(self, dvalues):
        return super().backward(dvalues / len(dvalues))


@broken("scaled-by-constant", where="dW")
class ForwardAloneIsScaled(Affine):
    def forward(self, x):
        self.x = x
        return x @ self.W / np.sqrt(len(self.W)) + self.b


@broken("scaled-by-constant", where="dinputs", random_state=0)
class CompiledHalvesInFloat32(bp.Dense, listed=False):
    def backward(self, dvalues):
        return 0.5 * super().backward(dvalues)


@broken_square("transposed", where="dinputs")
class ForgetsTheTranspose(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dinputs = np.dot(dvalues, self.weights)


@broken_square("transposed", where="dinputs", **float64)
class CompiledSquareTransposed(bp.Dense, listed=False):
    def backward(self, dvalues):
        super().backward(dvalues)
        return dvalues @ self.weights


@broken_square("transposed", where="dweights")
class OneRowANeuron(Dense):
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights.T) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights)


@broken("transposed", "wrong-shape", where="dweights")
class TransposedWeights(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = np.dot(dvalues.T, self.inputs)


@broken("transposed", "wrong-shape", where="dinputs")
class SamplesInColumns(Affine):
    def backward(self, dout):
        super().backward(dout)
        return self.W @ dout.T


@broken("transposed", "wrong-shape", where="dinputs")
class WrongOrderRaises(Dense):
    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(self.weights.T, dvalues)  # as in the notebook's cell 3, where weights have a row a neuron


@broken("missing-batch-sum", where="dbiases")
class BiasesNotSummed(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = dvalues.copy()


@broken("missing-batch-sum", where="dbiases")
class BiasesOfTheFirstSample(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = dvalues[0:1].copy()


@broken("missing-batch-sum", where="db")
class BiasesOfTheLastSample(Affine):
    def backward(self, dout):
        for sample in dout:
            self.db = sample
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@broken("missing-batch-sum", where="dbiases", **float64)
class CompiledKeepsOneSamplesBiases(bp.Dense, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        self.dbiases = dvalues[:1]
        return dinputs


@broken("missing-batch-sum", where="dweights")
class OverwritesWeightsInTheLoop(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        for sample, dvalue in zip(self.inputs, dvalues, strict=True):
            self.dweights = np.outer(sample, dvalue)


@broken("wrong-axis-sum", where="dbiases")
class SumsNeurons(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = np.sum(dvalues, axis=1, keepdims=True)


@broken("wrong-axis-sum", where="db")
class SumsColumnsOfARow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=1)
        return dx


@broken("wrong-axis-sum", where="dbiases")
class SumsEverything(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dbiases = np.full_like(self.biases, np.sum(dvalues))


@broken("scaled-by-samples", where="dW")
class AffineInFloat32AveragesTwice(Affine):
    def __init__(self, n_inputs, n_neurons):
        super().__init__(n_inputs, n_neurons)
        self.W, self.b = self.W.astype(np.float32), self.b.astype(np.float32)

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW, self.db = self.dW / len(dout), self.db / len(dout)
        return dx


@broken("missing-incoming-gradient", where="dweights")
class WeightsWithoutDvalues(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = np.dot(self.inputs.T, np.ones_like(dvalues))


@broken("missing-incoming-gradient", where="db")
class DerivativeOfBiasesIsOne(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.ones_like(self.b) * len(dout)
        return dx


@broken("missing-incoming-gradient", where="dinputs", **float64)
class CompiledInputsWithoutDvalues(bp.Dense, listed=False):
    def backward(self, dvalues):
        super().backward(dvalues)
        return np.ones_like(dvalues) @ self.weights.T


@broken_square("unexplained", where="dweights")
class WeightsFromOutput(Dense):
    def backward(self, dvalues):
        super().backward(dvalues)
        self.dweights = np.dot(self.output.T, dvalues)


@broken("unexplained", where="dbiases", **float64)
class CompiledLargestIsNotTheSum(bp.Dense, listed=False):
    def backward(self, dvalues):
        dinputs = super().backward(dvalues)
        self.dbiases = np.max(dvalues, axis=0, keepdims=True)
        return dinputs
