"""scikit-learn's MLPRegressor through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.neural_network

from backpass.estimators.mlp import CompiledMLP


class MLPRegressor(CompiledMLP, sklearn.neural_network.MLPRegressor):
    """Multilayer perceptron regressor: scikit-learn's, faster.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPRegressor`, and in float64 so are the
    numbers, to rounding. docs/estimators.md says what differs.

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> MLPRegressor(max_iter=2000, tol=0.1, random_state=1).fit(X, y).score(X, y) > 0.95
    True
    """

    def predict(self, X: Any) -> np.ndarray:
        """Values (N,) of X (N, D), or (N, M) for M outputs."""
        self._check_fitted()
        return self._predict(X)
