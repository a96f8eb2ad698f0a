"""Parts of one's own that write into the arrays they are given, or give arrays that they go on using, train rightly."""

import numpy as np
import pytest

import backpass as bp
from backpass.audit import check, curvature, health, unfold
from tests.gradients import assert_close, central_differences
from tests.parts import ALL_LAYERS, made, ours

N, D, M, C = 4, 3, 2, 3


class Forward:
    """Twice the inputs, written over them."""

    def forward(self, inputs):
        inputs *= 2
        return inputs

    def backward(self, dvalues):
        return 2 * dvalues


class Backward(Forward):
    """The gradient is written over what comes in."""

    def forward(self, inputs):
        return 2 * inputs

    def backward(self, dvalues):
        dvalues *= 2
        return dvalues


class Both(Forward):
    backward = Backward.backward


class Sets(Both):
    """The notebook's way: it sets attributes, and they are what it was given."""

    def forward(self, inputs):
        self.output = super().forward(inputs)

    def backward(self, dvalues):
        self.dinputs = super().backward(dvalues)


class Squares(Both):
    """Half of the squares; what was kept of the inputs is turned into the gradient."""

    def forward(self, inputs):
        self.inputs = inputs
        return inputs**2 / 2

    def backward(self, dvalues):
        self.inputs *= dvalues
        return self.inputs


class OverWhatItKeeps(Both):
    """tanh, written over the inputs, which it keeps as its output."""

    def forward(self, inputs):
        self.output = np.tanh(inputs, out=inputs)
        return self.output

    def backward(self, dvalues):
        np.square(self.output, out=self.output)
        dvalues -= self.output * dvalues
        return dvalues


class Same(Both):
    """Gives what it was given."""

    def forward(self, inputs):
        return inputs

    def backward(self, dvalues):
        return dvalues


class Buffer(Both):
    """All that it gives lies in one array of its own."""

    def forward(self, inputs):
        self.buffer = np.empty_like(inputs)
        return np.multiply(inputs, 2, out=self.buffer)

    def backward(self, dvalues):
        return np.multiply(dvalues, 2, out=self.buffer)


class SharedBuffer(Both):
    """All that any of them gives lies in one array, which copies of it have in common, too."""

    buffer = np.empty((100, 100))

    def forward(self, inputs):
        return np.multiply(inputs, 2, out=self.buffer[: len(inputs), : inputs.shape[1]])

    backward = forward


class Forgets(Both):
    """Wipes out what it was given the last time."""

    last = None

    def forward(self, inputs):
        if self.last is not None:
            self.last[...] = np.nan
        self.last = inputs
        return 2 * inputs

    def backward(self, dvalues):
        self.last[...] = np.nan
        self.last = dvalues
        return 2 * dvalues


class Learns(Both):
    """Has weights; its gradients and what it gives are one array."""

    def __init__(self):
        self.weights = np.full((1, M), 1.5)
        self.parameter_names = ["weights"]

    def forward(self, inputs):
        self.inputs = inputs.copy()
        inputs *= self.weights
        return inputs

    def backward(self, dvalues):
        self.inputs *= dvalues
        self.dweights = self.inputs.sum(axis=0, keepdims=True)
        dvalues *= self.weights
        return dvalues


PARTS = [Forward, Backward, Both, Sets, Squares, OverWhatItKeeps, Same, Buffer, SharedBuffer, Forgets, Learns]
# The same methods in a Layer without kernels, and in one whose kernels they take the place of.
SUBCLASSES = [
    type(f"{part.__name__}In{base.__name__}", (base,), {"forward": part.forward, "backward": part.backward, **extra})
    for part, extra in ((Both, {}), (Squares, {}), (OverWhatItKeeps, {}), (Same, {}), (Forgets, {"last": None}))
    for base in (bp.Layer, bp.Linear)
]
NEIGHBOURS = [*ALL_LAYERS, *ours([bp.BatchNorm, bp.Dropout, bp.LayerNorm]), *PARTS]


def neighbour(kind):
    if kind in PARTS:
        return kind()
    if kind in (bp.BatchNorm, bp.LayerNorm):
        return kind(M, dtype="float64")
    return bp.Dropout(0.3, random_state=0) if kind is bp.Dropout else made(kind, M, M, "float64")


def data():
    rng = np.random.default_rng(3)
    return rng.normal(size=(N, D)), rng.normal(size=(N, C))


