"""scikit-learn's test_mlp.py, read where it is installed, with nothing but its import changed."""

import ast
from pathlib import Path

import pytest
import sklearn.neural_network

THEIRS = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
SOURCE = THEIRS.read_text(encoding="utf-8")
exec(compile(SOURCE.replace(IMPORT, "from backpass import MLPClassifier, MLPRegressor"), str(THEIRS), "exec"))


@pytest.fixture(name="global_random_seed")
def random_seed_of_all():
    return 42  # scikit-learn's default


def test_all_of_their_tests_are_here_and_test_ours():
    names = [node.name for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef)]
    tests = [name for name in names if name.startswith("test_")]
    assert SOURCE.count(IMPORT) == 1
    assert len(tests) >= 39
    assert all(globals()[name].__globals__ is globals() for name in tests)
    assert globals()["MLPClassifier"].__module__.startswith("backpass")
