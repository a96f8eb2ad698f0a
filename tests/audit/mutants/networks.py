"""Networks of backpass that hold one broken part; `where` is the gradient in that part."""

from functools import partial

import numpy as np

import backpass as bp
from tests.audit.mutants import LABELS, C, D, M, N, mutant, numbers
from tests.audit.plain_parts import BatchNorm, CategoricalCrossentropy, Dense, MeanSquaredError, ReLU, Sigmoid, Tanh

H = 6  # neurons of the second layer
VALUES = numbers(N, C, 1)


def dense(n_inputs, n_neurons, **options):
    return bp.Dense(n_inputs, n_neurons, dtype="float64", **options)


def classifies(*middle, loss=None, width=M):
    layers = [dense(D, M), *middle, dense(width, C), bp.Softmax()]
    return bp.Network(layers, loss or bp.CategoricalCrossentropy(), random_state=0)


def regresses(*middle, loss=None, width=M):
    return bp.Network([dense(D, M), *middle, dense(width, C)], loss or bp.MeanSquaredError(), random_state=0)


classifier = partial(mutant, inputs=numbers(N, D), y_true=LABELS)
regression = partial(mutant, inputs=numbers(N, D), y_true=VALUES)


@classifier("mask-missing", where="dinputs")
def relu_passes_all():
    class PassesAll(bp.ReLU, listed=False):
        def backward(self, dvalues):
            return dvalues.copy()

    return classifies(PassesAll())


@classifier("mask-from-gradient", where="dinputs")
def relu_looks_at_dvalues():
    class LooksAtDvalues(ReLU):
        def backward(self, dvalues):
            self.dinputs = np.where(dvalues > 0, dvalues, 0)

    return classifies(LooksAtDvalues())


@regression("derivative-of-input-instead-of-output", where="dinputs")
def sigmoid_at_inputs():
    class AtInputs(Sigmoid):
        def backward(self, dvalues):
            self.dinputs = dvalues * self.inputs * (1 - self.inputs)

    return regresses(AtInputs())


@regression("missing-incoming-gradient", where="dinputs")
def tanh_without_dvalues():
    class WithoutDvalues(bp.Tanh, listed=False):
        def backward(self, dvalues):
            return 1 - self.output**2

    return regresses(WithoutDvalues())


@classifier("jacobian-diagonal-only", where="dinputs")
def softmax_like_sigmoid():
    class LikeSigmoid(bp.Softmax, listed=False):
        def backward(self, dvalues):
            return dvalues * self.output * (1 - self.output)

    return bp.Network([dense(D, C), LikeSigmoid()], bp.CategoricalCrossentropy(), random_state=0)


@regression("jacobian-diagonal-only", where="dinputs")
def batch_statistics_are_constants():
    class Constants(BatchNorm):
        def through_statistics(self, dnormal):
            return dnormal / self.deviation

    return regresses(Constants(M), bp.Tanh())


@regression("missing-batch-sum", where="dbiases")
def dense_keeps_one_sample():
    class OneSample(Dense):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dbiases = dvalues[:1]

    return regresses(bp.Tanh(), OneSample(M, H), bp.Tanh(), width=H)


@classifier("transposed", where="dinputs")
def dense_forgets_the_transpose():
    class ForgetsTheTranspose(bp.Dense, listed=False):
        def backward(self, dvalues):
            super().backward(dvalues)
            return dvalues @ self.weights

    return classifies(bp.ReLU(), ForgetsTheTranspose(M, M, dtype="float64"), bp.ReLU())


@regression("wrong-sign", where="dweights")
def dense_minus_weights():
    class MinusWeights(bp.Dense, listed=False):
        def backward(self, dvalues):
            dinputs = super().backward(dvalues)
            self.dweights *= -1
            return dinputs

    return regresses(bp.Tanh(), MinusWeights(M, H, dtype="float64"), bp.Tanh(), width=H)


@regression("accumulated", where="dweights")
def dense_never_resets():
    class NeverResets(Dense):
        total = 0

        def backward(self, dvalues):
            super().backward(dvalues)
            self.total = self.total + self.dweights
            self.dweights = self.total

    return regresses(bp.Tanh(), NeverResets(M, H), bp.Tanh(), width=H)


@regression("stale-forward", where="dinputs")
def tanh_caches_its_derivative():
    class Caches(Tanh):
        derivative = None

        def backward(self, dvalues):
            if self.derivative is None:
                self.derivative = 1 - self.output**2
            self.dinputs = dvalues * self.derivative

    return regresses(Caches())


@classifier("not-computed", where="dweights")
def dense_returns_dinputs_alone():
    class InputsAlone(bp.Dense, listed=False):
        def backward(self, dvalues):
            return dvalues @ self.weights.T

    return classifies(bp.ReLU(), InputsAlone(M, H, dtype="float64"), bp.ReLU(), width=H)


@regression("not-deterministic", where="dinputs")
def dropout_draws_again():
    class DrawsAgain(bp.Dropout, listed=False):
        def backward(self, dvalues):
            self.forward(self.inputs)
            return dvalues * self.saved

    return regresses(bp.Tanh(), DrawsAgain(0.4))


@regression("writes-over-its-input", where="output")
def sigmoid_turns_output_into_derivative():
    class TurnsOutput(Sigmoid):
        def backward(self, dvalues):
            self.output *= 1 - self.output
            self.dinputs = dvalues * self.output

    return regresses(TurnsOutput())


@classifier("scaled-by-samples", where="dinputs")
def loss_of_the_sum():
    class OfTheSum(CategoricalCrossentropy):
        classifies = True

        def backward(self, dvalues, y_true):
            super().backward(dvalues, y_true)
            self.dinputs = self.dinputs * len(dvalues)

    return classifies(bp.ReLU(), loss=OfTheSum())


@regression("scaled-by-samples", where="dweights")
def dense_averages_weights_in_float32():
    class Averages(bp.Dense, listed=False):
        def backward(self, dvalues):
            dinputs = super().backward(dvalues)
            self.dweights /= len(dvalues)
            return dinputs

    layers = [bp.Dense(D, M), bp.Tanh(), Averages(M, C)]
    return bp.Network(layers, bp.MeanSquaredError(), random_state=0)


@regression("scaled-by-constant", where="dinputs")
def squared_error_loses_the_2():
    class LosesThe2(MeanSquaredError):
        def backward(self, dvalues, y_true):
            self.dinputs = (dvalues - y_true) / dvalues.size

    return regresses(bp.Tanh(), loss=LosesThe2())


@regression("scaled-by-constant", "unexplained", where="dweights")
def penalty_loses_the_2():
    class LosesThe2(bp.Dense, listed=False):
        def add_penalty_gradients(self):
            self.dweights += self.penalties["weights"][1] * self.weights
            self._penalised = True

    return regresses(bp.Tanh(), LosesThe2(M, H, weights_l2=0.05, dtype="float64"), bp.Tanh(), width=H)


@regression("unexplained", where="dinputs")
def sine_stays_sine():
    class Sine:
        def forward(self, inputs):
            self.inputs = inputs
            return np.sin(inputs)

        def backward(self, dvalues):
            return dvalues * np.sin(self.inputs)

    return regresses(Sine())


@regression("clipped-forward-only", where="dinputs")
def tanh_clips_its_inputs():
    class Clips(bp.Tanh, listed=False):
        def forward(self, inputs, training=True, step=None):
            return super().forward(np.clip(inputs, -0.5, 0.5))

    return regresses(Clips())
