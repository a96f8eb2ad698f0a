"""Steps of `Model.train` that print nothing: made by the engine, they are the layers' own but for rounding."""

import re
import subprocess
import sys

import numpy as np
import pytest

from backpass import nnfs
from backpass.nnfs import steps as nnfs_steps
from backpass.stepping import CompiledSteps

OPTIMIZERS = [
    lambda: nnfs.Optimizer_SGD(learning_rate=0.5, decay=1e-2),
    lambda: nnfs.Optimizer_SGD(learning_rate=0.1, momentum=0.9),
    lambda: nnfs.Optimizer_Adagrad(learning_rate=0.05, decay=1e-3),
    lambda: nnfs.Optimizer_RMSprop(learning_rate=0.005, rho=0.99),
    lambda: nnfs.Optimizer_Adam(learning_rate=0.01, decay=1e-3),
]
STATE = ("weights", "biases", "weight_momentums", "bias_momentums", "weight_cache", "bias_cache")


@pytest.fixture(autouse=True)
def small_programs(monkeypatch):
    """The engine takes over after the first line, so that short programs use it."""
    monkeypatch.setattr(nnfs_steps, "EXACT_LINES", 1)


@pytest.fixture
def engine_steps(monkeypatch):
    """How many steps the engine has made."""
    made, advance = [], CompiledSteps.advance

    def counting(self, goal):
        before = self.made
        try:
            advance(self, goal)
        finally:
            made.append(self.made - before)

    monkeypatch.setattr(CompiledSteps, "advance", counting)
    return made


def classes(N=90):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 4)).astype(np.float32)
    return X, (X[:, 0] * X[:, 1] > 0).astype(np.uint8) + (X[:, 2] > 1).astype(np.uint8)


def built(kind, optimizer, **regularizers):
    nnfs.init(weight_scale=0.3)
    model = nnfs.Model()
    X, y = classes()
    last = {
        "classes": (3, nnfs.Activation_Softmax(), nnfs.Loss_CategoricalCrossentropy(), nnfs.Accuracy_Categorical()),
        "one-hot": (3, nnfs.Activation_Softmax(), nnfs.Loss_CategoricalCrossentropy(), nnfs.Accuracy_Categorical()),
        "yes or no": (
            1,
            nnfs.Activation_Sigmoid(),
            nnfs.Loss_BinaryCrossentropy(),
            nnfs.Accuracy_Categorical(binary=True),
        ),
        "squared": (1, nnfs.Activation_Linear(), nnfs.Loss_MeanSquaredError(), nnfs.Accuracy_Regression()),
        "absolute": (1, nnfs.Activation_Linear(), nnfs.Loss_MeanAbsoluteError(), nnfs.Accuracy_Regression()),
    }
    y = {
        "classes": y,
        "one-hot": np.eye(3, dtype=np.float32)[y],
        "yes or no": (y > 0).astype(np.uint8)[:, None],
    }.get(kind, (X[:, :1] * X[:, 1:2]).astype(np.float64))
    M, activation, loss, accuracy = last[kind]
    layers = nnfs.Layer_Dense(4, 8, **regularizers), nnfs.Activation_ReLU(), nnfs.Layer_Dense(8, M), activation
    for layer in layers:
        model.add(layer)
    model.set(loss=loss, optimizer=optimizer, accuracy=accuracy)
    model.finalize()
    return model, X, y


def state(model):
    arrays = {
        f"{index}.{name}": getattr(layer, name)
        for index, layer in enumerate(model.trainable_layers)
        for name in STATE
        if hasattr(layer, name)
    }
    return arrays, (model.optimizer.iterations, model.optimizer.current_learning_rate)


def assert_same_state(one, other):
    (ours, progress), (theirs, their_progress) = state(one), state(other)
    assert ours.keys() == theirs.keys()
    assert progress == their_progress
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], rtol=1e-3, atol=2e-5, err_msg=name)


