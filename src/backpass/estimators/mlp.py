"""Training through the engine: epochs until one of scikit-learn's reasons ends them, and SciPy's L-BFGS.

All that is not said here or in the modules that this one builds on is scikit-learn's own (docs/decisions/0011).
"""

from __future__ import annotations

import copy
import warnings
from contextlib import ExitStack
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils.metaestimators import available_if

from backpass.engine.threads import fits
from backpass.estimators.adam import EarlyEpsilonAdam
from backpass.estimators.callbacks import ListenedTo, Listeners
from backpass.estimators.epochs import (
    CompiledEpochs,
    Diverged,
    Order,
    Together,
    WalkedEpochs,
    blocks,
    dense,
    threads_allowed,
)
from backpass.estimators.kept import members_of
from backpass.estimators.parameters import CONSTRAINTS
from backpass.estimators.penalty import Penalty
from backpass.estimators.validation import ValidatedMLP
from backpass.optimizers.lbfgs import LBFGS
from backpass.optimizers.optimizer import Optimizer
from backpass.optimizers.sgd import SGD

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class Found:
    """The best that L-BFGS has found so far, for who interrupts it: each of its iterations ends with a lower loss."""

    def __init__(self) -> None:
        self.loss, self.times = np.inf, -1  # the first is what it begins with
        self.parameters = np.empty(0)

    def note(self, loss: float, packed: np.ndarray) -> None:
        if loss < self.loss:
            self.loss, self.times, self.parameters = loss, self.times + 1, packed.copy()


