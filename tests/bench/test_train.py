"""`backpass bench train`: every peer trains the same network, what is shown is what was measured."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from backpass.bench import results, step_table, train
from backpass.bench.cases import CASES
from backpass.bench.peers import PEERS
from backpass.cli import bench as commands

ROOT = Path(__file__).parents[2]
DEFAULT_PEERS = ["torch", "torch_compiled", "jax", "sklearn", "numpy"]


def test_by_default_all_cases_and_the_peers_that_are_fast_enough_are_run():
    defaults = {name: each.default for name, each in inspect.signature(commands.train).parameters.items()}
    assert defaults["cases"].default.split(",") == list(CASES)
    assert defaults["peers"].default.split(",") == DEFAULT_PEERS
    assert set(PEERS) - set(DEFAULT_PEERS) == {"backpass", "tinygrad"}


@pytest.fixture
def measured(monkeypatch):
    """Runs without processes: the figures say which they are."""
    asked = []

    def one_run(case, peer, threads):
        asked.append((case, peer, threads))
        figures = {"microseconds": {"backpass": 10.0, "torch": 150.0, "floor": 5.0}.get(peer, 40.0) / threads}
        if peer == "floor":
            return figures | {"gflops_of_a_core": 100.0, "gflops_of_two_cores": 190.0}
        return figures | {"loss": 0.5, "first_seconds": 0.1, "peak_mb": 90.0, "import_seconds": 0.2}

    monkeypatch.setattr(train, "one_run", one_run)
    monkeypatch.setattr(train, "find_spec", lambda package: package)
    return asked


def test_peers_are_measured_in_turn_and_each_is_taken_at_its_best(measured, capsys):
    found = train.main(["table", "spiral"], DEFAULT_PEERS, 2, [1, 2])
    turn = [(peer, threads) for case, peer, threads in measured if case == "table"]
    assert turn[: len(turn) // 2] == turn[len(turn) // 2 :]
    assert "sklearn" not in [peer for peer, _ in turn]  # of two classes it makes another network
    others = {"torch_compiled": 20.0, "jax": 20.0, "sklearn": 20.0, "numpy": 20.0}
    best = step_table.best_of(found["cases"]["spiral"]["runs"])
    assert best == {"backpass": 5.0, "torch": 75.0, **others, "floor": 2.5}
    out = capsys.readouterr().out
    assert "15.00x" in out
    assert "a core reaches 100 GFLOPS, two reach 190" in out
    found["machine"]["versions"] = {"torch": "2.13.0", "jax": "0.10.2", "scikit-learn": "1.9.1"}
    lines = step_table.as_markdown(json.loads(json.dumps(found))).splitlines()
    assert lines[0].startswith("| us a step | backpass | PyTorch 2.13.0 eager, fused Adam | torch.compile | JAX")
    assert lines[2] == (
        "| table: 50-128-128-2, batch 256 | 5.0 | 75.0 (15.00x) | 20.0 (4.00x) | 20.0 (4.00x) | - | 20.0 (4.00x) "
        "| 2.00 |"
    )


def test_what_is_printed_fits_in_80_columns(measured, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    one_run, large = train.one_run, {"first_seconds": 12.3, "peak_mb": 1234.0, "loss": 123.45}
    monkeypatch.setattr(
        train,
        "one_run",
        lambda *which: {**(figures := one_run(*which) | large), "microseconds": 1e4 * figures["microseconds"]},
    )
    train.main(list(CASES), DEFAULT_PEERS, 1, [1, 2])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    assert sum(line.split()[:1] == ["sklearn"] and line.split()[1:] == ["-"] * 7 for line in lines) == 2
    assert "Core-microseconds: 100,000 (1), 100,000 (2); goal 950, SimpleChains.jl 740." in lines


def test_peers_that_skip_work_are_found(monkeypatch, measured):
    one_run = train.one_run
    monkeypatch.setattr(train, "one_run", lambda *which: one_run(*which) | ({"loss": 0.6} if which[1] == "jax" else {}))
    with pytest.raises(ValueError, match=r"^spiral: after 200 steps the losses differ by more than 0\.001: "):
        train.main(["spiral"], ["jax"], 1, [1])


def test_peers_that_leave_out_dropout_are_found(monkeypatch, measured):
    one_run = train.one_run
    dropout_losses = {"jax": 0.223, "backpass": 0.298, "numpy": 0.286}
    monkeypatch.setattr(
        train,
        "one_run",
        lambda *which: one_run(*which) | ({"dropout_loss": dropout_losses[which[1]]} if which[1] != "floor" else {}),
    )
    assert "numpy (1)" in train.main(["california"], ["numpy"], 1, [1])["cases"]["california"]["runs"]
    with pytest.raises(ValueError, match=r"^california: after 80 steps the losses differ by more than 0\.03: "):
        train.main(["california"], ["jax"], 1, [1])


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [(0.5, 0.5009, True), (0.5, 0.5011, False), (50.0, 50.04, True), (50.0, 50.06, False), (0.5, np.nan, False)],
)
def test_losses_are_compared_absolutely_below_1_and_relatively_above(ours, theirs, same):
    runs = {"backpass (1)": [{"loss": ours}], "numpy (1)": [{"loss": theirs}], "floor": [{"microseconds": 1.0}]}
    if same:
        assert train.check_losses(CASES["spiral"](), runs) is None
    else:
        with pytest.raises(ValueError, match=r"^spiral: after 200 steps the losses differ"):
            train.check_losses(CASES["spiral"](), runs)


def test_a_peer_that_fails_sits_out_and_is_told_of_but_not_we(monkeypatch, measured, capsys):
    one_run = train.one_run
    failing = ["jax"]

    def fails(case, peer, threads):
        if peer in failing and len(measured) > 5:  # in its second turn
            raise OSError(f"{peer} failed: no [memory]")
        return one_run(case, peer, threads)

    monkeypatch.setattr(train, "one_run", fails)
    found = train.main(["spiral"], ["jax", "numpy"], 3, [1])
    assert list(found["cases"]["spiral"]["runs"]) == ["backpass (1)", "numpy (1)", "floor"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "jax sits out: jax failed: no [memory]"
    assert [line.split() for line in lines if line.startswith("  jax")] == [["jax", *["-"] * 7]]
    failing[:] = ["backpass"]
    with pytest.raises(OSError, match="backpass failed"):
        train.main(["spiral"], ["numpy"], 1, [1])


def test_what_is_wrong_is_said_before_anything_is_measured(measured, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"^threads is 0; it must be at least 1$"):
        train.main(["spiral"], ["numpy"], 1, [0])
    with pytest.raises(ValueError, match=r"^peer is 'keras'; choose one of backpass, torch, "):
        train.main(["spiral"], ["keras"], 1, [1])
    monkeypatch.setattr(train, "find_spec", lambda package: None if package == "torch" else package)
    with pytest.raises(ValueError, match=r"^peer torch_compiled needs torch, which is not installed; pip install"):
        train.main(["spiral"], ["numpy", "torch_compiled"], 1, [1])
    other = tmp_path / "notes.json"
    for text in ("not JSON", "[1, 2]", '{"cases": {}}'):
        other.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"notes\.json holds no results of `bench train`"):
            train.main(["spiral"], ["numpy"], 1, [1], other)
        assert other.read_text(encoding="utf-8") == text
    assert not measured


def test_each_case_is_kept_as_soon_as_it_is_measured(measured, monkeypatch, tmp_path):
    file = tmp_path / "new" / "runs.json"
    one_run = train.one_run

    def interrupted(case, peer, threads):
        if case == "digits":
            raise KeyboardInterrupt
        return one_run(case, peer, threads)

    monkeypatch.setattr(train, "one_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.main(["table", "digits"], ["numpy"], 1, [1], file)
    assert list(json.loads(file.read_text(encoding="utf-8"))["cases"]) == ["table"]
    assert [path.name for path in file.parent.iterdir()] == ["runs.json"]


def test_other_cases_of_the_file_stay_and_measured_ones_are_replaced(measured, tmp_path, capsys):
    file = tmp_path / "runs.json"
    train.main(["table", "wide"], ["numpy"], 1, [1], file)
    train.main(["spiral", "wide"], ["numpy"], 2, [1], file)
    cases = json.loads(file.read_text(encoding="utf-8"))["cases"]
    assert {name: len(case["runs"]["floor"]) for name, case in cases.items()} == {"spiral": 2, "table": 1, "wide": 2}
    assert list(cases) == ["spiral", "table", "wide"]
    assert "anew" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["processor", "cores", "python", "versions"])
def test_figures_of_another_machine_do_not_stay(name, measured, tmp_path, capsys):
    file = tmp_path / "runs.json"
    train.main(["table"], ["numpy"], 1, [1], file)
    earlier = json.loads(file.read_text(encoding="utf-8"))
    earlier["machine"][name] = "another"
    file.write_text(json.dumps(earlier), encoding="utf-8")
    capsys.readouterr()
    train.main(["spiral"], ["numpy"], 1, [1], file)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found["cases"]) == ["spiral"]
    assert found["machine"] == results.machine()
    assert capsys.readouterr().out.splitlines()[0] == f"{file} starts anew: it was measured with another {name}"


def test_the_readmes_table_is_that_of_the_kept_results():
    kept = json.loads((ROOT / "bench" / "results" / "train.json").read_text(encoding="utf-8"))
    assert step_table.as_markdown(kept) in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "put what `backpass bench table bench/results/train.json` prints into the README"
    )
