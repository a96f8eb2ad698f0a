"""Every optimizer: its kernel against the formula, the formulas against what the papers say."""

import inspect
import sys

import numpy as np
import pytest
from hypothesis import given

import backpass as bp
from backpass.optimizers import adam, sgd
from backpass.optimizers.optimizer import OPTIMIZERS
from tests.gradients import assert_close
from tests.parts import DTYPES, SEEDS, SIZES, TOLERANCE, ours

ALL_OPTIMIZERS = ours(OPTIMIZERS.values())
each_optimizer = pytest.mark.parametrize("part", ALL_OPTIMIZERS, ids=lambda part: part.__name__)


def settings_of(part, rng):
    """Random settings inside what the class allows."""
    names = [name for name in inspect.signature(part.__init__).parameters if name != "self"]
    return {name: 1e-3 if name == "epsilon" else float(rng.uniform(0.1, 0.9)) for name in names}


@each_optimizer
@given(P=SIZES, dtype=DTYPES, seed=SEEDS)
def test_kernels_compute_the_formula_for_several_steps(part, P, dtype, seed):
    rng = np.random.default_rng(seed)
    optimizer = part(**settings_of(part, rng))
    parameters = rng.normal(size=P).astype(dtype)
    optimizer.attach(optimizer, parameters)
    step = sys.modules[part.__module__].step
    values = {**optimizer.config(), "parameters": parameters.astype(np.float64)}
    values |= {name: np.zeros(P) for name in optimizer.state_names}
    terms = np.abs(values["parameters"])  # of parameters that come near 0: what they were made of
    for t in range(1, 6):
        gradients = rng.normal(size=P).astype(dtype)
        arrays = {"parameters": parameters, "gradients": gradients, "settings": optimizer.settings}
        arrays |= {"counters": np.array([t, 1, 0, 0])} | {name: getattr(optimizer, name) for name in part.state_names}
        part.kernel(*(arrays[name] for name in part.kernel.arguments))

        values |= {"gradients": gradients.astype(np.float64), "t": t}
        results = step(*(values[name] for name in inspect.signature(step).parameters))
        before = values["parameters"]
        values |= dict(zip(("parameters", *part.state_names), results, strict=True))
        terms = terms + np.abs(values["parameters"] - before) + np.abs(gradients)
        for name in ("parameters", *part.state_names):
            assert_close(arrays[name], values[name], TOLERANCE[np.dtype(dtype)], terms, f"{name} after step {t}")


def test_sgd_without_momentum_subtracts_the_gradient_times_the_rate():
    parameters, velocity = sgd.step(np.array([1.0, 2.0]), np.array([10.0, -10.0]), np.zeros(2), 0.1, 0.0)
    assert parameters.tolist() == [0, 3]
    assert velocity.tolist() == [-1, 1]


def test_momentum_adds_up_a_constant_gradient_as_a_geometric_series():
    parameters, velocity = np.zeros(1), np.zeros(1)
    for _ in range(20):
        parameters, velocity = sgd.step(parameters, np.ones(1), velocity, 0.1, 0.9)
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
