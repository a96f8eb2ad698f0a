"""Parts of somebody's own, in plain NumPy: their networks train like the compiled twin, by the textbook walk."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from tests.gradients import assert_close


class Returns:
    """A dense layer that returns what it computes."""

    def __init__(self, D, M, seed=0):
        rng = np.random.default_rng(seed)
        self.weights, self.biases = rng.normal(size=(D, M)) / np.sqrt(D), 0.1 * rng.normal(size=(1, M))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0, keepdims=True)
        return dvalues @ self.weights.T


class Sets(Returns):
    """The same, in the notebook's way: it sets attributes."""

    def forward(self, inputs):
        self.output = super().forward(inputs)

    def backward(self, dvalues):
        self.dinputs = super().backward(dvalues)


class Fills(Returns):
    """The same, filling arrays that it keeps, which a shallow copy would share."""

    def forward(self, inputs):
        if not hasattr(self, "kept") or self.kept[0].shape != inputs.shape:
            self.kept = inputs.copy(), np.empty((len(inputs), self.weights.shape[1]))
        self.kept[0][...] = inputs
        self.inputs = self.kept[0]
        np.matmul(inputs, self.weights, out=self.kept[1])
        self.kept[1][...] += self.biases
        return self.kept[1]


class OwnReLU:
    def forward(self, inputs):
        self.inputs = inputs
        return np.maximum(0, inputs)

    def backward(self, dvalues):
        return dvalues * (self.inputs > 0)


class WithoutKernels(bp.Layer):
    """A Layer whose formula is all there is."""

    def forward(self, inputs):
        return np.maximum(0, inputs)

    def backward(self, dvalues):
        return dvalues * (self.output > 0)


class OverKernels(bp.ReLU):
    """A Layer that has kernels, which are not what it does any more."""

    def forward(self, inputs):
        return np.where(inputs > 0, inputs, 0.1 * inputs)

    def backward(self, dvalues):
        return np.where(self.inputs > 0, dvalues, 0.1 * dvalues)


class Halved(bp.Dense):
    """Only its `backward` is another one."""

    def backward(self, dvalues):
        return super().backward(0.5 * np.asarray(dvalues))


class LayerWithArrays(bp.Layer):
    """A Layer that keeps weights as the notebook does, and says nothing of them."""

    def __init__(self, D, M):
        self.weights, self.biases = Returns(D, M).weights, Returns(D, M).biases

    forward, backward = Returns.forward, Returns.backward

    def output_width(self, input_width):
        return self.weights.shape[1]


class SquaredError:
    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2, axis=1)

    def backward(self, dvalues, y_true):
        return 2 * (dvalues - y_true) / dvalues.size


class SetsGradient(SquaredError):
    def backward(self, dvalues, y_true):
        self.dinputs = super().backward(dvalues, y_true)


class SquaredErrorWithoutKernels(bp.Loss):
    forward, backward = SquaredError.forward, SquaredError.backward


class Surprise:
    classifies = True

    def forward(self, y_pred, labels):
        return -np.log(y_pred[np.arange(len(y_pred)), labels])

    def backward(self, dvalues, labels):
        return -np.eye(dvalues.shape[1])[labels] / dvalues / len(dvalues)


class HalfSquare(bp.MeanSquaredError):
    """A Loss whose kernels are not what it does any more."""

    def forward(self, y_pred, y_true):
        return super().forward(y_pred, y_true) / 2

    def backward(self, dvalues, y_true):
        return super().backward(dvalues, y_true) / 2


def dense(D, M, seed=0):
    layer, own = bp.Dense(D, M, dtype="float64"), Returns(D, M, seed)
    layer.weights, layer.biases = own.weights, own.biases
    return layer


def data(rows=70, classes=None):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 4))
    return X, (rng.normal(size=(rows, 2)) if classes is None else rng.integers(0, classes, rows))


