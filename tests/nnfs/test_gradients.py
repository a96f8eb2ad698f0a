"""Every backward of backpass.nnfs against complex step and central differences, float64."""

import numpy as np
import pytest

from backpass import nnfs
from tests.gradients import assert_close, assert_gradient

N, D, M = 3, 7, 4
rng = np.random.default_rng(0)
INPUTS, DVALUES = rng.normal(size=(N, D)), rng.normal(size=(N, M))
LABELS, SOFT = np.array([3, 0, 2]), np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 0, 0, 0], [0.5, 0.25, 0.25, 0]])
YES, NUMBERS = rng.integers(0, 2, (N, M)).astype(float), rng.normal(size=(N, M))


def dense(**regularizers):
    layer = nnfs.Layer_Dense(D, M, **regularizers)
    layer.weights, layer.biases = np.random.default_rng(1).normal(size=(D, M)), np.full((1, M), 0.3)
    return layer


def total(layer, name, at, dvalues):
    """dvalues * output, plus what the regularisers add, with `at` in place of one of its arrays."""
    trial = dense()
    trial.__dict__.update(layer.__dict__, **({} if name == "inputs" else {name: at}))
    trial.forward(at if name == "inputs" else INPUTS)
    penalty = 0.0
    for parameter, kind in (("weights", "weight"), ("biases", "bias")):
        array = getattr(trial, parameter)
        size = np.where(array.real < 0, -array, array)
        l1, l2 = getattr(layer, f"{kind}_regularizer_l1"), getattr(layer, f"{kind}_regularizer_l2")
        penalty = penalty + l1 * size.sum() + l2 * (array * array).sum()
    return np.sum(dvalues * trial.output) + penalty


@pytest.mark.parametrize("name", ["weights", "biases", "inputs"])
@pytest.mark.parametrize(
    "regularizers",
    [
        {},
        {"weight_regularizer_l1": 0.1, "bias_regularizer_l1": 0.2},
        {"weight_regularizer_l2": 0.3, "bias_regularizer_l2": 0.4},
        {"weight_regularizer_l1": 0.1, "weight_regularizer_l2": 0.3},
    ],
)
def test_dense_and_its_regularisers(name, regularizers):
    layer = dense(**regularizers)
    layer.forward(INPUTS)
    layer.backward(DVALUES)
    at = INPUTS if name == "inputs" else getattr(layer, name)
    claimed = getattr(layer, f"d{name}")
    assert_gradient(lambda at: total(layer, name, at, DVALUES), at, claimed, terms=np.full(at.shape, 10.0))


def test_the_regularisers_loss_is_what_their_gradients_belong_to():
    layer = dense(
        weight_regularizer_l1=0.1, weight_regularizer_l2=0.3, bias_regularizer_l1=0.2, bias_regularizer_l2=0.4
    )
    loss, zero = nnfs.Loss_MeanSquaredError(), np.zeros((N, M))
    assert loss.regularization_loss(layer) == pytest.approx(total(layer, "inputs", INPUTS, zero), rel=1e-14)
    loss.remember_trainable_layers([layer, layer])
    assert loss.regularization_loss() == pytest.approx(2 * loss.regularization_loss(layer))


@pytest.mark.parametrize(
    "made",
    [nnfs.Activation_ReLU, nnfs.Activation_Softmax, nnfs.Activation_Sigmoid, nnfs.Activation_Linear],
)
def test_activations(made):
    activation, dvalues = made(), rng.normal(size=INPUTS.shape)

    def loss(at):
        trial = made()
        trial.forward(at)
        return np.sum(dvalues * trial.output)

    activation.forward(INPUTS)
    activation.backward(dvalues)
    terms = np.abs(dvalues).sum(axis=1, keepdims=True) + 0 * INPUTS
    assert_gradient(loss, INPUTS, activation.dinputs, terms=terms)


def test_dropout_passes_the_gradient_of_what_stayed_and_scales_it():
    layer, dvalues = nnfs.Layer_Dropout(0.4), rng.normal(size=INPUTS.shape)
    layer.forward(INPUTS)
    layer.backward(dvalues)
    mask = layer.binary_mask
    assert set(np.unique(mask)) == {0.0, 1 / 0.6}
    assert_gradient(lambda at: np.sum(dvalues * at * mask), INPUTS, layer.dinputs)
    layer.forward(INPUTS, training=False)
    np.testing.assert_array_equal(layer.output, INPUTS)


def softmax(logits):
    exponentials = np.exp(logits - logits.real.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


PROBABILITIES = softmax(NUMBERS)


@pytest.mark.parametrize(
    ("made", "y_pred", "y_true"),
    [
        (nnfs.Loss_CategoricalCrossentropy, PROBABILITIES, LABELS),
        (nnfs.Loss_CategoricalCrossentropy, PROBABILITIES, np.eye(M)[LABELS]),
        (nnfs.Loss_BinaryCrossentropy, PROBABILITIES, YES),
        (nnfs.Loss_MeanSquaredError, NUMBERS, DVALUES),
        (nnfs.Loss_MeanAbsoluteError, NUMBERS, DVALUES),
    ],
)
def test_losses(made, y_pred, y_true):
    loss = made()
    loss.backward(y_pred, y_true)
    assert_gradient(lambda at: np.mean(made().forward(at, y_true)), y_pred, loss.dinputs)


@pytest.mark.parametrize("y_true", [LABELS, np.eye(M)[LABELS], SOFT])
def test_the_combined_step(y_true):
    step, rows = (
        nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(),
        y_true if y_true.ndim == 2 else np.eye(M)[y_true],
    )

    def loss(at):
        shifted = at - at.real.max(axis=1, keepdims=True)
        return -np.mean(np.sum(rows * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))), axis=1))

    step.forward(NUMBERS, y_true)
    step.backward(step.output, y_true)
    assert_gradient(loss, NUMBERS, step.dinputs, terms=np.full((N, M), 1 / N))


def test_the_combined_step_is_the_two_steps():
    step, activation = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(), nnfs.Activation_Softmax()
    loss = nnfs.Loss_CategoricalCrossentropy()
    step.forward(NUMBERS, LABELS)
    step.backward(step.output, LABELS)
    activation.forward(NUMBERS)
    loss.backward(activation.output, LABELS)
    activation.backward(loss.dinputs)
    assert_close(activation.dinputs, step.dinputs, 1e-12, np.full((N, M), 1 / N))
