"""The network: the chain rule by two ways and by numbers, predictions, what is kept and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.metrics import r2_score

import backpass as bp
from tests.gradients import assert_close, central_differences
from tests.networks import ARCHITECTURES, problem, textbook

each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


@each_architecture
@pytest.mark.parametrize("samples", [1, 63, 64, 65, 257, 1000])  # around the borders of blocks
def test_engine_computes_the_textbook_walk(name, samples):
    network, X, y = problem(name, samples)
    loss, gradient = textbook(network, X, y)
    gradient = gradient.copy()
    engine_loss, engine_gradient = network.gradient(X, y)
    assert engine_loss == pytest.approx(loss, rel=1e-12)
    assert_close(engine_gradient, gradient, 1e-10)  # biases are sums over samples that cancel
    assert np.array_equal(network.gradients, engine_gradient)


@each_architecture
@pytest.mark.parametrize("samples", [1, 65, 257])
def test_engine_computes_the_same_in_float32(name, samples):
    single, X, y = problem(name, samples, np.float32)
    double, _, _ = problem(name, samples, np.float64)
    double.parameters[:] = single.parameters
    loss, gradient = double.gradient(X, y)
    for way in (single.gradient, lambda X, y: textbook(single, X, y)):
        single_loss, single_gradient = way(X, y)
        assert single_gradient.dtype == np.float32
        assert single_loss == pytest.approx(loss, rel=1e-5)
        assert_close(single_gradient, gradient, 1e-5, terms=np.abs(gradient).max())


@each_architecture
def test_gradient_matches_central_differences_of_the_loss(name):
    network, X, y = problem(name, 7)
    _, gradient = network.gradient(X, y)

    def loss(parameters):
        network.parameters[:] = parameters
        return network.evaluate(X, y)["loss"]

    def side(parameters):
        network.parameters[:] = parameters
        network.forward(X)
        relus = [layer for layer in network.layers if isinstance(layer, bp.ReLU)]
        return np.concatenate([np.zeros(1, bool), *(relu.output.ravel() > 0 for relu in relus)])

    numeric, kinked = central_differences(loss, network.parameters.copy(), side)
    assert kinked.sum() <= 1
    assert_close(np.where(kinked, 0, gradient), np.where(kinked, 0, numeric), 1e-6)


@each_architecture
def test_backward_returns_the_gradient_by_the_inputs(name):
    network, X, y = problem(name, 4)
    network.forward(X)
    dinputs = network.backward(y)
    numeric, kinked = central_differences(lambda at: network.evaluate(at, y)["loss"], X)
    assert not kinked.any()
    assert_close(dinputs, numeric, 1e-6)


@each_architecture
@pytest.mark.parametrize("samples", [1, 130])
def test_prediction_is_the_textbook_forward(name, samples):
    network, X, _ = problem(name, samples)
    output = network.forward(X)
    if isinstance(network.loss, bp.fusions.Fusion):
        output = network.loss.layer().forward(output)
    if network.loss.classifies:
        np.testing.assert_allclose(network.predict_proba(X), output, rtol=1e-12)
        wide = network.loss.labels_forward_kernel is not None
        expected = output.argmax(axis=1) if wide else (output > 0.5).astype(int).reshape(output.shape)
        predicted = network.predict(X)
        assert predicted.dtype == np.int64
        assert np.array_equal(predicted, expected[:, 0] if expected.ndim == 2 and expected.shape[1] == 1 else expected)
    else:
        with pytest.raises(ValueError, match="predict_proba is for classification"):
            network.predict_proba(X)
        np.testing.assert_allclose(network.predict(X).reshape(output.shape), output, rtol=1e-12)
        assert network.predict(X).ndim == (1 if output.shape[1] == 1 else 2)


@each_architecture
def test_evaluate_reports_the_loss_and_the_score_of_the_textbook(name):
    network, X, y = problem(name, 150)
    figures = network.evaluate(X, y)
    assert figures["loss"] == pytest.approx(textbook(network, X, y)[0], rel=1e-12)
    if network.loss.classifies:
        truth = y.argmax(axis=1) if y.ndim == 2 and network.loss.labels_forward_kernel is not None else y
        assert figures["accuracy"] == np.mean(network.predict(X).reshape(truth.shape) == truth)
    else:
        assert figures["r2"] == pytest.approx(r2_score(y, network.predict(X)), rel=1e-9)


def test_prediction_and_evaluation_between_forward_and_backward_change_nothing():
    network, X, y = problem("softmax", 20)
    network.forward(X)
    expected, gradients = network.backward(y).copy(), network.gradients.copy()
    network.forward(X)
    network.predict(X[:3] + 1)
    network.predict_proba(np.tile(X, (20, 1)))
    network.evaluate(X[::-1], y)
    network.gradient(X[::-1] * 2, y)
    assert np.array_equal(network.backward(y), expected)
    assert np.array_equal(network.gradients, gradients)


def test_layers_are_views_of_the_flat_buffers():
    network, X, y = problem("softmax", 20)
    dense = network.layers[0]
    dense.weights = np.ones(dense.weights.shape)
    assert (network.parameters[: dense.weights.size] == 1).all()
    network.parameters[0] = 5
    assert dense.weights[0, 0] == 5
    network.gradient(X, y)
    assert np.array_equal(dense.dweights.ravel(), network.gradients[: dense.weights.size])
    dense.weights = np.zeros(dense.weights.shape)
    dense.biases = np.zeros(dense.biases.shape)
    assert len(np.unique(network.predict_proba(X), axis=0)) == 1  # the engine sees what was assigned


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_have_the_same_bits_their_own_memory_and_train_alike(clone, dtype):
    network, X, y = problem("softmax", 50, dtype)
    network.fit(X, y, optimizer="adam", epochs=2)
    other = clone(network)
    assert np.array_equal(other.parameters, network.parameters)
    assert np.array_equal(other.predict_proba(X), network.predict_proba(X))
    before = network.parameters.copy()
    other.fit(X, y, optimizer="adam", epochs=2, batch_size=20)
    assert np.array_equal(network.parameters, before)
    assert np.array_equal(other.layers[0].weights.ravel(), other.parameters[: other.layers[0].weights.size])
    assert not np.array_equal(other.parameters, before)
    network.fit(X, y, optimizer="adam", epochs=2, batch_size=20)  # and draws the same order
    assert np.array_equal(network.parameters, other.parameters)


def test_views_still_hold_after_fit():
    network, X, y = problem("softmax", 50)
    weights, parameters = network.layers[0].weights, network.parameters
    network.fit(X, y, optimizer="sgd", epochs=3)
    assert network.parameters is parameters
    assert network.layers[0].weights is weights
    assert np.shares_memory(weights, parameters)


# ------------------------------------------------------------------------------------------------ how weights start


def two_dense(**options):
    return [bp.Dense(200, 300, **options), bp.ReLU(), bp.Dense(300, 4, **options), bp.Softmax()]


def spread_of(network, index):
    return network.layers[index].weights.std()


@pytest.mark.parametrize("random_state", [None, 0])
def test_initializer_none_is_he_before_relu_and_glorot_elsewhere(random_state):
    network = bp.Network(two_dense(), bp.CategoricalCrossentropy(), random_state)
    assert spread_of(network, 0) == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    assert spread_of(network, 2) == pytest.approx(np.sqrt(2 / 304), rel=0.1)
    other = bp.Network([bp.Dense(200, 300), bp.Tanh()], bp.MeanSquaredError(), random_state)
    assert spread_of(other, 0) == pytest.approx(np.sqrt(2 / 500), rel=0.02)


def test_a_given_initializer_is_kept_before_relu():
    for random_state in (None, 0):
        network = bp.Network(two_dense(initializer="small_normal"), bp.CategoricalCrossentropy(), random_state)
        assert spread_of(network, 0) == pytest.approx(0.01, rel=0.02)


def test_network_redraws_layers_that_were_given_no_random_state():
    first, second = (bp.Network(two_dense(), bp.CategoricalCrossentropy(), random_state=3) for _ in range(2))
    assert np.array_equal(first.parameters, second.parameters)
    assert not np.array_equal(
        first.parameters, bp.Network(two_dense(), bp.CategoricalCrossentropy(), random_state=4).parameters
    )


def test_layers_with_a_random_state_of_their_own_keep_what_they_drew():
    dense = bp.Dense(4, 3, random_state=7, initializer="glorot_normal")
    drawn = dense.weights.copy()
    bp.Network([dense, bp.Softmax()], bp.CategoricalCrossentropy(), random_state=3)
    assert np.array_equal(dense.weights, drawn)
    scaled = bp.Dense(4, 3, random_state=7)
    bp.Network([scaled, bp.ReLU()], bp.MeanSquaredError(), random_state=3)
    np.testing.assert_allclose(scaled.weights, drawn * np.sqrt(7 / 4), rtol=1e-6)  # from Glorot's spread to He's


@pytest.mark.parametrize("random_state", [None, 3])
def test_assigned_weights_are_kept(random_state):
    dense = bp.Dense(2, 3)
    dense.weights = [[1, 2, 3], [4, 5, 6]]
    bp.Network([dense, bp.ReLU()], bp.MeanSquaredError(), random_state)
    assert dense.weights.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_without_random_state_weights_stay_as_they_were_drawn():
    dense = bp.Dense(4, 3, initializer="he_normal")
    drawn = dense.weights.copy()
    bp.Network([dense, bp.Softmax()], bp.CategoricalCrossentropy())
    assert np.array_equal(dense.weights, drawn)


@pytest.mark.parametrize("make", [lambda: 5, lambda: np.random.RandomState(5), lambda: np.random.default_rng(5)])
def test_every_kind_of_random_state_repeats(make):
    X, y = bp.datasets.spiral(30, 3, random_state=0)
    results = []
    for _ in range(2):
        layers = [bp.Dense(2, 8), bp.ReLU(), bp.Dense(8, 3), bp.Softmax()]
        network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=make())
        network.fit(X, y, optimizer="adam", epochs=3, batch_size=20)
        results.append(network.parameters.copy())
    assert np.array_equal(*results)


# ------------------------------------------------------------- what the engine finds out itself, and Python says


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [1, 70, 3000])
def test_samples_that_are_not_finite_are_named_whatever_is_asked(dtype, wrong, rows):
    layers = [bp.Dense(3, 8, dtype=dtype), bp.ReLU(), bp.Dense(8, 2, dtype=dtype), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    X, y = np.ones((rows, 3), dtype), np.zeros(rows, np.int64)
    asks = network.predict, network.predict_proba, lambda X: network.gradient(X, y), lambda X: network.evaluate(X, y)
    for _ in range(2):  # with a plan that is new, and with one that was kept
        for ask in asks:
            ask(X)
            X[rows - 1, 1] = wrong
            with pytest.raises(ValueError, match=rf"^X holds {wrong} in row {rows - 1}, column 1; replace or drop"):
                ask(X)
            X[rows - 1, 1] = 1
    big = np.full((rows, 3), np.finfo(dtype).max / 4, dtype)
    network.parameters = network.parameters / 100
    assert np.isfinite(network.predict_proba(big)).all()  # finite, though their sum is not


@pytest.mark.parametrize("label", [-1, 2, 10**12])
def test_labels_that_are_no_classes_are_named_and_nothing_is_read(label):
    network = bp.Network([bp.Dense(3, 2), bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    X, y = np.ones((70, 3), np.float32), np.zeros(70, np.int64)
    expected = network.gradient(X, y)[1]
    y[41] = label
    with pytest.raises(ValueError, match=rf"^y holds label {label} in row 41; labels are 0 to 1$"):
        network.gradient(X, y)
    y[41] = 0
    np.testing.assert_array_equal(network.gradient(X, y)[1], expected)


def test_arrays_of_any_layout_give_what_contiguous_ones_give():
    network = bp.Network(
        [bp.Dense(3, 2), bp.Softmax()], bp.CategoricalCrossentropy(label_smoothing=0.1), random_state=0
    )
    X, y = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2
    unaligned = np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    wide = np.zeros((40, 6), np.float32)
    wide[:, ::2] = X
    for given in (np.asfortranarray(X), wide[:, ::2], X[::-1][::-1], unaligned, X.tolist(), X.astype(">f4")):
        np.testing.assert_array_equal(network.predict_proba(given), network.predict_proba(X))
        assert network.gradient(given, y)[0] == network.gradient(X, y)[0]
        assert network.gradient(given, np.repeat(y, 2)[::2])[0] == network.gradient(X, y)[0]