# name: layers of somebody's own, and the compiled twin's
TWINS = {
    "returns": lambda: ([Returns(4, 6), bp.Tanh(), dense(6, 2)], [dense(4, 6), bp.Tanh(), dense(6, 2)]),
    "sets": lambda: ([dense(4, 6), bp.Tanh(), Sets(6, 2)], [dense(4, 6), bp.Tanh(), dense(6, 2)]),
    "fills": lambda: ([Fills(4, 6), bp.Tanh(), Fills(6, 2)], [dense(4, 6), bp.Tanh(), dense(6, 2)]),
    "without weights": lambda: ([dense(4, 6), OwnReLU(), dense(6, 2)], [dense(4, 6), bp.ReLU(), dense(6, 2)]),
    "a Layer": lambda: ([dense(4, 6), WithoutKernels(), dense(6, 2)], [dense(4, 6), bp.ReLU(), dense(6, 2)]),
    "a Layer with arrays": lambda: (
        [LayerWithArrays(4, 6), bp.Tanh(), dense(6, 2)],
        [dense(4, 6), bp.Tanh(), dense(6, 2)],
    ),
    "Dropout and BatchNorm beside it": lambda: tuple(
        [
            first,
            bp.BatchNorm(6, dtype="float64"),
            bp.Tanh(),
            bp.Dropout(0.4),
            dense(6, 5),
            bp.LayerNorm(5, dtype="float64"),
            dense(5, 2),
        ]
        for first in (Sets(4, 6), dense(4, 6))
    ),
    "penalties beside it": lambda: tuple(
        [first, bp.ReLU(), bp.Dense(6, 2, dtype="float64", random_state=0, weights_l1=0.01, weights_l2=0.02)]
        for first in (Sets(4, 6), dense(4, 6))
    ),
    "last": lambda: ([dense(4, 6), bp.Tanh(), Sets(6, 2), OwnReLU()], [dense(4, 6), bp.Tanh(), dense(6, 2), bp.ReLU()]),
}
each_pair = pytest.mark.parametrize("name", TWINS)


def twins(name, own_loss=None, loss=None):
    own, compiled = TWINS[name]()
    loss = loss or bp.MeanSquaredError()
    networks = bp.Network(own, own_loss or loss, random_state=5), bp.Network(compiled, loss, random_state=5)
    assert not networks[0].compiled
    assert networks[1].compiled
    assert np.array_equal(networks[0].parameters, networks[1].parameters)
    return networks


class Recorder:
    def __init__(self):
        self.epochs, self.done = [], []

    def on_epoch_end(self, epoch, figures):
        self.epochs.append((epoch, figures))

    def on_progress(self, done, epoch, epochs, loss):
        self.done.append(done)


def assert_train_alike(own, compiled, X, y, **options):
    histories, recorders = [], [Recorder(), Recorder()]
    for network, recorder in zip((own, compiled), recorders, strict=True):
        optimizer = bp.Adam(0.02, epsilon=1e-6, clip_norm=5.0, weight_average=0.5)
        histories.append(network.fit(X, y, optimizer=optimizer, callbacks=[recorder], **options))
    # terms: biases in front of a BatchNorm have a gradient of 0, and Adam makes steps of its rounding over epsilon
    assert_close(own.parameters, compiled.parameters, 1e-9, np.abs(compiled.parameters).max())
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-9)
    assert [epoch for epoch, _ in recorders[0].epochs] == [epoch for epoch, _ in recorders[1].epochs]
    for (_, first), (_, second) in zip(recorders[0].epochs, recorders[1].epochs, strict=True):
        assert first == pytest.approx(second, rel=1e-8)
    assert recorders[0].done[-1] == recorders[1].done[-1] == 1
    assert own.trained == compiled.trained
    return histories


@each_pair
@pytest.mark.parametrize("shuffle", [False, True])
def test_trains_like_the_compiled_twin(name, shuffle):
    X, y = data()
    own, compiled = twins(name)
    options = {"epochs": 4, "batch_size": 16, "shuffle": shuffle, "validation_data": data(20)}
    histories = assert_train_alike(own, compiled, X, y, **options)
    assert histories[0].loss[-1] < histories[0].loss[0]
    assert_train_alike(own, compiled, X, y, **options)  # and goes on alike


@each_pair
def test_trains_like_the_compiled_twin_with_sample_weights_some_of_them_0(name):
    X, y = data()
    weights = np.random.default_rng(0).random(70)
    weights[16:32] = 0  # a whole batch that does not count: its penalties and running statistics still do
    assert_train_alike(*twins(name), X, y, epochs=3, batch_size=16, shuffle=False, sample_weight=weights)


