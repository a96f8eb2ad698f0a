"""Data sets by name: our spiral, and the real ones that scikit-learn ships. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backpass import checks
from backpass.datasets.spiral import spiral

if TYPE_CHECKING:
    from pandas import DataFrame

SPIRAL_SAMPLES = 500  # an arm; with 100 a network sees too little of the outer turns to tell them apart


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


def bundled(loader: str, target: str) -> Callable[[], tuple[DataFrame, str]]:
    """A data set of scikit-learn's, its target under a name that says what it is."""

    def load() -> tuple[DataFrame, str]:
        import sklearn.datasets
        from pandas import DataFrame

        loaded: Any = getattr(sklearn.datasets, loader)()
        frame = DataFrame(loaded.data, columns=[str(name) for name in loaded.feature_names])
        names = loaded.get("target_names")
        # the digits' names are the digits themselves: they stay numbers
        frame[target] = loaded.target if names is None or names.dtype.kind != "U" else names[loaded.target]
        return frame, target

    return load


BUILTIN: dict[str, Callable[[], tuple[DataFrame, str]]] = {
    "spiral": spiral_frame,
    "digits": bundled("load_digits", "digit"),
    "iris": bundled("load_iris", "species"),
    "wine": bundled("load_wine", "cultivar"),
    "breast-cancer": bundled("load_breast_cancer", "diagnosis"),
    "diabetes": bundled("load_diabetes", "progression"),
}
