"""`backpass bench start`, `memory` and `busy`: what is measured is what the tables say."""

import json
import os
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

from backpass.bench import busy, commands, memory, start, trainers


def test_our_trainer_makes_as_many_steps_as_it_is_told(monkeypatch):
    import backpass as bp

    made = []
    init = bp.Network.__init__
    monkeypatch.setattr(bp.Network, "__init__", lambda self, *a, **k: (init(self, *a, **k), made.append(self))[0])
    case = trainers.clouds((5, 8, 3), 60, 20)
    run = trainers.trainer("backpass", case, threads=1)
    before = made[0].evaluate(case.X, case.y)["loss"]
    run(6)
    run(3)
    assert made[0].trained == (3, 9)
    assert made[0].evaluate(case.X, case.y)["loss"] < before
    assert trainers.steps_that_last(1e-9, case, run) == 2 * case.steps_per_epoch  # at least 5


def test_clouds_have_every_class_in_whole_batches():
    case = trainers.clouds((5, 8, 3), 60, 20)
    assert case.X.dtype == np.float32
    assert case.X.shape == (60, 5)
    assert set(case.y) == {0, 1, 2}


@pytest.fixture
def processes(monkeypatch):
    """Start-up without processes; a cache is cold until somebody has used its folder."""
    used, said = set(), ["backpass: compiling"]

    def first_step(peer, cache):
        cold = cache not in used
        used.add(cache)
        assert os.listdir(cache) == []
        return {"seconds": 5.0 if cold and peer == "backpass" else 0.125, "said": said if cold else []}

    monkeypatch.setattr(start, "first_step", first_step)
    monkeypatch.setattr(start, "import_seconds", lambda peer: 0.5 if peer == "backpass" else 1.0)
    monkeypatch.setattr(commands, "processor_seconds", lambda arguments, folder: float(len(arguments)))
    return said


def test_the_first_fit_is_on_an_empty_cache_and_the_first_step_on_what_it_left(processes, capsys):
    results = start.main(["sklearn"], 2)
    ours = {"import": 0.5, "first_fit": 5.0, "said": ["backpass: compiling"], "first_step": 0.125}
    assert results["runs"] == {"backpass": [ours] * 2, "sklearn": [{"import": 1.0}] * 2}
    out = capsys.readouterr().out
    assert "0.4: missed" in out
    assert "6: met" in out
    assert "1 line(s), as it should" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_second_line_while_compiling_is_told(processes, capsys):
    processes.append("and another")
    start.main([], 1)
    assert "2 line(s), it should be 1" in capsys.readouterr().out


def test_the_first_step_of_a_process_is_measured():
    figures = start.first_step("backpass", os.environ.get("BACKPASS_CACHE_DIR", ""))
    assert figures["seconds"] > 0


def test_commands_are_held_against_imports_in_turn(monkeypatch, capsys):
    asked = []
    seconds = {(commands.NUMPY,): 0.25, (commands.TABLES,): 2.0, (commands.BACKPASS, "train", "iris"): 3.5}
    seconds |= {(commands.BACKPASS, "--help"): 0.5}
    monkeypatch.setattr(
        commands, "processor_seconds", lambda arguments, folder: asked.append(arguments) or seconds.get(arguments, 1.0)
    )
    runs = commands.main(2)
    assert asked[2:] == 2 * [arguments for arguments, _, _ in commands.PROCESSES.values()]
    assert runs["backpass train iris"] == 2 * [{"processor_seconds": 3.5}]
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["backpass", "train", "iris", "3.50", "0%", "1.75t", "1.5:", "missed"] in rows
    assert ["backpass", "--help", "0.500", "0%", "2.00n"] in rows
    assert max(map(len, out.splitlines())) <= 80


def test_processor_time_is_that_of_the_whole_process(tmp_path):
    burn = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass"
    idle = commands.processor_seconds(("import time; time.sleep(2)",), str(tmp_path))
    assert commands.processor_seconds((burn,), str(tmp_path)) > 0.3
    assert idle < 2, "sleep costs nothing"
    with pytest.raises(OSError, match=r"^train nothing failed: backpass: nothing is no file"):
        commands.processor_seconds((commands.BACKPASS, "train", "nothing"), str(tmp_path))


