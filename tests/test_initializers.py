"""What the initializers promise: their spread, and the same numbers from the same generator."""

import numpy as np
import pytest

from backpass.initializers import INITIALIZERS, SCALES

D, M = 300, 500
SPREADS = {
    "small_normal": 0.01,
    "he_normal": np.sqrt(2 / D),
    "he_uniform": np.sqrt(2 / D),
    "glorot_normal": np.sqrt(2 / (D + M)),
    "glorot_uniform": np.sqrt(2 / (D + M)),
    "lecun_normal": np.sqrt(1 / D),
    "lecun_uniform": np.sqrt(1 / D),
}
GENERATORS = pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])


@GENERATORS
@pytest.mark.parametrize("name", SPREADS)
def test_standard_deviation_is_the_papers(name, make):
    weights = INITIALIZERS[name](make(0), D, M)
    assert weights.shape == (D, M)
    assert weights.std() == pytest.approx(SPREADS[name], rel=0.01)  # 150000 numbers: a standard error of 0.2 %
    assert abs(weights.mean()) < 0.01 * SPREADS[name]


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("he_uniform", np.sqrt(6 / D)),
        ("glorot_uniform", np.sqrt(6 / (D + M))),
        ("lecun_uniform", np.sqrt(3 / D)),
    ],
)
def test_uniform_draws_fill_the_papers_interval(name, limit):
    weights = INITIALIZERS[name](np.random.RandomState(0), D, M)
    assert -limit <= weights.min() < -0.999 * limit
    assert 0.999 * limit < weights.max() <= limit
    assert abs(np.mean(np.abs(weights) < limit / 2) - 0.5) < 0.01  # flat, not heaped up in the middle


@pytest.mark.parametrize("name", SCALES)
def test_scales_lead_from_one_normal_draw_to_another(name):
    drawn = INITIALIZERS["glorot_normal"](np.random.RandomState(3), 7, 4)
    scaled = drawn * SCALES[name](7, 4) / SCALES["glorot_normal"](7, 4)
    np.testing.assert_allclose(scaled, INITIALIZERS[name](np.random.RandomState(3), 7, 4), rtol=1e-14)


@GENERATORS
@pytest.mark.parametrize(("rows", "columns"), [(7, 4), (4, 7), (5, 5), (1, 1), (1, 3), (3, 1)])
def test_orthogonal_has_orthonormal_columns_or_rows(make, rows, columns):
    weights = INITIALIZERS["orthogonal"](make(0), rows, columns)
    assert weights.shape == (rows, columns)
    assert weights.flags.c_contiguous
    product = weights.T @ weights if rows >= columns else weights @ weights.T
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-14)


def test_orthogonal_is_uniform_which_needs_the_signs():
    """Householder's Q alone has its first entry always below 0: for 1 x 1 that would be -1 every time."""
    generator = np.random.RandomState(0)
    first = np.array([INITIALIZERS["orthogonal"](generator, 3, 2)[0, 0] for _ in range(2000)])
    assert abs(first.mean()) < 0.05  # a standard error of 0.013
    assert first.var() == pytest.approx(1 / 3, abs=0.03)


def test_every_initializer_draws_a_fixed_number_from_either_kind_of_generator():
    for initializer in INITIALIZERS.values():
        for make in (np.random.RandomState, np.random.default_rng):
            assert np.array_equal(initializer(make(5), 4, 3), initializer(make(5), 4, 3))


def test_zeros_are_zeros():
    assert not INITIALIZERS["zeros"](np.random.RandomState(0), 4, 3).any()
