"""The estimator's network, what it is asked once it is trained, and what a pickle holds of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.utils.validation import check_is_fitted, validate_data

from backpass import checks
from backpass.estimators.epochs import blocks, dense
from backpass.estimators.kept import Kept
from backpass.estimators.recipe import Recipe
from backpass.network import Network


class AskedMLP(BaseMultilayerPerceptron):
    """scikit-learn's multilayer perceptron with a Network behind `coefs_` and `intercepts_`."""

    def _kept(self, dtype: Any = None) -> Kept:
        """The network that holds what is in `coefs_` and `intercepts_` now."""
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

    def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        for name in ("norms_", "_network_kept"):
            self.__dict__.pop(name, None)
        if np.any(self.dropout):
            self._seed = checks.draw_seed(self._random_state)

    def _targets(self, y: np.ndarray, network: Network) -> np.ndarray:
        """Targets as the network's loss takes them, from y (N, M) as scikit-learn has it; those go through."""
        if self.out_activation_ == "softmax" and y.ndim == 2:
            y = y.argmax(axis=1)
        return network.loss.targets(y, network.widths[-1], network.dtype, "y")

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

    def input_gradients(self, X: Any) -> np.ndarray:
        """Gradient of each output by each feature, for each sample of X (N, D).

        Returns
        -------
        ndarray (N, M, D), or (N, D) where there is one output
            Of probabilities (of `classes_[1]`, if there are two), or of predicted values.

        Raises NotFittedError, and ValueError for an X that `predict` refuses.
        """
        check_is_fitted(self)
        network = self._kept().network._beside()
        X = dense(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False), network.dtype)
        outputs = network.forward(X, training=False)
        gradients = np.empty((len(X), outputs.shape[1], X.shape[1]), network.dtype)
        for place in range(outputs.shape[1]):
            dvalues = np.zeros_like(outputs)
            dvalues[:, place] = 1
            for layer in reversed(network.layers):
                dvalues = layer.walk_back(dvalues)
            gradients[:, place] = dvalues
        return gradients[:, 0] if self.n_outputs_ == 1 else gradients

    def _check_fitted(self) -> None:
        """check_is_fitted costs as much as a prediction, so only where it will raise."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)

    # --------------------------------------------------------------------------------------------------- a pickle

    def __getstate__(self) -> dict[str, Any]:
        """No network, and the optimizer's state only where it may be gone on from: after partial_fit, or warm_start."""
        left = {"_network_kept", "_best_coefs", "_best_intercepts", "_best_norms"}
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
