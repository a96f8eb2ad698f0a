"""Second derivatives: how the loss curves along any direction, and where it curves most.

    H v = d/dt gradient(parameters + t v)  at t = 0         the Hessian H (P, P) times a direction v (P,)
        = Im gradient(parameters + i h v) / h               h = 1e-30: nothing cancels, and no kink of a ReLU is crossed

The gradient of complex parameters is the walk through the parts' formulas. Parts of somebody's own have none that can
be trusted with complex numbers: a network that holds one is differentiated by central differences of its gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backpass import checks
from backpass.audit import formulas
from backpass.audit.network_subject import network_in_float64
from backpass.audit.precision import typical
from backpass.fusions.fusion import Fusion
from backpass.layers.layer import knows
from backpass.network import Network

COMPLEX_STEP = 1e-30
CENTRAL_STEP = 1e-5  # of a direction, times the size of a parameter: rounding and third derivatives leave about 1e-10
DENSE_UP_TO = 100  # parameters: as many products as Lanczos's method needs anyway
LARGEST_DENSE = 10_000  # parameters, 800 MB


def trusted(part: Any) -> bool:
    """Whether a part's formula is ours, and so takes complex numbers."""
    return type(part).__module__.startswith("backpass.") and formulas.has_formula(part)


class Curvature:
    """The Hessian of a network's mean loss, penalties included, by its parameters (P,) as they were.

    Attributes
    ----------
    eigenvalues : ndarray (k,)
        Those of the largest size, largest size first; they may be negative.
    eigenvectors : ndarray (P, k)
        Column j belongs to eigenvalue j, and is of length 1.
    sharpness : float
        The largest eigenvalue.
    stable_learning_rate : float
        2 / sharpness, the rate up to which plain gradient descent on all samples does not climb the steepest valley's
        walls; infinite where the loss curves upwards nowhere. Source: Cohen, Kaur, Li, Kolter, Talwalkar, "Gradient
        descent on neural networks typically occurs at the edge of stability", ICLR 2021, section 2.
    """

    def __init__(self, network: Network, X: np.ndarray, targets: np.ndarray, k: int):
        self._network = network_in_float64(network)
        self._X = X.astype(np.float64)
        self._targets = targets if targets.ndim == 1 else targets.astype(np.float64)
        self._exact = all(trusted(part) for part in (*network.layers, network.loss))
        if self._exact and any("saved" in knows(formulas.formula(layer, "forward")) for layer in network.layers):
            self._network.forward(self._X, step=1)  # the masks of Dropout, which stay as they are
        self.eigenvalues, self.eigenvectors = self._largest(k)
        self.sharpness = float(self.eigenvalues.max())
        if self.sharpness <= 0:  # all of the largest size are negative
            self.sharpness = float(self._largest(1, "LA")[0][0])

    @property
    def stable_learning_rate(self) -> float:
        return 2 / self.sharpness if self.sharpness > 0 else math.inf

    def hessian_vector_product(self, direction: Any) -> np.ndarray:
        """H v (P,) for a direction v (P,). Raises ValueError, TypeError for what is not P finite numbers."""
        direction = checks.finite(checks.numbers(direction, "direction"), "direction").astype(np.float64)
        if direction.shape != self._network.parameters.shape:
            raise ValueError(f"direction has shape {direction.shape}; pass {self._network.parameters.shape}")
        length = float(np.linalg.norm(direction))
        if not length:
            return np.zeros_like(direction)
        unit = direction / length
        return length * (self._complex_step(unit) if self._exact else self._central_differences(unit))

    def hessian(self) -> np.ndarray:
        """H (P, P). Raises ValueError for more than 10,000 parameters."""
        P = self._network.parameters.size
        if P > LARGEST_DENSE:
            raise ValueError(f"{P} parameters have {P**2:.1g} second derivatives; use hessian_vector_product")
        rows = np.array([self.hessian_vector_product(direction) for direction in np.eye(P)])
        return (rows + rows.T) / 2

    def _largest(self, k: int, which: str = "LM") -> tuple[np.ndarray, np.ndarray]:
        P = self._network.parameters.size
        if k >= P - 1 or P <= DENSE_UP_TO:
            values, vectors = np.linalg.eigh(self.hessian())
        else:
            from scipy.sparse.linalg import LinearOperator, eigsh

            operator = LinearOperator((P, P), matvec=self.hessian_vector_product, dtype=np.float64)
            start = np.random.default_rng(0).standard_normal(P)  # ARPACK's own would differ from call to call
            if not (first := self.hessian_vector_product(start)).any():  # which ARPACK refuses
                return first[:k], np.eye(P, k)
            values, vectors = eigsh(operator, k, which=which, v0=start)
        order = np.argsort(-(np.abs(values) if which == "LM" else values), kind="stable")[:k]
        return values[order], vectors[:, order]

    def _complex_step(self, unit: np.ndarray) -> np.ndarray:
        product = self._gradient(self._network.parameters + 1j * COMPLEX_STEP * unit).imag / COMPLEX_STEP
        start = 0
        for layer in self._network.layers:
            for name, shape in layer.parameter_shapes().items():
                place = slice(start, start := start + math.prod(shape))
                product[place] += 2 * layer.penalties.get(name, (0.0, 0.0))[1] * unit[place]  # of L2; L1 is straight
        return product

    def _gradient(self, flat: np.ndarray) -> np.ndarray:
        """Gradient (P,) of the mean loss, without penalties, at complex parameters, by the formulas."""
        network, start = self._network, 0
        layers, loss = list(network.layers), network.loss
        if (fusion := network._fusion()) is not None:
            layers, loss = layers[:-1], fusion
        output, known = self._X.astype(np.complex128), []
        for layer in layers:
            flow = {"inputs": output}
            for name, shape in layer.parameter_shapes().items():
                flow[name] = flat[start : (start := start + math.prod(shape))].reshape(shape)
            output = flow["output"] = formulas.call(layer, "forward", flow)
            known.append(flow)
        rows = formulas.rows_of(network.loss, self._targets, network.widths[-1])
        if isinstance(loss, Fusion):
            output = formulas.call(loss, "forward", {"inputs": output, "y_true": rows})[1]
        dvalues = formulas.call(loss, "backward", {"dvalues": output, "y_pred": output, "y_true": rows})
        gradients: list[np.ndarray] = []
        for layer, flow in zip(reversed(layers), reversed(known), strict=True):
            result = formulas.call(layer, "backward", {**flow, "dvalues": dvalues})
            *of_parameters, dvalues = result if isinstance(result, tuple) else (result,)
            gradients = [*(gradient.ravel() for gradient in of_parameters), *gradients]
        return np.concatenate(gradients)

    def _central_differences(self, unit: np.ndarray) -> np.ndarray:
        network, here = self._network, self._network.parameters.copy()
        gradients, step = [], CENTRAL_STEP * typical(here)
        for sign in (1, -1):
            network.parameters[:] = here + sign * step * unit
            gradients.append(network.gradient_of(self._X, self._targets)[1])
        network.parameters[:] = here
        return (gradients[0] - gradients[1]) / (2 * step)

    def __repr__(self) -> str:
        return (
            f"<Curvature by {self._network.parameters.size} parameters: sharpness {self.sharpness:.4g}, "
            f"stable learning rate {self.stable_learning_rate:.4g}>"
        )


