"""Broken activations and dropout."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import D, N, mutant, numbers
from tests.audit.plain_parts import Dropout, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh, sigmoid, softmax

broken = partial(mutant, inputs=numbers(N, D), where="dinputs")
broken_large = partial(broken, inputs=3 * numbers(N, D))  # beyond what a layer clips
broken_dropout = partial(broken, arguments=(0.4,))

# ------------------------------------------------------------------------------------------------------------- masks


@broken("mask-missing")
class ReLUPassesAll(ReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()


@broken("mask-missing")
class CompiledReLUPassesAll(bp.ReLU, listed=False):
    def backward(self, dvalues):
        return dvalues.copy()


@broken("mask-missing")
class LeakyPassesAll(LeakyReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()


@broken_dropout("mask-missing")
class DropoutPassesAll(Dropout):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()


@broken("mask-inverted")
class ReLUBlocksThePositive(ReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs > 0] = 0


@broken("mask-inverted")
def relu_functions_swap_where():
    return (
        lambda inputs: np.where(inputs > 0, inputs, 0),
        lambda inputs, dvalues: np.where(inputs > 0, 0, dvalues),
    )


@broken("mask-inverted", negative_slope=0.3)
class CompiledLeakyInverted(bp.LeakyReLU, listed=False):
    def backward(self, dvalues):
        return np.where(self.inputs > 0, self.negative_slope * dvalues, dvalues)


@broken_dropout("mask-inverted")
class DropoutPassesTheDropped(Dropout):
    def backward(self, dvalues):
        self.dinputs = dvalues * (self.binary_mask == 0) / self.keep


@broken("mask-from-gradient")
class ReLULooksAtDvalues(ReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.dinputs <= 0] = 0


@broken("mask-from-gradient")
class CompiledReLUOfDvalues(bp.ReLU, listed=False):
    def backward(self, dvalues):
        return np.maximum(0, dvalues)


@broken("mask-from-gradient")
class LeakyLooksAtDvalues(LeakyReLU):
    def backward(self, dvalues):
        self.dinputs = np.where(dvalues > 0, dvalues, self.slope * dvalues)


@broken_dropout("scaled-by-constant")
class DropoutMaskUnscaled(Dropout):
    def backward(self, dvalues):
        self.dinputs = dvalues * (self.binary_mask > 0)


@broken("unexplained")
class LeakyForwardReLUBackward(LeakyReLU):
    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


# ------------------------------------------------------------------------------------------------ sigmoid, tanh, others


@broken("derivative-of-input-instead-of-output")
class SigmoidAtInputs(Sigmoid):
    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.inputs) * self.inputs


@broken("derivative-of-input-instead-of-output")
class CompiledTanhAtInputs(bp.Tanh, listed=False):
    def backward(self, dvalues):
        return dvalues * (1 - self.inputs**2)


@broken("derivative-of-input-instead-of-output")
class SigmoidOfOutput(Sigmoid):
    def backward(self, dvalues):
        self.dinputs = dvalues * sigmoid(self.output) * (1 - sigmoid(self.output))


@broken("derivative-of-input-instead-of-output")
class CompiledSoftplusAtOutput(bp.Softplus, listed=False):
    def backward(self, dvalues):
        return dvalues * sigmoid(self.output)


@broken("derivative-of-input-instead-of-output")
def tanh_functions_at_inputs():
    return np.tanh, lambda inputs, dvalues: dvalues * (1 - inputs**2)


@broken("missing-incoming-gradient")
class SigmoidWithoutDvalues(Sigmoid):
    def backward(self, dvalues):
        self.dinputs = (1 - self.output) * self.output


@broken("missing-incoming-gradient")
class CompiledTanhWithoutDvalues(bp.Tanh, listed=False):
    def backward(self, dvalues):
        return 1 - self.output**2


@broken("missing-incoming-gradient")
class ReLUWithoutDvalues(ReLU):
    def backward(self, dvalues):
        self.dinputs = np.where(self.inputs > 0, 1.0, 0.0)


@broken("wrong-sign")
class CompiledSigmoidMinus(bp.Sigmoid, listed=False):
    def backward(self, dvalues):
        return dvalues * (self.output - 1) * self.output


@broken("wrong-sign")
class TanhMinus(Tanh):
    def backward(self, dvalues):
        self.dinputs = dvalues * (self.output**2 - 1)


@broken("scaled-by-constant")
def square_functions_lose_the_2():
    return np.square, lambda inputs, dvalues: dvalues * inputs


@broken("unexplained")
class TanhForgetsTheSquare(Tanh):
    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output)


@broken("unexplained")
class CompiledTanhWithSigmoidsDerivative(bp.Tanh, listed=False):
    def backward(self, dvalues):
        return dvalues * self.output * (1 - self.output)


@broken("unexplained")
def sine_functions_stay_sine():
    return np.sin, lambda inputs, dvalues: dvalues * np.sin(inputs)


# ---------------------------------------------------------------------------------------------------------- clipped


@broken_large("clipped-forward-only")
class SigmoidClipsItsInputs(Sigmoid):
    def forward(self, inputs):
        self.inputs = inputs
        self.output = sigmoid(np.clip(inputs, -2, 2))


@broken_large("clipped-forward-only")
class CompiledTanhClipsItsInputs(bp.Tanh, listed=False):
    def forward(self, inputs, training=True, step=None):
        return super().forward(np.clip(inputs, -1.5, 1.5))


@broken_large("clipped-forward-only")
class ReLUStopsAt2(ReLU):
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.clip(inputs, 0, 2)


@broken_large("clipped-forward-only", "mask-missing")
def hard_tanh_functions_pass_all():
    return lambda inputs: np.clip(inputs, -1, 1), lambda dvalues: dvalues.copy()


# ----------------------------------------------------------------------------------------------------------- softmax


@broken("jacobian-diagonal-only")
class SoftmaxLikeSigmoid(Softmax):
    def backward(self, dvalues):
        self.dinputs = dvalues * self.output * (1 - self.output)


@broken("jacobian-diagonal-only")
class CompiledSoftmaxLikeSigmoid(bp.Softmax, listed=False):
    def backward(self, dvalues):
        return dvalues * self.output * (1 - self.output)


@broken("jacobian-diagonal-only")
class LogSoftmaxDiagonal:
    def forward(self, inputs):
        self.output = np.log(softmax(inputs))

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - np.exp(self.output))


@broken("jacobian-diagonal-only")
def unit_rows_functions_take_the_norm_for_a_constant():
    def norm(inputs):
        return np.sqrt(np.sum(inputs**2, axis=1, keepdims=True))

    return lambda inputs: inputs / norm(inputs), lambda inputs, dvalues: dvalues / norm(inputs)


@broken("wrong-sign")
class SoftmaxJacobianTurned(Softmax):
    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (probabilities, dvalue) in enumerate(zip(self.output, dvalues, strict=True)):
            self.dinputs[index] = np.dot(np.outer(probabilities, probabilities) - np.diagflat(probabilities), dvalue)


@broken("derivative-of-input-instead-of-output", "unexplained")
class SoftmaxJacobianOfInputs(Softmax):
    def backward(self, dvalues):
        self.dinputs = self.inputs * (dvalues - np.sum(self.inputs * dvalues, axis=1, keepdims=True))


@broken("wrong-axis-sum", "unexplained")
class SoftmaxSumsSamples(Softmax):
    def backward(self, dvalues):
        self.dinputs = self.output * (dvalues - np.sum(self.output * dvalues, axis=0, keepdims=True))


@broken("unexplained")
class CompiledSoftmaxAddsTheOuterProduct(bp.Softmax, listed=False):
    def backward(self, dvalues):
        return self.output * (dvalues + np.sum(self.output * dvalues, axis=1, keepdims=True))
