"""The built-in data sets: whole, real, under names that say what they are."""

import subprocess
import sys

import numpy as np
import pandas
import pytest

from backpass.datasets.builtin import BUILTIN, builtin


@pytest.mark.parametrize(
    ("name", "shape", "target"),
    [
        ("spiral", (1500, 3), "arm"),
        ("digits", (1797, 65), "digit"),
        ("iris", (150, 5), "species"),
        ("wine", (178, 14), "cultivar"),
        ("breast-cancer", (569, 31), "diagnosis"),
        ("diabetes", (442, 11), "progression"),
    ],
)
def test_built_in_data_have_their_size_and_target(name, shape, target):
    frame, found = builtin(name)
    assert frame.shape == shape
    assert found == target == frame.columns[-1]
    assert frame.notna().all(axis=None)


def test_each_is_listed():
    assert list(BUILTIN) == ["spiral", "digits", "iris", "wine", "breast-cancer", "diabetes"]


def test_the_spiral_is_the_same_every_time():
    assert builtin("spiral")[0].equals(builtin("spiral")[0])


def test_classes_have_names_where_they_have_any():
    assert set(builtin("iris")[0]["species"]) == {"setosa", "versicolor", "virginica"}
    assert set(builtin("breast-cancer")[0]["diagnosis"]) == {"malignant", "benign"}
    assert pandas.api.types.is_integer_dtype(builtin("digits")[0]["digit"])


def test_another_name_is_refused():
    with pytest.raises(ValueError, match=r"name is 'mnist'; choose one of spiral, digits"):
        builtin("mnist")


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast-cancer", "diabetes"])
def test_the_figures_are_those_of_scikit_learn(name):
    import sklearn.datasets

    loaded = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")()
    frame, target = builtin(name)
    assert list(frame)[:-1] == [str(each) for each in loaded.feature_names]
    np.testing.assert_allclose(frame.drop(columns=target), loaded.data, rtol=1e-12, atol=1e-15)
    if name in ("digits", "diabetes"):
        assert frame[target].tolist() == loaded.target.tolist()
    else:
        assert frame[target].tolist() == loaded.target_names[loaded.target].tolist()


def test_scikit_learn_is_not_imported():
    code = "import sys; from backpass.datasets.readers import read; read('iris'); print('sklearn' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
