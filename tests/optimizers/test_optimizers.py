"""Every optimizer: its kernel against the formula, the formulas against what the papers say."""

import inspect
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import backpass as bp
from backpass.optimizers import adam, lion, nadam, radam, sgd
from backpass.optimizers.optimizer import OPTIMIZERS
from tests.gradients import assert_close
from tests.networks import problem, textbook
from tests.optimizers.torch_figures import GOAL, MATRIX, START
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE, ours

ALL_OPTIMIZERS = [part for part in ours(OPTIMIZERS.values()) if hasattr(part, "kernel")]  # LBFGS is SciPy's
each_optimizer = pytest.mark.parametrize("part", ALL_OPTIMIZERS, ids=lambda part: part.__name__)


def settings_of(part, rng):
    """Random settings inside what the class allows."""
    given = inspect.signature(part.__init__).parameters.values()
    names = [each.name for each in given if each.name != "self" and each.kind is not each.VAR_KEYWORD]
    drawn = {name: 1e-3 if name == "epsilon" else float(rng.uniform(0.1, 0.9)) for name in names}
    return drawn | ({"nesterov": bool(rng.integers(2))} if "nesterov" in names else {})


def formula_step(optimizer, values):
    """`values` (parameters, gradients, t, state by name) after a step of the formula."""
    step = sys.modules[type(optimizer).__module__].step
    values = values | optimizer.config()
    results = step(*(values[name] for name in inspect.signature(step).parameters))
    return values | dict(zip(("parameters", *optimizer.state_names), results, strict=True))


def kernel_step(optimizer, parameters, gradients, t):
    arrays = {"parameters": parameters, "gradients": gradients, "settings": optimizer.settings}
    arrays |= {"counters": np.array([t, 1, 0, 0])} | {name: getattr(optimizer, name) for name in optimizer.state_names}
    optimizer.kernel(*(arrays[name] for name in optimizer.kernel.arguments))


