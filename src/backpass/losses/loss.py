"""What every loss shares.

A loss is one file: the formula, the kernels, and a class that names them. There may be two pairs of kernels: for
labels, one class index a sample, and for `y_true`, a row of numbers a sample. As in the notebook, the `dvalues` that
`backward` is given are the predictions: there is nothing to the right of a loss that a gradient could come from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from backpass import checks
from backpass.discovery import register
from backpass.engine.kernels import Kernel
from backpass.layers.layer import Layer, check_first_argument, has_kernels

# Looked up once: each costs a thirtieth of the notebook's smallest step.
ndarray, empty_like, INT64 = np.ndarray, np.empty_like, checks.INT64
FLOAT32, FLOAT64 = checks.FLOAT32, checks.FLOAT64
LOSSES: dict[str, type[Loss]] = {}  # every loss class by name
BY_PLACE = ("dvalues", "labels", "scales", "dinputs")  # what `backward` may hand over without looking at names


@lru_cache(maxsize=8)
def mean_scales(samples: int) -> np.ndarray:
    """1/N for each of N samples: the mean's weights, as kernels want them."""
    return np.full(samples, 1 / samples)


class Loss:
    """One number a sample that says how wrong a prediction is.

    Attributes
    ----------
    dinputs : ndarray (N, C)
        What the last `backward` returned: the gradient of the mean loss by the predictions.
    """

    forward_kernel: ClassVar[Kernel]  # (y_pred or inputs, y_true, sample_losses ...)
    backward_kernel: ClassVar[Kernel]  # (dvalues, y_true, scales, dinputs)
    labels_forward_kernel: ClassVar[Kernel | None] = None  # the same with `labels` in place of `y_true`
    labels_backward_kernel: ClassVar[Kernel | None] = None
    labels_as_they_are: bool = False  # whether labels_backward_kernel takes BY_PLACE, and `effective` leaves them alone
    takes_labels: ClassVar[bool] = False  # whether y may be one class index a sample; so if there are kernels for them
    classifies: ClassVar[bool] = False
    threshold: ClassVar[float] = 0.5  # a yes-or-no output above it is a yes
    probabilistic: ClassVar[bool] = True  # of a classification: whether outputs are probabilities

    dinputs: np.ndarray | None = None
    settings: np.ndarray = np.zeros(0, np.float64)

    def __init_subclass__(cls, listed: bool = True, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not listed:
            return
        for name in ("forward", "backward", "labels_forward", "labels_backward"):
            check_first_argument(getattr(cls, f"{name}_kernel", None))
        cls.labels_as_they_are = getattr(cls.labels_backward_kernel, "arguments", None) == BY_PLACE
        if "takes_labels" not in cls.__dict__:
            cls.takes_labels = cls.takes_labels or cls.labels_forward_kernel is not None
        register(LOSSES, cls.__name__, cls)

    @property
    def compiled(self) -> bool:
        """Whether the engine can run it: it has both kernels, and they are what its `forward` and `backward` do."""
        return has_kernels(type(self))  # type: ignore[arg-type]

    def check_last_layer(self, layer: Layer, width: int) -> None:
        """ValueError if this loss makes no sense after that layer."""

    def check_targets(self, y_true: np.ndarray, name: str = "y_true") -> None:
        """ValueError if a row of targets (N, C) is outside what the loss is defined for."""

    def target_width(self, width: int) -> int:
        """Columns of `y_true` for a network of that many outputs."""
        return width

    def targets(self, y_true: Any, width: int, dtype: Any, name: str = "y_true") -> np.ndarray:
        """What `y_true` means here: labels (N,) int64 or targets (N, width) of the dtype, checked."""
        array = checks.numbers(y_true, name)
        if array.ndim == 1 and self.takes_labels:
            return checks.labels(array, name, width)
        if array.ndim == 1 and width == 1:
            array = array.reshape(-1, 1)
        if array.ndim != 2 or array.shape[1] != width:
            also = f"labels (N,) or {name} (N, {width})" if self.takes_labels else f"(N, {width})"
            raise ValueError(f"{name} has shape {array.shape}; {also} is expected")
        array = checks.finite(np.require(array, dtype, ("C_CONTIGUOUS", "ALIGNED")), name)
        self.check_targets(array, name)
        return array

    def effective(self, targets: np.ndarray, width: int, dtype: Any) -> np.ndarray:
        """Targets as the kernels see them: smoothed or weighted, where the loss does that."""
        return targets

    def calculate(self, output: Any, y_true: Any, sample_weight: Any = None) -> float:
        """Mean of the losses of all samples, weighted if there are weights (N,)."""
        return self._mean(self.forward(output, y_true), sample_weight)

    def _mean(self, losses: np.ndarray, sample_weight: Any) -> float:
        if sample_weight is None:
            return float(np.mean(losses))
        weights = checks.weights(sample_weight, "sample_weight", losses, "y_true")
        return float(np.sum(weights[weights > 0] * losses[weights > 0]) / np.sum(weights))

    def forward(self, y_pred: Any, y_true: Any) -> np.ndarray:
        """Loss of each sample (N,), float64. Raises ValueError, TypeError for targets that do not fit."""
        return self._forward(checks.samples(checks.matrix(y_pred, "y_pred"), "y_pred"), y_true)

    def _forward(self, y_pred: np.ndarray, y_true: Any, **arrays: np.ndarray) -> np.ndarray:
        arrays |= {"inputs": y_pred, "y_pred": y_pred, "sample_losses": np.empty(len(y_pred))}
        self._call(self.forward_kernel, self.labels_forward_kernel, "y_pred", y_true, arrays)
        return arrays["sample_losses"]

    def backward(self, dvalues: Any, y_true: Any, sample_weight: Any = None) -> np.ndarray:
        """dinputs (N, C): the gradient of the mean loss by the predictions, which are what `dvalues` holds.

        The mean is weighted if there are weights (N,).

        Raises ValueError, TypeError for targets that do not fit. Needs no `forward` before it.
        """
        try:  # what fits already is not looked at twice: the kernels refuse bad labels and strides themselves
            dtype, samples = dvalues.dtype, len(y_true)
            if (
                y_true.__class__ is dvalues.__class__ is ndarray
                and y_true.dtype is INT64
                and (dtype is FLOAT64 or dtype is FLOAT32)
                and dvalues.ndim == 2
                and y_true.ndim == 1
                and samples == len(dvalues) > 0
                and sample_weight is None
                and self.labels_as_they_are
            ):
                dinputs = empty_like(dvalues)
                self.labels_backward_kernel.call((dvalues, y_true, mean_scales(samples), dinputs))  # type: ignore[union-attr]
                self.dinputs = dinputs
                return dinputs
        except (AttributeError, TypeError, ValueError, IndexError):
            pass
        dvalues = checks.samples(checks.matrix(dvalues, "dvalues"), "dvalues")
        scales = mean_scales(len(dvalues))
        if sample_weight is not None:
            weights = checks.weights(sample_weight, "sample_weight", dvalues, "dvalues")
            scales = weights / weights.sum()
        arrays = {"dvalues": dvalues, "scales": scales, "dinputs": np.empty_like(dvalues)}
        self._call(self.backward_kernel, self.labels_backward_kernel, "dvalues", y_true, arrays)
        self.dinputs = arrays["dinputs"]
        return self.dinputs

    def _call(
        self, kernel: Kernel, labels_kernel: Kernel | None, name: str, y_true: Any, arrays: dict[str, np.ndarray]
    ) -> None:
        """Check the targets against the array of this name, and call the kernel that is for their kind.

        It is given what flows, and what the loss brings along itself, such as `settings`.
        """
        predictions = arrays[name]
        targets = self.targets(y_true, predictions.shape[1], predictions.dtype)
        checks.same_length(predictions, name, targets, "y_true")
        targets = self.effective(targets, predictions.shape[1], predictions.dtype)
        if targets.ndim == 1:
            kernel = labels_kernel  # type: ignore[assignment]  # else targets would have refused labels
        own = {each: kernel.own_argument(self, each, predictions.dtype) for each in kernel.own}
        given = {**arrays, **own, "y_true": targets, "labels": targets}
        kernel(*[given[argument] for argument in kernel.arguments])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("dinputs", "output")}

    def config(self) -> dict[str, Any]:
        """The arguments that make this loss anew (JSON)."""
        return {}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({given})"
