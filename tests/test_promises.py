"""What holds between calls: whose memory is whose, what a copy is, what an interrupt leaves."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import backpass as bp
from backpass.engine.kernels import cache, kernel
from tests.engine.fresh import TRAIN, printed

X = np.random.RandomState(0).standard_normal((60, 3))
Y = np.arange(60) % 2


def classifier(width: int = 8, seed: int = 0, dtype: str = "float32") -> bp.Network:
    layers = [bp.Dense(3, width, dtype=dtype), bp.ReLU(), bp.Dense(width, 2, dtype=dtype), bp.Softmax()]
    return bp.Network(layers, bp.CategoricalCrossentropy(), random_state=seed)


@pytest.mark.parametrize("name", ["weights", "biases", "dweights", "dbiases"])
def test_assigning_a_layers_array_copies_the_values_and_casts_them(name):
    dense = bp.Dense(2, 3)
    there, values = getattr(dense, name), np.arange(3.0) * np.ones(getattr(dense, name).shape)
    setattr(dense, name, values)
    assert getattr(dense, name) is there
    np.testing.assert_array_equal(there, values)
    with pytest.raises(ValueError, match=f"{name} has shape"):
        setattr(dense, name, np.zeros((7, 7)))


@pytest.mark.parametrize("name", ["parameters", "gradients"])
def test_assigning_a_networks_flat_array_copies_the_values(name):
    network = classifier()
    setattr(network, name, np.ones(getattr(network, name).size))
    layer_array = network.layers[0].weights if name == "parameters" else network.layers[0].dweights
    np.testing.assert_array_equal(layer_array, 1)
    with pytest.raises(ValueError, match=f"{name} has shape"):
        setattr(network, name, np.zeros(1))
    network.fit(X, Y, epochs=2)


class Scaled(bp.Layer):
    """A layer that brings `settings` along."""

    @kernel
    def forward_kernel(inputs, settings, output):
        for n in range(inputs.shape[0]):
            for m in range(inputs.shape[1]):
                output[n, m] = inputs[n, m] * settings[0]

    @kernel
    def backward_kernel(dvalues, settings, dinputs):
        for n in range(dinputs.shape[0]):
            for m in range(dinputs.shape[1]):
                dinputs[n, m] = dvalues[n, m] * settings[0]

    def __init__(self, factor=1.0):
        self.settings = np.array([factor])


def test_an_array_that_a_layer_brings_along_may_be_replaced_between_predictions():
    scaled = Scaled(1.0)
    network = bp.Network([bp.Dense(3, 2, dtype="float64"), scaled], bp.MeanSquaredError(), random_state=0)
    before = network.predict(X)
    scaled.settings = np.array([3.0])
    gc.collect()
    np.testing.assert_allclose(network.predict(X), 3 * before)
    np.testing.assert_allclose(network.forward(X), 3 * before)


@pytest.mark.parametrize("wrong", [np.array([1.0], np.float32), 1.0, np.ones((1, 1)), None])
def test_an_array_that_a_kernel_would_misread_is_refused(wrong):
    scaled = Scaled()
    scaled.settings = wrong
    network = bp.Network([bp.Dense(3, 2), scaled], bp.MeanSquaredError())
    for call in (network.predict, network.forward):
        with pytest.raises(TypeError, match=r"settings, which .* asks for, has to be a C-contiguous array of float64"):
            call(X)


def double(x):
    return x + x


def square(x):
    return x * x


def applied(function_or_array):
    if callable(function_or_array):
        from backpass.engine.kernels import helper

        function = helper(function_or_array)

        def apply_kernel(inputs, output):
            output[0, 0] = function(inputs[0, 0])

    else:
        array = function_or_array

        def apply_kernel(inputs, output):
            output[0, 0] = inputs[0, 0] * array[0]

    return kernel(apply_kernel)


@pytest.mark.parametrize(
    ("ingredient", "expected"), [(double, 6.0), (square, 9.0), (np.array([2.0]), 6.0), (np.array([7.0]), 21.0)]
)
def test_kernels_made_of_different_functions_or_arrays_are_different(ingredient, expected):
    output = np.zeros((1, 1))
    applied(ingredient)(np.full((1, 1), 3.0), output)
    assert output[0, 0] == expected


def test_a_kernel_that_sees_a_module_of_its_user_is_not_kept():
    def sees_a_module(inputs, output):
        output[0, 0] = gc.DEBUG_STATS

    def sees_mathematics(inputs, output):
        output[0, 0] = np.pi

    assert cache.cache_file(sees_a_module, "user.kernel", np.dtype(np.float64)) is None
    assert cache.cache_file(sees_mathematics, "user.kernel", np.dtype(np.float64)) is not None


def test_an_interrupt_during_compiled_steps_leaves_the_optimizers_count_right():
    script = """
