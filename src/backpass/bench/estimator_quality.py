"""`backpass bench estimators --quality`: do our estimators and scikit-learn's learn equally well?

Twelve data sets that ship with scikit-learn or that it generates, five seeds each: the seed splits the data and draws
the weights. The difference of the median test scores is held against the spread of scikit-learn's over the seeds.
"""

from __future__ import annotations

import warnings
from statistics import median
from typing import Any

import numpy as np

from backpass.bench.results import machine

SEEDS = range(5)
DATA: dict[str, tuple[str, str, dict[str, Any]]] = {  # name: kind, function of sklearn.datasets, its arguments
    "iris": ("MLPClassifier", "load_iris", {}),
    "wine": ("MLPClassifier", "load_wine", {}),
    "breast cancer": ("MLPClassifier", "load_breast_cancer", {}),
    "digits": ("MLPClassifier", "load_digits", {}),
    "moons": ("MLPClassifier", "make_moons", {"n_samples": 500, "noise": 0.3}),
    "circles": ("MLPClassifier", "make_circles", {"n_samples": 500, "noise": 0.2, "factor": 0.5}),
    "classification": ("MLPClassifier", "make_classification", {"n_samples": 1000, "n_informative": 8, "n_classes": 4}),
    "multilabel": ("MLPClassifier", "make_multilabel_classification", {"n_samples": 600}),
    "diabetes": ("MLPRegressor", "load_diabetes", {}),
    "linnerud": ("MLPRegressor", "load_linnerud", {}),
    "friedman": ("MLPRegressor", "make_friedman1", {"n_samples": 600, "noise": 1.0}),
    "regression": (
        "MLPRegressor",
        "make_regression",
        {"n_samples": 600, "n_features": 20, "noise": 20.0, "n_targets": 2},
    ),
}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    import sklearn.datasets

    kind, function, arguments = DATA[name]
    given = {"return_X_y": True} if function.startswith("load") else {**arguments, "random_state": 0}
    X, y = getattr(sklearn.datasets, function)(**given)
    return X, (y - y.mean(axis=0)) / y.std(axis=0) if kind == "MLPRegressor" else y


def scores(name: str, package: Any, dtype: str) -> list[float]:
    """Test scores of the seeds, accuracy or R2."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    X, y = load(name)
    found = []
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
        scaler = StandardScaler().fit(X_train)
        model = getattr(package, DATA[name][0])(random_state=seed)
        model.fit(scaler.transform(X_train).astype(dtype), y_train)
        found.append(float(model.score(scaler.transform(X_test).astype(dtype), y_test)))
    return found


def compare(name: str) -> dict[str, Any]:
    """scikit-learn's scores in float64, ours in both dtypes, and whether these are within its spread."""
    import sklearn.neural_network

    import backpass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = scores(name, sklearn.neural_network, "float64")
        ours = {dtype: scores(name, backpass, dtype) for dtype in ("float64", "float32")}
    apart = max(abs(median(each) - median(theirs)) for each in ours.values())
    return {"sklearn": theirs, **ours, "apart": apart, "spread": max(theirs) - min(theirs)}


def main() -> dict[str, Any]:
    """Compare on all data sets, print a table; returns all scores."""
    results = {}
    print(f"{'':16}{'sklearn':>10}{'float64':>10}{'float32':>10}{'apart':>10}{'spread':>10}")
    for name in DATA:
        found = results[name] = compare(name)
        medians = "".join(f"{median(found[each]):10.4f}" for each in ("sklearn", "float64", "float32"))
        verdict = "" if found["apart"] <= found["spread"] else "  missed"
        print(f"{name:16}{medians}{found['apart']:10.4f}{found['spread']:10.4f}{verdict}", flush=True)
    print(
        f"Medians of {len(SEEDS)} seeds; apart: the larger difference of medians, at most the spread of scikit-learn's."
    )
    return {"machine": machine(), "scores": results}
