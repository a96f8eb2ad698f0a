"""What any optimizer may be asked for: clipped gradients, the average of the weights, schedules inside a fit."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.optimizers.optimizer import OPTIMIZERS, average_kernel, clip_norm_kernel, clip_value_kernel
from tests.gradients import assert_close
from tests.networks import problem
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE

COMPILED = {name: part for name, part in OPTIMIZERS.items() if part.__module__.startswith("backpass.")}
COMPILED.pop("lbfgs", None)


# ----------------------------------------------------------------------------------------------------------- clipping


@settings(max_examples=300)
@given(P=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formulas(P, dtype, seed):
    rng, tolerance = np.random.default_rng(seed), TOLERANCE[np.dtype(dtype)]
    drawn, limit = (rng.normal(size=P) * rng.choice([0.1, 1, 1e3])).astype(dtype), float(rng.uniform(0.01, 3))
    exact = drawn.astype(np.float64)
    gradients = drawn.copy()
    clip_value_kernel(gradients, np.array([limit]))
    assert_close(gradients, np.clip(exact, -limit, limit), tolerance)
    gradients = drawn.copy()
    clip_norm_kernel(gradients, np.array([limit]))
    assert_close(gradients, exact * min(1, limit / np.linalg.norm(exact)), tolerance)
    average, t = rng.normal(size=P).astype(dtype), int(rng.integers(1, 100))
    keep = min(limit / 3, (1 + t) / (10 + t))
    expected = keep * average.astype(np.float64) + (1 - keep) * exact
    terms = np.abs(average) + np.abs(exact)
    average_kernel(drawn, average, np.array([limit / 3]), np.array([t, 1, 0, 1]))
    assert_close(average, expected, tolerance, terms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_short_enough_keeps_its_bits_and_what_is_not_a_number_passes(dtype):
    gradients = np.array([3, -4], dtype)
    for made in (clip_norm_kernel, clip_value_kernel):
        kept = gradients.copy()
        made(kept, np.array([5.0]))
        assert np.array_equal(kept, gradients)
        broken = np.array([np.nan, 1], dtype)
        made(broken, np.array([0.5]))
        assert np.isnan(broken[0])
    endless = np.array([np.inf, -np.inf, 1], dtype)
    clip_value_kernel(endless, np.array([0.5]))
    assert endless.tolist() == [0.5, -0.5, 0.5]
    huge = np.array([1e30, -1e30], dtype)  # its square is beyond float32
    clip_norm_kernel(huge, np.array([1.0]))
    np.testing.assert_allclose(huge, np.array([1, -1]) / np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize("limits", [{"clip_norm": 0.1}, {"clip_value": 0.02}, {"clip_norm": 0.1, "clip_value": 0.02}])
def test_a_step_of_the_engine_takes_the_clipped_gradient(limits):
    network, X, y = problem("softmax", 40)
    gradient = network.gradient(X, y)[1]
    assert np.linalg.norm(gradient) > 0.1
    if "clip_norm" in limits:
        gradient = gradient * 0.1 / np.linalg.norm(gradient)
    clipped = np.clip(gradient, -0.02, 0.02) if "clip_value" in limits else gradient
    assert "clip_value" not in limits or (clipped != gradient).any()
    expected = network.parameters - 0.5 * clipped
    network.fit(X, y, optimizer=bp.SGD(0.5, **limits), epochs=1)
    assert_close(network.parameters, expected, 1e-13, np.abs(expected).max())


def test_clipping_keeps_a_run_alive_that_breaks_without():
    network, X, y = problem("regression", 40)
    with pytest.raises(FloatingPointError):
        copy.deepcopy(network).fit(X, y * 1e3, optimizer=bp.SGD(20.0), epochs=500)
    history = network.fit(X, y * 1e3, optimizer=bp.SGD(0.5, clip_norm=1.0), epochs=500)
    assert history.loss[-1] < history.loss[0]


# ----------------------------------------------------------------------------------------------------- weight_average


class Watcher:
    def __init__(self, network, optimizer=None):
        self.network, self.optimizer, self.seen = network, optimizer, []

    def on_epoch_end(self, epoch, figures):
        self.seen.append((self.network.parameters.copy(), figures))


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_average_is_that_of_numpy_over_the_whole_fit(keep, dtype):
    network, X, y = problem("softmax", 40, dtype)
    plain, _, _ = problem("softmax", 40, dtype)
    average, steps, tolerance = plain.parameters.astype(np.float64), bp.Adam(0.02), {4: 1e-5, 8: 1e-12}[X.itemsize]
    watcher = Watcher(network)
    optimizer = bp.Adam(0.02, weight_average=keep)
    network.fit(X, y, optimizer=optimizer, epochs=25, callbacks=[watcher], validation_data=(X, y))
    for t in range(1, 26):
        plain.fit(X, y, optimizer=steps, epochs=1)  # full batches: one step
        now = min(keep, (1 + t) / (10 + t))
        average = now * average + (1 - now) * plain.parameters
        seen, figures = watcher.seen[t - 1]
        assert_close(seen, average, tolerance, np.abs(average).max())
        held = copy.deepcopy(plain)
        held.parameters = seen
        assert figures["validation_loss"] == pytest.approx(held.evaluate(X, y)["loss"], rel=1e-6)
    assert np.array_equal(network.parameters, watcher.seen[-1][0])
    assert (keep == 0) == np.allclose(network.parameters, plain.parameters, rtol=1e-6)


@pytest.mark.parametrize("clone", [None, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_fit_that_goes_on_goes_on_from_the_weights_themselves(clone):
    results = []
    for parts in ((6,), (3, 3), (1, 2, 3)):
        network, X, y = problem("softmax", 40)
        optimizer = bp.Adam(0.02, weight_average=0.9)
        for epochs in parts:
            network.fit(X, y, optimizer=optimizer, epochs=epochs, batch_size=16)
            if clone is not None:
                network, optimizer = clone(network), clone(optimizer)
        results.append(network.parameters.copy())
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_weights_that_somebody_assigns_after_a_fit_are_what_the_next_begins_with():
    network, X, y = problem("softmax", 40)
    optimizer = bp.SGD(1e-300, weight_average=0.9)
    network.fit(X, y, optimizer=optimizer, epochs=3)
    network.parameters = np.ones(network.parameters.size)
    network.fit(X, y, optimizer=optimizer, epochs=1)
    assert np.array_equal(optimizer._own, np.ones(network.parameters.size))
    assert np.array_equal(network.parameters, np.ones(network.parameters.size))  # and the average begins there


def test_without_an_average_training_goes_on_from_the_weights_themselves():
    networks = [problem("softmax", 40) for _ in range(2)]
    for (network, X, y), average in zip(networks, (0.9, None), strict=True):
        optimizer = bp.SGD(0.1, momentum=0.9, weight_average=average)
        network.fit(X, y, optimizer=optimizer, epochs=5)
        optimizer.weight_average = None
        network.fit(X, y, optimizer=optimizer, epochs=5)
    assert np.array_equal(networks[0][0].parameters, networks[1][0].parameters)


@pytest.mark.parametrize(("name", "values"), [("clip_norm", (1.0, 1e-6)), ("clip_value", (1.0, 1e-6))])
def test_a_limit_that_a_callback_changes_is_heard_at_once(name, values):
    class Changes:
        def on_epoch_end(self, epoch, figures):
            if epoch == 3:
                setattr(optimizer, name, values[1])

    network, X, y = problem("softmax", 40)
    optimizer = bp.SGD(0.1, **{name: values[0]})
    network.fit(X, y, optimizer=optimizer, epochs=3)
    after_three = network.parameters.copy()
    network, X, y = problem("softmax", 40)
    optimizer = bp.SGD(0.1, **{name: values[0]})
    network.fit(X, y, optimizer=optimizer, epochs=6, callbacks=[Changes()])
    assert 0 < np.abs(network.parameters - after_three).max() < 1e-6


def test_a_subclass_may_have_a_constructor_of_its_own():
    class Mine(bp.SGD):
        def __init__(self):
            super().__init__(learning_rate=0.5, momentum=0.9)

    assert Mine().momentum == 0.9
    with pytest.raises(TypeError, match=r"^SGD takes no common; beside its own it takes clip_norm"):
        bp.SGD(common=5)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_callback_that_raises_does_not_make_the_average_the_weights(error):
    class Raises:
        def on_epoch_end(self, epoch, figures):
            if epoch == 3:
                raise error

    results = []
    for callbacks in ([Raises()], []):
        network, X, y = problem("softmax", 40)
        optimizer = bp.Adam(0.02, weight_average=0.9)
        try:
            network.fit(X, y, optimizer=optimizer, epochs=3, callbacks=callbacks, batch_size=16)
        except error:
            assert callbacks
        network.fit(X, y, optimizer=optimizer, epochs=2, batch_size=16)
        results.append(network.parameters.copy())
    assert np.array_equal(*results)


# ---------------------------------------------------------------------------------------------------- schedules in fit


class Steps:
    """Takes down the size of each step of SGD along a gradient that never changes: the rates that were used."""

    def __init__(self, network):
        self.network, self.before, self.rates, self.figures = network, network.parameters.copy(), [], []

    def on_epoch_end(self, epoch, figures):
        self.rates.append(float((self.before - self.network.parameters)[-1]) / GRADIENT)
        self.before = self.network.parameters.copy()
        self.figures.append(figures)


GRADIENT = -2.0


class Slope:
    """The loss -2 * y_pred: its gradient is the same everywhere."""

    def forward(self, y_pred, y_true):
        return GRADIENT * y_pred[:, 0]

    def backward(self, dvalues, y_true):
        return np.full(dvalues.shape, GRADIENT / len(dvalues))


def sloping():
    """One bias and a weight that sees nothing but 0."""
    return bp.Network([bp.Dense(1, 1, dtype="float64")], Slope()), np.zeros((4, 1)), np.zeros(4)


SCHEDULES = {
    "inverse": lambda: bp.InverseDecay(0.5, decay=0.1),
    "step": lambda: bp.StepDecay(0.5, factor=0.3, every=4),
    "cosine": lambda: bp.Cosine(0.5),
    "one cycle": lambda: bp.OneCycle(0.5),
    "warm-up": lambda: bp.Warmup(bp.Cosine(0.5, steps=9), steps=5),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_step_has_the_rate_of_its_schedule_also_in_a_fit_that_goes_on(name):
    network, X, y = sloping()
    optimizer, steps, schedule = bp.SGD(SCHEDULES[name]()), Steps(network), SCHEDULES[name]()
    for epochs, before in ((12, 0), (5, 12)):
        network.fit(X, y, optimizer=optimizer, epochs=epochs, callbacks=[steps])
        expected = schedule.rates(np.arange(before, before + epochs), before + epochs)
        np.testing.assert_allclose(steps.rates[before:], expected, rtol=1e-9)
        assert optimizer.learning_rate == expected[-1]
    assert len(set(expected)) > 1


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("callbacks", [False, True])  # without, compiled code makes many steps at a time
def test_compiled_steps_have_the_rates_of_the_schedule(name, callbacks):
    network, X, y = problem("softmax", 40)
    plain, _, _ = problem("softmax", 40)
    watch = [Watcher(network)] if callbacks else []
    network.fit(X, y, optimizer=bp.SGD(SCHEDULES[name]()), epochs=5, batch_size=16, shuffle=False, callbacks=watch)
    for t, rate in enumerate(SCHEDULES[name]().rates(np.arange(15), 15)):
        batch = slice(16 * (t % 3), 16 * (t % 3) + 16)
        plain.parameters = plain.parameters - rate * plain.gradient(X[batch], y[batch])[1]
    assert_close(network.parameters, plain.parameters, 1e-11, np.abs(plain.parameters).max())


def test_reduce_on_plateau_lowers_the_rate_when_the_loss_stalls():
    network, X, y = problem("softmax", 40)
    schedule = bp.ReduceOnPlateau(50.0, factor=0.5, patience=1)
    history = network.fit(X, y, optimizer=bp.SGD(schedule), epochs=60)
    assert schedule.present < 50
    assert history.loss[-1] < history.loss[0]  # which a rate of 50 does not do

    flat, X, y = sloping()
    flat.layers[0].biases = [[-1]]
    steps = Steps(flat)
    schedule = bp.ReduceOnPlateau(0.5, factor=0.1, patience=1, threshold=1e9)  # nothing is ever good enough
    flat.fit(X, y, optimizer=bp.SGD(schedule), epochs=7, callbacks=[steps])
    np.testing.assert_allclose(steps.rates, [0.5, 0.5, 0.5, 0.05, 0.05, 0.005, 0.005], rtol=1e-9)


def test_a_learning_rate_that_a_callback_assigns_wins_over_the_schedule():
    network, X, y = sloping()
    optimizer, steps = bp.SGD(bp.InverseDecay(0.5, decay=1.0)), Steps(network)

    class Assigns:
        def on_epoch_end(self, epoch, figures):
            if epoch == 3:
                optimizer.learning_rate = 0.25
            if epoch == 5:
                optimizer.learning_rate = bp.InverseDecay(1.0, decay=1.0)

    network.fit(X, y, optimizer=optimizer, epochs=7, callbacks=[steps, Assigns()])
    np.testing.assert_allclose(steps.rates, [0.5, 0.25, 0.5 / 3, 0.25, 0.25, 1 / 6, 1 / 7], rtol=1e-9)


def test_a_callback_may_assign_it_in_compiled_steps_too():
    network, X, y = problem("softmax", 40)
    plain, _, _ = problem("softmax", 40)
    optimizer = bp.SGD(bp.InverseDecay(0.5, decay=1.0))

    class Assigns:
        def on_epoch_end(self, epoch, figures):
            optimizer.learning_rate = 0.25

    network.fit(X, y, optimizer=optimizer, epochs=2, batch_size=20, shuffle=False, callbacks=[Assigns()])
    for t, rate in enumerate((0.5, 0.25, 0.25, 0.25)):
        batch = slice(20 * (t % 2), 20 * (t % 2) + 20)
        plain.parameters = plain.parameters - rate * plain.gradient(X[batch], y[batch])[1]
    assert_close(network.parameters, plain.parameters, 1e-12, np.abs(plain.parameters).max())


# ------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("name", COMPILED)
def test_unknown_and_wrong_arguments_are_refused_in_one_line(name):
    part = COMPILED[name]
    with pytest.raises(TypeError, match=rf"^{part.__name__} takes no lr; beside its own it takes clip_norm, [^\n]*$"):
        part(lr=0.1)
    for argument in ("clip_norm", "clip_value"):
        with pytest.raises(ValueError, match=rf"^{argument} is 0; it must be above 0$"):
            part(**{argument: 0})
        with pytest.raises(TypeError, match=rf"^{argument} is 'a'; pass a number$"):
            part(**{argument: "a"})
    with pytest.raises(ValueError, match=r"^weight_average is 1; it must be at least 0 and below 1$"):
        part(weight_average=1)


@pytest.mark.parametrize("name", COMPILED)
def test_config_and_repr_repeat_what_was_asked_for(name):
    optimizer = COMPILED[name](clip_norm=2.0, clip_value=0.5, weight_average=0.75)
    again = type(optimizer)(**optimizer.config())
    assert again.config() == optimizer.config()
    assert (again.clip_norm, again.clip_value, again.weight_average) == (2.0, 0.5, 0.75)
    assert repr(optimizer).endswith("clip_norm=2, clip_value=0.5, weight_average=0.75)")
    optimizer.clip_norm = None
    optimizer.weight_average = 0.5
    assert optimizer.clip_norm is None
    assert optimizer.weight_average == 0.5
    assert "clip_norm" not in optimizer.config()


@pytest.mark.parametrize("name", COMPILED)
def test_every_optimizer_trains_with_all_of_it(name):
    network, X, y = problem("softmax", 60)
    start = network.evaluate(X, y)["loss"]
    optimizer = COMPILED[name](bp.Cosine(0.02), clip_norm=1.0, clip_value=0.5, weight_average=0.9)
    network.fit(X, y, optimizer=optimizer, epochs=60, batch_size=20)
    assert network.evaluate(X, y)["loss"] < start
