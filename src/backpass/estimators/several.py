"""Targets of several columns, each one of several classes: as LabelBinarizer is for one column."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target


def is_several(y: Any) -> bool:
    """Whether y has several columns, each one of several classes."""
    if np.asarray(y).ndim != 2:
        return False
    try:
        return type_of_target(y) == "multiclass-multioutput"
    except TypeError:  # columns of kinds that cannot be sorted together, words and numbers
        return True


class SeveralBinarizer:
    """y (N, O) of classes as 0 and 1 (N, C_1 + ... + C_O), the classes of a column side by side, and back.

    Attributes
    ----------
    classes_ : list of ndarray
        Of each column, sorted.
    """

    y_type_ = "multiclass-multioutput"

    def fit(self, classes: Any) -> SeveralBinarizer:
        """Learn the classes of each column from all that it may hold."""
        self.classes_ = [np.unique(np.asarray(each)) for each in classes]
        return self

    def transform(self, y: Any) -> np.ndarray:
        """ValueError for another number of columns, or for a class that a column does not have."""
        y = np.asarray(y)
        if y.ndim != 2 or y.shape[1] != len(self.classes_):
            raise ValueError(f"y has shape {y.shape}; {len(self.classes_)} columns are expected")
        parts = []
        for place, classes in enumerate(self.classes_):
            column = y[:, place].astype(classes.dtype)
            unknown = ~np.isin(column, classes)
            if unknown.any():
                found = column[unknown].tolist()[0]
                raise ValueError(f"column {place} of y holds {found!r}; its classes are {classes.tolist()}")
            parts.append(column[:, None] == classes)
        return np.hstack(parts)

    def inverse_transform(self, shares: np.ndarray) -> np.ndarray:
        """The class with the largest share in each column; of one dtype if all columns are, else objects."""
        ends = np.cumsum([len(classes) for classes in self.classes_])[:-1]
        parts = np.split(shares, ends, axis=1)
        columns = [classes[part.argmax(axis=1)] for classes, part in zip(self.classes_, parts, strict=True)]
        kinds = {column.dtype.kind for column in columns}
        return np.column_stack(columns if len(kinds) == 1 else [column.astype(object) for column in columns])
