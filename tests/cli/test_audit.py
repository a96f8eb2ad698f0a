"""`backpass audit`: parts of one's own, of the package, and trained networks."""

import sys
from pathlib import Path

import pytest

from tests.cli.runs import QUICK

LAYERS = """
import numpy as np

class MyReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)
    def backward(self, dvalues):
        self.dinputs = np.where(self.inputs > 0, dvalues, 0)

class Inverted(MyReLU):
    def backward(self, dvalues):
        self.dinputs = np.where(self.inputs > 0, 0, dvalues)

def forward(inputs):
    return np.tanh(inputs)

def backward(inputs, dvalues):
    return dvalues * (1 - np.tanh(inputs) ** 2)
"""


@pytest.fixture
def audit(command):
    Path("layers.py").write_text(LAYERS)
    return lambda *arguments: command("audit", *arguments)


@pytest.mark.parametrize("what", ["layers.py:MyReLU", "layers:MyReLU", "layers.py:forward,backward"])
def test_a_right_part_of_ones_own_passes(audit, what):
    result = audit(what)
    assert result.code == 0, result
    assert "right" in result.out
    assert "audited with random inputs (7, 5), seed 0" in result.out


def test_a_wrong_part_is_named_and_the_exit_code_says_so(audit):
    result = audit("layers.py:Inverted")
    assert result.code == 1
    assert "mask-inverted in dinputs" in result.out
    assert result.err == ""


def test_explanations_are_to_be_had_in_chinese(audit):
    assert "比较的方向写反了" in audit("layers.py:Inverted", "--lang", "zh").out


@pytest.mark.parametrize(
    ("what", "truth"),
    [
        ("backpass:Dense(4, 3, random_state=0)", "inputs (7, 4), seed"),
        ("backpass:CategoricalCrossentropy", "y_true (7,)"),
        ("backpass:BinaryCrossentropy", "y_true (7, 5)"),
        ("backpass:Huber(0.5)", "y_true (7, 5)"),
        ("backpass:SoftmaxCrossentropy()", "y_true (7,)"),
    ],
)
def test_parts_of_the_package_are_given_what_they_take(audit, what, truth):
    result = audit(what)
    assert result.code == 0, result
    assert truth in result.out


@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_a_trained_network_is_audited_from_its_run_folder(command, data):
    command("train", data, *QUICK, "--out", "run")
    result = command("audit", "run", "--rows", 9)
    assert result.code == 0, result
    assert "dense1.dweights" in result.out
    assert "inputs (9, " in result.out


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nowhere", "no run folder and no MODULE:NAME"),
        ("missing.py:A", "missing.py does not exist"),
        ("missing:A", "missing cannot be imported"),
        ("layers.py:A", "has no A"),
        ("layers.py:MyReLU(1)", "cannot be made"),
        ("layers.py:np", "no forward and backward"),
        ("backpass:Dense", "write its arguments, as in Dense(4, 3)"),
        ("backpass:Dense(x, 3)", "plain arguments"),
        ("layers.py:", "is no name"),
    ],
)
def test_what_cannot_be_audited_is_wrong_usage(audit, what, words):
    result = audit(what)
    assert result.code == 2
    assert words in " ".join(result.err.split())


def test_modules_beside_the_file_are_found_from_any_folder_also_late_ones(command, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "helper.py").write_text("def twice(x): return 2 * x")
    (folder / "late.py").write_text("def double(d): return 2 * d")
    (folder / "layers.py").write_text(
        "from helper import twice\n"
        "class Twice:\n"
        "    def forward(self, x): return twice(x)\n"
        "    def backward(self, d):\n"
        "        from late import double\n"
        "        return double(d)\n"
    )
    before = sys.path[:]
    result = command("audit", f"{folder / 'layers.py'}:Twice")
    assert result.code == 0, result
    assert sys.path == before
    assert "helper" not in sys.modules
    monkeypatch.chdir(folder)
    for what in ("layers.py:Twice", "layers:Twice"):
        assert command("audit", what).code == 0


def test_what_was_tried_first_is_what_a_wrong_number_of_columns_says(audit):
    Path("layers.py").write_text(
        "import numpy as np\n"
        "class Lin:\n"
        "    def __init__(self, n, m): self.W = np.ones((n, m))\n"
        "    def forward(self, x): self.x = x; return x @ self.W\n"
        "    def backward(self, d): self.dW = self.x.T @ d; return d @ self.W.T\n"
    )
    result = audit("layers.py:Lin(4, 3)")
    assert result.code == 2
    said = " ".join(result.err.replace("│", " ").split())
    assert "Lin.forward does not take inputs of shape (7, 5)" in said
    assert "y_true" not in said
    assert "5 columns were tried" in said


def test_what_could_not_be_checked_is_no_success(audit):
    Path("layers.py").write_text(
        "class Far:\n    def forward(self, x): return x + 1e25\n    def backward(self, d): return d\n"
    )
    result = audit("layers.py:Far")
    assert result.code == 1
    assert "could not be checked" in result.out
