"""fit: the steps of plain NumPy, weights of samples, the order, callbacks, threads, and runs that break."""

import itertools

import numpy as np
import pytest

import backpass as bp
from backpass.fusions.fusion import FUSIONS
from tests.gradients import assert_close
from tests.networks import ARCHITECTURES, plain_steps, problem, textbook

each_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
OPTIMIZERS = {
    "sgd": lambda: bp.SGD(learning_rate=0.1),
    "momentum": lambda: bp.SGD(learning_rate=0.05, momentum=0.9),
    "adam": lambda: bp.Adam(learning_rate=0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-4),
}


@each_architecture
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_makes_the_steps_of_plain_numpy(name, optimizer):
    network, X, y = problem(name, 70)
    plain, _, _ = problem(name, 70)
    history = network.fit(X, y, optimizer=OPTIMIZERS[optimizer](), epochs=3, batch_size=16, shuffle=False)
    parameters, losses = plain_steps(plain, X, y, OPTIMIZERS[optimizer](), 3, 16)  # 16 does not divide 70
    assert_close(network.parameters, parameters, 1e-9)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-11)
    assert history.epochs == 3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_in_float32_stays_beside_fit_in_float64(optimizer):
    single, X, y = problem("softmax", 70, np.float32)
    double, _, _ = problem("softmax", 70, np.float64)
    double.parameters[:] = single.parameters
    for network in (single, double):
        network.fit(X, y, optimizer=OPTIMIZERS[optimizer](), epochs=3, batch_size=16, shuffle=False)
    assert single.parameters.dtype == np.float32
    assert_close(single.parameters, double.parameters, 1e-5, terms=np.abs(double.parameters) + 1)


@pytest.mark.parametrize("rows", [257, 1000])
def test_batches_of_several_blocks_and_partitions_make_the_same_steps(rows):
    def network():
        sizes = [(5, 150), (150, 60), (60, 3)]
        layers = [part for D, M in sizes for part in (bp.Dense(D, M, dtype="float64"), bp.Tanh())]
        return bp.Network([*layers[:-1], bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows, 5)), rng.integers(0, 3, rows)
    fitted, plain = network(), network()
    assert fitted.chain(labels=True).partitions(rows) > 1
    fitted.fit(X, y, optimizer=bp.SGD(0.1, momentum=0.5), epochs=2, shuffle=False, threads=1)
    assert_close(fitted.parameters, plain_steps(plain, X, y, bp.SGD(0.1, momentum=0.5), 2, rows)[0], 1e-9)


# ------------------------------------------------------------------------------------------------------ the fusion


@pytest.mark.parametrize("name", ["softmax", "one Dense", "sigmoid"])
def test_fusion_changes_nothing_where_the_separate_pair_is_defined(name, monkeypatch):
    fused, X, y = problem(name, 70)
    separate, _, _ = problem(name, 70)
    fused_history = fused.fit(X, y, optimizer="adam", epochs=20, batch_size=16, shuffle=False)
    loss, gradient = fused.gradient(X, y)
    assert FUSIONS
    monkeypatch.setattr("backpass.network.FUSIONS", {})
    history = separate.fit(X, y, optimizer="adam", epochs=20, batch_size=16, shuffle=False)
    assert_close(separate.parameters, fused.parameters, 1e-9)
    np.testing.assert_allclose(history.loss, fused_history.loss, rtol=1e-10)
    separate_loss, separate_gradient = separate.gradient(X, y)
    assert separate_loss == pytest.approx(loss, rel=1e-9)
    assert_close(separate_gradient, gradient, 1e-8)
    assert_close(textbook(separate, X, y)[1], separate_gradient, 1e-9)  # the textbook's separate route, too


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_fusion_trains_where_the_separate_pair_overflows(name, monkeypatch):
    fused, X, y = problem(name, 70)
    separate, _, _ = problem(name, 70)
    for network in (fused, separate):
        network.layers[-2].weights *= 1e5
    assert np.isfinite(fused.fit(X, y, optimizer="adam", epochs=2).loss).all()
    monkeypatch.setattr("backpass.network.FUSIONS", {})
    with pytest.raises(FloatingPointError, match="step 1 "):
        separate.fit(X, y, optimizer="adam", epochs=2)


