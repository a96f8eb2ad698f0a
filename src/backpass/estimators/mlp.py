"""What both estimators do through the engine. All else is scikit-learn's own class (docs/decisions/0011).

Overridden: making the epochs (`_fit_stochastic`), the loss and gradient that SciPy's L-BFGS asks for
(`_loss_grad_lbfgs`), the output (`_forward_pass_fast`), and what a pickle holds.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from backpass.estimators.adam import EarlyEpsilonAdam
from backpass.estimators.asking import AskedMLP
from backpass.estimators.callbacks import ListenedTo, Listeners
from backpass.estimators.epochs import (
    CompiledEpochs,
    Order,
    Together,
    WalkedEpochs,
    blocks,
    dense,
    threads_allowed,
)
from backpass.estimators.grouped import GroupedCrossentropy
from backpass.estimators.parameters import CONSTRAINTS
from backpass.estimators.penalty import Penalty
from backpass.optimizers.lbfgs import LBFGS
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.sgd import SGD

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class CompiledMLP(ListenedTo, AskedMLP):
    """scikit-learn's multilayer perceptron on backpass's engine."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        **CONSTRAINTS,
    }
    _no_improvement_count: int
    _given: tuple[Any, Any, Any] = None, None, None  # what is validated with, and its weights

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train on X (N, D) and y, as scikit-learn does.

        Parameters
        ----------
        X : array-like or sparse (N, D)
        y : array-like (N,) or (N, M)
        sample_weight : array-like (N,), optional
        X_val, y_val, sample_weight_val : as those, optional
            What early stopping validates with, instead of a part of X.

        Raises
        ------
        ValueError
            For what scikit-learn refuses; a training that diverges; X_val without y_val, or without `early_stopping`.
        """
        with self._validated_with(X_val, y_val, sample_weight_val):
            return self._fit(X, y, sample_weight=sample_weight, incremental=False)

    @available_if(lambda model: model._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Make one epoch on X (N, D) and y, going on from where the last call ended.

        Arguments as of `fit`. With `early_stopping` X_val and y_val are needed; `stopped_` says after each call whether
        the validation has not improved for more than `n_iter_no_change` of them: then the best weights are back.

        Raises ValueError for what `fit` refuses.
        """
        with self._validated_with(X_val, y_val, sample_weight_val):
            return self._fit(X, y, sample_weight=sample_weight, incremental=True)

    @contextmanager
    def _validated_with(self, X: Any, y: Any, sample_weight: Any) -> Iterator[None]:
        if (X is None) != (y is None):
            raise ValueError("X_val and y_val belong together; pass both or none")
        if X is not None and (not self.early_stopping or self.solver == "lbfgs"):
            raise ValueError("X_val is for early stopping; pass early_stopping=True and solver='adam' or 'sgd'")
        self._given = X, y, sample_weight
        try:
            yield
        finally:
            del self._given

    def restore_best(self) -> Self:
        """Put back the weights with the best validation so far, which partial_fit does once it stops early."""
        check_is_fitted(self)
        self._adopt().take((self._best_coefs, self._best_intercepts, self.__dict__.get("_best_norms", ())))
        return self

    def _score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """What early stopping goes by: that of scikit-learn, minus the loss, or any of its scorers."""
        if self.scoring is None:
            return super()._score(X, y, sample_weight=sample_weight)
        if self.scoring != "loss":
            weighted = {} if sample_weight is None else {"sample_weight": sample_weight}
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                return float(check_scoring(self, self.scoring)(self, X, y, **weighted))
        task, y = self._task(), self._encoded(y)
        output = self._forward_pass_fast(X, check_input=False)
        loss = task.ending()[1]
        targets = self._targets(y, loss, output.shape[1], output.dtype)
        if isinstance(loss, GroupedCrossentropy):
            with np.errstate(divide="ignore"):
                output = np.log(output)
        factor, _ = task.factors(output.shape[1])
        return -(factor * loss.calculate(output, targets, sample_weight) + task.constant(targets, sample_weight))

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, activations: Any, deltas: Any, coef_grads: Any, intercept_grads: Any,
        layer_units: Any, incremental: bool,
    ) -> None:  # fmt: skip
        if self.early_stopping and incremental and self._given[0] is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without X_val and y_val: what is held out has to be "
                "the same from call to call"
            )
        networks = self._adopt().networks
        if not incremental or "_movers" not in self.__dict__:
            self._optimizer, self._movers = self._rules(), [self._new_mover() for _ in networks]
        self._trained_in_parts, self.stopped_ = incremental, False
        held_out: Any = (None, None, None)
        if self.early_stopping:
            X, y, sample_weight, *held_out = self._hold_out(X, y, sample_weight)
        samples, task, threads = X.shape[0], self._task(), self.n_threads or threads_allowed()
        if self.batch_size != "auto" and self.batch_size > samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=3
            )
        most = 1 if incremental else self.max_iter
        order = Order(samples, self.shuffle, min(most, networks[0].parameters.size))
        kind = CompiledEpochs if networks[0].compiled else WalkedEpochs
        given = dense(X, networks[0].dtype), self._network_targets(y, networks[0])
        members = [
            kind(
                network,
                *given,
                mover,
                Penalty(network, task, self.alpha),
                task,
                order,
                epochs=most,
                batch=min(200 if self.batch_size == "auto" else self.batch_size, samples),
                weights=None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64),
                threads=threads if len(networks) == 1 else 1,
            )
            for network, mover in zip(networks, self._movers, strict=True)
        ]
        epochs = Together(members, order, threads)
        self.n_iter_ = 0
        listeners = Listeners(self, X, y, sample_weight, most)
        try:
            with epochs, listeners:
                self._make(epochs, samples, held_out, incremental, listeners)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=3)
        except FloatingPointError as error:
            if not self.early_stopping:
                raise ValueError(f"{NOT_FINITE} Here {error}.") from None
            self._give_up(error)
        if self.early_stopping and (self.stopped_ or not incremental):
            self.restore_best()

    def _make(
        self, epochs: Together, samples: int, held_out: tuple[Any, Any, Any], incremental: bool, listeners: Listeners
    ) -> None:
        """Epochs until one of scikit-learn's reasons ends them."""
        schedules: list[Any] = [mover.schedule for mover in self._movers]
        told = [schedule.on_epoch_end for schedule in schedules if hasattr(schedule, "on_epoch_end")]
        alone = self.early_stopping or told or listeners.here or self.learning_rate == "invscaling"
        while self.n_iter_ < (1 if incremental else self.max_iter):
            if self.solver == "sgd" and self.optimizer is None:
                for mover in self._movers:
                    mover.settings[0] = self._optimizer.learning_rate
            # the first epoch that may be the last by its loss, and all before it
            patience = self.n_iter_no_change - self._no_improvement_count + 1
            listeners.epoch_begins()
            at_once = 1 if alone else min(patience, self.max_iter - self.n_iter_)
            for loss in epochs.run(self._random_state, at_once):
                self.loss_ = loss
                self.n_iter_ += 1
                self.t_ += samples
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                with ExitStack() as shown:
                    for member in epochs.members if self._movers[0].weight_average is not None else ():
                        shown.enter_context(member.optimizer.shown(member.network.parameters))
                    self._update_no_improvement_count(self.early_stopping, *held_out)
                    told_to_stop = listeners.epoch_ends()
                for tell in told:
                    tell(self.n_iter_, {"loss": self.loss_})
                self._optimizer.iteration_ends(self.t_)
            if self._no_improvement_count > self.n_iter_no_change:
                what = "Validation score" if self.early_stopping else "Training loss"
                message = (
                    f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
                )
                self.stopped_ = self._optimizer.trigger_stopping(message, self.verbose)
                self._no_improvement_count = 0 if incremental or not self.stopped_ else self._no_improvement_count
            if self.stopped_ or told_to_stop or incremental:
                return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _update_no_improvement_count(self, early_stopping: bool, *held_out: Any) -> None:
        best = getattr(self, "best_validation_score_", None)
        super()._update_no_improvement_count(early_stopping, *held_out)
        if early_stopping and self.best_validation_score_ > best and "norms_" in self.__dict__:
            self._best_norms = [array.copy() for array in self.norms_]

    def _give_up(self, error: FloatingPointError) -> None:
        """Early stopping has the best weights so far: a training that diverges ends there."""
        self.loss_ = np.nan
        self.loss_curve_.append(self.loss_)
        self.validation_scores_.append(np.nan)
        self.stopped_ = True
        warnings.warn(f"{error}. The best weights so far are kept.", ConvergenceWarning, stacklevel=4)

    def _hold_out(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """X, y and weights to train on, then those to validate with."""
        X_val, y_val, weights_val = self._given
        if X_val is not None:
            accepted: Any = {"accept_sparse": ["csr", "csc"], "dtype": (np.float64, np.float32)}
            X_val = validate_data(self, X_val, reset=False, **accepted)
            return X, y, sample_weight, X_val, np.asarray(y_val), weights_val
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
        held_out[1] = self._decoded(held_out[1])
        return (*train, *held_out) if sample_weight is not None else (*train, None, *held_out, None)

    def _rules(self) -> Any:
        """scikit-learn's optimizer, for its learning rate and its word on stopping; it is given no parameters."""
        if self.solver == "adam" or self.optimizer is not None:
            return AdamOptimizer([], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        return SGDOptimizer(
            [], self.learning_rate_init, self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t
        )

    def _new_mover(self) -> Optimizer:
        """The optimizer that moves the parameters."""
        if self.optimizer is not None:
            if isinstance(self.optimizer, LBFGS):
                raise ValueError(f"optimizer is {self.optimizer!r}; pass solver='lbfgs' instead")
            return copy.deepcopy(self.optimizer)
        rate = float(self.learning_rate_init)
        if self.solver == "adam":
            return EarlyEpsilonAdam(rate, float(self.beta_1), float(self.beta_2), float(self.epsilon))
        mover = SGD(rate)
        mover.settings[1:] = self.momentum, self.nesterovs_momentum  # a momentum of 1 is allowed here
        return mover

    # ----------------------------------------------------------------------------------------------------- L-BFGS

    def _fit_lbfgs(self, X: Any, y: Any, sample_weight: Any, *others: Any) -> None:
        """In float64 whatever X is, as in scikit-learn: a line search tells losses apart that are nearly equal."""
        if np.any(self.dropout) or self.batch_norm or self.layer_norm:
            raise ValueError("dropout, batch_norm and layer_norm need solver='adam' or 'sgd'; this is 'lbfgs'")
        if self.n_ensemble > 1:
            raise ValueError("n_ensemble needs solver='adam' or 'sgd'; this is 'lbfgs'")
        network = self._adopt(np.dtype(np.float64)).network
        weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64)
        with Listeners(self, X, y, sample_weight, 0):
            super()._fit_lbfgs(dense(X, network.dtype), self._network_targets(y, network), weights, *others)
        if not np.isfinite(self.loss_):
            raise ValueError(f"{NOT_FINITE} Here the loss of lbfgs became {self.loss_}; standardise X and y.")

    def _unpack(self, packed_parameters: np.ndarray) -> None:
        self._adopt().unpack(packed_parameters)

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: Any, sample_weight: Any, *others: Any
    ) -> tuple[float, np.ndarray]:
        kept = self._adopt()
        kept.unpack(packed_coef_inter)
        network, task = kept.network, self._task()
        targets = self._network_targets(y, network)
        total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        loss, gradient = 0.0, np.zeros_like(network.parameters)
        for piece, rows in blocks(X, network.dtype):
            weights = None if sample_weight is None else sample_weight[piece]
            part = (len(rows) if weights is None else weights.sum()) / total
            piece_loss, piece_gradient = network.gradient_of(rows, targets[piece], weights)
            loss += part * piece_loss
            gradient += part * piece_gradient
        loss, gradient = Penalty(network, task, self.alpha).whole(network, loss, gradient, total)
        return loss + task.constant(targets, sample_weight), kept.pack(gradient)
