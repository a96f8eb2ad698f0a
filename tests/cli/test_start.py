"""What a command imports before it does its work: counted as modules, which are the same on every machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backpass.cli import app

HEAVY = {"pandas", "pyarrow", "sklearn", "joblib", "skrub", "skops", "matplotlib", "PIL"}
IMPORTED = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path("modules.json").write_text(json.dumps(sorted(sys.modules))))
from backpass.cli import main
main()
"""


@pytest.fixture
def imported(tmp_path):
    """Call `imported("train", "iris", ...)`: the names of all modules that the command has imported at its end."""

    def call(*arguments: str) -> set[str]:
        command = [sys.executable, "-c", IMPORTED, *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return set(json.loads((tmp_path / "modules.json").read_text()))

    return call


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_list_of_commands_says_of_each_what_its_own_help_says(name):
    first = app.command(name).help.split("\n\n")[0]
    assert app.COMMANDS[name] == " ".join(first.split())


def test_every_file_of_the_command_line_that_holds_a_command_is_listed():
    files = Path(app.__file__).parent.glob("*.py")
    defined = {file.stem for file in files if file.read_text(encoding="utf-8").startswith('"""`backpass ')}
    assert {name.replace("-", "_") for name in app.COMMANDS} == defined


def test_help_imports_no_command(imported):
    modules = imported("--help")
    assert not packages(modules) & (HEAVY | {"scipy", "numba", "llvmlite"})
    assert {name for name in modules if name.startswith("backpass.cli.")} == {"backpass.cli.app"}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_the_help_of_a_command_imports_nothing_heavy(name, imported):
    assert not packages(imported(name, "--help")) & HEAVY


def test_the_tour_imports_nothing_heavy(imported):
    assert not packages(imported("tour")) & HEAVY


def test_training_and_showing_import_only_what_they_use(imported, tmp_path):
    trained = imported("train", "iris", "--epochs", "2", "--out", "run")
    assert not packages(trained) & (HEAVY - {"pandas", "pyarrow", "PIL"})
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    assert not packages(imported("show", "run")) & HEAVY