@each_pair
def test_gradient_and_figures_are_the_twins(name):
    X, y = data()
    own, compiled = twins(name)
    for step in (1, 9):
        (own_loss, own_gradient), (loss, gradient) = (net.gradient(X, y, step=step) for net in (own, compiled))
        assert own_loss == pytest.approx(loss, rel=1e-12)
        assert_close(own_gradient, gradient, 1e-11, np.abs(gradient).max())
    assert own.evaluate(X, y) == pytest.approx(compiled.evaluate(X, y), rel=1e-11)
    assert_close(own.predict(X), compiled.predict(X), 1e-11, 1.0)


@each_pair
def test_questions_between_forward_and_backward_spoil_nothing(name):
    X, y = data()
    network, _ = twins(name)
    network.forward(X, step=3)
    expected, gradients = network.backward(y).copy(), network.gradients.copy()
    state = [getattr(layer, each).copy() for layer in network.layers for each in layer.state_names]
    network.forward(X, step=3)
    after = [getattr(layer, each).copy() for layer in network.layers for each in layer.state_names]
    for ask in (
        lambda: network.predict(X[::-1] + 1),
        lambda: network.predict(X[:3]),
        lambda: network.evaluate(X[::-1], y),
        lambda: network.gradient(X[::-1] * 2, y),
    ):
        ask()
    assert np.array_equal(network.backward(y), expected)
    assert np.array_equal(network.gradients, gradients)
    now = [getattr(layer, each) for layer in network.layers for each in layer.state_names]
    assert all(np.array_equal(*pair) for pair in zip(now, after, strict=True))
    assert len(state) == (2 if "BatchNorm" in name else 0)


@each_pair
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_have_their_own_memory_and_train_alike(name, clone):
    X, y = data()
    network, _ = twins(name)
    network.fit(X, y, epochs=2, batch_size=16)
    other = clone(network)
    before = network.parameters.copy()
    assert np.array_equal(other.predict(X), network.predict(X))
    other.fit(X, y, epochs=2, batch_size=16)
    assert np.array_equal(network.parameters, before)
    network.fit(X, y, epochs=2, batch_size=16)
    assert np.array_equal(network.parameters, other.parameters)


@pytest.mark.parametrize("name", ["returns", "Dropout and BatchNorm beside it"])
def test_two_fits_are_one_long_fit(name):
    X, y = data()
    long, short = twins(name)[0], twins(name)[0]
    long.fit(X, y, optimizer=bp.Adam(0.01), epochs=6, batch_size=16)
    optimizer = bp.Adam(0.01)
    for _ in range(2):
        short.fit(X, y, optimizer=optimizer, epochs=3, batch_size=16)
    assert np.array_equal(long.parameters, short.parameters)


def test_the_objects_arrays_are_the_networks_and_what_is_put_in_their_place_is_trained():
    X, y = data()
    part = Sets(4, 2)
    network = bp.Network([part], bp.MeanSquaredError())
    assert np.shares_memory(part.weights, network.parameters)
    part.weights = np.ones((4, 2))  # a file's, say
    assert_close(network.predict(X), X @ np.ones((4, 2)) + part.biases, 1e-12, 1.0)
    network.fit(X, y, optimizer=bp.SGD(0.1), epochs=1)
    expected = 1 - 0.1 * (X.T @ (2 * (X @ np.ones((4, 2)) + Sets(4, 2).biases - y) / y.size))
    assert_close(part.weights, expected, 1e-12)
    assert np.array_equal(network.parameters[:8], part.weights.ravel())
    part.weights = np.ones((2, 4))
    with pytest.raises(ValueError, match=r"^weights of Sets\(\) has shape \(2, 4\); \(4, 2\) is expected$"):
        network.predict(X)


def test_in_float32_the_objects_arrays_are_float32():
    X, y = data()
    own = bp.Network([Sets(4, 6), bp.Tanh(), bp.Dense(6, 2)], bp.MeanSquaredError(), random_state=0)
    compiled = bp.Network([bp.Dense(4, 6), bp.Tanh(), bp.Dense(6, 2)], bp.MeanSquaredError(), random_state=0)
    compiled.parameters = own.parameters
    for network in (own, compiled):
        network.fit(X, y, epochs=3, batch_size=16, shuffle=False)
    assert own.layers[0].part.weights.dtype == own.parameters.dtype == np.float32
    assert_close(own.parameters, compiled.parameters, 1e-4, np.abs(compiled.parameters) + 1)


