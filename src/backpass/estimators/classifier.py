"""scikit-learn's MLPClassifier through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.neural_network

from backpass.estimators.mlp import CompiledMLP


class MLPClassifier(CompiledMLP, sklearn.neural_network.MLPClassifier):
    """Multilayer perceptron classifier: scikit-learn's, faster.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPClassifier`, and in float64 so are the
    numbers, to rounding. docs/estimators.md says what differs.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(max_iter=1000, random_state=0).fit(X, y).score(X, y)
    0.98
    """

    def _predict(self, X: Any, check_input: bool = True) -> np.ndarray:
        output = self._forward_pass_fast(X, check_input=check_input)
        kind, classes = self._label_binarizer.y_type_, self.classes_
        if kind == "multiclass":
            return classes.take(output.argmax(axis=1))
        if kind == "binary" and len(classes) == 2:
            return classes.take((output[:, 0] > 0.5).astype(np.int64))
        return self._label_binarizer.inverse_transform(output[:, 0] if self.n_outputs_ == 1 else output)

    def predict(self, X: Any) -> np.ndarray:
        """Classes (N,), or 0 and 1 (N, C) where a sample may have several labels, of X (N, D)."""
        self._check_fitted()
        return self._predict(X)