# --------------------------------------------------------------------------------------------------- sample_weight


@pytest.mark.parametrize("name", ["softmax", "regression", "soft labels"])
def test_loss_of_a_batch_is_the_weighted_mean(name):
    network, X, y = problem(name, 30)
    weights = np.random.default_rng(0).random(30) * 3
    gradients, losses = zip(
        *((g, loss) for loss, g in (network.gradient(X[[n]], y[[n]]) for n in range(30))), strict=True
    )
    expected = network.parameters - 0.1 * np.average(gradients, axis=0, weights=weights)
    history = network.fit(X, y, optimizer=bp.SGD(0.1), epochs=1, sample_weight=weights)
    assert_close(network.parameters, expected, 1e-11)
    assert history.loss[0] == pytest.approx(np.average(losses, weights=weights), rel=1e-11)


def test_weight_of_zero_is_as_good_as_absent():
    weights = np.tile([1.0, 0.0, 1.0], 10)
    weighted, X, y = problem("softmax", 30)
    X[weights == 0] *= 1e300  # its loss would be infinite
    absent, _, _ = problem("softmax", 30)
    first = weighted.fit(X, y, optimizer="adam", epochs=4, sample_weight=weights)
    second = absent.fit(X[weights > 0], y[weights > 0], optimizer="adam", epochs=4)
    assert_close(weighted.parameters, absent.parameters, 1e-11)
    np.testing.assert_allclose(first.loss, second.loss, rtol=1e-12)


@pytest.mark.parametrize("shuffle", [False, True])
def test_doubling_all_weights_changes_nothing(shuffle):
    weights = np.random.default_rng(0).integers(1, 9, 30)
    results = []
    for factor in (1, 2):
        network, X, y = problem("softmax", 30)
        history = network.fit(
            X, y, optimizer="adam", epochs=3, batch_size=8, shuffle=shuffle, sample_weight=weights * factor
        )
        results.append((network.parameters.copy(), history.loss))
    assert np.array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_weights_of_one_are_no_weights_and_follow_their_samples_through_the_shuffle():
    plain, X, y = problem("softmax", 30)
    plain.fit(X, y, optimizer="adam", epochs=3, batch_size=8)
    ones, _, _ = problem("softmax", 30)
    ones.fit(X, y, optimizer="adam", epochs=3, batch_size=8, sample_weight=np.ones(30))
    assert np.array_equal(ones.parameters, plain.parameters)
    # One sample alone has weight, so wherever the shuffle puts it, its gradient is the only one there is.
    only, _, _ = problem("softmax", 30)
    expected = only.parameters - 0.5 * only.gradient(X[[7]], y[[7]])[1]
    only.fit(X, y, optimizer=bp.SGD(0.5), epochs=1, batch_size=8, sample_weight=np.eye(30)[7])
    assert_close(only.parameters, expected, 1e-12)


# ------------------------------------------------------------------------------------- history, validation, callbacks


class Recorder:
    def __init__(self, network=None, stop_after=None):
        self.calls, self.network, self.stop_after = [], network, stop_after

    def on_epoch_end(self, epoch, figures):
        self.calls.append((epoch, dict(figures), None if self.network is None else self.network.parameters.copy()))
        return epoch == self.stop_after


def test_callback_is_called_after_every_epoch_with_its_figures():
    network, X, y = problem("softmax", 60)
    recorder = Recorder(network)
    history = network.fit(
        X, y, optimizer="adam", epochs=5, batch_size=16, validation_data=(X[:9], y[:9]), callbacks=[recorder]
    )
    assert [epoch for epoch, _, _ in recorder.calls] == [1, 2, 3, 4, 5]
    assert set(recorder.calls[0][1]) == {"loss", "validation_loss", "validation_accuracy"}
    assert [figures["loss"] for _, figures, _ in recorder.calls] == history.loss
    assert [{"epoch": epoch, **figures} for epoch, figures, _ in recorder.calls] == history.rows()
    states = [state for _, _, state in recorder.calls]
    assert all(not np.array_equal(*pair) for pair in itertools.pairwise(states))  # called in between, not at the end
    assert np.array_equal(states[-1], network.parameters)


