"""`backpass bench train`: every peer trains the same network, what is shown is what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from backpass.bench import train
from backpass.bench.cases import CASES, Case
from backpass.bench.floor import measure_floor, products
from backpass.bench.peers import PEERS

ROOT = Path(__file__).parents[2]


def small(classes=3):
    generator = np.random.RandomState(0)
    X = generator.standard_normal((60, 5)).astype(np.float32)
    return Case("small", (5, 8, classes), X, np.arange(60) % classes, batch=20, checked=30)


@pytest.mark.parametrize("peer", ["numpy", "sklearn"])  # the others are not among what tests install
def test_every_peer_has_the_same_loss_after_the_same_steps(peer):
    case = small()
    losses = []
    for name in ("backpass", peer):
        run, loss = PEERS[name](case, 1)
        before = loss()
        run(case.checked)
        losses.append(loss())
        assert losses[-1] < before
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_the_floor_has_all_products_of_a_step_but_the_first_layers_dinputs():
    assert len(products(small(), 20)) == 5
    found = measure_floor(small())
    ways = {name: value for name, value in found.items() if name not in ("microseconds", "gflops_of_a_core")}
    assert set(ways) == {"one thread", "split", "BLAS's own two"}
    assert found["microseconds"] == min(ways.values()) > 0
    assert found["gflops_of_a_core"] > 0


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_made_of_whole_batches_and_has_every_class(name):
    case = CASES[name]()
    assert case.X.dtype == np.float32
    assert case.X.shape == (len(case.y), case.sizes[0])
    assert len(case.X) % case.batch == 0
    assert set(case.y) == set(range(case.sizes[-1]))
    assert [weights.shape for weights in case.weights()] == list(zip(case.sizes[:-1], case.sizes[1:], strict=True))


@pytest.fixture
def measured(monkeypatch):
    """Runs without processes: the figures say which they are."""
    asked = []

    def one_run(case, peer, threads):
        asked.append((case, peer, threads))
        figures = {"microseconds": {"backpass": 10.0, "torch": 150.0, "floor": 5.0}.get(peer, 40.0) / threads}
        if peer == "floor":
            return figures | {"gflops_of_a_core": 100.0}
        return figures | {"loss": 0.5, "first_seconds": 0.1, "peak_mb": 90.0, "import_seconds": 0.2}

    monkeypatch.setattr(train, "one_run", one_run)
    return asked


def test_peers_are_measured_in_turn_and_each_is_taken_at_its_best(measured, capsys):
    results = train.main(["table", "spiral"], ["torch", "jax", "sklearn", "numpy"], 2, [1, 2])
    turn = [(peer, threads) for case, peer, threads in measured if case == "table"]
    assert turn[: len(turn) // 2] == turn[len(turn) // 2 :]
    assert "sklearn" not in [peer for peer, _ in turn]  # of two classes it makes another network
    best = train.best_of(results["cases"]["spiral"]["runs"])
    assert best == {"backpass": 5.0, "torch": 75.0, "jax": 20.0, "sklearn": 20.0, "numpy": 20.0, "floor": 2.5}
    out = capsys.readouterr().out
    assert "15.00x" in out
    assert max(map(len, out.splitlines())) <= 80
    results["machine"]["versions"] = {"torch": "2.13.0", "jax": "0.10.2", "scikit-learn": "1.9.1"}
    lines = train.as_markdown(json.loads(json.dumps(results))).splitlines()
    assert (
        lines[2] == "| table: 50-128-128-2, batch 256 | 5.0 | 75.0 (15.00x) | 20.0 (4.00x) | - | 20.0 (4.00x) | 2.00 |"
    )


def test_peers_that_skip_work_are_found(monkeypatch, measured):
    one_run = train.one_run
    monkeypatch.setattr(train, "one_run", lambda *which: one_run(*which) | ({"loss": 0.6} if which[1] == "jax" else {}))
    with pytest.raises(ValueError, match=r"^spiral: after 200 steps the losses differ by more than 0\.001: "):
        train.main(["spiral"], ["jax"], 1, [1])


def test_the_readmes_table_is_that_of_the_kept_results():
    results = json.loads((ROOT / "bench" / "results" / "train.json").read_text(encoding="utf-8"))
    assert train.as_markdown(results) in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "put what `backpass bench table bench/results/train.json` prints into the README"
    )