import os, signal, threading
import numpy as np, backpass as bp
X, y = bp.datasets.spiral(200, 3, random_state=1)
def network():
    layers = [bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()]
    return bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
interrupted, adam = network(), bp.Adam()
interrupted.fit(X, y, optimizer=bp.Adam(), epochs=1)  # what has to be loaded is loaded
interrupted = network()
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    interrupted.fit(X, y, optimizer=adam, epochs=10**7)
except KeyboardInterrupt:
    replayed = network()
    replayed.fit(X, y, optimizer=bp.Adam(), epochs=adam.iterations)
    print(adam.iterations > 100, np.array_equal(replayed.parameters, interrupted.parameters), threading.active_count())
"""
    assert printed(script) == "True True 1"


def test_a_fit_gives_the_same_bits_beside_a_wide_one():
    script = (
        TRAIN
        + """
wide = bp.Network([bp.Dense(1100, 1000)], bp.MeanSquaredError(), random_state=0)
assert wide.chain().wide
beside = []
class Inner:
    def on_epoch_end(self, epoch, figures):
        beside.append(narrow())
def narrow():
    layers = [bp.Dense(300, 900), bp.ReLU(), bp.Dense(900, 300), bp.ReLU(), bp.Dense(300, 7), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    X = np.random.RandomState(0).standard_normal((256, 300))
    network.fit(X, np.arange(256) % 7, optimizer="adam", epochs=3)
    return hashlib.sha256(network.parameters.tobytes()).hexdigest()
alone = narrow()
wide.fit(np.ones((8, 1100)), np.ones((8, 1000)), optimizer="adam", epochs=1, callbacks=[Inner()])
print(beside == [alone])
"""
    )
    assert printed(script) == "True"


def test_a_child_forked_during_a_fit_has_blas_at_all_its_threads():
    script = (
        TRAIN
        + """
import multiprocessing, threadpoolctl
def threads_of_blas():
    return [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
digest_of_a_fit(epochs=1)
before = threads_of_blas()
class Fork:
    def on_epoch_end(self, epoch, figures):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.apply(threads_of_blas) == before)
X, y = bp.datasets.spiral(50, 3, random_state=1)
network = bp.Network([bp.Dense(2, 3), bp.Softmax()], bp.CategoricalCrossentropy())
network.fit(X, y, optimizer="adam", epochs=1, callbacks=[Fork()])
"""
    )
    assert printed(script) == "True"


def in_threads(work, count=3):
    failures = []

    def run(index):
        try:
            work(index)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_gradients_and_predictions_of_any_size_may_be_asked_for_in_threads():
    network = classifier(dtype="float64")
    rows = range(1, 30)
    expected = {n: (network.gradient(X[:n], Y[:n])[1], network.predict_proba(X[:n])) for n in rows}

    def work(index):
        for _ in range(20):
            for n in rows:
                np.testing.assert_array_equal(network.gradient(X[:n], Y[:n])[1], expected[n][0])
                np.testing.assert_array_equal(network.predict_proba(X[:n]), expected[n][1])

    in_threads(work)


def test_a_pickle_holds_no_samples():
    network = classifier(dtype="float64")
    small = len(pickle.dumps(network))
    many = np.tile(X, (500, 1))
    network.forward(many)
    network.backward(np.tile(Y, 500))
    network.loss.backward(network.layers[-1].output, np.tile(Y, 500))
    network.evaluate(many, np.tile(Y, 500))
    assert len(pickle.dumps(network)) < small + 1000


def test_a_prediction_keeps_nobodys_samples_alive():
    class Array(np.ndarray):
        pass

    network = classifier(dtype="float64")
    samples = X.copy().view(Array)
    alive = weakref.ref(samples)
    network.predict(samples)
    del samples
    gc.collect()
    assert alive() is None


def test_a_shallow_copy_of_a_network_leaves_the_original_its_layers():
    network = classifier()
    twin = copy.copy(network)
    twin.fit(X, Y, epochs=5)
    assert not np.array_equal(twin.parameters, network.parameters)
    network.predict(X)


def test_a_network_pickled_with_its_optimizer_goes_on_as_if_nothing_had_been():
    network, optimizer = classifier(), bp.Adam()
    network.fit(X, Y, optimizer=optimizer, epochs=7, shuffle=False)
    twin, twins_optimizer = pickle.loads(pickle.dumps((network, optimizer)))
    for each, its in ((network, optimizer), (twin, twins_optimizer)):
        each.fit(X, Y, optimizer=its, epochs=5, shuffle=False)
    np.testing.assert_array_equal(network.parameters, twin.parameters)
    assert optimizer.iterations == twins_optimizer.iterations == 12


def test_a_copied_optimizer_has_settings_of_its_own():
    first = bp.Adam(learning_rate=0.1)
    second = copy.copy(first)
    second.learning_rate = 0.5
    assert first.learning_rate == 0.1


def test_a_numpy_bool_from_a_callback_stops_training():
    class Stop:
        def on_epoch_end(self, epoch, figures):
            return np.float64(figures["loss"]) < np.inf and np.bool_(epoch == 3)

    history = classifier().fit(X, Y, epochs=50, callbacks=[Stop()])
    assert (history.epochs, history.stopped) == (3, True)


def test_progress_is_told_before_the_first_epoch_ends():
    class Watch:
        seen = ()

        def on_progress(self, done, epoch, epochs, loss):
            self.seen = (*self.seen, (done, epoch, loss))

    watch = Watch()
    many = np.random.RandomState(0).standard_normal((300_000, 3))
    classifier().fit(many, np.arange(300_000) % 2, epochs=1, batch_size=4, callbacks=[watch])
    done, epoch, loss = watch.seen[0]
    assert done < 1
    assert epoch == 0
    assert np.isfinite(loss)


def test_a_part_may_not_take_the_name_of_another():
    with pytest.raises(TypeError, match=r"ReLU is a name that backpass\.layers\.relu has taken"):
        type("ReLU", (bp.Layer,), {"__module__": __name__})


def test_weights_are_drawn_anew_though_biases_were_assigned():
    def made():
        dense = bp.Dense(3, 2)
        dense.biases = [1.0, 2.0]
        return bp.Network([dense], bp.MeanSquaredError(), random_state=0)

    np.testing.assert_array_equal(made().parameters, made().parameters)
    np.testing.assert_array_equal(made().layers[0].biases, [[1.0, 2.0]])


def test_a_copied_optimizer_begins_anew_with_a_network_of_another_dtype():
    optimizer = bp.Adam()
    classifier().fit(X, Y, optimizer=optimizer, epochs=7)
    single, double = copy.copy(optimizer), bp.Adam()
    networks = [classifier(dtype="float64"), classifier(dtype="float64")]
    for network, its in zip(networks, (single, double), strict=True):
        network.fit(X, Y, optimizer=its, epochs=3)
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)
    assert single.iterations == 3
