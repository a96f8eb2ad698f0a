"""Targets of several columns, each one of several classes: as LabelBinarizer is for one column."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from backpass.estimators.grouped import groups


def columns_of(y: Any) -> np.ndarray:
    """y as an array; the rows of a list may hold words beside numbers, which then stay what they are."""
    return np.asarray(y, dtype=object) if isinstance(y, list | tuple) else np.asarray(y)


def is_several(y: Any) -> bool:
    """Whether y has several columns, each one of several classes, and not 0 and 1, as of several labels."""
    y = columns_of(y)
    if y.ndim != 2 or y.shape[1] < 2:
        return False
    try:
        with np.errstate(invalid="ignore"):  # of NaN, which is told by those who come next
            kind = type_of_target(y.tolist() if y.dtype == object else y)
    except TypeError:  # columns of kinds that cannot be sorted together, words and numbers
        return True
    return kind == "multiclass-multioutput" or (kind == "multilabel-indicator" and not np.isin(y, (0, 1)).all())


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
        self.classes_ = [self.classes_of(each, place) for place, each in enumerate(classes)]
        return self

    @staticmethod
    def classes_of(column: Any, place: int) -> np.ndarray:
        """Sorted. ValueError for numbers that are no classes, and for words beside what are none."""
        values = np.asarray(column).tolist()
        if len({isinstance(value, str) for value in values}) > 1 or None in values:
            raise ValueError(f"column {place} of y holds words beside other kinds; make all of them words, or numbers")
        check_classification_targets(values)
        return np.unique(np.array(values))

    def transform(self, y: Any) -> np.ndarray:
        """ValueError for another number of columns, or for a class that a column does not have."""
        y, parts = self.checked(y), []
        for place, classes in enumerate(self.classes_):
            parts.append(y[:, place, None] == classes)
            unknown = ~parts[-1].any(axis=1)
            if unknown.any():
                found = y[unknown, place].tolist()[0]
                raise ValueError(f"column {place} of y holds {found!r}; its classes are {classes.tolist()}")
        return np.hstack(parts)

    def checked(self, y: Any) -> np.ndarray:
        """y (N, O) as an array. ValueError for another shape."""
        y = columns_of(y)
        if y.ndim != 2 or y.shape[1] != len(self.classes_):
            raise ValueError(f"y has shape {y.shape}; {len(self.classes_)} columns are expected")
        return y

    def columns(self, shares: np.ndarray) -> list[np.ndarray]:
        """Those (N, C) of each column's classes, of shares (N, C_1 + ... + C_O)."""
        return groups(shares, list(map(len, self.classes_)))

    def inverse_transform(self, shares: np.ndarray) -> np.ndarray:
        """The class with the largest share in each column; of one dtype if all columns are, else objects."""
        parts = zip(self.classes_, self.columns(shares), strict=True)
        columns = [classes[part.argmax(axis=1)] for classes, part in parts]
        kinds = {column.dtype.kind for column in columns}
        return np.column_stack(columns if len(kinds) == 1 else [column.astype(object) for column in columns])