def test_validation_figures_are_what_evaluate_says_after_each_epoch():
    network, X, y = problem("regression", 60)
    recorder = Recorder(network)
    history = network.fit(X, y, optimizer="adam", epochs=3, validation_data=[X[:9], y[:9]], callbacks=(recorder,))
    assert len(history.validation) == len(history.loss) == history.epochs == 3
    for (_, _, parameters), figures in zip(recorder.calls, history.validation, strict=True):
        network.parameters[:] = parameters
        assert network.evaluate(X[:9], y[:9]) == figures


def test_callback_that_returns_true_ends_training_after_that_epoch_and_all_are_called():
    network, X, y = problem("softmax", 60)
    first, second = Recorder(stop_after=3), Recorder()
    history = network.fit(X, y, optimizer="adam", epochs=50, batch_size=16, callbacks=[first, second])
    assert history.stopped
    assert history.epochs == len(history.loss) == len(first.calls) == len(second.calls) == 3
    other, _, _ = problem("softmax", 60)
    assert not other.fit(X, y, optimizer="adam", epochs=3, batch_size=16).stopped
    assert np.array_equal(other.parameters, network.parameters)  # the epochs before are those of a run of 3


def test_watching_changes_no_bit(capsys):
    results = []
    for options in ({}, {"callbacks": [Recorder()]}, {"verbose": True}, {"validation_data": True}):
        network, X, y = problem("softmax", 60)
        if "validation_data" in options:
            options["validation_data"] = (X, y)
        history = network.fit(X, y, optimizer="adam", epochs=6, batch_size=16, **options)
        results.append((network.parameters.tobytes(), tuple(history.loss)))
    assert len(set(results)) == 1
    assert "epoch 6/6" in capsys.readouterr().err


def test_callback_may_change_the_learning_rate():
    class Stop:
        def on_epoch_end(self, epoch, figures):
            optimizer.learning_rate = 1e-300

    network, X, y = problem("softmax", 60)
    optimizer = bp.SGD(0.5)
    recorder = Recorder(network)
    network.fit(X, y, optimizer=optimizer, epochs=3, callbacks=[recorder, Stop()])
    assert np.array_equal(recorder.calls[0][2], network.parameters)


# -------------------------------------------------------------------------------------------- order, seeds, threads


def fitted(random_state=0, **options):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 4)), rng.integers(0, 3, 300)
    layers = [bp.Dense(4, 8, random_state=1), bp.ReLU(), bp.Dense(8, 3, random_state=2), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=random_state)
    history = network.fit(X, y, **{"optimizer": "adam", "epochs": 3, "batch_size": 50, **options})
    return network.parameters.tobytes(), tuple(history.loss)


def test_order_is_a_function_of_the_seed():
    assert fitted(0) == fitted(0)
    assert fitted(0) != fitted(1)
    assert fitted(0, shuffle=False) == fitted(1, shuffle=False)
    assert fitted(0, shuffle=False) != fitted(0)


def test_every_epoch_has_an_order_of_its_own():
    assert fitted(0, epochs=2, optimizer=bp.SGD(1e-30))[1][0] == pytest.approx(
        fitted(0, epochs=2, optimizer=bp.SGD(1e-30))[1][1], rel=1e-6
    )  # without moving, all epochs see the same samples
    network, X, y = problem("softmax", 30)
    twice, _, _ = problem("softmax", 30)
    network.fit(X, y, optimizer=bp.SGD(0.5), epochs=2, batch_size=8)
    optimizer = bp.SGD(0.5)
    twice.fit(X, y, optimizer=optimizer, epochs=1, batch_size=8)
    twice.trained = 0, 0
    twice.fit(X, y, optimizer=optimizer, epochs=1, batch_size=8)  # the first epoch's order again
    assert not np.array_equal(network.parameters, twice.parameters)