def assert_same_lines(ours, theirs):
    """The same words, losses within two units of the last digit, accuracies but for two of 90 samples at a border."""
    word = re.compile(r"-?\d[\d.e-]*")
    assert word.sub("#", ours) == word.sub("#", theirs)
    for name, tolerance in (("acc", 0.03), ("loss", 2e-3), ("lr", 1e-9)):
        values = [np.array(re.findall(rf"\b{name}: ({word.pattern})", text), float) for text in (ours, theirs)]
        np.testing.assert_allclose(*values, rtol=0, atol=tolerance, err_msg=name)


def trained(kind, optimizer, engine, batch_size=None, print_every=20, epochs=50, **regularizers):
    model, X, y = built(kind, optimizer(), **regularizers)
    validation = (X[:30], y[:30])
    model.train(
        X, y, epochs=epochs, batch_size=batch_size, print_every=print_every, validation_data=validation, engine=engine
    )
    return model


# An absolute error that changes its sign moves a normalised step by all of its length: no two roundings agree for long.
CASES = [
    pytest.param(kind, make, id=f"{kind} {make()._config()}")
    for kind in ("classes", "one-hot", "squared", "absolute")
    for make in OPTIMIZERS[: 2 if kind == "absolute" else None]
]


@pytest.mark.parametrize(("kind", "optimizer"), CASES)
def test_the_engine_does_what_the_layers_do(kind, optimizer, engine_steps, capsys):
    l2 = {"weight_regularizer_l2": 5e-3, "bias_regularizer_l2": 1e-3, "weight_regularizer_l1": 1e-4}
    by_layers = trained(kind, optimizer, False, **l2)
    lines = capsys.readouterr().out
    assert not engine_steps
    by_engine = trained(kind, optimizer, True, **l2)
    assert sum(engine_steps) == 19 + 9  # from the line of epoch 20 to that of 40, and to the last step
    assert_same_lines(capsys.readouterr().out, lines)
    assert_same_state(by_engine, by_layers)
    for layer, other in zip(by_engine.layers, by_layers.layers, strict=True):  # of the last step, which no line shows
        np.testing.assert_allclose(layer.dinputs, other.dinputs, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda make: repr(make()._config()))
def test_batches_go_to_the_engine_unasked_and_every_sample_counts(optimizer, engine_steps, capsys):
    """90 samples in batches of 4: 23 steps an epoch, the last one shorter; lines at steps 0, 15 and 22."""
    by_layers = trained("classes", optimizer, False, 4, 15, epochs=3)
    lines = capsys.readouterr().out
    assert not engine_steps
    by_engine = trained("classes", optimizer, None, 4, 15, epochs=3)
    assert sum(engine_steps) == 3 * 14  # those between steps 0 and 15; the six behind are not worth it
    assert_same_lines(capsys.readouterr().out, lines)
    assert_same_state(by_engine, by_layers)


def test_without_batches_the_layers_make_every_step_unless_the_engine_is_asked_for(engine_steps, capsys):
    trained("classes", OPTIMIZERS[4], None)
    assert not engine_steps


def test_the_first_lines_are_exact(monkeypatch, engine_steps, capsys):
    monkeypatch.setattr(nnfs_steps, "EXACT_LINES", 10)
    trained("classes", OPTIMIZERS[4], True, print_every=50, epochs=500)
    assert not engine_steps
    trained("classes", OPTIMIZERS[4], True, print_every=50, epochs=600)
    assert sum(engine_steps) == 49 * 2


def test_training_goes_on_from_the_state_that_is_there(capsys):
    models = []
    for engine in (False, True):
        model, X, y = built("classes", nnfs.Optimizer_Adam(learning_rate=0.01, decay=1e-3))
        for _ in range(2):
            model.train(X, y, epochs=40, print_every=15, engine=engine)
        models.append(model)
    assert models[1].optimizer.iterations == 80
    assert_same_state(*models)