@pytest.mark.parametrize(("part", "change"), [(OverKernels, 0.1), (Halved, 0.5)])
def test_what_a_subclass_does_in_python_is_not_passed_over_for_the_kernels_of_its_base(part, change):
    X, y = data()
    layers = [dense(4, 6), OverKernels(), dense(6, 2)] if part is OverKernels else [Halved(4, 6, dtype="float64")]
    layers = layers if part is OverKernels else [layers[0], bp.ReLU(), dense(6, 2)]
    network = bp.Network(layers, bp.MeanSquaredError(), random_state=0)
    assert not network.compiled
    first = network.layers[0]
    weights, biases = first.weights.copy(), first.biases.copy()
    hidden = X @ weights + biases
    low = change if part is OverKernels else 0
    output = np.where(hidden > 0, hidden, low * hidden) @ network.layers[2].weights + network.layers[2].biases
    assert_close(network.predict(X), output, 1e-12, 1.0)
    dhidden = (2 * (output - y) / y.size) @ network.layers[2].weights.T * np.where(hidden > 0, 1, low)
    network.fit(X, y, optimizer=bp.SGD(0.1), epochs=1)
    half = 1 if part is OverKernels else 0.5
    assert_close(first.weights, weights - 0.1 * half * (X.T @ dhidden), 1e-11)


# ------------------------------------------------------------------------------------------------------------ losses


@pytest.mark.parametrize(
    "loss", [SquaredError, SetsGradient, SquaredErrorWithoutKernels], ids=lambda loss: loss.__name__
)
@pytest.mark.parametrize("name", ["returns", "Dropout and BatchNorm beside it"])
def test_a_loss_trains_like_the_compiled_one(name, loss):
    X, y = data()
    own, compiled = twins(name, own_loss=loss())
    assert_train_alike(own, compiled, X, y, epochs=4, batch_size=16, validation_data=data(20))


def test_a_loss_of_a_classification_trains_like_the_compiled_one():
    X, y = data(classes=3)
    networks = [
        bp.Network([dense(4, 6), bp.Tanh(), dense(6, 3), bp.Softmax()], loss, random_state=5)
        for loss in (Surprise(), bp.CategoricalCrossentropy())
    ]
    assert_train_alike(*networks, X, y, epochs=4, batch_size=16, validation_data=data(20, classes=3))
    assert np.array_equal(networks[0].predict(X), networks[1].predict(X))
    assert_close(networks[0].predict_proba(X), networks[1].predict_proba(X), 1e-8)


def test_a_loss_says_whether_its_outputs_are_probabilities_and_where_a_yes_begins():
    class Hinge:
        classifies, takes_labels, probabilistic, threshold = True, False, False, 0.0

        def forward(self, y_pred, y_true):
            return np.maximum(0, 1 - (2 * y_true - 1) * y_pred)[:, 0]

        def backward(self, dvalues, y_true):
            sign = 2 * y_true - 1
            return np.where(sign * dvalues < 1, -sign, 0) / len(dvalues)

    X = np.random.default_rng(0).normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int)
    network = bp.Network([dense(4, 1)], Hinge())
    network.fit(X, y, optimizer=bp.SGD(0.1), epochs=100)
    output = network.forward(X)
    assert np.array_equal(network.predict(X), (output[:, 0] > 0).astype(int))
    assert network.evaluate(X, y)["accuracy"] > 0.95
    with pytest.raises(ValueError, match="gives no probabilities"):
        network.predict_proba(X)


def test_a_loss_that_overrides_a_compiled_one_is_what_trains():
    X, y = data()
    whole, half = (bp.Network([dense(4, 2)], loss()) for loss in (bp.MeanSquaredError, HalfSquare))
    assert half.evaluate(X, y)["loss"] == pytest.approx(whole.evaluate(X, y)["loss"] / 2, rel=1e-12)
    start = whole.parameters.copy()
    for network in (whole, half):
        network.fit(X, y, optimizer=bp.SGD(0.1), epochs=1)
    assert_close(half.parameters - start, (whole.parameters - start) / 2, 1e-11)


# ------------------------------------------------------------------------------------------------------ what is wrong


