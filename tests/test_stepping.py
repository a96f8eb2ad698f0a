"""Networks with Dropout, normalisation, tables and penalties: engine and textbook walk, threads, fits that go on."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from backpass.stepping import CompiledSteps, WalkedSteps
from tests.gradients import assert_close, central_differences

FEATURES, CLASSES = 5, 3
T = {"dtype": "float64"}

# name: layers (of 5 inputs), loss, whether a probability is Dropout's
ARCHITECTURES = {
    "Dropout": lambda: (
        [bp.Dense(5, 9, **T), bp.ReLU(), bp.Dropout(0.3), bp.Dense(9, 3, **T), bp.Softmax()],
        bp.CategoricalCrossentropy(),
    ),
    "Dropout of the inputs": lambda: (
        [bp.Dropout(0.2), bp.Dense(5, 8, **T), bp.Tanh(), bp.Dropout(0.5), bp.Dense(8, 3, **T)],
        bp.SoftmaxCrossentropy(),
    ),
    "BatchNorm": lambda: (
        [bp.Dense(5, 8, **T), bp.BatchNorm(8, **T), bp.Tanh(), bp.Dense(8, 3, **T), bp.Softmax()],
        bp.CategoricalCrossentropy(label_smoothing=0.1),
    ),
    "BatchNorm first and last": lambda: (
        [bp.BatchNorm(5, **T), bp.Dense(5, 3, **T), bp.BatchNorm(3, **T)],
        bp.MeanSquaredError(),
    ),
    "LayerNorm": lambda: (
        [bp.LayerNorm(5, **T), bp.Dense(5, 7, **T), bp.LayerNorm(7, **T), bp.Tanh(), bp.Dense(7, 3, **T)],
        bp.MeanSquaredError(),
    ),
    "Embedding": lambda: (
        [bp.Embedding(5, {4: 6, 1: 3}, {4: 3, 1: 2}, **T), bp.Dense(8, 6, **T), bp.ReLU(), bp.Dense(6, 3, **T)],
        bp.SoftmaxCrossentropy(class_weight=[1, 2, 0.5]),
    ),
    "all of it": lambda: (
        [
            bp.Embedding(5, {4: 6, 1: 3}, {4: 3, 1: 2}, **T),
            bp.Dense(8, 10, weights_l2=0.01, biases_l1=0.02, **T),
            bp.BatchNorm(10, **T),
            bp.Tanh(),
            bp.Dropout(0.3),
            bp.Dense(10, 7, weights_l1=0.01, **T),
            bp.LayerNorm(7, **T),
            bp.Sigmoid(),
            bp.Dropout(0.2),
            bp.Dense(7, 3, **T),
            bp.Sigmoid(),
        ],
        bp.BinaryCrossentropy(label_smoothing=0.1, class_weight=[1, 3]),
    ),
}
each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


def problem(name, rows, seed=0):
    rng = np.random.default_rng(seed)
    layers, loss = ARCHITECTURES[name]()
    network = bp.Network(layers, loss, random_state=seed)
    X = rng.normal(size=(rows, FEATURES))
    X[:, 4], X[:, 1] = rng.integers(0, 6, rows), rng.integers(0, 3, rows)
    if isinstance(loss, bp.MeanSquaredError):
        return network, X, rng.normal(size=(rows, CLASSES))
    many = isinstance(loss, bp.BinaryCrossentropy)
    return network, X, rng.integers(0, 2, (rows, CLASSES)) if many else rng.integers(0, CLASSES, rows)


def state(network):
    return [getattr(layer, name).copy() for layer in network.layers for name in layer.state_names]


def optimizer():
    return bp.Adam(0.01, clip_norm=3.0, weight_average=0.8)


@each_architecture
@pytest.mark.parametrize("rows", [1, 2, 63, 257, 1500])  # one block, several, several partitions
def test_engine_computes_the_textbook_walk(name, rows):
    network, X, y = problem(name, rows)
    weights = np.random.default_rng(1).random(rows)
    for step, given in ((1, None), (1000, weights)):
        network.forward(X, step=step)
        loss = network.mean_loss(y, given) + network.penalty()
        network.backward(y, given)
        expected = network.gradients.copy()
        kept = state(network)
        engine_loss, gradient = network.gradient(X, y, given, step=step)
        assert engine_loss == pytest.approx(loss, rel=1e-12)
        assert_close(gradient, expected, 1e-12, np.abs(expected).max())  # sums over samples that cancel
        assert np.array_equal(network.gradients, gradient)
        assert all(np.array_equal(*pair) for pair in zip(state(network), kept, strict=True))


@each_architecture
def test_gradient_matches_central_differences_of_loss_and_penalty(name):
    network, X, y = problem(name, 9)
    _, gradient = network.gradient(X, y, step=4)

    def loss(parameters):
        network.parameters = parameters
        return network.gradient(X, y, step=4)[0]

    def side(parameters):
        network.parameters = parameters
        network.forward(X, step=4)
        relus = [layer.output.ravel() > 0 for layer in network.layers if isinstance(layer, bp.ReLU)]
        return np.concatenate([parameters > 0, *relus])

    start = network.parameters + 0.05 * np.sign(network.parameters)
    network.parameters = np.where(start == 0, 0.1, start)  # away from the kinks of L1
    _, gradient = network.gradient(X, y, step=4)
    numeric, kinked = central_differences(loss, network.parameters.copy(), side)
    assert kinked.mean() < 0.05
    # biases in front of a normalisation have a gradient of 0
    terms = 1e-4 * np.abs(gradient).max()
    assert_close(np.where(kinked, 0, gradient), np.where(kinked, 0, numeric), 1e-6, terms)


@each_architecture
@pytest.mark.parametrize("batch", [None, 16, 300])
def test_one_thread_and_two_give_the_same_bits(name, batch):
    results = []
    for threads in (1, 2):
        network, X, y = problem(name, 900)
        history = network.fit(X, y, optimizer=optimizer(), epochs=4, batch_size=batch, threads=threads)
        results.append([network.parameters, np.array(history.loss), *state(network)])
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))


@each_architecture
@pytest.mark.parametrize("clone", [None, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_two_fits_are_one_long_fit_bit_for_bit(name, clone):
    results = []
    for parts in ((10,), (5, 5)):
        network, X, y = problem(name, 70)
        chosen, losses = optimizer(), []
        for epochs in parts:
            if clone is not None and losses:
                network, chosen = clone(network), clone(chosen)
            losses += network.fit(X, y, optimizer=chosen, epochs=epochs, batch_size=16).loss
        assert network.trained == (10, 50)
        results.append([network.parameters, np.array(losses), *state(network)])
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))


@each_architecture
def test_compiled_steps_are_the_textbook_walks(name):
    """The same Steps with the same batches, masks, statistics, clipping and averages, in both of their forms."""
    made = []
    for kind in (CompiledSteps, WalkedSteps):
        network, X, y = problem(name, 70)
        if kind is WalkedSteps:
            mask_kernels(network)
        weights = np.linspace(0.1, 1, 70)
        targets = network.targets(y, X)
        for layer in network.layers:  # biases of 0 are at the kink of their L1 penalty
            if isinstance(layer, bp.Dense):
                layer.biases = np.linspace(0.1, 0.2, layer.n_neurons)
        # not Adam: it makes steps of the rounding in gradients that are 0, of biases in front of a BatchNorm
        chosen = bp.SGD(bp.Cosine(0.05), momentum=0.5, clip_norm=3.0, weight_average=0.8)
        with kind(network, network.samples(X), targets, chosen, epochs=3, batch=16, weights=weights) as steps:
            for goal in (1, 4, 9, 15):
                steps.advance(goal)
        made.append([network.parameters, steps.losses, *state(network)])
        assert steps.made == steps.total == 15
    for compiled, walked in zip(*made, strict=True):
        assert_close(walked, compiled, 1e-11, max(np.abs(compiled).max(), 0.01))


def mask_kernels(network):
    """The same network, but that the engine cannot run it."""
    index = next(i for i, layer in enumerate(network.layers) if isinstance(layer, bp.Tanh | bp.ReLU | bp.Dense))
    network.layers[index].__class__ = Walks[type(network.layers[index])]
    assert not network.compiled


class WalkingTanh(bp.Tanh):
    def forward(self, *arguments, **options):
        return super().forward(*arguments, **options)


class WalkingReLU(bp.ReLU):
    def forward(self, *arguments, **options):
        return super().forward(*arguments, **options)


class WalkingDense(bp.Dense):
    def forward(self, *arguments, **options):
        return super().forward(*arguments, **options)


Walks = {bp.Tanh: WalkingTanh, bp.ReLU: WalkingReLU, bp.Dense: WalkingDense}


@each_architecture
def test_each_step_draws_masks_of_its_own_whatever_was_asked_in_between(name):
    def asked(network, X, y):
        network.predict(X)
        network.evaluate(X, y)
        network.gradient(X, y)

    results = []
    for ask in (lambda *_: None, asked):
        network, X, y = problem(name, 50)
        chosen = optimizer()
        for _ in range(3):
            network.fit(X, y, optimizer=chosen, epochs=1, batch_size=20)
            ask(network, X, y)
        results.append(network.parameters.copy())
    assert np.array_equal(*results)


@each_architecture
def test_predictions_and_figures_are_those_of_the_textbook_walk(name):
    network, X, y = problem(name, 130)
    network.fit(X, y, optimizer=optimizer(), epochs=3, batch_size=32)
    output = network.forward(X, training=False)
    loss = network.mean_loss(y)
    assert network.evaluate(X, y)["loss"] == pytest.approx(loss, rel=1e-12)
    if network.loss.classifies:
        shown = network.predict_proba(X)
        output = network.loss.layer().forward(output) if hasattr(network.loss, "layer") else output
        assert_close(shown, output, 1e-12)
    else:
        assert_close(network.predict(X), output, 1e-12, np.abs(output).max())


@each_architecture
def test_save_and_load_keep_everything_that_a_prediction_needs(name, tmp_path):
    network, X, y = problem(name, 40)
    network.fit(X, y, optimizer=optimizer(), epochs=2, batch_size=16)
    network.save(tmp_path / "model")
    loaded = bp.Network.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(X), network.predict(X))
    assert loaded.evaluate(X, y) == network.evaluate(X, y)
    assert loaded.penalty() == network.penalty()
    assert repr(loaded) == repr(network)
    assert [layer.config() for layer in loaded.layers] == [layer.config() for layer in network.layers]
