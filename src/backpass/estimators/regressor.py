"""scikit-learn's MLPRegressor through the engine."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import sklearn.neural_network
from sklearn.metrics import d2_pinball_score
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from backpass import checks
from backpass.estimators.mlp import CompiledMLP
from backpass.estimators.parameters import OWN, init_of
from backpass.estimators.tasks import REGRESSIONS, Task
from backpass.losses.gamma import Gamma
from backpass.losses.loss import Loss
from backpass.losses.poisson import Poisson


class MLPRegressor(CompiledMLP, sklearn.neural_network.MLPRegressor):
    """Multilayer perceptron regressor: scikit-learn's, faster.

    Parameters, attributes and methods are those of `sklearn.neural_network.MLPRegressor`, and in float64 so are the
    numbers, to rounding. docs/estimators.md says what differs.

    Beside those (docs/estimators.md has an example of each):

    Parameters
    ----------
    loss : str, Loss or function
        "absolute_error", "huber", "gamma", "quantile" too; one of our losses; a function `(y_true, y_pred)` that
        returns the loss of each sample (N,) and the gradient of each by its prediction, of the shape of y_pred.
    quantile : float or list of them, each between 0 and 1
        Of loss="quantile"; of several of one target, `predict` returns (N, Q).
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

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> MLPRegressor(max_iter=2000, tol=0.1, random_state=1).fit(X, y).score(X, y) > 0.95
    True
    """

    __init__ = init_of(sklearn.neural_network.MLPRegressor, quantile=0.5, **OWN)  # type: ignore[assignment]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **sklearn.neural_network.MLPRegressor._parameter_constraints,
        **CompiledMLP._parameter_constraints,
        "loss": [StrOptions({*REGRESSIONS, "quantile"}), Loss, HasMethods(["forward", "backward"]), callable],
        "quantile": [Interval(Real, 0, 1, closed="neither"), list, tuple],
    }

    @property
    def _quantiles(self) -> tuple[float, ...]:
        """Those that are learnt, one or several."""
        if self.loss != "quantile":
            return ()
        several = isinstance(self.quantile, list | tuple)
        listed = self.quantile if several else [self.quantile]
        return tuple(checks.real(each, "quantile", low=0, high=1, open_low=True) for each in listed)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = super()._validate_input(X, y, incremental, reset)
        if self.loss == "gamma" and not (y > 0).all():
            raise ValueError(f"y holds {y.min()}; amounts, which loss='gamma' is for, are above 0")
        outputs = len(self._quantiles) if len(self._quantiles) > 1 else 1 if y.ndim == 1 else y.shape[1]
        if not reset and outputs != np.shape(self.coefs_[-1])[-1]:
            raise ValueError(
                f"y and quantile ask for {outputs} outputs, but {np.shape(self.coefs_[-1])[-1]} are gone on with; "
                "fit a new estimator"
            )
        if len(self._quantiles) > 1 and y.ndim > 1:
            raise ValueError(f"y has shape {y.shape}; several quantiles are of one target, (N,)")
        return X, self._encoded(y)

    def _encoded(self, y: Any) -> Any:
        outputs = len(self._quantiles)
        return y if outputs < 2 else np.repeat(np.reshape(y, (-1, 1)), outputs, axis=1)

    def _decoded(self, y: np.ndarray) -> np.ndarray:
        return y[:, 0] if len(self._quantiles) > 1 else super()._decoded(y)

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        if self._positive:
            self.out_activation_ = "exp"

    @property
    def _positive(self) -> bool:
        """Whether the loss is for outputs above 0."""
        return self.loss in ("poisson", "gamma") or isinstance(self.loss, Gamma | Poisson)

    def _check_goes_on(self) -> None:
        super()._check_goes_on()
        if self._positive != (self.out_activation_ == "exp"):
            raise ValueError(
                f"loss is {self.loss!r}, but an output activation {self.out_activation_!r} is gone on with; fit a new "
                "estimator, or set it back"
            )

    def _task(self) -> Task:
        return replace(super()._task(), quantiles=self._quantiles)

    def predict(self, X: Any) -> np.ndarray:
        """Values (N,) of X (N, D), or (N, M) for M outputs or quantiles."""
        self._check_fitted()
        return self._predict(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2; for loss="quantile" D2, which is to the pinball loss what R2 is to squares, on average over quantiles."""
        if self.loss != "quantile":
            return super().score(X, y, sample_weight)
        return self._explained(y, self.predict(X), sample_weight)

    def _default_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        if self.loss != "quantile":
            return super()._default_score(X, y, sample_weight)
        return self._explained(y, self._predict(X, check_input=False), sample_weight)

    def _explained(self, y: Any, predicted: np.ndarray, sample_weight: Any) -> float:
        if not np.isfinite(predicted).all():
            return np.nan
        columns = predicted.T if len(self._quantiles) > 1 else [predicted]
        of_each = [
            d2_pinball_score(y, column, sample_weight=sample_weight, alpha=quantile)
            for quantile, column in zip(self._quantiles, columns, strict=True)
        ]
        return float(np.mean(of_each))