class CompiledMLP(ListenedTo, ValidatedMLP):
    """scikit-learn's multilayer perceptron on backpass's engine."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        **CONSTRAINTS,
    }
    _no_improvement_count: int
    _found: Found | None = None  # while L-BFGS runs

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

    def _fit_stochastic(
        self, X: Any, y: Any, sample_weight: Any, activations: Any, deltas: Any, coef_grads: Any, intercept_grads: Any,
        layer_units: Any, incremental: bool,
    ) -> None:  # fmt: skip
        if self.early_stopping and incremental and self._given[0] is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without X_val and y_val: what is held out has to be "
                "the same from call to call"
            )
        sample_weight = self._weighed(self._decoded(y), sample_weight)
        networks = self._adopt().networks
        self._begin_record()
        if not incremental or "_movers" not in self.__dict__:
            self._optimizer, self._movers = self._rules(), [self._new_mover() for _ in networks]
        self._trained_in_parts, self.stopped_ = incremental, False
        held_out: Any = (None, None, None)
        if self.early_stopping:
            X, y, sample_weight, *held_out = self._hold_out(X, y, sample_weight)
        if sample_weight is not None and not np.isfinite(sample_weight.sum()):
            raise ValueError(f"sample_weight adds up to {sample_weight.sum()}; divide it by its largest")
        samples, task, threads = X.shape[0], self._task(), int(self.n_threads or threads_allowed())
        if self.batch_size != "auto" and self.batch_size > samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=3
            )
        most = 1 if incremental else int(self.max_iter)  # a NumPy integer of few bits would overflow
        order = Order(samples, self.shuffle, min(most, networks[0].parameters.size))
        kind = CompiledEpochs if networks[0].compiled else WalkedEpochs
        given = dense(X, networks[0].dtype), self._targets(y, networks[0])
        members = [
            kind(
                network,
                *given,
                mover,
                Penalty(network, task, self.alpha),
                task,
                order,
                epochs=most,
                batch=min(200 if self.batch_size == "auto" else int(self.batch_size), samples),
                weights=None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64),
                threads=max(1, threads // len(networks)),
            )
            for network, mover in zip(networks, self._movers, strict=True)
        ]
        epochs = Together(members, order, threads)
        self.n_iter_ = 0
        with Listeners(self, X, y, sample_weight, most) as listeners:
            try:
                with epochs:
                    self._make(epochs, samples, held_out, incremental, listeners)
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=3)
            except Diverged as error:
                if not self.early_stopping or self.best_validation_score_ == -np.inf:
                    raise ValueError(f"{NOT_FINITE} Here {error}.") from None
                self._give_up(error)
            if self.early_stopping and (self.stopped_ or not incremental) and self.best_validation_score_ > -np.inf:
                self.restore_best()

    def _make(
        self, epochs: Together, samples: int, held_out: tuple[Any, Any, Any], incremental: bool, listeners: Listeners
    ) -> None:
        """Epochs until one of scikit-learn's reasons ends them."""
        schedules: list[Any] = [mover.schedule for mover in self._movers]
        told = [schedule.on_epoch_end for schedule in schedules if hasattr(schedule, "on_epoch_end")]
        own_rate = self.solver == "sgd" and self.optimizer is None
        most = 1 if incremental else int(self.max_iter)
        watched, told_to_stop = self.early_stopping or listeners.here, False
        one_by_one = watched or told or (own_rate and self.learning_rate == "invscaling")
        while self.n_iter_ < most:
            if own_rate:
                for mover in self._movers:
                    mover.settings[0] = self._optimizer.learning_rate
            # the first epoch that may be the last by its loss, and all before it
            patience = int(min(self.n_iter_no_change, self.max_iter)) - self._no_improvement_count + 1
            listeners.epoch_begins()
            at_once = 1 if one_by_one else max(1, min(patience, most - self.n_iter_))
            for loss in epochs.run(self._random_state, at_once):
                self.loss_ = loss
                self.n_iter_ += 1
                self.t_ += samples
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                with ExitStack() as shown:
                    for member in epochs.members if watched and self._movers[0].weight_average is not None else ():
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
                if incremental or not self.stopped_:
                    self._no_improvement_count = 0
            if self.stopped_ or told_to_stop or incremental:
                return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _give_up(self, error: Diverged) -> None:
        """Early stopping has the best weights so far: a training that diverges ends there."""
        self.stopped_ = True
        if not np.isnan(self.validation_scores_[-1]):  # it was the loss that is none
            self.loss_ = np.nan
            self.loss_curve_.append(self.loss_)
            self.validation_scores_.append(np.nan)
        warnings.warn(f"{error}. The best weights so far are kept.", ConvergenceWarning, stacklevel=4)

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Self:
        if "coefs_" in self.__dict__ and (self.warm_start or incremental):
            self._check_goes_on()
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

    def _check_goes_on(self) -> None:
        """ValueError for parameters that ask for another network than the one that warm_start or partial_fit trains."""
        goes_on: dict[str, tuple[Any, Any]] = {
            "hidden_layer_sizes": ([np.shape(weights)[-1] for weights in self.coefs_[:-1]], self.hidden_layer_sizes),
            "n_ensemble": (members_of((self.coefs_,)), self.n_ensemble),
            "batch_norm or layer_norm": (bool(self.__dict__.get("norms_")), self.batch_norm or self.layer_norm),
        }
        for name, (fitted, asked) in goes_on.items():
            if np.ravel(asked).tolist() != np.ravel(fitted).tolist():
                raise ValueError(
                    f"{name} is {asked}, but {fitted} are gone on with; fit a new estimator, or set it back"
                )

    def _begin_record(self) -> None:
        """Curves that a parameter which was changed since the last fit asks for."""
        self.__dict__.setdefault("loss_curve_", [])
        self.__dict__.setdefault("_no_improvement_count", 0)
        if self.early_stopping and getattr(self, "validation_scores_", None) is None:
            self.__dict__ |= {"validation_scores_": [], "best_validation_score_": -np.inf, "best_loss_": None}
        if not self.early_stopping and getattr(self, "best_loss_", None) is None:
            self.__dict__ |= {"validation_scores_": None, "best_validation_score_": None, "best_loss_": np.inf}

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
        sample_weight = self._weighed(self._decoded(y), sample_weight)
        network = self._adopt(np.dtype(np.float64)).network
        network.threads = self.n_threads or threads_allowed()
        weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64)
        found = self._found = Found()
        try:
            # SciPy's own products are too short for BLAS's threads
            with Listeners(self, X, y, sample_weight, 0), fits.one_more(1):
                super()._fit_lbfgs(dense(X, network.dtype), self._targets(y, network), weights, *others)
        except KeyboardInterrupt:
            if found.times < 1:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=3)
            self._unpack(found.parameters)
            self.loss_, self.n_iter_ = found.loss, found.times
        finally:
            del self._found
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
        targets = self._targets(y, network)
        total = float(X.shape[0] if sample_weight is None else sample_weight.sum())
        loss, gradient = 0.0, np.zeros_like(network.parameters)
        for piece, rows in blocks(X, network.dtype):
            weights = None if sample_weight is None else sample_weight[piece]
            part = (len(rows) if weights is None else weights.sum()) / total
            piece_loss, piece_gradient = network.gradient_of(rows, targets[piece], weights)
            loss += part * piece_loss
            gradient += part * piece_gradient
        loss, gradient = Penalty(network, task, self.alpha).whole(network, loss, gradient, total)
        loss += task.constant(targets, sample_weight)
        if self._found is not None:
            self._found.note(loss, packed_coef_inter)
        return loss, kept.pack(gradient)