def network_of(*layers, loss=None):
    first, last = (bp.Dense(*sizes, dtype="float64", random_state=k) for k, sizes in enumerate(((D, M), (M, C))))
    return bp.Network([first, *layers, last], loss or bp.MeanSquaredError(), random_state=0)


def assert_gradients_are_right(network, X, y):
    """Held against central differences of the loss, by all parameters and by the inputs."""
    loss, gradient = network.gradient(X, y)
    least = 1e-4 * loss  # a gradient that has vanished beside the loss cannot be told from its rounding
    network.forward(X, step=1)
    dinputs = network.backward(y)
    assert_close(network.gradients, gradient, 1e-13, np.abs(gradient).max())

    def loss_at(parameters):
        network.parameters = parameters
        return network.gradient(X, y)[0]

    here = network.parameters.copy()
    assert_close(gradient, central_differences(loss_at, here)[0], 1e-6, max(least, np.abs(gradient).max()))
    network.parameters = here
    slopes = central_differences(lambda inputs: network.gradient(inputs, y)[0], X)[0]
    assert_close(dinputs, slopes, 1e-6, max(least, np.abs(dinputs).max()))


@pytest.mark.parametrize("part", [*PARTS, *SUBCLASSES], ids=lambda part: part.__name__)
def test_gradients_are_right_beside_every_kind_of_layer(part):
    for kind in NEIGHBOURS:
        assert_gradients_are_right(network_of(neighbour(kind), part(), part()), *data())
        assert_gradients_are_right(network_of(part(), neighbour(kind)), *data())


@pytest.mark.parametrize("part", [*PARTS, *SUBCLASSES], ids=lambda part: part.__name__)
def test_gradients_are_right_where_it_is_the_first_layer_or_the_last(part):
    X, y = data()
    first = part()
    first.n_inputs = D
    if part is not Learns:
        layers = [first, bp.Dense(D, C, dtype="float64", random_state=0), part()]
        layers = layers if not isinstance(first, bp.Layer) else [bp.Dense(D, C, dtype="float64"), bp.Tanh(), part()]
        assert_gradients_are_right(bp.Network(layers, bp.MeanSquaredError(), random_state=0), X, y)


# ------------------------------------------------------------------------------------------------------------ losses


class SquaredError:
    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2, axis=1)

    def backward(self, dvalues, y_true):
        return 2 * (dvalues - y_true) / dvalues.size


class OverPredictions(SquaredError):
    def forward(self, y_pred, y_true):
        y_pred -= y_true
        y_pred *= y_pred
        return np.mean(y_pred, axis=1)

    def backward(self, dvalues, y_true):
        dvalues -= y_true
        dvalues *= 2 / dvalues.size
        return dvalues


class OverTargets(SquaredError):
    def forward(self, y_pred, y_true):
        y_true -= y_pred
        y_true **= 2
        return np.mean(y_true, axis=1)

    def backward(self, dvalues, y_true):
        np.subtract(dvalues, y_true, out=y_true)
        y_true *= 2 / y_true.size
        self.dinputs = y_true


class OverWhatItReturns(SquaredError):
    """Both of its answers lie in arrays that it goes on using."""

    losses, gradient = np.empty(100), np.empty((100, 100))

    def forward(self, y_pred, y_true):
        self.gradient[...] = np.nan
        self.losses[: len(y_pred)] = super().forward(y_pred, y_true)
        return self.losses[: len(y_pred)]

    def backward(self, dvalues, y_true):
        self.losses[...] = np.nan
        gradient = self.gradient[: dvalues.shape[0], : dvalues.shape[1]]
        gradient[...] = super().backward(dvalues, y_true)
        return gradient


class InALoss(bp.Loss):
    forward, backward = OverPredictions.forward, OverTargets.backward


LOSSES = [OverPredictions, OverTargets, OverWhatItReturns, InALoss]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_gradients_of_a_loss_are_right_behind_every_kind_of_layer(loss):
    X, y = data()
    for kind in NEIGHBOURS:
        if kind is not Learns:
            last = neighbour(kind) if kind in PARTS else made(kind, C, C, "float64") if kind in ALL_LAYERS else Both()
            layers = [bp.Dense(D, C, dtype="float64", random_state=0), last]
            assert_gradients_are_right(bp.Network(layers, loss(), random_state=0), X, y)
    for weights in (None, np.arange(N)):
        twins = [network_of(bp.Tanh(), loss=each()) for each in (SquaredError, loss)]
        for network in twins:
            network.fit(X, y, epochs=5, batch_size=3, sample_weight=weights)
        assert_close(twins[1].parameters, twins[0].parameters, 1e-12)