def curvature(network: Network, X: Any, y: Any, k: int = 5) -> Curvature:
    """How the mean loss of X and y curves where the network stands: the k eigenvalues of its Hessian of largest size.

    Parameters
    ----------
    network : Network
        Is left as it is. Computed in float64, whatever its own dtype.
    X : array-like (N, D)
    y : array-like
        As `Network.fit` takes them; all of them at once, as one batch in training. Dropout has the masks of step 1,
        BatchNorm the statistics of the batch.
    k : int
        How many eigenvalues; all P, if there are no more.

    Returns
    -------
    Curvature

    Raises
    ------
    ValueError, TypeError
        Samples and targets that do not fit the network, parameters that are not finite, k below 1.

    Where the network holds a layer or a loss of somebody's own, differences of its gradient over 2e-5 take the place
    of the complex step. They are wrong where a ReLU changes sides in between, or where such a part computes in float32.

    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994; Lanczos's method is
    SciPy's (ARPACK).

    >>> from backpass import Dense, MeanSquaredError, Network
    >>> network = Network([Dense(2, 1, random_state=0)], MeanSquaredError())
    >>> X, y = [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]], [1.0, 2.0, 3.0, 4.0]
    >>> curved = curvature(network, X, y, k=3)  # the loss is a parabola: H = 2 / N * sum of [x, 1] [x, 1]'
    >>> curved.eigenvalues.round(6).tolist(), round(curved.stable_learning_rate, 6)
    ([2.0, 1.0, 0.25], 1.0)
    """
    X = network.samples(X)
    targets = network.targets(y, X)
    if not np.isfinite(network.parameters).all():
        raise ValueError("network has parameters that are not finite; train it anew with a lower learning rate")
    return Curvature(network, X, targets, checks.positive_integer(k, "k"))