def wrong(method, value):
    part = Returns(4, 2)
    setattr(part, method, lambda *arguments: value)
    return part


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (lambda: wrong("forward", np.ones(3)), r"Returns\(\) does not take 4 inputs: the output of Returns"),
        (
            lambda: wrong("forward", np.ones((5, 2))),
            r"Returns\(\) does not take 4 inputs: inputs has 2 rows and the out",
        ),
        (lambda: wrong("forward", None), r"Returns\(\) does not take 4 inputs: Returns\(\).forward has to set .output"),
        (lambda: Returns(3, 2), "does not take|takes 3|3 are expected"),
    ],
)
def test_a_layer_whose_output_does_not_fit_is_refused_in_one_line(part, said):
    with pytest.raises(ValueError, match=said) as caught:
        bp.Network([dense(4, 4), part()], bp.MeanSquaredError())
    assert "\n" not in str(caught.value)


def test_a_gradient_of_another_shape_is_refused_in_one_line():
    X, y = data()
    part = Returns(4, 2)
    network = bp.Network([dense(4, 4), part], bp.MeanSquaredError())
    part.backward = lambda dvalues: (setattr(part, "dweights", np.ones((2, 4))), dvalues)[1]
    with pytest.raises(ValueError, match=r"^dweights of Returns\(\) has shape \(2, 4\); weights has \(4, 2\)$"):
        network.fit(X, y, epochs=1)
    part.backward = lambda dvalues: (Returns.backward(part, dvalues), dvalues)[1]
    with pytest.raises(ValueError, match=r"^dvalues has shape \(70, 2\); the output has shape \(70, 4\)$"):
        network.fit(X, y, epochs=1)


def test_a_loss_of_another_shape_is_refused_in_one_line():
    X, y = data()
    loss = SquaredError()
    loss.forward = lambda y_pred, y_true: float(np.mean((y_pred - y_true) ** 2))
    with pytest.raises(ValueError, match=r"^SquaredError\(\).forward gives shape \(\); one loss a sample, \(70,\), is"):
        bp.Network([dense(4, 2)], loss).fit(X, y, epochs=1)


def test_a_loss_of_ones_own_is_weighted_like_its_compiled_twin():
    X, y = data()
    weights = np.random.default_rng(0).random(70)
    weights[16:32] = weights[3] = 0
    own, compiled = (
        bp.Network([dense(4, 2)], loss, random_state=0) for loss in (SquaredError(), bp.MeanSquaredError())
    )
    compiled.parameters = own.parameters
    assert_train_alike(own, compiled, X, y, epochs=3, batch_size=16, shuffle=False, sample_weight=weights)
    (own_loss, own_gradient), (loss, gradient) = (each.gradient(X, y, weights) for each in (own, compiled))
    assert own_loss == pytest.approx(loss, rel=1e-12)
    assert_close(own_gradient, gradient, 1e-11, np.abs(gradient).max())


@pytest.mark.parametrize("part", [Sets(4, 2), OwnReLU()], ids=["weights", "none"])
def test_a_model_file_refuses_an_object_that_it_cannot_name_in_one_line(part, tmp_path):
    network = bp.Network([dense(4, 4), part], bp.MeanSquaredError())
    with pytest.raises(TypeError, match=r"^(Sets|OwnReLU)\(\) is an object of your own[^\n]*$"):
        network.save(tmp_path / "model")
    with pytest.raises(TypeError, match=r"^SquaredError\(\) is an object of your own[^\n]*$"):
        bp.Network([dense(4, 4)], SquaredError()).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("layers", [[5], ["relu"], [bp.ReLU], [object()]], ids=["number", "name", "class", "object"])
def test_what_is_no_layer_at_all_is_refused_in_one_line(layers):
    with pytest.raises(TypeError, match=r"^layers holds [^\n]*$"):
        bp.Network([dense(4, 4), *layers], bp.MeanSquaredError())


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_run_that_breaks_says_so_in_the_same_words():
    X, y = data()
    for network in twins("returns"):
        with pytest.raises(FloatingPointError, match=r"^the loss became (inf|nan) at step \d+ \(epoch \d+\); try a"):
            network.fit(X, y, optimizer=bp.SGD(1e5), epochs=200)


class Scale:
    """Each column times a number of its own, in a row; `shift` is listed only if it is asked for."""

    def __init__(self, columns, names=("weights",), **attributes):
        self.n_inputs = columns
        self.weights = np.full((1, columns), 0.5)
        self.parameter_names = names
        self.__dict__.update(attributes)

    def forward(self, inputs):
        self.inputs = inputs
        return inputs * self.weights

    def backward(self, dvalues):
        self.dweights = np.sum(dvalues * self.inputs, axis=0, keepdims=True)
        return dvalues * self.weights


