"""What is particular to each loss: kinks, ends, targets, last layers, and a problem that only its gradient solves."""

import copy
import pickle

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn._loss import HalfGammaLoss

import backpass as bp
from tests.gradients import assert_close
from tests.networks import textbook
from tests.parts import ALL_FUSIONS, ALL_LOSSES, kinds_of_targets, made_loss

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# ------------------------------------------------------------------------------------------------------------- kinks


@DTYPES
def test_gradient_of_absolute_error_is_zero_where_the_target_is_met(dtype):
    y_pred = np.array([[2.0], [2.5], [1.5], [-0.0]], dtype)
    assert bp.MeanAbsoluteError().backward(y_pred, [2, 2, 2, 0]).tolist() == [[0], [0.25], [-0.25], [0]]


@DTYPES
def test_both_halves_of_huber_meet_at_delta(dtype):
    loss = bp.Huber(delta=2.0)
    ends = np.array([[2.0], [-2.0]], dtype)
    assert loss.forward(ends, [0, 0]).tolist() == [2, 2]  # 2 ** 2 / 2 = 2 * (2 - 2 / 2)
    assert (2 * loss.backward(ends, [0, 0])).tolist() == [[2], [-2]]
    around = np.nextafter(ends, dtype(0)), np.nextafter(ends, ends * 2)
    for beside in around:
        np.testing.assert_allclose(loss.forward(beside, [0, 0]), 2, rtol=1e-6)
        np.testing.assert_allclose(2 * loss.backward(beside, [0, 0]), ends, rtol=1e-6)
    assert (2 * loss.backward(around[1], [0, 0])).tolist() == [[2], [-2]]
    assert loss.forward(np.array([[10.0]], dtype), [0]).tolist() == [18]  # 2 * (10 - 2 / 2)


@DTYPES
def test_gradient_of_pinball_is_zero_where_the_target_is_met(dtype):
    y_pred = np.array([[2.0], [3.0], [1.0]], dtype)
    dinputs = 3 * bp.Pinball(0.75).backward(y_pred, [2, 2, 2])
    np.testing.assert_allclose(dinputs, [[0], [0.25], [-0.75]], rtol=1e-6)
    assert dinputs[0, 0] == 0
    assert bp.Pinball([0.25, 0.75]).backward(np.array([[2.0, 2.0]], dtype), [2]).tolist() == [[0, 0]]


@DTYPES
def test_hinge_stops_pulling_at_a_margin_of_exactly_one(dtype):
    loss, one = bp.Hinge(), dtype(1)
    y_pred = np.array([[1.0], [np.nextafter(one, 0 * one)], [-1.0], [5.0], [-5.0]], dtype)
    assert (5 * loss.backward(y_pred, [1, 1, -1, 1, 1])).tolist() == [[0], [-1], [0], [0], [-1]]
    assert loss.forward(y_pred, [1, 1, -1, 1, 1]).tolist() == [0, float(one - y_pred[1, 0]), 0, 0, 6]


@DTYPES
@pytest.mark.parametrize("difference", [1e-9, -1e-9, 1e-6, 1e-3, 0.5, 0.99999, 1.0, -1.00001, 3.0, 40.0, 1e4, -1e4])
def test_log_cosh_is_right_to_1e_6_near_zero_and_far_away(difference, dtype):
    difference = dtype(difference)
    with mpmath.workprec(400):
        exact = float(mpmath.log(mpmath.cosh(mpmath.mpf(float(difference)))))
        slope = float(mpmath.tanh(mpmath.mpf(float(difference))))
    loss, at = bp.LogCosh(), np.array([[difference]], dtype)
    assert loss.forward(at, [0])[0] == pytest.approx(exact, rel=1e-6, abs=0)
    assert loss.backward(at, [0])[0, 0] == pytest.approx(slope, rel=1e-6, abs=0)
    if abs(difference) <= 1e-6:
        assert loss.forward(at, [0])[0] == pytest.approx(float(difference) ** 2 / 2, rel=1e-6, abs=0)


