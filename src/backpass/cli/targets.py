"""The column to predict: classes with their names, or numbers on a standardised scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass import checks

if TYPE_CHECKING:
    from pandas import Series

LARGEST = float(np.finfo(np.float32).max)
TASKS = ("auto", "classification", "regression")
MOST_CLASSES = 20  # more different whole numbers than this are read as quantities


@dataclass
class Target:
    """What is predicted, and how its values become what a network is trained on.

    Attributes
    ----------
    name : str
        Its column.
    task : "classification" or "regression"
    classes : list
        The labels as they stand in the data, in the order of the network's outputs.
    mean, scale : float
        Of a regression's training part; (value - mean) / scale is what the network sees.
    """

    name: str
    task: str
    classes: list[Any] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0

    @property
    def classifies(self) -> bool:
        return self.task == "classification"

    @property
    def figure(self) -> str:
        """The figure beside the loss."""
        return "accuracy" if self.classifies else "r2"

    def standardise(self, numbers: np.ndarray) -> None:
        """Take mean and scale from the training part."""
        if not self.classifies:
            with np.errstate(all="ignore"):
                self.mean, self.scale = float(numbers.mean()), float(numbers.std())
            if not self.scale and (numbers == numbers[0]).all():
                self.mean, self.scale = float(numbers[0]), 1.0
            if not (np.isfinite([self.mean, self.scale]).all() and self.scale):
                raise ValueError(
                    f"{self.name} goes from {numbers.min():g} to {numbers.max():g}, which cannot be standardised"
                )

    def encode(self, values: Series) -> np.ndarray:
        """Class indices (N,), or numbers (N,) as they are. ValueError naming the first value that does not fit."""
        refuse_missing(values)
        if not self.classifies:
            return numbers_of(values)
        indices = {label: index for index, label in enumerate(self.classes)}
        # what a file makes of a label depends on its neighbours: 1 beside a is text, alone it is a number
        texts = {str(label): index for label, index in indices.items()}
        codes, found = values.factorize()
        labels = [plain(value) for value in found]
        classes = np.array([indices.get(label, texts.get(str(label), -1)) for label in labels], np.int64)
        encoded = classes[codes]
        if (encoded < 0).any():
            row = int(encoded.argmin())
            label = labels[codes[row]]
            raise ValueError(f"{self.name} holds {label!r} in row {row}; the classes are {listed(self.classes)}")
        return encoded

    def for_network(self, encoded: np.ndarray) -> np.ndarray:
        if self.classifies:
            return encoded
        with np.errstate(over="ignore"):
            scaled = (encoded - self.mean) / self.scale
        beyond = np.abs(scaled) > LARGEST
        if beyond.any():
            value = encoded[beyond.argmax()]
            raise ValueError(f"{self.name} holds {value:g}, too far from the training part's mean {self.mean:g}")
        return scaled

    def from_network(self, predicted: np.ndarray) -> list[Any]:
        """Labels, or numbers on the scale of the data."""
        if self.classifies:
            return [self.classes[index] for index in predicted]
        return (predicted.astype(np.float64) * self.scale + self.mean).tolist()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_off(values: Series, task: str = "auto") -> Target:
    """What a target column asks for. ValueError if nothing can be learnt from it."""
    name = str(values.name)
    refuse_missing(values)
    if values.dtype.kind in "mMc":
        raise TypeError(f"{name} holds {values.dtype} values; numbers or labels can be predicted")
    if task == "auto":
        task = "classification" if looks_like_classes(values) else "regression"
    if task == "regression":
        numbers = numbers_of(values)
        if (numbers == numbers[0]).all():
            raise ValueError(f"{name} is {numbers[0]:g} in every row; there is nothing to learn")
        return Target(name, task)
    found = {plain(value) for value in values.unique()}
    classes = sorted(found, key=lambda label: (isinstance(label, str), label))  # numbers before strings
    if len(classes) < 2:
        raise ValueError(f"{name} is {classes[0]!r} in every row; at least two classes are needed")
    return Target(name, task, classes)


def looks_like_classes(values: Series) -> bool:
    """Strings, categories, yes and no; and whole numbers, if few different ones come again and again."""
    if values.dtype.kind not in "iuf":
        return True
    different = values.unique()
    return bool((different % 1 == 0).all()) and len(different) <= max(2, min(MOST_CLASSES, len(values) // 2))


def plain(value: Any) -> Any:
    """A label as JSON has it: bool, int, float or str."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def numbers_of(values: Series) -> np.ndarray:
    """(N,) float64, finite."""
    import pandas

    numbers = pandas.to_numeric(values.astype(object), errors="coerce").to_numpy(np.float64)
    if (bad := np.isnan(numbers)).any():
        row = int(bad.argmax())
        raise ValueError(f"{values.name} holds {plain(values.iloc[row])!r} in row {row}; a regression needs numbers")
    return checks.finite(numbers, str(values.name))


def refuse_missing(values: Series) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        more = f" (and {missing.sum() - 1} more)" if missing.sum() > 1 else ""
        raise ValueError(f"{values.name} has no value in row {int(missing.argmax())}{more}; drop such rows")
    if values.dtype.kind == "f":
        checks.finite(values.to_numpy(np.float64), str(values.name))


def listed(names: Any, most: int = 10) -> str:
    """a, b, c and 7 more"""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
