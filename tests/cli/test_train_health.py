"""backpass train says what it found, in as many lines as there are findings, and nothing else is different."""

from backpass import Network
from tests.cli.runs import record_of


def remarks(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("health: ")]


def test_a_healthy_run_has_one_remark_after_the_figures(command):
    result = command("train", "iris", "--out", "run")
    assert remarks(result.out) == ["health: nothing to remark"]
    lines = result.out.splitlines()
    assert lines[-2:] == ["health: nothing to remark", next(line for line in lines if line.startswith("run holds"))]
    assert result.err == ""


def test_a_run_that_was_driven_too_fast_is_told_so_in_at_most_five_lines(command):
    result = command(
        "train", "digits", "--learning-rate", 10, "--epochs", 20, "--hidden", "16,16,16,16", "--out", "run"
    )
    assert result.code == 0, result.err
    found = remarks(result.out)
    assert 2 <= len(found) <= 5
    assert any("units are 0 for all" in line and "; lower the learning rate" in line for line in found)
    assert Network.load("run/model.safetensors").widths[-1] == 10
    assert list(record_of("run")) == ["data", "options", "versions", "figures"]


def test_a_run_that_crawls_is_told_so(command):
    result = command("train", "digits", "--learning-rate", 1e-6, "--epochs", 15, "--out", "run")
    (found,) = [line for line in remarks(result.out) if "the loss crawls" in line]
    assert "raise the learning rate" in found
