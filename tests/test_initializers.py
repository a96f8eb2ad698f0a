"""What the initializers promise: their spread, and the same numbers from the same generator."""

import numpy as np
import pytest

from backpass.initializers import INITIALIZERS

D, M = 300, 500


@pytest.mark.parametrize(
    ("name", "spread"),
    [("small_normal", 0.01), ("he_normal", np.sqrt(2 / D)), ("glorot_normal", np.sqrt(2 / (D + M)))],
)
def test_standard_deviation_is_the_papers(name, spread):
    weights = INITIALIZERS[name](np.random.RandomState(0), D, M)
    assert weights.shape == (D, M)
    assert weights.std() == pytest.approx(spread, rel=0.01)  # 150000 numbers: a standard error of 0.2 %
    assert abs(weights.mean()) < 0.01 * spread


def test_every_initializer_draws_a_fixed_number_from_either_kind_of_generator():
    for initializer in INITIALIZERS.values():
        for make in (np.random.RandomState, np.random.default_rng):
            assert np.array_equal(initializer(make(5), 4, 3), initializer(make(5), 4, 3))


def test_zeros_are_zeros():
    assert not INITIALIZERS["zeros"](np.random.RandomState(0), 4, 3).any()
