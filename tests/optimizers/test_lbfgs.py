"""L-BFGS: the optimum of a linear regression, the same path as SciPy called by hand, and what it refuses."""

import numpy as np
import pytest
from scipy.optimize import minimize

import backpass as bp
from tests.gradients import assert_close
from tests.networks import problem

# Near its minimum a loss of float64 numbers is flat: parameters 1e-8 away have the same one, and the search ends.
TOLERANCE = 1e-4


def regression(rows=60, **factors):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4)) * [1, 10, 0.1, 1] + [0, 3, 0, -1]
    y = X @ rng.normal(size=(4, 2)) + 0.5 * rng.normal(size=(rows, 2))
    network = bp.Network([bp.Dense(4, 2, dtype="float64", **factors)], bp.MeanSquaredError(), random_state=0)
    return network, X, y


def least_squares(X, y, weights=None):
    root = np.ones((len(X), 1)) if weights is None else np.sqrt(weights)[:, None]
    return np.linalg.lstsq(root * np.hstack([X, np.ones((len(X), 1))]), root * y, rcond=None)[0].ravel()


def test_reaches_the_least_squares_solution():
    network, X, y = regression()
    history = network.fit(X, y, optimizer=bp.LBFGS(tolerance=1e-12), epochs=200)
    assert_close(network.parameters, least_squares(X, y), TOLERANCE)
    assert 1 < history.epochs < 200  # it knows when it is there
    assert not history.stopped
    assert history.loss[-1] == pytest.approx(network.evaluate(X, y)["loss"], rel=1e-12)
    assert network.trained == (history.epochs, history.epochs)


def test_reaches_the_weighted_least_squares_solution():
    network, X, y = regression()
    weights = np.random.default_rng(1).random(60)
    network.fit(X, y, optimizer=bp.LBFGS(tolerance=1e-12), epochs=300, sample_weight=weights)
    assert_close(network.parameters, least_squares(X, y, weights), TOLERANCE)


def test_reaches_the_ridge_regression_and_the_history_holds_the_loss_alone():
    network, X, y = regression(weights_l2=0.1)
    history = network.fit(X, y, optimizer=bp.LBFGS(tolerance=1e-12), epochs=200)
    inputs = np.hstack([X, np.ones((60, 1))])
    ridge = 0.1 * 60 * np.diag([1.0, 1, 1, 1, 0])  # our mean is over N and the 2 outputs
    exact = np.linalg.solve(inputs.T @ inputs / 2 + ridge, inputs.T @ y / 2)
    assert_close(network.parameters, exact.ravel(), TOLERANCE)
    assert network.penalty() > 0
    assert history.loss[-1] == pytest.approx(network.evaluate(X, y)["loss"], rel=1e-12)


@pytest.mark.parametrize("name", ["softmax", "regression", "sigmoid"])
def test_takes_the_path_of_scipy_called_by_hand(name):
    network, X, y = problem(name, 70)
    plain, _, _ = problem(name, 70)
    path = []

    def objective(parameters):
        plain.parameters = parameters
        loss, gradient = plain.gradient(X, y)
        return loss, gradient.copy()

    options = {"maxiter": 30, "maxcor": 7, "gtol": 1e-7, "ftol": 0.0, "maxfun": 600}
    found = minimize(
        objective,
        plain.parameters.copy(),
        jac=True,
        method="L-BFGS-B",
        options=options,
        callback=lambda intermediate_result: path.append(float(intermediate_result.fun)),
    )
    history = network.fit(X, y, optimizer=bp.LBFGS(memory=7), epochs=30)
    np.testing.assert_allclose(history.loss, path, rtol=1e-9)
    assert_close(network.parameters, found.x, 1e-7, np.abs(found.x).max())
    assert history.loss[-1] < 0.5 * history.loss[0]


def test_callbacks_are_told_of_every_iteration_and_may_stop_it():
    class Listens:
        def __init__(self):
            self.epochs, self.losses, self.done = [], [], []

        def on_epoch_end(self, epoch, figures):
            self.epochs.append(epoch)
            self.losses.append((figures["loss"], network.evaluate(X, y)["loss"], figures["validation_loss"]))
            return epoch == 4

        def on_progress(self, done, epoch, epochs, loss):
            self.done.append((epoch, epochs))

    network, X, y = problem("softmax", 70)
    listens = Listens()
    history = network.fit(X, y, optimizer="lbfgs", epochs=50, callbacks=[listens], validation_data=(X, y))
    assert listens.epochs == [1, 2, 3, 4]
    assert history.stopped
    assert history.epochs == 4
    assert listens.done[-1] == (4, 50)
    for said, seen, validation in listens.losses:  # the network is where the figures were taken
        assert said == pytest.approx(seen, rel=1e-12)
        assert validation == seen
    assert network.evaluate(X, y)["loss"] == listens.losses[-1][1]


