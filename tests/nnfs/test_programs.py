"""Programs in the book's manner print what they printed with the book's own classes (store_figures.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from backpass import nnfs
from tests.nnfs import programs
from tests.nnfs.book import compare, with_ours

FIGURES = json.loads((Path(__file__).parent / "figures.json").read_text())
PROGRAMS = [(program, chapter) for chapter, all_of_it in programs.CHAPTERS.items() for program in all_of_it]


@pytest.mark.parametrize(("program", "chapter"), PROGRAMS, ids=lambda part: getattr(part, "__name__", part))
def test_a_program_prints_the_figures_that_it_printed_with_the_books_classes(program, chapter, capsys):
    nnfs.init(weight_scale=0.1 if chapter == "ch17" else 0.01)
    program(programs.namespace(vars(nnfs)))
    assert capsys.readouterr().out.splitlines() == FIGURES[program.__name__]


def test_every_stored_figure_has_its_program():
    assert set(FIGURES) == {program.__name__ for program, _ in PROGRAMS}


def test_numpy_is_left_as_it_was():
    before = np.zeros, np.dot, np.eye, np.random.randn
    nnfs.init()
    assert (np.zeros, np.dot, np.eye, np.random.randn) == before
    assert np.zeros(1).dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_init_sets_the_seed_the_scale_and_the_dtype(dtype):
    nnfs.init(weight_scale=0.1, default_dtype=dtype)
    weights = nnfs.Layer_Dense(2, 3).weights
    expected = np.random.RandomState(0).randn(2, 3).astype(dtype)
    assert weights.dtype == dtype
    np.testing.assert_array_equal(weights, 0.1 * expected)


def test_without_init_weights_and_data_are_numpys_float64():
    assert nnfs.Layer_Dense(2, 3).weights.dtype == nnfs.spiral_data(5, 2)[0].dtype == np.float64


def test_the_spiral_is_that_of_the_datasets():
    from backpass import datasets

    nnfs.init(default_dtype="float64")
    X, y = nnfs.spiral_data(samples=100, classes=3)
    expected, labels = datasets.spiral(100, 3, random_state=0, dtype="float64")
    np.testing.assert_allclose(X, expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(y, labels)


def test_the_tool_cuts_out_the_classes_and_nothing_else():
    program = (
        "import numpy as np\n\nclass Loss:\n    w = 0.1 * np.random.randn\n\nclass Mine(Loss):\n    pass\n\nprint(1)\n"
    )
    assert with_ours(program) == (
        "import numpy as np\n\nfrom backpass.nnfs import *; init(weight_scale=0.1)\n\n"
        "class Mine(Loss):\n    pass\n\nprint(1)\n"
    )
    assert compare(["acc: 0.5", "acc: 0.9"], ["acc: 0.5", "acc: 0.8"]) == (1, False, pytest.approx(0.1))