def test_arrays_that_somebody_holds_are_those_that_train(engine_steps, capsys):
    model, X, y = built("classes", nnfs.Optimizer_SGD(0.1))
    held = [array for layer in model.trainable_layers for array in layer.get_parameters()]
    before = [array.copy() for array in held]
    model.train(X, y, epochs=50, print_every=20, engine=True)
    assert engine_steps
    now = [array for layer in model.trainable_layers for array in layer.get_parameters()]
    assert all(one is other for one, other in zip(held, now, strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(held, before, strict=True))


class MyAdam(nnfs.Optimizer_Adam):
    pass


class MyLoss(nnfs.Loss_MeanSquaredError):
    pass


class Clipping(nnfs.Model):
    def backward(self, output, y):
        super().backward(output, y)
        for layer in self.trainable_layers:
            layer.dweights = np.clip(layer.dweights, -1e-3, 1e-3)


class ShareOfGoodBatches(nnfs.Accuracy_Categorical):
    def calculate(self, predictions, y):
        share = float(np.mean(predictions == y) > 0.8)
        self.accumulated_sum += share
        self.accumulated_count += 1
        return share


def tied(model):
    model.layers[0].weights = np.zeros((4, 8), np.float32)
    model.layers[2].weights = model.layers[0].weights.T[:, :3]


def own_schedule(model):
    model.optimizer.pre_update_params = lambda: setattr(model.optimizer, "current_learning_rate", 1e-3)


CHANGES = {
    "dropout": lambda model: model.layers.insert(2, nnfs.Layer_Dropout(0.2)),
    "an L1 penalty on biases": lambda model: setattr(model.layers[0], "bias_regularizer_l1", 1e-3),
    "somebody's optimizer": lambda model: model.set(optimizer=MyAdam(0.01)),
    "somebody's loss": lambda model: model.set(loss=MyLoss()),
    "somebody's model": lambda model: setattr(model, "__class__", Clipping),
    "somebody's accuracy": lambda model: model.set(accuracy=ShareOfGoodBatches()),
    "somebody's schedule": own_schedule,
    "tied weights": tied,
}


@pytest.mark.parametrize("what", [*CHANGES, "yes or no", "frozen layers", "labels that are no classes", "a list"])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_what_the_engine_does_not_take_goes_through_the_layers(what, batch_size, engine_steps, capsys):
    def outcome(engine):
        kind = {"somebody's loss": "squared", "yes or no": "yes or no"}.get(what, "classes")
        model, X, y = built(kind, nnfs.Optimizer_Adam(0.01))
        CHANGES.get(what, lambda model: None)(model)
        model.finalize()
        if what == "frozen layers":
            model.trainable_layers = model.trainable_layers[1:]
        if what == "labels that are no classes":
            y = np.where(np.arange(90) == 7, 3, y.astype(int))
        np.random.seed(3)
        try:
            epochs, print_every = (50, 20) if batch_size is None else (3, 15)
            y = y.tolist() if what == "a list" else y
            model.train(X, y, epochs=epochs, batch_size=batch_size, print_every=print_every, engine=engine)
        except Exception as error:
            print(type(error), error)
        return capsys.readouterr().out, state(model)[0]

    (ours, arrays), (theirs, expected) = outcome(True), outcome(False)
    assert ours == theirs
    assert not engine_steps
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])


def test_a_method_that_somebody_puts_into_a_class_is_what_trains(monkeypatch, engine_steps, capsys):
    def leaky(self, inputs, training=False):
        self.inputs, self.output = inputs, np.where(inputs > 0, inputs, 0.1 * inputs)

    monkeypatch.setattr(nnfs.Activation_ReLU, "forward", leaky)
    trained("classes", OPTIMIZERS[0], True)
    assert not engine_steps


def test_the_slope_of_an_l1_penalty_at_0_is_the_books(engine_steps, capsys):
    layer = nnfs.Layer_Dense(2, 3, weight_regularizer_l1=1e-3)
    nnfs_steps.as_ours(layer)
    layer.weights[1, 2] = 0
    with pytest.raises(ValueError, match="slope"):
        nnfs_steps.as_ours(layer)


def test_the_rate_is_that_which_the_layers_would_step_with(engine_steps, capsys):
    """Without decay the book steps with `current_learning_rate`, and `learning_rate` is where it began."""
    for rates in ({"current_learning_rate": 0.002}, {"learning_rate": 5.0}):
        models = []
        for engine in (True, False):
            model, X, y = built("classes", nnfs.Optimizer_SGD(0.3))
            for name, rate in rates.items():
                setattr(model.optimizer, name, rate)
            model.train(X, y, epochs=50, print_every=20, engine=engine)
            models.append(model)
        assert_same_state(*models)
    assert engine_steps


