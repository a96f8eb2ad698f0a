"""scikit-learn's estimator and ours, made and fitted alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression

import backpass as bp


def scaled(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(axis=0)) / X.std(axis=0)


def data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """X (N, D) and y of one of scikit-learn's kinds of target; N is no multiple of the batches below."""
    if kind in ("multiclass", "binary"):
        X, y = load_iris(return_X_y=True)
        return scaled(X), y if kind == "multiclass" else np.array(["no", "yes"])[(y > 0).astype(int)]
    if kind == "multilabel":
        X, y = make_multilabel_classification(130, 6, n_classes=4, random_state=0)
        return scaled(X), y
    X, y = make_regression(130, 6, n_targets=3 if kind == "several" else 1, random_state=0)
    y = scaled(y)
    return X, np.random.RandomState(0).poisson(np.exp(0.5 * y)) if kind == "poisson" else y


def pair(kind: str, **parameters: Any) -> tuple[Any, Any]:
    """Theirs and ours for a kind of target, not fitted."""
    name = "MLPClassifier" if kind in ("multiclass", "binary", "multilabel") else "MLPRegressor"
    given = {"hidden_layer_sizes": (7, 5), "batch_size": 32, "max_iter": 12, "random_state": 3, **parameters}
    if kind == "poisson":
        given["loss"] = "poisson"
    theirs = getattr(sklearn.neural_network, name)()
    known = {name: value for name, value in given.items() if name in theirs.get_params()}
    return theirs.set_params(**known), getattr(bp, name)(**given)


def fit(model: Any, *arrays: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*arrays, **options)


def apart(theirs: Any, ours: Any) -> float:
    """Largest difference of weights and biases, relative to the largest of each array."""
    pairs = zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)