def test_losses_that_were_returned_stay_what_they_were():
    network = network_of(loss=OverWhatItReturns())
    X, y = data()
    network.forward(X)
    losses = network.sample_losses(y)
    network.backward(y)
    assert_close(losses, np.mean((network.predict(X) - y) ** 2, axis=1), 1e-13)


# ------------------------------------------------------------------------------------------------ the caller's arrays


def untouched(*arrays):
    """Make the arrays refuse to be written into; returns a question: are they as they were?"""
    before = [array.tobytes() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    return lambda: before == [array.tobytes() for array in arrays]


@pytest.mark.parametrize("part", [*PARTS, *SUBCLASSES], ids=lambda part: part.__name__)
def test_the_callers_arrays_are_never_changed(part):
    X, y = data()
    y[:] = 1.0
    weights, rows, targets = np.ones(N), X[:2].copy(), y[:2].copy()
    as_before = untouched(X, y, weights, rows, targets)
    for loss in LOSSES:
        network = network_of(part(), loss=loss())
        network.fit(X, y, epochs=2, sample_weight=weights, validation_data=(X, y))
        network.fit(X, y, epochs=1, batch_size=3, shuffle=False)
        network.predict(X)
        network.evaluate(X, y)
        network.gradient(X, y, weights)
        network.gradient(X, y)
        output = network.forward(X)
        losses, shown = network.sample_losses(y), output.copy()
        network.backward(y, weights)
        network.forward(rows)
        assert np.array_equal(output, shown)
        assert losses.shape == (N,)
    assert as_before()


@pytest.mark.parametrize("ask", [check, unfold, curvature, health], ids=lambda ask: ask.__name__)
def test_the_callers_arrays_are_not_changed_by_questions(ask):
    X, y = data()
    as_before = untouched(X, y)
    for part, loss in ((Both, OverTargets), (Squares, OverPredictions)):
        ask(network_of(part(), loss=loss()), X, y, *(["dense1.dweights[0, 1]"] if ask is unfold else []))
    assert as_before()


@pytest.mark.parametrize(
    "part", [Both, Squares, OverWhatItKeeps, Same, Buffer, Forgets], ids=lambda part: part.__name__
)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_estimators_learn_the_same_and_leave_the_callers_arrays(part, loss):
    X, y = data()
    targets, weights = y[:, 0].copy(), np.linspace(1, 2, N)
    as_before = untouched(X, targets, weights)
    options = {"hidden_layer_sizes": (M,), "max_iter": 5, "random_state": 0}
    models = [
        bp.MLPRegressor(activation=part(), loss=each, **options).fit(X, targets, sample_weight=weights)
        for each in (SquaredError(), loss())
    ]
    assert_close(models[1].predict(X), models[0].predict(X), 1e-12)
    models[1].partial_fit(X, targets)
    models[1].score(X, targets)
    early = bp.MLPRegressor(activation=part(), loss=loss(), early_stopping=True, scoring="loss", **options)
    early.fit(X, targets, X_val=X, y_val=targets)
    bp.MLPClassifier(activation=part(), solver="lbfgs", **options).fit(X, targets > 0).predict_proba(X)
    assert as_before()


@pytest.mark.parametrize(
    "part", [Both, Squares, OverWhatItKeeps, Same, Buffer, Forgets], ids=lambda part: part.__name__
)
def test_input_gradients_of_several_outputs_are_right(part):
    X, y = data()
    model = bp.MLPRegressor(hidden_layer_sizes=(M,), activation=part(), max_iter=3, random_state=0).fit(X, y)
    found = model.input_gradients(X)
    for output in range(C):
        slopes = central_differences(lambda inputs, output=output: model.predict(inputs)[:, output].sum(), X)[0]
        assert_close(found[:, output], slopes, 1e-6, np.abs(found).max())
    model = bp.MLPRegressor(
        hidden_layer_sizes=(M,), activation="tanh", loss=of_function, max_iter=3, random_state=0
    ).fit(X, y)
    assert np.isfinite(model.loss_)


def of_function(y_true, y_pred):
    """A function as loss, which writes into both."""
    y_pred -= y_true
    losses = np.mean(y_pred**2, axis=1) / 2
    y_pred /= y_pred.shape[1]
    y_true[...] = np.nan
    return losses, y_pred