def test_log_cosh_survives_the_largest_differences():
    loss = bp.LogCosh()
    assert loss.forward([[1e300], [-1e300]], [0, 0]).tolist() == [1e300, 1e300]
    assert loss.backward([[1e300], [-1e300]], [0, 0]).tolist() == [[0.5], [-0.5]]


def exact_losses(difference, q, delta):
    """Losses of one number by their names, in mpmath."""
    size = abs(difference)
    return {
        "MeanAbsoluteError": size,
        "Huber": size**2 / 2 if size <= delta else delta * (size - delta / 2),
        "Pinball": (1 - q) * difference if difference > 0 else -q * difference,
    }


@DTYPES
def test_numbers_up_to_1e4_are_right_to_1e_6(dtype):
    rng = np.random.default_rng(0)
    y_pred = (rng.choice([-1e4, 0, 1e4], (60, 1)) + rng.choice([0, 0.5, -0.25], (60, 1))).astype(dtype)
    y_true = rng.choice([-1e4, 0, 1, 1e4], (60, 1)).astype(dtype)
    losses = {"MeanAbsoluteError": bp.MeanAbsoluteError(), "Huber": bp.Huber(3.0), "Pinball": bp.Pinball(0.875)}
    for name, loss in losses.items():
        got = loss.forward(y_pred, y_true)
        for n in range(60):
            exact = exact_losses(mpmath.mpf(float(y_pred[n, 0])) - mpmath.mpf(float(y_true[n, 0])), 0.875, 3)[name]
            assert got[n] == pytest.approx(float(exact), rel=1e-6, abs=0)
        assert np.isfinite(loss.backward(y_pred, y_true)).all()


@DTYPES
def test_nan_in_a_prediction_is_seen_in_the_loss(dtype):
    for part in ALL_LOSSES:
        y_pred = np.full((2, 3), 0.25, dtype)
        y_pred[1, 1] = np.nan
        y_true = [0.25, 0.25] if part is bp.Pinball else np.eye(3)[[0, 1]] + (part is bp.Gamma)
        losses = (bp.Pinball([0.1, 0.2, 0.3]) if part is bp.Pinball else part()).forward(y_pred, y_true)
        assert np.isfinite(losses[0]), part
        assert np.isnan(losses[1]), part


@DTYPES
def test_nan_in_a_prediction_is_seen_in_the_gradient_of_a_regression(dtype):
    for loss in (bp.MeanAbsoluteError(), bp.Huber(), bp.LogCosh(), bp.Pinball(0.3)):
        dinputs = loss.backward(np.array([[np.nan, 1.0]], dtype), [[0, 0]])
        assert np.isnan(dinputs).tolist() == [[True, False]], loss


# ---------------------------------------------------------------------------------------------- targets and last layers


def test_a_rate_of_0_is_right_about_a_count_of_0_and_impossible_for_any_other():
    loss = bp.Poisson()
    assert loss.forward([[0.0], [0.0]], [0, 1]).tolist() == [0, np.inf]
    assert loss.backward([[0.0], [0.0]], [0, 1]).tolist() == [[0.5], [-np.inf]]


def test_a_mean_of_0_costs_infinitely_much_and_the_best_one_is_the_amount():
    loss = bp.Gamma()
    assert loss.forward([[0.0], [2.0]], [1, 2]).tolist() == [np.inf, 1 + np.log(2)]
    assert loss.backward([[0.0], [2.0]], [1, 2]).tolist() == [[-np.inf], [0]]