def test_a_rate_changed_while_training_goes_on_is_heard(engine_steps, capsys):
    class Halving(nnfs.Accuracy_Categorical):
        pass

    models = []
    for engine in (True, False):
        model, X, y = built("classes", nnfs.Optimizer_SGD(0.3))
        new_pass = nnfs.Loss.new_pass

        def halve(self, optimizer=model.optimizer, new_pass=new_pass):
            optimizer.current_learning_rate /= 2
            new_pass(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nnfs.Loss, "new_pass", halve)
            model.train(X, y, epochs=4, batch_size=4, print_every=15, engine=engine)
        models.append(model)
    assert engine_steps
    assert_same_state(*models)


def test_training_that_diverges_goes_on_as_in_the_book(capsys):
    def lines(engine):
        model, X, y = built("squared", nnfs.Optimizer_SGD(learning_rate=50.0))
        with np.errstate(all="ignore"):
            model.train(X, y, epochs=60, print_every=20, engine=engine)
        return capsys.readouterr().out.splitlines()

    assert [line.split("lr:")[0] for line in lines(True)] == [line.split("lr:")[0] for line in lines(False)]
    assert "loss: nan" in lines(True)[-1]


def test_an_interrupt_leaves_the_layers_with_what_was_trained(monkeypatch, capsys):
    model, X, y = built("classes", nnfs.Optimizer_Adam(0.01))
    advance = CompiledSteps.advance_a_while

    def interrupted(self, goal):
        advance(self, min(goal, self.made + 5))
        if self.made > 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(CompiledSteps, "advance_a_while", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.train(X, y, epochs=100, print_every=20, engine=True)
    steps = model.optimizer.iterations
    assert 30 < steps < 40
    monkeypatch.undo()
    monkeypatch.setattr(nnfs_steps, "EXACT_LINES", 1)
    same, X, y = built("classes", nnfs.Optimizer_Adam(0.01))
    same.train(X, y, epochs=steps, print_every=1000, engine=False)
    assert_same_state(model, same)


PATCHED = """
import sys
import numpy as np

if sys.argv[1] == "patched":  # as the PyPI package's nnfs.init() does, before backpass is imported
    zeros, eye, dot = np.zeros, np.eye, np.dot
    np.zeros = lambda *args, **names: zeros(*args, **({} if len(args) > 1 else {"dtype": "float32"}) | names)
    np.eye = lambda *args, **names: eye(*args, **({} if len(args) > 1 else {"dtype": "float32"}) | names)
    np.dot = lambda *args, **names: dot(*[a.astype("float64") for a in args], **names).astype("float32")

import backpass as bp
from backpass import nnfs

X, y = bp.datasets.spiral(50, 3, random_state=0)
for epochs in (1, 2, 3, 7, 64):  # short arrays of losses lie close to what malloc keeps
    layers = [bp.Dense(2, 8), bp.ReLU(), bp.Dense(8, 3), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(label_smoothing=0.1), random_state=0)
    history = network.fit(X, y, optimizer="adam", epochs=epochs, batch_size=32, validation_data=(X, y))
    print(history.loss, history.validation[-1], network.evaluate(X, y), network.gradient(X, y)[0])
nnfs.init()
X, y = nnfs.spiral_data(50, 3)
model = nnfs.Model()
for layer in (nnfs.Layer_Dense(2, 8), nnfs.Activation_ReLU(), nnfs.Layer_Dense(8, 3), nnfs.Activation_Softmax()):
    model.add(layer)
loss, accuracy = nnfs.Loss_CategoricalCrossentropy(), nnfs.Accuracy_Categorical()
model.set(loss=loss, optimizer=nnfs.Optimizer_Adam(), accuracy=accuracy)
model.finalize()
model.train(X, y, epochs=100, batch_size=8, print_every=100)
"""


def test_a_numpy_whose_zeros_are_float32_changes_nothing():
    """The PyPI package `nnfs` makes it so, and a float32 array under a loop that writes float64 spoils the memory."""

    def printed(numpy):
        finished = subprocess.run([sys.executable, "-c", PATCHED, numpy], capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    assert printed("patched") == printed("plain")
