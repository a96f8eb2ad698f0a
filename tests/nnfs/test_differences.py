"""Where the book is wrong and backpass.nnfs is right (docs/nnfs.md), and how it refuses what cannot be meant."""

import numpy as np
import pytest

from backpass import nnfs


def test_the_gradient_of_the_mean_absolute_error_points_up():
    loss, y_true = nnfs.Loss_MeanAbsoluteError(), np.array([[1.0, -2.0], [0.5, 3.0]])
    y_pred = np.array([[2.0, -3.0], [0.0, 5.0]])
    loss.backward(y_pred, y_true)
    np.testing.assert_array_equal(loss.dinputs, [[0.25, -0.25], [-0.25, 0.25]])
    assert loss.calculate(y_pred - 0.1 * loss.dinputs, y_true) < loss.calculate(y_pred, y_true)


def test_the_mean_absolute_error_trains():
    X, y = nnfs.sine_data(50)
    dense, loss, optimizer = nnfs.Layer_Dense(1, 1), nnfs.Loss_MeanAbsoluteError(), nnfs.Optimizer_SGD(0.1)
    losses = []
    for _ in range(100):
        dense.forward(X)
        losses.append(loss.calculate(dense.output, y))
        loss.backward(dense.output, y)
        dense.backward(loss.dinputs)
        optimizer.update_params(dense)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_and_crossentropy_one_after_the_other_are_finite_where_a_probability_is_0(dtype):
    logits, labels = np.array([[0, 800, 1]], dtype), np.array([0])
    softmax, loss = nnfs.Activation_Softmax(), nnfs.Loss_CategoricalCrossentropy()
    softmax.forward(logits)
    assert loss.calculate(softmax.output, labels) == pytest.approx(-np.log(1e-7))  # clipped, as in the book
    loss.backward(softmax.output, labels)
    assert np.isfinite(loss.dinputs).all()
    softmax.backward(loss.dinputs)
    assert np.isfinite(softmax.dinputs).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_combined_step_is_right_there(dtype):
    step = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy()
    step.forward(np.array([[0, 800, 1]], dtype), np.array([0]))
    step.backward(step.output, np.array([0]))
    np.testing.assert_array_equal(step.dinputs, [[-1, 1, 0]])


def test_soft_labels_stay_soft_in_the_combined_step():
    step, soft = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(), np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
    step.forward(np.array([[0.1, -0.2, 0.3], [1.0, 0.0, -1.0]]), soft)
    step.backward(step.output, soft)
    np.testing.assert_allclose(step.dinputs, (step.output - soft) / 2, rtol=1e-15)


def test_one_hot_rows_are_the_same_as_labels_in_the_combined_step():
    step, labels = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(), np.array([2, 0])
    losses, gradients = [], []
    for y_true in (labels, np.eye(3)[labels]):
        losses.append(step.forward(np.array([[0.1, -0.2, 0.3], [1.0, 0.0, -1.0]]), y_true))
        step.backward(step.output, y_true)
        gradients.append(step.dinputs)
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(*gradients)


@pytest.mark.filterwarnings("error")
def test_the_sigmoid_of_a_large_negative_number_warns_of_nothing():
    activation = nnfs.Activation_Sigmoid()
    activation.forward(np.array([[-1e4, 1e4]], np.float32))
    np.testing.assert_array_equal(activation.output, [[0, 1]])


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_a_label_that_is_no_class_is_refused_where_the_book_counts_from_the_end(labels):
    y_true, y_pred = np.array(labels), np.full((2, 3), 1 / 3, np.float32)
    loss, step = nnfs.Loss_CategoricalCrossentropy(), nnfs.Activation_Softmax_Loss_CategoricalCrossentropy()
    for call in (loss.calculate, loss.backward, step.forward, step.backward):
        with pytest.raises(ValueError, match="labels are 0 to 2"):
            call(y_pred, y_true)


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="must be equal"):
        nnfs.Loss_CategoricalCrossentropy().calculate(np.full((2, 3), 1 / 3), np.array([0, 1, 2]))


def test_a_model_without_layers_is_refused_and_one_of_one_layer_is_not():
    model = nnfs.Model()
    with pytest.raises(ValueError, match="no layers"):
        model.finalize()
    model.add(nnfs.Layer_Dense(2, 1))
    model.set(loss=nnfs.Loss_MeanSquaredError())
    model.finalize()
    assert model.layers[0].prev is model.input_layer
    assert model.layers[0].next is model.loss