def test_one_object_in_two_places_or_in_two_networks_is_refused():
    part = Scale(4)
    with pytest.raises(ValueError, match=r"^layers holds Scale\(\) twice; make two of them$"):
        bp.Network([dense(4, 4), part, bp.Tanh(), part], bp.MeanSquaredError())
    X, y = data()
    first = bp.Network([dense(4, 2), Scale(2)], bp.MeanSquaredError(), random_state=0)
    part = first.layers[1].part
    second = bp.Network([dense(4, 2), part], bp.MeanSquaredError(), random_state=0)
    with pytest.raises(ValueError, match=r"^Scale\(\) was put into another network"):
        first.predict(X)
    second.fit(X, y, epochs=1)


@pytest.mark.parametrize(
    ("part", "error", "said"),
    [
        (lambda: Scale(4, "alpha"), TypeError, r"^parameter_names of Scale is 'alpha'; pass a list of names$"),
        (lambda: Scale(4, ["alhpa"]), ValueError, r"^parameter_names of Scale lists alhpa, which it has not$"),
        (
            lambda: Scale(4, ["alpha"], alpha=0.25),
            TypeError,
            r"^alpha of Scale is 0\.25; training changes NumPy arrays",
        ),
        (lambda: Scale(4, [], weights=[[1.0] * 4]), TypeError, r"^weights of Scale is \[\[1\.0"),
    ],
)
def test_parameters_that_would_not_train_are_refused(part, error, said):
    with pytest.raises(error, match=said):
        bp.Network([dense(4, 4), part()], bp.MeanSquaredError())


def test_parameters_made_in_the_first_forward_are_refused():
    class Late(Scale):
        def forward(self, inputs):
            self.weights = np.ones((1, 4)) if self.weights is None else self.weights
            return super().forward(inputs)

    X, y = data()
    network = bp.Network([dense(4, 4), Late(4, (), weights=None), dense(4, 2)], bp.MeanSquaredError())
    with pytest.raises(ValueError, match=r"^weights of Late\(\) was not there when the network was made; make it in"):
        network.fit(X, y, epochs=1)


@pytest.mark.parametrize(
    ("name", "said"), [("dweights", r"has to set \.dweights$"), ("dinputs", r"has to set \.dinputs or return it$")]
)
def test_what_a_backward_leaves_out_is_named(name, said):
    class Forgets(Scale):
        def backward(self, dvalues):
            dinputs = super().backward(dvalues)
            if name == "dweights":
                del self.dweights
            return None if name == "dinputs" else dinputs

    X, y = data()
    with pytest.raises(ValueError, match=rf"^Forgets\(\)\.backward {said}"):
        bp.Network([dense(4, 4), Forgets(4), dense(4, 2)], bp.MeanSquaredError()).fit(X, y, epochs=1)


def test_an_object_that_works_in_place_leaves_the_callers_samples_alone():
    class Doubles:
        n_inputs = 4

        def forward(self, inputs):
            inputs *= 2
            return inputs

        def backward(self, dvalues):
            return 2 * dvalues

    X, y = data()
    kept = X.copy()
    network = bp.Network([Doubles(), dense(4, 2)], bp.MeanSquaredError())
    for ask in (network.predict, network.forward, lambda X: network.evaluate(X, y), lambda X: network.gradient(X, y)):
        ask(X)
        assert np.array_equal(X, kept)


def test_weights_that_backward_replaces_still_train():
    class Clips(Scale):
        def backward(self, dvalues):
            dinputs = super().backward(dvalues)
            self.weights = np.clip(self.weights, 0.1, 10)
            return dinputs

    X, y = data()
    network = bp.Network([dense(4, 4), Clips(4), dense(4, 2)], bp.MeanSquaredError(), random_state=0)
    network.fit(X, y, optimizer=bp.SGD(0.05), epochs=5)
    assert not np.array_equal(network.layers[1].part.weights, np.full((1, 4), 0.5))


def test_a_first_object_with_a_row_of_weights_says_what_to_add():
    part = Scale(2)
    del part.n_inputs
    with pytest.raises(ValueError, match=r"^Scale\(\) does not take 4 inputs: operands could not be broadcast"):
        bp.Network([part, dense(4, 2)], bp.MeanSquaredError())
    part.n_inputs = 4
    with pytest.raises(ValueError, match=r"Scale\(\) does not take 4 inputs"):
        bp.Network([part, dense(4, 2)], bp.MeanSquaredError())