@DTYPES
def test_gamma_is_half_the_deviance_of_scikit_learn(dtype):
    """Whose loss takes log means."""
    rng = np.random.default_rng(0)
    log_means, amounts = rng.uniform(-20, 20, (300, 1)).astype(dtype), rng.gamma(0.5, 2.0, 300).astype(dtype)
    means = np.exp(log_means.astype(np.float64))
    losses, slopes = HalfGammaLoss().loss_gradient(amounts.astype(np.float64), log_means[:, 0].astype(np.float64))
    step, loss, rtol = bp.ExponentialGamma(), bp.Gamma(), {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    terms = amounts / means[:, 0] + np.abs(log_means[:, 0])
    assert_close(step.sample_losses(log_means, amounts), losses, rtol, terms)
    assert_close(300 * step.backward(step.output, amounts)[:, 0], slopes, rtol, 1 + amounts / means[:, 0])
    assert_close(loss.forward(means, amounts), losses, 1e-13, terms)
    assert_close(300 * (loss.backward(means, amounts) * means)[:, 0], slopes, 1e-13, 1 + amounts / means[:, 0])


@pytest.mark.parametrize("loss", [bp.Gamma(), bp.ExponentialGamma()], ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("wrong", [0.0, -1.0])
def test_amounts_that_are_not_above_0_are_refused(loss, wrong):
    with pytest.raises(ValueError, match=rf"^y_true holds {wrong} in row 1; amounts are above 0$"):
        loss.forward([[1.0, 1.0], [1.0, 1.0]], [[2, 3], [2, wrong]])


@pytest.mark.parametrize("loss", [bp.Poisson(), bp.ExponentialPoisson()], ids=lambda loss: type(loss).__name__)
def test_counts_below_0_are_refused(loss):
    with pytest.raises(ValueError, match=r"y_true holds -1.0 in row 1; counts are 0 or more"):
        loss.forward([[1.0], [1.0]], [2, -1])


@pytest.mark.parametrize(("loss", "what"), [(bp.Poisson(), "rates"), (bp.Gamma(), "means")])
def test_poisson_and_gamma_need_a_last_layer_that_gives_positive_numbers(loss, what):
    said = rf"^{type(loss).__name__} needs {what}.*end with Exponential\(\).*log {what}$"
    for layer in (bp.Dense(2, 1), bp.Linear(), bp.ReLU()):
        with pytest.raises(ValueError, match=said):
            loss.check_last_layer(layer, 1)
    loss.check_last_layer(bp.Exponential(), 1)
    loss.check_last_layer(bp.Softplus(), 1)


def test_hinge_takes_0_and_1_as_minus_1_and_plus_1():
    loss, y_pred = bp.Hinge(), np.array([[0.5, -3.0], [2.0, 0.25]])
    halves = [[0, 1], [1, 0]]
    assert loss.targets(halves, 2, np.float32).tolist() == [[-1, 1], [1, -1]]
    assert loss.targets(halves, 2, np.float32).dtype == np.float32
    for y_true in (np.array(halves) * 2 - 1, np.array(halves, bool)):
        assert np.array_equal(loss.forward(y_pred, y_true), loss.forward(y_pred, halves))
        assert np.array_equal(loss.backward(y_pred, y_true), loss.backward(y_pred, halves))
    assert loss.forward(y_pred, halves).tolist() == [(1.5 + 4) / 2, 1.25 / 2]


@pytest.mark.parametrize("wrong", [0.5, 2, -0.1])
def test_hinge_refuses_targets_that_are_neither_yes_nor_no(wrong):
    with pytest.raises(ValueError, match=rf"^y_true holds {wrong:.1f} in row 1; pass 0 and 1, or -1 and 1$"):
        bp.Hinge().forward([[1.0], [1.0]], [1, wrong])


def test_hinge_refuses_a_last_layer_of_probabilities_and_says_that_its_outputs_are_none():
    for layer in (bp.Sigmoid(), bp.Softmax()):
        with pytest.raises(
            ValueError, match=r"^Hinge takes scores.*gives probabilities; end with Dense.*cross-entropy$"
        ):
            bp.Network([bp.Dense(2, 2), layer], bp.Hinge())
    assert (bp.Hinge.classifies, bp.Hinge.probabilistic, bp.Hinge.threshold) == (True, False, 0)


def test_several_quantiles_share_one_target():
    loss, y_pred = bp.Pinball([0.1, 0.5, 0.9]), np.array([[0.0, 1.0, 4.0], [2.0, 2.0, 2.0]])
    expected = [(0.1 + 0 + 0.1 * 3) / 3, (0.9 + 0.5 + 0.1) / 3]
    for y_true in ([1, 1], [[1], [1]]):
        np.testing.assert_allclose(loss.forward(y_pred, y_true), expected, rtol=1e-12)
        assert loss.targets(y_true, 3, np.float64).tolist() == [[1, 1, 1], [1, 1, 1]]
        assert loss.targets(y_true, 3, np.float64).flags.c_contiguous


def test_one_quantile_takes_targets_as_wide_as_the_outputs():
    y_pred, y_true = np.array([[0.0, 5.0]]), np.array([[1.0, 3.0]])
    for loss in (bp.Pinball(0.9), bp.Pinball([0.9])):
        np.testing.assert_allclose(loss.forward(y_pred, y_true), [(0.9 + 0.1 * 2) / 2], rtol=1e-12)
        assert loss.config() == {"quantiles": 0.9}


def test_pinball_of_a_half_is_half_the_absolute_error():
    rng = np.random.default_rng(0)
    y_pred, y_true = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    half, whole = bp.Pinball(), bp.MeanAbsoluteError()
    np.testing.assert_allclose(2 * half.forward(y_pred, y_true), whole.forward(y_pred, y_true), rtol=1e-12)
    np.testing.assert_allclose(2 * half.backward(y_pred, y_true), whole.backward(y_pred, y_true), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Huber(0), ValueError, "delta is 0; it must be above 0"),
        (lambda: bp.Huber(float("inf")), ValueError, "delta is inf; it must be above 0"),
        (lambda: bp.Huber("1"), TypeError, "delta is '1'; pass a number"),
        (lambda: bp.Pinball(1), ValueError, "quantiles is 1; it must be above 0 and below 1"),
        (lambda: bp.Pinball([0.5, 0.0]), ValueError, "quantiles is 0.0; it must be above 0 and below 1"),
        (lambda: bp.Pinball(["a"]), TypeError, "quantiles is 'a'; pass a number"),
        (lambda: bp.Pinball([[0.5]]), TypeError, "quantiles is [0.5]; pass a number"),
        (lambda: bp.Pinball([]), ValueError, "quantiles is empty; pass numbers between 0 and 1, such as"),
        (
            lambda: bp.Network([bp.Dense(2, 3)], bp.Pinball([0.1, 0.9])),
            ValueError,
            "Pinball has 2 quantiles, but there are 3 outputs; end with a Dense of 2 neurons",
        ),
        (lambda: bp.Pinball([0.1, 0.9]).forward(np.ones((2, 3)), [1, 1]), ValueError, "2 quantiles, but there are 3"),
        (
            lambda: bp.Pinball([0.1, 0.9]).forward(np.ones((2, 2)), np.ones((2, 3))),
            ValueError,
            "y_true has shape (2, 3); (N, 1) is expected",
        ),
        (lambda: bp.Huber().forward([[1.0]], [[np.nan]]), ValueError, "y_true holds nan in row 0"),
        (lambda: bp.LogCosh().forward([[1.0]], [["x"]]), TypeError, "y_true holds strings"),
        (lambda: bp.Hinge().forward([[1.0]], [[np.inf]]), ValueError, "y_true holds inf in row 0"),
    ],
)
def test_wrong_arguments_and_targets_are_refused_in_one_line(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_quantiles_may_be_an_array():
    assert bp.Pinball(np.array([0.25, 0.5])).config() == {"quantiles": [0.25, 0.5]}
    assert bp.Pinball(np.float64(0.25)).config() == bp.Pinball(np.array(0.25)).config() == {"quantiles": 0.25}


@pytest.mark.parametrize(
    "loss", [bp.Huber(0.3), bp.Pinball(0.9), bp.Pinball([0.1, 0.9])], ids=lambda x: str(x.config())
)
def test_arguments_survive_files_pickles_and_copies(loss, tmp_path):
    network = bp.Network([bp.Dense(3, 2)], loss, random_state=0)
    network.save(tmp_path / "model")
    y_pred, y_true = np.array([[1.0, -2.0]]), [0.5] if loss.settings.size == 2 else [[0.5, 3.0]]
    for other in (bp.Network.load(tmp_path / "model").loss, pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert other.config() == loss.config()
        assert other.calculate(y_pred, y_true) == loss.calculate(y_pred, y_true)


# ---------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("part", [*ALL_LOSSES, *ALL_FUSIONS], ids=lambda part: part.__name__)
def test_the_engine_computes_the_loss_and_gradient_of_the_textbook_walk(part):
    """And both what central differences of the loss say."""
    C = 3
    ends = {"BinaryCrossentropy": bp.Sigmoid, "CategoricalCrossentropy": bp.Softmax}
    ends |= {"Poisson": bp.Exponential, "Gamma": bp.Exponential}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        loss = made_loss(part, rng, C)
        layers = [bp.Dense(4, 5, dtype="float64"), bp.Tanh(), bp.Dense(5, C, dtype="float64")]
        end = [ends[part.__name__]()] if part.__name__ in ends else []
        network = bp.Network([*layers, *end], loss, random_state=seed)
        X = rng.normal(size=(7, 4))
        for _, y in kinds_of_targets(loss, rng, 7, C):
            mean, gradient = network.gradient(X, y)
            expected = textbook(network, X, y)
            assert mean == pytest.approx(expected[0], rel=1e-12)
            assert_close(gradient, expected[1], 1e-12, np.full(gradient.shape, np.abs(gradient).max()), "gradient")
            for index in range(0, gradient.size, 5):
                start, means = network.parameters[index], []
                for step in (1e-6, -1e-6):
                    network.parameters[index] = start + step
                    means.append(network.evaluate(X, y)["loss"])
                network.parameters[index] = start
                assert gradient[index] == pytest.approx((means[0] - means[1]) / 2e-6, rel=1e-5, abs=1e-8)


def fitted_constants(loss, y, outputs=1, learning_rate=0.1, epochs=3000, dtype="float64"):
    """What a network says that sees nothing: its biases, which are the best constants."""
    network = bp.Network([bp.Dense(1, outputs, dtype=dtype)], loss, random_state=0)
    network.fit(np.zeros((len(y), 1)), y, optimizer=bp.SGD(learning_rate=learning_rate), epochs=epochs)
    return network.layers[0].biases[0]


def skewed(samples=1001):
    """Many small numbers and some outliers, so that mean, median and what lies between are far apart."""
    y = np.random.default_rng(0).exponential(size=samples)
    y[:20] = 100
    return y


def test_absolute_error_fits_the_median_and_not_the_mean():
    y = skewed()
    assert np.mean(y) > np.median(y) + 2
    assert fitted_constants(bp.MeanAbsoluteError(), y) == pytest.approx(np.median(y), abs=2e-3)


def test_pinball_fits_the_quantiles_several_at_once():
    y, quantiles = skewed(), [0.1, 0.5, 0.75, 0.9]
    expected = np.quantile(y, quantiles)
    np.testing.assert_allclose(fitted_constants(bp.Pinball(quantiles), y, outputs=4), expected, atol=5e-3)
    np.testing.assert_allclose(fitted_constants(bp.Pinball(0.9), y), expected[3:], atol=5e-3)


@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (bp.Huber(1.0), lambda d: np.clip(d, -1, 1)),
        (bp.Huber(0.3), lambda d: np.clip(d, -0.3, 0.3)),
        (bp.LogCosh(), np.tanh),
        (bp.MeanSquaredError(), lambda d: d),
    ],
    ids=["Huber(1)", "Huber(0.3)", "LogCosh", "MeanSquaredError"],
)
def test_a_smooth_loss_fits_the_constant_at_which_its_slopes_add_up_to_nothing(loss, slope):
    y = skewed()
    expected = brentq(lambda constant: np.sum(slope(constant - y)), 0, 100, xtol=1e-14)
    assert fitted_constants(loss, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("draw", ["poisson", "gamma"])
def test_poisson_and_gamma_fit_the_means_of_the_groups(draw):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 300)
    y = getattr(rng, draw)(np.array([0.3, 2.0, 9.0])[groups])
    means = [y[groups == group].mean() for group in range(3)]
    pair, step = {"poisson": (bp.Poisson, bp.ExponentialPoisson), "gamma": (bp.Gamma, bp.ExponentialGamma)}[draw]
    for layers, loss in [([bp.Exponential()], pair()), ([], step())]:
        network = bp.Network([bp.Dense(3, 1, dtype="float64"), *layers], loss, random_state=0)
        network.fit(np.eye(3)[groups], y, optimizer=bp.SGD(learning_rate=0.2), epochs=3000)
        np.testing.assert_allclose(network.predict(np.eye(3)), means, rtol=1e-9)