@each_optimizer
@settings(max_examples=300)
@given(P=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula_for_many_steps(part, P, dtype, seed):
    rng = np.random.default_rng(seed)
    optimizer = part(**settings_of(part, rng))
    parameters = rng.normal(size=P).astype(dtype)
    optimizer.attach(optimizer, parameters)
    values = {"parameters": parameters.astype(np.float64), **{name: np.zeros(P) for name in optimizer.state_names}}
    terms = np.abs(values["parameters"])  # of parameters that come near 0: what they were made of
    for t in range(1, 13):  # RAdam divides by its second moment from the sixth step on
        gradients = rng.normal(size=P).astype(dtype)
        kernel_step(optimizer, parameters, gradients, t)
        before = values["parameters"]
        values = formula_step(optimizer, values | {"gradients": gradients.astype(np.float64), "t": t})
        terms = terms + np.abs(values["parameters"] - before) + np.abs(gradients)
        for name, actual in {"parameters": parameters, **vars(optimizer)}.items():
            if name in ("parameters", *part.state_names):
                assert_close(actual, values[name], TOLERANCE[np.dtype(dtype)], terms, f"{name} after step {t}")


FIGURES = json.loads(Path(__file__).with_name("torch_figures.json").read_text())["optimizers"]


@pytest.mark.parametrize("case", FIGURES, ids=lambda case: " ".join(map(str, (case["optimizer"], case["settings"]))))
def test_ten_steps_on_a_quadratic_are_those_of_pytorch(case):
    optimizer = getattr(bp, case["optimizer"])(**case["settings"])
    parameters = np.array(START)
    optimizer.attach(optimizer, parameters)
    for t, expected in enumerate(case["path"], start=1):
        kernel_step(optimizer, parameters, np.array(MATRIX) @ (parameters - GOAL), t)
        assert_close(parameters, np.array(expected), 1e-12, what=f"parameter after step {t}")


@each_optimizer
@pytest.mark.parametrize("seed", range(2))
def test_fit_makes_the_steps_of_the_formula(part, seed):
    network, X, y = problem("softmax", 70)
    plain, _, _ = problem("softmax", 70)
    optimizer = part(**settings_of(part, np.random.default_rng(seed)) | {"learning_rate": 0.01})
    network.fit(X, y, optimizer=optimizer, epochs=3, batch_size=16, shuffle=False)
    values, t = {name: np.zeros(plain.parameters.size) for name in part.state_names}, 0
    for _ in range(3):
        for start in range(0, 70, 16):
            t += 1
            gradients = textbook(plain, X[start : start + 16], y[start : start + 16])[1]
            values = formula_step(optimizer, values | {"parameters": plain.parameters, "gradients": gradients, "t": t})
            plain.parameters = values["parameters"]
    assert optimizer.iterations == t == 15
    assert_close(network.parameters, plain.parameters, 1e-9)


@each_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer_learns_xor(part, dtype):
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) - 0.5, [0, 1, 1, 0]
    layers = [bp.Dense(2, 8, dtype=dtype), bp.Tanh(), bp.Dense(8, 2, dtype=dtype), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    given = {bp.SGD: {"learning_rate": 0.3, "momentum": 0.9, "nesterov": True}, bp.Adagrad: {"learning_rate": 0.3}}
    network.fit(X, y, optimizer=part(**given.get(part, {"learning_rate": 0.02})), epochs=400)
    assert network.evaluate(X, y)["loss"] < 0.02


@each_optimizer
def test_nan_in_a_gradient_is_seen_in_the_parameter_and_in_no_other(part):
    optimizer, parameters = part(), np.ones(5)
    optimizer.attach(optimizer, parameters)
    kernel_step(optimizer, parameters, np.array([1.0, np.nan, -1.0, 0.0, 1e100]), 1)
    assert np.isnan(parameters).tolist() == [False, True, False, False, False]


@each_optimizer
def test_a_gradient_of_exactly_zero_moves_nothing(part):
    optimizer, parameters = part(**{"weight_decay": 0.0} if part in (bp.AdamW, bp.Lion) else {}), np.ones(3)
    optimizer.attach(optimizer, parameters)
    for t in range(1, 4):
        kernel_step(optimizer, parameters, np.zeros(3), t)
    assert parameters.tolist() == [1, 1, 1]


def test_sgd_without_momentum_subtracts_the_gradient_times_the_rate():
    parameters, velocity = sgd.step(np.array([1.0, 2.0]), np.array([10.0, -10.0]), np.zeros(2), 0.1, 0.0, False)
    assert parameters.tolist() == [0, 3]
    assert velocity.tolist() == [-1, 1]


def test_momentum_adds_up_a_constant_gradient_as_a_geometric_series():
    parameters, velocity = np.zeros(1), np.zeros(1)
    for _ in range(20):
        parameters, velocity = sgd.step(parameters, np.ones(1), velocity, 0.1, 0.9, False)
    assert velocity[0] == pytest.approx(-0.1 * (1 - 0.9**20) / (1 - 0.9), rel=1e-12)


def test_adam_moves_by_the_learning_rate_against_a_constant_gradient_of_any_size():
    """The bias corrections make both running means equal to the gradient and its square, from the first step on."""
    gradients = np.array([1e-4, -3.0, 1e5])
    parameters, first, second = np.zeros(3), np.zeros(3), np.zeros(3)
    for t in range(1, 8):
        parameters, first, second = adam.step(parameters, gradients, first, second, t, 0.01, 0.9, 0.999, 1e-12)
        np.testing.assert_allclose(parameters, -0.01 * t * np.sign(gradients), rtol=1e-6)


def test_adam_is_algorithm_1_of_the_paper():
    rng = np.random.default_rng(0)
    theta, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    parameters, first, second = np.ones(3), np.zeros(3), np.zeros(3)
    for t in range(1, 6):
        g = rng.normal(size=3)
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g * g
        theta = theta - 0.03 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        parameters, first, second = adam.step(parameters, g, first, second, t, 0.03, 0.8, 0.95, 1e-3)
        np.testing.assert_allclose(parameters, theta, rtol=1e-13)


def test_nesterov_looks_ahead_by_the_momentum_of_sutskevers_equations_3_and_4():
    """There the gradient is taken at theta + momentum * velocity; that point is what our parameters are."""
    momentum, rate, rng = 0.7, 0.05, np.random.default_rng(0)
    matrix = np.diag([1.0, 3.0, 9.0])
    theta, v = rng.normal(size=3), np.zeros(3)
    parameters, velocity = theta.copy(), np.zeros(3)
    for _ in range(10):
        v = momentum * v - rate * matrix @ (theta + momentum * v)
        theta = theta + v
        parameters, velocity = sgd.step(parameters, matrix @ parameters, velocity, rate, momentum, True)
        np.testing.assert_allclose(parameters, theta + momentum * v, rtol=1e-12)


def test_momentum_share_of_nadam_is_what_the_product_of_all_momenta_leaves():
    state, product = [np.ones(2), np.zeros(2), np.zeros(2), np.zeros(2)], 1.0
    for t in range(1, 30):
        parameters, *moments = state
        state = list(nadam.step(parameters, np.ones(2), *moments, t, 0.1, 0.9, 0.99, 1e-8, 0.1))
        product *= nadam.momentum(t, 0.9, 0.1)
        np.testing.assert_allclose(state[3], 1 - product, rtol=1e-13)


def test_radam_begins_to_rectify_when_its_average_is_longer_than_5():
    """With beta_2 = 0.999 at the sixth step, as in the paper's figure; in the end the factor is 1."""
    assert [radam.rectification(t, 0.999) > 0 for t in range(1, 9)] == [False] * 5 + [True] * 3
    assert radam.rectification(100_000, 0.999) == pytest.approx(1, rel=1e-12)


def test_lion_is_program_1_of_the_paper():
    def interpolate(x, y, a):
        return (1 - a) * x + a * y

    rng = np.random.default_rng(0)
    weight, momentum = np.ones(3), np.zeros(3)
    parameters, first = np.ones(3), np.zeros(3)
    for _ in range(8):
        g = rng.normal(size=3)
        update = np.sign(interpolate(g, momentum, 0.9))
        momentum = interpolate(g, momentum, 0.99)
        weight = weight - (update + weight * 0.1) * 0.03
        parameters, first = lion.step(parameters, g, first, 0.03, 0.9, 0.99, 0.1)
        np.testing.assert_allclose(parameters, weight, rtol=1e-13)


def test_weight_decay_shrinks_by_the_learning_rate_times_the_decay_and_nothing_else():
    for part in (bp.AdamW, bp.Lion):
        optimizer, parameters = part(learning_rate=0.1, weight_decay=0.5), np.array([2.0, -4.0])
        optimizer.attach(optimizer, parameters)
        kernel_step(optimizer, parameters, np.zeros(2), 1)
        np.testing.assert_allclose(parameters, [1.9, -3.8], rtol=1e-15)


def test_nesterov_is_a_bool_outside_and_needs_momentum():
    optimizer = bp.SGD(0.1, 0.9, nesterov=True)
    assert optimizer.config() == {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
    assert optimizer.config()["nesterov"] is True
    assert repr(optimizer) == "SGD(learning_rate=0.1, momentum=0.9, nesterov=True)"
    for wrong in (lambda: bp.SGD(nesterov=True), lambda: setattr(optimizer, "momentum", 0)):
        with pytest.raises(ValueError, match="nesterov is True, but momentum is 0; pass a momentum"):
            wrong()
    optimizer.nesterov = False
    assert repr(optimizer) == "SGD(learning_rate=0.1, momentum=0.9, nesterov=False)"
    with pytest.raises(TypeError, match="nesterov is 1; pass True or False"):
        optimizer.nesterov = 1


@pytest.mark.parametrize(
    ("part", "arguments", "error"),
    [
        (bp.SGD, {"learning_rate": 0}, ValueError),
        (bp.SGD, {"learning_rate": -0.1}, ValueError),
        (bp.SGD, {"learning_rate": np.nan}, ValueError),
        (bp.SGD, {"learning_rate": np.inf}, ValueError),
        (bp.SGD, {"learning_rate": "0.1"}, TypeError),
        (bp.SGD, {"learning_rate": None}, TypeError),
        (bp.SGD, {"learning_rate": True}, TypeError),
        (bp.SGD, {"momentum": 1}, ValueError),
        (bp.SGD, {"momentum": -0.5}, ValueError),
        (bp.Adam, {"learning_rate": -1e-3}, ValueError),
        (bp.Adam, {"beta_1": 1.0}, ValueError),
        (bp.Adam, {"beta_2": -0.1}, ValueError),
        (bp.Adam, {"epsilon": 0}, ValueError),
        (bp.Adam, {"epsilon": 1j}, TypeError),
        *((part, {"learning_rate": 0}, ValueError) for part in ALL_OPTIMIZERS),
        (bp.Adagrad, {"epsilon": 0}, ValueError),
        (bp.RMSprop, {"rho": 1}, ValueError),
        (bp.RMSprop, {"epsilon": None}, TypeError),
        (bp.AdamW, {"weight_decay": -0.1}, ValueError),
        (bp.NAdam, {"momentum_decay": -0.1}, ValueError),
        (bp.RAdam, {"beta_2": 1}, ValueError),
        (bp.Lion, {"beta_1": 1.5}, ValueError),
        (bp.Lion, {"weight_decay": "0"}, TypeError),
    ],
)
def test_wrong_settings_are_refused_by_name_also_when_assigned_later(part, arguments, error):
    ((name, value),) = arguments.items()
    with pytest.raises(error, match=name) as caught:
        part(**arguments)
    assert "\n" not in str(caught.value)
    assert str(value) in str(caught.value)
    optimizer = part()
    before = optimizer.settings.copy()
    with pytest.raises(error, match=name):
        setattr(optimizer, name, value)
    assert np.array_equal(optimizer.settings, before)


@each_optimizer
def test_an_assigned_setting_is_what_the_kernel_reads(part):
    optimizer = part()
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate == 0.25
    assert optimizer.config()["learning_rate"] == 0.25
    assert 0.25 in optimizer.settings


@each_optimizer
def test_config_makes_the_optimizer_anew(part):
    optimizer = part(**settings_of(part, np.random.default_rng(0)))
    assert part(**optimizer.config()).config() == optimizer.config()
    assert repr(optimizer).startswith(f"{part.__name__}(learning_rate=")
