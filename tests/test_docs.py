"""What the documentation shows is run, and what it says is looked up."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import backpass as bp

ROOT = Path(__file__).parents[1]
OPTIONS = doctest.NORMALIZE_WHITESPACE


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / file).read_text(), re.DOTALL)


def test_what_the_page_on_the_estimators_shows_is_what_happens():
    failed, tried = doctest.testfile(str(ROOT / "docs/estimators.md"), module_relative=False, optionflags=OPTIONS)
    assert not failed
    assert tried > 5


def test_own_parts_are_shown_in_under_25_lines_each():
    for block in blocks("docs/own_part.md", "python"):
        assert len(block.strip().splitlines()) < 25


def test_the_own_layer_in_plain_numpy_learns_its_weights():
    shown: dict = {}
    exec(blocks("docs/own_part.md", "python")[0], shown)
    assert not shown["network"].compiled
    assert shown["history"].loss[-1] < 0.9 * shown["history"].loss[0]
    assert shown["network"].layers[1].part.weights.std() > 0.01  # it began with ones


def test_the_layer_of_ones_own_trains_in_the_engine_with_the_right_gradient(tmp_path):
    (tmp_path / "sine.py").write_text(blocks("docs/own_part.md", "python")[1])
    sys.path.insert(0, str(tmp_path))
    try:
        from sine import Sine
    finally:
        sys.path.remove(str(tmp_path))
    X = np.random.RandomState(0).standard_normal((7, 3))
    layers = [bp.Dense(3, 5, dtype="float64"), Sine(), bp.Dense(5, 2, dtype="float64"), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    y = [0, 1, 0, 1, 1, 0, 1]
    _, gradient = network.gradient(X, y)
    for index in range(0, network.parameters.size, 3):
        start = network.parameters[index]
        network.parameters[index] = start + 1e-5
        above = network.evaluate(X, y)["loss"]
        network.parameters[index] = start - 1e-5
        below = network.evaluate(X, y)["loss"]
        network.parameters[index] = start
        np.testing.assert_allclose(gradient[index], (above - below) / 2e-5, rtol=1e-6, atol=1e-10)
    before = network.evaluate(X, y)["loss"]
    network.fit(X, y, optimizer="adam", epochs=200)
    assert network.evaluate(X, y)["loss"] < before
    network.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(bp.Network.load(tmp_path / "model.safetensors").parameters, network.parameters)


def test_a_layer_is_found_by_being_a_file_in_its_folder(tmp_path):
    """A copy of the package with one more file in layers/: nothing else is touched."""
    import shutil

    shutil.copytree(ROOT / "src" / "backpass", tmp_path / "backpass", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "backpass" / "layers" / "sine.py").write_text(
        blocks("docs/own_part.md", "python")[1].replace(
            "from backpass import Layer", "from backpass.layers.layer import Layer"
        )
    )
    script = "import backpass as bp; from backpass.layers.layer import LAYERS; print(LAYERS['Sine'] is bp.Sine)"
    finished = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.stdout.strip() == "True", finished.stderr


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    shown = blocks("README.md", "python")
    assert shown
    for block in shown:
        exec(block, space)


def test_every_file_that_the_documentation_links_to_is_there():
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
            if not target.startswith("http"):
                assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_the_core_imports_nothing_that_only_the_command_line_needs():
    script = (
        "import sys, backpass\n"
        "heavy = ('pandas', 'matplotlib', 'typer', 'rich', 'sklearn', 'numba', 'skrub', 'skops', 'scipy.linalg')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def findings_of(report: str) -> list[str]:
    """A printed report without the table of figures, whose last digits are the machine's."""
    return [line.strip() for line in report.splitlines() if not re.search(r"─|^  \w+ +\(|^  gradient", line)]


def test_the_ten_broken_layers_have_the_reports_that_are_shown(capsys):
    page = (ROOT / "docs/find_the_mistake.md").read_text()
    shown = re.findall(r"```python\n(.*?)```\n\n<details>.*?```\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 10
    for code, report in shown:
        exec(code, {})
        assert findings_of(capsys.readouterr().out.rstrip()) == findings_of(report.rstrip())
        assert "finding" in report


def test_the_table_of_mistakes_is_whole():
    from backpass.audit.texts import TEXTS

    page = (ROOT / "docs/find_the_mistake.md").read_text()
    table = page[page.index("| mistake |") :]
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", table)) >= set(TEXTS)


def test_the_audits_four_questions_are_answered(capsys):
    shown: dict = {}
    for block in blocks("docs/audit.md", "python"):
        exec(block, shown)
    assert "np.sum(dense1.inputs[:, 0] * dense1.dvalues[:, 1])" in capsys.readouterr().out


def test_the_table_of_what_health_finds_is_whole():
    source = (ROOT / "src/backpass/audit/diagnosis.py").read_text()
    kinds = set(re.findall(r'Remark\(\s*"([a-z-]+)"', source))
    page = (ROOT / "docs/audit.md").read_text()
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", page[page.index("| finding |") :].split("## ")[0])) == kinds
