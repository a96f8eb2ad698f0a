"""What both estimators do through the engine. All else is scikit-learn's own class (docs/decisions/0010).

Overridden: making the epochs (`_fit_stochastic`), the loss and gradient that SciPy's L-BFGS asks for
(`_loss_grad_lbfgs`), the output (`_forward_pass_fast`), and what a pickle holds.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils.validation import check_is_fitted, validate_data

from backpass.estimators.adam import EarlyEpsilonAdam
from backpass.estimators.epochs import Epochs, blocks, dense, threads_allowed
from backpass.estimators.kept import Kept
from backpass.estimators.penalty import Penalty
from backpass.network import Network
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.sgd import SGD

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class CompiledMLP(BaseMultilayerPerceptron):
    """scikit-learn's multilayer perceptron on backpass's engine."""

    _no_improvement_count: int

    # ------------------------------------------------------------------------------------------------ the network

    def _kept(self, dtype: Any = None) -> Kept:
        """The network that holds what is in `coefs_` and `intercepts_` now."""
        given = self.activation, self.out_activation_, self.coefs_, self.intercepts_
        kept = self.__dict__.get("_network_kept")
        if kept is not None and kept.fits(*given) and dtype in (None, kept.network.dtype):
            kept.take(self.coefs_, self.intercepts_)
            return kept
        return Kept(*given, dtype or np.result_type(np.float32, *self.coefs_, *self.intercepts_))

    def _adopt(self, dtype: Any = None) -> Kept:
        """The same; and `coefs_` and `intercepts_` are views of it from now on."""
        kept = self._network_kept = self._kept(dtype)
        self.coefs_, self.intercepts_ = list(kept.coefs), list(kept.intercepts)
        return kept

    def _targets(self, y: np.ndarray, network: Network) -> np.ndarray:
        """Targets as the network's loss takes them, from y (N, M) as scikit-learn has it; those go through."""
        if self.out_activation_ == "softmax" and y.ndim == 2:
            y = y.argmax(axis=1)
        return network.loss.targets(y, network.widths[-1], network.dtype, "y")

    # --------------------------------------------------------------------------------------------------- training

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, activations: Any, deltas: Any, coef_grads: Any, intercept_grads: Any,
        layer_units: Any, incremental: bool,
    ) -> None:  # fmt: skip
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        network = self._adopt().network
        if not incremental or "_mover" not in self.__dict__:
            self._optimizer, self._mover = self._rules(), self._new_mover()
        self._trained_in_parts = incremental
        held_out: Any = (None, None, None)
        if self.early_stopping:
            X, y, sample_weight, *held_out = self._hold_out(X, y, sample_weight)
        samples = X.shape[0]
        if self.batch_size != "auto" and self.batch_size > samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=3
            )
        epochs = Epochs(
            network,
            dense(X, network.dtype),
            self._targets(y, network),
            self._mover,
            Penalty(network, self.out_activation_, self.alpha),
            epochs=1 if incremental else self.max_iter,
            batch=min(200 if self.batch_size == "auto" else self.batch_size, samples),
            shuffle=self.shuffle,
            weights=None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64),
            threads=threads_allowed(),
        )
        self.n_iter_ = 0
        try:
            with epochs:
                self._make(epochs, held_out, incremental)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=3)
        except FloatingPointError as error:
            if not self.early_stopping:
                raise ValueError(f"{NOT_FINITE} Here {error}.") from None
            self._give_up(error)
        if self.early_stopping:
            for mine, best in zip(
                self.coefs_ + self.intercepts_, self._best_coefs + self._best_intercepts, strict=True
            ):
                mine[...] = best

    def _make(self, epochs: Epochs, held_out: tuple[Any, Any, Any], incremental: bool) -> None:
        """Epochs until one of scikit-learn's reasons ends them."""
        for epoch in range(1, self.max_iter + 1):
            if self.solver == "sgd":
                self._mover.settings[0] = self._optimizer.learning_rate
            self.loss_ = epochs.epoch(self._random_state)
            self.n_iter_ = epoch
            self.t_ += epochs.samples
            self.loss_curve_.append(self.loss_)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            self._update_no_improvement_count(self.early_stopping, *held_out)
            self._optimizer.iteration_ends(self.t_)
            if self._no_improvement_count > self.n_iter_no_change:
                what = "Validation score" if self.early_stopping else "Training loss"
                message = (
                    f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
                )
                if self._optimizer.trigger_stopping(message, self.verbose):
                    return
                self._no_improvement_count = 0
            if incremental:
                return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _give_up(self, error: FloatingPointError) -> None:
        """Early stopping has the best weights so far: a training that diverges ends there."""
        self.loss_ = np.nan
        self.loss_curve_.append(self.loss_)
        self.validation_scores_.append(np.nan)
        warnings.warn(f"{error}. The best weights so far are kept.", ConvergenceWarning, stacklevel=4)

    def _hold_out(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """X, y and weights to train on, then those to validate with."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        train, held_out = parts[::2], parts[1::2]
        if held_out[0].shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        if is_classifier(self):
            held_out[1] = self._label_binarizer.inverse_transform(held_out[1])
        return (*train, *held_out) if sample_weight is not None else (*train, None, *held_out, None)

    def _rules(self) -> Any:
        """scikit-learn's optimizer, for its learning rate and its word on stopping; it is given no parameters."""
        if self.solver == "adam":
            return AdamOptimizer([], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        return SGDOptimizer(
            [], self.learning_rate_init, self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t
        )

    def _new_mover(self) -> Optimizer:
        """The optimizer that moves the parameters."""
        rate = float(self.learning_rate_init)
        if self.solver == "adam":
            return EarlyEpsilonAdam(rate, float(self.beta_1), float(self.beta_2), float(self.epsilon))
        mover = SGD(rate)
        mover.settings[1:] = self.momentum, self.nesterovs_momentum  # a momentum of 1 is allowed here
        return mover

    # ----------------------------------------------------------------------------------------------------- L-BFGS

    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any, *others: Any) -> None:
        """In float64 whatever X is, as in scikit-learn: a line search tells losses apart that are nearly equal."""
        network = self._adopt(np.dtype(np.float64)).network
        weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64)
        super()._fit_lbfgs(dense(X, network.dtype), self._targets(y, network), weights, *others)
        if not np.isfinite(self.loss_):
            raise ValueError(f"{NOT_FINITE} Here the loss of lbfgs became {self.loss_}; standardise X and y.")

    def _unpack(self, packed_parameters: np.ndarray) -> None:
        self._adopt().unpack(packed_parameters)

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: Any, sample_weight: Any, *others: Any
    ) -> tuple[float, np.ndarray]:
        kept = self._adopt()
        kept.unpack(packed_coef_inter)
        network, targets = kept.network, self._targets(y, kept.network)
        total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        loss, gradient = 0.0, np.zeros_like(network.parameters)
        for piece, rows in blocks(X, network.dtype):
            weights = None if sample_weight is None else sample_weight[piece]
            part = (len(rows) if weights is None else weights.sum()) / total
            piece_loss, piece_gradient = network.gradient_of(rows, targets[piece], weights)
            loss += part * piece_loss
            gradient += part * piece_gradient
        penalty = Penalty(network, self.out_activation_, self.alpha)
        loss, gradient = penalty.whole(network, loss, gradient, total)
        return loss + penalty.constant(targets, sample_weight), kept.pack(gradient)

    # ------------------------------------------------------------------------------------------------- prediction

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        """Output (N, M) of the last activation."""
        network = self._kept().network
        plain = check_input and network._plain(X) and not hasattr(self, "feature_names_in_")
        if plain:
            try:
                return network._output(X)
            except ValueError:  # a number that is not finite: scikit-learn says it in its own words
                pass
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        pieces = [network._output(rows) for _, rows in blocks(X, network.dtype)]
        output = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return output.astype(np.result_type(X.dtype, output), copy=False)

    def _check_fitted(self) -> None:
        """check_is_fitted costs as much as a prediction, so only where it will raise."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)

    # --------------------------------------------------------------------------------------------------- a pickle

    def __getstate__(self) -> dict[str, Any]:
        """No network, and the optimizer's state only where it may be gone on from: after partial_fit, or warm_start."""
        left = {"_network_kept", "_best_coefs", "_best_intercepts"}
        if not self.warm_start and not self.__dict__.get("_trained_in_parts"):
            left.add("_mover")
        return {name: value for name, value in super().__getstate__().items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "coefs_" in self.__dict__:
            self._adopt()
            self._best_coefs, self._best_intercepts = (
                [c.copy() for c in self.coefs_],
                [i.copy() for i in self.intercepts_],
            )
