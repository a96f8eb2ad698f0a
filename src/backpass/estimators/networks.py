"""The networks behind an estimator: how they are made, what they are asked, and what a pickle holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.utils.validation import check_is_fitted, validate_data

from backpass import checks
from backpass.estimators.epochs import blocks, dense
from backpass.estimators.grouped import GroupedCrossentropy, groups
from backpass.estimators.kept import Kept
from backpass.estimators.recipe import Recipe
from backpass.estimators.tasks import Task
from backpass.fusions.fusion import Fusion
from backpass.losses.categorical_crossentropy import CategoricalCrossentropy
from backpass.network import Network

OF_A_FIT = ("_given", "_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx")


class NetworksMLP(BaseMultilayerPerceptron):
    """scikit-learn's multilayer perceptron with a Network, or several, behind `coefs_` and `intercepts_`."""

    def _kept(self, dtype: Any = None) -> Kept:
        """The networks that hold what is in `coefs_` and `intercepts_` now."""
        recipe, arrays = Recipe.of(self), (self.coefs_, self.intercepts_, self.__dict__.get("norms_", ()))
        kept = self.__dict__.get("_network_kept")
        if kept is not None and kept.fits(recipe, arrays) and dtype in (None, kept.network.dtype):
            kept.take(arrays)
            return kept
        dtype = dtype or np.result_type(np.float32, *self.coefs_, *self.intercepts_)
        return Kept(recipe, arrays, dtype, self.__dict__.get("_seed", 0))

    def _adopt(self, dtype: Any = None) -> Kept:
        """The same; and `coefs_`, `intercepts_` and `norms_` are views of it from now on."""
        kept = self._network_kept = self._kept(dtype)
        self.coefs_, self.intercepts_ = list(kept.coefs), list(kept.intercepts)
        if kept.norms:
            self.norms_ = list(kept.norms)
        return kept

    def _task(self) -> Task:
        """What the network learns."""
        return Task(self.out_activation_, self.loss)

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        if self.n_ensemble > 1:
            members = [[*zip(self.coefs_, self.intercepts_, strict=True)]]
            while len(members) < self.n_ensemble:
                members.append([self._init_coef(*sizes, dtype) for sizes in pairwise(layer_units)])
            for name, place in (("coefs", 0), ("intercepts", 1)):
                arrays = [np.stack([drawn[place] for drawn in layer]) for layer in zip(*members, strict=True)]
                self.__dict__ |= {f"{name}_": arrays, f"_best_{name}": [each.copy() for each in arrays]}
        for name in ("norms_", "_best_norms", "_network_kept"):
            self.__dict__.pop(name, None)
        if np.any(self.dropout):
            self._seed = checks.draw_seed(self._random_state)

    @staticmethod
    def _targets(y: np.ndarray, network: Network) -> np.ndarray:
        """Targets as the network takes them, from y (N, M) as scikit-learn has it; those go through."""
        loss = network.loss
        if isinstance(loss, CategoricalCrossentropy) and y.ndim == 2:
            y = y.argmax(axis=1)
        elif isinstance(loss, GroupedCrossentropy) and y.dtype == bool:
            y = np.column_stack([part.argmax(axis=1) for part in groups(y, loss.classes)])
        return loss.targets(y, network.widths[-1], network.dtype, "y")

    @staticmethod
    def _logits(network: Network, X: np.ndarray) -> np.ndarray:
        """What the last activation of a classifier is given, (N, M)."""
        network = network._beside()
        output = network.forward(X, training=False)
        return output if isinstance(network.loss, Fusion) else network.layers[-1].inputs  # type: ignore[return-value]

    def _default_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """What early stopping goes by where nothing is said."""
        return super()._score(X, y, sample_weight=sample_weight)

    def _encoded(self, y: Any) -> Any:
        """y as `_fit_stochastic` gets it, from what a user passes."""
        return y

    def _decoded(self, y: np.ndarray) -> np.ndarray:
        """And back."""
        return y[:, 0] if y.shape[1] == 1 else y

    # ------------------------------------------------------------------------------------------------- prediction

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        """Output (N, M) of the last activation."""
        networks = self._kept().networks
        network = networks[0]
        plain = check_input and network._plain(X) and not hasattr(self, "feature_names_in_")
        if plain:
            try:
                return mean_output(networks, X)
            except ValueError:  # a number that is not finite: scikit-learn says it in its own words
                pass
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        pieces = [mean_output(networks, rows) for _, rows in blocks(X, network.dtype)]
        output = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return output.astype(np.result_type(X.dtype, output), copy=False)

    def input_gradients(self, X: Any) -> np.ndarray:
        """Gradient of each output by each feature, for each sample of X (N, D).

        Returns
        -------
        ndarray (N, M, D), or (N, D) where there is one output
            Of probabilities (of `classes_[1]`, if there are two), or of predicted values.

        Raises NotFittedError, and ValueError for an X that `predict` refuses.
        """
        check_is_fitted(self)
        networks = self._kept().networks
        X = dense(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False), networks[0].dtype)
        gradients = np.mean([gradients_of(network._beside(), X) for network in networks], axis=0)
        if checks.first_not_finite(gradients) is not None:
            raise networks[0]._not_finite(X, "a gradient is not finite")
        return gradients[:, 0] if self.n_outputs_ == 1 else gradients

    def _check_fitted(self) -> None:
        """check_is_fitted costs as much as a prediction, so only where it will raise."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)

    # --------------------------------------------------------------------------------------------------- a pickle

    def __getstate__(self) -> dict[str, Any]:
        """No network, and the optimizer's state only where it may be gone on from: after partial_fit, or warm_start."""
        left, best = {*OF_A_FIT, "_network_kept"}, {"_best_coefs", "_best_intercepts", "_best_norms"}
        in_parts = self.__dict__.get("_trained_in_parts")
        if not self.warm_start and not in_parts:
            left.add("_movers")
        if not in_parts or not self.early_stopping:
            left |= best
        state = {name: value for name, value in super().__getstate__().items() if name not in left}
        if "_movers" in state and "_network_kept" in self.__dict__:
            state["_trained"] = self._network_kept.network.trained
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "coefs_" in self.__dict__:
            trained = self.__dict__.pop("_trained", (0, 0))
            for network in self._adopt().networks:
                network.trained = trained
            self.__dict__.setdefault("_best_coefs", [each.copy() for each in self.coefs_])
            self.__dict__.setdefault("_best_intercepts", [each.copy() for each in self.intercepts_])


def mean_output(networks: Sequence[Network], X: Any) -> np.ndarray:
    """Output (N, M) of the last activation, the mean of those of all networks."""
    output = networks[0]._output(X)
    for network in networks[1:]:
        output += network._output(X)
    return output if len(networks) == 1 else output / len(networks)


def gradients_of(network: Network, X: np.ndarray) -> np.ndarray:
    """Gradient (N, M, D) of each output by each number that goes in."""
    output, layers = network.forward(X, training=False), [*network.layers]
    if isinstance(network.loss, Fusion):  # which takes logits
        layers.append(network.loss.layer())
        output = layers[-1].forward(output)
    gradients = np.empty((len(X), output.shape[1], X.shape[1]), network.dtype)
    for place in range(output.shape[1]):
        if place and not network.compiled:  # what a part's `forward` kept, its `backward` may have used up
            network.forward(X, training=False)
        dvalues = np.zeros_like(output)
        dvalues[:, place] = 1
        for layer in reversed(layers):
            dvalues = layer.walk_back(dvalues)
        gradients[:, place] = dvalues
    return gradients
