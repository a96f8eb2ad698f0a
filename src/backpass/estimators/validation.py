"""Early stopping: what is validated with, what it goes by, and the best weights so far."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from backpass.checks import NotFinite
from backpass.estimators.epochs import Diverged, blocks
from backpass.estimators.networks import NetworksMLP
from backpass.optimizers.optimizer import fingerprint

ACCEPTED: dict[str, Any] = {"accept_sparse": ["csr", "csc"], "dtype": (np.float64, np.float32)}
TOO_SMALL = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."


class ValidatedMLP(NetworksMLP):
    """scikit-learn's early stopping, on samples of the user's too, and by any scorer."""

    _given: tuple[Any, Any, Any] = None, None, None  # X, y and weights of the user's

    @contextmanager
    def _validated_with(self, X: Any, y: Any, sample_weight: Any) -> Iterator[None]:
        if (X is None) != (y is None):
            raise ValueError("X_val and y_val belong together; pass both or none")
        if X is None and sample_weight is not None:
            raise ValueError("sample_weight_val is of X_val; pass that, too")
        if X is not None and (not self.early_stopping or self.solver == "lbfgs"):
            raise ValueError("X_val is for early stopping; pass early_stopping=True and solver='adam' or 'sgd'")
        self._given = X, y, sample_weight
        try:
            yield
        finally:
            self.__dict__.pop("_given", None)

    def _hold_out(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """X, y and weights to train on, then those to validate with."""
        X_val, y_val, weights_val = self._given
        if X_val is not None:
            X_val = validate_data(self, X_val, reset=False, **ACCEPTED)
            if X_val.shape[0] < 2:
                raise ValueError("X_val has 1 sample; pass at least 2")
            y_val = self._checked_y(y_val)
            check_consistent_length(X_val, y_val)
            weights_val = None if weights_val is None else _check_sample_weight(weights_val, X_val)
            return X, y, sample_weight, X_val, y_val, self._weighed(y_val, weights_val)
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        train, held_out = parts[::2], parts[1::2]
        if held_out[0].shape[0] < 2:
            raise ValueError(TOO_SMALL)
        held_out[1] = self._decoded(held_out[1])
        return (*train, *held_out) if sample_weight is not None else (*train, None, *held_out, None)

    def _weighed(self, y: Any, sample_weight: Any) -> Any:
        """The weights of samples, with those of their classes."""
        return sample_weight

    def _checked_y(self, y: Any) -> Any:
        """y_val as `_score` takes it. ValueError for another number of columns than y has."""
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val")
        columns = 1 if y.ndim == 1 else y.shape[1]
        wanted = self._decoded(np.empty((1, self.n_outputs_))).size
        if columns != wanted:
            raise ValueError(f"y_val has {columns} columns; y has {wanted}")
        return y

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """That of scikit-learn, minus the loss, or any of its scorers; NaN where predictions are not finite."""
        try:
            if self.scoring == "loss":
                return -self._validation_loss(X, self._encoded(y), sample_weight)
            if self.scoring is None:
                score = self._default_score(X, y, sample_weight)
            else:
                weighted = {} if sample_weight is None else {"sample_weight": sample_weight}
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "X does not have valid feature names")
                    score = float(check_scoring(self, self.scoring)(self, X, y, **weighted))
        except NotFinite:
            return np.nan
        first = self.best_validation_score_ == -np.inf  # later, the best weights so far are kept
        if first and np.isnan(score) and np.isfinite(self._forward_pass_fast(X, check_input=False)).all():
            one = is_classifier(self) and np.ndim(y) == 1 and len(np.unique(y)) == 1
            why = f", which are all of class {np.unique(y).tolist()[0]!r}" if one else ""
            raise ValueError(
                f"scoring={self.scoring!r} is not defined for the {len(y)} samples of the validation{why}: it is nan; "
                "pass an X_val and y_val that it can judge, or another scoring"
            )
        return score

    def _validation_loss(self, X: Any, y: Any, sample_weight: Any) -> float:
        """The loss of the mean of the networks' outputs; of classes from logits, exact where probabilities round."""
        if sample_weight is not None and not np.any(sample_weight):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        task, networks = self._task(), self._kept().networks
        y = y.reshape(len(y), -1)
        if not is_classifier(self):
            loss = networks[0].loss
            targets = self._targets(y, networks[0])
            mean = loss.calculate(self._forward_pass_fast(X, check_input=False), targets, sample_weight)
            return task.factors(targets.shape[1])[0] * mean + task.constant(targets, sample_weight)
        of_samples = np.empty(len(y))
        for piece, rows in blocks(X, networks[0].dtype):
            of_each = [task.log_likelihoods(self._logits(network, rows), y[piece]) for network in networks]
            of_samples[piece] = -(logsumexp(of_each, axis=0) - np.log(len(networks))).sum(axis=1)
        return float(np.average(of_samples, weights=sample_weight))

    def _update_no_improvement_count(self, early_stopping: bool, *held_out: Any) -> None:
        best = getattr(self, "best_validation_score_", None)
        super()._update_no_improvement_count(early_stopping, *held_out)
        if not early_stopping:
            return
        if self.best_validation_score_ > best and "norms_" in self.__dict__:
            self._best_norms = [array.copy() for array in self.norms_]
        if np.isnan(self.validation_scores_[-1]):
            raise Diverged(f"the validation score became nan after epoch {len(self.validation_scores_)}")

    def restore_best(self) -> Self:
        """Put back the weights with the best validation so far, which partial_fit does once it stops early.

        Raises ValueError where nothing was validated.
        """
        check_is_fitted(self)
        if getattr(self, "best_validation_score_", None) in (None, -np.inf):
            raise ValueError("nothing was validated yet; train with early_stopping=True")
        kept = self._adopt()
        kept.take((self._best_coefs, self._best_intercepts, self.__dict__.get("_best_norms", ())))
        for mover, network in zip(self.__dict__.get("_movers", ()), kept.networks, strict=False):
            mover._left = fingerprint(network.parameters)  # a copy of it goes on with these
        return self
