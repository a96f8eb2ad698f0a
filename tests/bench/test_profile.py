"""`backpass bench profile`: every call of a step is there, and takes time."""

import numpy as np
import pytest

from backpass.bench import profile
from backpass.bench.cases import CASES, Case


@pytest.fixture
def small(monkeypatch):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((400, 6)).astype(np.float32), rng.randint(0, 3, 400)
    monkeypatch.setattr(profile, "SECONDS", 1e-4)
    monkeypatch.setitem(CASES, "small", lambda: Case("small", (6, 301, 3), X, y, 200, clip_norm=1.0))


def test_a_profile_has_every_call_of_the_step(small, capsys):
    found = profile.main("small")
    named = {(part["name"], part["rows"], part["calls"]) for part in found["parts"]}
    of_a_block = ["dense_relu.forward", "dense.forward", "dense.backward"]
    assert {(name, 100, 2) for name in of_a_block} <= named
    assert {
        ("plan.add", 0, 1),
        ("optimizer.clip_norm", 0, 1),
        ("adam.step", 0, 1),
    } <= named
    assert len(found["parts"]) == 9
    assert all(part["microseconds"] > 0 for part in found["parts"])
    assert found["one"] > 0 < found["two"]
    assert "softmax_crossentropy.labels_forward" in capsys.readouterr().out


def test_partitions_that_are_added_up_in_slices_and_products_of_large_weights_are_there(small, monkeypatch):
    X, y = CASES["small"]().X, CASES["small"]().y
    monkeypatch.setitem(CASES, "sliced", lambda: Case("sliced", (6, 301, 3), X, y, 200))
    found = profile.main("sliced")
    assert {"plan.add", "adam.step"} <= {part["name"] for part in found["parts"]}
    wide = np.random.RandomState(0).standard_normal((64, 300)).astype(np.float32)
    monkeypatch.setitem(CASES, "large", lambda: Case("large", (300, 100, 3), wide, y[:64], 64))
    found = profile.main("large")
    assert {"large_weights.part", "large_weights.dweights"} <= {part["name"] for part in found["parts"]}


def test_an_unknown_case_is_named():
    with pytest.raises(ValueError, match=r"^case is 'spirl'; "):
        profile.main("spirl")
