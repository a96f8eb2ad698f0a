"""scikit-learn's MLPClassifier through the engine."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import sklearn.neural_network
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions

from backpass.estimators.mlp import CompiledMLP
from backpass.estimators.parameters import OWN, init_of


class MLPClassifier(CompiledMLP, sklearn.neural_network.MLPClassifier):
    """Multilayer perceptron classifier: scikit-learn's, faster.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPClassifier`, and in float64 so are the
    numbers, to rounding. docs/estimators.md says what differs.

    Beside those (docs/estimators.md has an example of each):

    Parameters
    ----------
    class_weight : dict or "balanced", optional
        Multiplies the weights of a class's samples.
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

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(max_iter=1000, random_state=0).fit(X, y).score(X, y)
    0.98
    """

    __init__ = init_of(sklearn.neural_network.MLPClassifier, class_weight=None, **OWN)  # type: ignore[assignment]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CompiledMLP._parameter_constraints,
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> MLPClassifier:
        if self.class_weight is not None:
            if incremental and isinstance(self.class_weight, str):
                raise ValueError("class_weight='balanced' needs all of y; for partial_fit pass a dict of class: weight")
            by_class = compute_sample_weight(self.class_weight, y)
            sample_weight = by_class if sample_weight is None else by_class * np.asarray(sample_weight)
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

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
