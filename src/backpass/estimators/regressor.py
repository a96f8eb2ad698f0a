"""scikit-learn's MLPRegressor through the engine."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import sklearn.neural_network

from backpass.estimators.mlp import CompiledMLP
from backpass.estimators.parameters import OWN, init_of


class MLPRegressor(CompiledMLP, sklearn.neural_network.MLPRegressor):
    """Multilayer perceptron regressor: scikit-learn's, faster.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPRegressor`, and in float64 so are the
    numbers, to rounding. docs/estimators.md says what differs.

    Beside those (docs/estimators.md has an example of each):

    Parameters
    ----------
    optimizer : Optimizer, optional
        Moves the weights in place of the solver's; each fit begins with a copy.
    dropout : float in [0, 1), or list of them
        Behind the hidden layers: one rate, or one for each.
    batch_norm, layer_norm : bool
        Whether to normalise between a hidden layer and its activation.
    activation : str, Layer, or list of them
        One more of ours, a layer without parameters, or one for each hidden layer.
    scoring : str or callable, optional
        What early stopping goes by: "loss", or one of scikit-learn's scorers.
    n_threads : int, optional
        Most threads of a fit; None: as many as there are cores, or as threadpoolctl and joblib leave.

    Attributes
    ----------
    norms_ : list of ndarray
        What normalisation has learned, layer by layer.

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> MLPRegressor(max_iter=2000, tol=0.1, random_state=1).fit(X, y).score(X, y) > 0.95
    True
    """

    __init__ = init_of(sklearn.neural_network.MLPRegressor, **OWN)  # type: ignore[assignment]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **sklearn.neural_network.MLPRegressor._parameter_constraints,
        **CompiledMLP._parameter_constraints,
    }

    def predict(self, X: Any) -> np.ndarray:
        """Values (N,) of X (N, D), or (N, M) for M outputs."""
        self._check_fitted()
        return self._predict(X)
