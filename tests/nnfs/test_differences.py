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


def test_weights_typed_as_whole_numbers_are_not_rounded_to_such():
    dense = nnfs.Layer_Dense(2, 2)
    dense.weights, dense.biases = np.array([[1, 2], [3, 4]]), np.array([[0, 0]])
    dense.forward(np.array([[0.5, 0.25]]))
    dense.backward(np.array([[0.5, 0.5]]))
    assert dense.output.tolist() == [[1.25, 2.0]]
    assert dense.dweights.tolist() == [[0.25, 0.25], [0.125, 0.125]]
    assert dense.dinputs.tolist() == [[1.5, 3.5]]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_one_hot_rows_are_as_good_as_labels_to_the_last_bit(dtype):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(30, 3)).astype(np.float32), rng.integers(0, 3, 30)
    steps = (
        nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(),
        nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(),
    )
    for step, y_true in zip(steps, (labels, np.eye(3)[labels].astype(dtype)), strict=True):
        step.forward(logits, y_true)
        step.backward(step.output, y_true)
    assert steps[1].dinputs.dtype == np.float32
    np.testing.assert_array_equal(steps[0].dinputs, steps[1].dinputs)


def test_labels_as_a_column_are_refused():
    step = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy()
    with pytest.raises(ValueError, match=r"^y_true has shape \(2, 1\); pass labels \(2,\) or rows \(2, 3\)$"):
        step.backward(np.full((2, 3), 1 / 3), np.array([[1], [2]]))


def test_weights_that_cannot_be_written_are_not_written(tmp_path):
    np.save(tmp_path / "weights.npy", np.ones((2, 2), np.float32))
    for weights in (np.load(tmp_path / "weights.npy", mmap_mode="r"), np.ones((2, 2), np.float32)):
        weights = np.asarray(weights)
        weights.flags.writeable = False
        dense = nnfs.Layer_Dense(2, 2)
        dense.weights = weights
        dense.forward(np.ones((1, 2), np.float32))
        dense.backward(np.ones((1, 2), np.float32))
        with pytest.raises(ValueError, match="read-only"):
            nnfs.Optimizer_SGD().update_params(dense)
        assert (weights == 1).all()


def test_a_loss_of_ones_own_may_return_a_loss_for_each_output(capsys):
    class Squares(nnfs.Loss):
        def forward(self, y_pred, y_true):
            return (y_true - y_pred) ** 2

    assert Squares().calculate(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]])) == 5.0


def test_subclasses_may_use_any_name_that_the_book_does_not_have():
    class Mine(nnfs.Optimizer_Adam):
        def __init__(self):
            super().__init__(0.01)
            self.state, self.settings, self.step, self.kernel, self.config = "warm-up", {}, 0, None, None

    class MyModel(nnfs.Model):
        def __init__(self):
            super().__init__()
            self.step, self.look_at = 0, None

    model, (X, y) = MyModel(), nnfs.spiral_data(5, 2)
    model.add(nnfs.Layer_Dense(2, 2))
    model.add(nnfs.Activation_Softmax())
    model.set(loss=nnfs.Loss_CategoricalCrossentropy(), optimizer=Mine(), accuracy=nnfs.Accuracy_Categorical())
    model.finalize()
    model.train(X, y, epochs=2)
    assert model.optimizer.iterations == 2


def test_init_takes_what_the_package_takes():
    nnfs.init(dot_precision_workaround=True, default_dtype="float32", random_seed=0)
    assert nnfs.Layer_Dense(2, 3).weights.dtype == np.float32
