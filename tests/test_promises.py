"""What holds between calls: whose memory is whose, what a copy is, what an interrupt leaves."""

import copy
import gc
import pickle
import sys
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
import os, signal, threading, time
import numpy as np, backpass as bp
def interrupt():
    until = time.process_time() + 0.3  # of work, however long a crowded machine takes for it
    while time.process_time() < until:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
X, y = bp.datasets.spiral(200, 3, random_state=1)
def network():
    layers = [bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()]
    return bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
interrupted, adam = network(), bp.Adam()
interrupted.fit(X, y, optimizer=bp.Adam(), epochs=1)  # what has to be loaded is loaded
interrupted = network()
threading.Thread(target=interrupt).start()
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
        thread.join()
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


def test_a_copied_optimizer_goes_on_only_where_its_fit_has_left_off():
    optimizer = bp.Adam(0.02, weight_average=0.9)
    first = classifier()
    first.fit(X, Y, optimizer=optimizer, epochs=7)
    same, fresh = copy.deepcopy(first), classifier(seed=1)
    for network, steps in ((same, 9), (fresh, 2)):
        copied = copy.deepcopy(optimizer)
        network.fit(X, Y, optimizer=copied, epochs=2)
        assert copied.iterations == steps
    alone = classifier(seed=1)
    alone.fit(X, Y, optimizer=bp.Adam(0.02, weight_average=0.9), epochs=2)
    np.testing.assert_array_equal(fresh.parameters, alone.parameters)


# ------------------------------------------------------------------------------------ what a kernel is handed


@kernel
def scaled_labels_forward(y_pred, labels, sample_losses, settings):
    for n in range(y_pred.shape[0]):
        sample_losses[n] = settings[0] * (1 - y_pred[n, labels[n]])


@kernel
def scaled_labels_backward(dvalues, labels, scales, dinputs, settings):
    for n in range(dinputs.shape[0]):
        for c in range(dinputs.shape[1]):
            dinputs[n, c] = dvalues.dtype.type(0)
        dinputs[n, labels[n]] = -dvalues.dtype.type(settings[0] * scales[n])


class ScaledLabels(bp.Loss):
    forward_kernel = labels_forward_kernel = scaled_labels_forward
    backward_kernel = labels_backward_kernel = scaled_labels_backward
    settings = np.array([3.0])


def test_kernels_for_labels_are_given_what_they_name_arrays_or_lists():
    y_pred, labels = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])
    for given in ((y_pred, labels), (y_pred.tolist(), labels.tolist())):
        assert ScaledLabels().backward(*given).tolist() == [[-1.5, 0], [0, -1.5]]


@pytest.mark.parametrize("saved", [np.ones((1, 1), "f4"), np.ones((2, 3)), [[1, 0, 1], [0, 1, 0]], np.ones((3, 2)).T])
def test_a_mask_that_somebody_assigns_is_checked_and_taken(saved):
    dropout, ones = bp.Dropout(0.5), np.ones((2, 3), np.float32)
    dropout.forward(ones)
    dropout.saved = saved
    if np.shape(saved) == (2, 3):
        np.testing.assert_array_equal(dropout.backward(ones), np.asarray(saved))
    else:
        with pytest.raises(ValueError, match="do not belong together with what forward saved"):
            dropout.backward(ones)


def test_kernels_that_a_record_cannot_hold_or_whose_rows_nobody_knows_are_refused():
    names = [f"a{i}" for i in range(17)]
    made = {}
    exec(f"def many({', '.join(names)}): pass", made)
    with pytest.raises(TypeError, match=r"many has 17 arguments; a record has room for 16$"):
        kernel(made["many"])

    @kernel
    def settings_first(settings, inputs, output):
        pass

    for base, name in ((bp.Layer, "forward_kernel"), (bp.Loss, "labels_backward_kernel")):
        with pytest.raises(TypeError, match=r"settings_first begins with settings; begin with what has N rows"):
            type("Wrong", (base,), {name: settings_first})


@kernel
def step_kernel(inputs, output, counters):
    for n in range(inputs.shape[0]):
        for m in range(inputs.shape[1]):
            output[n, m] = inputs[n, m] + counters[0] + 10 * counters[1]


@kernel
def hand_back_kernel(dvalues, dinputs):
    for n in range(dinputs.shape[0]):
        for m in range(dinputs.shape[1]):
            dinputs[n, m] = dvalues[n, m]


class AddsStep(bp.Layer):
    forward_kernel = step_kernel
    backward_kernel = hand_back_kernel