def test_one_batch_of_everything_does_not_depend_on_the_order():
    assert fitted(0, batch_size=None) == fitted(1, batch_size=None) == fitted(0, batch_size=10_000)


@pytest.mark.parametrize("batch_size", [300, 1000])
def test_one_thread_and_two_give_the_same_bits(batch_size):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 20)), rng.integers(0, 5, 1000)
    results = set()
    for threads in (1, 2, 2, 5):
        layers = [bp.Dense(20, 150), bp.ReLU(), bp.Dense(150, 60), bp.Tanh(), bp.Dense(60, 5), bp.Softmax()]
        network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
        assert network.chain(labels=True).partitions(batch_size) >= 2
        history = network.fit(X, y, optimizer="adam", epochs=20, batch_size=batch_size, threads=threads)
        results.add((network.parameters.tobytes(), tuple(history.loss)))
    assert len(results) == 1


# ------------------------------------------------------------------------------------------------- optimizer's state


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_goes_on_where_it_stopped(optimizer):
    at_once, X, y = problem("softmax", 40)
    in_two, _, _ = problem("softmax", 40)
    one, two = OPTIMIZERS[optimizer](), OPTIMIZERS[optimizer]()
    at_once.fit(X, y, optimizer=one, epochs=5, batch_size=16, shuffle=False)
    in_two.fit(X, y, optimizer=two, epochs=2, batch_size=16, shuffle=False)
    in_two.fit(X, y, optimizer=two, epochs=3, batch_size=16, shuffle=False)
    assert one.iterations == two.iterations == 15
    assert np.array_equal(at_once.parameters, in_two.parameters)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_starts_anew_with_another_network(optimizer):
    first, X, y = problem("softmax", 40)
    second, _, _ = problem("softmax", 40)
    shared = OPTIMIZERS[optimizer]()
    for network in (first, second):
        network.fit(X, y, optimizer=shared, epochs=2)
    assert shared.iterations == 2
    assert np.array_equal(first.parameters, second.parameters)


def test_optimizer_by_name_starts_anew():
    network, X, y = problem("softmax", 40)
    other, _, _ = problem("softmax", 40)
    for _ in range(2):
        network.fit(X, y, optimizer="adam", epochs=2)
        other.fit(X, y, optimizer=bp.Adam(), epochs=2)
    assert np.array_equal(network.parameters, other.parameters)


# --------------------------------------------------------------------------------------------------- runs that break


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_that_is_not_finite_ends_the_run_at_its_step_and_names_it(dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 5)).astype(dtype), np.zeros(64)
    y[40] = 1e25 if dtype == np.float32 else 1e200  # in the third batch of 16; its square is infinite
    network = bp.Network([bp.Dense(5, 1, dtype=dtype)], bp.MeanSquaredError(), random_state=0)
    recorder = Recorder()
    optimizer = bp.SGD(1e-30)
    with pytest.raises(FloatingPointError, match=r"inf at step 3 \(epoch 1\).*learning_rate below 1e-30") as caught:
        network.fit(X, y, optimizer=optimizer, epochs=100, batch_size=16, shuffle=False, callbacks=[recorder])
    assert "\n" not in str(caught.value)
    assert recorder.calls == []
    assert optimizer.iterations == 2


@pytest.mark.parametrize("callbacks", [[], [Recorder()]])
def test_diverging_run_ends_within_the_epoch(callbacks):
    network, X, y = problem("no last activation", 64)
    with pytest.raises(FloatingPointError, match=r"step \d+"):
        network.fit(X, y, optimizer=bp.SGD(1e80), epochs=1000, batch_size=16, callbacks=callbacks)


def test_nan_in_the_weights_is_found_at_the_first_step():
    network, X, y = problem("softmax", 64)
    network.layers[0].weights[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"nan at step 1 \(epoch 1\)"):
        network.fit(X, y, optimizer="adam", epochs=2)


def test_last_step_that_breaks_the_weights_is_reported():
    network, X, y = problem("no last activation", 64, np.float32)
    with pytest.raises(FloatingPointError, match="last step, 1, left weights that are not finite"):
        network.fit(X, y, optimizer=bp.SGD(1e300), epochs=1)
