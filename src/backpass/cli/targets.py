"""The column to predict: classes with their names, or numbers on a standardised scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backpass.cli.columns.column import Column, means_missing, plain
from backpass.cli.columns.kinds import from_json
from backpass.cli.columns.numbers import LARGEST, Boolean, Number
from backpass.cli.columns.words import Lookup

TASKS = ("auto", "classification", "regression")
LARGEST_TARGET = float(np.finfo(np.float64).max)  # it is standardised before a network sees it
MOST_CLASSES = 20  # more different whole numbers than this are read as quantities
FEW_LABELS = 10  # so many different texts are classes, however few the rows


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
    kind : dict, optional
        How a number or a truth is read; without one, values are words, and only an empty field holds none.
    """

    name: str
    task: str
    classes: list[Any] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0
    kind: dict[str, Any] | None = None

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

    def absent(self, column: Column) -> np.ndarray:
        """(N,) bool: the rows without a value. NA and None are words like others where the classes are words."""
        if column.held != "text":
            return column.missing
        marks = self.kind.get("marks", []) if self.kind else []
        nothing = (lambda text: means_missing(text) or text in marks) if self.kind else (lambda text: not text)
        return column.each(nothing, bool, True)

    def encode(self, column: Column, decimal: str | None = None) -> np.ndarray:
        """Class indices (N,), or numbers (N,) as they are. ValueError naming the first value that does not fit."""
        if not self.classifies:
            return self._number().parse(column, decimal, LARGEST_TARGET)
        find = Lookup(self.classes)
        codes, found = column.values.factorize()
        labels = [plain(value) for value in found]
        encoded = np.array([find(str(label).strip()) for label in labels], np.int64)[codes]
        if (encoded < 0).any():
            place = int((encoded < 0).argmax())
            label = labels[codes[place]]
            expected = f"the classes are {listed(self.classes)}"
            raise ValueError(f"{self.name} holds {label!r} in {column.row(place)}; {expected}")
        return encoded

    def _number(self) -> Number:
        kind = from_json(self.kind) if self.kind else Number()
        return kind if isinstance(kind, Number) else Number()

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


def read_off(column: Column, task: str = "auto", decimal: str = ".") -> tuple[Target, list[str]]:
    """What a target column asks for, and what was decided in words. ValueError if nothing can be learnt from it."""
    name = column.name
    if column.held in ("date", "duration"):
        raise TypeError(f"{name} holds {column.values.dtype} values; numbers or labels can be predicted")
    number, truth = Number.learn(column, decimal, LARGEST_TARGET), Boolean.learn(column, decimal)
    kind = (number or truth or (None,))[0]
    target = Target(name, task, kind=kind.as_json() if kind else None)
    there = ~target.absent(column)
    if not there.any():
        raise ValueError(f"{name} has no value in any row; there is nothing to learn")
    if task == "auto":
        target.task = "classification" if truth or not number or few(number[1][there]) else "regression"
    if target.classifies:
        return classes_of(target, column, there, task)
    numbers = number[1][there] if number else Number(decimal).parse(column, None, LARGEST_TARGET)[there]
    if (numbers == numbers[0]).all():
        raise ValueError(f"{name} is {numbers[0]:g} in every row; there is nothing to learn")
    return target, list(number[0].notes if number else ())


def few(numbers: np.ndarray) -> bool:
    """Whole numbers, if few different ones come again and again, are classes."""
    different = np.unique(numbers)
    return bool((different % 1 == 0).all()) and len(different) <= max(2, min(MOST_CLASSES, len(numbers) // 2))


def classes_of(target: Target, column: Column, there: np.ndarray, task: str) -> tuple[Target, list[str]]:
    """The labels as they are written, numbers in their order and before words."""
    name, values, notes = target.name, column.values[there], []
    labels = [plain(value) for value in values.unique()]
    if column.held == "text":
        labels = [label.strip() for label in labels]
        as_numbers = [number_as_written(label) for label in labels]
        # 007 is a name, 7 a number; one name among them makes all of them names
        if None not in as_numbers:
            labels = as_numbers
    if len(labels) < 2:
        raise ValueError(f"{name} is {labels[0]!r} in every row; at least two classes are needed")
    if task == "auto" and target.kind is None and len(labels) > max(FEW_LABELS, len(values) // 2):
        example = column.told(int(there.argmax()))
        what = f"{len(labels)} different texts in {len(values)} rows, such as {example}"
        raise ValueError(f"{name} holds {what}; write numbers, or say --task classification")
    target.classes = sorted(labels, key=in_order)
    if target.kind is None:
        words = [label for label in target.classes if isinstance(label, str) and means_missing(label)]
        for word in words:
            rows = int((values == word).sum())
            notes.append(f"{name}: {word!r} is a label like others ({rows} rows); only an empty field holds none")
    return target, notes


def in_order(label: Any) -> tuple[bool, float, str]:
    try:
        return False, float(label), str(label)
    except ValueError:
        return True, 0.0, label


def number_as_written(text: str) -> int | float | None:
    """The number that is written just so: 7 and 1.5, but not 007, +1 or 1.50."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and np.isfinite(number):
            return number
    return None


def listed(names: Any, most: int = 10) -> str:
    """a, b, c and 7 more"""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