def test_a_layer_of_ones_own_that_asks_for_counters_is_told_the_step_in_both_forms():
    layer = AddsStep()
    assert layer.forward([[0.0]], step=5).tolist() == [[15]]
    assert layer.forward([[0.0]], training=False).tolist() == [[5]]
    network = bp.Network([bp.Dense(1, 1, initializer="zeros", dtype="float64"), layer], bp.MeanSquaredError())
    assert network.forward([[0.0]], step=3).tolist() == [[13]]
    assert network.gradient([[0.0]], [0.0], step=3)[0] == 169
    with pytest.raises(ValueError, match="train with another optimizer than LBFGS"):
        network.fit([[0.0]], [0.0], optimizer="lbfgs", epochs=1)


def test_a_layer_with_parameters_says_how_many_columns_it_takes():
    class Wide(AddsStep):
        def __init__(self):
            self.allocate("float32")

        def parameter_shapes(self):
            return {"weights": (1, 2)}

    with pytest.raises(TypeError, match=r"^Wide has parameters; define input_width too"):
        Wide()


# ---------------------------------------------------------------------------------------- what may be assigned


def test_a_setting_that_is_assigned_is_what_the_kernels_read(tmp_path):
    dropout = bp.Dropout(0.1, random_state=0)
    network = bp.Network([bp.Dense(3, 4), dropout, bp.Dense(4, 2), bp.Softmax()], bp.CategoricalCrossentropy())
    network.gradient(X, Y)  # the plan that is kept reads the new rate too
    dropout.rate = 0.9
    same = bp.Network([bp.Dense(3, 4), bp.Dropout(0.9), bp.Dense(4, 2), bp.Softmax()], bp.CategoricalCrossentropy())
    same.parameters, same.layers[1].seed = network.parameters, dropout.seed
    np.testing.assert_array_equal(network.gradient(X, Y)[1], same.gradient(X, Y)[1])
    for layer, name, value, wrong in (
        (dropout, "rate", 0.5, 1.0),
        (bp.BatchNorm(2), "momentum", 0.5, 2),
        (bp.BatchNorm(2), "epsilon", 0.5, 0),
        (bp.LayerNorm(2), "epsilon", 0.5, -1),
        (bp.ELU(), "alpha", 0.5, 0),
        (bp.LeakyReLU(), "negative_slope", 0.5, -0.1),
    ):
        setattr(layer, name, value)
        assert value in layer.settings
        assert layer.config()[name] == value
        with pytest.raises(ValueError, match=f"^{name} is {wrong}"):
            setattr(layer, name, wrong)


def test_what_is_fixed_cannot_be_assigned():
    loss = bp.BinaryCrossentropy(class_weight=[1, 2], label_smoothing=0.1)
    for part, name in ((loss, "class_weight"), (loss, "label_smoothing"), (bp.GELU(), "approximate")):
        with pytest.raises(AttributeError):
            setattr(part, name, None)
    loss.class_weight[:] = 0  # a copy
    assert loss.class_weight.tolist() == [1, 2]
    with pytest.raises(TypeError):
        classifier().layers[1] = bp.Tanh()


def test_gradients_asked_for_by_several_threads_are_not_mixed():
    layers = [bp.Dense(3, 4, weights_l2=0.1), bp.Tanh(), bp.Dense(4, 2, weights_l1=0.1), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    parts = [slice(0, 20), slice(20, 40), slice(40, 60)]
    expected = [network.gradient(X[part], Y[part])[1] for part in parts]
    wrong = []

    def ask(part, gradient):
        for _ in range(300):
            if not np.array_equal(network.gradient(X[part], Y[part])[1], gradient):
                wrong.append(part)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=pair) for pair in zip(parts, expected, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_a_dense_with_a_backward_of_its_own_has_its_penalties_gradient_once():
    class Mine(bp.Dense):
        def backward(self, dvalues):
            self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0, keepdims=True)
            return dvalues @ self.weights.T

    class Asks(bp.Dense):
        def backward(self, dvalues):
            return super().backward(dvalues)

    options = {"weights_l2": 0.1, "biases_l1": 0.2, "dtype": "float64", "random_state": 0}
    networks = [bp.Network([kind(3, 2, **options)], bp.MeanSquaredError()) for kind in (bp.Dense, Mine, Asks)]
    targets = np.stack([Y, -Y], axis=1)
    losses, gradients = zip(*(network.gradient(X, targets) for network in networks), strict=True)
    assert [network.compiled for network in networks] == [True, False, False]
    for loss, gradient in zip(losses[1:], gradients[1:], strict=True):
        assert loss == pytest.approx(losses[0], rel=1e-12)
        np.testing.assert_allclose(gradient, gradients[0], rtol=1e-11)
