"""Data sets by name: our spiral, and the real ones that scikit-learn ships. Nothing is downloaded.

scikit-learn's files are read where they lie: its own loaders import SciPy's statistics, 1.3 seconds of processor time.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backpass import checks
from backpass.datasets.spiral import spiral

if TYPE_CHECKING:
    from pandas import DataFrame

SPIRAL_SAMPLES = 500  # an arm; with 100 a network sees too little of the outer turns to tell them apart
MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
NAMES = {
    "iris.csv": ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"],
    "wine_data.csv": [
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280/od315_of_diluted_wines",
        "proline",
    ],
    "breast_cancer.csv": [
        *(f"mean {measure}" for measure in MEASURES),
        *(f"{measure} error" for measure in MEASURES),
        *(f"worst {measure}" for measure in MEASURES),
    ],
    "digits.csv.gz": [f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
    "diabetes_data_raw.csv.gz": ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"],
}


def builtin(name: str) -> tuple[DataFrame, str]:
    """The samples of a built-in data set, one row each, and the name of the column to predict.

    Raises ValueError for a name that is not in `BUILTIN`.

    >>> samples, target = builtin("iris")
    >>> samples.shape, target, samples[target].iloc[0]
    ((150, 5), 'species', 'setosa')
    """
    return BUILTIN[checks.one_of(name, "name", BUILTIN)]()


def spiral_frame() -> tuple[DataFrame, str]:
    from pandas import DataFrame

    X, y = spiral(SPIRAL_SAMPLES, 3, random_state=0)
    return DataFrame({"x": X[:, 0], "y": X[:, 1], "arm": y}), "arm"


def shipped(file: str, target: str) -> Callable[[], tuple[DataFrame, str]]:
    """Classes by name: a file that begins with its sizes and the classes' names, or holds plain figures."""

    def load() -> tuple[DataFrame, str]:
        from pandas import DataFrame, read_csv

        held = read_csv(place_of(file), header=None, skiprows=int(file.endswith(".csv")), float_precision="round_trip")
        figures = held.to_numpy(np.float64)
        frame = DataFrame(figures[:, :-1], columns=NAMES[file])
        labels = figures[:, -1].astype(np.int64)
        # the digits' names are the digits themselves: they stay numbers
        frame[target] = labels if file.endswith(".gz") else np.array(class_names(file))[labels]
        return frame, target

    return load


def class_names(file: str) -> list[str]:
    with place_of(file).open(encoding="utf-8") as lines:
        return next(lines).strip().split(",")[2:]


def diabetes() -> tuple[DataFrame, str]:
    """Every feature of mean 0 and of length 1, as scikit-learn gives them."""
    from pandas import DataFrame

    figures = np.loadtxt(place_of("diabetes_data_raw.csv.gz"))
    figures = (figures - figures.mean(axis=0)) / figures.std(axis=0) / len(figures) ** 0.5
    frame = DataFrame(figures, columns=NAMES["diabetes_data_raw.csv.gz"])
    frame["progression"] = np.loadtxt(place_of("diabetes_target.csv.gz"))
    return frame, "progression"


def place_of(file: str) -> Path:
    found = find_spec("sklearn")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0], "datasets", "data", file)


BUILTIN: dict[str, Callable[[], tuple[DataFrame, str]]] = {
    "spiral": spiral_frame,
    "digits": shipped("digits.csv.gz", "digit"),
    "iris": shipped("iris.csv", "species"),
    "wine": shipped("wine_data.csv", "cultivar"),
    "breast-cancer": shipped("breast_cancer.csv", "diagnosis"),
    "diabetes": diabetes,
}