@pytest.mark.parametrize(("loss", "y"), [(bp.Poisson(), [0.0, 1.0, 5.0, 2.0]), (bp.Gamma(), [0.5, 1.0, 4.5, 2.0])])
def test_poisson_and_gamma_without_their_fusions_fit_the_same(monkeypatch, loss, y):
    monkeypatch.setattr("backpass.network.FUSIONS", {})
    network = bp.Network([bp.Dense(1, 1, dtype="float64"), bp.Exponential()], loss, random_state=0)
    network.fit(np.zeros((4, 1)), y, optimizer=bp.SGD(learning_rate=0.1), epochs=1000)
    assert network.predict([[0.0]]) == pytest.approx(2.0, rel=1e-9)


def test_linear_and_squared_error_fit_the_least_squares_line():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = X @ [[1.0, -2.0], [0.5, 3.0]] + rng.normal(size=(50, 2)) + 4
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(50)]), y, rcond=None)[0]
    for layers, loss in [([bp.Linear()], bp.MeanSquaredError()), ([], bp.LinearSquaredError())]:
        network = bp.Network([bp.Dense(2, 2, dtype="float64"), *layers], loss, random_state=0)
        network.fit(X, y, optimizer=bp.SGD(learning_rate=0.5), epochs=500)
        np.testing.assert_allclose(network.layers[0].weights, solution[:2], rtol=1e-9)
        np.testing.assert_allclose(network.layers[0].biases[0], solution[2], rtol=1e-9)