@pytest.mark.skipif(not memory.PROCESS.exists(), reason="memory is read from /proc, which only Linux has")
def test_the_most_that_was_held_is_measured_from_now_on(monkeypatch):
    def trainer(peer, case):
        temporary = np.ones(100 * 2**20, np.uint8)  # before the measurement
        del temporary

        def run(steps):
            assert len(np.ones(48 * 2**20, np.uint8)) > steps  # above 32 MB it is never memory that was held before

        return run

    monkeypatch.setattr(memory, "trainer", trainer)
    assert 47 < memory.beyond_the_data("large", 2000)["mb"] < 60


def test_memory_says_what_it_cannot_read(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    with pytest.raises(OSError, match=r"which only Linux has$"):
        memory.main([], 1)


def test_memory_is_told_against_its_goal(monkeypatch, capsys):
    monkeypatch.setattr(memory, "one_training", lambda peer, rows: {"mb": rows / 1000, "before_mb": 300.0})
    assert memory.main([], 3, rows=65_000)["runs"] == {"backpass": [{"mb": 65.0, "before_mb": 300.0}] * 3}
    assert "64: missed" in capsys.readouterr().out


def test_a_burner_burns_until_it_is_over(monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(busy.subprocess, "Popen", lambda command: started.append(popen(command)) or started[-1])
    with suppress(KeyboardInterrupt), busy.burner():
        assert started[0].poll() is None
        raise KeyboardInterrupt
    assert started[0].poll() is not None
    assert started[0].args == [sys.executable, "-c", busy.BURN]


def test_a_step_is_measured_beside_a_burner_and_two_trainings_beside_one(monkeypatch):
    burning, threads_asked, runs = [], [], []

    def trainer(peer, case, threads=None):
        threads_asked.append(threads)
        return lambda steps: runs.append((steps, bool(burning)))

    @busy.contextmanager
    def burner():
        burning.append(1)
        yield
        burning.clear()

    monkeypatch.setattr(busy, "trainer", trainer)
    monkeypatch.setattr(busy, "burner", burner)
    monkeypatch.setattr(busy, "steps_that_last", lambda seconds, case, run: 7)
    figures = busy.beside("backpass", trainers.clouds((5, 8, 3), 60, 20))
    assert runs == [(7, False), (7, True)]
    assert figures["slowdown"] == pytest.approx(figures["beside"] / figures["alone"])
    runs.clear()
    figures = busy.pair("backpass")
    assert threads_asked[1:] == [1, None, None]
    assert [steps for steps, _ in runs].count(7) == 3
    assert figures["slowdown"] == figures["two"] / figures["one"]


def test_slowdowns_are_told_with_the_worst(monkeypatch, capsys):
    slowdowns = iter([1.5, 2.5, 2.0] * 2 + [1.25, 1.25, 1.75])

    def one_measurement(peer, what, *case):
        if what in ("beside", "pair"):
            return {"alone": 10.0, "beside": 20.0, "slowdown": next(slowdowns)}
        return {"times": 1.2, "wall": 0.5, "processor": 0.4}

    monkeypatch.setattr(busy, "one_measurement", one_measurement)
    results = busy.main([], 3)
    assert [run["slowdown"] for run in results["runs"]["pair"]["backpass"]] == [1.25, 1.25, 1.75]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows.count(["worst", "2.50"]) == 2
    assert ["spiral:", "slowdown", "2.00", "2.2:", "met"] in rows
    assert ["crowd", "ensemble:", "times", "1.20", "1.5:", "met"] in rows
    assert ["half", "256x128:", "times", "1.20", "1.15:", "missed"] in rows
    assert ["interrupt", "spiral:", "processor", "s", "0.400", "0.3:", "missed"] in rows
    assert ["two", "at", "once", "/", "one", "1.25", "1.3:", "met"] in rows
    assert json.loads(json.dumps(results)) == results
