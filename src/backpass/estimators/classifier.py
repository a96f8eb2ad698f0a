"""scikit-learn's MLPClassifier through the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import sklearn.neural_network
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import assert_all_finite, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, validate_data

from backpass.estimators.mlp import CompiledMLP
from backpass.estimators.parameters import OWN, init_of
from backpass.estimators.several import SeveralBinarizer, columns_of, is_several
from backpass.estimators.tasks import Task
from backpass.estimators.validation import ACCEPTED


def one_hot(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Bool (N, C), or (N, 1) of two classes, as LabelBinarizer has it."""
    columns = classes[1:] if len(classes) < 3 else classes
    return y[:, None] == columns if len(columns) else np.zeros((len(y), 1), bool)


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
    activation : str, Layer, object with forward and backward, or list of them
        One more of ours, a layer without parameters, or one for each hidden layer.
    scoring : str or callable, optional
        What early stopping goes by: "loss", or one of scikit-learn's scorers.
    n_threads : int, optional
        Most threads of a fit; None: as many as there are cores, or as threadpoolctl and joblib leave.
    n_ensemble : int
        How many networks to train together, each with first weights of its own; predictions are their mean.

    Attributes
    ----------
    norms_ : list of ndarray
        What normalisation has learned, layer by layer, member after member.
    stopped_ : bool
        Whether the last fit or partial_fit ended because there was no improvement any more.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(max_iter=1000, random_state=0).fit(X, y).score(X, y)
    0.98
    """

    __init__ = init_of(sklearn.neural_network.MLPClassifier, class_weight=None, **OWN)  # type: ignore[assignment]
    _label_binarizer: Any
    classes_: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CompiledMLP._parameter_constraints,
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> MLPClassifier:
        if incremental and isinstance(self.class_weight, str):
            raise ValueError("class_weight='balanced' needs all of y; for partial_fit pass a dict of class: weight")
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

    def _weighed(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        class_weight = self.class_weight
        if isinstance(class_weight, dict) and np.ndim(y) == 1:
            class_weight = self._of_every_class(class_weight, self.classes_)
        elif isinstance(class_weight, list) and len(class_weight) == (columns := np.shape(y)[-1]):
            of_each = self.classes_ if self._several else [np.arange(2)] * columns
            class_weight = [self._of_every_class(*each) for each in zip(class_weight, of_each, strict=True)]
        by_class = compute_sample_weight(class_weight, y)
        return by_class if sample_weight is None else by_class * np.asarray(sample_weight)

    @staticmethod
    def _of_every_class(weights: dict[Any, float], classes: np.ndarray) -> dict[Any, float]:
        """One for each class, 1 where none is given, so that a batch may lack a class that has one."""
        unknown = [label for label in weights if label not in classes.tolist()]
        if unknown:
            raise ValueError(f"class_weight names {unknown[0]!r}; the classes are {classes.tolist()}")
        return dict.fromkeys(classes.tolist(), 1.0) | weights

    @available_if(lambda model: model._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:
        """Make one epoch on X (N, D) and y, going on from where the last call ended.

        Arguments as of `fit`, and `classes`, all that there are, in the first call: (C,), or where y has several
        columns of classes a list of arrays, one for each. With `early_stopping` X_val and y_val are needed; `stopped_`
        says after each call whether the validation has not improved for more than `n_iter_no_change` of them: then the
        best weights are back.

        Raises ValueError for what `fit` refuses.
        """
        if isinstance(classes, np.ndarray) and classes.shape[1:] == (1,):
            classes = classes[:, 0]
        assert_all_finite(y if issparse(y) else np.asarray(y), input_name="y")
        several = isinstance(classes, list | tuple | np.ndarray) and len(classes) > 0 and np.ndim(classes[0]) == 1
        first = not hasattr(self, "classes_")
        if several and first:
            self._label_binarizer = SeveralBinarizer().fit(classes)
            self.classes_ = self._label_binarizer.classes_
        elif classes is not None and self._several:
            given = SeveralBinarizer().fit(classes).classes_ if several else []
            if len(given) != len(self.classes_) or not all(map(np.array_equal, self.classes_, given)):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
                )
        try:
            with self._validated_with(X_val, y_val, sample_weight_val):
                return super(CompiledMLP, self).partial_fit(X, y, sample_weight, None if self._several else classes)
        finally:
            if several and first and "coefs_" not in self.__dict__:
                del self._label_binarizer, self.classes_

    @property
    def _several(self) -> bool:
        """Whether y has several columns, each one of several classes."""
        return isinstance(self.__dict__.get("_label_binarizer"), SeveralBinarizer)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        known = hasattr(self, "classes_") and (self.warm_start or incremental)
        if not known and isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iubU" and len(y):
            # the same as below, but that each of four looks at all of y would be a fiftieth of a small fit
            X, y = validate_data(self, X, y, multi_output=True, reset=reset, **ACCEPTED)
            self._label_binarizer = LabelBinarizer().fit(np.unique(y))
            self.classes_ = self._label_binarizer.classes_
            return X, one_hot(y, self.classes_)
        if not (self._several if known else is_several(y)):
            return super()._validate_input(X, y, incremental, reset)
        X, y = validate_data(self, X, columns_of(y), multi_output=True, reset=reset, **ACCEPTED)
        if not known:
            self._label_binarizer = SeveralBinarizer().fit(y.T)
            self.classes_ = self._label_binarizer.classes_
        return X, self._label_binarizer.transform(y)

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        if self._several:
            self.out_activation_ = "softmax"

    def _task(self) -> Task:
        task = super()._task()
        return replace(task, classes=tuple(map(len, self.classes_))) if self._several else task

    def _encoded(self, y: Any) -> Any:
        return self._label_binarizer.transform(y)

    def _decoded(self, y: np.ndarray) -> np.ndarray:
        return self._label_binarizer.inverse_transform(y)

    def _predict(self, X: Any, check_input: bool = True) -> np.ndarray:
        output = self._forward_pass_fast(X, check_input=check_input)
        kind, classes = self._label_binarizer.y_type_, self.classes_
        if kind == "multiclass":
            return classes.take(output.argmax(axis=1))
        if kind == "binary" and len(classes) == 2:
            return classes.take((output[:, 0] > 0.5).astype(np.int64))
        return self._label_binarizer.inverse_transform(output[:, 0] if self.n_outputs_ == 1 else output)

    def predict(self, X: Any) -> np.ndarray:
        """Classes (N,) of X (N, D); (N, O) of O columns; 0 and 1 (N, C) where a sample may have several labels."""
        self._check_fitted()
        return self._predict(X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities (N, C); where y has O columns of classes, a list of O such arrays."""
        probabilities = super().predict_proba(X)
        if not self._several:
            return probabilities
        return self._label_binarizer.columns(probabilities)

    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms."""
        probabilities = self.predict_proba(X)
        return [np.log(each) for each in probabilities] if self._several else np.log(probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the samples whose class, or whose classes in all columns, are right."""
        if not self._several:
            return super().score(X, y, sample_weight)
        return self._share_right(y, self.predict(X), sample_weight)

    def _default_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        if not self._several:
            return super()._default_score(X, y, sample_weight)
        return self._share_right(y, self._predict(X, check_input=False), sample_weight)

    def _share_right(self, y: Any, predicted: np.ndarray, sample_weight: Any) -> float:
        y = self._label_binarizer.checked(y)
        check_consistent_length(y, predicted, sample_weight)
        return float(np.average((y == predicted).all(axis=1), weights=sample_weight))

    def _checked_y(self, y: Any) -> Any:
        if self._several:
            self._label_binarizer.transform(y)
            return self._label_binarizer.checked(y)
        if issparse(y):
            y = y.toarray()
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        known = np.isin(y, self.classes_) if y.ndim == 1 else np.isin(y, (0, 1))
        if y.ndim != (2 if self._label_binarizer.y_type_.startswith("multilabel") else 1):
            raise ValueError(f"y_val has shape {y.shape}, which is not that of y")
        if not known.all():
            raise ValueError(f"y_val holds {y[~known].tolist()[0]!r}; the classes are {list(self.classes_)}")
        if y.ndim == 2 and y.shape[1] != self.n_outputs_:
            raise ValueError(f"y_val has {y.shape[1]} columns; y has {self.n_outputs_}")
        return y