@pytest.mark.parametrize("no", [0, -1])
def test_hinge_separates_classes_by_a_margin_of_one(no):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    X = X[np.abs(X @ [1, 1]) > 0.3]
    yes = X @ [1, 1] > 0
    network = bp.Network([bp.Dense(2, 1)], bp.Hinge(), random_state=0)
    network.fit(X, np.where(yes, 1, no), optimizer=bp.SGD(learning_rate=0.5), epochs=5000)
    margins = np.where(yes, 1, -1) * network.forward(X)[:, 0]
    assert margins.min() > 0.99
    figures = network.evaluate(X, np.where(yes, 1, no))
    assert figures["accuracy"] == 1
    assert figures["loss"] < 1e-3
    assert np.array_equal(network.predict(X), yes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_train_in_shuffled_batches_with_weights(dtype):
    """Targets that a loss turns or spreads are gathered by the engine as any others are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    line = X @ [1.0, -2.0]
    for loss, y, expected in [
        (bp.Pinball([0.2, 0.8]), line, np.column_stack([line, line])),
        (bp.Pinball(0.2), line, line),
        (bp.Huber(), line, line),
        (bp.LogCosh(), line, line),
        (bp.MeanAbsoluteError(), line, line),
        (bp.ExponentialPoisson(), np.exp(line / 2), np.exp(line / 2)),
        (bp.ExponentialGamma(), np.exp(line / 2), np.exp(line / 2)),
        (bp.Hinge(), line > 0, line > 0),
    ]:
        network = bp.Network([bp.Dense(2, 2 if expected.ndim == 2 else 1, dtype=dtype)], loss, random_state=0)
        network.fit(X, y, batch_size=32, epochs=100, sample_weight=rng.random(300) + 0.5, optimizer=bp.Adam(0.02))
        if loss.classifies:
            assert network.evaluate(X, y)["accuracy"] > 0.98
        else:
            np.testing.assert_allclose(network.predict(X), expected, rtol=0.1, atol=0.15)