def test_float32_networks_come_near():
    network, X, y = problem("softmax", 70, np.float32)
    double, _, _ = problem("softmax", 70)
    losses = [each.fit(X, y, optimizer="lbfgs", epochs=15).loss[-1] for each in (network, double)]
    assert network.parameters.dtype == np.float32
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_a_network_with_own_parts_may_be_fitted_too():
    class Double:
        def forward(self, inputs):
            return 2 * inputs

        def backward(self, dvalues):
            return 2 * dvalues

    network, X, y = regression()
    own = bp.Network([network.layers[0], Double()], bp.MeanSquaredError())
    own.fit(X, y, optimizer=bp.LBFGS(tolerance=1e-12), epochs=200)
    np.testing.assert_allclose(own.parameters, least_squares(X, y) / 2, rtol=1e-6)


@pytest.mark.parametrize("part", [bp.Dropout(0.5), bp.BatchNorm(4, dtype="float64")], ids=repr)
def test_what_makes_the_loss_another_one_each_time_is_refused_in_one_line(part):
    _, X, y = regression()
    network = bp.Network([part, bp.Dense(4, 2, dtype="float64")], bp.MeanSquaredError())
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=r"^(Dropout|BatchNorm)\([^\n]*makes the loss another one[^\n]*LBFGS$"):
        network.fit(X, y, optimizer="lbfgs", epochs=3)
    assert np.array_equal(network.parameters, before)


def test_batches_and_wrong_arguments_are_refused_in_one_line():
    network, X, y = regression()
    with pytest.raises(ValueError, match=r"^batch_size is 20; LBFGS takes all 60 samples at once: leave it out$"):
        network.fit(X, y, optimizer="lbfgs", epochs=3, batch_size=20)
    network.fit(X, y, optimizer="lbfgs", epochs=1, batch_size=60)
    for options, error in [
        ({"memory": 0}, ValueError),
        ({"tolerance": -1}, ValueError),
        ({"evaluations": 0.5}, TypeError),
        ({"clip_norm": 1.0}, TypeError),
    ]:
        with pytest.raises(error, match=next(iter(options))) as caught:
            bp.LBFGS(**options)
        assert "\n" not in str(caught.value)


def test_weights_with_an_endless_loss_are_refused_in_one_line():
    network, X, y = regression()
    network.layers[0].weights *= 1e200
    with pytest.raises(FloatingPointError, match=r"^the loss is not finite at the weights that the fit begins with"):
        network.fit(X, y, optimizer="lbfgs", epochs=3)


def test_config_makes_it_anew():
    optimizer = bp.LBFGS(memory=3, tolerance=1e-3, evaluations=50)
    assert bp.LBFGS(**optimizer.config()).config() == optimizer.config()
    network, X, y = regression()
    count = 0
    gradient_of = network.gradient_of

    def counted(*arguments):
        nonlocal count
        count += 1
        return gradient_of(*arguments)

    network.gradient_of = counted
    network.fit(X, y, optimizer=bp.LBFGS(evaluations=5, tolerance=0), epochs=50)
    assert count <= 5 + 3  # one to look, and the end of the last line search


def test_an_interrupt_leaves_the_weights_of_the_last_iteration():
    network, X, y = problem("softmax", 70)
    evaluations, path, gradient_of = 0, [network.parameters.copy()], network.gradient_of

    class Watch:
        def on_epoch_end(self, epoch, figures):
            path.append(network.parameters.copy())

    def interrupted(*arguments):
        nonlocal evaluations
        evaluations += 1
        if evaluations == 13:
            raise KeyboardInterrupt
        return gradient_of(*arguments)

    network.gradient_of = interrupted
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, y, optimizer="lbfgs", epochs=50, callbacks=[Watch()])
    assert len(path) > 3
    assert np.array_equal(network.parameters, path[-1])


def test_the_history_says_why_the_fit_ended():
    network, X, y = regression()
    assert network.fit(X, y, optimizer="lbfgs", epochs=2).reason == "all epochs"
    assert "CONVERGENCE" in network.fit(X, y, optimizer="lbfgs", epochs=500).reason

    class Stops:
        def on_epoch_end(self, epoch, figures):
            return True

    assert network.fit(X, y, optimizer="sgd", epochs=5, callbacks=[Stops()]).reason == "a callback"
    assert network.fit(X, y, optimizer=bp.SGD(1e-9), epochs=5).reason == "all epochs"
